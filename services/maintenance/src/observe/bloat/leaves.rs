//! Pages of a B-tree, looked at through `pageinspect`: of many how much they hold, of some what.

use std::collections::{HashMap, HashSet};

use fastrand::Rng;
use weir_upstream::{Connection, Row};

use super::heap::{array, blocks, glimpse};
use super::known::{self, KnownIndex};
use crate::error::Error;
use crate::plan::Bloat;
use crate::plan::estimate::{IndexSample, Leaf, Run, Stat, draw, index_from_sample, survival};

/// Pages of which is asked how much they hold: at first, at most, and of how small an index all.
const STATS: u32 = 400;
const STATS_MAX: u32 = 4_000;
const STATS_WHOLE: u32 = 1_000;
/// Leaves of which is asked what they hold: at first, at most, of how few all, and how many that follow each other. Keys
/// go on from leaf to leaf, so single ones would not tell how long their lists will be.
const LEAVES: u32 = 120;
const LEAVES_MAX: u32 = 480;
const LEAVES_WHOLE: u32 = 240;
const STRETCH: u32 = 8;
/// Pages a statement.
const STATS_A_STATEMENT: usize = 1_000;
const STARTS_A_STATEMENT: usize = 8;
const LEAVES_A_STATEMENT: usize = 64;
/// Pages of the table that say how many entries lead to nothing.
const HEAP_PAGES: u32 = 200;

/// The estimate for an index from some of its pages.
pub(super) async fn sample(connection: &mut Connection, schema: &str, index: &KnownIndex) -> Result<Bloat, Error> {
    let mut sample = IndexSample {
        shape: index.facts.shape,
        blocks: blocks(index.facts.size, index.facts.shape.block),
        stats: Vec::new(),
        leaves: Vec::new(),
        survival: survival(&dead(connection, schema, index).await?),
    };
    let (mut stats, mut leaves) = (STATS, LEAVES);
    for is_last in [false, true] {
        sample.stats = stats_of(connection, schema, index, sample.blocks, stats).await?;
        sample.leaves = leaves_of(connection, schema, index, &sample, leaves).await?;
        let chosen = index_from_sample(&sample);
        if is_last || (chosen.stats_wanted.is_none() && chosen.leaves_wanted.is_none()) {
            return Ok(chosen.bloat);
        }
        stats = chosen.stats_wanted.unwrap_or(stats).clamp(stats, STATS_MAX);
        leaves = chosen.leaves_wanted.unwrap_or(leaves).clamp(leaves, LEAVES_MAX);
    }
    Ok(index_from_sample(&sample).bloat)
}

/// Pages of its table, to see how many entries lead to no row.
async fn dead(
    connection: &mut Connection,
    schema: &str,
    index: &KnownIndex,
) -> Result<Vec<crate::plan::estimate::Page>, Error> {
    match known::table(connection, index.table_oid).await? {
        Some(table) if !table.is_held => glimpse(connection, schema, &table, HEAP_PAGES).await,
        _ => Ok(Vec::new()),
    }
}

async fn stats_of(
    connection: &mut Connection,
    schema: &str,
    index: &KnownIndex,
    blocks: u32,
    wanted: u32,
) -> Result<Vec<Stat>, Error> {
    let wanted = if blocks <= STATS_WHOLE { STATS_WHOLE } else { wanted };
    let places = draw(1, blocks, wanted, &mut Rng::new());
    let mut stats = Vec::with_capacity(places.len());
    for some in places.chunks(STATS_A_STATEMENT) {
        let (name, array) = (index.name.replace('\'', "''"), array(some));
        let question = format!(
            "select b.place, s.type = 'l' and s.live_items + s.dead_items > 0 as is_leaf, s.free_size
            from pg_catalog.unnest({array}) as b (place)
            cross join lateral {schema}.bt_page_stats('{name}', b.place::int) as s order by b.place"
        );
        for row in &connection.simple_query(&question).await? {
            stats.push(stat(row, index)?);
        }
    }
    Ok(stats)
}

fn stat(row: &Row, index: &KnownIndex) -> Result<Stat, weir_upstream::Error> {
    let used = if row.flag("is_leaf")? { used(row, index)? } else { 0.0 };
    Ok(Stat {
        block: row.parse("place")?,
        used,
    })
}

/// What a page says is free has room for a pointer taken off.
fn used(row: &Row, index: &KnownIndex) -> Result<f64, weir_upstream::Error> {
    let free: f64 = row.parse("free_size")?;
    Ok((f64::from(index.facts.shape.room()) - free - 4.0).max(1.0))
}

async fn leaves_of(
    connection: &mut Connection,
    schema: &str,
    index: &KnownIndex,
    sample: &IndexSample,
    wanted: u32,
) -> Result<Vec<Vec<Leaf>>, Error> {
    let there: Vec<u32> = sample
        .stats
        .iter()
        .filter(|stat| stat.used > 0.0)
        .map(|stat| stat.block)
        .collect();
    let count = u32::try_from(there.len()).unwrap_or(u32::MAX);
    if sample.is_whole() && (count <= LEAVES_WHOLE || wanted >= count / 2) {
        return all_leaves(connection, schema, index, &there).await;
    }
    let chosen = draw(0, count, (wanted / STRETCH).max(1), &mut Rng::new());
    let starts: Vec<u32> = chosen
        .iter()
        .filter_map(|at| there.get(*at as usize).copied())
        .collect();
    let mut stretches: Vec<(String, Vec<Leaf>)> = Vec::new();
    for some in starts.chunks(STARTS_A_STATEMENT) {
        let places = walk(schema, index, some);
        for row in &connection.simple_query(&question(schema, index, &places)).await? {
            let (start, leaf) = (row.text("start").unwrap_or_default(), leaf(row, index)?);
            match stretches.last_mut().filter(|(last, _)| last == start) {
                Some((_, leaves)) => leaves.push(leaf),
                None => stretches.push((start.to_owned(), vec![leaf])),
            }
        }
    }
    Ok(stretches.into_iter().map(|(_, leaves)| alone(leaves)).collect())
}

