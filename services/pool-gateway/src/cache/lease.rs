//! Asks the primary how long its log is, so that it is known since when everything acknowledged has been followed.
//!
//! One connection for each database, one question at a time: whoever needs news waits for the same answer. The question
//! also tells what the log does not: whose log it is, and whether roles or the server's settings changed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use weir_runtime::TaskResult;
use weir_upstream::{Command, ConnectOptions, Connection, Format, Parameter, Source};

use super::view::{View, nanos};
use super::worth::Accounts;
use crate::error::Error;
use crate::pool::Pools;

/// How often it is asked while results are served, so that the lease goes on.
const PERIOD: Duration = Duration::from_millis(10);
/// A view that nobody has used for so long needs no lease.
const IDLE_AFTER: Duration = Duration::from_secs(2);
/// A server that takes longer to answer is taken for gone.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause before it is connected to again.
const CONNECT_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Roles and settings are compared this often even where the log has not grown, since a reload of settings writes nothing.
const ROLES_PERIOD: Duration = Duration::from_millis(20);

/// How often it is looked whether anything can be served.
const COUNT_PERIOD: Duration = Duration::from_millis(100);

/// Whose log it is: the first three parts of an epoch.
const IDENTITY: &str = "select (select system_identifier from pg_catalog.pg_control_system())::text || '/' || \
     ('x' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8))::bit(32)::int::text || '/' || \
     (extract(epoch from pg_catalog.pg_postmaster_start_time()) * 1000000)::bigint::text";

/// The end of the log, how much of it is on disk, and a print of what the log does not tell of. The end is read first,
/// so that whatever changes the print later lies behind it.
const SAMPLE: &str = "select (pg_catalog.pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint, \
     (pg_catalog.pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint, \
     case when pg_catalog.pg_current_wal_insert_lsn() - '0/0'::pg_lsn > $1 then pg_catalog.concat_ws('/', \
     (select pg_catalog.count(*)::text || ':' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended(xmin::text || ctid::text, 0)), 0) from AUTHID), \
     (select pg_catalog.count(*)::text || ':' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended(xmin::text || ctid::text, 0)), 0) from pg_catalog.pg_auth_members), \
     (select pg_catalog.count(*)::text || ':' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended(xmin::text || ctid::text, 0)), 0) from pg_catalog.pg_db_role_setting), \
     pg_catalog.pg_conf_load_time()) end";

/// Moves the end of the log onto disk, so that the stream can reach it. Nothing waits for standbys here.
const PUSH: &str = "select pg_catalog.pg_logical_emit_message(true, 'weir.hb', '')";

/// The type of differences between positions.
const NUMERIC_OID: u32 = 1700;

/// What one question was answered with.
#[derive(Debug)]
struct Sample {
    inserted: u64,
    flushed: u64,
    print: Option<String>,
}

/// The connection on which it is asked.
#[derive(Debug)]
struct Line {
    connection: Connection,
    sample: String,
    identity: String,
    has_compared: bool,
    compared_at: Instant,
    /// Everything up to here was visible when the print was compared last.
    compared_lsn: u64,
}

/// The lease of one database.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) view: Arc<View>,
    pub(crate) pools: Arc<Pools>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) bound: Duration,
}

impl Lease {
    /// Keeps it until told to stop.
    pub(crate) async fn run(self, stop: CancellationToken) -> TaskResult {
        let counting = async {
            loop {
                tokio::time::sleep(COUNT_PERIOD).await;
                self.count();
            }
        };
        tokio::select! {
            () = counting => Ok(()),
            ended = run(&self.view, &self.pools, &stop) => ended,
        }
    }

    /// Counts the time during which nothing could be served.
    fn count(&self) {
        let now = self.view.now();
        let age = now.saturating_sub(self.view.fresh_since());
        if !is_idle(&self.view) && age > nanos(self.bound) {
            self.accounts.lapsed(&self.view.database, COUNT_PERIOD);
        }
    }
}

async fn run(view: &View, pools: &Pools, stop: &CancellationToken) -> TaskResult {
    let mut was_told = false;
    while !stop.is_cancelled() {
        if is_idle(view) {
            tokio::select! {
                () = view.wanted.notified() => {}
                () = tokio::time::sleep(IDLE_AFTER) => {}
                () = stop.cancelled() => break,
            }
            continue;
        }
        let kept = tokio::select! {
            kept = keep(view, pools) => kept,
            () = stop.cancelled() => break,
        };
        was_told &= view.fresh_since() == 0;
        view.doubt();
        if let Err(error) = kept {
            // Once is enough, until it has been kept again.
            if !std::mem::replace(&mut was_told, true) {
                tracing::warn!(database = %view.database, error = %error, "nothing is answered from memory: the lease cannot be kept");
            }
            tokio::select! {
                () = tokio::time::sleep(CONNECT_AGAIN_AFTER) => {}
                () = stop.cancelled() => break,
            }
        }
    }
    Ok(())
}

fn is_idle(view: &View) -> bool {
    let now = view.now();
    now.saturating_sub(view.used().max(view.asked())) > nanos(IDLE_AFTER)
}

