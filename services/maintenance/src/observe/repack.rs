//! What pg_repack needs to know of a database and a table, and its own sessions there.

use weir_upstream::Connection;

use crate::error::Error;
use crate::observe::literal;
use crate::plan::TableName;
use crate::plan::repack::RepackTable;

const TABLE: &str = "
    select c.oid, c.relkind, c.relpersistence = 't' as is_temporary, c.relfilenode::text as file,
        exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisunique and i.indisvalid
            and i.indimmediate and i.indpred is null and i.indexprs is null and not exists (
                select from pg_catalog.pg_attribute a
                where a.attrelid = c.oid and a.attnum = any (i.indkey::int2[]) and not a.attnotnull)) as has_key,
        (select pg_catalog.string_agg(x.relname, chr(10) order by x.relname) from pg_catalog.pg_index i
            join pg_catalog.pg_class x on x.oid = i.indexrelid where i.indrelid = c.oid and not i.indisvalid) as invalid,
        pg_catalog.pg_total_relation_size(c.oid) as bytes
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = $SCHEMA and c.relname = $NAME and c.relkind in ('r', 'p', 'm', 'f')";

const IS_THERE: &str = "select from pg_catalog.pg_extension where extname = 'pg_repack'";

/// What is known of a table; none where there is none of that name. Asking for its size waits for its lock.
pub(crate) async fn table(connection: &mut Connection, name: &TableName) -> Result<Option<RepackTable>, Error> {
    let sql = TABLE
        .replace("$SCHEMA", &literal(&name.schema))
        .replace("$NAME", &literal(&name.name));
    let rows = connection.simple_query(&sql).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(RepackTable {
        oid: row.parse("oid")?,
        kind: row.parse("relkind")?,
        is_temporary: row.flag("is_temporary")?,
        has_key: row.flag("has_key")?,
        invalid: row
            .get("invalid")
            .map_or_else(Vec::new, |names| names.lines().map(str::to_owned).collect()),
        file: row.text("file")?.to_owned(),
        bytes: row.parse("bytes")?,
    }))
}

/// The version of the extension, as it says itself; none where it is not in the database.
pub(crate) async fn extension(connection: &mut Connection) -> Result<Option<String>, Error> {
    if connection.simple_query(IS_THERE).await?.is_empty() {
        return Ok(None);
    }
    let rows = connection.simple_query("select repack.version() as version").await?;
    Ok(rows.first().and_then(|row| row.get("version")).map(str::to_owned))
}

/// The backends that go by a name, the first one first.
pub(crate) async fn backends(connection: &mut Connection, name: &str) -> Result<Vec<i32>, Error> {
    let sql = format!(
        "select pid from pg_catalog.pg_stat_activity where application_name = {} order by backend_start, pid",
        literal(name)
    );
    let rows = connection.simple_query(&sql).await?;
    rows.iter().map(|row| Ok(row.parse("pid")?)).collect()
}
