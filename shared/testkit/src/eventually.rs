//! The only wait in tests: until a state is there, with a deadline. Never a bare sleep.

use std::fmt::Display;
use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// What a check says: the value waited for, or not yet and perhaps what it saw instead.
pub trait Observed {
    /// What was waited for.
    type Value;
    /// The value, or what was seen in its place.
    fn observed(self) -> Result<Self::Value, Option<String>>;
}

impl<T> Observed for Option<T> {
    type Value = T;
    fn observed(self) -> Result<T, Option<String>> {
        self.ok_or(None)
    }
}

impl<T, E: Display> Observed for Result<T, E> {
    type Value = T;
    fn observed(self) -> Result<T, Option<String>> {
        self.map_err(|seen| Some(seen.to_string()))
    }
}

/// Polls `check` until it holds, or panics after `deadline` with what it last saw.
///
/// The check gives `Some(value)` or `None`; or `Ok(value)` or `Err(what it saw)`, which then stands in the failure.
#[track_caller]
pub fn eventually<F, O>(what: &str, deadline: Duration, check: F) -> impl Future<Output = O::Value>
where
    F: AsyncFnMut() -> O,
    O: Observed,
{
    let place = Location::caller();
    async move {
        match poll(deadline, check).await {
            Ok(value) => value,
            Err(seen) => panic!("at {place}: waited {deadline:?} for {what}, in vain; {seen}"),
        }
    }
}

async fn poll<F, O>(deadline: Duration, mut check: F) -> Result<O::Value, String>
where
    F: AsyncFnMut() -> O,
    O: Observed,
{
    let end = Instant::now() + deadline;
    let mut last = "the check gave no observation".to_owned();
    let mut pause = PAUSE_MIN;
    loop {
        match timeout_at(end, check()).await.map(Observed::observed) {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(Some(seen))) => last = format!("last seen: {seen}"),
            Ok(Err(None)) => {}
            Err(_) => return Err(format!("the last check did not return in time; before it: {last}")),
        }
        if Instant::now() >= end {
            return Err(last);
        }
        sleep(pause.min(end.duration_since(Instant::now()))).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_polls_until_the_value_is_there() {
        let mut calls = 0;
        let value = eventually("the third call", Duration::from_secs(5), || {
            calls += 1;
            let found = (calls == 3).then_some(calls);
            async move { found }
        })
        .await;
        assert_eq!(value, 3);
    }

    async fn failure<O: Observed>(check: impl AsyncFn() -> O) -> String {
        let Err(text) = poll(Duration::from_secs(2), || check()).await else {
            panic!("the check held")
        };
        text
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_tells_what_was_last_seen() {
        assert_eq!(
            failure(async || Err::<(), _>("3 of 4 rows")).await,
            "last seen: 3 of 4 rows"
        );
        assert_eq!(failure(async || None::<()>).await, "the check gave no observation");
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_does_not_outlive_the_deadline() {
        let start = Instant::now();
        let text = failure(async || std::future::pending::<Option<()>>().await).await;
        assert_eq!(start.elapsed().as_secs(), 2);
        assert!(text.contains("did not return in time"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "eventually.rs:")]
    async fn a_failure_names_the_line_that_waited() {
        eventually("the impossible", Duration::from_secs(1), async || None::<()>).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "waited 1s for the impossible, in vain")]
    async fn a_failure_names_what_and_how_long() {
        eventually("the impossible", Duration::from_secs(1), async || None::<()>).await;
    }
}
