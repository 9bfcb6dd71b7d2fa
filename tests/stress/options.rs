//! What a run can be asked: words as on a command line, since a test has none of its own.

use std::path::PathBuf;

use clap::Parser;
use weir_tests::peers::{Kind, Setup};
use weir_tests::wire::Address;

use crate::ops::Op;

/// Hundreds of clients over a small pool, and every answer checked.
#[derive(Debug, Clone, Parser)]
#[command(name = "stress")]
pub(crate) struct Options {
    /// Through whom.
    #[arg(long, default_value = "weir")]
    pub(crate) peer: Kind,
    /// A pooler that runs already, as postgres://user:password@host:port/database; needs `--postgres`.
    #[arg(long, requires = "postgres")]
    pub(crate) at: Option<Address>,
    /// The PostgreSQL behind it, for the ledger.
    #[arg(long)]
    pub(crate) postgres: Option<Address>,
    /// Clients at once.
    #[arg(long, default_value_t = 500)]
    pub(crate) clients: u32,
    /// Callers of gRPC at once, beside them.
    #[arg(long, default_value_t = 0)]
    pub(crate) callers: u32,
    /// Server connections of the pool.
    #[arg(long, default_value_t = 20)]
    pub(crate) pool: u32,
    /// Clients at once that do what binds a server to one client; a quarter of the pool without it.
    #[arg(long)]
    pins: Option<u32>,
    /// Ends after so many seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Ends after so many queries instead.
    #[arg(long)]
    pub(crate) transactions: Option<u64>,
    /// Repeats the choices of an earlier run; what the scheduler chooses differs.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Leaves these operations out.
    #[arg(long, value_delimiter = ',')]
    without: Vec<Op>,
    /// Only these operations.
    #[arg(long, value_delimiter = ',', conflicts_with = "without")]
    only: Vec<Op>,
    /// Ends random server connections every now and then.
    #[arg(long)]
    pub(crate) chaos: bool,
    /// Weir's gateway, where it is not the one that was built beside this program.
    #[arg(long)]
    weir: Option<PathBuf>,
}

impl Options {
    /// Reads words.
    pub(crate) fn parse(words: &str) -> Self {
        let words = std::iter::once("stress").chain(words.split_whitespace());
        Self::try_parse_from(words).unwrap_or_else(|error| error.exit())
    }

    /// What the peers stand on.
    pub(crate) fn setup(&self) -> Setup {
        Setup {
            pool: self.pool,
            // A client that broke off leaves a session behind for a while.
            max_connections: (self.clients + self.callers) * 2 + 100,
            shared_buffers: "128MB".to_owned(),
            weir: self.weir.clone(),
            ..Setup::default()
        }
    }

    /// How long, unless it ends by a number of queries.
    pub(crate) const fn seconds(&self) -> Option<u64> {
        match self.transactions {
            Some(_) => None,
            None => Some(self.seconds),
        }
    }

    /// How many clients may bind a server at once.
    pub(crate) fn pins(&self) -> usize {
        let pins = self.pins.unwrap_or(self.pool / 4).max(1);
        usize::try_from(pins).expect("a number of clients")
    }

    /// The operations that take part, each as often as it weighs.
    pub(crate) fn ops(&self) -> Vec<Op> {
        let takes_part = |op: &Op| {
            let only = self.only.is_empty() || self.only.contains(op);
            only && !self.without.contains(op)
        };
        let chosen = Op::ALL.into_iter().filter(takes_part);
        chosen.flat_map(|op| std::iter::repeat_n(op, op.weight())).collect()
    }
}
