//! Which tables need ANALYZE. Pure.

use super::{Candidate, Expected, Kind, TableFacts};

/// Changed rows that every table is allowed, so that small ones are not analysed all the time.
const BASE_TUPLES: f64 = 50.0;
/// ANALYZE reads at most so many pages of a table at the default statistics target.
const PAGES_MAX: u64 = 30_000;
const PAGE: u64 = 8_192;

/// The verdict on one table. One that an operator named is analysed if anything changed.
pub(crate) fn analyze(facts: TableFacts, threshold_percent: f64, is_named: bool) -> Candidate {
    let threshold = BASE_TUPLES + threshold_percent / 100.0 * facts.live_tuples.max(0) as f64;
    let enough = facts.changed_tuples as f64 >= threshold;
    let relation = if enough { "reaches" } else { "is below" };
    let reason = format!(
        "{} of {} rows changed ({:.1} %), which {relation} the threshold of {threshold:.0}",
        facts.changed_tuples,
        facts.live_tuples,
        facts.changed_percent(),
    );
    let wanted = is_named && !enough && facts.changed_tuples > 0;
    let reason = if wanted {
        format!("{reason}; ordered by name")
    } else {
        reason
    };
    let size = facts.size_bytes.max(0).unsigned_abs();
    let expected = Expected {
        cost_bytes: size.min(PAGES_MAX * PAGE),
        ..Expected::default()
    };
    Candidate {
        expected,
        ..Candidate::of_table(Kind::Analyze, facts, enough || wanted, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::samples::table;
    use super::*;

    fn changed(live_tuples: i64, changed_tuples: i64) -> TableFacts {
        TableFacts {
            changed_tuples,
            ..table("t", live_tuples)
        }
    }

    #[test]
    fn a_table_needs_it_from_ten_per_cent_and_fifty_rows_on() {
        for (live, changes, selected) in [
            (1_000, 149, false),
            (1_000, 150, true),
            (0, 49, false),
            (0, 50, true),
            (1_000_000, 100_049, false),
        ] {
            let verdict = analyze(changed(live, changes), 10.0, false);
            assert_eq!(verdict.selected, selected, "{live} {changes}: {}", verdict.reason);
        }
    }

    #[test]
    fn every_verdict_has_its_figures() {
        let verdict = analyze(changed(1_000, 10), 10.0, false);
        assert_eq!(
            verdict.reason,
            "10 of 1000 rows changed (1.0 %), which is below the threshold of 150"
        );
        assert!(analyze(changed(1_000, 10), 10.0, true).selected);
        assert!(!analyze(changed(1_000, 0), 10.0, true).selected);
    }
}
