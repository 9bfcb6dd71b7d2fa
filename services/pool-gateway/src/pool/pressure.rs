//! When a pool is nearly used up, and when it no longer is. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// From this share of its connections on a pool is under pressure, in percent.
const HIGH_PERCENT: usize = 90;
/// Below this share it no longer is.
const LOW_PERCENT: usize = 80;
/// A shorter change is none.
const MOMENT: Duration = Duration::from_secs(1);

/// The pressure of one pool.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    is_high: bool,
    /// Since when it looks as if it were the other way round.
    otherwise_since: Option<Instant>,
    /// When it last changed.
    changed: Option<Instant>,
}

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Rose,
    /// After so long.
    Fell(Duration),
}

impl Pressure {
    /// Looks at a pool's figures. Said once for each change, when it has lasted for a moment.
    pub(crate) fn look(&mut self, active: usize, max: usize, now: Instant) -> Option<Change> {
        let share = active.saturating_mul(100) / max.max(1);
        let is_otherwise = if self.is_high {
            share < LOW_PERCENT
        } else {
            share >= HIGH_PERCENT
        };
        if !is_otherwise {
            self.otherwise_since = None;
            return None;
        }
        let since = *self.otherwise_since.get_or_insert(now);
        if now.duration_since(since) < MOMENT {
            return None;
        }
        self.otherwise_since = None;
        self.is_high = !self.is_high;
        let lasted = self.changed.replace(now).map(|changed| now.duration_since(changed));
        Some(if self.is_high {
            Change::Rose
        } else {
            Change::Fell(lasted.unwrap_or_default())
        })
    }

    /// Whether it is under pressure.
    pub(crate) const fn is_high(&self) -> bool {
        self.is_high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a pool of ten, looked at each half second.
    fn changes(actives: &[usize]) -> Vec<(usize, Change)> {
        let (mut pressure, start) = (Pressure::default(), Instant::now());
        let looks = actives.iter().enumerate();
        looks
            .filter_map(|(index, active)| {
                let now = start + MOMENT / 2 * u32::try_from(index).unwrap();
                Some((index, pressure.look(*active, 10, now)?))
            })
            .collect()
    }

    #[test]
    fn it_rises_above_ninety_percent_and_falls_below_eighty() {
        let actives = [5, 9, 10, 9, 9, 8, 8, 8, 8, 7, 7, 7, 7];
        let fell = Change::Fell(MOMENT * 4);
        assert_eq!(changes(&actives), [(3, Change::Rose), (11, fell)]);
    }

    #[test]
    fn what_does_not_last_is_no_change() {
        assert_eq!(changes(&[10, 10, 8, 10, 10, 8, 10, 10, 8]), []);
        assert_eq!(
            changes(&[10, 10, 10, 7, 7, 8, 7, 7, 8, 10]),
            [(2, Change::Rose)],
            "it never was below for long"
        );
    }

    #[test]
    fn a_pool_of_one_is_under_pressure_while_its_connection_is_used() {
        let (mut pressure, now) = (Pressure::default(), Instant::now());
        pressure.look(1, 1, now);
        assert_eq!(pressure.look(1, 1, now + MOMENT), Some(Change::Rose));
        assert!(pressure.is_high());
    }
}
