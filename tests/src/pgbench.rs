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
    /// The time that 95 of 100 transactions stay within.
    pub p95_ms: f64,
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
        Self::start_at(ground, address, load, variables, seconds, None)
    }

    /// The same at so many transactions a second, where that is said; their time then counts from when they were due.
    pub fn start_at(
        ground: &Ground,
        address: &Address,
        load: &Load,
        variables: &[(&str, u64)],
        seconds: u32,
        rate: Option<u32>,
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
        if let Some(rate) = rate {
            command.arg(format!("--rate={rate}"));
        }
        Ok(Self {
            child: command.spawn()?,
            directory,
            seconds,
        })
    }

    /// Calls `each` as every second of the run passes, then tells what pgbench measured.
    pub async fn follow(self, each: impl FnMut(Second)) -> Result<Measured, Failure> {
        Ok(self.follow_all(each).await?.0)
    }

    /// The same, with every transaction that was sampled.
    pub async fn follow_all(self, each: impl FnMut(Second)) -> Result<(Measured, Vec<Done>), Failure> {
        let limit = Duration::from_secs(self.seconds.into()) + GRACE;
        let followed = tokio::time::timeout(limit, self.follow_to_the_end(each)).await;
        followed.map_err(|_| format!("pgbench still ran after {} s", limit.as_secs()))?
    }

    async fn follow_to_the_end(mut self, mut each: impl FnMut(Second)) -> Result<(Measured, Vec<Done>), Failure> {
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
        let done = done(self.directory.path())?;
        let times = || done.iter().map(|done| done.took_us);
        let first = done.iter().filter(|done| done.script == 0).map(|done| done.took_us);
        let measured = Measured {
            p95_ms: share_ms(times().collect(), 95)?,
            p99_ms: share_ms(times().collect(), 99)?,
            first_p99_ms: share_ms(first.collect(), 99)?,
            ..measured
        };
        Ok((measured, done))
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
        p95_ms: 0.0,
        p99_ms: 0.0,
        first_p99_ms: 0.0,
    })
}

/// One transaction that was sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Which script.
    pub script: u32,
    /// What it took.
    pub took_us: u32,
    /// When it ended, in milliseconds since 1970.
    pub ended_unix_ms: i64,
}

/// What the logs say, one of each thread.
fn done(directory: &Path) -> Result<Vec<Done>, Failure> {
    let mut done = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_log = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("log"));
        if is_log {
            done.extend(fs::read_to_string(path)?.lines().filter_map(logged));
        }
    }
    Ok(done)
}

/// Client, number, time in microseconds, script, and the end in seconds and microseconds.
fn logged(line: &str) -> Option<Done> {
    let mut columns = line.split(' ').skip(2);
    let took_us = columns.next()?.parse().ok()?;
    let script = columns.next()?.parse().ok()?;
    let (seconds, us): (i64, i64) = (columns.next()?.parse().ok()?, columns.next()?.parse().ok()?);
    Some(Done {
        script,
        took_us,
        ended_unix_ms: seconds * 1_000 + us / 1_000,
    })
}

/// The time that so many of a hundred stay within.
pub fn share_ms(mut times_us: Vec<u32>, per_cent: usize) -> Result<f64, Failure> {
    times_us.sort_unstable();
    let time_us = times_us.get(times_us.len() * per_cent / 100);
    Ok(f64::from(*time_us.ok_or("too few transactions were sampled")?) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_times_are_read_from_the_log() {
        let line = "0 199 2241 1 1175850568 995598";
        let done = Done {
            script: 1,
            took_us: 2_241,
            ended_unix_ms: 1_175_850_568_995,
        };
        assert_eq!((logged(line), logged("0 1")), (Some(done), None));
        // With a rate, the time behind it stands last.
        assert_eq!(logged(&format!("{line} 77")), Some(done));
        let ms = |per_cent| share_ms((1..=200).map(|ms| ms * 1000).collect(), per_cent).unwrap();
        assert!((ms(99) - 199.0).abs() < 1e-9 && (ms(95) - 191.0).abs() < 1e-9);
        assert!(share_ms(Vec::new(), 99).is_err());
    }
}
