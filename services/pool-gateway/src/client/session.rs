//! One statement from its request to its last row: lease, run, measure, give back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use weir_model::{Clock, Coded as _, ErrorClass, Project};
use weir_proto::events::v1::{CacheOutcome, Door};
use weir_sql::{Kind, Statement, text_hash};
use weir_upstream::{Column, DataRow, Format, Parameter, RowDescription, TransactionStatus};

use super::catalogue::Catalogue;
use super::causal::Writes;
use super::operations::Operations;
use super::reading::{ReadOut, read_rows};
use super::recalling::{Keeping, Recalled};
use super::recording::{Recording, Terms};
use super::repeats::Repeats;
use super::wire::Witness;
use crate::cache::Cache;
use crate::error::Error;
use crate::firewall::{Guard, Guarded, ScopeKey};
use crate::pool::{Lease, Lsn, Owner, Pool, Pools};
use crate::profile::{Profile, Profiles, Setting};
use crate::rules::{Caller, Policy};
use crate::settings::{Consistency, GatewaySettings};
use crate::shapes::Shapes;
use crate::tap::{Origin, Tap};

/// As much of a calling program's name as PostgreSQL keeps.
const APPLICATION_CHARS_MAX: usize = 63;

/// How long a call waits before it looks again whether there is a primary.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// The value of a parameter, as text.
#[derive(Debug, Clone)]
pub(crate) struct Argument {
    pub(crate) text: Option<Vec<u8>>,
    /// The type that the caller named; 0 lets PostgreSQL infer it.
    pub(crate) type_oid: u32,
}

impl Argument {
    pub(super) fn as_parameter(&self) -> Parameter<'_> {
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
    /// Where the caller is: an address without a port.
    pub(crate) client: Arc<str>,
    /// By which others may cancel it. Empty: not at all.
    pub(crate) operation: String,
    /// Whether the server shall keep it prepared for the next time.
    pub(crate) prepared: bool,
    /// Up to where the log has to be replayed where it is answered.
    pub(crate) min_position: Option<Lsn>,
    /// How fresh an answer from memory has to be; none: as the settings say.
    pub(crate) consistency: Option<Consistency>,
    /// How long an empty answer may be kept; none: as the settings say.
    pub(crate) empty_ttl: Option<Duration>,
}

impl Ask {
    /// Its parameters as the server takes them.
    pub(super) fn parameters(&self) -> Vec<Parameter<'_>> {
        self.arguments.iter().map(Argument::as_parameter).collect()
    }

    /// Their types, as far as they are known.
    pub(super) fn types(&self) -> Vec<u32> {
        self.arguments.iter().map(|argument| argument.type_oid).collect()
    }
}

/// Takes the rows of a statement as they come.
pub(crate) trait Rows: Send {
    /// How the rows of a prepared statement with these columns shall be written; none for text.
    fn formats(&self, _columns: &[Column]) -> Vec<Format> {
        Vec::new()
    }
    /// The columns, before the first row.
    fn columns(&mut self, columns: &RowDescription<'_>) -> impl Future<Output = Result<(), Error>> + Send;
    /// One row. False: no more are wanted.
    fn row(&mut self, row: DataRow<'_>) -> Result<bool, Error>;
    /// The longest row that can be taken, in bytes.
    fn row_bytes_max(&self) -> usize;
    /// Whether nothing of a result has gone on yet, so that another one may take its place.
    fn is_untouched(&self) -> bool {
        false
    }
    /// Whether it takes values in text form, whoever gives them, and so also from memory.
    fn takes_texts(&self) -> bool {
        false
    }
    /// Forgets what it was given, so that another result may take its place. False: some of it has gone on.
    fn start_over(&mut self) -> bool {
        self.is_untouched()
    }
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
    pub(crate) witness: Arc<Witness>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) clock: Clock,
    pub(crate) user: String,
    pub(crate) operations: Arc<Operations>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) repeats: Arc<Repeats>,
    /// Answers from memory; none where nothing is.
    pub(crate) cache: Option<Arc<Cache>>,
    /// When calls wrote; none where there are no replicas.
    pub(crate) writes: Option<Arc<Writes>>,
    /// What a session looks like to the calls of this door.
    pub(crate) profile: Arc<Profile>,
}

