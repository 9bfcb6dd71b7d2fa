//! Rows of the statistics: what was counted, out.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use weir_model::{Fingerprint, Project};
use weir_proto::common::v1::StatementKind;

use super::statistics::{SUMS, level_name, table};
use crate::aggregate::{Cell, Key, Level, OTHER, Part, PerLevel, Shape, Sums, WHOLE};

/// Which lines of a project are wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// Only these fingerprints. None: all.
    pub(crate) fingerprints: Option<Vec<Fingerprint>>,
    /// Only this database. Empty: all.
    pub(crate) database: String,
    /// With sketches and errors by class, which are much the larger part of a row.
    pub(crate) detailed: bool,
}

/// What has been written, as one snapshot sees it.
#[derive(Debug)]
pub(crate) struct Written {
    /// Until when each level has been made.
    pub(crate) made_until: PerLevel<i64>,
    /// The number of the last batch of each monitor.
    pub(crate) batches: HashMap<String, i64>,
}

/// Begins a snapshot: everything that is read from here on is of one moment.
pub(crate) async fn begin_snapshot(transaction: &mut PgConnection) -> sqlx::Result<Written> {
    sqlx::query("set transaction isolation level repeatable read read only")
        .execute(&mut *transaction)
        .await?;
    let levels: Vec<(String, i64)> = sqlx::query_as("select level, made_until_unix_ms from levels")
        .fetch_all(&mut *transaction)
        .await?;
    let mut made_until = PerLevel {
        seconds: i64::MAX,
        ..PerLevel::default()
    };
    for level in Level::ALL {
        if let Some((_, until)) = levels.iter().find(|(name, _)| name == level_name(level)) {
            *made_until.of_mut(level) = *until;
        }
    }
    let batches = read_batches(transaction).await?;
    Ok(Written { made_until, batches })
}

/// The number of the last batch of each monitor.
pub(crate) async fn read_batches(connection: &mut PgConnection) -> sqlx::Result<HashMap<String, i64>> {
    let batches: Vec<(String, i64)> = sqlx::query_as("select monitor, batch from monitors")
        .fetch_all(connection)
        .await?;
    Ok(batches.into_iter().collect())
}

/// Lines of a project in a part of a period, each put together.
pub(crate) async fn read_part(
    connection: &mut PgConnection,
    project: &Project,
    part: Part,
    wanted: &Wanted,
) -> sqlx::Result<Vec<(Key, Cell)>> {
    let sums = SUMS
        .map(|column| format!("least(sum({column}), 9e18)::bigint as {column}"))
        .join(", ");
    let details = if wanted.detailed {
        "array_agg(detail)"
    } else {
        "'{}'::bytea[]"
    };
    let statement = format!(
        "select database, fingerprint, {sums}, max(max_us) as max_us, min(first_seen_unix_ms) as first_seen_unix_ms,
            max(last_seen_unix_ms) as last_seen_unix_ms, {details} as details
         from {}
         where project = $1 and span_unix_ms >= $2 and span_unix_ms < $3 and ($4 = '' or database = $4)
            and ($5::bigint[] is null or fingerprint = any($5))
         group by database, fingerprint",
        table(part.level)
    );
    // Table and columns are names of this room; nothing of the text comes from outside.
    let mut rows = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(project.as_str())
        .bind(part.from_unix_ms)
        .bind(part.to_unix_ms)
        .bind(&wanted.database)
        .bind(numbers(wanted.fingerprints.as_deref()))
        .fetch(connection);
    let mut lines = Vec::new();
    while let Some(row) = rows.try_next().await? {
        lines.push((key_of(&row, project)?, cell_of(&row)?));
    }
    Ok(lines)
}

fn numbers(fingerprints: Option<&[Fingerprint]>) -> Option<Vec<i64>> {
    Some(fingerprints?.iter().map(|one| one.get().cast_signed()).collect())
}

fn key_of(row: &PgRow, project: &Project) -> sqlx::Result<Key> {
    Ok(Key {
        project: project.clone(),
        database: row.try_get("database")?,
        fingerprint: Fingerprint::new(row.try_get::<i64, _>("fingerprint")?.cast_unsigned()),
    })
}

/// The cell of a row, or of several that were put together.
fn cell_of(row: &PgRow) -> sqlx::Result<Cell> {
    let mut cell = plain_cell_of(row)?;
    for detail in row.try_get::<Vec<Vec<u8>>, _>("details")? {
        add_detail(&mut cell, &detail);
    }
    Ok(cell)
}

fn plain_cell_of(row: &PgRow) -> sqlx::Result<Cell> {
    let figure = |name| {
        row.try_get::<i64, _>(name)
            .map(|value| u64::try_from(value).unwrap_or_default())
    };
    let mut figures = [0; SUMS.len()];
    for (value, name) in figures.iter_mut().zip(SUMS) {
        *value = figure(name)?;
    }
    let mut cell = Cell::default();
    cell.sums = Sums::of(figures);
    cell.max_us = figure("max_us")?;
    cell.first_seen_unix_ms = row.try_get("first_seen_unix_ms")?;
    cell.last_seen_unix_ms = row.try_get("last_seen_unix_ms")?;
    Ok(cell)
}

/// Adds the sketches and error classes of a row to a cell that has its sums already.
fn add_detail(cell: &mut Cell, detail: &[u8]) {
    let mut one = Cell::default();
    if one.read_detail(detail) {
        cell.merge_detail(&one);
    } else {
        tracing::warn!("a row of the statistics holds what no monitor wrote; its percentiles are missing");
    }
}

