//! A table written anew beside its use by pg_repack, and nothing left of it when that does not go well.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::child::{Ended, Repack, version};
use super::door::Door;
use super::leash::Leash;
use super::reindex::Stopped;
use super::retry::{Tries, is_locked};
use super::sweep::{Scope, Swept, halt, tidy};
use super::{Guard, Halt, Session};
use crate::observe::repack::{backends, extension, table};
use crate::plan::TableName;
use crate::plan::repack::{RepackTable, Said, knows_invalid_indexes, repack_refusal, said, version_refusal};

/// How long it tidies up after an interrupt, before it is killed.
const STOPS_WITHIN: Duration = Duration::from_secs(60);
/// How long its backends may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(15);
/// How soon its backends are there.
const SEEN_WITHIN: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A run that ends sooner for want of a lock has copied nothing yet, and costs nothing to repeat.
const CHEAP: Duration = Duration::from_secs(10);

/// What became of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Repacked {
    /// It is written anew.
    Done {
        /// Its size before, with indexes and TOAST.
        bytes_before: u64,
        /// Its size now.
        bytes_after: u64,
        /// Tries that it took.
        tries: u32,
    },
    /// It is as it was: why.
    Left(String),
}

/// One run to its end.
enum Run {
    Ended(Ended),
    Halted(Halt),
    TooLong,
    NotBegun(String),
}

/// Reorganizes a table beside its use. The session may be another one afterwards, if it was lost.
pub(crate) async fn repack(
    door: &Door<'_>,
    session: &mut Session,
    guard: &Guard<'_>,
    program: &Path,
    name: &TableName,
) -> Result<Repacked, Stopped> {
    let arguments = match arguments(session, program, name).await.map_err(early)? {
        Ok(arguments) => arguments,
        Err(reason) => return Ok(Repacked::Left(reason)),
    };
    let mut tries = Tries::new();
    loop {
        let locked = match once(door, session, guard, program, name, &arguments, tries.made).await? {
            Ok(repacked) => return Ok(repacked),
            Err(locked) => locked,
        };
        let Some(wait) = tries.failed() else {
            return Ok(Repacked::Left(format!(
                "table {name} is left after {} tries: {locked}",
                tries.made
            )));
        };
        Leash::Guard(guard).pause(session, wait).await.map_err(early)?;
    }
}

const fn early(halt: Halt) -> Stopped {
    Stopped {
        halt,
        swept: Swept {
            removed: Vec::new(),
            remains: Vec::new(),
            advice: Vec::new(),
        },
    }
}

/// How it is to be called, or why it cannot be.
async fn arguments(
    session: &mut Session,
    program: &Path,
    name: &TableName,
) -> Result<Result<Vec<String>, String>, Halt> {
    let Some(extension) = extension(session.connection()).await.map_err(halt)? else {
        return Ok(Err("the extension pg_repack is not in the database".to_owned()));
    };
    let version = match version(program).await {
        Ok(version) => version,
        Err(reason) => {
            return Ok(Err(format!(
                "pg_repack at {} cannot be used: {reason}",
                program.display()
            )));
        }
    };
    if let Some(reason) = version_refusal(&version, &extension) {
        return Ok(Err(reason));
    }
    let mut arguments = vec![
        format!("--table={}", name.quoted()),
        "--no-order".to_owned(),
        "--no-kill-backend".to_owned(),
        "--wait-timeout=2".to_owned(),
        "--no-password".to_owned(),
    ];
    if knows_invalid_indexes(&version) {
        arguments.push("--error-on-invalid-index".to_owned());
    }
    Ok(Ok(arguments))
}

/// One try; the inner error is that the table was locked. What it left is removed in any case.
async fn once(
    door: &Door<'_>,
    session: &mut Session,
    guard: &Guard<'_>,
    program: &Path,
    name: &TableName,
    arguments: &[String],
    made: u32,
) -> Result<Result<Repacked, String>, Stopped> {
    let before = match look(session, name).await {
        Ok(Ok(before)) => before,
        Ok(Err(reason)) => return Ok(Ok(Repacked::Left(reason))),
        Err(halt) if is_locked(&halt) => return Ok(Err(halt.to_string())),
        Err(halt) => return Err(early(halt)),
    };
    let begun = Instant::now();
    let run = Box::pin(run(door, session, guard, program, arguments)).await;
    let swept = Box::pin(tidy_after(door, session, &before)).await;
    let ended = match run {
        Run::Halted(halt) => return Err(Stopped { halt, swept }),
        Run::TooLong => {
            return Ok(Ok(Repacked::Left(format!(
                "table {name} is left: it took longer than {:?}",
                door.limits.statement
            ))));
        }
        Run::NotBegun(reason) => return Ok(Ok(Repacked::Left(reason))),
        Run::Ended(ended) => ended,
    };
    let after = table(session.connection(), name)
        .await
        .map_err(|error| early(halt(error)))?;
    match (after, said(&ended.output)) {
        (Some(after), _) if after.file != before.file => Ok(Ok(Repacked::Done {
            bytes_before: before.bytes,
            bytes_after: after.bytes,
            tries: made + 1,
        })),
        (_, Said::Locked) if begun.elapsed() < CHEAP => Ok(Err("its lock was not to be had".to_owned())),
        (_, said) => Ok(Ok(Repacked::Left(format!(
            "table {name} is left: {}",
            reason(said, &ended, &swept)
        )))),
    }
}

