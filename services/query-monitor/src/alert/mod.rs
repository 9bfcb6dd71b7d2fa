//! Sightings to alerts: rows that fire and resolve, each with its event in the same transaction.

pub(crate) mod deliver;
mod notice;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use weir_events::{Event, monitor};
use weir_model::{Clock, Fingerprint, Project};
use weir_proto::common::v1::Severity;
use weir_proto::events::v1::{AlertFiring, AlertResolved};
use weir_runtime::TaskResult;
use weir_store::{Store, outbox, pause};

use crate::detect::{Sighting, SlowKey};
use crate::metrics::Metrics;
use crate::observe::Shared;
use crate::store::{self, AlertRow};

pub(crate) use notice::Notice;

/// How often sightings become alerts. An alert is told within two seconds of its cause.
const FLUSH_EVERY: Duration = Duration::from_millis(250);
/// How long the store may take for one flush; one that accepts statements and never answers must hold nothing up.
const FLUSH_WITHIN: Duration = Duration::from_secs(10);
/// How often the alerts are counted.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// How long an alert that was resolved is kept.
const KEEP_RESOLVED_MS: i64 = 30 * 24 * 3_600_000;
/// Longest text of a statement in a summary.
const SUMMARY_TEXT_CHARACTERS: usize = 120;
/// The page that says what to do about a slow statement.
const RUNBOOK: &str = "docs/runbooks/slow-query.md";

/// Keeps the alerts in step with what was seen.
#[derive(Debug, Clone)]
pub(crate) struct Alerts {
    pub(crate) store: Store,
    pub(crate) shared: Shared,
    pub(crate) clock: Clock,
    pub(crate) resolve_after: Duration,
}

impl Alerts {
    /// Counts the alerts for the metrics, every few seconds, until told to stop, and forgets those of long ago.
    pub(crate) async fn count(self, metrics: Arc<Metrics>, stop: CancellationToken) -> TaskResult {
        while pause(&stop, COUNT_EVERY).await {
            let counted = timeout(FLUSH_WITHIN, self.count_once()).await;
            for (severity, state, count) in counted.unwrap_or(Ok(Vec::new())).unwrap_or_default() {
                metrics.alerts.with([&severity, &state]).set(count as f64);
            }
        }
        Ok(())
    }

    async fn count_once(&self) -> sqlx::Result<Vec<(String, String, i64)>> {
        let mut connection = self.store.pool().acquire().await?;
        store::forget_resolved(&mut connection, self.clock.unix_ms() - KEEP_RESOLVED_MS).await?;
        store::count_by_state(&mut connection).await
    }

    /// Turns sightings into alerts until told to stop, and then once more.
    pub(crate) async fn run(self, stop: CancellationToken) -> TaskResult {
        loop {
            let go_on = pause(&stop, FLUSH_EVERY).await;
            let taken = self.shared.with(|knowledge| knowledge.slow.take());
            let flushed = timeout(FLUSH_WITHIN, self.flush(&taken)).await;
            if let Err(error) = flushed.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
                tracing::warn!(error = %self.store.error(error), "alerts wait for the store");
                self.shared.with(|knowledge| knowledge.slow.put_back(taken));
            }
            if !go_on {
                return Ok(());
            }
        }
    }

    async fn flush(&self, sightings: &[(SlowKey, Sighting)]) -> sqlx::Result<()> {
        let mut transaction = self.store.pool().begin().await?;
        let threshold_ms = self.shared.with(|knowledge| knowledge.slow.threshold_ms());
        let now = self.clock.unix_ms();
        for (key, sighting) in sightings {
            let summary = self.summary(key, sighting);
            let begun = store::sight(&mut transaction, key, sighting, now, threshold_ms, &summary).await?;
            if let Some(row) = begun {
                let traceparent = Some(row.traceparent.clone()).filter(|text| !text.is_empty());
                self.tell(&mut transaction, self.firing(row), traceparent).await?;
            }
        }
        let quiet_since = now - i64::try_from(self.resolve_after.as_millis()).unwrap_or(i64::MAX);
        for row in store::resolve_quiet(&mut transaction, quiet_since, now).await? {
            let event = self.resolved(row);
            self.tell(&mut transaction, event, None).await?;
        }
        transaction.commit().await
    }

    /// A row whose project is no valid name cannot have an event; such a row was never written by us.
    async fn tell(
        &self,
        transaction: &mut PgConnection,
        event: Option<Event>,
        traceparent: Option<String>,
    ) -> sqlx::Result<()> {
        match event {
            Some(event) => outbox::enqueue(transaction, &event, traceparent.as_deref()).await,
            None => Ok(()),
        }
    }

    fn summary(&self, key: &SlowKey, sighting: &Sighting) -> String {
        let text = self.shared.with(|knowledge| {
            knowledge
                .statistics
                .shape(key.fingerprint)
                .map(|shape| shape.text.clone())
                .unwrap_or_default()
        });
        let text: String = text.chars().take(SUMMARY_TEXT_CHARACTERS).collect();
        format!(
            "a statement took {:.0} ms in database {}: {text}",
            sighting.worst_ms, key.database
        )
    }

    fn firing(&self, row: AlertRow) -> Option<Event> {
        let project = Project::parse(&row.project).ok()?;
        let message = AlertFiring {
            id: row.id.to_string(),
            rule: row.rule.clone(),
            severity: Severity::Warning.into(),
            project: row.project.clone(),
            labels: labels(&row),
            summary: row.summary,
            value: row.value_ms,
            threshold: row.threshold_ms,
            since_unix_ms: row.since_unix_ms,
            fingerprint: Fingerprint::new(row.fingerprint.cast_unsigned()).to_string(),
            runbook: RUNBOOK.to_owned(),
            traceparent: row.traceparent,
        };
        Some(monitor::alert_firing(&project, &message, &self.clock))
    }

    fn resolved(&self, row: AlertRow) -> Option<Event> {
        let project = Project::parse(&row.project).ok()?;
        let message = AlertResolved {
            id: row.id.to_string(),
            rule: row.rule.clone(),
            project: row.project.clone(),
            labels: labels(&row),
            since_unix_ms: row.since_unix_ms,
            resolved_unix_ms: row.resolved_unix_ms,
            fingerprint: Fingerprint::new(row.fingerprint.cast_unsigned()).to_string(),
        };
        Some(monitor::alert_resolved(&project, &message, &self.clock))
    }
}

/// What an alert is about.
pub(crate) fn labels(row: &AlertRow) -> BTreeMap<String, String> {
    BTreeMap::from([("database".to_owned(), row.database.clone())])
}

/// Where its runbook is.
pub(crate) const fn runbook() -> &'static str {
    RUNBOOK
}
