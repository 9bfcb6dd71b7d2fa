//! Facts in: what PostgreSQL itself knows of its tables. Reads the user's database, changes nothing.

use weir_upstream::{Connection, Row};

use crate::error::Error;
use crate::plan::{TableFacts, TableName};

/// Tables of users, with what changed since they were last analysed. Partitions count, their parents do not: ANALYZE
/// of a parent reads them all again.
///
/// Asking for a size waits for a lock. A table that somebody holds, or waits for, alone is described by what its last
/// VACUUM or ANALYZE wrote down, so that one locked table does not keep all others from being looked after.
const TABLES: &str = "
    with held as materialized (
        select relation from pg_locks where mode = 'AccessExclusiveLock' and locktype = 'relation'
            and database = (select oid from pg_database where datname = current_database()))
    select s.schemaname, s.relname, s.n_live_tup, s.n_dead_tup, s.n_mod_since_analyze,
        case when s.relid in (select relation from held)
            then c.relpages::bigint * current_setting('block_size')::bigint
            else coalesce(pg_relation_size(s.relid), 0) end as size_bytes,
        (extract(epoch from greatest(s.last_analyze, s.last_autoanalyze)) * 1000)::bigint as last_analyze_unix_ms
    from pg_stat_user_tables s join pg_class c on c.oid = s.relid
    where c.relkind in ('r', 'm') and c.relpersistence <> 't'
        and s.schemaname not like 'weir\\_%' and s.schemaname not like 'pg\\_toast%'
    order by 1, 2";

/// What is known of every table.
pub(crate) async fn tables(connection: &mut Connection) -> Result<Vec<TableFacts>, Error> {
    let rows = connection.simple_query(TABLES).await?;
    rows.iter().map(facts).collect()
}

/// What is known of one table now.
pub(crate) async fn table(connection: &mut Connection, wanted: &TableName) -> Result<Option<TableFacts>, Error> {
    Ok(tables(connection)
        .await?
        .into_iter()
        .find(|facts| facts.table == *wanted))
}

fn facts(row: &Row) -> Result<TableFacts, Error> {
    let table = TableName {
        schema: row.text("schemaname")?.to_owned(),
        name: row.text("relname")?.to_owned(),
    };
    let last_analyze_unix_ms = row.get("last_analyze_unix_ms").and_then(|text| text.parse().ok());
    Ok(TableFacts {
        table,
        live_tuples: row.parse("n_live_tup")?,
        dead_tuples: row.parse("n_dead_tup")?,
        changed_tuples: row.parse("n_mod_since_analyze")?,
        size_bytes: row.parse("size_bytes")?,
        last_analyze_unix_ms,
    })
}
