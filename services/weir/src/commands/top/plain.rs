//! One round as plain text or JSON, for whoever has no terminal.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value as Json, json};
use weir_model::Clock;
use weir_proto::common::v1 as common;
use weir_proto::monitor::v1 as monitor;

use super::ask::{Asker, Question};
use super::jobs::Job;
use super::panes::{alerts::severity, jobs::word};
use super::rates::{Lately, Query};
use super::state::{Pane, State, Topic};
use super::view::head_as_text;
use crate::terminal::{Failure, Listing, say, say_json};
use crate::text::{clean, cut};

/// No line of a table is longer by its last column.
const LAST_COLUMNS: usize = 100;

pub(super) async fn round(mut state: State, asker: &Asker, clock: &Clock, as_json: bool) -> Result<(), Failure> {
    let ask = |topic| asker.clone().ask(Question::new(topic, &state));
    let mut answers: FuturesUnordered<_> = Topic::ALL.into_iter().map(ask).collect();
    let mut heard = Vec::new();
    while let Some(answer) = answers.next().await {
        heard.push(answer);
    }
    drop(answers);
    state.now_ms = clock.unix_ms();
    for (topic, answer) in heard {
        state.hear(topic, answer, Duration::ZERO);
    }
    if as_json {
        say_json(&whole(&state))?;
    } else {
        text(&state)?;
    }
    if state.is_anything_known() {
        return Ok(());
    }
    Err("no service could be asked anything; are they running? (weir status)".into())
}

fn text(state: &State) -> Result<(), Failure> {
    for line in head_as_text(state) {
        say(&line)?;
    }
    for (service, away) in state.away() {
        say(&format!("{service} is away: {}", away.why))?;
    }
    Pane::ALL.into_iter().try_for_each(|pane| listing(state, pane))
}

fn listing(state: &State, pane: Pane) -> Result<(), Failure> {
    say("")?;
    say(&format!("{}:", pane.name()))?;
    let table = state.whole_table(pane);
    let titles: Vec<&str> = table.columns.iter().map(|column| column.title).collect();
    let mut listing = Listing::new(&titles, "none");
    for row in table.rows {
        listing.row(row.cells.into_iter().map(|cell| cut(&cell.text, LAST_COLUMNS)));
    }
    listing.say()
}

fn whole(state: &State) -> Json {
    let known = &state.known;
    let topics = state.standings.iter().filter_map(|(topic, standing)| {
        let away = standing.away.as_ref()?;
        Some(json!({ "service": topic.service(), "asked": format!("{topic:?}").to_lowercase(), "why": away.why }))
    });
    json!({
        "at_unix_ms": state.now_ms,
        "project": state.project_name(),
        "away": topics.collect::<Vec<_>>(),
        "figures": figures(state),
        "servers": known.servers.iter().map(server).collect::<Vec<_>>(),
        "queries": known.queries.iter().map(query).collect::<Vec<_>>(),
        "sessions": known.activity.iter().map(session).collect::<Vec<_>>(),
        "blocking": known.chains.iter().map(chain).collect::<Vec<_>>(),
        "pools": known.pools.iter().map(pool).collect::<Vec<_>>(),
        "jobs": known.jobs.all().map(job).collect::<Vec<_>>(),
        "alerts": known.alerts.iter().map(alert).collect::<Vec<_>>(),
    })
}

fn figures(state: &State) -> Json {
    let load = &state.known.load;
    let [p50, p95, p99] = load
        .percentiles_ms
        .map_or([None; 3], |percentiles| percentiles.map(Some));
    json!({
        "queries_per_second": load.lately.map(|lately| lately.calls),
        "errors_per_second": load.lately.map(|lately| lately.errors),
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "cache_hit_ratio": state.known.cache.ratio(),
        "jobs_running": state.known.jobs.running(),
    })
}

fn server(server: &monitor::Server) -> Json {
    json!({
        "upstream": server.upstream, "is_up": server.is_up, "error": server.error, "version": server.version,
        "is_standby": server.is_standby, "started_unix_ms": server.started_unix_ms,
        "connections": server.connections, "connections_max": server.connections_max,
    })
}

fn query(query: &Query) -> Json {
    let of = |read: fn(Lately) -> f64| query.lately.map(read);
    json!({
        "fingerprint": query.fingerprint, "database": query.database, "query": query.text,
        "calls_per_second": of(|lately| lately.calls), "errors_per_second": of(|lately| lately.errors),
        "rows_per_second": of(|lately| lately.rows), "time_ms_per_second": of(|lately| lately.time_ms),
        "p50_ms": query.p50_ms, "p95_ms": query.p95_ms, "p99_ms": query.p99_ms, "hit_ratio": query.hit_ratio,
    })
}

fn session(session: &monitor::ServerSession) -> Json {
    json!({
        "upstream": session.upstream, "pid": session.pid, "database": session.database, "role": session.role,
        "application": session.application, "state": session.state, "wait_event_type": session.wait_event_type,
        "wait_event": session.wait_event, "transaction_seconds": session.transaction_seconds,
        "state_seconds": session.state_seconds, "query": session.text, "fingerprint": session.fingerprint,
    })
}

fn chain(chain: &monitor::BlockingChain) -> Json {
    let blocked = chain.blocked.iter().map(|blocked| {
        json!({
            "pid": blocked.session.as_ref().map(|session| session.pid),
            "blocked_by": blocked.blocked_by, "blocked_seconds": blocked.blocked_seconds, "depth": blocked.depth,
        })
    });
    json!({
        "root": chain.root.as_ref().map(|root| root.pid), "is_circle": chain.is_circle,
        "blocked_seconds": chain.blocked_seconds, "blocked": blocked.collect::<Vec<_>>(),
    })
}

fn pool(pool: &common::Pool) -> Json {
    json!({
        "upstream": pool.upstream, "database": pool.database, "role": pool.role, "total": pool.total,
        "idle": pool.idle, "active": pool.active, "waiting": pool.waiting, "max": pool.max, "min": pool.min,
    })
}

fn job(job: &Job) -> Json {
    json!({
        "id": job.id, "service": job.service, "project": job.project, "operation": job.operation,
        "state": word(job.state), "requested_unix_ms": job.requested_unix_ms, "started_unix_ms": job.started_unix_ms,
        "ended_unix_ms": job.ended_unix_ms, "done": job.done, "total": job.total, "note": clean(&job.note),
    })
}

fn alert(alert: &monitor::Alert) -> Json {
    json!({
        "id": alert.id, "rule": alert.rule, "severity": severity(alert.severity()),
        "state": alert.state().as_str_name().trim_start_matches("ALERT_STATE_").to_lowercase(),
        "summary": alert.summary, "since_unix_ms": alert.since_unix_ms, "fingerprint": alert.fingerprint,
    })
}
