//! Which tables need VACUUM. Pure.

use super::{Candidate, Expected, Kind, TableFacts};

/// A table with fewer dead rows is never worth it.
const DEAD_MIN: i64 = 1_000;
/// So many dead rows are too many, whatever the size of the table.
const DEAD_MAX: i64 = 10_000_000;
/// A table with fewer new rows is not vacuumed for them.
const NEW_MIN: i64 = 10_000;
/// A dead row is noted with so many bytes while its table's indexes are cleaned.
const ROW_NOTE: f64 = 6.0;
/// Memory for these notes: what does not fit has the indexes read once more.
const NOTES_MAX: f64 = 64.0 * 1024.0 * 1024.0;

/// The verdict on one table. One that an operator named is vacuumed if it has anything dead or new.
pub(crate) fn vacuum(facts: TableFacts, threshold_percent: f64, is_named: bool) -> Candidate {
    let dead = facts.dead_tuples;
    let many = facts.dead_percent() >= threshold_percent && dead >= DEAD_MIN;
    let new = facts.inserted_tuples;
    let grown = new >= NEW_MIN && new as f64 * 100.0 >= threshold_percent * facts.live_tuples as f64;
    let wanted = is_named && (dead > 0 || new > 0);
    let selected = many || dead >= DEAD_MAX || grown || wanted;
    let reason = reason(&facts, threshold_percent, many || dead >= DEAD_MAX, grown, wanted);
    let expected = expected(&facts);
    Candidate {
        expected,
        ..Candidate::of_table(Kind::Vacuum, facts, selected, reason)
    }
}

fn reason(facts: &TableFacts, threshold: f64, dead: bool, grown: bool, wanted: bool) -> String {
    let (count, percent) = (facts.dead_tuples, facts.dead_percent());
    let all = facts.live_tuples + count;
    let figures = format!("{count} of {all} rows are dead ({percent:.1} %)");
    if dead {
        format!("{figures}, which reaches the threshold of {threshold} % and {DEAD_MIN} rows")
    } else if grown {
        let new = facts.inserted_tuples;
        format!("{new} rows are new since the last VACUUM, so that index-only scans read the table")
    } else if wanted {
        format!("{figures}; ordered by name")
    } else {
        format!("{figures}, which is below the threshold of {threshold} % and {DEAD_MIN} rows")
    }
}

/// What comes back is room for new rows of the same table: the file keeps its size.
fn expected(facts: &TableFacts) -> Expected {
    let dead = facts.dead_bytes();
    let passes = (facts.dead_tuples.max(0) as f64 * ROW_NOTE / NOTES_MAX).ceil();
    let cost = facts.unseen_bytes.max(0) as f64 + passes * facts.index_bytes.max(0) as f64;
    Expected {
        reclaim_low: dead / 2,
        reclaim_likely: dead,
        reclaim_high: dead.saturating_mul(2).min(facts.size_bytes.max(0).unsigned_abs()),
        cost_bytes: super::facts::whole(cost),
        ..Expected::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::samples::table;
    use super::*;

    #[test]
    fn dead_rows_count_by_share_and_number_and_very_many_always() {
        for (live, dead, new, selected) in [
            (4_000, 999, 0, false),
            (4_000, 1_000, 0, true),
            (4_001, 1_000, 0, false),
            (1_000_000_000, DEAD_MAX - 1, 0, false),
            (1_000_000_000, DEAD_MAX, 0, true),
            (49_999, 0, 9_999, false),
            (50_000, 0, 10_000, true),
            (50_001, 0, 10_000, false),
        ] {
            let facts = TableFacts {
                dead_tuples: dead,
                inserted_tuples: new,
                ..table("t", live)
            };
            let verdict = vacuum(facts, 20.0, false);
            assert_eq!(verdict.selected, selected, "{live} {dead} {new}: {}", verdict.reason);
        }
    }

    #[test]
    fn a_table_ordered_by_name_needs_no_threshold_but_something_to_do() {
        let one = TableFacts {
            dead_tuples: 1,
            ..table("t", 1_000)
        };
        let verdict = vacuum(one, 20.0, true);
        assert!(
            verdict.selected && verdict.reason.ends_with("ordered by name"),
            "{}",
            verdict.reason
        );
        assert!(!vacuum(table("t", 1_000), 20.0, true).selected);
    }

    #[test]
    fn it_costs_the_pages_that_are_not_known_to_be_visible_and_the_indexes() {
        let facts = TableFacts {
            dead_tuples: 2_000,
            unseen_bytes: 50_000,
            index_bytes: 7_000,
            ..table("t", 8_000)
        };
        let expected = vacuum(facts, 20.0, false).expected;
        assert_eq!((expected.cost_bytes, expected.reclaim_likely), (57_000, 160_000));
    }
}
