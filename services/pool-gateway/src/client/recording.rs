//! What is told of one statement, whatever becomes of it.
//!
//! A recording is made when the request comes in and told by its drop, so that a statement whose caller went away is
//! counted like any other.

use std::sync::Arc;

use tokio::time::Instant;
use weir_model::{Coded, ErrorClass, Project};
use weir_proto::common::v1::StatementKind;
use weir_proto::events::v1::{Door, QueryExecuted, QueryShape};
use weir_sql::{Kind, Statement};

use crate::error::Error;
use crate::metrics::Metrics;
use crate::tap::{Record, Tap};

/// The state of a statement that PostgreSQL never answered, because its caller went away.
const SQLSTATE_CANCELLED: &str = "57014";
/// The state of a statement that the gateway itself refused or gave up.
const SQLSTATE_REFUSED: &str = "53000";

/// The figures of one statement, filled in as it goes.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) event: QueryExecuted,
    begun: Instant,
    project: Project,
    statement: Arc<Statement>,
    tap: Tap,
    metrics: Arc<Metrics>,
    outcome: &'static str,
}

impl Recording {
    pub(crate) fn begin(
        begun: Instant,
        project: Project,
        statement: Arc<Statement>,
        tap: Tap,
        metrics: Arc<Metrics>,
    ) -> Self {
        let event = QueryExecuted {
            fingerprint: statement.fingerprint.get(),
            text_hash: statement.text_hash,
            kind: kind(statement.kind).into(),
            writes: statement.writes,
            door: Door::Grpc.into(),
            sqlstate: SQLSTATE_CANCELLED.to_owned(),
            ..QueryExecuted::default()
        };
        Self {
            event,
            begun,
            project,
            statement,
            tap,
            metrics,
            outcome: "cancelled",
        }
    }

    /// The statement ended well.
    pub(crate) fn succeeded(&mut self) {
        self.event.sqlstate.clear();
        self.outcome = "ok";
    }

    /// The statement ended with an error.
    pub(crate) fn failed(&mut self, error: &Error) {
        let sqlstate = match error {
            Error::Upstream(error) => error.server().map(|server| server.sqlstate.clone()),
            Error::StatementTimeout(_) => Some(SQLSTATE_CANCELLED.to_owned()),
            _ => None,
        };
        self.outcome = match (error.class(), &sqlstate) {
            (ErrorClass::Cancelled | ErrorClass::Deadline, _) => "cancelled",
            (_, Some(_)) => "error",
            (_, None) => "refused",
        };
        self.event.sqlstate = sqlstate.unwrap_or_else(|| SQLSTATE_REFUSED.to_owned());
    }

    /// Microseconds since the request came in.
    pub(crate) fn elapsed_us(&self) -> u64 {
        micros(self.begun.elapsed())
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let event = std::mem::take(&mut self.event);
        let kind = self.statement.kind.as_str();
        self.metrics
            .queries
            .with([self.project.as_str(), kind, self.outcome])
            .inc();
        self.metrics
            .query_duration_seconds
            .with([])
            .observe(self.begun.elapsed().as_secs_f64());
        self.tap.record(Record {
            project: self.project.clone(),
            event,
            statement: self.statement.clone(),
        });
    }
}

/// Whole microseconds of a duration.
pub(crate) fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What a fingerprint stands for, as the monitor is told.
pub(crate) fn shape(statement: &Statement) -> QueryShape {
    QueryShape {
        fingerprint: statement.fingerprint.get(),
        text: statement.text.clone().unwrap_or_default(),
        kind: kind(statement.kind).into(),
        writes: statement.writes,
    }
}

const fn kind(kind: Kind) -> StatementKind {
    match kind {
        Kind::Select => StatementKind::Select,
        Kind::Insert => StatementKind::Insert,
        Kind::Update => StatementKind::Update,
        Kind::Delete => StatementKind::Delete,
        Kind::Merge => StatementKind::Merge,
        Kind::Copy => StatementKind::Copy,
        Kind::Ddl => StatementKind::Ddl,
        Kind::Transaction => StatementKind::Transaction,
        Kind::Utility => StatementKind::Utility,
        Kind::Unknown => StatementKind::Unspecified,
    }
}
