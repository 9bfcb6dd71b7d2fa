//! Exact accounts: what was acknowledged is there once, what was refused is not there, whatever the network does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use weir_testkit::{Database, eventually};
use weir_upstream::{ConnectOptions, Connection, Target};

use super::proxy::Proxy;
use super::{BACK_WITHIN, IMPATIENT, assert_whole, outcome, report};
use crate::gateway::PATIENCE;

const CLIENTS: u64 = 6;
/// Codes after which nobody knows whether the server did it.
const UNKNOWN: [&str; 4] = ["08006", "57P01", "57P02", "lost"];

/// What a client knows of a row that it wanted to insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Acknowledged,
    Refused,
    Unknown,
}

struct Books {
    target: Target,
    ends: AtomicBool,
    last: AtomicU64,
}

impl Books {
    /// Inserts rows until told to stop, and keeps account of them.
    async fn client(self: Arc<Self>) -> BTreeMap<u64, Fate> {
        let mut account = BTreeMap::new();
        while !self.ends.load(Ordering::Relaxed) {
            let Ok(mut client) = Connection::connect(&self.target, ConnectOptions::default()).await else {
                continue;
            };
            while !client.is_broken() && !self.ends.load(Ordering::Relaxed) {
                let number = self.last.fetch_add(1, Ordering::Relaxed);
                let fate = if number.is_multiple_of(2) {
                    at_once(&mut client, number).await
                } else {
                    in_a_transaction(&mut client, number).await
                };
                account.insert(number, fate);
            }
        }
        account
    }
}

fn fate(code: Option<String>) -> Fate {
    match code.as_deref() {
        None => Fate::Acknowledged,
        Some(code) if UNKNOWN.contains(&code) => Fate::Unknown,
        Some(_) => Fate::Refused,
    }
}

async fn at_once(client: &mut Connection, number: u64) -> Fate {
    fate(outcome(client, &format!("insert into books values ({number})")).await)
}

/// Before the COMMIT was sent an error of any kind means that nothing has happened.
async fn in_a_transaction(client: &mut Connection, number: u64) -> Fate {
    for sql in ["begin".to_owned(), format!("insert into books values ({number})")] {
        if outcome(client, &sql).await.is_some() {
            if !client.is_broken() {
                let _ = outcome(client, "rollback").await;
            }
            return Fate::Refused;
        }
    }
    fate(outcome(client, "commit").await)
}

/// The weather of a bad day. Its pauses are no waits for anything: they are how long each weather lasts.
async fn storm(proxy: &Proxy) {
    let pause = || tokio::time::sleep(Duration::from_millis(120));
    for _ in 0..4 {
        proxy.reset();
        pause().await;
        proxy.stall(true);
        pause().await;
        proxy.stall(false);
        pause().await;
        proxy.refuse(true);
        pause().await;
        proxy.refuse(false);
        pause().await;
        proxy.silence();
        pause().await;
    }
}

async fn rows(database: &Database) -> Vec<u64> {
    let rows = database.psql("select number from books order by 1").await;
    rows.lines().map(|line| line.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_once_and_what_was_refused_is_not() {
    let (proxy, stage) = Proxy::with_stage(&IMPATIENT).await;
    stage.database.psql("create table books (number int8)").await;
    let books = Arc::new(Books {
        target: stage.own_target(),
        ends: AtomicBool::new(false),
        last: AtomicU64::new(0),
    });
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(books.clone().client());
    }
    storm(&proxy).await;
    let until = books.last.load(Ordering::Relaxed) + 20 * CLIENTS;
    eventually("rows after the storm", BACK_WITHIN, || async {
        let last = books.last.load(Ordering::Relaxed);
        if last >= until { Ok(()) } else { Err(last) }
    })
    .await;
    books.ends.store(true, Ordering::Relaxed);
    let mut accounts = BTreeMap::new();
    while let Some(account) = tokio::time::timeout(PATIENCE, clients.join_next()).await.unwrap() {
        accounts.extend(account.unwrap());
    }
    assert_whole(&stage).await;
    compare(&accounts, &rows(&stage.database).await);
}

fn compare(accounts: &BTreeMap<u64, Fate>, rows: &[u64]) {
    let there: BTreeSet<u64> = rows.iter().copied().collect();
    assert_eq!(there.len(), rows.len(), "a row is there twice");
    let of = |fate: Fate| {
        accounts
            .iter()
            .filter(move |(_, own)| **own == fate)
            .map(|(number, _)| number)
    };
    let lost: Vec<_> = of(Fate::Acknowledged)
        .filter(|number| !there.contains(number))
        .collect();
    assert!(lost.is_empty(), "acknowledged and not there: {lost:?}");
    let done: Vec<_> = of(Fate::Refused).filter(|number| there.contains(number)).collect();
    assert!(done.is_empty(), "refused and there: {done:?}");
    let [acknowledged, refused, unknown] =
        [Fate::Acknowledged, Fate::Refused, Fate::Unknown].map(|fate| of(fate).count());
    report(&format!(
        "{acknowledged} acknowledged, {refused} refused, {unknown} unknown"
    ));
    assert!(acknowledged > 0 && refused + unknown > 0, "the storm was none");
}
