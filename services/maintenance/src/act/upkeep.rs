//! Leftovers, rewrites and checks, as pieces of a run.

use std::path::Path;

use serde_json::json;

use super::reindex::Stopped;
use super::retry::{Tries, is_locked};
use super::sweep::Scope;
use super::{Deed, Door, Guard, Halt, Rebuilt, Repacked, Session, Verified};
use crate::observe::literal;
use crate::places::Place;
use crate::plan::rewrites::IndexName;
use crate::plan::{Candidate, TableName};

/// Removes what earlier work left behind.
pub(super) async fn sweep(
    door: &Door<'_>,
    session: &mut Session,
    guard: &Guard<'_>,
    place: &Place,
) -> Result<Deed, Halt> {
    let scope = Scope {
        place: Some(place),
        ..Scope::default()
    };
    let swept = super::sweep(door, session, guard, scope).await?;
    let mut deed = Deed::done(json!({}), json!({ "removed": swept.removed, "remains": swept.remains }));
    deed.remark_also(swept.remains);
    deed.remark_also(swept.advice);
    Ok(deed)
}

/// Builds an index anew beside its use.
pub(super) async fn reindex(
    door: &Door<'_>,
    session: &mut Session,
    guard: &Guard<'_>,
    candidate: &Candidate,
) -> Result<Deed, Halt> {
    let rebuilt = super::rebuild(door, session, guard, &index(candidate)).await;
    Ok(match rebuilt.map_err(stopped)? {
        Rebuilt::Done {
            bytes_before,
            bytes_after,
            ..
        } => Deed::rewritten(bytes_before, bytes_after),
        Rebuilt::Left(reason) => Deed::left(reason),
    })
}

/// Says what became of what a stopped rewrite had begun.
fn stopped(stopped: Stopped) -> Halt {
    let Stopped { halt, swept } = stopped;
    tracing::info!(reason = %halt, removed = ?swept.removed, remains = ?swept.remains, "a rewrite was stopped and cleaned up after");
    halt
}

/// Writes a table anew beside its use.
pub(super) async fn reorganize(
    door: &Door<'_>,
    session: &mut Session,
    guard: &Guard<'_>,
    program: &Path,
    table: &TableName,
) -> Result<Deed, Halt> {
    let repacked = super::repack(door, session, guard, program, table).await;
    Ok(match repacked.map_err(stopped)? {
        Repacked::Done {
            bytes_before,
            bytes_after,
            ..
        } => Deed::rewritten(bytes_before, bytes_after),
        Repacked::Left(reason) => Deed::left(reason),
    })
}

/// Writes a table anew while nobody else can use it: somebody named it and said so.
pub(super) async fn write_anew(session: &mut Session, guard: &Guard<'_>, table: &TableName) -> Result<Deed, Halt> {
    let before = size(session, table).await?;
    let statement = format!("vacuum (full, analyze) {}", table.quoted());
    let mut tries = Tries::new();
    session.remarks();
    while let Err(halt) = session.run(&statement, guard).await {
        match tries.failed() {
            Some(wait) if is_locked(&halt) => wait_under(guard, session, wait).await?,
            _ if is_locked(&halt) => return Ok(Deed::left(halt)),
            _ => return Err(halt),
        }
    }
    if let Some(warning) = session
        .remarks()
        .into_iter()
        .find(|remark| remark.severity == "WARNING")
    {
        return Ok(Deed::left(warning));
    }
    Ok(Deed::rewritten(before, size(session, table).await?))
}

async fn wait_under(guard: &Guard<'_>, session: &mut Session, wait: std::time::Duration) -> Result<(), Halt> {
    let pid = session.connection().process_id();
    tokio::select! {
        halt = guard.trips(pid) => Err(halt),
        () = tokio::time::sleep(wait) => Ok(()),
    }
}

/// Bytes of a table with its indexes and TOAST; of one that is gone, none.
async fn size(session: &mut Session, table: &TableName) -> Result<u64, Halt> {
    let question = format!(
        "select coalesce(pg_catalog.pg_total_relation_size(pg_catalog.to_regclass({})), 0) as bytes",
        literal(&table.quoted())
    );
    let rows = session.connection().simple_query(&question).await?;
    Ok(rows.first().and_then(|row| row.parse("bytes").ok()).unwrap_or_default())
}

/// Checks an index against its table.
pub(super) async fn verify(session: &mut Session, guard: &Guard<'_>, candidate: &Candidate) -> Result<Deed, Halt> {
    Ok(match super::verify(session, guard, &index(candidate), false).await? {
        Verified::Sound => Deed::done(json!({}), json!({ "sound": true })),
        Verified::Corrupt(how) => return Err(Halt::Corrupt(how)),
        Verified::Left(reason) => Deed::left(reason),
    })
}

fn index(candidate: &Candidate) -> IndexName {
    IndexName {
        schema: candidate.subject.table.schema.clone(),
        name: candidate.subject.index.clone().unwrap_or_default(),
    }
}
