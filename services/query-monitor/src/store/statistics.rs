//! Rows of the statistics: what was counted, in.

use sqlx::{PgConnection, Row as _};
use weir_model::Fingerprint;

use super::partitions;
use super::storable;
use crate::aggregate::{Cell, Key, Level, SeenBy, Shape};

/// Rows of one statement.
const ROWS_AT_ONCE: usize = 2_000;
/// The columns that add up, in the order of [`Sums::figures`](crate::aggregate::Sums::figures).
pub(super) const SUMS: [&str; 11] = [
    "calls",
    "errors",
    "slow",
    "row_count",
    "bytes_in",
    "bytes_out",
    "cache_hits",
    "cache_misses",
    "wait_us",
    "server_us",
    "drain_us",
];

/// The table of a level.
pub(super) const fn table(level: Level) -> &'static str {
    match level {
        Level::Seconds => "statistics_seconds",
        Level::Minutes => "statistics_minutes",
        Level::Hours => "statistics_hours",
        Level::Days => "statistics_days",
    }
}

/// How `levels` calls a level.
pub(super) const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Seconds => "seconds",
        Level::Minutes => "minutes",
        Level::Hours => "hours",
        Level::Days => "days",
    }
}

/// A figure as a column takes it.
pub(super) fn column(figure: u64) -> i64 {
    i64::try_from(figure).unwrap_or(i64::MAX)
}

/// One line of one span.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) span_unix_ms: i64,
    pub(crate) key: Key,
    pub(crate) cell: &'a Cell,
}

/// What a monitor writes at once, or not at all.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) monitor: &'a str,
    pub(crate) number: i64,
    pub(crate) rows: Vec<Row<'a>>,
    pub(crate) shapes: &'a [(Fingerprint, Shape)],
    pub(crate) intake: SeenBy,
}

/// Writes a batch within a transaction; of one that was written before, nothing.
pub(crate) async fn write_batch(
    transaction: &mut PgConnection,
    mut batch: Batch<'_>,
    now_unix_ms: i64,
) -> sqlx::Result<()> {
    if !take_number(transaction, batch.monitor, batch.number, now_unix_ms).await? {
        return Ok(());
    }
    let floor = made_until(transaction, Level::Minutes, " for share").await?;
    for row in &mut batch.rows {
        row.span_unix_ms = row.span_unix_ms.max(floor);
    }
    write_rows(transaction, Level::Seconds, &batch.rows).await?;
    write_shapes(transaction, batch.shapes, now_unix_ms).await?;
    write_intake(transaction, batch.monitor, &batch.intake).await
}

/// Writes which gateways a monitor has met, where it has written nothing of them yet.
pub(crate) async fn meet_gateways(connection: &mut PgConnection, monitor: &str, met: &SeenBy) -> sqlx::Result<()> {
    write_intake(connection, monitor, met).await
}

