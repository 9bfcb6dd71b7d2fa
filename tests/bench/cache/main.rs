//! What the cache brings and costs: the same load through PostgreSQL itself, Weir without its cache, Weir with it, PgBouncer
//! and pgpool-II with its cache, in alternating rounds of one run.
//!
//! `just bench-cache` runs it; `just bench-cache --help` lists what it can be asked. Read ratios and processor time, not
//! absolute figures: load, server and poolers share the machine, and the sides take turns so that its moods reach all of
//! them alike.
#![expect(clippy::print_stdout, reason = "a benchmark talks to whoever runs it")]
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark runs its own load, and names its file after the time of day"
)]

mod board;
mod cells;
mod latency;
mod options;
mod pgpool;
mod rounds;
mod shared;
mod sides;
mod tables;
mod wrong;

use clap::Parser as _;
use weir_tests::facts::raise_open_files;
pub(crate) use weir_tests::pgbench::Failure;

use board::Board;
use options::Options;
use sides::Sides;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::parse();
    raise_open_files();
    println!("{}", options.summary());
    let mut sides = Sides::start(&options).await?;
    tables::fill(&sides, &options).await?;
    sides.until_warm().await;
    let mut board = Board::create()?;
    rounds::run(&options, &sides, &mut board).await?;
    if options.wants("latency") {
        latency::run(&options, &sides, &mut board).await?;
    }
    if options.wants("shared") {
        shared::run(&options, &mut sides, &mut board).await?;
    }
    if options.wants("wrong") {
        wrong::run(&sides, &mut board).await?;
    }
    println!("\n{board}");
    Ok(())
}
