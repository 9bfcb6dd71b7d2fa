//! The peers of a comparison: PostgreSQL itself, and poolers in front of it. Each is a door at a port with the same
//! user, password and database; what runs behind it is known only for its figures.

mod ground;
mod pgbouncer;
mod weir;

pub use ground::{Ground, Setup};

use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use weir_testkit::Process;

use crate::wire::{Address, Connection};

/// How long a pooler may take until the first client is in.
const READY_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// Who is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// PostgreSQL without anything before it.
    Direct,
    /// PgBouncer in transaction mode.
    PgBouncer,
    /// Weir's gateway in transaction mode.
    Weir,
    /// The same without its events.
    WeirSilent,
}

impl Kind {
    /// Everybody.
    pub const ALL: [Self; 4] = [Self::Direct, Self::PgBouncer, Self::Weir, Self::WeirSilent];

    /// As it is written in options and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::PgBouncer => "pgbouncer",
            Self::Weir => "weir",
            Self::WeirSilent => "weir-silent",
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| format!("{text} is none of direct, pgbouncer, weir, weir-silent"))
    }
}

/// A running peer. It ends when it is dropped.
pub struct Peer {
    /// Who it is.
    pub kind: Kind,
    /// Its door.
    pub address: Address,
    /// The port of its gRPC door, where it has one.
    pub grpc: Option<u16>,
    /// Whether it knows named prepared statements.
    pub has_prepared: bool,
    pooler: Option<Process>,
    nats: Option<Process>,
    /// Its files, kept as long as it runs.
    _files: Option<TempDir>,
}

impl Peer {
    /// The process of the pooler, where there is one.
    pub fn pooler_pid(&self) -> Option<u32> {
        self.pooler.as_ref().map(Process::pid)
    }

    /// The NATS server that takes its events, where there is one.
    pub fn nats_pid(&self) -> Option<u32> {
        self.nats.as_ref().map(Process::pid)
    }

    /// What the pooler said so far.
    pub fn output(&self) -> String {
        self.pooler.as_ref().map(Process::output).unwrap_or_default()
    }

    /// Why it has ended, where it has.
    pub fn ended(&self) -> Option<String> {
        let pooler = self.pooler.as_ref()?;
        let status = pooler.exit_status()?;
        Some(format!(
            "{} ended with {status}:\n{}",
            self.kind.name(),
            last_lines(&pooler.output())
        ))
    }

    /// Waits until a client can log in.
    async fn until_ready(self) -> Result<Self, String> {
        let end = Instant::now() + READY_WITHIN;
        loop {
            let error = match Connection::open(&self.address, &[]).await {
                Ok(_) => return Ok(self),
                Err(error) => error,
            };
            if let Some(ended) = self.ended() {
                return Err(ended);
            }
            if Instant::now() > end {
                let said = last_lines(&self.output());
                return Err(format!("nobody can log in at {}: {error}\n{said}", self.kind.name()));
            }
            sleep(POLL).await;
        }
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(8)..)
        .unwrap_or_default()
        .join("\n")
}
