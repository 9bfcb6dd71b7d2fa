//! Sessions of the servers, with the client of the gateway that each one serves, and clients that have no server. Who
//! holds others up stands at the head, above those who wait. Pure.

use std::collections::{BTreeMap, BTreeSet};

use weir_proto::monitor::v1 as api;

use super::super::console::Line;
use super::super::state::State;
use super::super::table::{Cell, Column, Row, Table, figures, rest, words};
use super::super::units::span;
use crate::terminal::Tone;
use crate::text::clean;

const COLUMNS: &[Column] = &[
    words("PID", 14, 0),
    figures("CLIENT", 4),
    words("USER", 12, 2),
    words("DATABASE", 16, 3),
    words("STATE", 14, 0),
    figures("FOR", 0),
    figures("XACT", 5),
    words("WAIT", 20, 1),
    words("APPLICATION", 20, 6),
    rest("STATEMENT", 20),
];
const CLIENT: &str = "client of the gateway";
/// Rows are ordered by how long they have been in their state.
pub(in super::super) const BY: usize = 5;

pub(in super::super) fn table(state: &State) -> Table {
    let clients = clients_by_pid(state);
    let mut served = BTreeSet::new();
    let mut placed = BTreeSet::new();
    let mut rows = Vec::new();
    for chain in &state.known.chains {
        for (session, depth) in tree(chain) {
            if placed.insert((session.upstream.clone(), session.pid)) {
                rows.push(of_session(session, Some(depth), &clients, &mut served));
            }
        }
    }
    for session in &state.known.activity {
        if !placed.contains(&(session.upstream.clone(), session.pid)) {
            rows.push(of_session(session, None, &clients, &mut served));
        }
    }
    let others = state.known.console.clients.rows();
    let wanted = others.filter(|line| state.shows_idle || line.text("state") != "idle");
    rows.extend(wanted.filter(|line| !served.contains(line.text("id"))).map(of_client));
    Table { columns: COLUMNS, rows }
}

/// The gateway's client in the row with this id, if there is one that can be ended, and how to call it.
pub(in super::super) fn client_of(row: &Row) -> Option<(i32, String)> {
    let (_, client) = row.details.iter().find(|(name, _)| *name == CLIENT)?;
    let text = |index: usize| row.cells.get(index).map_or("", |cell| cell.text.as_str());
    Some((client.parse().ok()?, format!("{} at {}, {}", text(2), text(3), text(4))))
}

/// Clients by the process that serves them; `server:port` and the process.
fn clients_by_pid(state: &State) -> BTreeMap<(String, i32), String> {
    let servers = state.known.console.servers.rows();
    let linked = servers.filter(|line| !line.text("client").is_empty() && line.text("state") != "idle");
    linked
        .filter_map(|line| {
            let key = (line.text("addr").to_owned(), line.number("remote_pid")?);
            Some((key, line.text("client").to_owned()))
        })
        .collect()
}

/// The sessions of a chain, each below the one that it waits for, with how far from the root it is.
fn tree(chain: &api::BlockingChain) -> Vec<(&api::ServerSession, usize)> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    if let Some(root) = &chain.root {
        order.push((root, 0));
        seen.insert(root.pid);
        below(chain, root.pid, 1, &mut seen, &mut order);
    }
    // Those in a circle, and those whose blocker was not seen.
    for blocked in &chain.blocked {
        let Some(session) = &blocked.session else { continue };
        if seen.insert(session.pid) {
            order.push((session, usize::from(chain.root.is_some())));
            below(
                chain,
                session.pid,
                1 + usize::from(chain.root.is_some()),
                &mut seen,
                &mut order,
            );
        }
    }
    order
}

fn below<'a>(
    chain: &'a api::BlockingChain,
    pid: i32,
    depth: usize,
    seen: &mut BTreeSet<i32>,
    order: &mut Vec<(&'a api::ServerSession, usize)>,
) {
    // Deeper than this, nobody reads it as a tree any more.
    if depth > 32 {
        return;
    }
    for blocked in chain.blocked.iter().filter(|blocked| blocked.blocked_by.contains(&pid)) {
        let Some(session) = &blocked.session else { continue };
        if seen.insert(session.pid) {
            order.push((session, depth));
            below(chain, session.pid, depth + 1, seen, order);
        }
    }
}

