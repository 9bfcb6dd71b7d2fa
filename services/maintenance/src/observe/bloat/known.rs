//! What the catalogue and the statistics say of tables and indexes, all in one question each.
//!
//! Asking for a size waits for a lock: a relation that somebody holds alone is described by what its last VACUUM wrote
//! down.

use weir_upstream::{Connection, Row};

use crate::error::Error;
use crate::plan::estimate::{HeapShape, IndexFacts, LeafShape, TableStatistics, columns};
use crate::plan::{Bloat, Method};

/// What both questions begin with. `$STATS` restricts the statistics to what is asked for.
const PREAMBLE: &str = "
    with held as materialized (
        select relation from pg_catalog.pg_locks where mode = 'AccessExclusiveLock' and locktype = 'relation'
            and database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())),
    widths as materialized (
        select schemaname, tablename, attname, avg_width, null_frac, n_distinct
        from pg_catalog.pg_stats where not inherited $STATS),
    block as materialized (select pg_catalog.current_setting('block_size')::bigint as bytes)";

const TABLES: &str = ",
    laid as (
        select a.attrelid, pg_catalog.count(*) as columns,
            pg_catalog.bool_or(a.attisdropped or a.atthasmissing) as has_changed,
            pg_catalog.bool_or(y.typtype = 'c' or y.typcategory = 'A' and y.typlen = -1) as computes,
            pg_catalog.string_agg(pg_catalog.concat_ws(',', a.attlen, a.attalign, coalesce(w.avg_width::text, '?'),
                coalesce(w.null_frac::text, '?'), coalesce(w.n_distinct::text, '?')), ' ' order by a.attnum)
                filter (where not a.attisdropped) as layout
        from pg_catalog.pg_attribute a
        join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        left join pg_catalog.pg_type y on y.oid = a.atttypid
        left join widths w on w.schemaname = n.nspname and w.tablename = c.relname and w.attname = a.attname
        where a.attnum > 0 and c.relkind in ('r', 'm') $FILTER
        group by 1)
    select c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) as name, h.is_held, b.bytes as block,
        case when h.is_held then c.relpages::bigint * b.bytes
            else coalesce(pg_catalog.pg_relation_size(c.oid), 0) end as heap,
        case when t.oid is null then 0 when h.is_held then t.relpages::bigint * b.bytes
            else coalesce(pg_catalog.pg_relation_size(t.oid), 0) end as toast,
        case when t.oid is not null then pg_catalog.format('pg_toast.%I', t.relname) end as toast_name,
        pg_catalog.pg_stat_get_live_tuples(c.oid) as live, pg_catalog.pg_stat_get_live_tuples(t.oid) as chunks,
        pg_catalog.pg_stat_get_mod_since_analyze(c.oid) as changed,
        coalesce(pg_catalog.pg_stat_get_last_vacuum_time(c.oid), pg_catalog.pg_stat_get_last_autovacuum_time(c.oid),
            pg_catalog.pg_stat_get_last_analyze_time(c.oid), pg_catalog.pg_stat_get_last_autoanalyze_time(c.oid))
            is not null as is_counted,
        c.reltuples / greatest(c.relpages, 1) as density,
        coalesce((select option_value::int from pg_catalog.pg_options_to_table(c.reloptions)
            where option_name = 'fillfactor'), 100) as fillfactor,
        coalesce(l.columns, 0) as columns, coalesce(l.has_changed, false) as has_changed,
        coalesce(l.has_changed or l.computes, false) as reforms,
        coalesce(l.layout, '') as layout
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    cross join block b
    left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
    cross join lateral (select exists (select from held where relation in (c.oid, t.oid)) as is_held) h
    left join laid l on l.attrelid = c.oid
    where c.relkind in ('r', 'm') $FILTER
    order by c.oid";

