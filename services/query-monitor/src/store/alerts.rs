//! Rows of `alerts`.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;
use weir_model::{Fingerprint, Project};

use super::storable;
use crate::detect::{Alert, Key, Phase, Severity};

/// Alerts that turned within this time are known to flap.
const TURNS_WITHIN_MS: i64 = 3_600_000;

/// One alert as its row has it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct AlertRow {
    pub(crate) id: Uuid,
    pub(crate) key: String,
    pub(crate) project: String,
    pub(crate) rule: String,
    pub(crate) severity: String,
    pub(crate) labels: Json<BTreeMap<String, String>>,
    pub(crate) fingerprint: Option<i64>,
    pub(crate) source: String,
    pub(crate) state: String,
    pub(crate) summary: String,
    pub(crate) runbook: String,
    pub(crate) note: String,
    pub(crate) value: f64,
    pub(crate) threshold: f64,
    pub(crate) traceparent: String,
    pub(crate) traces: Json<Vec<String>>,
    pub(crate) held: Json<[Option<i64>; 3]>,
    pub(crate) since_unix_ms: i64,
    pub(crate) fired_unix_ms: i64,
    pub(crate) ceased_unix_ms: Option<i64>,
    pub(crate) turned_unix_ms: i64,
    pub(crate) resolved_unix_ms: i64,
    pub(crate) flapping: bool,
    pub(crate) told: String,
    pub(crate) silenced_by: Option<Uuid>,
    pub(crate) inhibited_by: Option<Uuid>,
    pub(crate) acknowledged_by: String,
    pub(crate) acknowledged_note: String,
    pub(crate) acknowledged_unix_ms: i64,
}

impl AlertRow {
    /// The alert, to go on with. A row that never was one of ours is none.
    pub(crate) fn into_alert(self) -> Option<Alert> {
        let project = Project::parse(&self.project).ok()?;
        let fingerprint = self.fingerprint.map(|print| Fingerprint::new(print.cast_unsigned()));
        let key =
            Key::parse(&self.key).unwrap_or_else(|| Key::of_parts(&self.rule, &project, &self.labels.0, fingerprint));
        Some(Alert {
            id: self.id,
            key,
            rule: self.rule.into(),
            project,
            labels: self.labels.0,
            fingerprint,
            source: self.source,
            phase: if self.state == "pending" {
                Phase::Pending
            } else {
                Phase::Firing
            },
            severity: Severity::named(&self.severity)?,
            held: self.held.0,
            since_unix_ms: self.since_unix_ms,
            fired_unix_ms: self.fired_unix_ms,
            ceased_unix_ms: self.ceased_unix_ms,
            resolved_unix_ms: 0,
            turned_unix_ms: self.turned_unix_ms,
            flapping: self.flapping,
            value: self.value,
            threshold: self.threshold,
            summary: self.summary,
            runbook: self.runbook,
            note: self.note,
            traceparent: self.traceparent,
            traces: self.traces.0,
            told: Severity::named(&self.told),
            silenced_by: self.silenced_by,
            inhibited_by: self.inhibited_by,
        })
    }
}

/// What is written of an alert: everything but what people said of it.
#[derive(Serialize)]
struct Written<'a> {
    id: Uuid,
    key: String,
    project: &'a str,
    rule: &'a str,
    severity: &'static str,
    labels: BTreeMap<String, String>,
    fingerprint: Option<i64>,
    source: &'a str,
    state: &'static str,
    summary: String,
    runbook: String,
    note: String,
    value: f64,
    threshold: f64,
    traceparent: String,
    traces: &'a [String],
    held: [Option<i64>; 3],
    since_unix_ms: i64,
    fired_unix_ms: i64,
    ceased_unix_ms: Option<i64>,
    turned_unix_ms: i64,
    resolved_unix_ms: i64,
    flapping: bool,
    told: &'static str,
    silenced_by: Option<Uuid>,
    inhibited_by: Option<Uuid>,
}

impl<'a> Written<'a> {
    fn of(alert: &'a Alert) -> Self {
        let labels = alert.labels.iter().map(|(name, label)| (name.clone(), storable(label)));
        Self {
            id: alert.id,
            key: alert.key.to_string(),
            project: alert.project.as_str(),
            rule: &alert.rule,
            severity: alert.severity.as_str(),
            labels: labels.collect(),
            fingerprint: alert.fingerprint.map(|print| print.get().cast_signed()),
            source: &alert.source,
            state: alert.phase.as_str(),
            summary: storable(&alert.summary),
            runbook: storable(&alert.runbook),
            note: storable(&alert.note),
            value: finite(alert.value),
            threshold: finite(alert.threshold),
            traceparent: storable(&alert.traceparent),
            traces: &alert.traces,
            held: alert.held,
            since_unix_ms: alert.since_unix_ms,
            fired_unix_ms: alert.fired_unix_ms,
            ceased_unix_ms: alert.ceased_unix_ms,
            turned_unix_ms: alert.turned_unix_ms,
            resolved_unix_ms: alert.resolved_unix_ms,
            flapping: alert.flapping,
            told: alert.told.map_or("", Severity::as_str),
            silenced_by: alert.silenced_by,
            inhibited_by: alert.inhibited_by,
        }
    }
}

/// JSON knows no infinity.
const fn finite(value: f64) -> f64 {
    if value.is_nan() {
        0.0
    } else {
        value.clamp(f64::MIN, f64::MAX)
    }
}

