//! Pure. Decides from measurements whether a shape is looked up at all.
//!
//! A new shape is. It is put off when it was seen often enough to be sure that looking up loses: a little evidence for
//! a clear loss, much for a small one, so that what is rare or expensive stays. A sample of its keys is looked up all the
//! same, others in turn, and tells when it would gain again. Each time that it is put off soon after it came back, it stays
//! away four times as long: however the load changes, a shape cannot go to and fro often.

use std::time::Duration;

use super::counts::Figures;

/// What happened so long ago weighs half.
const HALF_LIFE: Duration = Duration::from_secs(15);
/// How long a shape is looked up before it is judged. Memory has to fill first, but the sample sees that as well.
const FAIR_CHANCE: Duration = Duration::from_secs(1);
/// A loss of so much of PostgreSQL's time is clear ...
const CLEAR_LOSS: f64 = -0.005;
/// ... after so many look-ups, as they weigh now.
const CLEAR_LOSS_LOOKUPS: f64 = 100.0;
/// Any loss counts after so many.
const ANY_LOSS_LOOKUPS: f64 = 2_000.0;
/// How long a shape is put off at least, at first.
const OFF_FIRST: Duration = Duration::from_secs(2);
/// How long at most.
const OFF_MAX: Duration = Duration::from_secs(16 * 60);
/// Who stayed so long is put off as if for the first time.
const FORGIVEN_AFTER: Duration = OFF_MAX;
/// One of so many keys is in the sample at a time.
pub(super) const TURNS: u64 = 16;
/// How long a turn lasts at first. With each round of all turns it is twice as long, since what is asked for rarely is hit
/// in a long turn only, ...
const TURN_FIRST: Duration = Duration::from_secs(2);
/// ... up to 32 times.
const ROUNDS_MAX: u32 = 5;
/// What a sample has to gain, after so many look-ups, ...
const GAIN: f64 = 0.03;
const GAIN_LOOKUPS: f64 = 500.0;
/// ... or after fewer.
const CLEAR_GAIN: f64 = 0.15;
const CLEAR_GAIN_LOOKUPS: f64 = 50.0;

/// What is done about a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is looked up.
    On,
    /// It was put off: only a sample is looked up.
    Off,
}

/// Judges one shape. Moments are times since a common beginning.
#[derive(Debug)]
pub(crate) struct Judge {
    standing: Standing,
    since: Duration,
    /// How long it is put off at least this time, or was last.
    off_for: Duration,
    window: Figures,
    /// The latest look-ups of the sample, however long ago they were.
    sample: Figures,
    stepped: Duration,
    /// How often it was put off or came back.
    turns: u64,
}

impl Judge {
    pub(crate) fn new(now: Duration) -> Self {
        Self {
            standing: Standing::On,
            since: now,
            off_for: Duration::ZERO,
            window: Figures::default(),
            sample: Figures::default(),
            stepped: now,
            turns: 0,
        }
    }

    pub(crate) const fn standing(&self) -> Standing {
        self.standing
    }

    /// The latest figures, weighted by how long ago.
    pub(crate) const fn window(&self) -> &Figures {
        &self.window
    }

    /// How often it was put off or came back.
    #[cfg(test)]
    pub(crate) const fn turns(&self) -> u64 {
        self.turns
    }

    /// The keys whose turn it is, of [`TURNS`] kinds; none while all are looked up.
    pub(crate) fn turn(&self, now: Duration) -> Option<u64> {
        (self.standing == Standing::Off).then(|| turn_after(now.saturating_sub(self.since)))
    }

    /// Takes in what was counted since the step before.
    pub(crate) fn step(&mut self, now: Duration, new: &Figures) {
        let passed = now.saturating_sub(self.stepped);
        self.stepped = self.stepped.max(now);
        self.window.decay_and_add(weight_after(passed), new);
        let is_much = self.sample.lookups() + new.lookups() > 2.0 * GAIN_LOOKUPS;
        self.sample.decay_and_add(if is_much { 0.5 } else { 1.0 }, new);
        let lasted = now.saturating_sub(self.since);
        match self.standing {
            Standing::On if lasted >= FAIR_CHANCE && loses(&self.window) => self.put_off(now, lasted),
            Standing::Off if lasted >= self.off_for && gains(&self.sample) => self.is(Standing::On, now),
            Standing::On | Standing::Off => {}
        }
    }

    fn put_off(&mut self, now: Duration, stayed: Duration) {
        let again = self.off_for.saturating_mul(4);
        self.off_for = if stayed >= FORGIVEN_AFTER {
            OFF_FIRST
        } else {
            again.clamp(OFF_FIRST, OFF_MAX)
        };
        self.is(Standing::Off, now);
    }

    fn is(&mut self, standing: Standing, now: Duration) {
        self.standing = standing;
        self.since = now;
        self.turns += 1;
        // What led here is no evidence for or against what follows.
        self.window = Figures::default();
        self.sample = Figures::default();
    }
}

/// Whose turn it is when it was put off so long ago.
fn turn_after(lasted: Duration) -> u64 {
    let (mut lasted, mut turn) = (lasted.as_nanos(), TURN_FIRST.as_nanos());
    for _ in 0..ROUNDS_MAX {
        let round = turn * u128::from(TURNS);
        if lasted < round {
            break;
        }
        lasted -= round;
        turn *= 2;
    }
    u64::try_from(lasted / turn % u128::from(TURNS)).unwrap_or_default()
}

fn weight_after(passed: Duration) -> f64 {
    (-passed.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2()
}

/// Whether it is certain that looking up costs more than it brings. Without a miss there is nothing that was lost.
fn loses(window: &Figures) -> bool {
    let evidence = window.lookups();
    match window.gain() {
        Some(gain) if gain < CLEAR_LOSS => evidence >= CLEAR_LOSS_LOOKUPS,
        Some(gain) if gain < 0.0 => evidence >= ANY_LOSS_LOOKUPS,
        _ => false,
    }
}

/// Whether it is certain that it would bring something. Where everything is hit there is nothing to compare with, and
/// nothing to lose.
fn gains(sample: &Figures) -> bool {
    let evidence = sample.lookups();
    let gain = sample.gain();
    evidence >= GAIN_LOOKUPS && gain.is_none_or(|gain| gain >= GAIN)
        || evidence >= CLEAR_GAIN_LOOKUPS && gain.is_none_or(|gain| gain >= CLEAR_GAIN)
}
