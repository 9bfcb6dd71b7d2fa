//! What advice rests on, as the server and the machine have it. Reads the user's database, changes nothing.
//!
//! Nothing here waits for a lock on a table: sizes are those of the last VACUUM or ANALYZE, and a table that somebody
//! holds alone is left out.

mod indexes;
mod machine;
mod sequences;
mod server;
mod tables;

use std::collections::BTreeMap;

use weir_upstream::{Connection, Row};

use crate::act::AdviceError;
use crate::advise::{Facts, Machine};
use crate::error::Error;

pub(crate) use server::{auto_conf_entry, file_errors, loaded_at, rights, setting};
pub(crate) use tables::{option, table_exists};

/// Tables that somebody holds, or waits for, alone: asking for their definitions would wait, too.
const HELD: &str = "held as materialized (
    select relation from pg_catalog.pg_locks where mode = 'AccessExclusiveLock' and locktype = 'relation'
        and database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))";

/// Tables of users: not the system's, not Weir's, not those of extensions, not temporary ones. Of `pg_class c` and
/// `pg_namespace n`.
const OF_USERS: &str = "n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
    and n.nspname not like 'weir\\_%' and c.relpersistence <> 't'
    and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.objid = c.oid and d.deptype = 'e')";

/// What is known by itself; changes and samples of Weir's own are added by whoever keeps them.
pub(crate) async fn facts(connection: &mut Connection, said: Machine, now_unix_ms: i64) -> Result<Facts, Error> {
    let version = server::version(connection).await?;
    let settings = server::settings(connection).await?;
    let machine = machine::of(connection, said).await?;
    let (workload, since) = server::workload(connection, version, now_unix_ms).await?;
    Ok(Facts {
        now_unix_ms,
        version,
        database: server::database(connection).await?,
        machine,
        workload,
        data_bytes: server::data_bytes(connection).await?,
        replicas: server::replicas(connection).await?,
        jit: server::jit(connection).await?,
        tables: tables::tables(connection, version, since, now_unix_ms).await?,
        indexes: indexes::indexes(connection).await?,
        foreign_keys: indexes::foreign_keys(connection).await?,
        sequences: sequences::sequences(connection).await?,
        settings,
        ..Facts::default()
    })
}

pub(crate) use sequences::{connections_in_use, sequences};

/// The number in a column; zero for NULL.
fn number(row: &Row, column: &str) -> f64 {
    row.get(column).and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn flag(row: &Row, column: &str) -> bool {
    row.get(column) == Some("t")
}

fn named(row: &Row, columns: &[&str]) -> BTreeMap<String, f64> {
    let value = |column: &&str| row.get(column).map(|_| ((*column).to_owned(), number(row, column)));
    columns.iter().filter_map(value).collect()
}

fn one(rows: Vec<Row>) -> Result<Row, Error> {
    rows.into_iter()
        .next()
        .ok_or_else(|| AdviceError::Odd("a question that has one answer had none".to_owned()).into())
}
