//! Weir beside its peers: the same load through PostgreSQL itself, PgBouncer and Weir in alternating rounds.
//!
//! `just bench` runs it; `just bench --help` lists what it can be asked. Read ratios, not absolute figures: load,
//! server and pooler share the machine, and the peers take turns so that its moods reach all of them alike.
#![expect(clippy::print_stdout, reason = "a benchmark talks to whoever runs it")]
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark runs its own load, and names its file after the time of day"
)]

mod cells;
mod clients;
mod doors;
mod figures;
mod options;
mod rounds;
mod syscalls;
mod table;

use clap::Parser as _;
use weir_tests::facts::raise_open_files;
use weir_tests::peers::{Ground, Peer};

use options::Options;

pub(crate) use weir_tests::pgbench::Failure;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let files = raise_open_files();
    println!("{}; {files} open files at most", options.summary());
    let ground = Ground::start(options.setup()).await;
    if options.runs_extra() {
        return extra(&options, &ground, files).await;
    }
    rounds::prepare(&ground, options.scale).await?;
    let peers = start_peers(&options, &ground).await;
    if options.doors {
        return both_doors(&options, &peers).await;
    }
    if options.syscalls {
        return syscalls::run(&options, &ground, &peers).await;
    }
    rounds::run(&options, &ground, &peers).await
}

async fn both_doors(options: &Options, peers: &[Peer]) -> Result<(), Failure> {
    let weir = peers
        .iter()
        .find(|peer| peer.grpc.is_some())
        .ok_or("Weir takes no part")?;
    doors::run(options, weir).await
}

/// The measurements with many clients of our own.
async fn extra(options: &Options, ground: &Ground, files: u64) -> Result<(), Failure> {
    let mut lines = figures::Lines::create()?;
    for peer in start_peers(options, ground).await {
        if let Some(count) = options.idle {
            clients::idle::run(&peer, count, files, &mut lines).await?;
        }
        if let Some(seconds) = options.storm {
            clients::storm::run(&peer, seconds, &mut lines).await?;
        }
        if let Some(seconds) = options.fairness {
            clients::fairness::run(&peer, options.fairness_clients, seconds, &mut lines).await?;
        }
    }
    println!("every figure: {}", lines.place());
    Ok(())
}

/// Those that can be had; the others are named with the reason.
async fn start_peers(options: &Options, ground: &Ground) -> Vec<Peer> {
    let mut peers = Vec::new();
    for kind in &options.peers {
        match ground.peer(*kind).await {
            Ok(peer) => peers.push(peer),
            Err(reason) => println!("without {}: {reason}", kind.name()),
        }
    }
    peers
}
