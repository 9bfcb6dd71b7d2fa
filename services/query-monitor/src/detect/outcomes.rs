//! What service-level objectives are judged by: how many statements ended, and how many of them badly, in windows. Pure.

use std::time::Duration;

use weir_model::Project;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// The windows that are kept for every project, each up to now.
pub(crate) const WINDOWS: [Duration; 7] = [
    Duration::from_secs(5 * MINUTE),
    Duration::from_secs(30 * MINUTE),
    Duration::from_secs(HOUR),
    Duration::from_secs(2 * HOUR),
    Duration::from_secs(6 * HOUR),
    Duration::from_secs(24 * HOUR),
    Duration::from_secs(72 * HOUR),
];

/// Statements of one window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outcomes {
    /// Those that ended.
    pub requests: u64,
    /// Those that failed through no fault of their text: constraint violations (SQLSTATE class 23) are answers.
    pub errors: u64,
    /// Those that took longer than the project's latency target.
    pub late: u64,
    /// How often errors began, as [`Incident`] counts: a burst of retries is one, however many errors it makes.
    pub error_incidents: u64,
    /// The same of `late`.
    pub late_incidents: u64,
}

/// How long errors after a first one count as the same trouble: as long as most clients go on retrying.
const INCIDENT_MS: i64 = 30_000;

/// Tells the first of several errors that belong together, so that evidence is not counted twice. One for each project
/// and kind; a sum over windows of what it says is what [`Outcomes`] calls incidents.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Incident(Option<i64>);

impl Incident {
    /// Whether an error at this time (milliseconds since 1970) begins another incident.
    pub(crate) fn begins(&mut self, at_unix_ms: i64) -> bool {
        let begins = self
            .0
            .is_none_or(|began| at_unix_ms.saturating_sub(began).abs() >= INCIDENT_MS);
        if begins {
            self.0 = Some(at_unix_ms);
        }
        begins
    }
}

/// The windows of one project, in the order of [`WINDOWS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProjectOutcomes {
    /// Whose.
    pub project: Project,
    /// One for each of [`WINDOWS`].
    pub windows: [Outcomes; WINDOWS.len()],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_one_incident_and_lasting_errors_one_every_half_minute() {
        let count = |moments: &[i64]| {
            let mut incident = Incident::default();
            moments.iter().filter(|&&at| incident.begins(at)).count()
        };
        assert_eq!(count(&[0, 1_000, 3_000, 7_000, 15_000, 29_999]), 1);
        assert_eq!(count(&(0..300).map(|second| second * 1_000).collect::<Vec<_>>()), 10);
        assert_eq!(
            count(&[100_000, 95_000, 101_000]),
            1,
            "a message that came late made another incident"
        );
    }
}
