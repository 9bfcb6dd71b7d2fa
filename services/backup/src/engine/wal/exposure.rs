//! For how long what was committed could be lost: marks of how far the server was when, taken off when that is safe.
//! Pure.

use std::collections::VecDeque;
use std::time::Duration;

use weir_model::Sketch;

/// Marks closer than this are one, which counts from the first of them.
const MARK_EVERY: Duration = Duration::from_millis(5);
/// More are not kept: then the newest are put together.
const MARKS_MAX: usize = 8_192;
/// The hour that figures are given of, in minutes.
const MINUTES: u64 = 60;

/// How far the server was at a moment.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Duration,
    lsn: u64,
}

/// What is exposed, and what was in the last hour. Times are since any moment, the same for all calls.
#[derive(Debug, Default)]
pub(crate) struct Exposure {
    marks: VecDeque<Mark>,
    /// What the minutes before saw, the oldest first, each with its number.
    past: VecDeque<(u64, Sketch)>,
    /// What this minute saw.
    current: (u64, Sketch),
    safe: u64,
}

impl Exposure {
    /// The server has log up to here.
    pub(crate) fn reached(&mut self, now: Duration, lsn: u64) {
        let known = self.marks.back().map_or(self.safe, |mark| mark.lsn);
        if lsn <= known {
            return;
        }
        let is_full = self.marks.len() >= MARKS_MAX;
        match self.marks.back_mut() {
            Some(last) if is_full || now.saturating_sub(last.at) < MARK_EVERY => last.lsn = lsn,
            _ => self.marks.push_back(Mark { at: now, lsn }),
        }
    }

    /// It is safe up to here. Each time that ended with this is passed on.
    pub(crate) fn safe(&mut self, now: Duration, lsn: u64, mut ended: impl FnMut(Duration)) {
        self.safe = self.safe.max(lsn);
        while let Some(mark) = self.marks.front().filter(|mark| mark.lsn <= lsn).copied() {
            self.marks.pop_front();
            let time = now.saturating_sub(mark.at);
            self.minute(now)
                .add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
            ended(time);
        }
    }

    /// Another log: what was marked is of no other.
    pub(crate) fn begin(&mut self, safe: u64) {
        self.marks.clear();
        self.safe = safe;
    }

    /// For how long what would be lost now has been there.
    pub(crate) fn now(&self, now: Duration) -> Duration {
        self.marks
            .front()
            .map_or(Duration::ZERO, |mark| now.saturating_sub(mark.at))
    }

    /// The longest of the last hour without the worst hundredth; what is exposed now counts where it is longer.
    pub(crate) fn p99(&self, now: Duration) -> Duration {
        let minute = now.as_secs() / 60;
        let mut hour = Sketch::default();
        let all = self.past.iter().chain([&self.current]);
        for (_, seen) in all.filter(|(past, _)| past + MINUTES > minute) {
            hour.merge(seen);
        }
        let past = match hour.count() {
            0 => Duration::ZERO,
            _ => Duration::from_secs_f64(hour.quantile_us(0.99) / 1e6),
        };
        past.max(self.now(now))
    }

    fn minute(&mut self, now: Duration) -> &mut Sketch {
        let minute = now.as_secs() / 60;
        if self.current.0 != minute {
            let before = std::mem::replace(&mut self.current, (minute, Sketch::default()));
            self.past.push_back(before);
        }
        while self.past.front().is_some_and(|(past, _)| past + MINUTES <= minute) {
            self.past.pop_front();
        }
        &mut self.current.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_is_not_safe_is_exposed_from_when_the_server_had_it() {
        let mut exposure = Exposure::default();
        exposure.begin(100);
        exposure.reached(ms(0), 100);
        assert_eq!(exposure.now(ms(50)), ms(0), "nothing is owed");
        exposure.reached(ms(100), 200);
        exposure.reached(ms(102), 250);
        exposure.reached(ms(400), 300);
        assert_eq!(exposure.now(ms(500)), ms(400));
        let mut ended = Vec::new();
        exposure.safe(ms(600), 200, |time| ended.push(time));
        assert!(ended.is_empty(), "the mark stands for what came close behind it, too");
        exposure.safe(ms(600), 260, |time| ended.push(time));
        assert_eq!((ended.as_slice(), exposure.now(ms(600))), (&[ms(500)][..], ms(200)));
        exposure.safe(ms(700), 300, |_| {});
        assert_eq!(exposure.now(ms(9_000)), ms(0));
    }

    #[test]
    fn the_hour_forgets_what_is_older_and_one_bad_moment_in_a_hundred() {
        let (mut exposure, mut lsn) = (Exposure::default(), 0);
        let mut once = |exposure: &mut Exposure, at: u64, took: u64| {
            lsn += 1;
            exposure.reached(ms(at), lsn);
            exposure.safe(ms(at + took), lsn, |_| {});
        };
        for second in 0..200 {
            once(&mut exposure, second * 1_000, if second == 7 { 900 } else { 100 });
        }
        let p99 = exposure.p99(ms(200_000));
        assert!(p99 > ms(98) && p99 < ms(102), "{p99:?}");
        for second in 200..210 {
            once(&mut exposure, second * 1_000, 900);
        }
        assert!(exposure.p99(ms(210_000)) > ms(890));
        once(&mut exposure, 210_000 + 3_700_000, 50);
        assert!(exposure.p99(ms(3_910_100)) < ms(52));
        exposure.reached(ms(3_910_200), 1 << 40);
        assert_eq!(exposure.p99(ms(3_970_200)), ms(60_000), "what is exposed now counts");
    }

    #[test]
    fn marks_have_a_bound() {
        let mut exposure = Exposure::default();
        for lsn in 1..100_000 {
            exposure.reached(ms(lsn * 10), lsn);
        }
        assert!(exposure.marks.len() <= MARKS_MAX);
        assert_eq!(exposure.now(ms(1_000_000)), ms(999_990));
        exposure.safe(ms(1_000_000), 99_999, |_| {});
        assert_eq!(exposure.now(ms(1_000_000)), ms(0));
    }
}
