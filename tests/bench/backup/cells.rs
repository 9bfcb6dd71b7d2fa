//! What is measured: one cell after the other, both sides in turn.

use std::path::{Path, PathBuf};

use serde_json::json;
use weir_proto::backup::v1::GetWalStateRequest;

use crate::Failure;
use crate::board::{Board, Side};
use crate::figures::{Figures, cpu_of, size_mb};
use crate::jobs;
use crate::options::Options;
use crate::stage::Stage;

/// Measures everything that is wanted, in every round.
pub(crate) async fn run(options: &Options, stage: &Stage, board: &mut Board) -> Result<(), Failure> {
    for round in 0..options.rounds {
        println!("round {}", round + 1);
        if options.wants("full") {
            both(stage, board, "full", "full", round).await?;
        }
        if options.wants("contiguous") {
            change(options, stage, Change::Contiguous).await;
            both(stage, board, "contiguous", "incremental", round).await?;
        }
        if options.wants("random") {
            change(options, stage, Change::Random).await;
            both(stage, board, "random", "incremental", round).await?;
        }
        if options.wants("restore") || options.wants("delta") {
            restores(options, stage, board, round).await?;
        }
    }
    if options.wants("increments") {
        increments(options, stage, board).await?;
    }
    if options.wants("log") {
        log(options, stage, board).await?;
    }
    if options.wants("exposure") {
        exposure(options, stage).await?;
    }
    Ok(())
}

enum Change {
    Contiguous,
    Random,
}

/// Changes one row in a hundred.
async fn change(options: &Options, stage: &Stage, change: Change) {
    let (accounts, events) = (u64::from(options.scale) * 100_000, options.events);
    let which = |column: &str, rows: u64| match change {
        Change::Contiguous => format!("{column} > {} and {column} <= {}", rows / 2, rows / 2 + rows / 100),
        Change::Random => {
            let chosen = format!(
                "select (random() * {rows})::int from generate_series(1, {})",
                rows / 100
            );
            format!("{column} in ({chosen})")
        }
    };
    let sql = format!(
        "update pgbench_accounts set abalance = abalance + 1 where {}; \
         update events set shop = shop + 1 where {}; checkpoint",
        which("aid", accounts),
        which("id", events)
    );
    stage.psql(&sql).await;
}

/// The same on both sides; who is first changes from round to round.
async fn both(stage: &Stage, board: &mut Board, cell: &str, kind: &str, round: u32) -> Result<(), Failure> {
    for turn in 0..2 {
        if (turn + round).is_multiple_of(2) {
            let word = if kind == "full" { "--type=full" } else { "--type=incr" };
            board.add(cell, Side::Peer, stage.peer.run(&[word, "backup"])?)?;
        } else {
            board.add(cell, Side::Weir, backup(stage, kind).await?)?;
        }
    }
    Ok(())
}

async fn backup(stage: &Stage, kind: &str) -> Result<Figures, Failure> {
    let packs = stage.repository();
    let before = without_log(&packs)?;
    let cpu = cpu_of(stage.pid("backup"))?;
    let run = jobs::run(stage, "backup", &json!({"kind": kind, "checkpoint_now": true})).await?;
    Ok(Figures {
        wall_s: jobs::seconds(&run),
        cpu_s: cpu_of(stage.pid("backup"))? - cpu,
        stored_mb: without_log(&packs)? - before,
    })
}

/// pgBackRest archives no log here, so none is counted.
fn without_log(repository: &Path) -> Result<f64, Failure> {
    let log = size_mb(&repository.join("wal"))? + size_mb(&repository.join("commits"))?;
    Ok(size_mb(repository)? - log)
}

async fn restores(options: &Options, stage: &Stage, board: &mut Board, round: u32) -> Result<(), Failure> {
    for turn in 0..2 {
        let side = if (turn + round).is_multiple_of(2) {
            Side::Peer
        } else {
            Side::Weir
        };
        let to = emptied(stage, if side == Side::Peer { "theirs" } else { "ours" })?;
        let cells = [("restore", false), ("delta", true)];
        for (cell, delta) in cells
            .into_iter()
            .filter(|(cell, _)| *cell == "restore" || options.wants(cell))
        {
            let figures = match side {
                Side::Peer => restore_theirs(stage, &to, delta)?,
                Side::Weir => restore_ours(stage, &to, delta, "").await?,
            };
            board.add(cell, side, figures)?;
        }
        std::fs::remove_dir_all(&to)?;
    }
    Ok(())
}

fn emptied(stage: &Stage, name: &str) -> Result<PathBuf, Failure> {
    let to = stage.dir.path().join(name);
    if to.exists() {
        std::fs::remove_dir_all(&to)?;
    }
    std::fs::create_dir(&to)?;
    Ok(to)
}

fn restore_theirs(stage: &Stage, to: &Path, delta: bool) -> Result<Figures, Failure> {
    let path = format!("--pg1-path={}", to.display());
    let mut arguments = vec![path.as_str(), "--type=immediate"];
    if delta {
        arguments.push("--delta");
    }
    arguments.push("restore");
    stage.peer.run(&arguments)
}