const INDEXES: &str = ",
    laid as (
        select a.attrelid,
            pg_catalog.string_agg(pg_catalog.concat_ws(',', a.attlen, a.attalign, coalesce(w.avg_width::text, '?'),
                coalesce(w.null_frac::text, '?'), coalesce(w.n_distinct::text, '?')), ' ' order by a.attnum) as layout
        from pg_catalog.pg_index i
        join pg_catalog.pg_class c on c.oid = i.indexrelid
        join pg_catalog.pg_class r on r.oid = i.indrelid
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        join pg_catalog.pg_attribute a on a.attrelid = i.indexrelid and a.attnum > 0
        left join pg_catalog.pg_attribute k on k.attrelid = i.indrelid and k.attnum = i.indkey[a.attnum - 1]
            and i.indkey[a.attnum - 1] <> 0
        left join widths w on w.schemaname = n.nspname
            and w.tablename = case when k.attname is null then c.relname else r.relname end
            and w.attname = coalesce(k.attname, a.attname)
        where c.relkind = 'i' $FILTER
        group by 1)
    select c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) as name, i.indrelid as table_oid, h.is_held,
        b.bytes as block,
        case when h.is_held then c.relpages::bigint * b.bytes
            else coalesce(pg_catalog.pg_relation_size(c.oid), 0) end as size,
        m.amname = 'btree' as is_btree, i.indpred is not null as is_partial, c.reltuples as entries,
        r.reltuples as rows, pg_catalog.pg_stat_get_live_tuples(r.oid) as live,
        pg_catalog.pg_stat_get_dead_tuples(r.oid) as dead, pg_catalog.pg_stat_get_mod_since_analyze(r.oid) as changed,
        coalesce(pg_catalog.pg_stat_get_last_vacuum_time(r.oid), pg_catalog.pg_stat_get_last_autovacuum_time(r.oid),
            pg_catalog.pg_stat_get_last_analyze_time(r.oid), pg_catalog.pg_stat_get_last_autoanalyze_time(r.oid))
            is not null as is_counted,
        coalesce((select option_value::int from pg_catalog.pg_options_to_table(c.reloptions)
            where option_name = 'fillfactor'), 90) as fillfactor,
        not i.indisunique and i.indnatts = i.indnkeyatts
            and coalesce((select option_value::bool from pg_catalog.pg_options_to_table(c.reloptions)
                where option_name = 'deduplicate_items'), true)
            and not exists (
                select from pg_catalog.generate_series(0, i.indnkeyatts - 1) k
                join pg_catalog.pg_opclass o on o.oid = i.indclass[k]
                left join pg_catalog.pg_collation l on l.oid = i.indcollation[k]
                where not coalesce(l.collisdeterministic, true) or not exists (
                    select from pg_catalog.pg_amproc p where p.amprocfamily = o.opcfamily and p.amprocnum = 4
                        and p.amproclefttype = o.opcintype and p.amprocrighttype = o.opcintype)) as merges,
        coalesce(l.layout, '?') as layout
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    join pg_catalog.pg_class r on r.oid = i.indrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_am m on m.oid = c.relam
    cross join block b
    cross join lateral (select exists (select from held where relation in (c.oid, r.oid)) as is_held) h
    left join laid l on l.attrelid = c.oid
    where c.relkind = 'i' $FILTER
    order by c.oid";

/// Relations of users that outlive their session.
const OF_USERS: &str =
    "and c.relpersistence <> 't' and n.nspname !~ '^(pg_|weir_)' and n.nspname <> 'information_schema'";

/// What is known of a table.
pub(super) struct KnownTable {
    pub(super) oid: u32,
    /// Quoted, with its schema.
    pub(super) name: String,
    /// Somebody holds it alone, or waits for that.
    pub(super) is_held: bool,
    /// Its TOAST, quoted.
    pub(super) toast_name: Option<String>,
    /// Columns, with those that were dropped.
    pub(super) columns: u32,
    /// Some were dropped or added since, so that older rows have others.
    pub(super) has_changed: bool,
    /// Rows may be shorter or longer once they are formed anew: for that reason, or because arrays that were computed
    /// have long heads.
    pub(super) reforms: bool,
    pub(super) statistics: TableStatistics,
}

/// What is known of an index.
pub(super) struct KnownIndex {
    pub(super) oid: u32,
    /// Quoted, with its schema.
    pub(super) name: String,
    pub(super) table_oid: u32,
    /// Somebody holds it or its table alone, or waits for that.
    pub(super) is_held: bool,
    /// The share of its table's rows that are dead, as statistics count them.
    pub(super) dead: f64,
    pub(super) facts: IndexFacts,
}

/// What is not there has no waste.
pub(super) const fn nothing() -> Bloat {
    Bloat {
        size: 0,
        low: 0,
        likely: 0,
        high: 0,
        method: Method::Statistics,
    }
}

pub(super) async fn tables(connection: &mut Connection) -> Result<Vec<KnownTable>, Error> {
    ask(connection, &question(TABLES, OF_USERS, ""), known_table).await
}

pub(super) async fn table(connection: &mut Connection, oid: u32) -> Result<Option<KnownTable>, Error> {
    let stats = format!(
        "and (schemaname, tablename) = (select n.nspname, c.relname from pg_catalog.pg_class c
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = {oid})"
    );
    let found = ask(
        connection,
        &question(TABLES, &format!("and c.oid = {oid}"), &stats),
        known_table,
    )
    .await?;
    Ok(found.into_iter().next())
}