/// Writes alerts as they are now, whether or not they have rows. No alert may be there twice, and none with the key of
/// another that is not resolved.
pub(crate) async fn write_alerts(connection: &mut PgConnection, alerts: &[&Alert]) -> sqlx::Result<()> {
    if alerts.is_empty() {
        return Ok(());
    }
    let rows: Vec<Written<'_>> = alerts.iter().map(|alert| Written::of(alert)).collect();
    sqlx::query(
        "insert into alerts (id, key, project, rule, severity, labels, fingerprint, source, state, summary, runbook, note,
            value, threshold, traceparent, traces, held, since_unix_ms, fired_unix_ms, ceased_unix_ms, turned_unix_ms,
            resolved_unix_ms, flapping, told, silenced_by, inhibited_by)
         select id, key, project, rule, severity, labels, fingerprint, source, state, summary, runbook, note,
            value, threshold, traceparent, traces, held, since_unix_ms, fired_unix_ms, ceased_unix_ms, turned_unix_ms,
            resolved_unix_ms, flapping, told, silenced_by, inhibited_by
         from jsonb_to_recordset($1) as row (id uuid, key text, project text, rule text, severity text, labels jsonb,
            fingerprint bigint, source text, state text, summary text, runbook text, note text, value double precision,
            threshold double precision, traceparent text, traces jsonb, held jsonb, since_unix_ms bigint,
            fired_unix_ms bigint, ceased_unix_ms bigint, turned_unix_ms bigint, resolved_unix_ms bigint, flapping boolean,
            told text, silenced_by uuid, inhibited_by uuid)
         on conflict (id) do update set key = excluded.key, severity = excluded.severity, source = excluded.source,
            state = excluded.state, summary = excluded.summary, runbook = excluded.runbook, note = excluded.note,
            value = excluded.value, threshold = excluded.threshold, traceparent = excluded.traceparent,
            traces = excluded.traces, held = excluded.held, fired_unix_ms = excluded.fired_unix_ms,
            ceased_unix_ms = excluded.ceased_unix_ms, turned_unix_ms = excluded.turned_unix_ms,
            resolved_unix_ms = excluded.resolved_unix_ms, flapping = excluded.flapping, told = excluded.told,
            silenced_by = excluded.silenced_by, inhibited_by = excluded.inhibited_by",
    )
    .bind(Json(rows))
    .execute(connection)
    .await
    .map(|_| ())
}

/// Takes away alerts that were pending and never fired.
pub(crate) async fn remove_alerts(connection: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<()> {
    let removed = sqlx::query("delete from alerts where id = any($1) and state = 'pending'").bind(ids);
    removed.execute(connection).await.map(|_| ())
}

/// Every alert that is not resolved.
pub(crate) async fn open_alerts(connection: &mut PgConnection) -> sqlx::Result<Vec<AlertRow>> {
    sqlx::query_as("select * from alerts where state <> 'resolved'")
        .fetch_all(connection)
        .await
}

/// When alerts fired and were resolved lately, in order.
pub(crate) async fn turns(connection: &mut PgConnection, now_unix_ms: i64) -> sqlx::Result<Vec<(String, i64)>> {
    sqlx::query_as(
        "select key, at from alerts, unnest(array[fired_unix_ms, resolved_unix_ms]) at
         where at > $1 and (state = 'firing' or (state = 'resolved' and resolved_unix_ms > $1)) order by at",
    )
    .bind(now_unix_ms - TURNS_WITHIN_MS)
    .fetch_all(connection)
    .await
}

/// Ends rows of alerts that nobody knows any more; true for each that was.
pub(crate) async fn end_others(connection: &mut PgConnection, known: &[Uuid], now_unix_ms: i64) -> sqlx::Result<u64> {
    let ended = sqlx::query(
        "update alerts set state = 'resolved', resolved_unix_ms = $2 where state <> 'resolved' and not id = any($1)",
    );
    let ended = ended.bind(known).bind(now_unix_ms).execute(connection).await?;
    Ok(ended.rows_affected())
}

/// Which of these events are in the outbox: a commit whose answer was lost may have been one.
pub(crate) async fn told_already(connection: &mut PgConnection, events: &[Uuid]) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar("select id from outbox where id = any($1)")
        .bind(events)
        .fetch_all(connection)
        .await
}

/// Alerts of a project, the latest first, in some of the states, and about one statement if one is named.
pub(crate) async fn list_alerts(
    connection: &mut PgConnection,
    project: &str,
    states: &[String],
    fingerprint: Option<Fingerprint>,
    after: Option<(i64, Uuid)>,
    size: u32,
) -> sqlx::Result<Vec<AlertRow>> {
    sqlx::query_as(
        "select * from alerts
         where project = $1 and state = any($2) and ($3::bigint is null or (since_unix_ms, id) < ($3, $4))
            and ($6::bigint is null or fingerprint = $6)
         order by since_unix_ms desc, id desc limit $5",
    )
    .bind(project)
    .bind(states)
    .bind(after.map(|(since, _)| since))
    .bind(after.map(|(_, id)| id))
    .bind(i64::from(size))
    .bind(fingerprint.map(|one| one.get().cast_signed()))
    .fetch_all(connection)
    .await
}

/// Notes who looks after an alert that is not resolved, and returns it. With a project, only if it is of that.
pub(crate) async fn acknowledge(
    connection: &mut PgConnection,
    (id, project): (Uuid, &str),
    by: &str,
    note: &str,
    now_unix_ms: i64,
) -> sqlx::Result<Option<AlertRow>> {
    sqlx::query_as(
        "update alerts set acknowledged_by = $2, acknowledged_note = $3, acknowledged_unix_ms = $4
         where id = $1 and state <> 'resolved' and ($5 = '' or project = $5) returning *",
    )
    .bind(id)
    .bind(storable(by))
    .bind(storable(note))
    .bind(now_unix_ms)
    .bind(project)
    .fetch_optional(connection)
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
