//! What is told of one statement, whatever becomes of it.
//!
//! A recording is made when the request comes in and told by its drop, so that a statement whose caller went away is
//! counted like any other.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use weir_model::{Coded, ErrorClass};
use weir_proto::common::v1::StatementKind;
use weir_proto::events::v1::{CacheOutcome, QueryShape};
use weir_sql::{Kind, Statement};

use super::causal::Writes;
use super::wire::{Account, Totals};
use crate::budget::{Cost, Purse};
use crate::cache::Asker;
use crate::error::Error;
use crate::firewall::{End, Guarded, Terms as Firewall};
use crate::tap::{Origin, Outcome, Record, Tap};

/// The state of a statement that PostgreSQL never answered, because its caller went away.
const SQLSTATE_CANCELLED: &str = "57014";
/// The state of a statement whose connection was lost.
const SQLSTATE_LOST: &str = "08006";
/// The state of a statement that the gateway itself refused or gave up.
const SQLSTATE_REFUSED: &str = "53000";

/// The state of a statement that the firewall refused.
const SQLSTATE_FORBIDDEN: &str = "42501";

/// The figures of one statement, filled in as it goes.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) figures: Figures,
    begun: Instant,
    /// Since when a connection is waited for.
    waiting: Option<Instant>,
    /// Since when PostgreSQL is at it.
    sent: Option<Instant>,
    /// Since when the caller is waited for.
    draining: Option<Instant>,
    drained: Duration,
    origin: Arc<Origin>,
    traceparent: String,
    text_hash: u64,
    statement: Arc<Statement>,
    /// Whether it is one of several in a transaction, which another one stands for.
    is_part: bool,
    /// Whether it was told of as a violation.
    is_told: bool,
    /// What the rules say of the caller.
    pub(crate) terms: Terms,
    tap: Tap,
    sqlstate: String,
    outcome: Outcome,
    /// What memory said.
    pub(crate) cache: CacheOutcome,
}

/// What holds for a caller.
#[derive(Debug)]
pub(crate) struct Terms {
    /// The share of its project in the line for a connection.
    pub(crate) weight: f64,
    pub(crate) statement_timeout: Duration,
    /// What it pays from, where its project has a budget.
    pub(crate) purse: Option<Purse>,
    /// Where what it does is counted.
    pub(crate) account: Arc<Account>,
    /// Where writes are noted, for those who read afterwards.
    pub(crate) writes: Option<Arc<Writes>>,
    /// Whose answers come from memory; what it does is noted there.
    pub(crate) asker: Option<Asker>,
    /// What the firewall knows of it, and does.
    pub(crate) guarded: Guarded,
    pub(crate) firewall: Firewall,
}

/// What is counted of a statement.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) started_unix_ms: i64,
    pub(crate) queue_wait_us: u64,
    pub(crate) server_us: u64,
    pub(crate) drain_us: u64,
    pub(crate) rows: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

impl Recording {
    pub(crate) fn begin(
        begun: Instant,
        origin: Arc<Origin>,
        traceparent: String,
        text_hash: u64,
        statement: Arc<Statement>,
        terms: Terms,
        tap: Tap,
    ) -> Self {
        Self {
            figures: Figures::default(),
            begun,
            waiting: None,
            sent: None,
            draining: None,
            drained: Duration::ZERO,
            origin,
            traceparent,
            text_hash,
            statement,
            is_part: false,
            is_told: false,
            terms,
            tap,
            sqlstate: SQLSTATE_CANCELLED.to_owned(),
            outcome: Outcome::Cancelled,
            cache: CacheOutcome::Unspecified,
        }
    }

    /// The statement has been read after all.
    pub(crate) fn is_of(&mut self, statement: Arc<Statement>) {
        self.statement = statement;
    }

    /// This server answers it, or is to.
    pub(crate) fn is_answered_by(&mut self, origin: Arc<Origin>) {
        self.origin = origin;
    }

    /// By which its text is told from others.
    pub(crate) const fn text_hash(&self) -> u64 {
        self.text_hash
    }

    /// Whose it is.
    pub(crate) const fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// What it is of.
    pub(crate) const fn statement(&self) -> &Arc<Statement> {
        &self.statement
    }

