//! Reports for tests of what is made of them.

use super::report::{Kind, Report, Setup, State, Verdict};

pub(super) fn empty() -> Report {
    Report {
        id: "01920000-0000-7000-8000-000000000000".to_owned(),
        kind: Kind::Quick,
        state: State::Running,
        verdict: Verdict::Unknown,
        requested_by: "test".to_owned(),
        started_unix_ms: 0,
        ended_unix_ms: 0,
        error: String::new(),
        progress: None,
        setup: Setup::default(),
        steps: Vec::new(),
        modes: Vec::new(),
        checks: Vec::new(),
    }
}
