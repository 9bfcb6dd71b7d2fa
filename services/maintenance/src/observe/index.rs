//! Facts of one index, and of a build that runs.

use weir_upstream::Connection;

use crate::error::Error;
use crate::observe::literal;
use crate::plan::rewrites::{IndexName, RebuildFacts};

const INDEX: &str = "
    select c.oid, i.indrelid, c.relkind, m.amname, i.indisvalid, i.indisexclusion, c.relpersistence = 't' as is_temporary,
        case when c.relkind = 'i' then pg_catalog.pg_relation_size(c.oid) else 0 end as bytes
    from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        join pg_catalog.pg_index i on i.indexrelid = c.oid
        join pg_catalog.pg_am m on m.oid = c.relam
    where n.nspname = $SCHEMA and c.relname = $NAME";

/// How far a build has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Building {
    /// The index that comes into being; 0 before it has a number.
    pub oid: u32,
    /// What is done, in the server's words.
    pub phase: String,
    /// How much of this phase is done, and of how much.
    pub done: u64,
    /// Blocks, rows or transactions.
    pub total: u64,
}

/// What is known of an index; none where there is none of that name. Asking for its size waits for its lock.
pub(crate) async fn index(connection: &mut Connection, name: &IndexName) -> Result<Option<RebuildFacts>, Error> {
    let sql = INDEX
        .replace("$SCHEMA", &literal(&name.schema))
        .replace("$NAME", &literal(&name.name));
    let rows = connection.simple_query(&sql).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(RebuildFacts {
        oid: row.parse("oid")?,
        table_oid: row.parse("indrelid")?,
        kind: row.parse("relkind")?,
        method: row.text("amname")?.to_owned(),
        is_valid: row.flag("indisvalid")?,
        excludes: row.flag("indisexclusion")?,
        is_temporary: row.flag("is_temporary")?,
        bytes: row.parse("bytes")?,
    }))
}

/// The numbers of all indexes of a table.
pub(crate) async fn oids(connection: &mut Connection, table_oid: u32) -> Result<Vec<u32>, Error> {
    let sql = format!("select indexrelid from pg_catalog.pg_index where indrelid = {table_oid}");
    let rows = connection.simple_query(&sql).await?;
    rows.iter().map(|row| Ok(row.parse("indexrelid")?)).collect()
}

/// What the backend `pid` builds right now, asked for on another connection.
pub(crate) async fn building(connection: &mut Connection, pid: i32) -> Result<Option<Building>, Error> {
    let sql = format!(
        "select index_relid, phase, greatest(blocks_done, tuples_done, lockers_done) as done, \
             greatest(blocks_total, tuples_total, lockers_total) as total \
         from pg_catalog.pg_stat_progress_create_index where pid = {pid}"
    );
    let rows = connection.simple_query(&sql).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(Building {
        oid: row.parse("index_relid")?,
        phase: row.text("phase")?.to_owned(),
        done: row.parse("done")?,
        total: row.parse("total")?,
    }))
}
