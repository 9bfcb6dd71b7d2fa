//! One run of pgbench, and what it says about it. The benchmarks share it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::peers::Ground;
use crate::wire::Address;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Why it came to nothing; its text is for people.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// pgbench's threads; more would take the processors from what is measured.
const THREADS: u32 = 2;
/// What logging in hundreds of clients and leaving again may take beyond the run itself.
const GRACE: Duration = Duration::from_secs(60);

/// What a transaction does.
#[derive(Debug, Clone, Copy)]
pub enum Script {
    /// One row by its key: pgbench's `-S`.
    Select,
    /// pgbench's own mix of reads and writes.
    TpcB,
    /// Scripts of these texts, each as often as it weighs.
    Texts(&'static [(&'static str, u32)]),
}

/// How pgbench speaks to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The simple protocol.
    Simple,
    /// The extended protocol, a Parse for every statement.
    Extended,
    /// Named prepared statements.
    Prepared,
}

impl Mode {
    /// As pgbench calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Extended => "extended",
            Self::Prepared => "prepared",
        }
    }
}

/// A load.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// What a transaction does.
    pub script: Script,
    /// How it is said.
    pub mode: Mode,
    /// How many clients do it at once.
    pub clients: u32,
    /// Whether each transaction has a connection of its own.
    pub reconnects: bool,
    /// The share of transactions whose time is written down for the 99th percentile; the same for every peer.
    pub sampled: f64,
}

/// What pgbench measured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measured {
    /// Transactions in a second, without the time of connecting (unless that is what the cell measures).
    pub tps: f64,
    /// Mean time of a transaction.
    pub mean_ms: f64,
    /// The time that 99 of 100 transactions stay within.
    pub p99_ms: f64,
    /// The same for the transactions of the first script alone.
    pub first_p99_ms: f64,
    /// All transactions.
    pub transactions: f64,
}

/// A running pgbench.
pub struct Run {
    child: Child,
    directory: tempfile::TempDir,
    seconds: u32,
}

/// A second of it has passed with so many transactions a second.
pub struct Second {
    /// How long it was.
    pub length_s: f64,
    /// Transactions a second in it.
    pub tps: f64,
    at_s: f64,
}

/// Fills pgbench's tables.
pub async fn initialise(ground: &Ground, scale: u32) -> Result<(), Failure> {
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
    /// Starts a load; its scripts find these variables.
    pub fn start(
        ground: &Ground,
        address: &Address,
        load: &Load,
        variables: &[(&str, u64)],
        seconds: u32,
    ) -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        let mut command = program(ground, address);
        command.args(["--no-vacuum", "--progress=1", "--log"]);
        command.arg(format!("--log-prefix={}", log_prefix(directory.path()).display()));
        command.arg(format!("--sampling-rate={}", load.sampled));
        command.arg(format!("--protocol={}", load.mode.name()));
        command.arg(format!("--client={}", load.clients));
        command.arg(format!("--jobs={}", load.clients.min(THREADS)));
        command.arg(format!("--time={seconds}"));
        match load.script {
            Script::Select => drop(command.arg("--select-only")),
            Script::TpcB => {}
            Script::Texts(texts) => {
                for (name, value) in variables {
                    command.arg(format!("--define={name}={value}"));
                }
                for (number, (text, weight)) in texts.iter().enumerate() {
                    let path = directory.path().join(format!("script{number}"));
                    fs::write(&path, text)?;
                    command.arg(format!("--file={}@{weight}", path.display()));
                }
            }
        }
        if load.reconnects {
            command.arg("--connect");
        }
        Ok(Self {
            child: command.spawn()?,
            directory,
            seconds,
        })
    }

    /// Calls `each` as every second of the run passes, then tells what pgbench measured.
    pub async fn follow(self, each: impl FnMut(Second)) -> Result<Measured, Failure> {
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
        let times = times_us(self.directory.path())?;
        let first = times.iter().filter(|(script, _)| *script == 0).map(|(_, us)| *us);
        Ok(Measured {
            p99_ms: p99_ms(times.iter().map(|(_, us)| *us).collect())?,
            first_p99_ms: p99_ms(first.collect())?,
            ..measured
        })
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
        first_p99_ms: 0.0,
    })
}

/// Number of the script and time in microseconds: the third and fourth column of the logs, one of each thread.
fn times_us(directory: &Path) -> Result<Vec<(u32, u32)>, Failure> {
    let mut times_us = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_log = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("log"));
        if is_log {
            times_us.extend(fs::read_to_string(path)?.lines().filter_map(logged));
        }
    }
    Ok(times_us)
}

fn logged(line: &str) -> Option<(u32, u32)> {
    let mut columns = line.split(' ').skip(2);
    let us = columns.next()?.parse().ok()?;
    Some((columns.next()?.parse().ok()?, us))
}

fn p99_ms(mut times_us: Vec<u32>) -> Result<f64, Failure> {
    times_us.sort_unstable();
    let time_us = times_us.get(times_us.len() * 99 / 100);
    Ok(f64::from(*time_us.ok_or("too few transactions were sampled")?) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_times_are_read_from_the_log() {
        let line = "0 199 2241 1 1175850568 995598";
        assert_eq!(logged(line), Some((1, 2241)));
        assert_eq!(logged("0 1"), None);
        let ms = p99_ms((1..=200).map(|ms| ms * 1000).collect()).unwrap();
        assert!((ms - 199.0).abs() < 1e-9 && p99_ms(Vec::new()).is_err());
    }
}
