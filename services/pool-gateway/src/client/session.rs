//! One statement from its request to its last row: lease, run, measure, give back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use weir_model::{Clock, Coded as _, ErrorClass, Project};
use weir_sql::{Kind, Statement};
use weir_upstream::TransactionStatus;
use weir_upstream::{Batch, Completion, Connection, DataRow, Format, Limits, Parameter, RowDescription, RowStream};

use super::recording::Recording;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::pool::{Lease, Pools};
use crate::settings::GatewaySettings;
use crate::shapes::Shapes;
use crate::tap::Tap;

/// As much of a calling program's name as PostgreSQL keeps.
const APPLICATION_CHARS_MAX: usize = 63;

/// The value of a parameter, as text.
#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) text: Option<Vec<u8>>,
    /// The type that the caller named; 0 lets PostgreSQL infer it.
    pub(crate) type_oid: u32,
}

impl Argument {
    fn as_parameter(&self) -> Parameter<'_> {
        Parameter {
            value: self.text.as_deref(),
            format: Format::Text,
            type_oid: self.type_oid,
        }
    }
}

/// A statement as a caller wants it run.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) project: Project,
    pub(crate) database: String,
    pub(crate) sql: String,
    pub(crate) arguments: Vec<Argument>,
    /// What is wrong with it: it is not run, but it is told of.
    pub(crate) flaw: Option<Error>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) application: String,
    pub(crate) traceparent: String,
}

/// Takes the rows of a statement as they come.
pub(crate) trait Rows: Send {
    /// The columns, before the first row.
    fn columns(&mut self, columns: &RowDescription<'_>) -> impl Future<Output = Result<(), Error>> + Send;
    /// One row. False: no more are wanted.
    fn row(&mut self, row: DataRow<'_>) -> Result<bool, Error>;
    /// The longest row that can be taken, in bytes.
    fn row_bytes_max(&self) -> usize;
    /// Makes room before more rows are read; this is where a slow caller is waited for.
    fn make_room(&mut self) -> impl Future<Output = Result<(), Error>> + Send;
}

/// How a statement ended.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    pub(crate) command_tag: String,
    pub(crate) rows_affected: u64,
    pub(crate) truncated: bool,
    pub(crate) queue_wait_us: u64,
    pub(crate) server_us: u64,
    pub(crate) total_us: u64,
    pub(crate) fingerprint: String,
}

/// Runs statements. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    pub(crate) pools: Arc<Pools>,
    pub(crate) shapes: Shapes,
    pub(crate) tap: Tap,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) settings: Arc<GatewaySettings>,
    pub(crate) clock: Clock,
    pub(crate) user: String,
    pub(crate) upstream: String,
}

impl Sessions {
    /// Runs a statement and hands its rows to `rows`.
    pub(crate) async fn run(&self, mut ask: Ask, rows: &mut impl Rows) -> Result<Done, Error> {
        let known = self.shapes.at_once(&ask.sql);
        let shown = known.clone().unwrap_or_else(|| self.shapes.unread(&ask.sql));
        let mut recording = self.recording(&ask, Instant::now(), shown);
        let ended = match self.flaw(&mut ask) {
            Some(error) => Err(error),
            None => self.in_time(&ask, known, rows, &mut recording).await,
        };
        match &ended {
            Ok(_) => recording.succeeded(),
            Err(error) => recording.failed(error),
        }
        ended.map(|mut done| {
            done.total_us = recording.elapsed_us();
            done
        })
    }

    /// What is wrong with a statement before it is run.
    fn flaw(&self, ask: &mut Ask) -> Option<Error> {
        let (bytes, max) = (ask.sql.len(), self.settings.statement_bytes_max);
        if bytes > max {
            return Some(Error::StatementTooLong { bytes, max });
        }
        ask.flaw.take()
    }

    /// Runs a statement within the time that its caller gave, waiting included.
    async fn in_time(
        &self,
        ask: &Ask,
        known: Option<Arc<Statement>>,
        rows: &mut impl Rows,
        recording: &mut Recording,
    ) -> Result<Done, Error> {
        let attempt = self.attempt(ask, known, rows, recording);
        let Some(allowed) = ask.timeout else {
            return attempt.await;
        };
        // Dropping the attempt leaves its connection in the middle of a reply; the lease cancels what still runs on it.
        let ended = timeout(allowed, attempt).await;
        ended.unwrap_or(Err(Error::StatementTimeout(allowed)))
    }

    fn recording(&self, ask: &Ask, begun: Instant, statement: Arc<Statement>) -> Recording {
        let (project, tap) = (ask.project.clone(), self.tap.clone());
        let mut recording = Recording::begin(begun, project, statement, tap, self.metrics.clone());
        let event = &mut recording.event;
        event.started_unix_ms = self.clock.unix_ms();
        event.database = if ask.database.is_empty() {
            self.pools.own_database()
        } else {
            ask.database.clone()
        };
        event.user.clone_from(&self.user);
        event.upstream.clone_from(&self.upstream);
        event.application = ask.application.chars().take(APPLICATION_CHARS_MAX).collect();
        event.traceparent.clone_from(&ask.traceparent);
        let arguments: usize = ask
            .arguments
            .iter()
            .map(|argument| argument.text.as_ref().map_or(0, Vec::len))
            .sum();
        event.bytes_in = (ask.sql.len() + arguments) as u64;
        recording
    }

