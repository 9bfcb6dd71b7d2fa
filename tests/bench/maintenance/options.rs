//! What the benchmark can be asked.

use clap::Parser;

/// The same load with maintenance and without.
#[derive(Debug, Parser)]
#[command(name = "maintenance")]
pub(crate) struct Options {
    /// Rounds, each a run with the job and one without.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: u32,
    /// Seconds of each run.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..))]
    pub(crate) seconds: u32,
    /// Seconds of load before the first round, from which the guard learns what is usual.
    #[arg(long, default_value_t = 40)]
    pub(crate) before: u32,
    /// Operations; `auto` is whatever maintenance finds to do.
    #[arg(long, value_delimiter = ',', default_value = "vacuum,reindex,reorganize,auto")]
    pub(crate) operations: Vec<String>,
    /// Clients.
    #[arg(long, default_value_t = 8)]
    pub(crate) clients: u32,
    /// Transactions a second of all of them; 0: as many as they can.
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Scale of pgbench's tables: 10 is a million rows.
    #[arg(long, default_value_t = 20)]
    pub(crate) scale: u32,
    /// PostgreSQL's `shared_buffers`: with less than the tables take, a job reads from the disk as users do.
    #[arg(long, default_value = "128MB")]
    pub(crate) shared_buffers: String,
    /// Further settings of maintenance, as NAME=VALUE of its environment.
    #[arg(long = "set")]
    pub(crate) set: Vec<String>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Transactions a second, where there is a bound.
    pub(crate) fn rate(&self) -> Option<u32> {
        (self.rate > 0).then_some(self.rate)
    }

    /// In one line, to stand above the figures.
    pub(crate) fn summary(&self) -> String {
        let Self {
            rounds,
            seconds,
            clients,
            scale,
            shared_buffers,
            ..
        } = self;
        let rate = self
            .rate()
            .map_or("no rate".to_owned(), |rate| format!("{rate} transactions/s"));
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        format!(
            "{rounds} rounds of 2 x {seconds} s, {clients} clients, {rate}, scale {scale}, shared_buffers {shared_buffers}; {cores} cores"
        )
    }
}
