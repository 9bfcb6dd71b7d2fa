//! Pure. How late commits were told over the last minute.

/// Slots of ten seconds.
const SLOTS: usize = 6;
const SLOT_SECONDS: u64 = 10;
/// Classes of durations: four for each power of two microseconds.
const CLASSES: usize = 128;

/// Counts of durations by class and slot of time.
#[derive(Debug)]
pub(crate) struct Lags {
    slots: [Slot; SLOTS],
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    number: u64,
    counts: [u32; CLASSES],
}

impl Default for Lags {
    fn default() -> Self {
        let empty = Slot {
            number: 0,
            counts: [0; CLASSES],
        };
        Self { slots: [empty; SLOTS] }
    }
}

impl Lags {
    /// A commit was told this late, at this second.
    pub(crate) fn add(&mut self, lag_us: u64, unix_s: u64) {
        let number = unix_s / SLOT_SECONDS;
        let place = usize::try_from(number % SLOTS as u64).unwrap_or_default();
        let Some(slot) = self.slots.get_mut(place) else { return };
        if slot.number != number {
            slot.number = number;
            slot.counts = [0; CLASSES];
        }
        if let Some(count) = slot.counts.get_mut(class(lag_us)) {
            *count = count.saturating_add(1);
        }
    }

    /// Within how many milliseconds this share was told; 0 where there was nothing to tell.
    pub(crate) fn quantile_ms(&self, share: f64, unix_s: u64) -> f64 {
        let oldest = (unix_s / SLOT_SECONDS).saturating_sub(SLOTS as u64 - 1);
        let mut counts = [0_u64; CLASSES];
        for slot in self.slots.iter().filter(|slot| slot.number >= oldest) {
            let both = counts.iter_mut().zip(slot.counts);
            both.for_each(|(sum, count)| *sum += u64::from(count));
        }
        let wanted = (counts.iter().sum::<u64>() as f64 * share).ceil() as u64;
        let mut seen = 0;
        let found = counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        match found {
            Some(class) if wanted > 0 => upper_us(class) as f64 / 1e3,
            _ => 0.0,
        }
    }
}

fn class(us: u64) -> usize {
    let us = us.max(4);
    let power = us.ilog2();
    let quarter = (us >> (power - 2)) & 3;
    let class = u64::from(power - 2) * 4 + quarter;
    usize::try_from(class).unwrap_or(CLASSES).min(CLASSES - 1)
}

/// The greatest duration of a class.
const fn upper_us(class: usize) -> u64 {
    let (power, quarter) = (class / 4, class % 4);
    let next = (quarter as u64 + 5) << power;
    next - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_near_and_never_below() {
        let mut lags = Lags::default();
        for us in 1..=10_000 {
            lags.add(us, 1_000);
        }
        for (share, exact) in [(0.5, 5.0), (0.99, 9.9)] {
            let found = lags.quantile_ms(share, 1_000);
            assert!(found >= exact && found <= exact * 1.26, "{share}: {found}");
        }
    }

    #[test]
    fn what_is_older_than_a_minute_is_forgotten() {
        let mut lags = Lags::default();
        lags.add(1_000, 1_000);
        assert!(lags.quantile_ms(0.5, 1_050) > 0.9);
        assert!(lags.quantile_ms(0.5, 1_060).abs() < f64::EPSILON);
        lags.add(5, 1_060);
        assert!(lags.quantile_ms(1.0, 1_060) < 0.01);
    }

    #[test]
    fn every_duration_has_a_class() {
        for us in [0, 1, 4, 5, 7, 8, u64::MAX] {
            assert!(
                class(us) < CLASSES && (us > 1 << 33 || upper_us(class(us)) >= us),
                "{us}"
            );
        }
    }
}
