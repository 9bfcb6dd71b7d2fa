//! Tables with their options and counters.

use std::collections::BTreeMap;

use weir_upstream::{Connection, Row};

use super::{HELD, OF_USERS, flag, named, number};
use crate::advise::{Counters, Table, Toast};
use crate::error::Error;
use crate::plan::TableName;

pub(super) async fn tables(
    connection: &mut Connection,
    version: u32,
    since_unix_ms: Option<i64>,
    now_unix_ms: i64,
) -> Result<Vec<Table>, Error> {
    let newpage = if version >= 160_000 {
        "s.n_tup_newpage_upd"
    } else {
        "null"
    };
    // From PostgreSQL 16 on an update of a column that only a BRIN index has leaves the page alone, too.
    let counts = if version >= 160_000 {
        "and am.amname <> 'brin'"
    } else {
        ""
    };
    let sql = format!(
        "with {HELD}
        select n.nspname, c.relname, c.relkind, c.relispartition, c.relpersistence, c.relreplident,
            c.relpages::float8 * pg_catalog.current_setting('block_size')::float8 as bytes,
            c.reltuples, s.n_live_tup, s.n_dead_tup as dead, s.n_tup_ins as ins, s.n_tup_upd as upd, s.n_tup_del as del,
            s.n_tup_hot_upd as hot, {newpage} as newpage,
            pg_catalog.array_to_json(c.reloptions) as options,
            t.relname as toast, t.relpages::float8 * pg_catalog.current_setting('block_size')::float8 as toast_bytes,
            pg_catalog.array_to_json(t.reloptions) as toast_options, ts.n_live_tup as toast_live, ts.n_dead_tup as toast_dead,
            ts.n_tup_ins as toast_ins, ts.n_tup_upd as toast_upd, ts.n_tup_del as toast_del,
            exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary) as has_key,
            exists (select from pg_catalog.pg_publication p where (p.pubupdate or p.pubdelete) and (p.puballtables
                or exists (select from pg_catalog.pg_publication_rel r where r.prpubid = p.oid and r.prrelid = c.oid)
                or exists (select from pg_catalog.pg_publication_namespace r where r.pnpubid = p.oid and r.pnnspid = c.relnamespace)
                )) as published,
            exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                and not exists (select from pg_catalog.pg_index i join pg_catalog.pg_class ic on ic.oid = i.indexrelid
                    join pg_catalog.pg_am am on am.oid = ic.relam
                    where i.indrelid = c.oid and a.attnum = any (i.indkey::pg_catalog.int2[]) {counts})) as has_plain
        from pg_catalog.pg_class c
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            left join pg_catalog.pg_stat_all_tables s on s.relid = c.oid
            left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
            left join pg_catalog.pg_stat_all_tables ts on ts.relid = t.oid
        where c.relkind in ('r', 'p') and {OF_USERS} and c.oid not in (select relation from held)
        order by 1, 2"
    );
    let rows = connection.simple_query(&sql).await?;
    let counters = |values| Counters {
        since_unix_ms,
        at_unix_ms: now_unix_ms,
        values,
    };
    rows.iter().map(|row| table(row, counters)).collect()
}

fn table(row: &Row, counters: impl Fn(BTreeMap<String, f64>) -> Counters) -> Result<Table, Error> {
    let live = number(row, "n_live_tup");
    let toast = row.get("toast").map(|_| Toast {
        size_bytes: number(row, "toast_bytes"),
        options: options(row.get("toast_options")),
        counters: counters(
            ["live", "dead", "ins", "upd", "del"]
                .iter()
                .map(|name| ((*name).to_owned(), number(row, &format!("toast_{name}"))))
                .collect(),
        ),
    });
    Ok(Table {
        name: TableName {
            schema: row.text("nspname")?.to_owned(),
            name: row.text("relname")?.to_owned(),
        },
        is_parent: row.get("relkind") == Some("p"),
        is_partition: flag(row, "relispartition"),
        is_unlogged: row.get("relpersistence") == Some("u"),
        size_bytes: number(row, "bytes"),
        rows: if live > 0.0 {
            live
        } else {
            number(row, "reltuples").max(0.0)
        },
        options: options(row.get("options")),
        counters: counters(named(row, &["dead", "ins", "upd", "del", "hot", "newpage"])),
        toast,
        has_primary_key: flag(row, "has_key"),
        replica_identity: row.get("relreplident").unwrap_or_default().to_owned(),
        is_published: flag(row, "published"),
        has_plain_columns: flag(row, "has_plain"),
    })
}

/// `["name=value", …]` as PostgreSQL keeps them.
fn options(json: Option<&str>) -> BTreeMap<String, String> {
    let list: Vec<String> = json
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_default();
    let pair = |text: &String| {
        text.split_once('=')
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    list.iter().filter_map(pair).collect()
}

fn literal(text: &str) -> String {
    crate::advise::literal(text)
}

fn whole(table: &TableName) -> String {
    format!(
        "n.nspname = {} and c.relname = {}",
        literal(&table.schema),
        literal(&table.name)
    )
}

/// Whether there is such a table.
pub(crate) async fn table_exists(connection: &mut Connection, table: &TableName) -> Result<bool, Error> {
    let sql = format!(
        "select 1 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where c.relkind = 'r' and {}",
        whole(table)
    );
    Ok(!connection.simple_query(&sql).await?.is_empty())
}

/// An option of a table, or with `toast.` in front one of its TOAST table; none where it is not set.
pub(crate) async fn option(
    connection: &mut Connection,
    table: &TableName,
    option: &str,
) -> Result<Option<String>, Error> {
    let (from, name) = match option.strip_prefix("toast.") {
        Some(name) => ("t.reloptions", name),
        None => ("c.reloptions", option),
    };
    let sql = format!(
        "select pg_catalog.array_to_json({from}) as options
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
         where c.relkind = 'r' and {}",
        whole(table)
    );
    let rows = connection.simple_query(&sql).await?;
    let found = options(rows.first().and_then(|row| row.get("options")));
    Ok(found.get(name).cloned())
}
