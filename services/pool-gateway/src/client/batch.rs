//! Many statements in one write: each by itself, or all in one transaction.
//!
//! With savepoints nobody waits to see whether a statement failed: behind each that succeeds a savepoint is set, before
//! each next one there is a rollback to the last. After a success that undoes nothing, after a failure just the failure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use weir_sql::{Kind, Statement};
use weir_upstream::{
    Command, Connection, Limits, Parameter, Pipeline, Prepared, ServerError, Source, TransactionStatus,
};

use super::idempotency::{Claim, KEEP, Key, SWEEP, claim};
use super::reading::{Synced, read_next, read_to_sync, read_value};
use super::recording::Recording;
use super::refusal::Failure;
use super::session::{Ask, Done, Rows, Sessions, done, leaves_traces, note_loss};
use crate::error::Error;
use crate::pool::Lease;

/// Where what was written ends in the log, its commit included, whatever `synchronous_commit` says.
pub(super) const TOKEN: &str = "select pg_catalog.pg_current_wal_insert_lsn()::text";

/// What the statements of a batch are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Together {
    /// Each is committed by itself.
    Each,
    /// All or nothing.
    All,
    /// In one transaction, from which those that fail are taken out.
    Savepoints,
}

/// Statements as a caller wants them run. They have the project, the database and the limits in common.
#[derive(Debug)]
pub(crate) struct BatchAsk {
    pub(crate) asks: Vec<Ask>,
    pub(crate) together: Together,
    pub(crate) want_token: bool,
    pub(crate) key: Option<Key>,
}

/// What became of each statement.
pub(crate) type Outcomes = Vec<Result<Done, Error>>;

/// How a batch ended.
#[derive(Debug)]
pub(crate) enum Batched {
    /// It was run.
    Ran {
        outcomes: Outcomes,
        token: Option<String>,
        queue_wait_us: u64,
    },
    /// An earlier call with the same key was.
    Replayed { answer: Vec<u8>, token: Option<String> },
}

/// One statement with what is told of it.
struct Entry {
    ask: Ask,
    statement: Arc<Statement>,
    recording: Recording,
    is_told: bool,
    /// The firewall does not let it through. Where the others stand without it, they run.
    refused: Option<Error>,
}

impl Entry {
    /// It goes to PostgreSQL, if it does.
    fn sent(&mut self) {
        if self.refused.is_none() {
            self.recording.sent();
        }
    }

    fn tell(&mut self, ended: Result<(), &Error>) {
        if std::mem::replace(&mut self.is_told, true) {
            return;
        }
        match ended {
            Ok(()) => self.recording.succeeded(),
            Err(error) => self.recording.failed(error),
        }
    }

    /// Statements that begin or end a transaction would end the batch's own, and COPY has no place here.
    fn misfit(&self) -> Option<Error> {
        match self.statement.kind {
            Kind::Transaction => Some(Error::TransactionControl),
            Kind::Copy => Some(weir_upstream::Error::Copy.into()),
            _ => None,
        }
    }
}

impl Sessions {
    /// Runs statements and hands the rows of each to its sink. `answer` makes what is kept under the batch's key.
    pub(crate) async fn batch<R: Rows>(
        &self,
        batch: BatchAsk,
        sinks: &mut [R],
        answer: impl Fn(&mut [R], &Outcomes) -> Vec<u8> + Send,
    ) -> Result<Batched, Failure> {
        let is_kept = batch.key.is_some();
        let mut entries = Vec::with_capacity(batch.asks.len());
        let (mut project, mut operation, mut allowed) = (None, String::new(), None);
        for ask in batch.asks {
            project.get_or_insert_with(|| ask.project.clone());
            operation.clone_from(&ask.operation);
            allowed = ask.timeout;
            let mut entry = self.entry(ask);
            if batch.together != Together::Each && !entries.is_empty() {
                entry.recording.is_part();
            }
            entries.push(entry);
        }
        let Some(project) = project else {
            return Err(Error::Request("a batch has at least one statement".to_owned()).into());
        };
        let run = Run {
            sessions: self,
            entries: &mut entries,
            sinks,
            together: batch.together,
            want_token: batch.want_token,
            key: batch.key.as_ref(),
            first: 0,
        };
        let ended = self.governed(&project, &operation, allowed, run.run(answer)).await;
        let ended = ended.map_err(|failure| Failure { is_kept, ..failure });
        for entry in &mut entries {
            entry.tell(ended.as_ref().map(|_| ()).map_err(|failure| &*failure.error));
        }
        ended
    }

