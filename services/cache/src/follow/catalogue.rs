//! Reads from the catalogue what tables there are, what identifies their rows, and who inherits from whom.

use weir_upstream::{Connection, Error, Row};

use super::managing::literal;
use super::tables::{Facts, Kind, Listed, ToldColumn};

/// Schemas of Weir's own tables, whose rows are nobody's results.
const OWN_SCHEMAS: &str =
    "'weir_cache', 'weir_monitor', 'weir_scheduler', 'weir_maintenance', 'weir_backup', 'weir_follow'";

/// An index that may identify rows: PostgreSQL's own rule.
const IDENTIFIES: &str = "i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and \
    (c.relreplident = 'd' and i.indisprimary or c.relreplident = 'i' and i.indisreplident)";

/// Reads all of it in one transaction, so that it fits together.
pub(crate) async fn read(connection: &mut Connection, version: u32, publication: &str) -> Result<Facts, Error> {
    connection
        .simple_query("begin transaction isolation level repeatable read read only")
        .await?;
    let facts = read_all(connection, version, publication).await;
    // What failed is told by its own error.
    let ended = connection.simple_query("rollback").await;
    let facts = facts?;
    ended.map(|_| facts)
}

async fn read_all(connection: &mut Connection, version: u32, publication: &str) -> Result<Facts, Error> {
    let tables = connection.simple_query(&tables_sql(version, publication)).await?;
    let columns = connection.simple_query(&columns_sql()).await?;
    let inherits = connection.simple_query(INHERITS).await?;
    Ok(Facts {
        tables: tables.iter().map(table).collect::<Result<_, _>>()?,
        columns: columns.iter().map(column).collect::<Result<_, _>>()?,
        inherits: inherits.iter().map(inherited).collect::<Result<_, _>>()?,
    })
}

fn tables_sql(version: u32, publication: &str) -> String {
    let name = literal(publication);
    // Row filters and lists of columns came with 15.
    let is_partial = if version < 150_000 {
        "false".to_owned()
    } else {
        format!(
            "exists (select from pg_catalog.pg_publication_rel r \
             join pg_catalog.pg_publication p on p.oid = r.prpubid \
             where p.pubname = {name} and (r.prqual is not null or r.prattrs is not null) \
             and (r.prrelid = c.oid or c.relispartition \
             and r.prrelid in (select relid from pg_catalog.pg_partition_ancestors(c.oid) a(relid))))"
        )
    };
    format!(
        "select c.oid, n.nspname as schema, c.relname as name, c.relkind as kind, c.relpersistence = 'p' as logged, \
         c.relreplident = 'f' or exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and {IDENTIFIES}) as identity, \
         t.relid is not null as published, {is_partial} as partial \
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         left join (select distinct relid from pg_catalog.pg_publication p, \
         lateral pg_catalog.pg_get_publication_tables(p.pubname) g where p.pubname = {name}) t on t.relid = c.oid \
         where c.relkind in ('r', 'p', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' \
         and n.nspname not in ({OWN_SCHEMAS})"
    )
}

fn columns_sql() -> String {
    format!(
        "select distinct c.oid, a.attname as name, a.atttypid as type \
         from pg_catalog.pg_class c join pg_catalog.pg_index i on i.indrelid = c.oid \
         cross join lateral unnest(i.indkey) with ordinality k(attnum, place) \
         join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum \
         left join pg_catalog.pg_collation l on l.oid = a.attcollation \
         where c.relkind = 'r' and k.attnum > 0 and k.place <= i.indnkeyatts and a.attgenerated = '' \
         and coalesce(l.collisdeterministic, true) and a.atttypid in (16, 17, 20, 21, 23, 25, 1043, 2950) \
         and (c.relreplident = 'f' and i.indisvalid or {IDENTIFIES})"
    )
}

const INHERITS: &str = "select i.inhrelid as child, i.inhparent as parent from pg_catalog.pg_inherits i \
    join pg_catalog.pg_class c on c.oid = i.inhrelid where c.relkind in ('r', 'p', 'f')";

fn table(row: &Row) -> Result<Listed, Error> {
    Ok(Listed {
        oid: row.parse("oid")?,
        schema: row.text("schema")?.to_owned(),
        table: row.text("name")?.to_owned(),
        kind: match row.text("kind")? {
            "p" => Kind::Partitioned,
            "f" => Kind::Foreign,
            _ => Kind::Plain,
        },
        is_logged: row.flag("logged")?,
        identity: row.flag("identity")?,
        is_published: row.flag("published")?,
        is_partial: row.flag("partial")?,
    })
}

fn column(row: &Row) -> Result<ToldColumn, Error> {
    Ok(ToldColumn {
        relation: row.parse("oid")?,
        name: row.text("name")?.to_owned(),
        type_oid: row.parse("type")?,
    })
}

fn inherited(row: &Row) -> Result<(u32, u32), Error> {
    Ok((row.parse("child")?, row.parse("parent")?))
}