/// Every row of a level in a span, one after another, for whoever puts them together.
pub(super) async fn each_row(
    connection: &mut PgConnection,
    level: Level,
    (from, to): (i64, i64),
    mut take: impl FnMut(&Key, &Cell),
) -> sqlx::Result<()> {
    let statement = format!(
        "select *, array[detail] as details from {} where span_unix_ms >= $1 and span_unix_ms < $2",
        table(level)
    );
    let mut rows = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(from)
        .bind(to)
        .fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let project = Project::parse(row.try_get("project")?).unwrap_or_default();
        take(&key_of(&row, &project)?, &cell_of(&row)?);
    }
    Ok(())
}

/// What every project did as a whole since a moment, span by span, at one level.
pub(crate) async fn read_wholes(
    connection: &mut PgConnection,
    level: Level,
    (from, to): (i64, i64),
) -> sqlx::Result<Vec<(Project, i64, Cell)>> {
    let statement = format!(
        "select *, array[detail] as details from {} where fingerprint = $1 and span_unix_ms >= $2 and span_unix_ms < $3",
        table(level)
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(WHOLE.get().cast_signed())
        .bind(from)
        .bind(to)
        .fetch_all(connection)
        .await?;
    let read = |row: &PgRow| -> sqlx::Result<_> {
        let project = Project::parse(row.try_get("project")?).unwrap_or_default();
        Ok((project, row.try_get("span_unix_ms")?, cell_of(row)?))
    };
    rows.iter().map(read).collect()
}

/// Spans of one line, each put together, in order.
pub(crate) async fn read_spans(
    connection: &mut PgConnection,
    project: &Project,
    part: Part,
    (database, fingerprint): (&str, Fingerprint),
) -> sqlx::Result<Vec<(i64, Cell)>> {
    let statement = format!(
        "select *, array[detail] as details from {}
         where project = $1 and span_unix_ms >= $2 and span_unix_ms < $3 and ($4 = '' or database = $4)
            and fingerprint = $5
         order by span_unix_ms",
        table(part.level)
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(project.as_str())
        .bind(part.from_unix_ms)
        .bind(part.to_unix_ms)
        .bind(database)
        .bind(fingerprint.get().cast_signed())
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("span_unix_ms")?, cell_of(row)?)))
        .collect()
}

/// The shapes that took most time since a moment, of all projects, the heaviest first.
pub(crate) async fn heaviest(
    connection: &mut PgConnection,
    since_unix_ms: i64,
    count: usize,
) -> sqlx::Result<Vec<Key>> {
    let rows = sqlx::query(
        "select project, database, fingerprint from statistics_minutes
         where span_unix_ms >= $1 and fingerprint not in ($2, $3)
         group by project, database, fingerprint
         order by sum(wait_us::numeric + server_us + drain_us) desc, fingerprint limit $4",
    )
    .bind(since_unix_ms)
    .bind(OTHER.get().cast_signed())
    .bind(WHOLE.get().cast_signed())
    .bind(i64::try_from(count).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?;
    let key = |row: &PgRow| -> sqlx::Result<Key> {
        let project = Project::parse(row.try_get("project")?).unwrap_or_default();
        key_of(row, &project)
    };
    rows.iter().map(key).collect()
}

/// What these fingerprints stand for, as far as it was told.
pub(crate) async fn read_shapes(
    connection: &mut PgConnection,
    fingerprints: &[Fingerprint],
) -> sqlx::Result<HashMap<Fingerprint, Shape>> {
    let rows = sqlx::query("select * from shapes where fingerprint = any($1)")
        .bind(numbers(Some(fingerprints)).unwrap_or_default())
        .fetch_all(connection)
        .await?;
    rows.iter().map(shape_of).collect()
}

fn shape_of(row: &PgRow) -> sqlx::Result<(Fingerprint, Shape)> {
    let kind = StatementKind::try_from(row.try_get::<i32, _>("kind")?).unwrap_or_default();
    let shape = Shape {
        text: row.try_get("text")?,
        kind,
        writes: row.try_get("writes")?,
    };
    Ok((
        Fingerprint::new(row.try_get::<i64, _>("fingerprint")?.cast_unsigned()),
        shape,
    ))
}

/// Fingerprints of texts that contain this, upper and lower case alike.
pub(crate) async fn search_shapes(connection: &mut PgConnection, search: &str) -> sqlx::Result<Vec<Fingerprint>> {
    let found: Vec<i64> = sqlx::query_scalar("select fingerprint from shapes where strpos(lower(text), lower($1)) > 0")
        .bind(search.replace('\0', "\u{fffd}"))
        .fetch_all(connection)
        .await?;
    Ok(fingerprints(found))
}

/// Fingerprints of statements of a kind.
pub(crate) async fn shapes_of_kind(
    connection: &mut PgConnection,
    kind: StatementKind,
) -> sqlx::Result<Vec<Fingerprint>> {
    let found = sqlx::query_scalar("select fingerprint from shapes where kind = $1")
        .bind(i32::from(kind))
        .fetch_all(connection)
        .await?;
    Ok(fingerprints(found))
}

fn fingerprints(numbers: Vec<i64>) -> Vec<Fingerprint> {
    numbers
        .into_iter()
        .map(|number| Fingerprint::new(number.cast_unsigned()))
        .collect()
}