    async fn attempt(
        &self,
        ask: &Ask,
        known: Option<Arc<Statement>>,
        rows: &mut impl Rows,
        recording: &mut Recording,
    ) -> Result<Done, Error> {
        let statement = match known {
            Some(statement) => statement,
            None => self.shapes.read(&ask.sql).await,
        };
        recording.is_of(statement.clone());
        let mut lease = self.lease(ask, recording).await?;
        if leaves_traces(&statement) {
            lease.needs_reset();
        }
        let limit = self.settings.statement_timeout;
        let ended = timeout(limit, self.query(ask, &statement, rows, recording, &mut lease)).await;
        ended.unwrap_or(Err(Error::StatementTimeout(limit)))
    }

    async fn lease(&self, ask: &Ask, recording: &mut Recording) -> Result<Lease, Error> {
        let pool = self.pools.get(&ask.database)?;
        recording.waiting();
        let leased = pool.acquire(self.settings.acquire_timeout).await;
        recording.waited();
        leased
    }

    async fn query(
        &self,
        ask: &Ask,
        statement: &Statement,
        rows: &mut impl Rows,
        recording: &mut Recording,
        lease: &mut Lease,
    ) -> Result<Done, Error> {
        let connection = lease.connection().ok_or(Error::Stopping)?;
        recording.sent();
        let ended = read_rows(connection, ask, rows, recording).await;
        recording.answered();
        if let Err(Error::Upstream(error)) = &ended
            && connection.is_broken()
            && error.class() == ErrorClass::Unavailable
        {
            lease.lost();
        }
        self.settle(lease).await?;
        let ReadOut { tag, rows, truncated } = ended?;
        recording.event.rows = rows.unwrap_or(recording.event.rows);
        Ok(Done {
            command_tag: tag,
            rows_affected: rows.unwrap_or_default(),
            truncated,
            queue_wait_us: recording.event.queue_wait_us,
            server_us: recording.event.server_us,
            total_us: 0,
            fingerprint: statement.fingerprint.to_string(),
        })
    }

    /// A call is one transaction: one that is left open can be ended by nobody, so it is ended here.
    async fn settle(&self, lease: &mut Lease) -> Result<(), Error> {
        let Some(connection) = lease.connection() else {
            return Ok(());
        };
        if connection.is_broken() || connection.transaction_status() == TransactionStatus::Idle {
            return Ok(());
        }
        connection.simple_query("rollback").await?;
        Err(Error::TransactionLeftOpen)
    }
}

/// Whether a statement may leave something behind in its session: a setting, a temporary table, a lock, a cursor.
///
/// A function of the user's own that changes its session cannot be seen from here.
fn leaves_traces(statement: &Statement) -> bool {
    match statement.kind {
        // Its writing is expected; what it calls besides is looked for by name.
        Kind::Insert | Kind::Update | Kind::Delete | Kind::Merge => statement.locks || names_a_setting(statement),
        // A select that writes calls a function such as set_config or nextval; one that locks may take an advisory lock.
        Kind::Select => statement.writes || statement.locks,
        Kind::Copy | Kind::Ddl | Kind::Transaction | Kind::Utility | Kind::Unknown => true,
    }
}

/// Whether a statement may call `set_config`, or cannot be read to its end. A name in Unicode escapes may be any name.
fn names_a_setting(statement: &Statement) -> bool {
    let Some(text) = &statement.text else { return true };
    let text = text.to_ascii_lowercase();
    text.contains("set_config") || text.contains("u&\"") || text.ends_with('…')
}

/// What is known of a reply when its rows have been read.
struct ReadOut {
    tag: String,
    /// Rows returned or changed, where the command counts them.
    rows: Option<u64>,
    truncated: bool,
}

async fn read_rows(
    connection: &mut Connection,
    ask: &Ask,
    rows: &mut impl Rows,
    recording: &mut Recording,
) -> Result<ReadOut, Error> {
    let parameters: Vec<Parameter<'_>> = ask.arguments.iter().map(Argument::as_parameter).collect();
    let limits = Limits {
        row_bytes_max: rows.row_bytes_max(),
        ..Limits::default()
    };
    let mut stream = connection.query(&ask.sql, &parameters).await?.limited(limits);
    rows.columns(&stream.columns()).await?;
    let mut truncated = false;
    while !truncated && let Some(batch) = next_batch(&mut stream, limits).await? {
        recording.event.bytes_out += batch.frames().len() as u64;
        for row in batch.rows() {
            truncated = !rows.row(row)?;
            if truncated {
                break;
            }
            recording.event.rows += 1;
        }
        recording.draining();
        rows.make_room().await?;
        recording.drained();
    }
    // A caller who wants no more rows still wants the statement to end well: a write must not be undone by a limit.
    let Completion { tag, rows } = stream.finish().await?;
    Ok(ReadOut { tag, rows, truncated })
}

async fn next_batch<'s>(stream: &'s mut RowStream<'_>, limits: Limits) -> Result<Option<Batch<'s>>, Error> {
    stream.next_batch().await.map_err(|error| match error {
        weir_upstream::Error::TooLarge { .. } => Error::ReplyTooLarge {
            limit: reply_limit(limits.row_bytes_max),
        },
        error => error.into(),
    })
}

/// The limit of a reply, in words.
pub(super) fn reply_limit(bytes_max: usize) -> String {
    format!("{bytes_max} bytes (gateway.reply_bytes_max)")
}