/// The table as it is now, or why it is left.
async fn look(session: &mut Session, name: &TableName) -> Result<Result<RepackTable, String>, Halt> {
    let Some(facts) = table(session.connection(), name).await.map_err(halt)? else {
        return Ok(Err(format!("there is no table {name}")));
    };
    Ok(match repack_refusal(name, &facts) {
        None => Ok(facts),
        Some(reason) => Err(reason),
    })
}

fn reason(said: Said, ended: &Ended, swept: &Swept) -> String {
    let said = match said {
        Said::Locked => "its lock was not to be had at the end, when all was copied".to_owned(),
        Said::Reason(reason) => reason,
        Said::Nothing => {
            let status = ended
                .status
                .map_or_else(String::new, |status| format!(" with {status}"));
            format!("pg_repack ended{status} and said nothing")
        }
    };
    if swept.remains.is_empty() {
        said
    } else {
        format!("{said}; {}", swept.remains.join("; "))
    }
}

/// The name of its sessions, within what a name may have.
fn name_of(door: &Door<'_>) -> String {
    let mut name: String = door.name.chars().take(55).collect();
    name.push_str("/repack");
    name
}

/// Runs it until it ends or has to, and returns when process and sessions are gone.
async fn run(door: &Door<'_>, session: &mut Session, guard: &Guard<'_>, program: &Path, arguments: &[String]) -> Run {
    let name = name_of(door);
    let mut repack = match Repack::begin(program, door.target, &name, arguments) {
        Ok(repack) => repack,
        Err(error) => return Run::NotBegun(format!("pg_repack does not start: {error}")),
    };
    let halted = {
        let ended = repack.end();
        tokio::pin!(ended);
        tokio::select! {
            ended = &mut ended => return Run::Ended(ended),
            halted = watch(session, guard, &name, door.limits.statement) => halted,
        }
    };
    repack.interrupt();
    if timeout(STOPS_WITHIN, repack.end()).await.is_err() {
        repack.kill().await;
    }
    halted.map_or(Run::TooLong, Run::Halted)
}

/// Waits for a reason to end it; none where it took too long.
async fn watch(session: &mut Session, guard: &Guard<'_>, name: &str, limit: Duration) -> Option<Halt> {
    let own = session.connection().process_id();
    let watched = async {
        let pids = tokio::select! {
            pids = seen(session, name) => pids,
            halt = guard.trips(own) => return halt,
        };
        let mut pids = pids.into_iter();
        let (first, second) = (pids.next().unwrap_or(own), pids.next());
        let other = async {
            match second {
                Some(pid) => guard.trips(pid).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            halt = guard.trips(first) => halt,
            halt = other => halt,
        }
    };
    timeout(limit, watched).await.ok()
}

/// Its two backends, or as many as there are after a while.
async fn seen(session: &mut Session, name: &str) -> Vec<i32> {
    let until = Instant::now() + SEEN_WITHIN;
    loop {
        let pids = backends(session.connection(), name).await.unwrap_or_default();
        if pids.len() >= 2 || Instant::now() >= until {
            return pids;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Ends sessions that it left, and removes what it made.
async fn tidy_after(door: &Door<'_>, session: &mut Session, facts: &RepackTable) -> Swept {
    let scope = Scope {
        place: None,
        table: Some(facts.oid),
        known: &[],
    };
    let leash = Leash::to_tidy_up();
    let swept = async {
        end_sessions(door, session).await?;
        tidy(door, session, leash, scope).await
    };
    swept.await.unwrap_or_else(|why| Swept {
        remains: vec![format!("whatever pg_repack made for oid {}: {why}", facts.oid)],
        ..Swept::default()
    })
}

async fn end_sessions(door: &Door<'_>, session: &mut Session) -> Result<(), Halt> {
    door.mend(session).await?;
    let name = name_of(door);
    let until = Instant::now() + GONE_WITHIN;
    loop {
        let pids = backends(session.connection(), &name).await.map_err(halt)?;
        if pids.is_empty() || Instant::now() >= until {
            return Ok(());
        }
        for pid in pids {
            let end = format!("select pg_catalog.pg_terminate_backend({pid})");
            session.connection().simple_query(&end).await?;
        }
        sleep(LOOK_EVERY).await;
    }
}
