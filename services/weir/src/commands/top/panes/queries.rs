//! Statements by what they take now. Pure.

use super::super::rates::{Lately, Query};
use super::super::state::State;
use super::super::table::{Cell, Column, Row, Table, figures, rest, words};
use super::super::units::{latency, percent, rate};
use crate::terminal::Tone;

const COLUMNS: &[Column] = &[
    figures("TIME/S", 0),
    figures("CALLS/S", 0),
    figures("MEAN", 3),
    figures("P95", 0),
    figures("ERR/S", 1),
    figures("ROWS/S", 4),
    figures("HITS", 2),
    words("DATABASE", 16, 5),
    rest("STATEMENT", 34),
];

pub(in super::super) fn table(state: &State) -> Table {
    Table {
        columns: COLUMNS,
        rows: state.known.queries.iter().map(row).collect(),
    }
}

fn row(query: &Query) -> Row {
    let of = |read: fn(Lately) -> f64| query.lately.map(read);
    let mean = query
        .lately
        .filter(|lately| lately.calls > 0.0)
        .map(|lately| lately.time_ms / lately.calls);
    let errors = Cell::figure(of(|lately| lately.errors), rate);
    let failing = query.lately.is_some_and(|lately| lately.errors > 0.0);
    let text = if query.text.is_empty() {
        "(its text is not known yet)"
    } else {
        &query.text
    };
    Row {
        id: format!("{} {}", query.fingerprint, query.database),
        cells: vec![
            Cell::figure(of(|lately| lately.time_ms), latency),
            Cell::figure(of(|lately| lately.calls), rate),
            Cell::figure(mean, latency),
            Cell::figure(Some(query.p95_ms), latency),
            if failing { errors.toned(Tone::Bad) } else { errors },
            Cell::figure(of(|lately| lately.rows), rate),
            Cell::figure(query.hit_ratio, percent),
            Cell::text(&query.database),
            Cell::text(text),
        ],
        details: vec![
            ("fingerprint", query.fingerprint.clone()),
            ("P50", latency(query.p50_ms)),
            ("P99", latency(query.p99_ms)),
            ("longest", latency(query.max_ms)),
            ("P95 of waits", latency(query.wait_p95_ms)),
            ("writes", if query.writes { "yes" } else { "no" }.to_owned()),
        ],
        is_fixed: false,
    }
}
