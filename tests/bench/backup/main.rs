//! Backups beside pgBackRest's: the same cluster, in alternating rounds of one run.
//!
//! `just bench-backup` runs it; `just bench-backup --help` lists what it can be asked. Scheduler and backup service are
//! processes as in production, with NATS; jobs are requested as an operator does. pgBackRest runs with bundles, block
//! increments, zstd at level 3, AES-256 and two processes. Wall time is a command's or a job's; CPU time is the process's,
//! user and system.
#![expect(clippy::print_stdout, reason = "a benchmark talks to whoever runs it")]
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark names its file after the time of day"
)]

mod board;
mod cells;
mod figures;
mod jobs;
mod options;
mod peer;
mod stage;

use clap::Parser as _;
pub(crate) use weir_tests::pgbench::Failure;

use board::Board;
use options::Options;
use stage::Stage;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::parse();
    println!("{}", options.summary());
    let stage = Stage::set(&options).await?;
    let mut board = Board::create()?;
    cells::run(&options, &stage, &mut board).await?;
    println!("\n{board}");
    Ok(())
}
