//! The primary dies, and the standby takes over under load.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use weir_testkit::eventually;
use weir_upstream::Connection;

use super::{Cluster, STANDBY};
use crate::gateway::PATIENCE;
use crate::wire::value;

/// What one client did: what was acknowledged, and of what it does not know.
#[derive(Debug, Default)]
struct Deeds {
    acknowledged: Vec<String>,
    /// With when each was begun.
    unknown: Vec<(String, Instant)>,
    /// When it was acknowledged something last before, and first after, the longest silence.
    gap: Duration,
    refused: usize,
}

/// Writes rows with numbers of its own until told to stop, each by itself.
fn writer(cluster: &Arc<Cluster>, name: usize, stop: &Arc<AtomicBool>) -> JoinHandle<Deeds> {
    let (cluster, stop) = (cluster.clone(), stop.clone());
    #[expect(clippy::disallowed_methods, reason = "the test is the caller, not a service")]
    tokio::spawn(async move {
        let mut deeds = Deeds::default();
        let mut client: Option<Connection> = None;
        let mut last = Instant::now();
        for number in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let id = format!("{name}-{number}");
            let mut connection = match client.take() {
                Some(connection) => connection,
                None => cluster.client().await,
            };
            let begun = Instant::now();
            match connection.simple_query(&format!("insert into t values ('{id}')")).await {
                Ok(_) => {
                    deeds.acknowledged.push(id);
                    deeds.gap = deeds.gap.max(last.elapsed());
                    last = Instant::now();
                }
                Err(weir_upstream::Error::Server(error)) if error.sqlstate == "25006" => deeds.refused += 1,
                Err(_) => deeds.unknown.push((id, begun)),
            }
            client = (!connection.is_broken()).then_some(connection);
        }
        deeds
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_takes_over_is_followed_and_nothing_acknowledged_is_lost_or_doubled() {
    let cluster = Cluster::start(&[("pool_max", "8")]).await;
    cluster.database.psql("create table t (id text)").await;
    // From here on a commit is acknowledged when the standby has it.
    let synchronous = format!("alter system set synchronous_standby_names = '{STANDBY}'");
    cluster.primary.psql("postgres", &synchronous).await;
    cluster.primary.psql("postgres", "select pg_reload_conf()").await;
    let in_step = "select sync_state from pg_stat_replication";
    eventually("the standby to be synchronous", PATIENCE, || async {
        let state = cluster.primary.psql("postgres", in_step).await;
        if state == "sync" { Ok(()) } else { Err(state) }
    })
    .await;
    let mut bystander = cluster.client().await;
    bystander.simple_query("set app.name = 'kept'").await.unwrap();
    let mut holder = cluster.client().await;
    holder
        .simple_query("begin; insert into t values ('never')")
        .await
        .unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let shared = Arc::new(cluster);
    let writers: Vec<_> = (0..6).map(|name| writer(&shared, name, &stop)).collect();
    let rows = "select count(*) > 200 from t";
    eventually("a load", PATIENCE, || async {
        (shared.database.psql(rows).await == "t").then_some(())
    })
    .await;
    // The server stops under its clients, while they go on.
    shared.primary.kill().await;
    let dead = Instant::now();
    shared.standby.promote().await;
    let promoted = Instant::now();
    let new_rows = || async {
        shared
            .standby
            .psql(shared.database.name(), "select count(*) from t")
            .await
    };
    let before: u64 = new_rows().await.parse().unwrap();
    eventually("writes on the new primary", PATIENCE, || async {
        let now: u64 = new_rows().await.parse().unwrap();
        if now > before { Ok(()) } else { Err(now) }
    })
    .await;
    let recovered = promoted.elapsed();
    assert!(recovered < Duration::from_secs(1), "{recovered:?}");
    // One who had nothing under way has noticed nothing, and is who it was.
    assert_eq!(value(&mut bystander, "show app.name").await.as_deref(), Some("kept"));
    assert!(holder.simple_query("commit").await.is_err(), "its transaction is gone");
    stop.store(true, Ordering::Relaxed);
    let mut deeds = Vec::new();
    for writer in writers {
        deeds.push(tokio::time::timeout(PATIENCE, writer).await.unwrap().unwrap());
    }
    let found = shared.standby.psql(shared.database.name(), "select id from t").await;
    let found: Vec<&str> = found.lines().collect();
    let unique: HashSet<&str> = found.iter().copied().collect();
    assert_eq!(unique.len(), found.len(), "something is there twice");
    for deed in &deeds {
        for id in &deed.acknowledged {
            assert!(unique.contains(id.as_str()), "{id} was acknowledged and is lost");
        }
        // A server's processes die one after another, so the statement after the first that failed may meet one that
        // still answers; once all are dead, nothing fails.
        let late = deed.unknown.iter().filter(|(_, begun)| *begun > dead).count();
        assert_eq!((late, deed.refused), (0, 0));
    }
    let known = deeds
        .iter()
        .flat_map(|deed| deed.acknowledged.iter().chain(deed.unknown.iter().map(|(id, _)| id)));
    let known: HashSet<&str> = known.map(String::as_str).collect();
    assert!(
        unique.iter().all(|id| known.contains(id)),
        "something is there that nobody wrote"
    );
    assert_eq!(
        shared.metrics("weir_failovers_total").await,
        ["weir_failovers_total{} 1"]
    );
    let row = shared.upstream(&shared.standby).await;
    assert_eq!(
        (row[1].as_str(), row[2].as_str(), row[5].as_str()),
        ("primary", "2", "yes")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_primary_that_comes_back_is_not_followed() {
    let mut cluster = Cluster::start(&[]).await;
    cluster.database.psql("create table t (id text)").await;
    let mut client = cluster.client().await;
    client.simple_query("insert into t values ('a')").await.unwrap();
    // It does not notice that it has been overtaken, and its clients' connections live on.
    let mut holder = cluster.client().await;
    holder.simple_query("begin; insert into t values ('b')").await.unwrap();
    eventually("the row on the standby", PATIENCE, || async {
        let count = cluster
            .standby
            .psql(cluster.database.name(), "select count(*) from t")
            .await;
        if count == "1" { Ok(()) } else { Err(count) }
    })
    .await;
    cluster.standby.promote().await;
    eventually("the other primary", PATIENCE, || async {
        let row = cluster.upstream(&cluster.standby).await;
        if row[5] == "yes" {
            Ok(())
        } else {
            Err(format!("{row:?}"))
        }
    })
    .await;
    client.simple_query("insert into t values ('c')").await.unwrap();
    assert!(holder.simple_query("commit").await.is_err(), "it would be lost");
    cluster.primary.stop().await;
    cluster.primary.start_again().await;
    eventually("the old one to be seen again", PATIENCE, || async {
        let row = cluster.upstream(&cluster.primary).await;
        if row[1] == "primary" {
            Ok(())
        } else {
            Err(format!("{row:?}"))
        }
    })
    .await;
    for _ in 0..20 {
        client.simple_query("insert into t values ('d')").await.unwrap();
    }
    let rows = "select string_agg(distinct id, '' order by id) from t";
    assert_eq!(cluster.standby.psql(cluster.database.name(), rows).await, "acd");
    assert_eq!(cluster.primary.psql(cluster.database.name(), rows).await, "a");
    cluster.gateway.until_ready(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_too_long_for_a_primary_is_told_so() {
    let mut cluster = Cluster::start(&[("failover_wait", "1s"), ("reads", "primary")]).await;
    let mut client = cluster.client().await;
    assert!(value(&mut client, "select 1").await.is_some());
    cluster.primary.stop().await;
    eventually("the primary to be missed", PATIENCE, || async {
        let row = cluster.upstream(&cluster.primary).await;
        if row[1] == "unknown" {
            Ok(())
        } else {
            Err(format!("{row:?}"))
        }
    })
    .await;
    let begun = Instant::now();
    let error = client.simple_query("create table t (a int)").await.unwrap_err();
    let server = error.server().unwrap();
    assert_eq!(server.sqlstate, "08001", "{server}");
    assert!(
        begun.elapsed() >= Duration::from_millis(900),
        "{:?} {server}",
        begun.elapsed()
    );
    cluster.primary.start_again().await;
    client.simple_query("create table t (a int)").await.unwrap();
    let calls = cluster.gateway.run("select count(*) from t").await.unwrap();
    assert_eq!(calls.rows.len(), 1);
}
