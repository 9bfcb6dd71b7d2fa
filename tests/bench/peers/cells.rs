//! The cells of the table: what load, in what protocol, by how many clients.

/// What a transaction does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Script {
    /// One row by its key: pgbench's `-S`.
    Select,
    /// pgbench's own mix of reads and writes.
    TpcB,
    /// A script of this text.
    Text(&'static str),
}

/// How pgbench speaks to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The simple protocol.
    Simple,
    /// The extended protocol, a Parse for every statement.
    Extended,
    /// Named prepared statements.
    Prepared,
}

impl Mode {
    /// As pgbench calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Extended => "extended",
            Self::Prepared => "prepared",
        }
    }
}

/// One cell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    /// Its name in tables and in `--cells`.
    pub(crate) name: &'static str,
    /// What a transaction does.
    pub(crate) script: Script,
    /// How it is said.
    pub(crate) mode: Mode,
    /// How many clients do it at once.
    pub(crate) clients: u32,
    /// Whether each transaction has a connection of its own.
    pub(crate) reconnects: bool,
    /// The share of transactions whose time is written down for the 99th percentile; the same for every peer.
    pub(crate) sampled: f64,
}

/// About 128 KB in 1000 rows.
const ROWS: &str = "\\set first random(1, 100000 * :scale - 1000)
select aid, bid, abalance, filler from pgbench_accounts where aid between :first and :first + 999;
";

const PIPELINE: &str = "\\set a random(1, 100000 * :scale)
\\set b random(1, 100000 * :scale)
\\startpipeline
select abalance from pgbench_accounts where aid = :a;
select abalance from pgbench_accounts where aid = :b;
select abalance from pgbench_accounts where aid = :a;
select abalance from pgbench_accounts where aid = :b;
select abalance from pgbench_accounts where aid = :a;
select abalance from pgbench_accounts where aid = :b;
select abalance from pgbench_accounts where aid = :a;
select abalance from pgbench_accounts where aid = :b;
select abalance from pgbench_accounts where aid = :a;
select abalance from pgbench_accounts where aid = :b;
\\endpipeline
";

const fn cell(name: &'static str, script: Script, mode: Mode, clients: u32) -> Cell {
    let sampled = match script {
        Script::Select => 0.05,
        Script::TpcB | Script::Text(_) => 0.5,
    };
    Cell {
        name,
        script,
        mode,
        clients,
        reconnects: false,
        sampled,
    }
}

/// Every cell, in the order of the table.
pub(crate) const CELLS: [Cell; 14] = [
    cell("select-simple-1", Script::Select, Mode::Simple, 1),
    cell("select-extended-1", Script::Select, Mode::Extended, 1),
    cell("select-prepared-1", Script::Select, Mode::Prepared, 1),
    cell("select-simple-32", Script::Select, Mode::Simple, 32),
    cell("select-extended-32", Script::Select, Mode::Extended, 32),
    cell("select-prepared-32", Script::Select, Mode::Prepared, 32),
    cell("select-simple-500", Script::Select, Mode::Simple, 500),
    cell("select-extended-500", Script::Select, Mode::Extended, 500),
    cell("select-prepared-500", Script::Select, Mode::Prepared, 500),
    cell("tpcb-simple-32", Script::TpcB, Mode::Simple, 32),
    cell("tpcb-prepared-16", Script::TpcB, Mode::Prepared, 16),
    cell("rows-1000-4", Script::Text(ROWS), Mode::Simple, 4),
    cell("pipeline-10-8", Script::Text(PIPELINE), Mode::Extended, 8),
    Cell {
        reconnects: true,
        sampled: 1.0,
        ..cell("reconnect-32", Script::Select, Mode::Simple, 32)
    },
];
