//! VACUUM of one table: how it is asked for, how long its lock is waited for, and what came of it.
//!
//! A statement that succeeds has not always done anything: a table that is locked, or belongs to somebody else, is
//! skipped with no more than a remark. What was not done is never told as done: what counts is the server's own count.

mod figures;
mod report;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::{Instant, sleep};
use weir_upstream::ServerError;

use super::{Guard, Halt, Session};
use crate::observe::ages::version;
use crate::plan::TableName;
use crate::plan::ages::Ids;

pub(crate) use figures::{Figures, figures};
pub(crate) use report::Report;

/// The first version that knows `BUFFER_USAGE_LIMIT` and `SKIP_DATABASE_STATS`.
const HAS_LIMITS: u32 = 16;
const LOCK_NOT_AVAILABLE: &str = "55P03";
const UNDEFINED: [&str; 2] = ["42P01", "3F000"];
/// Waits between tries grow from the first to the last.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_CAP: Duration = Duration::from_secs(60);
/// A freeze that leaves more than this share of the age has not frozen.
const FROZEN: f64 = 0.9;
/// Up to this age nobody minds.
const YOUNG: u64 = 1_000;

/// How a table is to be vacuumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VacuumOrder {
    /// Freezes every row that it can, not the dead ones alone.
    pub freeze: bool,
    /// Leaves out what does not help against wraparound, and rests never.
    pub emergency: bool,
    /// Pages' worth of work between two rests of 2 ms.
    pub cost_limit: u32,
    /// Memory for the dead rows' addresses.
    pub memory_bytes: u64,
    /// Lets one more process help with the indexes.
    pub parallel: bool,
    /// Tries to get the lock.
    pub tries: u32,
}

impl Default for VacuumOrder {
    fn default() -> Self {
        Self {
            freeze: false,
            emergency: false,
            cost_limit: 400,
            memory_bytes: 256 << 20,
            parallel: false,
            tries: 10,
        }
    }
}

/// Whether it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server counted one vacuum more, and what was ordered came of it.
    Done,
    /// It was not, for this reason.
    Left(String),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Vacuumed {
    pub outcome: Outcome,
    pub before: Figures,
    pub after: Figures,
    /// What the server says that it did, where it says so in English.
    pub report: Option<Report>,
    /// What is worth to be known of one that is done, such as dead rows that could not be removed.
    pub note: Option<String>,
    pub tries: u32,
    pub took: Duration,
}

impl Vacuumed {
    fn left(before: Figures, reason: String) -> Self {
        Self {
            outcome: Outcome::Left(reason),
            after: before.clone(),
            before,
            report: None,
            note: None,
            tries: 0,
            took: Duration::ZERO,
        }
    }
}

/// Vacuums a table. An error is what ended it early; a table that cannot be vacuumed is told as left.
pub(crate) async fn vacuum(
    session: &mut Session,
    guard: &Guard<'_>,
    table: &TableName,
    order: &VacuumOrder,
) -> Result<Vacuumed, Halt> {
    let begun = Instant::now();
    let Some(before) = figures(session.connection(), table).await? else {
        return Ok(Vacuumed::left(Figures::default(), "it is gone".to_owned()));
    };
    session.connection().simple_query(&set(order)).await?;
    let ended = run(session, guard, table, order).await;
    // What follows on this session is not to be held back by it. One that is broken has no settings left.
    let restored = session.connection().simple_query(RESET).await;
    let (tries, tried) = ended?;
    restored?;
    let after = figures(session.connection(), table).await?;
    let after = after.unwrap_or_else(|| before.clone());
    Ok(Vacuumed {
        tries,
        took: begun.elapsed(),
        ..tried.judged(before, after, order)
    })
}

/// What one try brought.
struct Tried {
    remarks: Vec<ServerError>,
    /// Why there was nothing to try.
    refused: Option<String>,
}

