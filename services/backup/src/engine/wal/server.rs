//! The servers of the cluster: which of them is the primary, and what it says of its log and our slot.

use std::time::Duration;

use weir_upstream::{ConnectOptions, Connection, Identity, Lsn, Row, Target};

use crate::cluster::Cluster;
use crate::error::Error;

/// How long a server may take to let us in.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long it may take to answer a question.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The primary, ready to send its log.
#[derive(Debug)]
pub(super) struct Server {
    pub target: Target,
    /// A connection that takes commands of replication.
    pub link: Connection,
    pub identity: Identity,
    pub segment_bytes: u32,
}

/// What the primary says of its log and our slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its log is safe there up to here.
    pub flushed: u64,
    /// Our slot; none where there is none.
    pub slot: Option<SlotFacts>,
}

/// What the primary says of our slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SlotFacts {
    pub is_physical: bool,
    /// The server's process that sends through it.
    pub user: Option<i32>,
    pub restart: Option<u64>,
    /// Bytes of log that it holds back.
    pub retained: u64,
    /// The server has given it up by itself.
    pub is_lost: bool,
}

/// The primary among the servers of the cluster. Of several that say so, the one on the latest timeline: the others
/// were overtaken.
pub(super) async fn primary(cluster: &Cluster, name: &str) -> Result<Server, Error> {
    let (mut best, mut trouble) = (None::<Server>, None);
    for target in servers(cluster) {
        match greet(target, name).await {
            Ok(Some(server)) => {
                let is_better = best
                    .as_ref()
                    .is_none_or(|best| best.identity.timeline < server.identity.timeline);
                if is_better {
                    best = Some(server);
                }
            }
            Ok(None) => {}
            Err(error) => trouble = Some(error),
        }
    }
    best.ok_or_else(|| trouble.unwrap_or_else(no_primary))
}

fn servers(cluster: &Cluster) -> impl Iterator<Item = &Target> {
    std::iter::once(&cluster.target).chain(&cluster.standbys)
}

fn no_primary() -> Error {
    Error::Refused {
        slug: "backup-no-primary",
        reason: "none of the servers is a primary".to_owned(),
    }
}

async fn greet(target: &Target, name: &str) -> Result<Option<Server>, Error> {
    let mut asking = ask(target, name).await?;
    let is_primary = is_primary(&mut asking).await;
    asking.close().await;
    if !is_primary? {
        return Ok(None);
    }
    let mut link = replicating(target, name).await?;
    let identity = in_time(link.identify_system()).await?;
    let segment_bytes = in_time(link.wal_segment_bytes()).await?;
    Ok(Some(Server {
        target: target.clone(),
        link,
        identity,
        segment_bytes,
    }))
}

/// A session for statements.
pub(super) async fn ask(target: &Target, name: &str) -> Result<Connection, Error> {
    let parameters = [("statement_timeout", "10s"), ("search_path", "pg_catalog")];
    connect(target, name, &parameters).await
}

/// A session for commands of replication.
pub(super) async fn replicating(target: &Target, name: &str) -> Result<Connection, Error> {
    connect(target, name, &[("replication", "true")]).await
}

async fn connect(target: &Target, name: &str, parameters: &[(&str, &str)]) -> Result<Connection, Error> {
    let options = ConnectOptions {
        timeout: Some(CONNECT_WITHIN),
        application_name: Some(name.to_owned()),
        parameters: parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..ConnectOptions::default()
    };
    Ok(Connection::connect(target, options).await?)
}

/// Whether a server takes writes.
pub(super) async fn is_primary(asking: &mut Connection) -> Result<bool, Error> {
    let rows = rows(asking, "select not pg_is_in_recovery() as is_primary").await?;
    let row = rows.first().ok_or_else(no_primary)?;
    Ok(row.flag("is_primary")?)
}

