//! How fast a project's error budget burns. Pure.
//!
//! An objective leaves a budget: the part of the statements that may fail, or be late. A burn rate is how many times
//! faster than that they do. It is looked at in a long window, so that little is made of little, and in a short one, so
//! that what is over is over. That alone wakes people for a single error of a quiet project, and so it also has to be
//! surprising: had the project kept its budget exactly, chance would hardly ever have made so many.
//!
//! Errors do not come alone: one fault is met again by each retry. What counts as evidence is therefore how often
//! trouble began ([`super::Incident`]), or, where that cannot tell because statements come too fast, the errors counted as
//! if each had been made twenty times.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_config::Setting as _;
use weir_model::Project;

use super::{Labels, Metric, Outcomes, ProjectOutcomes, Reading, WINDOWS, metric, poisson};

/// Evidence begins with so many.
const INCIDENTS_MIN: u64 = 3;
/// Within the shortest window it takes more: two faults that are tried again for a minute make four.
const INCIDENTS_MIN_SHORTEST: u64 = 5;
/// A fault that repeats itself makes about so many errors at most.
const REPEATS: u64 = 20;
/// From so many errors in so many incidents on, a window is not one of a quiet project, and the burn rate says enough.
const ENOUGH: (u64, u64) = (100, 10);
/// More than that part of all statements cannot be asked for, however large the budget is.
const SHARE_MAX: f64 = 0.9;
/// Slower burning than that, in parts of what somebody is told of, is no reading.
const WORTH_SAYING: f64 = 0.5;

/// A burn rate that is too much if it is kept up for `long` and still in `short`; both are places in [`WINDOWS`].
struct Pace {
    rate: f64,
    long: usize,
    short: usize,
}

/// Somebody is woken: 2 % of a month's budget within an hour, 5 % within six; or a tenth of everything fails.
const FAST: [Pace; 3] = [
    Pace {
        rate: 100.0,
        long: 0,
        short: 0,
    },
    Pace {
        rate: 14.4,
        long: 2,
        short: 0,
    },
    Pace {
        rate: 6.0,
        long: 4,
        short: 1,
    },
];
/// How unlikely chance has to be for that. At one statement a minute it is the fourth error within an hour that decides;
/// with 1e-6 it would be the fifth in every hour that has a tenth more statements than others, which costs half a minute.
const FAST_CHANCE: f64 = 2e-6;
/// Somebody looks by day: 10 % of a month's budget within a day, or within three.
const SLOW: [Pace; 2] = [
    Pace {
        rate: 3.0,
        long: 5,
        short: 3,
    },
    Pace {
        rate: 1.0,
        long: 6,
        short: 4,
    },
];
const SLOW_CHANCE: f64 = 1e-4;

/// What a project is promised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// Whose; `*` for every project that has none of its own.
    pub project: String,
    /// Per cent of the statements that succeed.
    #[serde(default = "availability")]
    pub availability: f64,
    /// A time that statements keep, such as `100ms`. Empty: none is promised.
    #[serde(default)]
    pub latency: String,
    /// Per cent of the statements that keep it.
    #[serde(default = "latency_share")]
    pub latency_share: f64,
}

const fn availability() -> f64 {
    99.9
}

const fn latency_share() -> f64 {
    95.0
}

impl Default for Objective {
    fn default() -> Self {
        Self {
            project: "*".to_owned(),
            availability: availability(),
            latency: String::new(),
            latency_share: latency_share(),
        }
    }
}

impl Objective {
    /// Why it cannot be, in a sentence.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.project != "*" {
            Project::parse(&self.project).map_err(|error| error.to_string())?;
        }
        for (field, share) in [
            ("availability", self.availability),
            ("latency_share", self.latency_share),
        ] {
            if !(50.0..100.0).contains(&share) {
                return Err(format!("{field} of {share} is not from 50 to below 100 per cent"));
            }
        }
        if self.latency.is_empty() {
            return Ok(());
        }
        match Duration::read(&self.latency) {
            Ok(time) if !time.is_zero() => Ok(()),
            Ok(_) => Err("latency of zero is kept by nothing".to_owned()),
            Err(reason) => Err(format!("latency: {reason}")),
        }
    }

    fn latency_target(&self) -> Option<Duration> {
        Duration::read(&self.latency).ok().filter(|time| !time.is_zero())
    }
}

/// The objectives of all projects.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Objectives(Vec<Objective>);

impl Objectives {
    /// What the file says; for projects that it does not name, an availability of 99.9 %.
    pub(crate) fn new(mut stated: Vec<Objective>) -> Self {
        if !stated.iter().any(|objective| objective.project == "*") {
            stated.push(Objective::default());
        }
        Self(stated)
    }

    /// Why they cannot be, in a sentence.
    pub(crate) fn check(stated: &[Objective]) -> Result<(), String> {
        for (index, objective) in stated.iter().enumerate() {
            let named = |reason| format!("objective of project {:?}: {reason}", objective.project);
            objective.check().map_err(named)?;
            if stated
                .iter()
                .take(index)
                .any(|other| other.project == objective.project)
            {
                return Err(named("there is another one".to_owned()));
            }
        }
        Ok(())
    }