async fn run(
    session: &mut Session,
    guard: &Guard<'_>,
    table: &TableName,
    order: &VacuumOrder,
) -> Result<(u32, Tried), Halt> {
    let sql = statement(version(session.connection()), table, order);
    let mut pause = PAUSE_FIRST;
    for tries in 1.. {
        let tried = attempt(session, guard, &sql).await?;
        if !tried.is_locked_out() || tries >= order.tries {
            return Ok((tries, tried));
        }
        rest(session, guard, pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await?;
        pause = (pause * 2).min(PAUSE_CAP);
    }
    Err(Halt::Cancelled)
}

async fn attempt(session: &mut Session, guard: &Guard<'_>, sql: &str) -> Result<Tried, Halt> {
    let ended = session.run(sql, guard).await;
    let mut remarks = session.remarks();
    let refused = match ended {
        Ok(_) => None,
        Err(Halt::Failed(weir_upstream::Error::Server(error))) if error.sqlstate == LOCK_NOT_AVAILABLE => {
            remarks.push(*error);
            None
        }
        Err(Halt::Failed(weir_upstream::Error::Server(error))) if UNDEFINED.contains(&error.sqlstate.as_str()) => {
            Some("it is gone".to_owned())
        }
        Err(halt) => return Err(halt),
    };
    Ok(Tried { remarks, refused })
}

/// Waits, unless the guard trips before.
async fn rest(session: &mut Session, guard: &Guard<'_>, pause: Duration) -> Result<(), Halt> {
    tokio::select! {
        () = sleep(pause) => Ok(()),
        halt = guard.trips(session.connection().process_id()) => Err(halt),
    }
}

impl Tried {
    fn warning(&self) -> Option<&ServerError> {
        self.remarks.iter().find(|remark| is_warning(remark))
    }

    fn is_locked_out(&self) -> bool {
        self.remarks
            .iter()
            .any(|remark| is_warning(remark) && remark.sqlstate == LOCK_NOT_AVAILABLE)
    }

    fn judged(self, before: Figures, after: Figures, order: &VacuumOrder) -> Vacuumed {
        let report = Report::read(self.remarks.iter().map(|remark| remark.message.as_str()));
        let (outcome, note) = match self.why_not(&before, &after) {
            Some(reason) => (Outcome::Left(reason), None),
            None => effect(&before, &after, order, report.as_ref()),
        };
        Vacuumed {
            outcome,
            before,
            after,
            report,
            note,
            tries: 0,
            took: Duration::ZERO,
        }
    }

    /// Why nothing was done. A count that rose tells otherwise, unless somebody else's work can have raised it.
    fn why_not(&self, before: &Figures, after: &Figures) -> Option<String> {
        if let Some(refused) = &self.refused {
            return Some(refused.clone());
        }
        let said = || self.warning().map(ToString::to_string);
        if self.is_locked_out() {
            return Some(format!("its lock could not be had: {}", said().unwrap_or_default()));
        }
        if !before.is_counted {
            return said();
        }
        (after.vacuums <= before.vacuums).then(|| said().unwrap_or_else(|| "the server did not vacuum it".to_owned()))
    }
}

/// A try that ended with an error of its own is no less than a warning.
fn is_warning(remark: &ServerError) -> bool {
    ["WARNING", "ERROR"].contains(&remark.severity.as_str())
}

/// Whether a vacuum that ran brought what was ordered: rows that are no longer old.
fn effect(
    before: &Figures,
    after: &Figures,
    order: &VacuumOrder,
    report: Option<&Report>,
) -> (Outcome, Option<String>) {
    let held = report.and_then(Report::held);
    let old: Vec<_> = oldest(before)
        .into_iter()
        .zip(oldest(after))
        .filter(|((_, before), _)| *before > YOUNG)
        .collect();
    let stays: Vec<String> = old
        .iter()
        .filter(|((_, before), (_, after))| *after as f64 > *before as f64 * FROZEN)
        .map(|(_, (words, after))| format!("{after} {words}"))
        .collect();
    if !order.freeze || stays.is_empty() {
        return (Outcome::Done, held);
    }
    let behind = held.map(|held| format!("; {held}")).unwrap_or_default();
    let reason = format!("its oldest row is still {} old{behind}", stays.join(" and "));
    if stays.len() < old.len() {
        return (Outcome::Done, Some(reason));
    }
    (Outcome::Left(format!("it was vacuumed in vain: {reason}")), None)
}

/// The greatest age of a table and what is stored out of line, for both kinds of ids.
fn oldest(figures: &Figures) -> [(&'static str, u64); 2] {
    [
        (Ids::Transactions.in_words(), figures.xid_age.max(figures.toast_xid_age)),
        (Ids::Multixacts.in_words(), figures.mxid_age.max(figures.toast_mxid_age)),
    ]
}

/// Names are quoted, and every option that is not said is the server's default.
fn statement(version: u32, table: &TableName, order: &VacuumOrder) -> String {
    let mut options = vec!["verbose", "truncate false", "process_toast true"];
    options.push(if order.emergency {
        "index_cleanup off"
    } else {
        "index_cleanup auto"
    });
    options.push(if order.parallel { "parallel 1" } else { "parallel 0" });
    if order.freeze {
        options.push("freeze");
    }
    // Whoever waits for the lock ends an ordinary autovacuum of the table: right in an emergency only.
    if !order.emergency {
        options.push("skip_locked true");
    }
    if version >= HAS_LIMITS {
        options.push("buffer_usage_limit '128MB'");
        // The database's own age moves with the statistics.
        if !order.freeze {
            options.push("skip_database_stats");
        }
    }
    format!("vacuum ({}) {}", options.join(", "), table.quoted())
}

fn set(order: &VacuumOrder) -> String {
    let delay = if order.emergency { "0" } else { "2ms" };
    format!(
        "set vacuum_cost_delay = '{delay}'; set vacuum_cost_limit = {}; set maintenance_work_mem = '{}kB'",
        order.cost_limit.clamp(1, 10_000),
        (order.memory_bytes >> 10).clamp(1_024, 1 << 20),
    )
}

const RESET: &str = "reset vacuum_cost_delay; reset vacuum_cost_limit; reset maintenance_work_mem";
