//! Lines of a plan as they are told.

use weir_proto::maintenance::v1 as api;

use crate::plan::{Candidate, Expected, TableFacts, Urgency};

/// One line.
pub(super) fn candidate(database: String, line: Candidate) -> api::Candidate {
    let kind = line.kind.as_str();
    api::Candidate {
        table: line.subject.table.to_string(),
        action: if line.selected { kind } else { "" }.to_owned(),
        reason: line.reason,
        facts: line.facts.map(|measured| facts(database.clone(), &measured)),
        selected: line.selected,
        kind: kind.to_owned(),
        index: line.subject.index.unwrap_or_default(),
        database,
        expected: Some(expectation(&line.expected)),
        emergency: line.urgency == Urgency::Emergency,
    }
}

fn expectation(expected: &Expected) -> api::Expectation {
    api::Expectation {
        reclaim_low_bytes: expected.reclaim_low,
        reclaim_likely_bytes: expected.reclaim_likely,
        reclaim_high_bytes: expected.reclaim_high,
        saved_reads_per_day_bytes: expected.saved_reads_per_day,
        cost_bytes: expected.cost_bytes,
        takes_ms: u64::try_from(expected.takes.as_millis()).unwrap_or(u64::MAX),
        score: expected.score(),
    }
}

fn facts(database: String, facts: &TableFacts) -> api::TableFacts {
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    api::TableFacts {
        live_tuples: count(facts.live_tuples),
        dead_tuples: count(facts.dead_tuples),
        changed_tuples: count(facts.changed_tuples),
        changed_percent: facts.changed_percent(),
        last_analyze_unix_ms: facts.last_analyze_unix_ms.unwrap_or_default(),
        database,
        size_bytes: count(facts.size_bytes),
    }
}
