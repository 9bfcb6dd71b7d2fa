//! What is done first, and what fits into the window. Pure.

use std::time::Duration;

use super::{Candidate, Kind, Urgency};

/// This much of a window is left at its end, for what takes longer than expected.
const MARGIN: Duration = Duration::from_secs(600);
/// Statistics that are renewed within this time may be so at any hour.
const SMALL_ANALYZE: Duration = Duration::from_secs(30);

/// The time that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// As much as it takes.
    Endless,
    /// So much is left of the window.
    Left(Duration),
    /// No window is open.
    Closed,
}

/// Puts what is selected in order, and leaves what the time does not allow.
pub(crate) fn order(plan: &mut [Candidate], room: Room) {
    plan.sort_by(|left, right| {
        let score = right.expected.score().total_cmp(&left.expected.score());
        let rows = changed(right).total_cmp(&changed(left));
        (right.selected.cmp(&left.selected))
            .then(left.urgency.cmp(&right.urgency))
            .then(left.kind.cmp(&right.kind))
            .then(score)
            .then(rows)
            .then_with(|| left.subject.cmp(&right.subject))
    });
    let mut taken = Duration::ZERO;
    for candidate in plan.iter_mut().filter(|candidate| candidate.selected) {
        if let Some(reason) = too_late(candidate, room, taken) {
            let reason = format!("{}; {reason}", candidate.reason);
            candidate.leave(reason);
        } else {
            taken = taken.saturating_add(candidate.expected.takes);
        }
    }
}

/// Of equal scores, ANALYZE has no other, the more changed table comes first.
fn changed(candidate: &Candidate) -> f64 {
    candidate.facts.as_ref().map_or(0.0, super::TableFacts::changed_percent)
}

fn too_late(candidate: &Candidate, room: Room, taken: Duration) -> Option<String> {
    if candidate.urgency == Urgency::Emergency {
        return None;
    }
    let takes = candidate.expected.takes;
    match room {
        Room::Endless => None,
        Room::Closed => {
            let is_small = candidate.kind == Kind::Analyze && takes < SMALL_ANALYZE;
            let may_go = candidate.kind == Kind::Sweep || is_small;
            (!may_go).then(|| "no window is open".to_owned())
        }
        Room::Left(left) => {
            // The margin is for those who take long: a short window is not all margin.
            let end = left.saturating_sub(MARGIN.min(left / 10));
            let late = taken.saturating_add(takes) > end;
            late.then(|| {
                format!(
                    "it takes {} and {} are left of the window",
                    minutes(takes),
                    minutes(end.saturating_sub(taken))
                )
            })
        }
    }
}

fn minutes(time: Duration) -> String {
    if time < Duration::from_secs(120) {
        format!("{} s", time.as_secs())
    } else {
        format!("{} min", time.as_secs() / 60)
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::samples::table;
    use super::super::{Expected, Subject};
    use super::*;

    fn work(kind: Kind, name: &str, gain: u64, cost: u64, seconds: u64) -> Candidate {
        let expected = Expected {
            reclaim_low: gain,
            cost_bytes: cost,
            takes: Duration::from_secs(seconds),
            ..Expected::default()
        };
        Candidate {
            expected,
            ..Candidate::of_table(kind, table(name, 100), true, "it needs it".to_owned())
        }
    }

    fn names(plan: &[Candidate]) -> Vec<(&str, &str, bool)> {
        plan.iter()
            .map(|one| (one.kind.as_str(), one.subject.table.name.as_str(), one.selected))
            .collect()
    }

    #[test]
    fn urgent_work_comes_first_and_then_what_gives_most_for_its_cost() {
        let mut left = work(Kind::Sweep, "left", 9, 1, 1);
        left.selected = false;
        let mut old = work(Kind::Freeze, "old", 0, 100, 1);
        old.urgency = Urgency::Emergency;
        let mut plan = vec![
            left,
            work(Kind::Reindex, "dear", 100, 100, 1),
            work(Kind::Reindex, "cheap", 100, 10, 1),
            work(Kind::Vacuum, "v", 1, 100, 1),
            work(Kind::Sweep, "s", 0, 1, 1),
            old,
        ];
        order(&mut plan, Room::Endless);
        assert_eq!(
            names(&plan),
            [
                ("freeze", "old", true),
                ("sweep", "s", true),
                ("vacuum", "v", true),
                ("reindex", "cheap", true),
                ("reindex", "dear", true),
                ("sweep", "left", false),
            ]
        );
    }

    #[test]
    fn what_does_not_fit_is_left_and_what_is_smaller_takes_its_place() {
        let mut plan = vec![
            work(Kind::Vacuum, "a", 30, 1, 3_000),
            work(Kind::Vacuum, "b", 20, 1, 3_000),
            work(Kind::Vacuum, "c", 10, 1, 300),
        ];
        order(&mut plan, Room::Left(Duration::from_secs(4_000)));
        assert_eq!(
            names(&plan),
            [("vacuum", "a", true), ("vacuum", "b", false), ("vacuum", "c", true)]
        );
        assert_eq!(
            plan[1].reason,
            "it needs it; it takes 50 min and 10 min are left of the window"
        );
    }

    #[test]
    fn outside_a_window_only_what_cannot_or_need_not_wait_is_done() {
        let mut old = work(Kind::Freeze, "old", 0, 1, 9_999);
        old.urgency = Urgency::Emergency;
        let mut plan = vec![
            old,
            work(Kind::Freeze, "aging", 0, 1, 1),
            work(Kind::Sweep, "s", 0, 1, 1),
            work(Kind::Vacuum, "v", 1, 1, 1),
            work(Kind::Analyze, "quick", 0, 1, 29),
            work(Kind::Analyze, "slow", 0, 1, 30),
        ];
        order(&mut plan, Room::Closed);
        let done: Vec<_> = plan
            .iter()
            .filter(|one| one.selected)
            .map(|one| one.subject.clone())
            .collect();
        let wanted = ["old", "s", "quick"].map(|name| Subject::table(table(name, 1).table));
        assert_eq!(done, wanted);
        assert!(plan.iter().any(|one| one.reason == "it needs it; no window is open"));
    }
}
