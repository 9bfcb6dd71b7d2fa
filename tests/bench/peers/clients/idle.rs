//! Memory of a pooler for each client that has nothing to do.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use weir_tests::facts::rss_kib;
use weir_tests::peers::Peer;
use weir_tests::wire::{Connection, Fault};

use super::{AT_ONCE, ask, open_all};
use crate::Failure;
use crate::figures::Lines;

/// Time for a process to give memory back, or to notice that clients left.
const SETTLE: Duration = Duration::from_secs(3);
/// Files that a process needs beside its clients.
const SPARE_FILES: u64 = 200;

/// Opens `count` clients, lets each ask once, closes them, and reads the pooler's memory in between.
pub(crate) async fn run(peer: &Peer, count: usize, files: u64, lines: &mut Lines) -> Result<(), Failure> {
    let Some(pid) = peer.pooler_pid() else {
        return Ok(());
    };
    if files < count as u64 + SPARE_FILES {
        let least = count as u64 + SPARE_FILES;
        return Err(format!("{files} files may be open; raise the limit first: ulimit -Hn {least}").into());
    }
    let before = rss_kib(pid);
    let clients = open_all(&peer.address, count).await?;
    tokio::time::sleep(SETTLE).await;
    let connected = rss_kib(pid);
    let clients = ask_all(clients).await?;
    tokio::time::sleep(SETTLE).await;
    let asked = rss_kib(pid);
    close_all(clients).await?;
    tokio::time::sleep(SETTLE).await;
    let left = rss_kib(pid);
    let each = |now: u64| now.saturating_sub(before) as f64 / count as f64;
    println!(
        "idle {count} {}: before {before} KiB; connected {connected} KiB = {:.2} KiB each; after one query each {asked} KiB = {:.2} KiB each; after they left {left} KiB",
        peer.kind.name(),
        each(connected),
        each(asked),
    );
    lines.add(&json!({
        "idle": count, "peer": peer.kind.name(), "before_kib": before, "connected_kib": connected,
        "asked_kib": asked, "left_kib": left,
    }))
}

async fn ask_all(clients: Vec<Connection>) -> Result<Vec<Connection>, Failure> {
    let mut asked = Vec::with_capacity(clients.len());
    let mut waiting = clients.into_iter().peekable();
    while waiting.peek().is_some() {
        let mut asking = JoinSet::new();
        for mut client in waiting.by_ref().take(AT_ONCE) {
            asking.spawn(async move { ask(&mut client, "select 1").await.map(|()| client) });
        }
        let done: Result<Vec<Connection>, Fault> = asking.join_all().await.into_iter().collect();
        asked.extend(done?);
    }
    Ok(asked)
}

async fn close_all(clients: Vec<Connection>) -> Result<(), Failure> {
    for client in clients {
        client.close().await?;
    }
    Ok(())
}
