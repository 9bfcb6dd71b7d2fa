//! One transaction in somebody's hands, from BEGIN to its end.
//!
//! However its holder goes away, the drop rolls it back, and the connection is somebody else's afterwards. Nothing of it
//! goes to a server that is not the primary any more: there it might be acknowledged and lost.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use weir_model::Project;
use weir_runtime::Stage;
use weir_sql::Kind;
use weir_upstream::{Command, Connection, Prepared, TransactionStatus};

use super::batch::{TOKEN, server, text};
use super::reading::{read_rows, read_to_sync, read_value};
use super::recording::Recording;
use super::session::{Ask, Done, Rows, Sessions, done, leaves_traces, note_loss};
use super::wire::FAILS;
use crate::error::Error;
use crate::pool::{Lease, Pool};

/// Longer names PostgreSQL would cut, and take two for one.
const SAVEPOINT_BYTES_MAX: usize = 63;

/// What all statements of a transaction have in common.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) project: Project,
    pub(crate) database: String,
    pub(crate) application: String,
    pub(crate) traceparent: String,
    /// Where the caller is.
    pub(crate) client: Arc<str>,
}

impl Scope {
    fn ask(&self, sql: &str) -> Ask {
        Ask {
            project: self.project.clone(),
            database: self.database.clone(),
            sql: sql.to_owned(),
            arguments: Vec::new(),
            flaw: None,
            timeout: None,
            application: self.application.clone(),
            traceparent: self.traceparent.clone(),
            client: self.client.clone(),
            operation: String::new(),
            prepared: false,
            min_position: None,
            consistency: None,
            empty_ttl: None,
        }
    }
}

/// What can be done with a savepoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Savepoint {
    Set,
    RollBackTo,
    Release,
}

/// An open transaction.
#[derive(Debug)]
pub(crate) struct OpenTransaction {
    sessions: Sessions,
    scope: Scope,
    lease: Option<Lease>,
}

impl OpenTransaction {
    /// Takes a connection and begins.
    pub(crate) async fn begin(sessions: &Sessions, scope: Scope, begin: &str) -> Result<Self, Error> {
        let mut open = Self {
            sessions: sessions.clone(),
            scope,
            lease: None,
        };
        let mut recording = open.recording(begin);
        recording.is_part();
        let begun = open.begin_on(begin, &mut recording).await;
        told(recording, begun)?;
        Ok(open)
    }

    async fn begin_on(&mut self, begin: &str, recording: &mut Recording) -> Result<(), Error> {
        let Scope { project, database, .. } = &self.scope;
        let mut lease = self.sessions.lease(project, database, recording).await?;
        lease.is_for_transaction();
        self.lease = Some(lease);
        let limit = self.limit();
        let connection = self.connection()?;
        recording.sent();
        let begun = timeout(limit, connection.simple_query(begin)).await;
        self.answered(recording);
        begun.map_err(|_| Error::StatementTimeout(limit))??;
        Ok(())
    }

    /// Whether the connection is gone, and the transaction with it.
    pub(crate) fn is_lost(&mut self) -> bool {
        self.connection().map_or(true, |connection| {
            connection.is_broken() || connection.transaction_status() == TransactionStatus::Idle
        })
    }

    /// What its statements have in common.
    pub(crate) const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Runs a statement in it.
    pub(crate) async fn execute(&mut self, mut ask: Ask, rows: &mut impl Rows) -> Result<Done, Error> {
        let sessions = self.sessions.clone();
        let known = sessions.shapes.at_once(&ask.sql);
        let shown = known.clone().unwrap_or_else(|| sessions.shapes.unread(&ask.sql));
        let mut recording = sessions.recording(&ask, Instant::now(), shown);
        recording.is_part();
        let ended = match sessions.flaw(&mut ask) {
            Some(error) => Err(error),
            None => {
                let statement = match known {
                    Some(statement) => statement,
                    None => sessions.shapes.read(&ask.sql).await,
                };
                recording.is_of(statement.clone());
                let ended = match (statement.kind, recording.may_run()) {
                    (Kind::Transaction, _) => Err(Error::TransactionControl),
                    (_, Err(error)) => self.fails_with(error).await,
                    (_, Ok(())) => self.run(&ask, leaves_traces(&statement), rows, &mut recording).await,
                };
                ended.map(|read| done(read, &statement, &recording))
            }
        };
        match &ended {
            Ok(_) => recording.succeeded(),
            Err(error) => recording.failed(error),
        }
        ended
    }

