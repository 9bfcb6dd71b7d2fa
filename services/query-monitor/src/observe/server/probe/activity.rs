//! Sessions: what they do, which matter, and who holds whom up.

use weir_proto::monitor::v1 as api;
use weir_upstream::Row;

use crate::observe::server::cells::{maybe, name, number, session};
use crate::observe::server::chains::{Link, chains};
use crate::observe::server::view::View;

/// How many sessions do what, and then those in a transaction, the oldest first. Of the statement no more is asked for
/// than is looked at.
pub(super) const SESSIONS: &str = "
    select datname as database, state, wait_event_type, wait_event, count(*) as sessions,
        count(*) filter (where datid is not null and coalesce(backend_type, 'client backend') = 'client backend') as clients
    from pg_stat_activity where pid <> pg_backend_pid()
    group by 1, 2, 3, 4 order by 5 desc limit 500;
    select pid, datname as database, usename as role, application_name as application, host(client_addr) as address,
        state, wait_event_type, wait_event,
        extract(epoch from clock_timestamp() - xact_start) as transaction_seconds,
        extract(epoch from clock_timestamp() - state_change) as state_seconds, left(query, 8192) as query
    from pg_stat_activity
    where xact_start is not null and backend_type = 'client backend' and pid <> pg_backend_pid()
    order by xact_start limit 200";

/// Asking who blocks a session looks at every lock of the server, so only those are asked about who wait for a lock, the
/// longest waits first, and never more than a hundred. Where nobody waits, no lock is looked at.
pub(super) const BLOCKING: &str = "
    with waiting as materialized (
        select pid from pg_stat_activity where wait_event_type = 'Lock' order by state_change limit 100),
    waits as materialized (
        select pid, min(waitstart) as since from pg_locks where not granted and exists (select from waiting) group by pid),
    blocked as materialized (
        select w.pid, pg_blocking_pids(w.pid) as blockers, s.since from waiting w left join waits s on s.pid = w.pid),
    who as (select pid from blocked union select unnest(blockers) from blocked)
    select who.pid, a.datname as database, a.usename as role, a.application_name as application,
        host(a.client_addr) as address, a.state, a.wait_event_type, a.wait_event,
        extract(epoch from clock_timestamp() - a.xact_start) as transaction_seconds,
        extract(epoch from clock_timestamp() - a.state_change) as state_seconds, left(a.query, 8192) as query,
        array_to_string(b.blockers, ' ') as blockers,
        extract(epoch from clock_timestamp() - coalesce(b.since, a.state_change)) as blocked_seconds
    from who left join pg_stat_activity a on a.pid = who.pid left join blocked b on b.pid = who.pid";

pub(super) fn keep_sessions(view: &mut View, rows: &[Row]) {
    let (sessions, counts): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.get("pid").is_some());
    let upstream = view.server.upstream.clone();
    view.server.connections = counts.iter().map(|row| number::<u32>(row, "clients")).sum();
    view.server.sessions = counts.into_iter().map(counted).collect();
    view.sessions = sessions.into_iter().map(|row| session(&upstream, row)).collect();
    view.is_full = false;
}

fn counted(row: &Row) -> api::ServerSessions {
    api::ServerSessions {
        database: name(row, "database"),
        state: name(row, "state"),
        wait_event_type: name(row, "wait_event_type"),
        wait_event: name(row, "wait_event"),
        count: number(row, "sessions"),
    }
}

pub(super) fn keep_blocking(view: &mut View, rows: &[Row]) {
    let link = |row: &Row| {
        let blockers = row.get("blockers").unwrap_or_default().split_whitespace();
        let mut waits_for: Vec<i32> = blockers.filter_map(|pid| pid.parse().ok()).collect();
        // Workers of one query are named by their leader, once for each.
        waits_for.sort_unstable();
        waits_for.dedup();
        Link {
            session: session(&view.server.upstream, row),
            blocked_seconds: maybe(row, "blocked_seconds")
                .filter(|_| !waits_for.is_empty())
                .unwrap_or_default(),
            waits_for,
        }
    };
    view.chains = chains(rows.iter().map(link).collect());
}
