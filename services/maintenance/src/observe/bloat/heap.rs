//! Pages of a table and of its TOAST, looked at through `pageinspect`. The server says how long rows are; the rows
//! themselves stay where they are.

use std::fmt::Write as _;

use fastrand::Rng;
use weir_upstream::{Connection, Row};

use super::attributes;
use super::horizon::{Horizon, horizon};
use super::known::KnownTable;
use crate::error::Error;
use crate::plan::Bloat;
use crate::plan::estimate::{Chosen, HeapShape, Page, TableSample, draw, table_from_sample};

/// Pages at first, and at most.
const PAGES: u32 = 300;
const PAGES_MAX: u32 = 2_000;
/// A relation with no more pages is read whole.
const PAGES_WHOLE: u32 = 600;
/// Pages that follow each other, and at how many places.
const STRETCH: u32 = 16;
const STRETCHES: u32 = 16;
/// Pages a statement: none takes long, and no answer is large.
const PAGES_A_STATEMENT: usize = 250;

/// A relation whose pages are looked at.
pub(super) struct Heap<'a> {
    pub(super) name: &'a str,
    pub(super) blocks: u32,
    /// Bytes of a page.
    pub(super) block: u32,
    /// Columns of a row that is up to date.
    pub(super) columns: u32,
    /// Its rows are chunks of values.
    is_toast: bool,
}

/// The estimate for a table from some of its pages.
pub(super) async fn sample(connection: &mut Connection, schema: &str, table: &KnownTable) -> Result<Bloat, Error> {
    let mut wanted = [PAGES; 2];
    loop {
        let chosen = sampled(connection, schema, table, wanted).await?;
        let more = |now: u32, asked: Option<u32>| asked.unwrap_or(now).clamp(now, PAGES_MAX);
        let [heap, toast] = chosen.wanted;
        let next = [more(wanted[0], heap), more(wanted[1], toast)];
        if next == wanted || wanted != [PAGES; 2] {
            return Ok(chosen.bloat);
        }
        wanted = next;
    }
}

async fn sampled(
    connection: &mut Connection,
    schema: &str,
    table: &KnownTable,
    wanted: [u32; 2],
) -> Result<Chosen, Error> {
    let (horizon, shape) = (horizon(connection).await?, table.statistics.shape);
    let heap = Heap {
        name: &table.name,
        blocks: blocks(table.statistics.heap, shape.block),
        block: shape.block,
        columns: table.columns,
        is_toast: false,
    };
    let places = places(heap.blocks, wanted[0]);
    let mut pages = pages(connection, schema, &heap, &places, horizon).await?;
    let (mut needed, mut kept_as_they_are) = (None, true);
    if table.reforms || pages.iter().any(|page| page.older > 0) {
        let change = attributes::change(connection, schema, table.oid, &heap, &places, horizon).await?;
        for (page, rows) in pages.iter_mut().zip(change.pages) {
            page.rows = rows;
        }
        (needed, kept_as_they_are) = (change.toast, false);
    }
    let mut sample = TableSample {
        shape,
        blocks: heap.blocks,
        among: heap.blocks,
        pages,
        stretches: Vec::new(),
    };
    if sample.wants_stretches() && kept_as_they_are {
        sample.stretches = self::pages(connection, schema, &heap, &in_stretches(heap.blocks), horizon).await?;
    }
    let heap = sample;
    let toast = match needed {
        Some(needed) => Some(told(table, &heap, needed)),
        None => toast(connection, schema, table, wanted[1], horizon).await?,
    };
    Ok(table_from_sample(&heap, toast.as_ref()))
}

/// What its TOAST needs, by what the rows of the table still have there.
fn told(table: &KnownTable, heap: &TableSample, needed: Vec<Vec<u32>>) -> TableSample {
    let page = |rows: Vec<u32>| Page {
        rows,
        ..Page::default()
    };
    TableSample {
        shape: HeapShape {
            fillfactor: 100,
            ..heap.shape
        },
        blocks: blocks(table.statistics.toast, heap.shape.block),
        among: heap.among,
        pages: needed.into_iter().map(page).collect(),
        stretches: Vec::new(),
    }
}

async fn toast(
    connection: &mut Connection,
    schema: &str,
    table: &KnownTable,
    wanted: u32,
    horizon: Horizon,
) -> Result<Option<TableSample>, Error> {
    let shape = HeapShape {
        fillfactor: 100,
        ..table.statistics.shape
    };
    let (Some(name), blocks) = (&table.toast_name, blocks(table.statistics.toast, shape.block)) else {
        return Ok(None);
    };
    let heap = Heap {
        name,
        blocks,
        block: shape.block,
        columns: 3,
        is_toast: true,
    };
    let pages = pages(connection, schema, &heap, &places(blocks, wanted), horizon).await?;
    Ok(Some(TableSample {
        shape,
        blocks,
        among: blocks,
        pages,
        stretches: Vec::new(),
    }))
}

