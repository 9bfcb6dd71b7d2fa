//! What users notice of maintenance: the same load through the gateway with a job of maintenance and without, in
//! alternating rounds of one run.
//!
//! `just bench-maintenance` runs it; `just bench-maintenance --help` lists what it can be asked. Gateway, monitor,
//! scheduler and maintenance are processes as in production, with NATS and PostgreSQL; jobs are requested as an operator
//! does. Promised is a p95 of at most 1.25 times the undisturbed one, or that the job backs off. An operation that
//! maintenance does not know is named as such.
#![expect(clippy::print_stdout, reason = "a benchmark talks to whoever runs it")]
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark runs its own load, and names its file after the time of day"
)]

mod board;
mod job;
mod options;
mod rounds;
mod stage;

use clap::Parser as _;
use weir_tests::facts::raise_open_files;
pub(crate) use weir_tests::pgbench::Failure;

use board::Board;
use options::Options;
use stage::Stage;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::parse();
    raise_open_files();
    println!("{}", options.summary());
    let stage = Stage::set(&options).await?;
    let mut board = Board::create()?;
    rounds::run(&options, &stage, &mut board).await?;
    println!("\n{board}");
    Ok(())
}
