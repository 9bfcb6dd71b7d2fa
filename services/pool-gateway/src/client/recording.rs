//! What is told of one statement, whatever becomes of it.
//!
//! A recording is made when the request comes in and told by its drop, so that a statement whose caller went away is
//! counted like any other.

use std::sync::Arc;
use std::time::Duration;

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
/// The state of a statement whose connection was lost.
const SQLSTATE_LOST: &str = "08006";
/// The state of a statement that the gateway itself refused or gave up.
const SQLSTATE_REFUSED: &str = "53000";

/// The figures of one statement, filled in as it goes.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) event: QueryExecuted,
    begun: Instant,
    /// Since when a connection is waited for.
    waiting: Option<Instant>,
    /// Since when PostgreSQL is at it.
    sent: Option<Instant>,
    /// Since when the caller is waited for.
    draining: Option<Instant>,
    drained: Duration,
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
            door: Door::Grpc.into(),
            sqlstate: SQLSTATE_CANCELLED.to_owned(),
            ..QueryExecuted::default()
        };
        Self {
            event,
            begun,
            waiting: None,
            sent: None,
            draining: None,
            drained: Duration::ZERO,
            project,
            statement,
            tap,
            metrics,
            outcome: "cancelled",
        }
    }

    /// The statement has been read after all.
    pub(crate) fn is_of(&mut self, statement: Arc<Statement>) {
        self.statement = statement;
    }

    /// A connection is waited for.
    pub(crate) fn waiting(&mut self) {
        self.waiting = Some(Instant::now());
    }

    /// There is a connection, or nobody waits for one any more.
    pub(crate) fn waited(&mut self) {
        if let Some(since) = self.waiting.take() {
            self.event.queue_wait_us = micros(since.elapsed());
        }
    }

    /// The statement goes to PostgreSQL.
    pub(crate) fn sent(&mut self) {
        self.sent = Some(Instant::now());
    }

    /// The caller is waited for.
    pub(crate) fn draining(&mut self) {
        self.draining = Some(Instant::now());
    }

    /// The caller has taken what there was.
    pub(crate) fn drained(&mut self) {
        let since = self.draining.take();
        self.drained += since.map_or(Duration::ZERO, |since| since.elapsed());
    }

    /// PostgreSQL is done with the statement, or nobody waits for that any more.
    pub(crate) fn answered(&mut self) {
        self.drained();
        if let Some(sent) = self.sent.take() {
            self.event.drain_us = micros(self.drained);
            self.event.server_us = micros(sent.elapsed().saturating_sub(self.drained));
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
            Error::Upstream(error) => match (error.server(), error.class()) {
                (Some(server), _) => Some(server.sqlstate.clone()),
                (None, ErrorClass::Unavailable | ErrorClass::Internal) => Some(SQLSTATE_LOST.to_owned()),
                _ => None,
            },
            Error::StatementTimeout(_) | Error::CallerGone => Some(SQLSTATE_CANCELLED.to_owned()),
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
        self.waited();
        self.answered();
        let event = QueryExecuted {
            fingerprint: self.statement.fingerprint.get(),
            text_hash: self.statement.text_hash,
            kind: kind(self.statement.kind).into(),
            writes: self.statement.writes,
            ..std::mem::take(&mut self.event)
        };
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
fn micros(duration: Duration) -> u64 {
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
