//! Asks every server of a cluster what it is and how far it has come, on a connection of its own.
//!
//! One task for each server, so that none that hangs delays the news of another. Where there is one server only,
//! nobody is asked.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use weir_model::Coded as _;
use weir_runtime::{Stage, TaskResult};
use weir_upstream::{ConnectOptions, Connection, Error, Row};

use super::roles::{Claim, Lsn, Role};
use super::{Address, Breaker, Member, Pools};

/// How often each is asked.
const PERIOD: Duration = Duration::from_millis(100);
/// One that takes longer to answer is taken for gone.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// The name of the error of a server that takes longer.
const UNANSWERED: &str = "upstream-timeout";

/// The position is read last, so that it is none from before the role was.
const QUESTION: &str = "select r, case when r then coalesce(\
     (select received_tli from pg_catalog.pg_stat_get_wal_receiver() where received_tli > 0), \
     (select min_recovery_end_timeline from pg_catalog.pg_control_recovery())) \
     else ('x' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8))::bit(32)::int end, \
     case when r then pg_catalog.pg_last_wal_replay_lsn() else pg_catalog.pg_current_wal_insert_lsn() end \
     from (select pg_catalog.pg_is_in_recovery() as r offset 0) recovery";

/// The connection on which a server is asked.
#[derive(Debug)]
struct Line {
    connection: Connection,
    /// Where it leads.
    address: Arc<Address>,
}

impl Pools {
    /// Watches the servers, where there are several, until told to stop.
    pub(crate) fn watch(self: &Arc<Self>) {
        let members = &self.common().members;
        if !members.are_several() {
            return;
        }
        for member in members.all() {
            let (pools, member) = (self.clone(), member.clone());
            let tasks = &self.common().tasks;
            tasks.spawn(Stage::Flow, "upstream watch", |stop| run(pools, member, stop));
        }
    }
}

async fn run(pools: Arc<Pools>, member: Arc<Member>, stop: CancellationToken) -> TaskResult {
    let mut line = None;
    while !stop.is_cancelled() {
        let doubted = pools.common().members.doubted.notified();
        tokio::select! {
            () = look(&pools, &member, &mut line) => {}
            () = stop.cancelled() => break,
        }
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            () = doubted => {}
            () = stop.cancelled() => {}
        }
    }
    if let Some(line) = line {
        line.connection.close().await;
    }
    Ok(())
}

async fn look(pools: &Arc<Pools>, member: &Member, line: &mut Option<Line>) {
    let common = pools.common();
    // What is at the old address of a server is none of this cluster's any more.
    if line.as_ref().is_some_and(|line| line.address.is_left()) {
        *line = None;
    }
    let asked_at = common.members.now();
    let said = timeout(ANSWER_TIMEOUT, ask(member, line)).await;
    let said = match said {
        Ok(Ok(claim)) => {
            member.with_breaker(Breaker::succeeded);
            member.fade();
            Some(claim)
        }
        Ok(Err(error)) => {
            member.erred(error.slug());
            if note_silence(member, &error.to_string()) {
                pools.distrust(member);
            }
            None
        }
        Err(_) => {
            member.erred(UNANSWERED);
            note_silence(member, "it did not answer in time");
            None
        }
    };
    if said.is_none() {
        *line = None;
    }
    if let Some(old) = common
        .members
        .heed(member, asked_at, said, common.live().replica_lag_max)
    {
        let (from, to) = (old.name.as_str(), common.members.primary().name.as_str());
        tracing::warn!(
            upstream.from = from,
            upstream.to = to,
            "another server is the primary now"
        );
        common.metrics.failovers.with([]).inc();
        pools.leave(&old);
        common.members.moved.notify_waiters();
        common.members.doubt();
    }
}

/// Says once that a server is silent. True: this is that once.
fn note_silence(member: &Member, why: &str) -> bool {
    let is_news = member.claim().role != Role::Unknown;
    if is_news {
        tracing::warn!(upstream = %member.name, error = why, "a server of the cluster does not answer");
    }
    is_news
}

async fn ask(member: &Member, line: &mut Option<Line>) -> Result<Claim, Error> {
    let line = match line {
        Some(line) => line,
        None => {
            let options = ConnectOptions {
                timeout: Some(ANSWER_TIMEOUT),
                application_name: Some("weir watch".to_owned()),
                ..ConnectOptions::default()
            };
            let connection = Box::pin(Connection::connect(&member.target, options)).await?;
            let address = member.addresses.opened(connection.address());
            line.insert(Line { connection, address })
        }
    };
    let rows = line.connection.simple_query(QUESTION).await?;
    Ok(rows.first().and_then(read).unwrap_or_default())
}

fn read(row: &Row) -> Option<Claim> {
    let mut values = row.values();
    let mut value = || values.next().flatten();
    let role = if value()? == "t" { Role::Standby } else { Role::Primary };
    let timeline = value().and_then(|text| text.parse().ok()).unwrap_or_default();
    // A standby that has not replayed anything yet does not say how far.
    let lsn = value().and_then(Lsn::parse).unwrap_or_default();
    Some(Claim {
        role,
        timeline,
        lsn,
        since: 0,
    })
}
