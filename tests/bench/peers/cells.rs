//! The cells of the table: what load, in what protocol, by how many clients.

use weir_tests::pgbench::{Load, Mode, Script};

/// One cell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    /// Its name in tables and in `--cells`.
    pub(crate) name: &'static str,
    /// What load.
    pub(crate) load: Load,
}

/// About 128 KB in 1000 rows.
const ROWS: &[(&str, u32)] = &[(
    "\\set first random(1, 100000 * :scale - 1000)
select aid, bid, abalance, filler from pgbench_accounts where aid between :first and :first + 999;
",
    1,
)];

const PIPELINE: &[(&str, u32)] = &[(
    "\\set a random(1, 100000 * :scale)
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
",
    1,
)];

const fn cell(name: &'static str, script: Script, mode: Mode, clients: u32) -> Cell {
    let sampled = match script {
        Script::Select => 0.05,
        Script::TpcB | Script::Texts(_) => 0.5,
    };
    let load = Load {
        script,
        mode,
        clients,
        reconnects: false,
        sampled,
    };
    Cell { name, load }
}

const RECONNECTING: Load = Load {
    script: Script::Select,
    mode: Mode::Simple,
    clients: 32,
    reconnects: true,
    sampled: 1.0,
};

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
    cell("rows-1000-4", Script::Texts(ROWS), Mode::Simple, 4),
    cell("pipeline-10-8", Script::Texts(PIPELINE), Mode::Extended, 8),
    Cell {
        name: "reconnect-32",
        load: RECONNECTING,
    },
];
