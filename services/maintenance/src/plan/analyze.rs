//! Which tables need ANALYZE. Pure.

use super::{Candidate, TableFacts};

/// Changed rows that every table is allowed, so that small ones are not analysed all the time.
const BASE_TUPLES: f64 = 50.0;

/// When a table needs it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AnalyzeRule {
    /// The share of changed rows, in per cent.
    pub threshold_percent: f64,
}

impl AnalyzeRule {
    fn threshold_tuples(self, facts: &TableFacts) -> f64 {
        BASE_TUPLES + self.threshold_percent / 100.0 * facts.live_tuples.max(0) as f64
    }
}

/// The plan for a set of tables, the most changed first.
pub(crate) fn plan_analyze(facts: Vec<TableFacts>, rule: AnalyzeRule) -> Vec<Candidate> {
    let mut plan: Vec<Candidate> = facts.into_iter().map(|facts| candidate(facts, rule)).collect();
    plan.sort_by(|left, right| {
        let order = right.facts.changed_percent().total_cmp(&left.facts.changed_percent());
        right
            .selected
            .cmp(&left.selected)
            .then(order)
            .then_with(|| left.facts.table.cmp(&right.facts.table))
    });
    plan
}

fn candidate(facts: TableFacts, rule: AnalyzeRule) -> Candidate {
    let threshold = rule.threshold_tuples(&facts);
    let selected = facts.changed_tuples as f64 >= threshold;
    let relation = if selected { "reaches" } else { "is below" };
    let reason = format!(
        "{} of {} rows changed ({:.1} %), which {relation} the threshold of {threshold:.0}",
        facts.changed_tuples,
        facts.live_tuples,
        facts.changed_percent(),
    );
    Candidate {
        facts,
        selected,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::super::TableName;
    use super::*;

    fn facts(name: &str, live_tuples: i64, changed_tuples: i64) -> TableFacts {
        let table = TableName {
            schema: "public".to_owned(),
            name: name.to_owned(),
        };
        TableFacts {
            table,
            live_tuples,
            dead_tuples: 0,
            changed_tuples,
            size_bytes: 0,
            last_analyze_unix_ms: None,
        }
    }

    #[test]
    fn a_table_needs_it_from_ten_per_cent_and_fifty_rows_on() {
        let rule = AnalyzeRule {
            threshold_percent: 10.0,
        };
        for (live, changed, selected) in [
            (1_000, 149, false),
            (1_000, 150, true),
            (0, 49, false),
            (0, 50, true),
            (1_000_000, 100_049, false),
        ] {
            let plan = plan_analyze(vec![facts("t", live, changed)], rule);
            assert_eq!(plan[0].selected, selected, "{live} {changed}: {}", plan[0].reason);
        }
    }

    #[test]
    fn the_plan_begins_with_what_changed_most_and_gives_every_reason() {
        let rule = AnalyzeRule {
            threshold_percent: 10.0,
        };
        let plan = plan_analyze(
            vec![facts("a", 1_000, 200), facts("b", 1_000, 10), facts("c", 1_000, 900)],
            rule,
        );
        let order: Vec<_> = plan
            .iter()
            .map(|item| (item.facts.table.name.as_str(), item.selected))
            .collect();
        assert_eq!(order, [("c", true), ("a", true), ("b", false)]);
        assert_eq!(
            plan[2].reason,
            "10 of 1000 rows changed (1.0 %), which is below the threshold of 150"
        );
    }
}
