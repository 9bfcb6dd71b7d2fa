//! Rows of `series`, `series_minutes` and `series_hours`: figures over time.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use sqlx::types::Json;

use super::changes::{forget_some, storable};
use crate::detect::trend::Point;

const HOUR_MS: i64 = 3_600_000;
/// Labels of a series at most, so that its row fits into an index.
const LABELS_MAX: usize = 8;

/// What a series is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SeriesKey {
    pub(crate) metric: String,
    pub(crate) project: String,
    pub(crate) labels: BTreeMap<String, String>,
}

impl SeriesKey {
    /// A key whose parts are short enough to be stored.
    pub(crate) fn new<'a>(metric: &str, project: &str, labels: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let labels = labels
            .take(LABELS_MAX)
            .map(|(name, value)| (storable(name), storable(value)));
        Self {
            metric: storable(metric),
            project: storable(project),
            labels: labels.collect(),
        }
    }
}

/// Every series that there is, with its number.
pub(crate) async fn every_series(connection: &mut PgConnection) -> sqlx::Result<Vec<(SeriesKey, i64)>> {
    type Row = (i64, String, String, Json<BTreeMap<String, String>>);
    let rows: Vec<Row> = sqlx::query_as("select id, metric, project, labels from series")
        .fetch_all(connection)
        .await?;
    let keyed = |(id, metric, project, labels): Row| {
        (
            SeriesKey {
                metric,
                project,
                labels: labels.0,
            },
            id,
        )
    };
    Ok(rows.into_iter().map(keyed).collect())
}

/// The number of a series, which is begun if there is none.
pub(crate) async fn begin_series(connection: &mut PgConnection, key: &SeriesKey) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "insert into series (metric, project, labels) values ($1, $2, $3)
         on conflict (metric, project, labels) do update set metric = excluded.metric returning id",
    )
    .bind(&key.metric)
    .bind(&key.project)
    .bind(Json(&key.labels))
    .fetch_one(connection)
    .await
}

/// The number of a series, if there is one.
pub(crate) async fn find_series(connection: &mut PgConnection, key: &SeriesKey) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar("select id from series where metric = $1 and project = $2 and labels = $3")
        .bind(&key.metric)
        .bind(&key.project)
        .bind(Json(&key.labels))
        .fetch_optional(connection)
        .await
}

/// Writes the figures of one moment; what was written of the same moment before is replaced.
pub(crate) async fn record(
    connection: &mut PgConnection,
    at_unix_ms: i64,
    figures: &BTreeMap<i64, f64>,
) -> sqlx::Result<()> {
    let (series, values): (Vec<i64>, Vec<f64>) = figures.iter().unzip();
    sqlx::query(
        "insert into series_minutes (series, at_unix_ms, value)
         select series, $2, value from unnest($1::bigint[], $3::double precision[]) as figures (series, value)
         on conflict (series, at_unix_ms) do update set value = excluded.value",
    )
    .bind(series)
    .bind(at_unix_ms)
    .bind(values)
    .execute(connection)
    .await
    .map(|_| ())
}

/// Sums up the hours that have ended and are not summed up yet.
pub(crate) async fn roll_up(connection: &mut PgConnection, now_unix_ms: i64) -> sqlx::Result<()> {
    let this_hour = now_unix_ms - now_unix_ms.rem_euclid(HOUR_MS);
    sqlx::query(
        "insert into series_hours (series, at_unix_ms, mean, least, greatest, readings)
         select series, at_unix_ms - at_unix_ms % $2, avg(value), min(value), max(value), count(*)
         from series_minutes
         where at_unix_ms < $1 and at_unix_ms >= coalesce((select max(at_unix_ms) from series_hours), 0)
         group by 1, 2
         on conflict (series, at_unix_ms) do update set mean = excluded.mean, least = excluded.least,
            greatest = excluded.greatest, readings = excluded.readings",
    )
    .bind(this_hour)
    .bind(HOUR_MS)
    .execute(connection)
    .await
    .map(|_| ())
}

/// Forgets minutes and hours of long ago, some at a time, and series of which nothing is left. True: there is more.
pub(crate) async fn forget_series(
    connection: &mut PgConnection,
    minutes_before: i64,
    hours_before: i64,
) -> sqlx::Result<bool> {
    let minutes = forget_some(
        connection,
        "delete from series_minutes where ctid = any (array(
            select ctid from series_minutes where at_unix_ms < $1 limit $2))",
        minutes_before,
    );
    let more_minutes = minutes.await?;
    let hours = forget_some(
        connection,
        "delete from series_hours where ctid = any (array(
            select ctid from series_hours where at_unix_ms < $1 limit $2))",
        hours_before,
    );
    let more_hours = hours.await?;
    sqlx::query(
        "delete from series where not exists (select from series_minutes where series = id)
            and not exists (select from series_hours where series = id)",
    )
    .execute(connection)
    .await?;
    Ok(more_minutes || more_hours)
}

/// A series since a moment: by hours, and where the minutes are still there by parts of an hour, `part_ms` long.
pub(crate) async fn read_series(
    connection: &mut PgConnection,
    series: i64,
    from_unix_ms: i64,
    part_ms: i64,
) -> sqlx::Result<Vec<Point>> {
    let rows: Vec<(i64, f64)> = sqlx::query_as(
        "with kept as (select min(at_unix_ms) as since from series_minutes where series = $1 and at_unix_ms >= $2),
            whole as (select coalesce(since - since % $4, 9223372036854775807) as since from kept)
         select at_unix_ms + $4 / 2, mean from series_hours, whole
         where series = $1 and at_unix_ms >= $2 and at_unix_ms < whole.since
         union all
         select at_unix_ms - at_unix_ms % $3 + $3 / 2, avg(value) from series_minutes
         where series = $1 and at_unix_ms >= $2 group by 1
         order by 1",
    )
    .bind(series)
    .bind(from_unix_ms)
    .bind(part_ms)
    .bind(HOUR_MS)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(at, value)| Point::new(at, value)).collect())
}

/// The last figure of a series at or after a moment.
pub(crate) async fn last_of_series(
    connection: &mut PgConnection,
    series: i64,
    from_unix_ms: i64,
) -> sqlx::Result<Option<f64>> {
    sqlx::query_scalar(
        "select value from series_minutes where series = $1 and at_unix_ms >= $2 order by at_unix_ms desc limit 1",
    )
    .bind(series)
    .bind(from_unix_ms)
    .fetch_optional(connection)
    .await
}
