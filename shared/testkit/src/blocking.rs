//! Work that waits in the old way (processes, files) kept off the test's own threads.
//!
//! A runtime whose clock is paused does not move its time while such work runs, so servers start there as well.

use std::panic::resume_unwind;

/// Runs `work` on a thread that may block. A panic in it goes on in the caller.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(error) => panic!("the runtime ended while a test server was being handled: {error}"),
        },
    }
}
