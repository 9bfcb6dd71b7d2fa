//! Rows of `alerts`.

use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::storable;
use crate::detect::{Sighting, SlowKey};

/// One alert.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct AlertRow {
    pub(crate) id: Uuid,
    pub(crate) project: String,
    pub(crate) rule: String,
    pub(crate) severity: String,
    pub(crate) database: String,
    pub(crate) fingerprint: i64,
    pub(crate) state: String,
    pub(crate) summary: String,
    pub(crate) value_ms: f64,
    pub(crate) threshold_ms: f64,
    pub(crate) traceparent: String,
    pub(crate) since_unix_ms: i64,
    pub(crate) resolved_unix_ms: i64,
}

/// Notes slow statements of a shape: a firing alert is kept alive, otherwise a new one begins, which is returned.
///
/// It is alive from `now_unix_ms` on, by the monitor's clock: a gateway whose clock is wrong, or a store that was away,
/// would otherwise resolve it at once or never.
pub(crate) async fn sight(
    connection: &mut PgConnection,
    key: &SlowKey,
    sighting: &Sighting,
    now_unix_ms: i64,
    threshold_ms: f64,
    summary: &str,
) -> sqlx::Result<Option<AlertRow>> {
    let row = sqlx::query(
        "insert into alerts (id, project, rule, severity, database, fingerprint, state, summary, value_ms, threshold_ms,
            sightings, traceparent, since_unix_ms, last_seen_unix_ms)
         values ($1, $2, 'slow-query', 'warning', $3, $4, 'firing', $5, $6, $7, $8, $9, $10, $11)
         on conflict (project, rule, database, fingerprint) where state = 'firing' do update set
            value_ms = greatest(alerts.value_ms, excluded.value_ms),
            sightings = alerts.sightings + excluded.sightings,
            last_seen_unix_ms = greatest(alerts.last_seen_unix_ms, excluded.last_seen_unix_ms)
         returning *, xmax = 0 as begun",
    )
    .bind(Uuid::now_v7())
    .bind(key.project.as_str())
    .bind(storable(&key.database))
    .bind(key.fingerprint.get().cast_signed())
    .bind(storable(summary))
    .bind(sighting.worst_ms)
    .bind(threshold_ms)
    .bind(sighting.count)
    .bind(storable(&sighting.traceparent))
    .bind(sighting.last_unix_ms.min(now_unix_ms))
    .bind(now_unix_ms)
    .fetch_one(connection)
    .await?;
    let begun: bool = row.try_get("begun")?;
    if begun {
        sqlx::FromRow::from_row(&row).map(Some)
    } else {
        Ok(None)
    }
}

/// Resolves the alerts that were last seen before `quiet_since_unix_ms`, and returns them.
pub(crate) async fn resolve_quiet(
    connection: &mut PgConnection,
    quiet_since_unix_ms: i64,
    now_unix_ms: i64,
) -> sqlx::Result<Vec<AlertRow>> {
    sqlx::query_as(
        "update alerts set state = 'resolved', resolved_unix_ms = $2
         where id in (
            select id from alerts where state = 'firing' and last_seen_unix_ms < $1 for update skip locked)
         returning *",
    )
    .bind(quiet_since_unix_ms)
    .bind(now_unix_ms)
    .fetch_all(connection)
    .await
}

/// Alerts of a project, the latest first, in some states where these are given.
pub(crate) async fn list_alerts(
    connection: &mut PgConnection,
    project: &str,
    states: &[String],
    after: Option<(i64, Uuid)>,
    size: u32,
) -> sqlx::Result<Vec<AlertRow>> {
    sqlx::query_as(
        "select * from alerts
         where project = $1 and (cardinality($2::text[]) = 0 or state = any($2))
            and ($3::bigint is null or (since_unix_ms, id) < ($3, $4))
         order by since_unix_ms desc, id desc limit $5",
    )
    .bind(project)
    .bind(states)
    .bind(after.map(|(since, _)| since))
    .bind(after.map(|(_, id)| id))
    .bind(i64::from(size))
    .fetch_all(connection)
    .await
}

/// Forgets alerts that were resolved before that moment, some at a time.
pub(crate) async fn forget_resolved(connection: &mut PgConnection, before_unix_ms: i64) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "delete from alerts where id in (
            select id from alerts where state = 'resolved' and resolved_unix_ms < $1 order by id limit 1000)",
    )
    .bind(before_unix_ms)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

/// How many alerts there are by severity and state, for the metrics.
pub(crate) async fn count_by_state(connection: &mut PgConnection) -> sqlx::Result<Vec<(String, String, i64)>> {
    sqlx::query_as("select severity, state, count(*) from alerts group by severity, state")
        .fetch_all(connection)
        .await
}
