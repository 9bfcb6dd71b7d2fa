//! An index built anew beside its use, and nothing left of it when that does not go well.
//!
//! REINDEX CONCURRENTLY takes no lock that a reader or writer waits for. What it waits for is of two kinds. Its table's
//! lock, which only VACUUM and changes of the table's form keep from it, is tried for a moment and then again later, so
//! that nobody's ALTER TABLE stands in a line behind it. And transactions that were open before: those it waits for when
//! the index is as good as built, so giving up early would throw all of that away; waiting costs nobody anything.

use super::door::Door;
use super::leash::Leash;
use super::retry::{Tries, is_locked};
use super::sweep::{Scope, Swept, halt, tidy};
use super::{Guard, Halt, Session};
use crate::observe::index::{index, oids};
use crate::plan::rewrites::{IndexName, RebuildFacts, rebuild_refusal};

/// How long it waits for transactions that were open before, in milliseconds.
const TRANSACTIONS_MS: u32 = 60_000;

/// What became of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rebuilt {
    /// It is new.
    Done {
        /// Its size before.
        bytes_before: u64,
        /// Its size now.
        bytes_after: u64,
        /// Tries that it took.
        tries: u32,
    },
    /// It is as it was: why.
    Left(String),
}

/// Work that was halted, and has tidied up.
#[derive(Debug)]
pub(crate) struct Stopped {
    /// Why.
    pub halt: Halt,
    /// What was removed after it, and what could not be.
    pub swept: Swept,
}

impl Stopped {
    fn early(halt: Halt) -> Self {
        Self {
            halt,
            swept: Swept::default(),
        }
    }
}

/// Rebuilds an index beside its use. The session may be another one afterwards, if it was lost.
pub(crate) async fn rebuild(
    door: &Door<'_>,
    session: &mut Session,
    guard: &Guard<'_>,
    name: &IndexName,
) -> Result<Rebuilt, Stopped> {
    let mut tries = Tries::new();
    loop {
        let locked = match once(door, session, guard, name, tries.made).await? {
            Ok(rebuilt) => return Ok(rebuilt),
            Err(locked) => locked,
        };
        let Some(wait) = tries.failed() else {
            return Ok(Rebuilt::Left(format!(
                "index {name} is left after {} tries: {locked}",
                tries.made
            )));
        };
        Leash::Guard(guard).pause(session, wait).await.map_err(Stopped::early)?;
    }
}

/// One try; the inner error is that something was locked.
async fn once(
    door: &Door<'_>,
    session: &mut Session,
    guard: &Guard<'_>,
    name: &IndexName,
    made: u32,
) -> Result<Result<Rebuilt, Halt>, Stopped> {
    let facts = match look(session, name).await {
        Ok(Ok(facts)) => facts,
        Ok(Err(reason)) => return Ok(Ok(Rebuilt::Left(reason))),
        Err(halt) if is_locked(&halt) => return Ok(Err(halt)),
        Err(halt) => return Err(Stopped::early(halt)),
    };
    match try_rebuild(door, session, guard, name, &facts).await? {
        Ok(()) => done(session, name, &facts, made + 1).await.map(Ok),
        Err(locked) => Ok(Err(locked)),
    }
}

/// The index as it is now, or why it is left.
async fn look(session: &mut Session, name: &IndexName) -> Result<Result<RebuildFacts, String>, Halt> {
    let Some(facts) = index(session.connection(), name).await.map_err(halt)? else {
        return Ok(Err(format!("there is no index {name}")));
    };
    Ok(match rebuild_refusal(name, &facts) {
        None => Ok(facts),
        Some(reason) => Err(reason),
    })
}

/// One try. The inner error is worth another one; the table is tidy again in any case.
async fn try_rebuild(
    door: &Door<'_>,
    session: &mut Session,
    guard: &Guard<'_>,
    name: &IndexName,
    facts: &RebuildFacts,
) -> Result<Result<(), Halt>, Stopped> {
    let before = oids(session.connection(), facts.table_oid)
        .await
        .map_err(|error| Stopped::early(halt(error)))?;
    let failed = match Box::pin(reindex(session, guard, name, facts)).await {
        Ok(()) => return Ok(Ok(())),
        Err(failed) => failed,
    };
    let swept = Box::pin(tidy_after(door, session, facts, &before)).await;
    match swept {
        Ok(swept) if is_locked(&failed) && swept.remains.is_empty() => Ok(Err(failed)),
        Ok(swept) => Err(Stopped { halt: failed, swept }),
        // The server is away, or answers nothing: the next sweep finds what there is.
        Err(why) => {
            let remains = vec![format!("whatever was begun of index {name}: {why}")];
            Err(Stopped {
                halt: failed,
                swept: Swept {
                    remains,
                    ..Swept::default()
                },
            })
        }
    }
}

async fn reindex(session: &mut Session, guard: &Guard<'_>, name: &IndexName, facts: &RebuildFacts) -> Result<(), Halt> {
    try_lock(session, guard, facts.table_oid).await?;
    let patient = format!("set lock_timeout = {TRANSACTIONS_MS}");
    session.connection().simple_query(&patient).await?;
    let ended = session
        .run(&format!("reindex index concurrently {}", name.quoted()), guard)
        .await;
    if !session.connection().is_broken() {
        session.connection().simple_query("reset lock_timeout").await?;
    }
    ended.map(drop)
}

/// Has the table's lock for a moment. A materialized view cannot be locked so,.
async fn try_lock(session: &mut Session, guard: &Guard<'_>, table_oid: u32) -> Result<(), Halt> {
    let sql = format!(
        "select pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) as name \
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where c.oid = {table_oid} and c.relkind = 'r'"
    );
    let rows = session.connection().simple_query(&sql).await?;
    let Some(table) = rows.first().map(|row| row.text("name")).transpose()? else {
        return Ok(());
    };
    let lock = format!("begin; lock table only {table} in share update exclusive mode; commit");
    let locked = session.run(&lock, guard).await;
    if locked.is_err() && !session.connection().is_broken() {
        session.connection().simple_query("rollback").await?;
    }
    locked.map(drop)
}

/// Removes what a try left: what was not there before it is ours beyond doubt, and so is the index itself, should it
/// have been swapped for the new one and not yet dropped.
async fn tidy_after(
    door: &Door<'_>,
    session: &mut Session,
    facts: &RebuildFacts,
    before: &[u32],
) -> Result<Swept, Halt> {
    door.mend(session).await?;
    let now = oids(session.connection(), facts.table_oid).await.map_err(halt)?;
    let mut known: Vec<u32> = now.into_iter().filter(|oid| !before.contains(oid)).collect();
    known.push(facts.oid);
    let scope = Scope {
        place: None,
        table: Some(facts.table_oid),
        known: &known,
    };
    tidy(door, session, Leash::to_tidy_up(), scope).await
}

async fn done(session: &mut Session, name: &IndexName, before: &RebuildFacts, tries: u32) -> Result<Rebuilt, Stopped> {
    let after = index(session.connection(), name)
        .await
        .map_err(|error| Stopped::early(halt(error)))?;
    Ok(Rebuilt::Done {
        bytes_before: before.bytes,
        bytes_after: after.map_or(0, |after| after.bytes),
        tries,
    })
}
