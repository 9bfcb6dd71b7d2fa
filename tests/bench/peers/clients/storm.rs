//! Clients that connect, log in and leave as fast as they can.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;
use weir_tests::facts::rss_kib;
use weir_tests::peers::Peer;
use weir_tests::wire::{Address, Connection};

use crate::Failure;
use crate::figures::{Cpus, Lines};

const WORKERS: usize = 64;

/// Log-ins of one worker, and what went wrong how often.
#[derive(Default)]
struct Count {
    logins: u64,
    errors: BTreeMap<String, u64>,
}

impl Count {
    fn join(mut self, other: Self) -> Self {
        self.logins += other.logins;
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
        self
    }
}

/// Storms for so many seconds, and looks whether the peer still serves afterwards.
pub(crate) async fn run(peer: &Peer, seconds: u64, lines: &mut Lines) -> Result<(), Failure> {
    let before = Cpus::read(peer, 0);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        workers.spawn(work(peer.address.clone(), end));
    }
    let count = workers.join_all().await.into_iter().fold(Count::default(), Count::join);
    let errors: u64 = count.errors.values().sum();
    let cpu = Cpus::read(peer, 0)
        .each_since(before, (count.logins + errors) as f64)
        .pooler;
    let survived = Connection::open(&peer.address, &[]).await.is_ok();
    println!(
        "storm {seconds} s {}: {:.0} log-ins/s, {errors} errors {:?}, pooler {:.0} µs each ({:.0} user), {} KiB, {}",
        peer.kind.name(),
        count.logins as f64 / seconds.max(1) as f64,
        count.errors,
        cpu.total_us(),
        cpu.user_us,
        peer.pooler_pid().map_or(0, rss_kib),
        if survived {
            "serves on"
        } else {
            "does not serve any more"
        },
    );
    lines.add(&json!({
        "storm_s": seconds, "peer": peer.kind.name(), "logins": count.logins, "errors": count.errors,
        "cpu_us": cpu.total_us(), "survived": survived,
    }))
}

async fn work(address: Address, end: Instant) -> Count {
    let mut count = Count::default();
    while Instant::now() < end {
        let done = match Connection::open(&address, &[]).await {
            Ok(connection) => connection.close().await,
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => count.logins += 1,
            Err(error) => *count.errors.entry(error.to_string()).or_default() += 1,
        }
    }
    count
}
