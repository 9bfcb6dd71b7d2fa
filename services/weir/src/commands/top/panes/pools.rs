//! Pools of the gateway: what is used, who waits, and whether the server is given up. Pure.

use weir_proto::common::v1::Pool;

use super::super::console::Line;
use super::super::state::State;
use super::super::table::{Cell, Column, Row, Table, figures, rest, words};
use super::super::units::span;
use crate::terminal::Tone;

const COLUMNS: &[Column] = &[
    words("DATABASE", 20, 0),
    words("ROLE", 16, 1),
    words("SERVER", 24, 4),
    figures("ACTIVE", 0),
    figures("IDLE", 2),
    figures("MAX", 0),
    figures("WAITING", 0),
    figures("LONGEST", 2),
    figures("CLIENTS", 3),
    words("MODE", 12, 5),
    words("BREAKER", 10, 1),
    rest("STATE", 8),
];
/// Rows are ordered by who waits.
pub(in super::super) const BY: usize = 6;

pub(in super::super) fn table(state: &State) -> Table {
    Table {
        columns: COLUMNS,
        rows: state.known.pools.iter().map(|pool| row(state, pool)).collect(),
    }
}

fn row(state: &State, pool: &Pool) -> Row {
    let console = &state.known.console;
    let is_it = |line: &Line<'_>| line.text("database") == pool.database && line.text("user") == pool.role;
    let line = console.pools.rows().find(is_it);
    let upstream = console
        .upstreams
        .rows()
        .find(|line| line.text("upstream") == pool.upstream);
    let waiting = Cell::count(pool.waiting);
    let longest = line.and_then(longest).filter(|_| pool.waiting > 0);
    let clients = line.and_then(|line| line.number::<f64>("cl_active"));
    Row {
        id: format!("{} {} {}", pool.upstream, pool.database, pool.role),
        cells: vec![
            Cell::text(&pool.database),
            Cell::text(&pool.role),
            Cell::text(&pool.upstream),
            Cell::count(pool.active).toned(if pool.active >= pool.max {
                Tone::Warning
            } else {
                Tone::Plain
            }),
            Cell::count(pool.idle),
            Cell::count(pool.max),
            if pool.waiting > 0 {
                waiting.toned(Tone::Bad)
            } else {
                waiting
            },
            Cell::figure(longest, span),
            Cell::figure(clients, |count| format!("{count:.0}")),
            Cell::text(line.map_or("-", |line| line.text("pool_mode"))),
            Cell::word(upstream.map_or("-", |line| line.text("breaker"))),
            standing(line),
        ],
        details: vec![
            ("connections kept open", pool.min.to_string()),
            ("opened since the start", pool.opened_total.to_string()),
            ("closed since the start", pool.closed_total.to_string()),
        ],
        is_fixed: false,
    }
}

fn longest(line: Line<'_>) -> Option<f64> {
    let (whole, micros): (f64, f64) = (line.number("maxwait")?, line.number("maxwait_us")?);
    Some(whole + micros / 1e6)
}

/// Whether it hands out connections, and why somebody waits.
fn standing(line: Option<Line<'_>>) -> Cell {
    match line {
        None => Cell::text("-"),
        Some(line) if line.text("paused") == "1" => Cell::text("paused").toned(Tone::Warning),
        Some(line) if line.text("reason").is_empty() => Cell::text("open"),
        Some(line) => Cell::text(line.text("reason")).toned(Tone::Bad),
    }
}
