//! Whether a schedule is due, and what becomes of a run that was missed. Pure.

/// A run is missed when it is later than this.
const LATE_MS: i64 = 60_000;

/// What becomes of runs that were missed, because no scheduler ran or the schedule was paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misfire {
    /// They are forgotten.
    Skip,
    /// One run makes up for all of them.
    RunOnce,
}

/// What the decision rests on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// When the next run was due, in milliseconds since 1970.
    pub due_unix_ms: i64,
    /// What becomes of missed runs.
    pub misfire: Misfire,
    /// Whether an earlier run has not ended.
    pub running: bool,
}

/// What is to be done about a schedule now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing yet.
    Wait,
    /// Request a run, and plan the next.
    Run,
    /// Only plan the next: the time was missed.
    Missed,
    /// Only plan the next: an earlier run has not ended.
    Overlap,
}

/// Decides about one schedule. Never asks for more than one run, however long nobody looked.
pub(crate) const fn decide(facts: &Facts, now_unix_ms: i64) -> Decision {
    if now_unix_ms < facts.due_unix_ms {
        return Decision::Wait;
    }
    if facts.running {
        return Decision::Overlap;
    }
    let late = now_unix_ms - facts.due_unix_ms > LATE_MS;
    match (late, facts.misfire) {
        (true, Misfire::Skip) => Decision::Missed,
        (true, Misfire::RunOnce) | (false, _) => Decision::Run,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_at_most_and_never_on_top_of_another() {
        let facts = |misfire, running| Facts {
            due_unix_ms: 1_000_000,
            misfire,
            running,
        };
        let day = 86_400_000;
        for (misfire, running, now, expected) in [
            (Misfire::Skip, false, 999_999, Decision::Wait),
            (Misfire::Skip, false, 1_000_000, Decision::Run),
            (Misfire::Skip, false, 1_000_000 + LATE_MS, Decision::Run),
            (Misfire::Skip, false, 1_000_000 + day, Decision::Missed),
            (Misfire::RunOnce, false, 1_000_000 + day, Decision::Run),
            (Misfire::RunOnce, true, 1_000_000 + day, Decision::Overlap),
            (Misfire::Skip, true, 1_000_000, Decision::Overlap),
        ] {
            assert_eq!(
                decide(&facts(misfire, running), now),
                expected,
                "{misfire:?} {running} {now}"
            );
        }
    }
}
