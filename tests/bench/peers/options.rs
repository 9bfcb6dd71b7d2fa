//! What the benchmark can be asked.

use std::path::PathBuf;

use clap::Parser;
use regex::Regex;
use weir_tests::peers::{Kind, Setup};

/// The same load through PostgreSQL itself, PgBouncer and Weir in alternating rounds.
#[derive(Debug, Parser)]
#[command(name = "peers")]
pub(crate) struct Options {
    /// Rounds; the table shows medians over them.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: u32,
    /// Seconds of each run.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(3..))]
    pub(crate) seconds: u32,
    /// Only the cells, or with `--doors` the loads, whose name this regular expression finds.
    #[arg(long, default_value = "")]
    pub(crate) cells: Regex,
    /// Who takes part; weir-silent is Weir without events.
    #[arg(long, value_delimiter = ',', default_value = "direct,pgbouncer,weir")]
    pub(crate) peers: Vec<Kind>,
    /// Scale of pgbench's tables.
    #[arg(long, default_value_t = 20)]
    pub(crate) scale: u32,
    /// Server connections of each pool.
    #[arg(long, default_value_t = 20)]
    pub(crate) pool: u32,
    /// Log in without passwords, everywhere alike, instead of SCRAM.
    #[arg(long)]
    pub(crate) trust: bool,
    /// Weir's gateway, where it is not the one that was built beside this program.
    #[arg(long)]
    pub(crate) weir: Option<PathBuf>,
    /// Keep Weir's events in its process, without a NATS server.
    #[arg(long)]
    pub(crate) no_nats: bool,
    /// A further environment variable of Weir's gateway, NAME=VALUE; may be repeated.
    #[arg(long, value_parser = pair)]
    pub(crate) weir_env: Vec<(String, String)>,
    /// Instead of pgbench: memory of each pooler with this many idle clients.
    #[arg(long, num_args = 0..=1, default_missing_value = "10000")]
    pub(crate) idle: Option<usize>,
    /// Instead of pgbench: connect, log in and leave as fast as possible for this many seconds.
    #[arg(long, num_args = 0..=1, default_missing_value = "5")]
    pub(crate) storm: Option<u64>,
    /// Instead of pgbench: how evenly many clients are served over this many seconds.
    #[arg(long, num_args = 0..=1, default_missing_value = "10")]
    pub(crate) fairness: Option<u64>,
    /// Clients of that measurement.
    #[arg(long, default_value_t = 500)]
    pub(crate) fairness_clients: usize,
    /// Instead of pgbench: rows by gRPC and by the PostgreSQL protocol for each second of the gateway's processor time.
    #[arg(long)]
    pub(crate) doors: bool,
    /// Instead of throughput: system calls of each pooler per transaction, counted by strace.
    #[arg(long)]
    pub(crate) syscalls: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// What the peers stand on.
    pub(crate) fn setup(&self) -> Setup {
        Setup {
            pool: self.pool,
            trust: self.trust,
            weir: self.weir.clone(),
            nats: !self.no_nats,
            weir_environment: self.weir_env.clone(),
            ..Setup::default()
        }
    }

    /// Whether one of the measurements with clients of our own is asked for.
    pub(crate) const fn runs_extra(&self) -> bool {
        self.idle.is_some() || self.storm.is_some() || self.fairness.is_some()
    }

    /// In one line, to stand above the figures.
    pub(crate) fn summary(&self) -> String {
        let (rounds, seconds, pool, scale) = (self.rounds, self.seconds, self.pool, self.scale);
        let login = if self.trust { "trust" } else { "SCRAM" };
        let events = if self.no_nats { "in the process" } else { "to NATS" };
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        format!(
            "{rounds} rounds of {seconds} s, pool of {pool}, scale {scale}, log-in by {login}, Weir's events {events}; {cores} cores"
        )
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text} is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}
