//! The figures of one run, and the file that keeps all of them.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use weir_tests::facts::{Cpu, cpu_of, cpu_of_family};
use weir_tests::peers::Peer;

use weir_tests::pgbench::Measured;

use crate::Failure;

/// Processor time of everybody who serves a load.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpus {
    /// The pooler, with all its threads.
    pub(crate) pooler: Cpu,
    /// The NATS server that takes its events.
    pub(crate) nats: Cpu,
    /// PostgreSQL with all its sessions.
    pub(crate) postgres: Cpu,
}

impl Cpus {
    /// As of now.
    pub(crate) fn read(peer: &Peer, postgres_pid: u32) -> Self {
        Self {
            pooler: peer.pooler_pid().map(cpu_of).unwrap_or_default(),
            nats: peer.nats_pid().map(cpu_of).unwrap_or_default(),
            postgres: cpu_of_family(postgres_pid),
        }
    }

    /// For each of so many transactions since an earlier reading.
    pub(crate) fn each_since(self, before: Self, transactions: f64) -> Self {
        let each = |now: Cpu, before: Cpu| {
            let spent = now - before;
            let transactions = transactions.max(1.0);
            Cpu {
                user_us: spent.user_us / transactions,
                system_us: spent.system_us / transactions,
            }
        };
        Self {
            pooler: each(self.pooler, before.pooler),
            nats: each(self.nats, before.nats),
            postgres: each(self.postgres, before.postgres),
        }
    }
}

/// One run of one cell through one peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// What pgbench says.
    pub(crate) measured: Measured,
    /// Processor time per transaction.
    pub(crate) cpu: Cpus,
}

impl Sample {
    /// For the file.
    pub(crate) fn json(&self) -> Value {
        let cpu = |cpu: Cpu| json!({"user_us": cpu.user_us, "system_us": cpu.system_us});
        json!({
            "tps": self.measured.tps,
            "mean_ms": self.measured.mean_ms,
            "p99_ms": self.measured.p99_ms,
            "transactions": self.measured.transactions,
            "cpu_per_transaction": {
                "pooler": cpu(self.cpu.pooler),
                "nats": cpu(self.cpu.nats),
                "postgres": cpu(self.cpu.postgres),
            },
        })
    }
}

/// A file with one line of JSON for each figure, in `target/bench`.
pub(crate) struct Lines {
    file: File,
    path: PathBuf,
}

impl Lines {
    /// A new file, named after the time.
    pub(crate) fn create() -> Result<Self, Failure> {
        let own = std::env::current_exe()?;
        let target = own
            .ancestors()
            .nth(3)
            .ok_or("this program lies in no target directory")?;
        let directory = target.join("bench");
        fs::create_dir_all(&directory)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let path = directory.join(format!("peers-{}.jsonl", now.as_secs()));
        Ok(Self {
            file: File::create(&path)?,
            path,
        })
    }

    /// Adds a line.
    pub(crate) fn add(&mut self, value: &Value) -> Result<(), Failure> {
        Ok(writeln!(self.file, "{value}")?)
    }

    /// Where it lies.
    pub(crate) fn place(&self) -> String {
        self.path.display().to_string()
    }
}
