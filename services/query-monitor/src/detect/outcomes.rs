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
}

/// The windows of one project, in the order of [`WINDOWS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProjectOutcomes {
    /// Whose.
    pub project: Project,
    /// One for each of [`WINDOWS`].
    pub windows: [Outcomes; WINDOWS.len()],
}
