//! What a verification found, as it is told and kept. Pure.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::ReportKind)]
pub enum Kind {
    /// Every way, every check.
    Comprehensive,
    /// The ways alone, for a second each.
    Quick,
}

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::ReportState)]
pub enum State {
    /// Its turn has not come.
    #[default]
    Requested,
    /// It is being done.
    Running,
    /// It ran to its end.
    Succeeded,
    /// It could not be done.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// It does not apply here; the note says why.
    Skipped,
}

/// What is to be thought of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::ReportVerdict)]
pub enum Verdict {
    /// It is as it should be.
    Pass,
    /// It is not.
    Fail,
    /// It could not be found out; the note says why.
    Skipped,
    /// Not found out yet.
    #[default]
    Unknown,
}

/// A verification with what it found.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = console::Report)]
pub struct Report {
    /// Identifies it: a UUID.
    pub id: String,
    /// Which verification.
    pub kind: Kind,
    /// How far it is; `succeeded` whatever the verdict.
    pub state: State,
    /// `pass`: every check that could be made passed.
    pub verdict: Verdict,
    /// Who wanted it.
    pub requested_by: String,
    /// When it began.
    pub started_unix_ms: i64,
    /// When it ended. 0: it has not.
    pub ended_unix_ms: i64,
    /// Why it failed; empty: it did not.
    pub error: String,
    /// How far it is, in steps; null: it has ended.
    pub progress: Option<Progress>,
    /// What makes it reproducible.
    pub setup: Setup,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// The ways to ask PostgreSQL that were measured.
    pub modes: Vec<Mode>,
    /// The compliance table.
    pub checks: Vec<Check>,
}

/// How far a verification is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = console::ReportProgress)]
pub struct Progress {
    /// Steps done.
    pub done: u64,
    /// Steps in all.
    pub total: u64,
    /// What is being done.
    pub note: String,
}

/// What makes a verification reproducible.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = console::ReportSetup)]
pub struct Setup {
    /// Weir's version.
    pub weir_version: String,
    /// PostgreSQL's version.
    pub server_version: String,
    /// Where PostgreSQL is.
    pub upstream: String,
    /// The database.
    pub database: String,
    /// The schema that was made for it, and dropped at its end.
    pub schema: String,
    /// Rows of each table in it.
    pub rows: u64,
    /// Clients at once.
    pub clients: u64,
    /// Seconds of each way.
    pub seconds: u64,
    /// Where the random numbers begin.
    pub seed: u64,
    /// Cores of the machine that asked.
    pub cores: u64,
    /// What was asked.
    pub statements: Vec<Statement>,
}

/// A statement that was asked.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = console::ReportStatement)]
pub struct Statement {
    /// What it does.
    pub name: String,
    /// Its text.
    pub sql: String,
    /// Its part of all calls.
    pub share: f64,
}

/// A step.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = console::ReportStep)]
pub struct Step {
    /// `prepare`, a way, `backup`, `isolation` or `clean_up`.
    pub name: String,
    /// The same for people.
    pub title: String,
    /// How far it is.
    pub state: State,
    /// How long it took.
    pub took_ms: Option<f64>,
    /// Why it was skipped, or failed.
    pub note: String,
}

/// A way to ask PostgreSQL, as it was measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = console::ReportMode)]
pub struct Mode {
    /// `connect_per_request`, `direct`, `pooled` or `pooled_cached`.
    pub mode: String,
    /// The same for people.
    pub title: String,
    /// When it began.
    pub started_unix_ms: i64,
    /// How long it took.
    pub took_ms: f64,
    /// Clients at once.
    pub clients: u64,
    /// Calls that ended.
    pub calls: u64,
    /// Calls that failed.
    pub errors: u64,
    /// Calls that did not, of all; null: there were none.
    pub success_ratio: Option<f64>,
    /// Calls a second.
    pub queries_per_second: f64,
    /// Half of the calls took at most this long, the connection included where each has its own.
    pub p50_ms: f64,
    /// 95 of 100 did.
    pub p95_ms: f64,
    /// 99 of 100 did.
    pub p99_ms: f64,
    /// The average call.
    pub mean_ms: f64,
    /// The longest call.
    pub max_ms: f64,
    /// Half of the connections were made in this time, log-in included; null: none were made.
    pub connect_p50_ms: Option<f64>,
    /// 95 of 100 were.
    pub connect_p95_ms: Option<f64>,
    /// The part of all waiting that went into connections.
    pub connect_share: f64,
    /// Connections that were made to PostgreSQL for it; null: nobody counted them.
    pub connections_opened: Option<u64>,
    /// Calls answered over a connection that was there already, of all; null: there is no pool.
    pub pool_efficiency: Option<f64>,
    /// Calls answered from memory, of those that could be; null: there is no cache.
    pub hit_ratio: Option<f64>,
    /// Each second.
    pub spans: Vec<Span>,
}

