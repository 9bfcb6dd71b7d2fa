//! ANALYZE of the tables that need it: observe, plan, act, and say what it changed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::Instant;
use weir_jobs::{JobContext, JobError, Work};
use weir_model::Coded;
use weir_upstream::{ConnectOptions, Connection, Target};

use crate::error::Error;
use crate::metrics::Metrics;
use crate::observe;
use crate::plan::{AnalyzeRule, Candidate, TableFacts, plan_analyze};

/// The operation's name in schedules and requests.
pub(crate) const OPERATION: &str = "analyze";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Analyses tables on a connection of its own, past the pool.
#[derive(Debug, Clone)]
pub(crate) struct Analyze {
    pub(crate) target: Target,
    pub(crate) rule: AnalyzeRule,
    pub(crate) automatic: bool,
    pub(crate) lock_timeout: Duration,
    pub(crate) statement_timeout: Duration,
    pub(crate) metrics: Arc<Metrics>,
}

impl Work for Analyze {
    fn operation(&self) -> &'static str {
        OPERATION
    }

    /// Two runs over the same tables at once would only get into each other's way.
    fn exclusive_key(&self, _: &Json) -> Option<String> {
        Some(OPERATION.to_owned())
    }

    async fn run(&self, job: &JobContext) -> Result<Json, JobError> {
        if !self.automatic && job.requested_by().starts_with("schedule ") {
            return Ok(json!({ "skipped": "maintenance.auto_analyze is off" }));
        }
        let wanted = wanted_table(job.parameters()).map_err(|error| outcome(&error))?;
        let retry = |error: Error| JobError::retry(error.slug(), error);
        let mut connection = self.connect(&format!("weir-maint/{}", job.id())).await.map_err(retry)?;
        let plan = self
            .plan_on(&mut connection, wanted)
            .await
            .map_err(|error| outcome(&error))?;
        let done = if job.dry_run() {
            Vec::new()
        } else {
            self.carry_out(job, &mut connection, &plan).await?
        };
        connection.close().await;
        Ok(effect(&plan, &done, job.dry_run()))
    }
}

/// The table that a job is about; empty for all. What is no text would otherwise mean all of them.
fn wanted_table(parameters: &Json) -> Result<&str, Error> {
    match parameters.get("table") {
        None => Ok(""),
        Some(Json::String(table)) => Ok(table),
        Some(other) => Err(Error::Field {
            field: "table",
            reason: format!("{other} is no text; write it as schema.name"),
        }),
    }
}

/// What cannot get better by itself fails; the rest is tried again.
fn outcome(error: &Error) -> JobError {
    match error {
        Error::Field { .. } => JobError::fail(error.slug(), error),
        _ => JobError::retry(error.slug(), error),
    }
}

impl Analyze {
    async fn connect(&self, name: &str) -> Result<Connection, Error> {
        let options = ConnectOptions {
            timeout: Some(CONNECT_TIMEOUT),
            application_name: Some(name.to_owned()),
            parameters: vec![
                ("lock_timeout".to_owned(), self.lock_timeout.as_millis().to_string()),
                (
                    "statement_timeout".to_owned(),
                    self.statement_timeout.as_millis().to_string(),
                ),
            ],
            ..ConnectOptions::default()
        };
        Ok(Connection::connect(&self.target, options).await?)
    }

    /// The plan for now, without carrying it out.
    pub(crate) async fn plan(&self, table: &str) -> Result<Vec<Candidate>, Error> {
        let mut connection = self.connect("weir-maint/plan").await?;
        let plan = self.plan_on(&mut connection, table).await;
        connection.close().await;
        plan
    }

    async fn plan_on(&self, connection: &mut Connection, table: &str) -> Result<Vec<Candidate>, Error> {
        let mut facts = observe::tables(connection).await?;
        if !table.is_empty() {
            facts.retain(|facts| facts.table.matches(table));
            if facts.is_empty() {
                let reason = format!("there is no table {table}; write it as schema.name, with * for any characters");
                return Err(Error::Field { field: "table", reason });
            }
        }
        Ok(plan_analyze(facts, self.rule))
    }

    async fn carry_out(
        &self,
        job: &JobContext,
        connection: &mut Connection,
        plan: &[Candidate],
    ) -> Result<Vec<Json>, JobError> {
        let selected: Vec<&Candidate> = plan.iter().filter(|candidate| candidate.selected).collect();
        let total = selected.len() as u64;
        let mut done = Vec::with_capacity(selected.len());
        for (index, candidate) in selected.into_iter().enumerate() {
            job.progress(index as u64, total, &candidate.facts.table.to_string());
            done.push(self.analyze(job, connection, &candidate.facts).await?);
        }
        job.progress(total, total, "");
        Ok(done)
    }

    /// One table. A table that is locked or gone is left; a connection that is lost ends the attempt.
    async fn analyze(
        &self,
        job: &JobContext,
        connection: &mut Connection,
        before: &TableFacts,
    ) -> Result<Json, JobError> {
        let begun = Instant::now();
        let sql = format!("analyze {}", before.table.quoted());
        let cancel = connection.cancel_token();
        let ended = tokio::select! {
            ended = connection.simple_query(&sql) => ended,
            () = job.cancelled().cancelled() => {
                // A server that cannot be reached has nothing to cancel.
                let _ = cancel.cancel().await;
                return Err(JobError::fail("job-cancelled", "it was cancelled"));
            }
        };
        let took = begun.elapsed();
        self.metrics
            .duration_seconds
            .with([OPERATION])
            .observe(took.as_secs_f64());
        let warning = connection
            .take_notices()
            .into_iter()
            .find(|notice| notice.severity == "WARNING");
        match (ended, warning) {
            // "only table or database owner can analyze it": the statement succeeds all the same.
            (Ok(_), Some(warning)) => {
                self.metrics.runs.with([OPERATION, "skipped"]).inc();
                Ok(skipped(before, &warning))
            }
            (Ok(_), None) => {
                self.metrics.runs.with([OPERATION, "done"]).inc();
                let after = observe::table(connection, &before.table)
                    .await
                    .map_err(|error| outcome(&error))?;
                let after = after.as_ref().map_or(Json::Null, figures);
                let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                Ok(json!({
                    "table": before.table.to_string(), "before": figures(before), "after": after, "duration_ms": duration_ms,
                }))
            }
            (Err(error), _) if connection.is_broken() => {
                self.metrics.runs.with([OPERATION, "failed"]).inc();
                Err(JobError::retry(error.slug(), error))
            }
            (Err(error), _) => {
                self.metrics.runs.with([OPERATION, "skipped"]).inc();
                Ok(skipped(before, &error))
            }
        }
    }
}

fn skipped(before: &TableFacts, reason: &dyn std::fmt::Display) -> Json {
    json!({ "table": before.table.to_string(), "before": figures(before), "skipped": reason.to_string() })
}

fn figures(facts: &TableFacts) -> Json {
    json!({
        "live_tuples": facts.live_tuples,
        "changed_tuples": facts.changed_tuples,
        "last_analyze_unix_ms": facts.last_analyze_unix_ms,
    })
}

fn effect(plan: &[Candidate], done: &[Json], dry_run: bool) -> Json {
    let planned = plan.iter().filter(|candidate| candidate.selected);
    let planned: Vec<Json> = planned
        .map(|candidate| json!({ "table": candidate.facts.table.to_string(), "reason": candidate.reason }))
        .collect();
    let left = plan.len() - planned.len();
    json!({ "dry_run": dry_run, "planned": planned, "tables": done, "tables_left": left })
}
