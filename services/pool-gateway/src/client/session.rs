//! One statement from its request to its last row: lease, run, measure, give back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use weir_model::{Clock, Project};
use weir_sql::{Kind, Statement};
use weir_upstream::{Connection, DataRow, Format, Parameter, RowDescription, TransactionStatus};

use super::recording::{Recording, micros};
use crate::error::Error;
use crate::metrics::Metrics;
use crate::pool::{Lease, Pools};
use crate::settings::GatewaySettings;
use crate::shapes::Shapes;
use crate::tap::Tap;

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
    pub(crate) async fn run(&self, ask: Ask, rows: &mut impl Rows) -> Result<Done, Error> {
        let begun = Instant::now();
        let max = self.settings.statement_bytes_max;
        if ask.sql.len() > max {
            return Err(Error::StatementTooLong {
                bytes: ask.sql.len(),
                max,
            });
        }
        let statement = self.shapes.of(&ask.sql).await;
        let mut recording = self.recording(&ask, begun, &statement);
        let allowed = ask
            .timeout
            .unwrap_or(self.settings.statement_timeout)
            .min(self.settings.statement_timeout);
        let ended = match timeout_at(begun + allowed, self.attempt(&ask, &statement, rows, &mut recording)).await {
            Ok(ended) => ended,
            // Dropping the attempt has marked its connection; the lease cancels what still runs on it.
            Err(_) => Err(Error::StatementTimeout(allowed)),
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

    fn recording(&self, ask: &Ask, begun: Instant, statement: &Arc<Statement>) -> Recording {
        let (project, tap) = (ask.project.clone(), self.tap.clone());
        let mut recording = Recording::begin(begun, project, statement.clone(), tap, self.metrics.clone());
        let event = &mut recording.event;
        event.started_unix_ms = self.clock.unix_ms();
        event.database = if ask.database.is_empty() {
            self.pools.own_database()
        } else {
            ask.database.clone()
        };
        event.user.clone_from(&self.user);
        event.upstream.clone_from(&self.upstream);
        event.application.clone_from(&ask.application);
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
        statement: &Statement,
        rows: &mut impl Rows,
        recording: &mut Recording,
    ) -> Result<Done, Error> {
        let asked = Instant::now();
        let pool = self.pools.get(&ask.database)?;
        let leased = pool.acquire(self.settings.acquire_timeout).await;
        recording.event.queue_wait_us = micros(asked.elapsed());
        let mut lease = leased?;
        if leaves_traces(statement) {
            lease.needs_reset();
        }
        let done = self.query(ask, statement, rows, recording, &mut lease).await;
        self.settle(&mut lease).await?;
        done
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
        let mut counter = Counter::default();
        let sent = Instant::now();
        let ended = read_rows(connection, ask, rows, &mut counter).await;
        recording.event.drain_us = micros(counter.drained);
        recording.event.server_us = micros(sent.elapsed().saturating_sub(counter.drained));
        recording.event.bytes_out = counter.bytes;
        let (command_tag, affected) = ended?;
        let rows_affected = affected.unwrap_or(counter.rows);
        recording.event.rows = rows_affected;
        Ok(Done {
            command_tag,
            rows_affected,
            truncated: counter.truncated,
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
fn leaves_traces(statement: &Statement) -> bool {
    match statement.kind {
        Kind::Insert | Kind::Update | Kind::Delete | Kind::Merge => false,
        // A select that writes calls a function such as set_config, nextval or an advisory lock.
        Kind::Select => statement.writes,
        Kind::Copy | Kind::Ddl | Kind::Transaction | Kind::Utility | Kind::Unknown => true,
    }
}

#[derive(Debug, Default)]
struct Counter {
    rows: u64,
    bytes: u64,
    drained: Duration,
    truncated: bool,
}

async fn read_rows(
    connection: &mut Connection,
    ask: &Ask,
    rows: &mut impl Rows,
    counter: &mut Counter,
) -> Result<(String, Option<u64>), Error> {
    let parameters: Vec<Parameter<'_>> = ask.arguments.iter().map(Argument::as_parameter).collect();
    let mut stream = connection.query(&ask.sql, &parameters).await?;
    rows.columns(&stream.columns()).await?;
    while !counter.truncated
        && let Some(batch) = stream.next_batch().await?
    {
        counter.bytes += batch.frames().len() as u64;
        for row in batch.rows() {
            if !rows.row(row)? {
                counter.truncated = true;
                break;
            }
            counter.rows += 1;
        }
        let waited = Instant::now();
        rows.make_room().await?;
        counter.drained += waited.elapsed();
    }
    // A caller who wants no more rows still wants the statement to end well: a write must not be undone by a limit.
    let completion = stream.finish().await?;
    Ok((completion.tag, completion.rows))
}