    /// Asks the firewall whether the statement may go to PostgreSQL.
    pub(crate) fn may_run(&mut self) -> Result<(), Error> {
        let Terms { guarded, firewall, .. } = &self.terms;
        let trace = Some(self.traceparent.as_str());
        guarded.check(*firewall, &self.statement, trace)?;
        self.is_told |= guarded.passes(*firewall, &self.statement, trace);
        Ok(())
    }

    /// It is one of several in a transaction.
    pub(crate) const fn is_part(&mut self) {
        self.is_part = true;
    }

    /// A connection is waited for.
    pub(crate) fn waiting(&mut self) {
        self.waiting.get_or_insert_with(Instant::now);
    }

    /// There is a connection, or nobody waits for one any more.
    pub(crate) fn waited(&mut self) {
        if let Some(since) = self.waiting.take() {
            self.figures.queue_wait_us = micros(since.elapsed());
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
            self.figures.drain_us = micros(self.drained);
            self.figures.server_us = micros(sent.elapsed().saturating_sub(self.drained));
        }
    }

    /// What was read of an answer counts for nothing, and another one is asked for.
    pub(crate) const fn starts_over(&mut self) {
        self.figures.rows = 0;
        self.figures.bytes_out = 0;
    }

    /// The statement ended well.
    pub(crate) fn succeeded(&mut self) {
        self.sqlstate.clear();
        self.outcome = Outcome::Ok;
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
            (ErrorClass::Cancelled | ErrorClass::Deadline, _) => Outcome::Cancelled,
            (_, Some(_)) => Outcome::Error,
            (_, None) => Outcome::Refused,
        };
        let refused = match error {
            Error::FirewallBlocked { .. } => SQLSTATE_FORBIDDEN,
            _ => SQLSTATE_REFUSED,
        };
        self.sqlstate = sqlstate.unwrap_or_else(|| refused.to_owned());
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
        if let Some(writes) = &self.terms.writes {
            writes.note(&self.origin.project, &self.statement);
        }
        if let Some(asker) = self.terms.asker.as_ref().filter(|_| self.cache != CacheOutcome::Hit) {
            asker.was_answered();
        }
        let end = End {
            outcome: self.outcome,
            sqlstate: &self.sqlstate,
            is_told: self.is_told,
            trace: Some(&self.traceparent),
        };
        self.terms.guarded.ended(self.terms.firewall, &self.statement, end);
        let figures = &self.figures;
        let ended = Instant::now();
        self.terms.account.add(Totals {
            transactions: u64::from(!self.is_part),
            statements: 1,
            bytes_in: figures.bytes_in,
            bytes_out: figures.bytes_out,
            transaction_us: figures.server_us,
            server_us: figures.server_us,
            wait_us: figures.queue_wait_us,
        });
        if let Some(purse) = &self.terms.purse {
            match self.outcome {
                Outcome::Refused => purse.give_back(),
                _ => {
                    let bytes = figures.bytes_in.saturating_add(figures.bytes_out);
                    purse.settle(Cost::of(figures.rows, bytes, figures.server_us));
                }
            }
        }
        self.tap.record(&Record {
            origin: &self.origin,
            statement: &self.statement,
            text_hash: self.text_hash,
            outcome: self.outcome,
            sqlstate: &self.sqlstate,
            traceparent: &self.traceparent,
            started_unix_ms: figures.started_unix_ms,
            ended,
            queue_wait_us: figures.queue_wait_us,
            server_us: figures.server_us,
            drain_us: figures.drain_us,
            total: ended.duration_since(self.begun),
            rows: figures.rows,
            bytes_in: figures.bytes_in,
            bytes_out: figures.bytes_out,
            cache: self.cache,
        });
    }
}

/// Whole microseconds of a duration.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What a fingerprint stands for, as the monitor is told.
pub(crate) fn shape(statement: &Statement) -> QueryShape {
    QueryShape {
        fingerprint: statement.fingerprint.get(),
        text: statement.text.clone().unwrap_or_default(),
        kind: kind_code(statement.kind).into(),
        writes: statement.writes,
    }
}

/// The kind of a statement, as the events name it.
pub(crate) const fn kind_code(kind: Kind) -> StatementKind {
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