    fn entry(&self, ask: Ask) -> Entry {
        let statement = self
            .shapes
            .at_once(&ask.sql)
            .unwrap_or_else(|| self.shapes.unread(&ask.sql));
        let recording = self.recording(&ask, Instant::now(), statement.clone());
        Entry {
            ask,
            statement,
            recording,
            is_told: false,
            refused: None,
        }
    }
}

/// A batch that is being run.
struct Run<'r, R> {
    sessions: &'r Sessions,
    entries: &'r mut [Entry],
    sinks: &'r mut [R],
    together: Together,
    want_token: bool,
    key: Option<&'r Key>,
    /// The place of the first that goes to PostgreSQL.
    first: usize,
}

/// The name of a prepared statement for each entry that has one.
type Names = Vec<Option<Arc<Prepared>>>;

impl<R: Rows> Run<'_, R> {
    async fn run(mut self, answer: impl Fn(&mut [R], &Outcomes) -> Vec<u8> + Send) -> Result<Batched, Failure> {
        self.check().await?;
        if self.first == self.entries.len() {
            return Ok(self.none_runs());
        }
        let mut lease = match self.entries.first_mut() {
            Some(first) => {
                let Ask { project, database, .. } = &first.ask;
                self.sessions.lease(project, database, &mut first.recording).await?
            }
            None => return Err(Error::Request("a batch has at least one statement".to_owned()).into()),
        };
        if self.entries.iter().any(|entry| leaves_traces(&entry.statement)) {
            lease.needs_reset();
        }
        let ended = self.on(&mut lease, answer).await;
        if let Err(failure) = &ended {
            note_loss(&mut lease, &failure.error);
        }
        let settled = self.settle(&mut lease).await;
        let ended = ended?;
        settled?;
        Ok(ended)
    }

    /// Every one was refused: no server hears of them.
    fn none_runs(&mut self) -> Batched {
        let refused = self.entries.iter_mut().filter_map(|entry| entry.refused.take());
        let outcomes: Outcomes = refused.map(Err).collect();
        for (entry, outcome) in self.entries.iter_mut().zip(&outcomes) {
            entry.tell(outcome.as_ref().map(|_| ()));
        }
        Batched::Ran {
            outcomes,
            token: None,
            queue_wait_us: 0,
        }
    }

    /// Reads the statements, and refuses those that cannot be run before any is. What the firewall refuses fails by
    /// itself, unless all stand or fall together.
    async fn check(&mut self) -> Result<(), Failure> {
        for (index, entry) in self.entries.iter_mut().enumerate() {
            let flaw = self.sessions.flaw(&mut entry.ask);
            if flaw.is_none() && !entry.statement.parsed && self.sessions.shapes.at_once(&entry.ask.sql).is_none() {
                entry.statement = self.sessions.shapes.read(&entry.ask.sql).await;
                entry.recording.is_of(entry.statement.clone());
            }
            let flaw = flaw.or_else(|| entry.misfit());
            if let Some(error) = flaw {
                return Err(at(index, error));
            }
            match entry.recording.may_run() {
                Err(error) if self.together == Together::All => return Err(at(index, error)),
                ended => entry.refused = ended.err(),
            }
        }
        let runs = |entry: &Entry| entry.refused.is_none();
        self.first = self.entries.iter().position(runs).unwrap_or(self.entries.len());
        Ok(())
    }

    /// The longest time for one of its statements.
    fn limit(&self) -> Duration {
        let first = self.entries.first();
        first.map_or(Duration::MAX, |first| first.recording.terms.statement_timeout)
    }

    /// Whatever is left open is rolled back, so that the connection can be somebody else's.
    async fn settle(&self, lease: &mut Lease) -> Result<(), Failure> {
        let limit = self.limit();
        match lease.connection() {
            Some(connection) if !connection.is_broken() && !connection.is_clean() => {
                let rolled_back = timeout(limit, connection.simple_query("rollback")).await;
                rolled_back
                    .map_err(|_| Error::StatementTimeout(limit))?
                    .map_err(Error::from)?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn on(
        &mut self,
        lease: &mut Lease,
        answer: impl Fn(&mut [R], &Outcomes) -> Vec<u8> + Send,
    ) -> Result<Batched, Failure> {
        let queue_wait_us = self
            .entries
            .first()
            .map_or(0, |first| first.recording.figures.queue_wait_us);
        let connection = lease.connection().ok_or(Error::Stopping)?;
        let names = self.prepare(connection).await?;
        if let Some(key) = self.key
            && let Claim::Known(answer) = claim(connection, key, &self.sessions.settings()).await?
        {
            let token = self.token(connection).await?;
            return Ok(Batched::Replayed { answer, token });
        }
        let limits = Limits {
            row_bytes_max: self.sinks.first().map_or(usize::MAX, Rows::row_bytes_max),
            ..Limits::default()
        };
        let mut pipeline = connection.pipeline().map_err(Error::from)?.limited(limits);
        let is_one_write = self.is_one_write();
        self.push(&mut pipeline, &names, is_one_write)?;
        if is_one_write {
            self.push_end(&mut pipeline, None)?;
        }
        if let Some(first) = self.entries.first_mut() {
            first.sent();
        }
        let outcomes = self.read(&mut pipeline, is_one_write).await?;
        if !is_one_write {
            drop(pipeline);
            let kept = match self.key {
                Some(key) => Some((key, key.kept(answer(self.sinks, &outcomes))?)),
                None => None,
            };
            pipeline = connection.pipeline().map_err(Error::from)?;
            self.push_end(
                &mut pipeline,
                kept.as_ref().map(|(key, answer)| (*key, answer.as_slice())),
            )?;
        }
        let token = self.read_end(&mut pipeline).await?;
        Ok(Batched::Ran {
            outcomes,
            token,
            queue_wait_us,
        })
    }

    /// Whether COMMIT goes with the statements. Rows may turn out to be too many, and then nothing is to stand; what
    /// returns none has nothing to be looked at before. With savepoints a cancel would take out one statement, and the
    /// COMMIT behind it would keep the others.
    fn is_one_write(&self) -> bool {
        let returns_nothing = |entry: &Entry| {
            matches!(
                entry.statement.kind,
                Kind::Insert | Kind::Update | Kind::Delete | Kind::Merge | Kind::Ddl
            ) && !entry.ask.sql.to_ascii_lowercase().contains("returning")
        };
        match self.together {
            Together::Each => true,
            Together::All => self.key.is_none() && self.entries.iter().all(returns_nothing),
            Together::Savepoints => false,
        }
    }

    async fn token(&self, connection: &mut Connection) -> Result<Option<String>, Error> {
        if !self.want_token {
            return Ok(None);
        }
        let mut pipeline = connection.pipeline()?;
        pipeline.push(&Command::text(TOKEN, &[]))?;
        pipeline.sync();
        text(read_value(&mut pipeline).await?)
    }

    /// Texts that come more than once, and return nothing, are parsed once. Those that return rows are not: their
    /// columns may have changed since they were prepared, and in a transaction that could not be mended.
    async fn prepare(&self, connection: &mut Connection) -> Result<Names, Failure> {
        let mut names: Names = vec![None; self.entries.len()];
        if self.entries.iter().any(|entry| entry.statement.kind == Kind::Ddl) {
            return Ok(names);
        }
        let mut places: HashMap<(&str, Vec<u32>), Vec<usize>> = HashMap::new();
        for (index, entry) in self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.refused.is_none())
        {
            places
                .entry((&entry.ask.sql, entry.ask.types()))
                .or_default()
                .push(index);
        }
        for ((sql, types), places) in places.into_iter().filter(|(_, places)| places.len() > 1) {
            match connection.prepare(sql, &types).await {
                Ok(prepared) if prepared.columns().is_empty() => {
                    for place in places {
                        if let Some(name) = names.get_mut(place) {
                            *name = Some(prepared.clone());
                        }
                    }
                }
                // What is wrong with it is told when its turn comes.
                Ok(_) | Err(weir_upstream::Error::Server(_) | weir_upstream::Error::Statement(_)) => {}
                Err(error) => return Err(Error::from(error).into()),
            }
        }
        Ok(names)
    }

    fn push(&self, pipeline: &mut Pipeline<'_>, names: &Names, is_one_write: bool) -> Result<(), Failure> {
        if self.together != Together::Each && self.key.is_none() {
            pipeline.control("begin").map_err(Error::from)?;
        }
        for (index, (entry, name)) in self.entries.iter().zip(names).enumerate() {
            if entry.refused.is_some() {
                continue;
            }
            self.push_one(pipeline, index, entry, name.as_deref())
                .map_err(|error| at(index, error.into()))?;
        }
        if self.together == Together::All && !is_one_write {
            pipeline.sync();
        }
        Ok(())
    }

    fn push_one(
        &self,
        pipeline: &mut Pipeline<'_>,
        index: usize,
        entry: &Entry,
        name: Option<&Prepared>,
    ) -> Result<(), weir_upstream::Error> {
        if self.together == Together::Savepoints {
            pipeline.control(if index == self.first {
                "savepoint weir_batch"
            } else {
                "rollback to savepoint weir_batch"
            })?;
        }
        let parameters = entry.ask.parameters();
        pipeline.push(&Command {
            source: name.map_or(Source::Text(&entry.ask.sql), |prepared| Source::Named(prepared.name())),
            parameters: &parameters,
            formats: &[],
        })?;
        match self.together {
            Together::Each => pipeline.sync(),
            Together::All => {}
            Together::Savepoints => {
                pipeline.control("release savepoint weir_batch")?;
                pipeline.control("savepoint weir_batch")?;
                pipeline.sync();
            }
        }
        Ok(())
    }

    fn push_end(&self, pipeline: &mut Pipeline<'_>, kept: Option<(&Key, &[u8])>) -> Result<(), Error> {
        if self.together == Together::Savepoints {
            pipeline.control("rollback to savepoint weir_batch")?;
        }
        if let Some((key, answer)) = kept {
            pipeline.push(&Command::text(KEEP, &key.keep_parameters(answer)))?;
        }
        if self.together != Together::Each {
            pipeline.control("commit")?;
            pipeline.sync();
        }
        if self.want_token {
            pipeline.push(&Command::text(TOKEN, &[]))?;
            pipeline.sync();
        }
        if kept.is_some() {
            let keep = self.sessions.settings().idempotency_keep.as_secs().to_string();
            pipeline.push(&Command::text(SWEEP, &[Parameter::text(&keep)]))?;
            pipeline.sync();
        }
        Ok(())
    }

    /// Reads the replies of the statements. Fails where nothing of the batch stands.
    async fn read(&mut self, pipeline: &mut Pipeline<'_>, is_one_write: bool) -> Result<Outcomes, Failure> {
        let limit = self.limit();
        let mut outcomes = Outcomes::with_capacity(self.entries.len());
        for index in 0..self.entries.len() {
            let read = timeout(limit, self.read_one(pipeline, index)).await;
            let outcome = read
                .unwrap_or(Err(Error::StatementTimeout(limit)))
                .map_err(|error| self.failed(index, error))?;
            if let Err(error) = outcome {
                if self.together == Together::All {
                    read_to_sync(pipeline).await?;
                    // The token and whatever else is asked for behind it fail too, or say nothing of use.
                    while pipeline.next().await.map_err(Error::from)?.is_some() {}
                    return Err(self.failed(index, error));
                }
                outcomes.push(Err(error));
            } else {
                outcomes.push(outcome);
            }
            if let Some(next) = self.entries.get_mut(index + 1) {
                next.sent();
            }
        }
        if self.together == Together::All && !is_one_write {
            read_to_sync(pipeline).await?;
        }
        Ok(outcomes)
    }

    /// Marks the statement that failed and those that were not run because of it.
    fn failed(&mut self, index: usize, error: Error) -> Failure {
        let skipped = Error::Request("not run: a statement before it failed".to_owned());
        for (place, entry) in self.entries.iter_mut().enumerate() {
            match place.cmp(&index) {
                std::cmp::Ordering::Less => entry.tell(Ok(())),
                std::cmp::Ordering::Equal => entry.tell(Err(&error)),
                std::cmp::Ordering::Greater => entry.tell(Err(&skipped)),
            }
        }
        at(index, error)
    }

    async fn read_one(&mut self, pipeline: &mut Pipeline<'_>, index: usize) -> Result<Result<Done, Error>, Error> {
        let (Some(entry), Some(rows)) = (self.entries.get_mut(index), self.sinks.get_mut(index)) else {
            return Err(Error::Request("a batch has one sink for each statement".to_owned()));
        };
        if let Some(error) = entry.refused.take() {
            entry.tell(Err(&error));
            return Ok(Err(error));
        }
        let before = match (self.together, index == self.first) {
            (Together::Each, _) => 0,
            (Together::All | Together::Savepoints, true) if self.key.is_none() => {
                1 + usize::from(self.together == Together::Savepoints)
            }
            (Together::All, _) => 0,
            (Together::Savepoints, _) => 1,
        };
        for _ in 0..before {
            control_done(pipeline).await?;
        }
        let read = read_next(pipeline, rows, &mut entry.recording).await?;
        entry.recording.answered();
        let outcome = match read {
            Ok(read) => {
                entry.recording.figures.rows = read.rows.unwrap_or(entry.recording.figures.rows);
                Ok(done(read, &entry.statement, &entry.recording))
            }
            Err(error) => Err(server(error)),
        };
        if self.together == Together::All {
            return Ok(outcome);
        }
        let Synced { status, failed } = read_to_sync(pipeline).await?;
        if self.together == Together::Each && status != TransactionStatus::Idle {
            return Err(Error::TransactionLeftOpen);
        }
        // Outside of a transaction the commit itself may fail: a constraint that was deferred, for example.
        let outcome = match failed {
            Some(error) if outcome.is_ok() => Err(server(error)),
            _ => outcome,
        };
        entry.tell(outcome.as_ref().map(|_| ()));
        Ok(outcome)
    }

    async fn read_end(&self, pipeline: &mut Pipeline<'_>) -> Result<Option<String>, Error> {
        let limit = self.limit();
        let end = async {
            if self.together != Together::Each
                && let Some(error) = read_to_sync(pipeline).await?.failed
            {
                while pipeline.next().await?.is_some() {}
                return Err(server(error));
            }
            let token = if self.want_token {
                text(read_value(pipeline).await?)?
            } else {
                None
            };
            // What was kept too long goes, or stays until the next time.
            while pipeline.next().await?.is_some() {}
            Ok(token)
        };
        timeout(limit, end).await.unwrap_or(Err(Error::StatementTimeout(limit)))
    }
}

async fn control_done(pipeline: &mut Pipeline<'_>) -> Result<(), Error> {
    match pipeline.next().await? {
        Some(weir_upstream::Piece::Done(_)) => Ok(()),
        Some(weir_upstream::Piece::Failed(error)) => Err(server(error)),
        other => Err(Error::Upstream(weir_upstream::Error::Protocol {
            place: "the other end".to_owned(),
            reason: format!("it sent {other:?} where a savepoint was set"),
        })),
    }
}

/// A token as text. A standby has none, because nothing was written there.
pub(super) fn text(value: Result<Option<Vec<u8>>, Box<ServerError>>) -> Result<Option<String>, Error> {
    match value {
        Ok(value) => Ok(value.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) => Err(server(error)),
    }
}

pub(super) fn server(error: Box<ServerError>) -> Error {
    Error::Upstream(weir_upstream::Error::Server(error))
}

fn at(index: usize, error: Error) -> Failure {
    Failure {
        index: Some(index),
        ..Failure::from(error)
    }
}
