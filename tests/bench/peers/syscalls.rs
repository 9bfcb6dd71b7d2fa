//! System calls of a pooler per transaction, counted by strace. That slows it down a lot, so nothing else is measured.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::process::{Child, Command};
use weir_tests::peers::{Ground, Peer};
use weir_tests::pgbench::{Mode, Run};

use crate::Failure;
use crate::cells::{CELLS, Cell};
use crate::figures::Lines;
use crate::options::Options;

/// What most calls of a pooler should be.
const SHOWN_MAX: usize = 6;
/// From the first line of pgbench's progress on, every client is in.
const SECONDS: u32 = 5;

/// Counts for every cell and every pooler.
pub(crate) async fn run(options: &Options, ground: &Ground, peers: &[Peer]) -> Result<(), Failure> {
    if Command::new("strace").arg("-V").output().await.is_err() {
        println!("strace is not installed (apt-get install strace): no system calls are counted");
        return Ok(());
    }
    let mut lines = Lines::create()?;
    for cell in CELLS.iter().filter(|cell| options.cells.is_match(cell.name)) {
        for peer in peers {
            let Some(pid) = peer
                .pooler_pid()
                .filter(|_| cell.load.mode != Mode::Prepared || peer.has_prepared)
            else {
                continue;
            };
            let (total, calls) = count(options, ground, peer, cell, pid).await?;
            println!(
                "{} {}: {total:.1} per transaction: {}",
                cell.name,
                peer.kind.name(),
                shown(&calls)
            );
            let line = json!({"cell": cell.name, "peer": peer.kind.name(), "syscalls": total, "calls": calls});
            lines.add(&line)?;
        }
    }
    println!("every figure: {}", lines.place());
    Ok(())
}

fn shown(calls: &BTreeMap<String, f64>) -> String {
    let mut calls: Vec<_> = calls.iter().collect();
    calls.sort_unstable_by(|(_, one), (_, other)| other.total_cmp(one));
    let texts = calls
        .iter()
        .take(SHOWN_MAX)
        .map(|(name, count)| format!("{name} {count:.2}"));
    texts.collect::<Vec<_>>().join(", ")
}

/// strace is attached while the clients are at work, and taken off while they still are; the transactions in between
/// are those of pgbench's whole seconds in that time, so the figure is good to some percent.
async fn count(
    options: &Options,
    ground: &Ground,
    peer: &Peer,
    cell: &Cell,
    pid: u32,
) -> Result<(f64, BTreeMap<String, f64>), Failure> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("calls");
    let run = Run::start(
        ground,
        &peer.address,
        &cell.load,
        &[("scale", options.scale.into())],
        SECONDS + 2,
    )?;
    let (mut strace, mut seconds, mut transactions): (Option<Child>, u32, f64) = (None, 0, 0.0);
    let measured = run.follow(|second| {
        seconds += 1;
        match seconds {
            1 => strace = attach(pid, &path).ok(),
            // The second in which strace was attached is left out of neither side: it began as strace did.
            _ if seconds <= SECONDS => transactions += second.tps * second.length_s,
            _ => {}
        }
        if seconds == SECONDS
            && let Some(strace) = &strace
        {
            detach(strace);
        }
    });
    measured.await?;
    let strace = strace.ok_or("strace could not be started")?;
    tokio::time::timeout(Duration::from_secs(10), strace.wait_with_output()).await??;
    let text = std::fs::read_to_string(&path)?;
    let calls = parse(&text);
    if calls.is_empty() {
        return Err(format!("strace counted nothing: may this user attach to process {pid}?\n{text}").into());
    }
    let calls: BTreeMap<String, f64> = calls
        .into_iter()
        .map(|(name, count)| (name, count / transactions.max(1.0)))
        .collect();
    Ok((calls.values().sum(), calls))
}

fn attach(pid: u32, path: &std::path::Path) -> std::io::Result<Child> {
    Command::new("strace")
        .args(["-c", "-f", "-o"])
        .arg(path)
        .args(["-p", &pid.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
}

/// On this signal strace lets go of the process and writes its table.
fn detach(strace: &Child) {
    let pid = strace.id().and_then(|pid| i32::try_from(pid).ok());
    if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
        // It can only have ended already, and then the missing table tells.
        let _sent = rustix::process::kill_process(pid, rustix::process::Signal::INT);
    }
}

/// Lines of `% time, seconds, usecs/call, calls, [errors,] syscall`.
fn parse(text: &str) -> Vec<(String, f64)> {
    let rows = text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let calls: f64 = fields.get(3)?.parse().ok()?;
        let name = fields.last().filter(|name| fields.len() >= 5 && **name != "total")?;
        Some(((*name).to_owned(), calls))
    });
    rows.collect()
}
