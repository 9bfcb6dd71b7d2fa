//! Two counts that only grow, and how they stand to each other lately. Pure.

use std::collections::VecDeque;
use std::time::Duration;

/// Lately is within this time.
const LATELY: Duration = Duration::from_secs(60);

/// Moments with a count of all and of some among them.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent(VecDeque<(Duration, u64, u64)>);

impl Recent {
    pub(super) fn note(&mut self, at: Duration, all: u64, some: u64) {
        if self.0.back().is_some_and(|(_, before, _)| all < *before) {
            // It is counted from the beginning again.
            self.0.clear();
        }
        self.0.push_back((at, all, some));
        while self.0.get(1).is_some_and(|(second, _, _)| *second + LATELY < at) {
            self.0.pop_front();
        }
    }

    /// The part that some are of all, lately; or of all that was ever counted, where there is one look only. None where
    /// nothing was counted.
    pub(super) fn ratio(&self) -> Option<f64> {
        let ((_, first_all, first_some), (_, all, some)) = (self.0.front()?, self.0.back()?);
        let (all, some) = if self.0.len() == 1 {
            (*all, *some)
        } else {
            (all - first_all, some.saturating_sub(*first_some))
        };
        (all > 0).then(|| some as f64 / all as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_that_of_the_last_minute() {
        let mut recent = Recent::default();
        assert_eq!(recent.ratio(), None);
        recent.note(Duration::ZERO, 1_000, 100);
        assert_eq!(recent.ratio(), Some(0.1));
        recent.note(Duration::from_secs(2), 1_010, 109);
        assert_eq!(recent.ratio(), Some(0.9));
        for second in 3..200 {
            recent.note(Duration::from_secs(second), 1_010, 109);
        }
        assert_eq!(recent.ratio(), None);
        assert!(recent.0.len() < 65);
        recent.note(Duration::from_secs(201), 4, 2);
        assert_eq!(recent.ratio(), Some(0.5));
    }
}
