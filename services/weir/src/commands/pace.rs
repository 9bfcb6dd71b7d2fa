//! How fast something goes on, from what was done at a few moments. Pure.

use std::collections::VecDeque;
use std::time::Duration;

/// The pace is that of this long.
const OVER: Duration = Duration::from_secs(20);
/// Less time than this tells nothing.
const TELLS: Duration = Duration::from_millis(500);

/// Moments, and what was done by then.
#[derive(Debug, Clone, Default)]
pub(in crate::commands) struct Pace(VecDeque<(Duration, u64)>);

impl Pace {
    /// Takes down how much is done, at a moment after some beginning.
    pub(in crate::commands) fn note(&mut self, at: Duration, done: u64) {
        if self.0.back().is_some_and(|(_, before)| done < *before) {
            // Something else began.
            self.0.clear();
        }
        self.0.push_back((at, done));
        // The oldest that is kept is the last one outside of the time.
        while self.0.get(1).is_some_and(|(second, _)| *second + OVER < at) {
            self.0.pop_front();
        }
    }

    /// What is done in a second; none where that cannot be told.
    pub(in crate::commands) fn per_second(&self) -> Option<f64> {
        let ((from, before), (to, now)) = (self.0.front()?, self.0.back()?);
        let lasted = to.saturating_sub(*from);
        (lasted >= TELLS && now > before).then(|| (now - before) as f64 / lasted.as_secs_f64())
    }

    /// How long the rest takes at this pace.
    pub(in crate::commands) fn left(&self, total: u64) -> Option<Duration> {
        let (_, done) = self.0.back()?;
        let rest = total.checked_sub(*done)?;
        Duration::try_from_secs_f64(rest as f64 / self.per_second()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn second(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn the_pace_is_that_of_the_last_seconds() {
        let mut pace = Pace::default();
        assert_eq!((pace.per_second(), pace.left(10)), (None, None));
        pace.note(second(0), 0);
        pace.note(Duration::from_millis(100), 50);
        assert_eq!(pace.per_second(), None);
        pace.note(second(10), 100);
        assert_eq!((pace.per_second(), pace.left(150)), (Some(10.0), Some(second(5))));
        for number in 11..60 {
            pace.note(second(number), 100 + (number - 10) * 2);
        }
        assert_eq!(pace.per_second().map(|rate| rate.round()), Some(2.0));
        assert_eq!(pace.left(10), None);
        assert!(pace.0.len() < 25);
    }

    #[test]
    fn what_begins_again_has_no_pace_yet() {
        let mut pace = Pace::default();
        pace.note(second(0), 0);
        pace.note(second(2), 100);
        pace.note(second(3), 4);
        assert_eq!(pace.per_second(), None);
        pace.note(second(5), 4);
        assert_eq!(pace.per_second(), None);
    }
}