/// A session with whichever server is the primary; with the preferred one, if that is.
pub(super) async fn ask_primary(
    cluster: &Cluster,
    name: &str,
    preferred: Option<&Target>,
) -> Result<Connection, Error> {
    let mut trouble = None;
    for target in preferred.into_iter().chain(servers(cluster)) {
        match ask(target, name).await {
            Ok(mut asking) => match is_primary(&mut asking).await {
                Ok(true) => return Ok(asking),
                Ok(false) => {}
                Err(error) => trouble = Some(error),
            },
            Err(error) => trouble = Some(error),
        }
    }
    Err(trouble.unwrap_or_else(no_primary))
}

/// Whether another server of the cluster than this is a primary on a later timeline.
pub(super) async fn is_overtaken(cluster: &Cluster, name: &str, here: &Target, timeline: u32) -> bool {
    let same = |one: &Target, other: &Target| one.host() == other.host() && one.port() == other.port();
    for target in servers(cluster).filter(|target| !same(target, here)) {
        // Who cannot be asked has overtaken nobody.
        if let Ok(Some(server)) = greet(target, name).await {
            let later = server.identity.timeline > timeline;
            server.link.close().await;
            if later {
                return true;
            }
        }
    }
    false
}

/// What the primary says of its log and our slot.
pub(super) async fn facts(asking: &mut Connection, slot: &str) -> Result<Facts, Error> {
    let sql = format!(
        "select pg_current_wal_flush_lsn() as flushed, s.slot_name, s.slot_type, s.active_pid, s.restart_lsn, s.wal_status, \
         greatest(pg_current_wal_lsn() - s.restart_lsn, 0)::bigint as retained \
         from (select) as one left join pg_replication_slots s on s.slot_name = {}",
        literal(slot)
    );
    let rows = rows(asking, &sql).await?;
    let row = rows.first().ok_or_else(no_primary)?;
    let flushed: Lsn = row.parse("flushed")?;
    Ok(Facts {
        flushed: flushed.0,
        slot: row.get("slot_name").map(|_| slot_of(row)).transpose()?,
    })
}

fn slot_of(row: &Row) -> Result<SlotFacts, Error> {
    let restart = row
        .get("restart_lsn")
        .map(|_| row.parse::<Lsn>("restart_lsn"))
        .transpose()?;
    Ok(SlotFacts {
        is_physical: row.text("slot_type")? == "physical",
        user: row.get("active_pid").and_then(|pid| pid.parse().ok()),
        restart: restart.map(|lsn| lsn.0),
        retained: row.get("retained").and_then(|bytes| bytes.parse().ok()).unwrap_or(0),
        is_lost: row.get("wal_status") == Some("lost"),
    })
}

/// Ends whoever uses the slot: a receiver that is gone, and of which the server does not know that yet.
pub(super) async fn end_user(asking: &mut Connection, slot: &str) -> Result<(), Error> {
    let sql = format!(
        "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = {} and active_pid is not null",
        literal(slot)
    );
    rows(asking, &sql).await.map(drop)
}

/// Removes the slot, and lets go of the log that it held.
pub(super) async fn drop_slot(asking: &mut Connection, slot: &str) -> Result<(), Error> {
    let sql = format!(
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = {}",
        literal(slot)
    );
    rows(asking, &sql).await.map(drop)
}

/// The size of a segment of the log.
pub(super) async fn segment_bytes(asking: &mut Connection) -> Result<u32, Error> {
    let sql = "select setting as bytes from pg_settings where name = 'wal_segment_size'";
    let rows = rows(asking, sql).await?;
    Ok(rows.first().ok_or_else(no_primary)?.parse("bytes")?)
}

/// Has the server begin the next segment, so that the present one is archived.
pub(super) async fn switch_segment(asking: &mut Connection) -> Result<(), Error> {
    rows(asking, "select pg_switch_wal()").await.map(drop)
}

async fn rows(asking: &mut Connection, sql: &str) -> Result<Vec<Row>, Error> {
    in_time(asking.simple_query(sql)).await
}

/// An answer within the time that it has.
pub(super) async fn in_time<T>(answer: impl Future<Output = Result<T, weir_upstream::Error>>) -> Result<T, Error> {
    match tokio::time::timeout(ANSWER_WITHIN, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Error::Refused {
            slug: "backup-no-answer",
            reason: format!("the server did not answer within {ANSWER_WITHIN:?}"),
        }),
    }
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