    fn of(&self, project: &Project) -> Option<&Objective> {
        let named = |name: &str| self.0.iter().find(|objective| objective.project == name);
        named(project.as_str()).or_else(|| named("*"))
    }

    /// From when on a statement of a project is late: what fills [`Outcomes::late`] asks here.
    pub(crate) fn latency_target(&self, project: &Project) -> Option<Duration> {
        self.of(project).and_then(Objective::latency_target)
    }

    /// The readings of every project whose budget burns at a pace worth a word.
    pub(crate) fn readings(&self, outcomes: &[ProjectOutcomes]) -> Vec<Reading> {
        outcomes
            .iter()
            .flat_map(|outcomes| self.readings_of(outcomes))
            .collect()
    }

    fn readings_of(&self, outcomes: &ProjectOutcomes) -> Vec<Reading> {
        let Some(objective) = self.of(&outcomes.project) else {
            return Vec::new();
        };
        let availability = Budget {
            objective: "availability",
            share: 1.0 - objective.availability / 100.0,
            bad: |outcomes| (outcomes.errors, outcomes.error_incidents),
            word: "fail",
        };
        let latency = objective.latency_target().map(|_| Budget {
            objective: "latency",
            share: 1.0 - objective.latency_share / 100.0,
            bad: |outcomes| (outcomes.late, outcomes.late_incidents),
            word: "are late",
        });
        let budgets = std::iter::once(availability).chain(latency);
        budgets.flat_map(|budget| budget.readings(outcomes)).collect()
    }
}

/// One budget: the part that may be bad, and how to tell what was.
struct Budget {
    objective: &'static str,
    share: f64,
    bad: fn(&Outcomes) -> (u64, u64),
    word: &'static str,
}

impl Budget {
    fn readings(&self, outcomes: &ProjectOutcomes) -> Vec<Reading> {
        // Most projects, most of the time.
        if outcomes.windows.iter().all(|window| (self.bad)(window).0 == 0) {
            return Vec::new();
        }
        let fast = self.reading(metric::BUDGET_FAST_BURN, outcomes, &FAST, FAST_CHANCE);
        let slow = self.reading(metric::BUDGET_SLOW_BURN, outcomes, &SLOW, SLOW_CHANCE);
        fast.into_iter().chain(slow).collect()
    }

    fn reading(&self, metric: Metric, outcomes: &ProjectOutcomes, paces: &[Pace], chance: f64) -> Option<Reading> {
        let judged = paces.iter().map(|pace| (self.pace(outcomes, pace, chance), pace));
        let (value, pace) = judged.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
        if value < WORTH_SAYING {
            return None;
        }
        let labels = Labels::from([("objective", self.objective.to_owned())]);
        let mut reading = Reading::new(metric, outcomes.project.clone(), labels, value);
        reading.note = self.note(outcomes, pace);
        Some(reading)
    }

    /// How fast the budget burns, in parts of a pace; zero as long as that may be chance.
    fn pace(&self, outcomes: &ProjectOutcomes, pace: &Pace, chance: f64) -> f64 {
        let burn = |window: usize| outcomes.windows.get(window).map_or(0.0, |window| self.burn(window));
        let slower = burn(pace.long).min(burn(pace.short)) / pace.rate.min(SHARE_MAX / self.share);
        if slower < WORTH_SAYING {
            return 0.0;
        }
        let windows = outcomes.windows.get(pace.short..=pace.long).unwrap_or_default();
        let incidents_min = |at| if at == 0 { INCIDENTS_MIN_SHORTEST } else { INCIDENTS_MIN };
        let mut windows = (pace.short..).zip(windows);
        if windows.any(|(at, window)| self.is_no_chance(window, incidents_min(at), chance)) {
            slower
        } else {
            0.0
        }
    }

    fn burn(&self, window: &Outcomes) -> f64 {
        if window.requests == 0 {
            return 0.0;
        }
        (self.bad)(window).0 as f64 / window.requests as f64 / self.share
    }

    fn is_no_chance(&self, window: &Outcomes, incidents_min: u64, chance: f64) -> bool {
        let (bad, incidents) = (self.bad)(window);
        if incidents < INCIDENTS_MIN {
            return false;
        }
        let expected = window.requests as f64 * self.share;
        (incidents >= incidents_min && poisson::at_least(incidents, expected) < chance)
            || poisson::at_least(bad / REPEATS, expected / REPEATS as f64) < chance
            || (bad >= ENOUGH.0 && incidents >= ENOUGH.1)
    }

    fn note(&self, outcomes: &ProjectOutcomes, pace: &Pace) -> String {
        let (window, length) = (outcomes.windows.get(pace.long), WINDOWS.get(pace.long));
        let window = window.copied().unwrap_or_default();
        let minutes = length.map_or(0, Duration::as_secs) / 60;
        let (bad, rate) = ((self.bad)(&window).0, self.burn(&window));
        let length = if minutes < 60 {
            format!("{minutes} min")
        } else {
            format!("{} h", minutes / 60)
        };
        format!(
            "{bad} of {} statements within {length} {}, {rate:.1} times the budget",
            window.requests, self.word
        )
    }
}

#[cfg(test)]
mod tests;
