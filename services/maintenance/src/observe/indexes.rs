//! What the catalogue and the statistics say of indexes.

use weir_upstream::{Connection, Row};

use super::{DAYS, HELD, name};
use crate::error::Error;
use crate::plan::{IndexFacts, Subject};

/// Indexes of users' tables. Those of partitions count, their parents have no pages.
fn question() -> String {
    format!(
        "with {HELD}, {DAYS}, block as (select pg_catalog.current_setting('block_size')::bigint as bytes)
    select i.oid::bigint as index_oid, t.oid::bigint as table_oid, n.nspname as schemaname, t.relname,
        i.relname as index_name, am.amname as method,
        case when i.oid in (select relation from held) or t.oid in (select relation from held)
            then i.relpages::bigint * block.bytes else coalesce(pg_catalog.pg_relation_size(i.oid), 0) end as size_bytes,
        (coalesce(io.idx_blks_read + io.idx_blks_hit, 0) * block.bytes / days.n)::float8 as touched_bytes_per_day,
        x.indisvalid, x.indisexclusion
    from pg_catalog.pg_index x join pg_catalog.pg_class i on i.oid = x.indexrelid
        join pg_catalog.pg_class t on t.oid = x.indrelid join pg_catalog.pg_namespace n on n.oid = t.relnamespace
        join pg_catalog.pg_am am on am.oid = i.relam
        left join pg_catalog.pg_statio_user_indexes io on io.indexrelid = i.oid cross join days cross join block
    where i.relkind = 'i' and t.relkind in ('r', 'm') and t.relpersistence <> 't'
        and n.nspname not like 'weir\\_%' and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
    order by 3, 4, 5"
    )
}

/// What is known of every index.
pub(crate) async fn indexes(connection: &mut Connection) -> Result<Vec<IndexFacts>, Error> {
    let rows = connection.simple_query(&question()).await?;
    rows.iter().map(facts).collect()
}

fn facts(row: &Row) -> Result<IndexFacts, Error> {
    let index = row.text("index_name")?.to_owned();
    let is = |column| row.text(column).map(|flag| flag == "t");
    let fixed = if is("indisexclusion")? {
        Some("an exclusion constraint's index cannot be rebuilt beside its use".to_owned())
    } else if is("indisvalid")? {
        None
    } else {
        Some("it is not valid, so nothing uses it".to_owned())
    };
    Ok(IndexFacts {
        oid: row.parse("index_oid")?,
        table_oid: row.parse("table_oid")?,
        subject: Subject {
            table: name(row)?,
            index: Some(index),
        },
        method: row.text("method")?.to_owned(),
        size_bytes: row.parse("size_bytes")?,
        touched_bytes_per_day: row.parse("touched_bytes_per_day")?,
        fixed,
    })
}