    /// Has the transaction fail with an error of the gateway's, as it would with one of PostgreSQL's.
    async fn fails_with<T>(&mut self, error: Error) -> Result<T, Error> {
        let limit = self.limit();
        let connection = self.connection()?;
        // That it fails is what is wanted.
        let _ = timeout(limit, connection.simple_query(FAILS)).await;
        Err(error)
    }

    async fn run(
        &mut self,
        ask: &Ask,
        leaves_traces: bool,
        rows: &mut impl Rows,
        recording: &mut Recording,
    ) -> Result<super::reading::ReadOut, Error> {
        let limit = self.limit();
        let pool = self.primary()?;
        let lease = self.lease.as_mut().ok_or(Error::Stopping)?;
        if leaves_traces {
            lease.needs_reset();
        }
        lease.runs(recording.statement().clone());
        let connection = lease.connection().ok_or(Error::Stopping)?;
        recording.sent();
        let read = timeout(limit, while_primary(&pool, read_rows(connection, ask, rows, recording))).await;
        lease.rests();
        recording.answered();
        let ended = read.unwrap_or(Err(Error::StatementTimeout(limit)));
        if let Err(error) = &ended {
            note_loss(lease, error);
        }
        self.leave_if_moved(&ended);
        let read = ended?;
        recording.figures.rows = read.rows.unwrap_or(recording.figures.rows);
        Ok(read)
    }

    /// What a statement takes and returns, as the server says within this transaction.
    pub(crate) async fn describe(&mut self, sql: &str, types: &[u32]) -> Result<Arc<Prepared>, Error> {
        let mut recording = self.recording(sql);
        let limit = self.limit();
        let (bytes, max) = (sql.len(), self.sessions.settings().statement_bytes_max);
        if bytes > max {
            return told(recording, Err(Error::StatementTooLong { bytes, max }));
        }
        if self.sessions.shapes.is_long(sql) && !recording.statement().parsed {
            recording.is_of(self.sessions.shapes.read(sql).await);
        }
        if let Err(error) = recording.may_run() {
            let ended = self.fails_with(error).await;
            return told(recording, ended);
        }
        let pool = match self.primary() {
            Ok(pool) => pool,
            Err(error) => return told(recording, Err(error)),
        };
        self.sent(&mut recording);
        let connection = self.connection()?;
        let prepared = async { Ok(connection.prepare(sql, types).await?) };
        let ended = timeout(limit, while_primary(&pool, prepared)).await;
        self.answered(&mut recording);
        let ended = ended.unwrap_or(Err(Error::StatementTimeout(limit)));
        self.leave_if_moved(&ended);
        told(recording, ended)
    }

    /// Does something with a savepoint.
    pub(crate) async fn savepoint(&mut self, what: Savepoint, name: &str) -> Result<(), Error> {
        if name.is_empty() || name.len() > SAVEPOINT_BYTES_MAX || name.contains('\0') {
            let reason = format!("the name of a savepoint has 1 to {SAVEPOINT_BYTES_MAX} bytes, and no zero byte");
            return Err(Error::Request(reason));
        }
        let verb = match what {
            Savepoint::Set => "savepoint",
            Savepoint::RollBackTo => "rollback to savepoint",
            Savepoint::Release => "release savepoint",
        };
        self.control(&format!("{verb} \"{}\"", name.replace('"', "\"\""))).await
    }

    async fn control(&mut self, sql: &str) -> Result<(), Error> {
        let mut recording = self.recording(sql);
        let limit = self.limit();
        let pool = match self.primary() {
            Ok(pool) => pool,
            Err(error) => return told(recording, Err(error)),
        };
        self.sent(&mut recording);
        let connection = self.connection()?;
        let done = async { Ok(connection.simple_query(sql).await.map(|_| ())?) };
        let ended = timeout(limit, while_primary(&pool, done)).await;
        self.answered(&mut recording);
        let ended = ended.unwrap_or(Err(Error::StatementTimeout(limit)));
        self.leave_if_moved(&ended);
        told(recording, ended)
    }

    /// Ends it so that it stands, and says where that is in the log, if that is asked for.
    pub(crate) async fn commit(mut self, want_token: bool) -> Result<Option<String>, Error> {
        let mut recording = self.recording("commit");
        let limit = self.limit();
        let pool = match self.primary() {
            Ok(pool) => pool,
            Err(error) => return told(recording, Err(error)),
        };
        self.sent(&mut recording);
        let connection = self.connection()?;
        let had_failed = connection.transaction_status() == TransactionStatus::Failed;
        let ended = timeout(limit, while_primary(&pool, commit(connection, want_token))).await;
        self.answered(&mut recording);
        let ended = match ended.unwrap_or(Err(Error::StatementTimeout(limit))) {
            Ok(_) if had_failed => Err(Error::TransactionAborted),
            // It was on its way, and may have been done.
            Err(Error::PrimaryMoved { from }) => Err(lost(from)),
            ended => ended,
        };
        if let (Err(error), Some(lease)) = (&ended, &mut self.lease) {
            note_loss(lease, error);
        }
        told(recording, ended)
    }