/// What follows a stretch is in no other one.
fn alone(mut leaves: Vec<Leaf>) -> Vec<Leaf> {
    if let Some(last) = leaves.last_mut() {
        last.goes_on = false;
    }
    leaves
}

/// Every leaf, in the order of the keys: each tells its right neighbour.
async fn all_leaves(
    connection: &mut Connection,
    schema: &str,
    index: &KnownIndex,
    there: &[u32],
) -> Result<Vec<Vec<Leaf>>, Error> {
    let mut leaves = Vec::with_capacity(there.len());
    for some in there.chunks(LEAVES_A_STATEMENT) {
        let places = format!(
            "(select place, place as start, 0 as step from pg_catalog.unnest({}) as u (place))",
            array(some)
        );
        for row in &connection.simple_query(&question(schema, index, &places)).await? {
            let at: (u32, u32) = (row.parse("place")?, row.parse("btpo_next")?);
            leaves.push((at, leaf(row, index)?));
        }
    }
    Ok(vec![in_order(leaves)])
}

/// Leaves by who follows whom. Those to whom nobody leads any more come as they are.
fn in_order(leaves: Vec<((u32, u32), Leaf)>) -> Vec<Leaf> {
    let next: HashMap<u32, u32> = leaves.iter().map(|(at, _)| *at).collect();
    let led_to: HashSet<u32> = next.values().copied().collect();
    let firsts: Vec<u32> = leaves
        .iter()
        .map(|((place, _), _)| *place)
        .filter(|place| !led_to.contains(place))
        .collect();
    let mut by_place: HashMap<u32, Leaf> = leaves.into_iter().map(|((place, _), leaf)| (place, leaf)).collect();
    let mut ordered = Vec::with_capacity(by_place.len());
    for mut place in firsts {
        while let Some(leaf) = by_place.remove(&place) {
            ordered.push(leaf);
            place = next.get(&place).copied().unwrap_or(0);
        }
    }
    ordered.extend(by_place.into_values());
    ordered
}

/// Places from each start to the right.
fn walk(schema: &str, index: &KnownIndex, starts: &[u32]) -> String {
    let (name, array) = (index.name.replace('\'', "''"), array(starts));
    format!(
        "(with recursive walk (start, place, step) as (
            select u.place, u.place, 1 from pg_catalog.unnest({array}) as u (place)
            union all
            select w.start, s.btpo_next::bigint, w.step + 1 from walk w
            cross join lateral {schema}.bt_page_stats('{name}', w.place::int) as s
            where w.step < {STRETCH} and s.btpo_next <> 0)
        select start, place, step from walk)"
    )
}

/// Keys as `bytes:rows`, equal ones together. Entries that are known to be dead are left out. Only the bound of a page
/// does not say whether it is dead; where it is the last key itself, that goes on behind it.
fn question(schema: &str, index: &KnownIndex, places: &str) -> String {
    let name = index.name.replace('\'', "''");
    format!(
        "select b.start, b.place, s.btpo_next, s.free_size, r.bound, r.runs,
            coalesce(r.bound_key = r.last_key, false) as goes_on
        from {places} as b
        cross join lateral {schema}.bt_page_stats('{name}', b.place::int) as s
        cross join lateral (
            select pg_catalog.max(key) filter (where is_bound) as bound,
                pg_catalog.max(data) filter (where is_bound) as bound_key,
                (pg_catalog.array_agg(data order by first desc) filter (where not is_bound))[1] as last_key,
                pg_catalog.string_agg(key || ':' || rows, ' ' order by first) filter (where not is_bound) as runs
            from (
                select pg_catalog.min(itemoffset) as first, pg_catalog.max(key) as key, pg_catalog.sum(rows) as rows,
                    pg_catalog.max(data) as data, is_bound
                from (
                    select *, pg_catalog.sum(begins) over (order by itemoffset) as run
                    from (
                        select itemoffset, data, dead is null as is_bound,
                            coalesce(pg_catalog.array_length(tids, 1), 1) as rows,
                            case when tids is null then itemlen
                                else ((pg_catalog.length(data) + 1) / 3 + case when nulls then 23 else 15 end) / 8 * 8
                                end as key,
                            case when data = pg_catalog.lag(data) over w and nulls = pg_catalog.lag(nulls) over w
                                and dead is not null and pg_catalog.lag(dead) over w is not null
                                then 0 else 1 end as begins
                        from {schema}.bt_page_items('{name}', b.place::int) where dead is not true
                        window w as (order by itemoffset)) as items) as numbered
                group by run, is_bound) as runs) as r
        where s.type = 'l' order by b.start, b.step"
    )
}

fn leaf(row: &Row, index: &KnownIndex) -> Result<Leaf, weir_upstream::Error> {
    let runs = row.get("runs").unwrap_or_default();
    Ok(Leaf {
        used: used(row, index)?,
        bound: row.get("bound").and_then(|bytes| bytes.parse().ok()),
        runs: runs.split_ascii_whitespace().filter_map(run).collect(),
        goes_on: row.flag("goes_on")?,
    })
}

fn run(text: &str) -> Option<Run> {
    let (key, rows) = text.split_once(':')?;
    Some(Run {
        key: key.parse().ok()?,
        rows: rows.parse().ok()?,
    })
}
