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
