//! Pure. Decides from measurements whether a shape is looked up at all.
//!
//! A new shape is. It is put off when it was seen often enough to be sure that looking up loses: a little evidence for
//! a clear loss, much for a small one, so that what is rare or expensive stays. After a while it is tried again, and
//! stays if that gained. Each time that it is put off soon after it came back, the while is twice as long: however the
//! load changes, a shape cannot go to and fro often.

use std::time::Duration;

use super::counts::Figures;

/// What happened so long ago weighs half.
const HALF_LIFE: Duration = Duration::from_secs(15);
/// How long a shape is looked up before it is judged: memory has to fill first.
const FAIR_CHANCE: Duration = Duration::from_secs(10);
/// A loss of so much of PostgreSQL's time is clear ...
const CLEAR_LOSS: f64 = -0.005;
/// ... after so many look-ups, as they weigh now.
const CLEAR_LOSS_LOOKUPS: f64 = 100.0;
/// Any loss counts after so many.
const ANY_LOSS_LOOKUPS: f64 = 2_000.0;
/// How long a shape is put off at first.
const OFF_FIRST: Duration = Duration::from_secs(30);
/// How long at most.
const OFF_MAX: Duration = Duration::from_secs(16 * 60);
/// Who stayed so long is put off as if for the first time.
const FORGIVEN_AFTER: Duration = OFF_MAX;
/// A trial lasts so long at least, and so long at most.
const TRIAL_MIN: Duration = Duration::from_secs(5);
const TRIAL_MAX: Duration = Duration::from_secs(60);
/// Look-ups that decide a trial. Who has fewer in all of its time is rare, and may stay.
const TRIAL_LOOKUPS: f64 = 250.0;
/// What a trial has to gain.
const TRIAL_GAIN: f64 = 0.02;

/// What is done about a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is looked up.
    On,
    /// It was put off.
    Off,
    /// It was put off and is tried again.
    Trial,
}

/// Judges one shape. Moments are times since a common beginning.
#[derive(Debug)]
pub(crate) struct Judge {
    standing: Standing,
    since: Duration,
    /// How long it is put off this time, or was last.
    off_for: Duration,
    window: Figures,
    /// What was counted in the present trial.
    trial: Figures,
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
            trial: Figures::default(),
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

    /// Takes in what was counted since the step before.
    pub(crate) fn step(&mut self, now: Duration, new: &Figures) {
        let passed = now.saturating_sub(self.stepped);
        self.stepped = self.stepped.max(now);
        self.window.decay_and_add(weight_after(passed), new);
        self.trial.decay_and_add(1.0, new);
        let lasted = now.saturating_sub(self.since);
        match self.standing {
            Standing::On if lasted >= FAIR_CHANCE && loses(&self.window) => self.put_off(now, lasted),
            Standing::Off if lasted >= self.off_for => self.turn(Standing::Trial, now),
            Standing::Trial => self.try_again(now, lasted),
            Standing::On | Standing::Off => {}
        }
    }

    fn put_off(&mut self, now: Duration, stayed: Duration) {
        let again = self.off_for.saturating_mul(2);
        self.off_for = if stayed >= FORGIVEN_AFTER {
            OFF_FIRST
        } else {
            again.clamp(OFF_FIRST, OFF_MAX)
        };
        self.turns += 1;
        self.turn(Standing::Off, now);
    }

    fn try_again(&mut self, now: Duration, lasted: Duration) {
        let enough = self.trial.lookups() >= TRIAL_LOOKUPS;
        if enough && lasted >= TRIAL_MIN && self.trial.gain().is_none_or(|gain| gain >= TRIAL_GAIN)
            || !enough && lasted >= TRIAL_MAX
        {
            self.turns += 1;
            self.turn(Standing::On, now);
        } else if enough && lasted >= TRIAL_MIN {
            self.off_for = self.off_for.saturating_mul(2).clamp(OFF_FIRST, OFF_MAX);
            self.turn(Standing::Off, now);
        }
    }

    fn turn(&mut self, standing: Standing, now: Duration) {
        self.standing = standing;
        self.since = now;
        self.trial = Figures::default();
        // What led here is no evidence for or against what follows.
        self.window = Figures::default();
    }
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
