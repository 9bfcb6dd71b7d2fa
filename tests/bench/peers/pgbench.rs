//! One run of pgbench, and what it says about it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use weir_tests::peers::Ground;
use weir_tests::wire::Address;

use crate::Failure;
use crate::cells::{Cell, Script};

/// pgbench's threads; more would take the processors from what is measured.
const THREADS: u32 = 2;
/// What logging in hundreds of clients and leaving again may take beyond the run itself.
const GRACE: Duration = Duration::from_secs(60);

/// What pgbench measured.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Measured {
    /// Transactions in a second, without the time of connecting (unless that is what the cell measures).
    pub(crate) tps: f64,
    /// Mean time of a transaction.
    pub(crate) mean_ms: f64,
    /// The time that 99 of 100 transactions stay within.
    pub(crate) p99_ms: f64,
    /// All transactions.
    pub(crate) transactions: f64,
}

/// A running pgbench.
pub(crate) struct Run {
    child: Child,
    directory: tempfile::TempDir,
    seconds: u32,
}

/// A second of it has passed with so many transactions a second.
pub(crate) struct Second {
    /// How long it was.
    pub(crate) length_s: f64,
    /// Transactions a second in it.
    pub(crate) tps: f64,
    at_s: f64,
}

/// Fills pgbench's tables.
pub(crate) async fn initialise(ground: &Ground, scale: u32) -> Result<(), Failure> {
    let mut command = program(ground, &ground.address);
    command.args(["--initialize", "--quiet", "--init-steps=dtgvp"]);
    command.arg(format!("--scale={scale}"));
    let output = command.output().await?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into())
}

fn program(ground: &Ground, address: &Address) -> Command {
    let mut command = Command::new(ground.postgres.bin_dir().join("pgbench"));
    command
        .args(["--host", &address.host, "--port", &address.port.to_string()])
        .args(["--username", &address.user])
        .env("PGPASSWORD", &address.password)
        .env("PGDATABASE", &address.database)
        .env("PGSSLMODE", "disable")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Run {
    /// Starts a cell's load.
    pub(crate) fn start(
        ground: &Ground,
        address: &Address,
        cell: &Cell,
        scale: u32,
        seconds: u32,
    ) -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        let mut command = program(ground, address);
        command.args(["--no-vacuum", "--progress=1", "--log"]);
        command.arg(format!("--log-prefix={}", log_prefix(directory.path()).display()));
        command.arg(format!("--sampling-rate={}", cell.sampled));
        command.arg(format!("--protocol={}", cell.mode.name()));
        command.arg(format!("--client={}", cell.clients));
        command.arg(format!("--jobs={}", cell.clients.min(THREADS)));
        command.arg(format!("--time={seconds}"));
        match cell.script {
            Script::Select => command.arg("--select-only"),
            Script::TpcB => &mut command,
            Script::Text(text) => {
                let path = directory.path().join("script");
                fs::write(&path, text)?;
                command
                    .arg(format!("--define=scale={scale}"))
                    .arg(format!("--file={}", path.display()))
            }
        };
        if cell.reconnects {
            command.arg("--connect");
        }
        Ok(Self {
            child: command.spawn()?,
            directory,
            seconds,
        })
    }

    /// Calls `each` as every second of the run passes, then tells what pgbench measured.
    pub(crate) async fn follow(self, each: impl FnMut(Second)) -> Result<Measured, Failure> {
        let limit = Duration::from_secs(self.seconds.into()) + GRACE;
        let followed = tokio::time::timeout(limit, self.follow_to_the_end(each)).await;
        followed.map_err(|_| format!("pgbench still ran after {} s", limit.as_secs()))?
    }

    async fn follow_to_the_end(mut self, mut each: impl FnMut(Second)) -> Result<Measured, Failure> {
        let mut lines = BufReader::new(self.child.stderr.take().ok_or("no standard error")?).lines();
        let (mut problems, mut before_s) = (Vec::new(), 0.0);
        while let Some(line) = lines.next_line().await? {
            if let Some(mut second) = progress(&line) {
                second.length_s = second.at_s - before_s;
                before_s = second.at_s;
                each(second);
            } else if line.contains("error") || line.contains("aborted") || line.contains("fatal") {
                problems.push(line);
            }
        }
        let mut text = String::new();
        let stdout = self.child.stdout.as_mut().ok_or("no standard output")?;
        stdout.read_to_string(&mut text).await?;
        let status = self.child.wait().await?;
        if !status.success() || !problems.is_empty() {
            let first = problems.first().map_or("no word", String::as_str);
            return Err(format!("pgbench: {status}, {} problems, the first: {first}", problems.len()).into());
        }
        let measured = report(&text).ok_or_else(|| format!("pgbench's report is not understood:\n{text}"))?;
        let p99_ms = p99_ms(self.directory.path())?;
        Ok(Measured { p99_ms, ..measured })
    }
}

fn log_prefix(directory: &Path) -> PathBuf {
    directory.join("log")
}

/// `progress: 2.0 s, 45123.1 tps, lat 0.706 ms stddev 0.230, 0 failed`
fn progress(line: &str) -> Option<Second> {
    let rest = line.strip_prefix("progress: ")?;
    let (at, rest) = rest.split_once(" s, ")?;
    let (tps, _) = rest.split_once(" tps")?;
    Some(Second {
        at_s: at.parse().ok()?,
        tps: tps.parse().ok()?,
        length_s: 0.0,
    })
}

fn report(text: &str) -> Option<Measured> {
    let number_after = |start: &str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(start))?;
        rest.split([' ', '/']).next()?.parse::<f64>().ok()
    };
    Some(Measured {
        tps: number_after("tps = ")?,
        mean_ms: number_after("latency average = ")?,
        transactions: number_after("number of transactions actually processed: ")?,
        p99_ms: 0.0,
    })
}

/// From the third column of the logs, one of each thread: the time in microseconds.
fn p99_ms(directory: &Path) -> Result<f64, Failure> {
    let mut times_us: Vec<u32> = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_log = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("log"));
        if is_log {
            let text = fs::read_to_string(path)?;
            let times = text
                .lines()
                .filter_map(|line| line.split(' ').nth(2)?.parse::<u32>().ok());
            times_us.extend(times);
        }
    }
    times_us.sort_unstable();
    let at = times_us.len() * 99 / 100;
    let time_us = times_us.get(at).ok_or("too few transactions were sampled")?;
    Ok(f64::from(*time_us) / 1000.0)
}
