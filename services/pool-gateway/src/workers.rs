//! Which thread one is on.
//!
//! Thread 0 stands for the process's common runtime, for the upkeep and what is done beside the doors; the workers, which
//! serve clients of both doors, are counted from 1.

use std::cell::Cell;

thread_local! {
    static WORKER: Cell<usize> = const { Cell::new(0) };
}

/// The number of the present thread.
pub(crate) fn current_worker() -> usize {
    WORKER.get()
}

/// Gives the present thread its number, once.
pub(crate) fn set_current_worker(number: usize) {
    WORKER.set(number);
}