/// What values look like does not depend on the settings of a role or a database.
const LOOK: [(&str, &str); 4] = [
    ("datestyle", "ISO"),
    ("intervalstyle", "postgres"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
];

/// The session that the calls of this door expect.
pub(crate) fn look(profiles: &Profiles) -> Arc<Profile> {
    profiles.of(LOOK.map(|(name, value)| (name.into(), Setting::Value(value.into()))))
}

impl Sessions {
    /// Runs a statement and hands its rows to `rows`.
    pub(crate) async fn run(&self, mut ask: Ask, rows: &mut impl Rows) -> Result<Done, Error> {
        let known = self.shapes.at_once(&ask.sql);
        let shown = known.clone().unwrap_or_else(|| self.shapes.unread(&ask.sql));
        let is_preparable = is_preparable(shown.kind);
        let mut recording = self.recording(&ask, Instant::now(), shown);
        ask.prepared |= is_preparable && self.repeats.has(recording.text_hash());
        let ended = match self.flaw(&mut ask) {
            Some(error) => Err(error),
            None => {
                let attempt = self.attempt(&ask, known, rows, &mut recording);
                self.governed(&ask.project, &ask.operation, ask.timeout, attempt).await
            }
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
    pub(super) fn flaw(&self, ask: &mut Ask) -> Option<Error> {
        let (bytes, max) = (ask.sql.len(), self.settings().statement_bytes_max);
        if bytes > max {
            return Some(Error::StatementTooLong { bytes, max });
        }
        ask.flaw.take()
    }

    /// Does something within the time that its caller gave, waiting included, and until somebody cancels it.
    pub(super) async fn governed<T, E: From<Error>>(
        &self,
        project: &Project,
        operation: &str,
        allowed: Option<Duration>,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let operation = self.operations.enter(project, operation);
        let time_is_up = async {
            match allowed {
                Some(allowed) => {
                    tokio::time::sleep(allowed).await;
                    allowed
                }
                None => std::future::pending().await,
            }
        };
        // Dropping the work leaves its connection in the middle of a reply; the lease cancels what still runs on it.
        tokio::select! {
            biased;
            ended = work => ended,
            allowed = time_is_up => Err(Error::StatementTimeout(allowed).into()),
            () = operation.cancelled() => Err(Error::OperationCancelled.into()),
        }
    }

    /// Who asks, and who answers.
    pub(super) fn origin(&self, ask: &Ask, upstream: &str) -> Arc<Origin> {
        let database = if ask.database.is_empty() {
            self.pools.own_database()
        } else {
            ask.database.clone()
        };
        let application: String = ask.application.chars().take(APPLICATION_CHARS_MAX).collect();
        Origin::new(
            ask.project.clone(),
            &database,
            &self.user,
            &application,
            upstream,
            Door::Grpc,
        )
    }

    pub(super) fn recording(&self, ask: &Ask, begun: Instant, statement: Arc<Statement>) -> Recording {
        let origin = self.origin(ask, &self.pools.common().members.primary().name);
        let (text_hash, traceparent) = (text_hash(&ask.sql), ask.traceparent.clone());
        let terms = self.terms(&ask.project, &ask.database, &ask.application, &ask.client);
        let tap = self.tap.clone();
        let mut recording = Recording::begin(begun, origin, traceparent, text_hash, statement, terms, tap);
        recording.figures.started_unix_ms = self.clock.unix_ms();
        let arguments: usize = ask
            .arguments
            .iter()
            .map(|argument| argument.text.as_ref().map_or(0, Vec::len))
            .sum();
        recording.figures.bytes_in = (ask.sql.len() + arguments) as u64;
        recording
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> Arc<GatewaySettings> {
        self.pools.common().live()
    }

    fn database_named<'d>(&'d self, name: &'d str) -> &'d str {
        match name {
            "" => self.pools.common().target.database(),
            named => named,
        }
    }

    /// What the rules say of a caller.
    pub(super) fn policy(&self, project: &Project, database: &str, application: &str) -> Policy {
        let caller = Caller {
            database: self.database_named(database),
            user: &self.user,
            application,
            project: Some(project),
        };
        self.settings().policy(&caller)
    }

    /// What holds for a caller.
    pub(super) fn terms(&self, project: &Project, database: &str, application: &str, client: &Arc<str>) -> Terms {
        let policy = self.policy(project, database, application);
        let database = self.database_named(database);
        let key = ScopeKey {
            project: project.clone(),
            database: database.to_owned(),
            user: self.user.clone(),
        };
        let upstream = &self.pools.common().members.primary().name;
        Terms {
            guarded: Guarded::new(&self.guard, &key, application, upstream, client, Door::Grpc),
            firewall: policy.firewall,
            weight: policy.weight,
            statement_timeout: policy.statement_timeout,
            writes: self.writes.clone(),
            asker: self.asker(project, database),
            purse: self.pools.budgets.purse(project, policy.rates),
            account: self.witness.ledger.common(Owner {
                database: database.to_owned(),
                user: self.user.clone(),
            }),
        }
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
        recording.may_run()?;
        match self.recall(ask, &statement, rows, recording).await? {
            Recalled::Answered(done) => Ok(done),
            Recalled::Miss(keeping) => {
                let mut rows = Keeping::new(rows, keeping);
                let done = self.persevere(ask, &statement, &mut rows, recording).await?;
                // What a replica answered is as of another moment than the one that was noted.
                if recording.cache == CacheOutcome::Miss {
                    rows.keep(&done);
                }
                Ok(done)
            }
            Recalled::No => self.persevere(ask, &statement, rows, recording).await,
        }
    }

    /// A connection for a statement.
    pub(super) async fn lease_for(
        &self,
        ask: &Ask,
        statement: &Statement,
        recording: &mut Recording,
    ) -> Result<Lease, Error> {
        let mut lease = self.lease(&ask.project, &ask.database, recording).await?;
        if leaves_traces(statement) {
            lease.needs_reset();
        }
        Ok(lease)
    }

    /// A connection to the primary, paid for.
    pub(super) async fn lease(
        &self,
        project: &Project,
        database: &str,
        recording: &mut Recording,
    ) -> Result<Lease, Error> {
        recording.waiting();
        if let Some(purse) = &recording.terms.purse {
            purse.wait(self.settings().acquire_timeout).await?;
        }
        self.lease_again(project, database, recording).await
    }

    /// The same for what is paid for already.
    pub(super) async fn lease_again(
        &self,
        project: &Project,
        database: &str,
        recording: &mut Recording,
    ) -> Result<Lease, Error> {
        recording.waiting();
        let leased = self.lease_of_primary(project, database, recording.terms.weight).await;
        recording.waited();
        let mut lease = leased?;
        lease.held_by(recording.origin().clone(), recording.statement().clone());
        if let Some(connection) = lease.connection() {
            recording.terms.guarded.hears(connection.parameter("is_superuser"));
        }
        Ok(lease)
    }

    /// A connection to the primary. While it cannot be reached and there are others, one of them may become it.
    async fn lease_of_primary(&self, project: &Project, database: &str, weight: f64) -> Result<Lease, Error> {
        let settings = self.settings();
        let begun = Instant::now();
        loop {
            let pool = self.pools.get(database)?;
            let leased = self.ready_lease(&pool, project, weight).await;
            let Err(error) = &leased else { return leased };
            let common = self.pools.common();
            let is_hopeless = !common.members.are_several() || !error.is_without_server();
            if is_hopeless || begun.elapsed() >= settings.failover_wait.min(settings.acquire_timeout) {
                return leased.map_err(|error| self.witness.explain(&pool, error));
            }
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
    }

    /// A connection whose session looks as this door expects. One that is found lost before anything of the caller's
    /// was sent costs the caller nothing.
    pub(super) async fn ready_lease(&self, pool: &Arc<Pool>, project: &Project, weight: f64) -> Result<Lease, Error> {
        let timeout = self.settings().acquire_timeout;
        let mut lease = pool.acquire(project, weight, &self.profile, timeout).await?;
        match lease.wear(&self.profile).await {
            Err(error) if error.class() == ErrorClass::Unavailable => {
                drop(lease);
                lease = pool.acquire(project, weight, &self.profile, timeout).await?;
                lease.wear(&self.profile).await?;
            }
            worn => worn?,
        }
        Ok(lease)
    }

    pub(super) async fn query(
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
        if let Err(error) = &ended {
            note_loss(lease, error);
        }
        self.settle(lease).await?;
        let ReadOut { tag, rows, truncated } = ended?;
        recording.figures.rows = rows.unwrap_or(recording.figures.rows);
        Ok(done(ReadOut { tag, rows, truncated }, statement, recording))
    }

    /// A call is one transaction: one that is left open can be ended by nobody, so it is ended here.
    pub(super) async fn settle(&self, lease: &mut Lease) -> Result<(), Error> {
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

/// How a statement ended, as its recording has it.
pub(super) fn done(read: ReadOut, statement: &Statement, recording: &Recording) -> Done {
    Done {
        command_tag: read.tag,
        rows_affected: read.rows.unwrap_or_default(),
        truncated: read.truncated,
        queue_wait_us: recording.figures.queue_wait_us,
        server_us: recording.figures.server_us,
        total_us: recording.elapsed_us(),
        fingerprint: statement.fingerprint.to_string(),
    }
}

/// Where the server ended the connection, the pool is told.
pub(super) fn note_loss(lease: &mut Lease, error: &Error) {
    let is_broken = lease.connection().is_some_and(|connection| connection.is_broken());
    if let Error::Upstream(error) = error
        && is_broken
        && error.class() == ErrorClass::Unavailable
    {
        lease.lost();
    }
}

/// Whether a statement of this kind gains from being prepared: it is planned, and runs as often as it is asked for.
const fn is_preparable(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Select | Kind::Insert | Kind::Update | Kind::Delete | Kind::Merge
    )
}

/// Whether a statement may leave something behind in its session: a setting, a temporary table, a lock, a cursor.
///
/// A function of the user's own that changes its session cannot be seen from here.
pub(super) fn leaves_traces(statement: &Statement) -> bool {
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

/// The limit of a reply, in words.
pub(super) fn reply_limit(bytes_max: usize) -> String {
    format!("{bytes_max} bytes (gateway.reply_bytes_max)")
}