async fn restore_ours(stage: &Stage, to: &Path, delta: bool, backup: &str) -> Result<Figures, Failure> {
    let cpu = cpu_of(stage.pid("backup"))?;
    let order = json!({
        "directory": to, "delta": delta, "backup_id": backup, "target": {"consistent": {}},
    });
    let run = jobs::run(stage, "restore", &order).await?;
    Ok(Figures {
        wall_s: jobs::seconds(&run),
        cpu_s: cpu_of(stage.pid("backup"))? - cpu,
        stored_mb: 0.0,
    })
}

/// A restore after many increments beside the restore of a full backup of the same moment: both are Weir's.
async fn increments(options: &Options, stage: &Stage, board: &mut Board) -> Result<(), Failure> {
    for _ in 0..options.increments {
        change(options, stage, Change::Contiguous).await;
        backup(stage, "incremental").await?;
    }
    let last = newest(stage).await?;
    backup(stage, "full").await?;
    let full = newest(stage).await?;
    for round in 0..options.rounds {
        let mut turns = [(Side::Peer, &full), (Side::Weir, &last)];
        turns.rotate_left(round as usize % 2);
        for (side, id) in turns {
            let to = emptied(stage, "ours")?;
            board.add("increments", side, restore_ours(stage, &to, false, id).await?)?;
            std::fs::remove_dir_all(&to)?;
        }
    }
    Ok(())
}

/// The id of the backup that was taken last, as its manifest is called.
async fn newest(stage: &Stage) -> Result<String, Failure> {
    let mut all: Vec<_> = std::fs::read_dir(stage.repository().join("manifests"))?
        .filter_map(Result::ok)
        .filter_map(|entry| {
            Some((
                entry.metadata().ok()?.modified().ok()?,
                entry.file_name().into_string().ok()?,
            ))
        })
        .collect();
    all.sort();
    let (_, id) = all.pop().ok_or("no backup was taken")?;
    Ok(id)
}

/// CPU time for each segment of log: the service's while it receives, pgBackRest's for the same segments.
async fn log(options: &Options, stage: &Stage, board: &mut Board) -> Result<(), Failure> {
    for _ in 0..options.rounds {
        let (cpu, begin) = (cpu_of(stage.pid("backup"))?, position(stage).await?);
        let rows = u64::from(options.segments) * 45_000;
        stage
            .psql(&format!(
                "drop table if exists written; \
                 create table written as select g, md5(g::text) || repeat(md5((g / 7)::text), 8) as t \
                 from generate_series(1, {rows}) g; select pg_switch_wal()"
            ))
            .await;
        let end = position(stage).await?;
        settled(stage, end).await?;
        let segments = ((end - begin) / (16 << 20)).max(1) as f64;
        let ours = cpu_of(stage.pid("backup"))? - cpu;
        board.add("log", Side::Weir, per_segment(ours, segments))?;
        board.add("log", Side::Peer, pushed(stage, begin, end)?)?;
    }
    Ok(())
}

fn per_segment(cpu_s: f64, segments: f64) -> Figures {
    Figures {
        wall_s: 0.0,
        cpu_s: cpu_s / segments,
        stored_mb: 0.0,
    }
}

async fn position(stage: &Stage) -> Result<u64, Failure> {
    let bytes = stage
        .psql("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")
        .await;
    Ok(bytes.parse::<f64>()? as u64)
}

/// Waits until the service has told the server that everything up to a position is safe.
async fn settled(stage: &Stage, end: u64) -> Result<(), Failure> {
    let ask = "select coalesce(max(pg_wal_lsn_diff(flush_lsn, '0/0')), 0) from pg_stat_replication";
    loop {
        if stage.psql(ask).await.parse::<f64>()? as u64 >= end {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// pgBackRest's `archive-push` of the segments between two positions, one after the other.
fn pushed(stage: &Stage, begin: u64, end: u64) -> Result<Figures, Failure> {
    let wal = stage.postgres.data_dir().join("pg_wal");
    let first = begin / (16 << 20) + 1;
    let mut sum = 0.0;
    let mut segments = 0_u32;
    for number in first..end / (16 << 20) {
        let name = format!("00000001{:08X}{:08X}", number / 256, number % 256);
        let at = wal.join(&name);
        if at.exists() {
            sum += stage.peer.run(&["archive-push", &at.display().to_string()])?.cpu_s;
            segments += 1;
        }
    }
    Ok(per_segment(sum, f64::from(segments.max(1))))
}

/// How long commits are not safe yet, under a load of small transactions.
async fn exposure(options: &Options, stage: &Stage) -> Result<(), Failure> {
    let port = stage.postgres.port().to_string();
    let seconds = options.load_seconds.to_string();
    let load = tokio::process::Command::new(stage.postgres.bin_dir().join("pgbench"))
        .args([
            "-n",
            "-c",
            "4",
            "-T",
            &seconds,
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            "postgres",
            "postgres",
        ])
        .output()
        .await?;
    let said = String::from_utf8_lossy(&load.stdout).into_owned();
    let tps = said.lines().find(|line| line.starts_with("tps")).unwrap_or("no load");
    let asked = stage
        .backup
        .clone()
        .get_wal_state(GetWalStateRequest::default())
        .await?;
    let states = asked.into_inner().clusters;
    let state = states.first().ok_or("nobody knows the log")?;
    println!(
        "exposure: p99 {} ms, now {} ms, {tps}; {}",
        state.exposure_p99_ms, state.exposure_ms, state.reason
    );
    Ok(())
}