/// Asks on one connection for as long as it lasts and the view is used.
async fn keep(view: &View, pools: &Pools) -> Result<(), Error> {
    let member = pools.common().members.primary().clone();
    let mut line = timeout(ANSWER_TIMEOUT, open(view, &member.target))
        .await
        .map_err(|_| late())??;
    let mut last_sent = 0;
    while !is_idle(view) {
        // Another server is the primary, or another epoch is followed than that of this server.
        let is_primary = pools.common().members.primary().index == member.index;
        if !is_primary || !view.epoch().starts_with(&format!("{}/", line.identity)) {
            view.doubt();
            tokio::time::sleep(PERIOD).await;
            if !is_primary {
                return Ok(());
            }
            line.identity = timeout(ANSWER_TIMEOUT, identity(&mut line.connection))
                .await
                .map_err(|_| late())??;
            continue;
        }
        let sent = view.now();
        let sample = timeout(ANSWER_TIMEOUT, line.ask(view)).await.map_err(|_| late())??;
        last_sent = sent.max(last_sent);
        view.sampled(sent, sample.inserted);
        if sample.flushed < sample.inserted && view.applied() < sample.inserted {
            timeout(ANSWER_TIMEOUT, line.push()).await.map_err(|_| late())??;
        }
        if view.asked() <= last_sent {
            let _ = timeout(PERIOD, view.wanted.notified()).await;
        }
    }
    line.connection.close().await;
    Ok(())
}

/// A print as a number; never 0.
fn print_of(text: &str) -> u64 {
    let mut number = [0; 8];
    blake3::Hasher::new()
        .update(text.as_bytes())
        .finalize_xof()
        .fill(&mut number);
    u64::from_be_bytes(number) | 1
}

fn late() -> Error {
    Error::StatementTimeout(ANSWER_TIMEOUT)
}

async fn open(view: &View, target: &weir_upstream::Target) -> Result<Line, Error> {
    let options = ConnectOptions {
        timeout: Some(ANSWER_TIMEOUT),
        application_name: Some("weir lease".to_owned()),
        database: Some(view.database.to_string()),
        ..ConnectOptions::default()
    };
    let mut connection = Box::pin(Connection::connect(target, options)).await?;
    connection
        .simple_query("set synchronous_commit = local; set jit = off; set timezone = utc; set statement_timeout = 0")
        .await?;
    let may_see = connection
        .simple_query("select pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'select') as may")
        .await?;
    // The view leaves the columns out that say which version a row is, so what it shows is compared instead.
    let authid = if may_see.first().and_then(|row| row.get("may")) == Some("t") {
        "pg_catalog.pg_authid"
    } else {
        "(select r::text as xmin, '' as ctid from pg_catalog.pg_roles r) roles"
    };
    let identity = identity(&mut connection).await?;
    Ok(Line {
        connection,
        sample: SAMPLE.replace("AUTHID", authid),
        identity,
        has_compared: false,
        compared_at: Instant::now(),
        compared_lsn: 0,
    })
}

async fn identity(connection: &mut Connection) -> Result<String, Error> {
    let rows = connection.simple_query(IDENTITY).await?;
    let value = rows
        .first()
        .and_then(|row| row.values().next().flatten().map(str::to_owned));
    Ok(value.unwrap_or_default())
}

impl Line {
    async fn ask(&mut self, view: &View) -> Result<Sample, Error> {
        // Known before the question is asked: only what was visible then is surely in what it compares.
        let visible = view.visible();
        let sample = self.question(self.compares_above()).await?;
        if let Some(print) = &sample.print {
            view.rights_are(print_of(print), sample.inserted);
            self.has_compared = true;
            self.compared_at = Instant::now();
            self.compared_lsn = visible;
        }
        Ok(sample)
    }

    /// The prints are compared where the log has grown beyond this, at every question: its answer makes strict reads fresh
    /// that came before it was sent and ask for nothing. How far the log was followed says nothing of roles, nor does its
    /// end: a commit may be in the log long before it can be seen, by the comparison as by anybody.
    fn compares_above(&self) -> i64 {
        if !self.has_compared || self.compared_at.elapsed() >= ROLES_PERIOD {
            return -1;
        }
        i64::try_from(self.compared_lsn).unwrap_or(-1)
    }

    async fn question(&mut self, above: i64) -> Result<Sample, Error> {
        let prepared = self.connection.prepare(&self.sample, &[NUMERIC_OID]).await?;
        let above = above.to_string();
        let parameters = [Parameter {
            value: Some(above.as_bytes()),
            format: Format::Text,
            type_oid: NUMERIC_OID,
        }];
        let command = Command {
            source: Source::Named(prepared.name()),
            parameters: &parameters,
            formats: &[],
        };
        let mut stream = self.connection.run(&command).await?;
        let mut sample = None;
        while let Some(batch) = stream.next_batch().await? {
            for row in batch.rows() {
                let mut values = row.values();
                let mut next = || {
                    values
                        .next()
                        .flatten()
                        .and_then(|value| std::str::from_utf8(value).ok())
                };
                let (inserted, flushed) = (next(), next());
                let print = next().map(str::to_owned);
                let number = |text: Option<&str>| text.and_then(|text| text.parse().ok());
                sample = number(inserted).zip(number(flushed)).map(|(inserted, flushed)| Sample {
                    inserted,
                    flushed,
                    print,
                });
            }
        }
        stream.finish().await?;
        sample.ok_or(Error::Stopping)
    }

    async fn push(&mut self) -> Result<(), Error> {
        self.connection.simple_query(PUSH).await?;
        Ok(())
    }
}