async fn take_number(
    connection: &mut PgConnection,
    monitor: &str,
    number: i64,
    now_unix_ms: i64,
) -> sqlx::Result<bool> {
    let taken = sqlx::query(
        "insert into monitors as held (monitor, batch, written_unix_ms) values ($1, $2, $3)
         on conflict (monitor) do update set batch = excluded.batch, written_unix_ms = excluded.written_unix_ms
         where held.batch < excluded.batch",
    );
    let done = taken
        .bind(monitor)
        .bind(number)
        .bind(now_unix_ms)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Until when a level has been made.
pub(super) async fn made_until(connection: &mut PgConnection, level: Level, lock: &'static str) -> sqlx::Result<i64> {
    let query = match lock {
        "" => "select made_until_unix_ms from levels where level = $1",
        " for share" => "select made_until_unix_ms from levels where level = $1 for share",
        _ => "select made_until_unix_ms from levels where level = $1 for update",
    };
    sqlx::query_scalar(query)
        .bind(level_name(level))
        .fetch_one(connection)
        .await
}

/// Adds rows to a level.
pub(super) async fn write_rows(connection: &mut PgConnection, level: Level, rows: &[Row<'_>]) -> sqlx::Result<()> {
    for span in spans_of(rows) {
        partitions::make(connection, level, span).await?;
    }
    for rows in rows.chunks(ROWS_AT_ONCE) {
        write_some(connection, level, rows).await?;
    }
    Ok(())
}

fn spans_of(rows: &[Row<'_>]) -> Vec<i64> {
    let mut spans: Vec<i64> = rows.iter().map(|row| row.span_unix_ms).collect();
    spans.sort_unstable();
    spans.dedup();
    spans
}

async fn write_some(connection: &mut PgConnection, level: Level, rows: &[Row<'_>]) -> sqlx::Result<()> {
    let statement = format!(
        "insert into {} (span_unix_ms, project, database, fingerprint, {}, max_us, first_seen_unix_ms,
            last_seen_unix_ms, detail)
         select * from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
            $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
            $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bytea[])",
        table(level),
        SUMS.join(", "),
    );
    let numbers = |figure: fn(&Row<'_>) -> i64| -> Vec<i64> { rows.iter().map(figure).collect() };
    // Table and columns are names of this file; nothing of the text comes from outside.
    let mut query = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(numbers(|row| row.span_unix_ms))
        .bind(rows.iter().map(|row| row.key.project.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| storable(&row.key.database)).collect::<Vec<_>>())
        .bind(numbers(|row| row.key.fingerprint.get().cast_signed()));
    let figures: Vec<[u64; 11]> = rows.iter().map(|row| row.cell.sums.figures()).collect();
    for at in 0..SUMS.len() {
        let values = figures
            .iter()
            .filter_map(|figures| figures.get(at).copied().map(column));
        query = query.bind(values.collect::<Vec<i64>>());
    }
    let details: Vec<Vec<u8>> = rows.iter().map(|row| row.cell.detail()).collect();
    let query = query
        .bind(numbers(|row| column(row.cell.max_us)))
        .bind(numbers(|row| row.cell.first_seen_unix_ms))
        .bind(numbers(|row| row.cell.last_seen_unix_ms))
        .bind(details);
    query.execute(connection).await.map(|_| ())
}

async fn write_shapes(
    connection: &mut PgConnection,
    shapes: &[(Fingerprint, Shape)],
    now_unix_ms: i64,
) -> sqlx::Result<()> {
    for shapes in shapes.chunks(ROWS_AT_ONCE) {
        sqlx::query(
            "insert into shapes (fingerprint, text, kind, writes, told_unix_ms)
             select *, $5 from unnest($1::bigint[], $2::text[], $3::integer[], $4::boolean[])
             on conflict (fingerprint) do nothing",
        )
        .bind(
            shapes
                .iter()
                .map(|(number, _)| number.get().cast_signed())
                .collect::<Vec<_>>(),
        )
        .bind(
            shapes
                .iter()
                .map(|(_, shape)| shape.text.replace('\0', "\u{fffd}"))
                .collect::<Vec<_>>(),
        )
        .bind(
            shapes
                .iter()
                .map(|(_, shape)| i32::from(shape.kind))
                .collect::<Vec<_>>(),
        )
        .bind(shapes.iter().map(|(_, shape)| shape.writes).collect::<Vec<_>>())
        .bind(now_unix_ms)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn write_intake(connection: &mut PgConnection, monitor: &str, intake: &SeenBy) -> sqlx::Result<()> {
    for (gateway, seen) in intake {
        sqlx::query(
            "insert into intake (monitor, gateway, first_sequence, events_before_first, last_sequence,
                events_through_last, batches, events, dropped, heard_unix_ms)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             on conflict (monitor, gateway) do update set first_sequence = excluded.first_sequence,
                events_before_first = excluded.events_before_first, last_sequence = excluded.last_sequence,
                events_through_last = excluded.events_through_last, batches = excluded.batches,
                events = excluded.events, dropped = excluded.dropped, heard_unix_ms = excluded.heard_unix_ms",
        )
        .bind(monitor)
        .bind(storable(gateway))
        .bind(column(seen.first))
        .bind(column(seen.events_before_first))
        .bind(column(seen.last))
        .bind(column(seen.events_through_last))
        .bind(column(seen.batches))
        .bind(column(seen.events))
        .bind(column(seen.dropped))
        .bind(seen.heard_unix_ms)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// What other monitors wrote of gateways that were heard of since then, by monitor.
pub(crate) async fn read_intake(
    connection: &mut PgConnection,
    own: &str,
    since_unix_ms: i64,
) -> sqlx::Result<Vec<(String, SeenBy)>> {
    let rows = sqlx::query("select * from intake where monitor <> $1 and heard_unix_ms >= $2 order by monitor")
        .bind(own)
        .bind(since_unix_ms)
        .fetch_all(connection)
        .await?;
    let mut read: Vec<(String, SeenBy)> = Vec::new();
    for row in rows {
        let figure = |name| {
            row.try_get::<i64, _>(name)
                .map(|value| u64::try_from(value).unwrap_or_default())
        };
        let seen = crate::aggregate::Seen {
            first: figure("first_sequence")?,
            events_before_first: figure("events_before_first")?,
            last: figure("last_sequence")?,
            events_through_last: figure("events_through_last")?,
            batches: figure("batches")?,
            events: figure("events")?,
            dropped: figure("dropped")?,
            heard_unix_ms: row.try_get("heard_unix_ms")?,
        };
        let (monitor, gateway): (String, String) = (row.try_get("monitor")?, row.try_get("gateway")?);
        match read.last_mut() {
            Some((last, seen_by)) if *last == monitor => drop(seen_by.insert(gateway, seen)),
            _ => read.push((monitor, SeenBy::from([(gateway, seen)]))),
        }
    }
    Ok(read)
}