/// A second of a way.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = console::ReportSpan)]
pub struct Span {
    /// When it began.
    pub at_unix_ms: i64,
    /// Calls that ended in it.
    pub calls: u64,
    /// Calls that failed in it.
    pub errors: u64,
    /// Half of them took at most this long; null: there were none.
    pub p50_ms: Option<f64>,
    /// 95 of 100 did.
    pub p95_ms: Option<f64>,
    /// 99 of 100 did.
    pub p99_ms: Option<f64>,
}

/// A line of the compliance table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = console::ReportCheck)]
pub struct Check {
    /// `p95`, `pool_efficiency`, `hit_ratio`, `backup` or `isolation`.
    pub name: String,
    /// The same for people.
    pub title: String,
    /// `below`, `above`, or `is` where it is yes or no.
    pub direction: String,
    /// What it has to be; null with `is`.
    pub target: Option<f64>,
    /// What it is; null: not measured.
    pub measured: Option<f64>,
    /// `ms`, `ratio` or `none`.
    pub unit: String,
    /// What is to be thought of it.
    pub verdict: Verdict,
    /// Why.
    pub note: String,
}

/// A verification as it is listed.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = console::ReportSummary)]
pub struct Summary {
    /// Identifies it.
    pub id: String,
    /// Which verification.
    pub kind: Kind,
    /// How far it is.
    pub state: State,
    /// What is to be thought of it.
    pub verdict: Verdict,
    /// Who wanted it.
    pub requested_by: String,
    /// When it began.
    pub started_unix_ms: i64,
    /// When it ended. 0: it has not.
    pub ended_unix_ms: i64,
    /// Why it failed; empty: it did not.
    pub error: String,
    /// How far it is; null: it has ended.
    pub progress: Option<Progress>,
    /// Calls a second through the pool; null: not measured.
    pub queries_per_second: Option<f64>,
    /// 95 of 100 calls through the pool took at most this long; null: not measured.
    pub p95_ms: Option<f64>,
    /// Checks that passed.
    pub checks_passed: usize,
    /// Checks that failed.
    pub checks_failed: usize,
    /// Checks that could not be made.
    pub checks_skipped: usize,
}

impl Report {
    /// The measured way of that name.
    pub fn mode(&self, name: &str) -> Option<&Mode> {
        self.modes.iter().find(|mode| mode.mode == name)
    }

    /// As it is listed.
    pub fn summary(&self) -> Summary {
        let pooled = self.mode(super::POOLED);
        let count = |verdict| self.checks.iter().filter(|check| check.verdict == verdict).count();
        Summary {
            id: self.id.clone(),
            kind: self.kind,
            state: self.state,
            verdict: self.verdict,
            requested_by: self.requested_by.clone(),
            started_unix_ms: self.started_unix_ms,
            ended_unix_ms: self.ended_unix_ms,
            error: self.error.clone(),
            progress: self.progress.clone(),
            queries_per_second: pooled.map(|mode| mode.queries_per_second),
            p95_ms: pooled.map(|mode| mode.p95_ms),
            checks_passed: count(Verdict::Pass),
            checks_failed: count(Verdict::Fail),
            checks_skipped: count(Verdict::Skipped),
        }
    }
}
