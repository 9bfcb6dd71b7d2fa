//! Clients that come and go and ask without a pause, while one process after the other takes over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::task::JoinHandle;
use tonic::Status;
use weir_proto::gateway::v1::gateway_service_client::GatewayServiceClient;
use weir_testkit::{eventually, http_get};

use super::{Site, ends_well};
use crate::gateway::{PATIENCE, request};

/// As many statements as a client runs before it comes anew.
const VISITS: [u64; 6] = [1, 1, 2, 5, 20, 50];

/// What all clients together have done.
#[derive(Default)]
struct Load {
    over: AtomicBool,
    answered: [AtomicU64; 3],
}

impl Load {
    fn count(&self, kind: usize) {
        self.answered[kind].fetch_add(1, Ordering::Relaxed);
    }

    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// Waits until clients of every kind were answered so often again.
    async fn until_more(&self, times: u64) {
        let before = self.answered.each_ref().map(|count| count.load(Ordering::Relaxed));
        eventually("clients are answered", PATIENCE, async || {
            let now = self.answered.each_ref().map(|count| count.load(Ordering::Relaxed));
            let enough = now.iter().zip(before).all(|(now, before)| *now >= before + times);
            if enough {
                Ok(())
            } else {
                Err(format!("{before:?} {now:?}"))
            }
        })
        .await;
    }
}

/// A client that comes, runs so many statements, goes, and comes again.
async fn visit(site: &Site, load: &Load, statements: u64) {
    while load.goes_on() {
        let mut client = site.try_client("visitor").await.expect("a client was not let in");
        for number in 0..statements {
            let rows = client
                .simple_query(&format!("select {number} + 1 as n, pg_sleep(0.001)"))
                .await;
            let rows = rows.expect("a statement was not answered");
            assert_eq!(rows[0].get("n"), Some((number + 1).to_string().as_str()));
            load.count(0);
        }
        client.close().await;
    }
}

/// A caller of gRPC, who keeps its channel and writes a row a call. Returns those that were answered.
async fn call(site: &Site, load: &Load, name: u32) -> Vec<String> {
    let client = GatewayServiceClient::connect(format!("http://127.0.0.1:{}", site.grpc)).await;
    let mut client = client.unwrap();
    let mut answered = Vec::new();
    for number in 0_u32.. {
        if !load.goes_on() {
            break;
        }
        let row = format!("{name} {number}");
        let asked = request(&format!("insert into calls values ('{row}')"));
        match client.execute(asked).await {
            Ok(_) => answered.push(row),
            Err(status) if was_not_taken(&status) => continue,
            Err(status) => panic!("a call was not answered: {status:?}"),
        }
        load.count(1);
    }
    answered
}

/// Whether a call came too late for a connection that its client was told to leave: the client did not send it, or the
/// gateway said that it does not take it. gRPC lets clients make such a call once more by themselves; tonic leaves that to
/// its caller. That nothing was done of it is seen in the rows.
fn was_not_taken(status: &Status) -> bool {
    let mut cause: &dyn std::error::Error = status;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let said = format!("{cause:?}");
    said.contains("connection closed") || said.contains("GoAway(b\"\", NO_ERROR, Remote)")
}

async fn probe(site: &Site, load: &Load) {
    while load.goes_on() {
        let (status, _) = http_get(site.ops, "/livez").await.expect("the ops door did not answer");
        assert_eq!(status, 200);
        load.count(2);
    }
}

#[expect(clippy::disallowed_methods, reason = "the test is the clients, not a service")]
fn all(site: &Arc<Site>, load: &Arc<Load>) -> (Vec<JoinHandle<()>>, Vec<JoinHandle<Vec<String>>>) {
    let visitors = VISITS.map(|statements| {
        let (site, load) = (site.clone(), load.clone());
        tokio::spawn(async move { visit(&site, &load, statements).await })
    });
    let (mut clients, mut callers) = (Vec::from(visitors), Vec::new());
    for name in 0..2 {
        let (s, l) = (site.clone(), load.clone());
        callers.push(tokio::spawn(async move { call(&s, &l, name).await }));
        let (s, l) = (site.clone(), load.clone());
        clients.push(tokio::spawn(async move { probe(&s, &l).await }));
    }
    (clients, callers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_notice_nothing_of_two_hand_overs_in_a_row() {
    let (site, load) = (Arc::new(Site::new().await), Arc::new(Load::default()));
    site.database.psql("create table calls (id text)").await;
    let mut running = site.first().await;
    let (clients, callers) = all(&site, &load);
    load.until_more(20).await;
    for _ in 0..2 {
        let next = site.begin(&[]);
        ends_well(&running).await;
        load.until_more(20).await;
        running = next;
    }
    load.over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let mut answered = Vec::new();
    for caller in callers {
        answered.extend(caller.await.unwrap());
    }
    answered.sort();
    let rows = site
        .database
        .psql("select id from calls order by id collate \"C\"")
        .await;
    assert_eq!(rows, answered.join("\n"), "what was answered is what was done");
    running.term();
    ends_well(&running).await;
    assert!(!site.socket().exists(), "the last one tidies up");
}