    /// Ends it so that it is undone.
    pub(crate) async fn roll_back(mut self) -> Result<(), Error> {
        match self.control("rollback").await {
            // Nothing of it stands.
            Err(Error::PrimaryMoved { .. }) => Ok(()),
            ended => ended,
        }
    }

    /// The pool that the transaction is in, whose server is the primary. Where it no longer is, the transaction is over.
    fn primary(&mut self) -> Result<Arc<Pool>, Error> {
        let pool = self.lease.as_ref().ok_or(Error::Stopping)?.pool().clone();
        let ended = if pool.is_primary() { Ok(pool) } else { Err(pool.left()) };
        self.leave_if_moved(&ended);
        ended
    }

    /// Gives up the connection to a server that is not the primary any more.
    fn leave_if_moved<T>(&mut self, ended: &Result<T, Error>) {
        if let Err(Error::PrimaryMoved { .. }) = ended
            && let Some(lease) = self.lease.take()
        {
            lease.discard("moved");
        }
    }

    fn connection(&mut self) -> Result<&mut Connection, Error> {
        self.lease.as_mut().and_then(Lease::connection).ok_or(Error::Stopping)
    }

    /// Something goes to PostgreSQL.
    fn sent(&mut self, recording: &mut Recording) {
        recording.sent();
        if let Some(lease) = &mut self.lease {
            lease.runs(recording.statement().clone());
        }
    }

    /// PostgreSQL is done with it.
    fn answered(&mut self, recording: &mut Recording) {
        recording.answered();
        if let Some(lease) = &mut self.lease {
            lease.rests();
        }
    }

    fn limit(&self) -> Duration {
        let Scope {
            project,
            database,
            application,
            ..
        } = &self.scope;
        self.sessions.policy(project, database, application).statement_timeout
    }

    fn recording(&self, sql: &str) -> Recording {
        let shapes = &self.sessions.shapes;
        let statement = shapes.at_once(sql).unwrap_or_else(|| shapes.unread(sql));
        self.sessions.recording(&self.scope.ask(sql), Instant::now(), statement)
    }
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        let Some(mut lease) = self.lease.take() else { return };
        let is_open = lease
            .connection()
            .is_some_and(|connection| !connection.is_broken() && !connection.is_clean());
        if !is_open {
            return;
        }
        let limit = self.sessions.settings().connect_timeout;
        let tasks = &self.sessions.pools.common().tasks;
        tasks.spawn_short(Stage::Flow, "roll back", async move {
            if let Some(connection) = lease.connection() {
                // Where this fails the lease closes the connection, which rolls back too.
                let _ = timeout(limit, connection.simple_query("rollback")).await;
            }
        });
    }
}

/// What comes of some work, if its server is the primary all the while.
async fn while_primary<T>(pool: &Pool, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut work = pin!(work);
    loop {
        let mut moved = pin!(pool.common.members.moved.notified());
        moved.as_mut().enable();
        if !pool.is_primary() {
            return Err(pool.left());
        }
        tokio::select! {
            ended = &mut work => return if pool.is_primary() { ended } else { Err(pool.left()) },
            () = moved => {}
        }
    }
}

/// What the caller of a COMMIT is told whose answer counts for nothing.
fn lost(place: String) -> Error {
    let reason = "it is not the primary any more".to_owned();
    Error::Upstream(weir_upstream::Error::Io { place, reason })
}

async fn commit(connection: &mut Connection, want_token: bool) -> Result<Option<String>, Error> {
    let mut pipeline = connection.pipeline()?;
    pipeline.control("commit")?;
    pipeline.sync();
    if want_token {
        pipeline.push(&Command::text(TOKEN, &[]))?;
        pipeline.sync();
    }
    let committed = read_to_sync(&mut pipeline).await?;
    let token = if want_token {
        read_value(&mut pipeline).await?
    } else {
        Ok(None)
    };
    match committed.failed {
        Some(error) => Err(server(error)),
        None => text(token),
    }
}

fn told<T>(mut recording: Recording, ended: Result<T, Error>) -> Result<T, Error> {
    match &ended {
        Ok(_) => recording.succeeded(),
        Err(error) => recording.failed(error),
    }
    ended
}
