//! How much of tables and indexes is waste: screened by statistics for all, sampled by pages for those that matter.
//! Reads the user's database, changes nothing.
//!
//! The best way that is open is taken: pages through `pageinspect` (superusers only), else what `pgstattuple` counts
//! over the whole relation (members of `pg_stat_scan_tables`), else statistics. A relation that somebody holds alone is
//! not waited for. What is no B-tree is not guessed at: nothing of it is called waste, and anything may be.

mod attributes;
mod census;
mod heap;
mod horizon;
mod known;
#[cfg(test)]
mod lab;
mod leaves;
mod tools;

use weir_upstream::Connection;

use crate::error::Error;
use crate::plan::Bloat;
use crate::plan::estimate::{screen_index, screen_table};
use known::{KnownIndex, KnownTable};
use tools::Tools;

/// A relation that shrinks while it is looked at is looked at again, so often.
const TRIES: u32 = 3;
/// `pageinspect` was asked for a page that is not there any more.
const OUT_OF_RANGE: &str = "22023";
/// Somebody cancelled the statement, or its time was over.
const CANCELLED: &str = "57014";

/// The waste of every table of users by statistics, with intervals that are wide.
pub(crate) async fn screen_tables(connection: &mut Connection) -> Result<Vec<(u32, Bloat)>, Error> {
    let tables = known::tables(connection).await?;
    Ok(tables
        .iter()
        .map(|table| (table.oid, screen_table(&table.statistics)))
        .collect())
}

/// The waste of every index of users by statistics, with intervals that are wide.
pub(crate) async fn screen_indexes(connection: &mut Connection) -> Result<Vec<(u32, Bloat)>, Error> {
    let indexes = known::indexes(connection).await?;
    Ok(indexes
        .iter()
        .map(|index| (index.oid, screen_index(&index.facts)))
        .collect())
}

/// The waste of one table with its TOAST, as well as it can be known. Of a relation that is gone, or has no pages of its
/// own, there is none.
pub(crate) async fn table(connection: &mut Connection, oid: u32) -> Result<Bloat, Error> {
    let tools = tools::find(connection).await?;
    let mut screened = known::nothing();
    for _ in 0..TRIES {
        let Some(table) = known::table(connection, oid).await? else {
            return Ok(screened);
        };
        screened = screen_table(&table.statistics);
        if table.is_held || screened.size == 0 {
            return Ok(screened);
        }
        match measured_table(connection, &tools, &table).await {
            Ok(Some(bloat)) => return Ok(bloat),
            Err(error) if has_shrunk(&error) => {}
            other => return other.map(|found| found.unwrap_or(screened)),
        }
    }
    Ok(screened)
}

/// The waste of one index, as well as it can be known. Before its table was vacuumed, what is surely waste leaves out
/// the entries of dead rows: an index does not show them.
pub(crate) async fn index(connection: &mut Connection, oid: u32) -> Result<Bloat, Error> {
    let tools = tools::find(connection).await?;
    let mut screened = known::nothing();
    for _ in 0..TRIES {
        let Some(index) = known::index(connection, oid).await? else {
            return Ok(screened);
        };
        screened = screen_index(&index.facts);
        if index.is_held || screened.size == 0 || !index.facts.is_btree {
            return Ok(screened);
        }
        match measured_index(connection, &tools, &index).await {
            Ok(Some(bloat)) => return Ok(bloat),
            Err(error) if has_shrunk(&error) => {}
            other => return other.map(|found| found.unwrap_or(screened)),
        }
    }
    Ok(screened)
}

/// The extension without which estimates of this session are worse than they could be, for people to create or grant.
pub(crate) async fn missing(connection: &mut Connection) -> Result<Option<&'static str>, Error> {
    let tools = tools::find(connection).await?;
    Ok(tools.missing())
}

async fn measured_table(
    connection: &mut Connection,
    tools: &Tools,
    table: &KnownTable,
) -> Result<Option<Bloat>, Error> {
    if let Some(pageinspect) = &tools.pageinspect
        && let Some(bloat) = tolerated(heap::sample(connection, pageinspect, table).await)?
    {
        return Ok(Some(bloat));
    }
    let Some(pgstattuple) = &tools.pgstattuple else {
        return Ok(None);
    };
    tolerated(census::table(connection, pgstattuple, table).await)
}

async fn measured_index(
    connection: &mut Connection,
    tools: &Tools,
    index: &KnownIndex,
) -> Result<Option<Bloat>, Error> {
    if let Some(pageinspect) = &tools.pageinspect
        && let Some(bloat) = tolerated(leaves::sample(connection, pageinspect, index).await)?
    {
        return Ok(Some(bloat));
    }
    let Some(pgstattuple) = &tools.pgstattuple else {
        return Ok(None);
    };
    tolerated(census::index(connection, pgstattuple, index).await)
}

/// What the server refuses, for want of a right, a lock or a function, is tried in another way. What is not its answer
/// to the question, or means that the question is to end, is told.
fn tolerated(found: Result<Bloat, Error>) -> Result<Option<Bloat>, Error> {
    match found {
        Ok(bloat) => Ok(Some(bloat)),
        Err(error) if sqlstate(&error).is_none_or(|code| code == CANCELLED || code == OUT_OF_RANGE) => Err(error),
        Err(error) if is_final(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

fn sqlstate(error: &Error) -> Option<&str> {
    match error {
        Error::Upstream(error) => error.server().map(|error| error.sqlstate.as_str()),
        _ => None,
    }
}

/// The session is over with that.
fn is_final(error: &Error) -> bool {
    let Error::Upstream(error) = error else {
        return true;
    };
    error
        .server()
        .is_none_or(|error| error.severity == "FATAL" || error.severity == "PANIC")
}

fn has_shrunk(error: &Error) -> bool {
    sqlstate(error) == Some(OUT_OF_RANGE)
}