fn of_session(
    session: &api::ServerSession,
    depth: Option<usize>,
    clients: &BTreeMap<(String, i32), String>,
    served: &mut BTreeSet<String>,
) -> Row {
    let client = clients.get(&(session.upstream.clone(), session.pid));
    served.extend(client.cloned());
    let wait = match (session.wait_event_type.as_str(), session.wait_event.as_str()) {
        ("", event) => event.to_owned(),
        (kind, event) => format!("{kind}:{event}"),
    };
    let waits = depth.is_some_and(|depth| depth > 0);
    let wait = Cell::text(&wait).toned(if waits { Tone::Bad } else { Tone::Plain });
    let (pid, is_fixed) = (pid(session, depth), depth.is_some());
    let transaction = (session.transaction_seconds > 0.0).then_some(session.transaction_seconds);
    let client_cell = Cell::figure(client.and_then(|client| client.parse().ok()), |number: f64| {
        number.to_string()
    });
    Row {
        id: format!("{} {}", session.upstream, session.pid),
        cells: vec![
            if is_fixed && !waits {
                pid.toned(Tone::Warning)
            } else {
                pid
            },
            client_cell,
            Cell::text(&session.role),
            Cell::text(&session.database),
            Cell::text(&session.state.replacen("transaction", "xact", 1)),
            Cell::figure(Some(session.state_seconds), span),
            Cell::figure(transaction, span),
            wait,
            Cell::text(&session.application),
            Cell::text(&session.text),
        ],
        details: details(session, client),
        is_fixed,
    }
}

fn pid(session: &api::ServerSession, depth: Option<usize>) -> Cell {
    let own = if session.pid == 0 {
        "prepared".to_owned()
    } else {
        session.pid.to_string()
    };
    let tree = match depth {
        None | Some(0) => own,
        // What does not fit is told by the depth alone.
        Some(depth) if depth > 6 => format!("{depth}└{own}"),
        Some(depth) => format!("{}└{own}", " ".repeat(depth - 1)),
    };
    Cell {
        text: tree,
        number: Some(f64::from(session.pid)),
        tone: Tone::Plain,
    }
}

fn details(session: &api::ServerSession, client: Option<&String>) -> Vec<(&'static str, String)> {
    let mut details = vec![
        ("server", clean(&session.upstream)),
        ("address", clean(&session.address)),
        ("fingerprint", clean(&session.fingerprint)),
        ("trace", clean(&session.traceparent)),
    ];
    details.extend(client.map(|client| (CLIENT, clean(client))));
    details
}

/// A client that has no server now, or one that nobody looks at.
fn of_client(line: Line<'_>) -> Row {
    let state = line.text("state");
    let tone = if state == "waiting" { Tone::Bad } else { Tone::Plain };
    let wait = if state == "waiting" { "a connection" } else { "" };
    Row {
        id: format!("client {}", line.text("id")),
        cells: vec![
            Cell::text("-"),
            Cell::figure(line.number("id"), |number: f64| number.to_string()),
            Cell::text(line.text("user")),
            Cell::text(line.text("database")),
            Cell::text(&state.replacen("transaction", "xact", 1)).toned(tone),
            Cell::figure(line.number("state_ms").map(|ms: f64| ms / 1e3), span),
            Cell::figure(None, span),
            Cell::text(wait).toned(tone),
            Cell::text(line.text("application_name")),
            Cell::text(""),
        ],
        details: vec![
            ("address", clean(line.text("addr"))),
            ("project", clean(line.text("project"))),
            ("pool mode", clean(line.text("pool_mode"))),
            (CLIENT, clean(line.text("id"))),
        ],
        is_fixed: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(pid: i32) -> api::ServerSession {
        api::ServerSession {
            pid,
            ..api::ServerSession::default()
        }
    }

    fn waits(pid: i32, blocked_by: &[i32]) -> api::BlockedSession {
        api::BlockedSession {
            session: Some(session(pid)),
            blocked_by: blocked_by.to_vec(),
            ..api::BlockedSession::default()
        }
    }

    fn drawn(chain: &api::BlockingChain) -> Vec<(i32, usize)> {
        tree(chain)
            .into_iter()
            .map(|(session, depth)| (session.pid, depth))
            .collect()
    }

    #[test]
    fn those_who_wait_stand_below_whom_they_wait_for_each_once() {
        let mut chain = api::BlockingChain {
            root: Some(session(1)),
            blocked: vec![waits(4, &[2]), waits(2, &[1]), waits(3, &[1, 2]), waits(9, &[77])],
            ..api::BlockingChain::default()
        };
        assert_eq!(drawn(&chain), [(1, 0), (2, 1), (4, 2), (3, 2), (9, 1)]);
        // A circle: everybody waits for the next.
        chain.root = None;
        chain.blocked = vec![waits(1, &[2]), waits(2, &[1])];
        assert_eq!(drawn(&chain), [(1, 0), (2, 1)]);
    }
}
