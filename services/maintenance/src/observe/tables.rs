//! What the catalogue and the statistics say of tables.

use weir_upstream::{Connection, Row};

use super::{DAYS, HELD, name, number};
use crate::error::Error;
use crate::plan::{TableFacts, TableName};

/// Statistics of fewer days say nothing of how many rows die in a day: one deletion in the morning would be all of it.
const RATE_DAYS: u32 = 7;

/// Tables of users. Partitions count, their parents do not: ANALYZE of a parent reads them all again.
fn question() -> String {
    format!(
        "with {HELD}, {DAYS}, block as (select pg_catalog.current_setting('block_size')::bigint as bytes)
    select s.relid::bigint, s.schemaname, s.relname, s.n_live_tup, s.n_dead_tup, s.n_mod_since_analyze,
        s.n_ins_since_vacuum,
        case when s.relid in (select relation from held) then c.relpages::bigint * block.bytes
            else coalesce(pg_catalog.pg_relation_size(s.relid), 0) end as size_bytes,
        coalesce((select sum(i.relpages::bigint) from pg_catalog.pg_index x join pg_catalog.pg_class i
            on i.oid = x.indexrelid where x.indrelid = s.relid), 0)::bigint * block.bytes as index_bytes,
        greatest(c.relpages - c.relallvisible, 0)::bigint * block.bytes as unseen_bytes,
        (coalesce(io.heap_blks_read + io.heap_blks_hit, 0) * block.bytes / days.n)::float8 as touched_bytes_per_day,
        case when days.n < {RATE_DAYS} then 0
            else (s.n_tup_upd - s.n_tup_hot_upd + s.n_tup_del) / days.n end::float8 as dying_rows_per_day,
        (extract(epoch from greatest(s.last_vacuum, s.last_autovacuum)) * 1000)::bigint as last_vacuum_unix_ms,
        (extract(epoch from greatest(s.last_analyze, s.last_autoanalyze)) * 1000)::bigint as last_analyze_unix_ms
    from pg_catalog.pg_stat_user_tables s join pg_catalog.pg_class c on c.oid = s.relid
        left join pg_catalog.pg_statio_user_tables io on io.relid = s.relid cross join days cross join block
    where c.relkind in ('r', 'm') and c.relpersistence <> 't'
        and s.schemaname not like 'weir\\_%' and s.schemaname not like 'pg\\_toast%'
    order by 2, 3"
    )
}

/// What is known of every table.
pub(crate) async fn tables(connection: &mut Connection) -> Result<Vec<TableFacts>, Error> {
    let rows = connection.simple_query(&question()).await?;
    rows.iter().map(facts).collect()
}

/// What is known of one table now.
pub(crate) async fn table(connection: &mut Connection, wanted: &TableName) -> Result<Option<TableFacts>, Error> {
    let all = tables(connection).await?;
    Ok(all.into_iter().find(|facts| facts.table == *wanted))
}

fn facts(row: &Row) -> Result<TableFacts, Error> {
    let live_tuples: i64 = row.parse("n_live_tup")?;
    let dead_tuples: i64 = row.parse("n_dead_tup")?;
    let size_bytes: i64 = row.parse("size_bytes")?;
    let row_bytes = size_bytes as f64 / (live_tuples + dead_tuples).max(1) as f64;
    let dying: f64 = row.parse("dying_rows_per_day")?;
    Ok(TableFacts {
        oid: row.parse("relid")?,
        table: name(row)?,
        live_tuples,
        dead_tuples,
        changed_tuples: row.parse("n_mod_since_analyze")?,
        inserted_tuples: row.parse("n_ins_since_vacuum")?,
        size_bytes,
        index_bytes: row.parse("index_bytes")?,
        unseen_bytes: row.parse("unseen_bytes")?,
        touched_bytes_per_day: row.parse("touched_bytes_per_day")?,
        dying_bytes_per_day: dying * row_bytes,
        last_vacuum_unix_ms: number(row, "last_vacuum_unix_ms"),
        last_analyze_unix_ms: number(row, "last_analyze_unix_ms"),
    })
}