/// A few pages of a table, to see what entries of its indexes lead to.
pub(super) async fn glimpse(
    connection: &mut Connection,
    schema: &str,
    table: &KnownTable,
    wanted: u32,
) -> Result<Vec<Page>, Error> {
    let horizon = horizon(connection).await?;
    let heap = Heap {
        name: &table.name,
        blocks: blocks(table.statistics.heap, table.statistics.shape.block),
        block: table.statistics.shape.block,
        columns: table.columns,
        is_toast: false,
    };
    pages(connection, schema, &heap, &places(heap.blocks, wanted), horizon).await
}

pub(super) fn blocks(bytes: u64, block: u32) -> u32 {
    u32::try_from(bytes / u64::from(block.max(1))).unwrap_or(u32::MAX)
}

fn places(blocks: u32, wanted: u32) -> Vec<u32> {
    let wanted = if blocks <= PAGES_WHOLE { PAGES_WHOLE } else { wanted };
    draw(0, blocks, wanted, &mut Rng::new())
}

/// Pages that follow each other, at several places.
fn in_stretches(blocks: u32) -> Vec<u32> {
    let starts = draw(0, blocks.saturating_sub(STRETCH), STRETCHES, &mut Rng::new());
    starts.iter().flat_map(|start| *start..start + STRETCH).collect()
}

async fn pages(
    connection: &mut Connection,
    schema: &str,
    heap: &Heap<'_>,
    places: &[u32],
    horizon: Horizon,
) -> Result<Vec<Page>, Error> {
    let mut pages = Vec::with_capacity(places.len());
    for some in places.chunks(PAGES_A_STATEMENT) {
        let rows = connection.simple_query(&question(schema, heap, some, horizon)).await?;
        for row in &rows {
            pages.push(page(row)?);
        }
    }
    Ok(pages)
}

fn question(schema: &str, heap: &Heap<'_>, places: &[u32], horizon: Horizon) -> String {
    let (from, seen, columns) = (from(schema, heap.name, places), horizon.is_seen(), heap.columns);
    // A chunk begins with its value and its number in that.
    let chunk = if heap.is_toast {
        "pg_catalog.get_byte(t_data, 4) + pg_catalog.get_byte(t_data, 5) * 256
            + pg_catalog.get_byte(t_data, 6) * 65536 + (pg_catalog.get_byte(t_data, 7) & 127) * 16777216"
    } else {
        "null"
    };
    format!(
        "select i.* {from} cross join lateral (
            select pg_catalog.string_agg(lp_len::text, ' ' order by lp) filter (where is_seen) as rows,
                pg_catalog.count(*) filter (where lp_flags in (2, 3)
                    or lp_flags = 1 and t_infomask2 & 32768 = 0) as roots,
                pg_catalog.string_agg(chunk || ':' || lp_len, ' ' order by lp) filter (where is_seen) as chunks,
                pg_catalog.count(*) filter (where is_seen and t_infomask2 & 2047 < {columns}) as older
            from (select lp, lp_len, lp_flags, t_infomask2, {seen} as is_seen, {chunk} as chunk
                from {schema}.heap_page_items(p.page)) as items) as i
        order by b.place"
    )
}

/// Pages in the order in which they are asked for, each read once.
pub(super) fn from(schema: &str, name: &str, places: &[u32]) -> String {
    let name = name.replace('\'', "''");
    let array = array(places);
    format!(
        "from pg_catalog.unnest({array}) as b (place) cross join lateral (
            select {schema}.get_raw_page('{name}', 'main', b.place::int) as page offset 0) as p"
    )
}

/// Places as an array of SQL.
pub(super) fn array(places: &[u32]) -> String {
    let mut text = String::from("'{");
    for (number, place) in places.iter().enumerate() {
        let comma = if number == 0 { "" } else { "," };
        // A text takes whatever is written to it.
        let _ = write!(text, "{comma}{place}");
    }
    text.push_str("}'::bigint[]");
    text
}

fn page(row: &Row) -> Result<Page, weir_upstream::Error> {
    let rows = row.get("rows").unwrap_or_default();
    let chunks = row.get("chunks").unwrap_or_default().split_ascii_whitespace();
    let chunk = |text: &str| {
        let (number, length) = text.split_once(':')?;
        Some((number.parse().ok()?, length.parse().ok()?))
    };
    Ok(Page {
        chunks: chunks.filter_map(chunk).collect(),
        rows: rows
            .split_ascii_whitespace()
            .filter_map(|length| length.parse().ok())
            .collect(),
        roots: row.parse("roots")?,
        older: row.parse("older")?,
    })
}
