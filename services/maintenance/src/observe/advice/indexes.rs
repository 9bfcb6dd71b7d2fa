//! Indexes and foreign keys.

use serde_json::Value as Json;
use weir_upstream::{Connection, Row};

use super::{HELD, OF_USERS, flag, number};
use crate::advise::{Column, ForeignKey, Index};
use crate::error::Error;
use crate::plan::TableName;

pub(super) async fn indexes(connection: &mut Connection) -> Result<Vec<Index>, Error> {
    let sql = format!(
        "with {HELD}
        select n.nspname, c.relname, ic.relname as index_name, am.amname, ic.oid, ic.relkind, ic.relispartition,
            ic.relpages::float8 * pg_catalog.current_setting('block_size')::float8 as bytes,
            i.indisunique, i.indnullsnotdistinct, i.indisprimary, i.indisexclusion, i.indisreplident, i.indisclustered,
            i.indisvalid and i.indisready as valid,
            pg_catalog.pg_get_expr(i.indpred, i.indrelid) as predicate,
            coalesce(s.idx_scan, 0) as scans,
            (select k.conname from pg_catalog.pg_constraint k where k.conindid = ic.oid and k.contype in ('p', 'u', 'x') limit 1) as constraint_name,
            exists (select from pg_catalog.pg_constraint k where k.conindid = ic.oid and k.contype = 'f') as referenced,
            exists (select from pg_catalog.pg_stat_progress_create_index b where b.index_relid = ic.oid) as building,
            (select pg_catalog.json_agg(pg_catalog.json_build_object(
                    'text', pg_catalog.pg_get_indexdef(ic.oid, k, false),
                    'number', (i.indkey::pg_catalog.int2[])[k - 1],
                    'class', (i.indclass::pg_catalog.oid[])[k - 1]::text,
                    'collation', (i.indcollation::pg_catalog.oid[])[k - 1]::text,
                    'order', (i.indoption::pg_catalog.int2[])[k - 1]::text) order by k)
                from pg_catalog.generate_series(1, i.indnkeyatts) k) as keys,
            (select pg_catalog.json_agg(pg_catalog.pg_get_indexdef(ic.oid, k, false) order by k)
                from pg_catalog.generate_series(i.indnkeyatts + 1, i.indnatts) k) as includes
        from pg_catalog.pg_index i
            join pg_catalog.pg_class c on c.oid = i.indrelid
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            join pg_catalog.pg_class ic on ic.oid = i.indexrelid
            join pg_catalog.pg_am am on am.oid = ic.relam
            left join pg_catalog.pg_stat_all_indexes s on s.indexrelid = ic.oid
        where c.relkind in ('r', 'p', 'm') and {OF_USERS} and c.oid not in (select relation from held)
        order by 1, 2, 3"
    );
    connection.simple_query(&sql).await?.iter().map(index).collect()
}

fn index(row: &Row) -> Result<Index, Error> {
    let text = |column: &str| row.get(column).unwrap_or_default().to_owned();
    Ok(Index {
        table: TableName {
            schema: row.text("nspname")?.to_owned(),
            name: row.text("relname")?.to_owned(),
        },
        name: row.text("index_name")?.to_owned(),
        method: text("amname"),
        keys: list(row.get("keys")).iter().map(column).collect(),
        includes: list(row.get("includes"))
            .iter()
            .filter_map(Json::as_str)
            .map(str::to_owned)
            .collect(),
        predicate: text("predicate"),
        is_unique: flag(row, "indisunique"),
        nulls_not_distinct: flag(row, "indnullsnotdistinct"),
        is_primary: flag(row, "indisprimary"),
        is_exclusion: flag(row, "indisexclusion"),
        constraint: text("constraint_name"),
        is_referenced: flag(row, "referenced"),
        is_replica_identity: flag(row, "indisreplident"),
        is_clustered: flag(row, "indisclustered"),
        is_valid: flag(row, "valid"),
        is_being_built: flag(row, "building"),
        is_parent: row.get("relkind") == Some("I"),
        is_attached: flag(row, "relispartition"),
        size_bytes: number(row, "bytes"),
        scans: number(row, "scans"),
        oid: row.parse("oid")?,
    })
}

fn list(json: Option<&str>) -> Vec<Json> {
    json.and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_default()
}

fn column(json: &Json) -> Column {
    let text = |key: &str| json.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
    Column {
        text: text("text"),
        number: json.get("number").and_then(Json::as_i64).unwrap_or_default(),
        class: text("class"),
        collation: text("collation"),
        order: text("order"),
    }
}

pub(super) async fn foreign_keys(connection: &mut Connection) -> Result<Vec<ForeignKey>, Error> {
    let sql = format!(
        "select k.conname, n.nspname, c.relname, fn.nspname as to_schema, f.relname as to_name,
            (select pg_catalog.json_agg(pg_catalog.json_build_array(a.attname, a.attnum) order by u.at)
                from pg_catalog.unnest(k.conkey) with ordinality u(number, at)
                join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.number) as columns
        from pg_catalog.pg_constraint k
            join pg_catalog.pg_class c on c.oid = k.conrelid
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            join pg_catalog.pg_class f on f.oid = k.confrelid
            join pg_catalog.pg_namespace fn on fn.oid = f.relnamespace
        where k.contype = 'f' and k.conparentid = 0 and {OF_USERS}
        order by 2, 3, 1"
    );
    connection.simple_query(&sql).await?.iter().map(foreign_key).collect()
}

fn foreign_key(row: &Row) -> Result<ForeignKey, Error> {
    let table = |schema: &str, name: &str| {
        Ok::<_, Error>(TableName {
            schema: row.text(schema)?.to_owned(),
            name: row.text(name)?.to_owned(),
        })
    };
    let column = |pair: &Json| Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.as_i64()?));
    Ok(ForeignKey {
        name: row.text("conname")?.to_owned(),
        table: table("nspname", "relname")?,
        columns: list(row.get("columns")).iter().filter_map(column).collect(),
        referenced: table("to_schema", "to_name")?,
    })
}
