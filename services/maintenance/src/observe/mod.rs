//! Facts in: what PostgreSQL itself knows of its tables. Reads the user's database, changes nothing.

pub(crate) mod advice;
pub(crate) mod ages;
pub(crate) mod bloat;
pub(crate) mod gates;
pub(crate) mod harm;
pub(crate) mod horizon;
pub(crate) mod index;
mod indexes;
pub(crate) mod leftovers;
mod looked;
pub(crate) mod repack;
mod survey;
mod tables;

use weir_upstream::Row;

use crate::error::Error;
use crate::plan::TableName;

pub(crate) use indexes::indexes;
pub(crate) use looked::Looked;
pub(crate) use survey::survey;
pub(crate) use tables::{table, tables};

/// Relations that somebody holds, or waits for, alone. Asking for the size of one waits for its lock: they are described
/// by what their last VACUUM or ANALYZE wrote down, so that one locked table does not keep all others from being
/// looked after.
const HELD: &str = "held as materialized (
        select relation from pg_catalog.pg_locks where mode = 'AccessExclusiveLock' and locktype = 'relation'
            and database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))";

/// For how many days the statistics of this database have been kept.
const DAYS: &str = "days as materialized (
        select greatest(extract(epoch from pg_catalog.now()
            - coalesce(stats_reset, pg_catalog.pg_postmaster_start_time())) / 86400, 0.04)::float8 as n
        from pg_catalog.pg_stat_database where datname = pg_catalog.current_database())";

fn name(row: &Row) -> Result<TableName, Error> {
    Ok(TableName {
        schema: row.text("schemaname")?.to_owned(),
        name: row.text("relname")?.to_owned(),
    })
}

/// A number that may be missing.
fn number(row: &Row, column: &str) -> Option<i64> {
    row.get(column).and_then(|text| text.parse().ok())
}

/// A text as it stands in a statement.
pub(crate) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    // Read alike whatever standard_conforming_strings is set to.
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}