pub(super) async fn indexes(connection: &mut Connection) -> Result<Vec<KnownIndex>, Error> {
    ask(connection, &question(INDEXES, OF_USERS, ""), known_index).await
}

pub(super) async fn index(connection: &mut Connection, oid: u32) -> Result<Option<KnownIndex>, Error> {
    let stats = format!(
        "and (schemaname, tablename) in (select n.nspname, c.relname from pg_catalog.pg_index i
            join pg_catalog.pg_class c on c.oid in (i.indexrelid, i.indrelid)
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace where i.indexrelid = {oid})"
    );
    let found = ask(
        connection,
        &question(INDEXES, &format!("and c.oid = {oid}"), &stats),
        known_index,
    )
    .await?;
    Ok(found.into_iter().next())
}

fn question(body: &str, filter: &str, stats: &str) -> String {
    format!("{PREAMBLE}{body}")
        .replace("$FILTER", filter)
        .replace("$STATS", stats)
}

async fn ask<T>(
    connection: &mut Connection,
    sql: &str,
    read: fn(&Row) -> Result<T, weir_upstream::Error>,
) -> Result<Vec<T>, Error> {
    let rows = connection.simple_query(sql).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

fn known_table(row: &Row) -> Result<KnownTable, weir_upstream::Error> {
    let shape = HeapShape {
        block: row.parse("block")?,
        fillfactor: row.parse("fillfactor")?,
    };
    let heap: u64 = row.parse("heap")?;
    let (counted, density): (f64, f64) = (row.parse("live")?, row.parse("density")?);
    let by_density = density * heap as f64 / f64::from(shape.block.max(1));
    let live = live(row.flag("is_counted")?, counted, by_density);
    let changed: f64 = row.parse("changed")?;
    Ok(KnownTable {
        oid: row.parse("oid")?,
        name: row.text("name")?.to_owned(),
        is_held: row.flag("is_held")?,
        toast_name: row.get("toast_name").map(str::to_owned),
        columns: row.parse("columns")?,
        has_changed: row.flag("has_changed")?,
        reforms: row.flag("reforms")?,
        statistics: TableStatistics {
            shape,
            heap,
            toast: row.parse("toast")?,
            live: live.map(|(rows, _)| rows),
            chunks: row
                .get("chunks")
                .and_then(|text| text.parse().ok())
                .filter(|chunks| *chunks > 0.0),
            changed: live.map_or(
                changed,
                |(rows, is_sure)| if is_sure { changed } else { rows.max(changed) },
            ),
            columns: columns(row.text("layout")?),
        },
    })
}

/// Rows, and whether they were counted. Counters begin at nothing after a crash, and say nothing until a VACUUM or
/// ANALYZE corrects them; until then there is what the last one wrote into the catalogue.
fn live(is_counted: bool, counted: f64, by_density: f64) -> Option<(f64, bool)> {
    match (is_counted, by_density >= 0.0) {
        (true, _) => Some((counted, true)),
        (false, true) if by_density > 0.0 => Some((by_density, false)),
        _ => None,
    }
}

fn known_index(row: &Row) -> Result<KnownIndex, weir_upstream::Error> {
    let (counted, dead, rows): (f64, f64, f64) = (row.parse("live")?, row.parse("dead")?, row.parse("rows")?);
    let live = live(row.flag("is_counted")?, counted, rows);
    let own: f64 = row.parse("entries")?;
    let entries = match (row.flag("is_partial")?, live) {
        (false, live) => live.map(|(rows, _)| rows),
        (true, Some((live, _))) if own >= 0.0 && rows > 0.0 => Some(own * live / rows),
        _ => None,
    };
    let changed: f64 = row.parse("changed")?;
    Ok(KnownIndex {
        oid: row.parse("oid")?,
        name: row.text("name")?.to_owned(),
        table_oid: row.parse("table_oid")?,
        is_held: row.flag("is_held")?,
        dead: dead / (counted + dead).max(1.0),
        facts: IndexFacts {
            shape: LeafShape {
                block: row.parse("block")?,
                fillfactor: row.parse("fillfactor")?,
                merges: row.flag("merges")?,
            },
            size: row.parse("size")?,
            is_btree: row.flag("is_btree")?,
            entries,
            changed: match live {
                Some((rows, true)) => changed / rows.max(1.0),
                _ => 1.0,
            },
            columns: columns(row.text("layout")?),
        },
    })
}
