//! What a run can be asked: words as on a command line, since a test has none of its own.

use std::time::Duration;

use clap::Parser;

use super::registers::Kind;
use super::troubles::Trouble;

/// Writers, readers and troubles, and every answer judged.
#[derive(Debug, Clone, Parser)]
#[command(name = "cache")]
pub(crate) struct Options {
    /// Ends after so many seconds.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Ends after so many reads instead.
    #[arg(long)]
    pub(crate) reads: Option<u64>,
    /// `gateway.cache`.
    #[arg(long, default_value = "on")]
    pub(crate) cache: String,
    /// A fault of the gateway that was built with the feature `planted`.
    #[arg(long)]
    pub(crate) fault: Option<String>,
    /// Ends with the first wrong answer.
    #[arg(long)]
    pub(crate) until_wrong: bool,
    /// Sessions that read, a third of them at each level.
    #[arg(long, default_value_t = 12)]
    pub(crate) readers: usize,
    /// Callers of gRPC that read.
    #[arg(long, default_value_t = 2)]
    pub(crate) callers: usize,
    /// Reads for each write, so that hits do not depend on how fast the machine is.
    #[arg(long, default_value_t = 100)]
    pub(crate) reads_per_write: u64,
    /// Rows of the table that is read most.
    #[arg(long, default_value_t = 200)]
    pub(crate) hot: i32,
    /// So many of a hundred requests of a session that reads are writes of its own.
    #[arg(long, default_value_t = 2)]
    pub(crate) own_writes: u32,
    /// Only these kinds of register.
    #[arg(long, value_delimiter = ',')]
    pub(crate) kinds: Vec<Kind>,
    /// Only these troubles.
    #[arg(long, value_delimiter = ',')]
    pub(crate) troubles: Vec<Trouble>,
    /// Not these troubles.
    #[arg(long, value_delimiter = ',')]
    pub(crate) without: Vec<Trouble>,
    /// Seconds between the end of one trouble and the next; 0 for a run without.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) calm: f64,
    /// Some writers do not wait until what they wrote is on disk; PostgreSQL is not restarted then.
    #[arg(long)]
    pub(crate) asynchronous: bool,
    /// No synchronous standby, so that invalidations come when they come.
    #[arg(long)]
    pub(crate) no_standby: bool,
    /// Everything on the bus takes so many milliseconds longer.
    #[arg(long, default_value_t = 0)]
    pub(crate) bus_delay_ms: u64,
    /// At least so many of a hundred requests that the cache was asked for come from memory.
    #[arg(long, default_value_t = 80)]
    pub(crate) hits_min: u32,
    /// Rows that are written only once.
    #[arg(long, default_value_t = 2000)]
    pub(crate) once: i32,
    /// Repeats the choices of an earlier run; what the scheduler chooses differs.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

impl Options {
    /// Reads words.
    pub(crate) fn parse(words: &str) -> Self {
        let words = std::iter::once("cache").chain(words.split_whitespace());
        Self::try_parse_from(words).unwrap_or_else(|error| error.exit())
    }

    /// How long, unless it ends by a number of reads.
    pub(crate) const fn length(&self) -> Option<Duration> {
        match self.reads {
            Some(_) => None,
            None => Some(Duration::from_secs(self.seconds)),
        }
    }

    /// Whether a kind takes part.
    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// The troubles that take part.
    pub(crate) fn troubles(&self) -> Vec<Trouble> {
        let takes_part = |trouble: &Trouble| {
            let asked = self.troubles.is_empty() || self.troubles.contains(trouble);
            let can = match trouble {
                Trouble::Postgres => !self.asynchronous,
                Trouble::Stall => !self.no_standby,
                _ => true,
            };
            asked && can && !self.without.contains(trouble)
        };
        Trouble::ALL.into_iter().filter(takes_part).collect()
    }
}
