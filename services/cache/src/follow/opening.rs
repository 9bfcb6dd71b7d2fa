//! From a lock to a log: the connections, the slot, the epoch.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;
use weir_upstream::{ConnectOptions, Connection, Error, Lsn, Replication, Row, Target};

use super::catalogue;
use super::eyes::{Eyes, snapshot};
use super::lost::Lost;
use super::managing::{Manager, literal};
use super::server::Server;
use super::tables::quoted;
use super::visible::{Snapshot, committed_before};

/// PostgreSQL itself cannot make a longer row.
const ROW_BYTES_MAX: usize = 1 << 30;
/// What no setting of a role may change in our sessions.
const SESSION: [(&str, &str); 10] = [
    // What we change waits for nobody's standby.
    ("synchronous_commit", "local"),
    ("bytea_output", "hex"),
    // Values that differ are told in texts that differ.
    ("extra_float_digits", "1"),
    ("DateStyle", "ISO"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("statement_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("default_transaction_read_only", "off"),
    ("search_path", "pg_catalog"),
];

/// How one database is reached, and what may be done to it.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    pub(crate) target: Target,
    pub(crate) connect_timeout: Duration,
    pub(crate) manager: Manager,
    /// This process, as the server's lists name it.
    pub(crate) instance: Arc<str>,
}

/// Everything that it takes to follow.
pub(crate) struct Opened {
    pub(crate) stream: Replication,
    pub(crate) eyes: Eyes,
    pub(crate) server: Server,
    pub(crate) epoch: Arc<str>,
    pub(crate) slot: String,
    /// Where the log begins.
    pub(crate) horizon_lsn: u64,
    /// Transactions whose commit may lie before.
    pub(crate) before: Vec<u64>,
    /// Tables that were published when the log began.
    pub(crate) published: HashSet<u32>,
    pub(crate) is_everything: bool,
}

impl Way {
    /// A session for statements.
    pub(crate) async fn connect(&self) -> Result<Connection, Error> {
        self.session(&[]).await
    }

    async fn session(&self, further: &[(&str, &str)]) -> Result<Connection, Error> {
        let parameters = SESSION.iter().chain(further);
        let options = ConnectOptions {
            timeout: Some(self.connect_timeout),
            application_name: Some(self.instance.to_string()),
            parameters: parameters
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..ConnectOptions::default()
        };
        Connection::connect(&self.target, options).await
    }

    /// Prepares the database, and begins to read its log. `keeper` holds the lock.
    pub(crate) async fn open(&self, keeper: &mut Connection) -> Result<Opened, Lost> {
        let server = Server::ask(keeper).await?;
        server.check()?;
        let publication = self.manager.prepare(keeper).await?;
        let mut facts = catalogue::read(keeper, server.version, &self.manager.publication).await?;
        if !publication.is_everything {
            self.manager.apply(keeper, &facts, &facts.changes()).await?;
            facts = catalogue::read(keeper, server.version, &self.manager.publication).await?;
        }
        let mut sender = self.sender().await?;
        let epoch = epoch(&mut sender, &server).await?;
        let slot = format!("weir_cache_{}", Uuid::now_v7().simple());
        let (horizon, log) = create_slot(&mut sender, &slot).await?;
        let mut eyes = self.connect().await?;
        let others = snapshot(&mut eyes).await?;
        let before = log.map_or_else(|| others.running().to_vec(), |log| committed_before(&log, &others));
        let stream = sender.replicate(&self.start(&slot, horizon), ROW_BYTES_MAX).await?;
        Ok(Opened {
            stream,
            eyes: Eyes::new(eyes),
            server,
            epoch,
            slot,
            horizon_lsn: horizon.0,
            before,
            published: facts.published(),
            is_everything: publication.is_everything,
        })
    }

    async fn sender(&self) -> Result<Connection, Lost> {
        self.session(&[("replication", "database")]).await.map_err(|error| {
            match error.server().map(|server| server.sqlstate.as_str()) {
                Some("42501") => Lost::blocked(format!(
                    "{error}; ALTER ROLE {} REPLICATION, or what the service that runs the server has in its place",
                    quoted(self.target.user())
                )),
                _ => error.into(),
            }
        })
    }

    fn start(&self, slot: &str, from: Lsn) -> String {
        let publication = literal(&quoted(&self.manager.publication));
        format!(
            "START_REPLICATION SLOT {slot} LOGICAL {from} \
             (proto_version '1', publication_names {publication}, messages 'true')"
        )
    }
}

/// System, timeline and start of the server, and what tells this log from every other.
async fn epoch(sender: &mut Connection, server: &Server) -> Result<Arc<str>, Lost> {
    let rows = sender.simple_query("IDENTIFY_SYSTEM").await?;
    let row = rows.first().ok_or_else(Lost::silent)?;
    let (system, timeline) = (row.text("systemid")?.to_owned(), row.text("timeline")?.to_owned());
    let here = Server::ask(sender).await?;
    if here != *server {
        return Err(Lost::other(
            "the address of the server leads to different servers".to_owned(),
        ));
    }
    let stream = Uuid::now_v7().simple();
    Ok(format!("{system}/{timeline}/{}/{stream}", here.started_us).into())
}

/// Makes a slot that goes with the session; returns where its log begins, and what it holds for committed there.
async fn create_slot(sender: &mut Connection, slot: &str) -> Result<(Lsn, Option<Snapshot>), Lost> {
    let create = format!("CREATE_REPLICATION_SLOT {slot} TEMPORARY LOGICAL pgoutput");
    sender
        .simple_query("begin transaction isolation level repeatable read read only")
        .await?;
    let created = sender.simple_query(&format!("{create} USE_SNAPSHOT")).await;
    let begun = match &created {
        Ok(rows) => Some((begin_of(rows.first())?, snapshot(sender).await?)),
        // Where too many transactions ended without effect the snapshot cannot be had.
        Err(error) if error.server().is_some_and(|server| server.message.contains("snapshot")) => None,
        Err(error) => return Err(Lost::of(error)),
    };
    sender.simple_query("rollback").await?;
    match begun {
        Some((lsn, log)) => Ok((lsn, Some(log))),
        None => {
            let rows = sender.simple_query(&format!("{create} NOEXPORT_SNAPSHOT")).await?;
            Ok((begin_of(rows.first())?, None))
        }
    }
}

fn begin_of(row: Option<&Row>) -> Result<Lsn, Lost> {
    let row = row.ok_or_else(Lost::silent)?;
    Ok(row.parse("consistent_point")?)
}
