//! What the benchmark can be asked.

use std::path::PathBuf;

use clap::Parser;

/// Backups beside pgBackRest's.
#[derive(Debug, Parser)]
#[command(name = "backup")]
pub(crate) struct Options {
    /// Rounds, each with every cell on both sides.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: u32,
    /// Scale of pgbench's tables: 50 is five million rows, 0.75 GB.
    #[arg(long, default_value_t = 50)]
    pub(crate) scale: u32,
    /// Rows of a table of events with JSON, about 310 bytes each.
    #[arg(long, default_value_t = 2_600_000)]
    pub(crate) events: u64,
    /// Increments between a full backup and the restore that is held against a full one's.
    #[arg(long, default_value_t = 30)]
    pub(crate) increments: u32,
    /// Segments of log for the figure of CPU time per segment.
    #[arg(long, default_value_t = 60)]
    pub(crate) segments: u32,
    /// Seconds of small transactions for the time that commits are exposed.
    #[arg(long, default_value_t = 30)]
    pub(crate) load_seconds: u32,
    /// What to measure.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "full,contiguous,random,restore,delta,increments,log,exposure"
    )]
    pub(crate) cells: Vec<String>,
    /// The program of pgBackRest.
    #[arg(long, default_value = "pgbackrest")]
    pub(crate) pgbackrest: PathBuf,
    /// Further settings of the backup service, as NAME=VALUE of its environment.
    #[arg(long = "set")]
    pub(crate) set: Vec<String>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Whether a cell is wanted.
    pub(crate) fn wants(&self, cell: &str) -> bool {
        self.cells.iter().any(|wanted| wanted == cell)
    }

    /// In one line, to stand above the figures.
    pub(crate) fn summary(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let Self {
            rounds, scale, events, ..
        } = self;
        format!("{rounds} rounds, pgbench scale {scale} and {events} events; {cores} cores")
    }
}
