//! What `pgstattuple` counts over whole relations, where pages themselves may not be seen.

use weir_upstream::{Connection, Row};

use super::known::{KnownIndex, KnownTable};
use crate::error::Error;
use crate::plan::Bloat;
use crate::plan::estimate::{
    HeapCount, HeapShape, LeafCount, TableStatistics, index_from_census, screen_index, screen_table, table_from_census,
};

/// The estimate for a table from all of its pages. The statement's time-out bounds it.
pub(super) async fn table(connection: &mut Connection, schema: &str, table: &KnownTable) -> Result<Bloat, Error> {
    let shape = table.statistics.shape;
    let heap = count(connection, schema, &table.name, shape).await?;
    let shape = HeapShape {
        fillfactor: 100,
        ..shape
    };
    let toast = match &table.toast_name {
        Some(name) if table.statistics.toast > 0 => Some(count(connection, schema, name, shape).await?),
        _ => None,
    };
    let counted = table_from_census(heap, toast);
    // How long rows are says little of how long they will be where columns were dropped or added; what ANALYZE knows of
    // columns says more. Where both differ, both may be right.
    let screened = screen_table(&TableStatistics {
        live: Some(heap.rows),
        chunks: toast.map(|toast| toast.rows),
        ..table.statistics.clone()
    });
    if !table.reforms && screened.likely.abs_diff(counted.likely) < counted.size / 10 {
        return Ok(counted);
    }
    Ok(Bloat {
        low: counted.low.min(screened.low),
        likely: if table.has_changed {
            screened.likely
        } else {
            counted.likely
        },
        high: counted.high.max(screened.high),
        ..counted
    })
}

async fn count(connection: &mut Connection, schema: &str, name: &str, shape: HeapShape) -> Result<HeapCount, Error> {
    let name = name.replace('\'', "''");
    let question =
        format!("select table_len, tuple_count, tuple_len from {schema}.pgstattuple('{name}'::pg_catalog.regclass)");
    let rows = connection.simple_query(&question).await?;
    let read = |row: &Row| {
        Ok::<_, weir_upstream::Error>(HeapCount {
            shape,
            size: row.parse("table_len")?,
            rows: row.parse("tuple_count")?,
            bytes: row.parse("tuple_len")?,
        })
    };
    let none = HeapCount {
        shape,
        size: 0,
        rows: 0.0,
        bytes: 0.0,
    };
    Ok(rows.first().map_or(Ok(none), read)?)
}

/// The estimate for an index from all of its pages.
pub(super) async fn index(connection: &mut Connection, schema: &str, index: &KnownIndex) -> Result<Bloat, Error> {
    let name = index.name.replace('\'', "''");
    let question = format!(
        "select index_size, leaf_pages, case when avg_leaf_density = 'NaN' then 0 else avg_leaf_density end as density
        from {schema}.pgstatindex('{name}'::pg_catalog.regclass)"
    );
    let rows = connection.simple_query(&question).await?;
    let read = |row: &Row| {
        Ok::<_, weir_upstream::Error>(LeafCount {
            shape: index.facts.shape,
            size: row.parse("index_size")?,
            leaves: row.parse("leaf_pages")?,
            density: row.parse("density")?,
            survival: 1.0 - index.dead,
        })
    };
    let none = LeafCount {
        shape: index.facts.shape,
        size: 0,
        leaves: 0.0,
        density: 0.0,
        survival: 1.0,
    };
    let counted = index_from_census(rows.first().map_or(Ok(none), read)?);
    // How full leaves are does not say how far equal keys are put together on them, which a unique index built anew does
    // not do at all. What ANALYZE knows of columns does.
    let screened = screen_index(&index.facts);
    Ok(Bloat {
        low: counted.low.min(screened.low),
        high: counted.high.max(screened.high),
        ..counted
    })
}
