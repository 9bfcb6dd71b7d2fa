//! What the benchmark can be asked.

use clap::Parser;
use regex::Regex;

use crate::sides::Side;

/// The same load through PostgreSQL itself, and through Weir and others with and without a cache.
#[derive(Debug, Parser)]
#[command(name = "cache")]
pub(crate) struct Options {
    /// Rounds; the table shows medians over them.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: u32,
    /// Seconds of each run.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(3..))]
    pub(crate) seconds: u32,
    /// Only what this regular expression finds: names of cells, and latency, shared, wrong.
    #[arg(long, default_value = "")]
    cells: Regex,
    /// Who takes part.
    #[arg(long, value_delimiter = ',', default_value = "direct,off,on,pgbouncer,pgpool")]
    pub(crate) sides: Vec<Side>,
    /// Scale of pgbench's tables: 10 is a million rows.
    #[arg(long, default_value_t = 10)]
    pub(crate) scale: u32,
    /// Server connections of each pool.
    #[arg(long, default_value_t = 20)]
    pub(crate) pool: u32,
    /// Commits whose way into the cache is measured, and strict reads, in thousands.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) commits: usize,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Whether something is asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.cells.is_match(name)
    }

    /// In one line, to stand above the figures.
    pub(crate) fn summary(&self) -> String {
        let (rounds, seconds, pool, scale) = (self.rounds, self.seconds, self.pool, self.scale);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        format!(
            "{rounds} rounds of {seconds} s, pools of {pool}, scale {scale}, log-in without password; {cores} cores"
        )
    }
}
