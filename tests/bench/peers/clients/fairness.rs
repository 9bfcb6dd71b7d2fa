//! How evenly a small pool serves many clients.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;
use weir_tests::peers::Peer;
use weir_tests::wire::{Connection, Fault};

use super::{ask, open_all};
use crate::Failure;
use crate::figures::Lines;

/// Short work, so that what decides is whose turn it is.
const STATEMENT: &str = "select pg_sleep(0)";

/// Lets clients ask for so many seconds, and tells the fewest, the mean and the most answers of one.
pub(crate) async fn run(peer: &Peer, count: usize, seconds: u64, lines: &mut Lines) -> Result<(), Failure> {
    let clients = open_all(&peer.address, count).await?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut asking = JoinSet::new();
    for client in clients {
        asking.spawn(work(client, end));
    }
    let answers: Result<Vec<(u64, Duration)>, Fault> = asking.join_all().await.into_iter().collect();
    let answers = answers?;
    let least = answers.iter().map(|(count, _)| *count).min().unwrap_or(0);
    let most = answers.iter().map(|(count, _)| *count).max().unwrap_or(0);
    let mean = answers.iter().map(|(count, _)| *count as f64).sum::<f64>() / count.max(1) as f64;
    let longest_ms = answers
        .iter()
        .map(|(_, longest)| longest.as_millis())
        .max()
        .unwrap_or(0);
    println!(
        "fairness {count} clients {seconds} s {}: least {least}, mean {mean:.0}, most {most}; least/mean {:.2}; longest wait {longest_ms} ms",
        peer.kind.name(),
        least as f64 / mean.max(1.0),
    );
    lines.add(&json!({
        "fairness": count, "seconds": seconds, "peer": peer.kind.name(), "least": least, "mean": mean, "most": most,
        "longest_ms": u64::try_from(longest_ms)?,
    }))
}

async fn work(mut client: Connection, end: Instant) -> Result<(u64, Duration), Fault> {
    let (mut answers, mut longest) = (0, Duration::ZERO);
    loop {
        let begun = Instant::now();
        if begun >= end {
            return Ok((answers, longest));
        }
        ask(&mut client, STATEMENT).await?;
        answers += 1;
        longest = longest.max(begun.elapsed());
    }
}
