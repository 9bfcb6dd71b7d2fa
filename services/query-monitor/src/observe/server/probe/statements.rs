//! `pg_stat_statements`, where it is: the dearest statements, and seldom their texts.
//!
//! Asking for texts makes the server read all of them, hundreds of megabytes in bad cases, so figures are asked for
//! without. A text is asked for once, and only for a statement that is shown.

use std::collections::BTreeMap;

use weir_proto::monitor::v1 as api;
use weir_upstream::Row;

use super::Probe;
use crate::observe::server::cells::{Said, name, number, said};
use crate::observe::server::view::{Facts, View};

/// Statements that are shown.
const TOP: u32 = 50;

pub(super) fn question(facts: &Facts) -> Option<String> {
    let schema = facts.statements_in.as_ref()?;
    Some(format!(
        "select s.*, d.datname as database, r.rolname as role from (
            select queryid, dbid, userid, sum(calls)::bigint as calls, sum(total_exec_time) as total_ms,
                max(max_exec_time) as max_ms, sum(rows)::bigint as rows, sum(shared_blks_hit)::bigint as blocks_hit,
                sum(shared_blks_read)::bigint as blocks_read, sum(wal_bytes)::bigint as wal_bytes
            from {schema}.pg_stat_statements(false) where queryid is not null
            group by 1, 2, 3 order by 5 desc limit {TOP}) s
        left join pg_database d on d.oid = s.dbid left join pg_roles r on r.oid = s.userid
        order by s.total_ms desc"
    ))
}

pub(super) fn keep(view: &mut View, rows: &[Row]) {
    view.misses(Probe::Statements, None);
    let statements: Vec<api::ServerStatement> = rows.iter().map(|row| statement(row, &view.texts)).collect();
    // Texts of what is no longer shown are let go.
    view.texts
        .retain(|id, _| statements.iter().any(|statement| statement.query_id == *id));
    view.server.statements = statements;
}

fn statement(row: &Row, texts: &BTreeMap<i64, Said>) -> api::ServerStatement {
    let query_id = number(row, "queryid");
    let said = texts.get(&query_id).cloned().unwrap_or_default();
    let (calls, total_ms): (u64, f64) = (number(row, "calls"), number(row, "total_ms"));
    api::ServerStatement {
        query_id,
        database: name(row, "database"),
        role: name(row, "role"),
        text: said.text,
        fingerprint: said.fingerprint,
        calls,
        total_ms,
        mean_ms: if calls == 0 { 0.0 } else { total_ms / calls as f64 },
        max_ms: number(row, "max_ms"),
        rows: number(row, "rows"),
        blocks_hit: number(row, "blocks_hit"),
        blocks_read: number(row, "blocks_read"),
        wal_bytes: number(row, "wal_bytes"),
    }
}

/// Asks for the texts that are not known yet; for none where all are.
pub(super) fn texts_question(view: &View) -> Option<String> {
    let schema = view.facts.statements_in.as_ref()?;
    let ids = view.server.statements.iter().map(|statement| statement.query_id);
    let unknown: Vec<String> = ids
        .filter(|id| !view.texts.contains_key(id))
        .map(|id| format!("'{id}'"))
        .collect();
    (!unknown.is_empty()).then(|| {
        format!(
            "select distinct on (queryid) queryid, left(query, 8192) as query from {schema}.pg_stat_statements(true)
            where queryid in ({})",
            unknown.join(",")
        )
    })
}

pub(super) fn keep_texts(view: &mut View, rows: &[Row]) {
    for row in rows {
        let query = row.get("query").unwrap_or_default();
        view.texts.insert(number(row, "queryid"), said(query));
    }
    for statement in &mut view.server.statements {
        if let Some(said) = view.texts.get(&statement.query_id) {
            statement.text.clone_from(&said.text);
            statement.fingerprint.clone_from(&said.fingerprint);
        }
    }
}
