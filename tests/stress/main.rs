//! Hundreds of clients over a small pool doing everything the protocol allows, and every answer checked: that it
//! belongs to its own question, that no setting of a session is lost or seen by another, that what was acknowledged is
//! stored exactly once. Callers of gRPC may be among them.
//!
//! The tests here are short. `just soak-wire` runs the same for as long and against whom one likes; what it can be
//! asked stands in `options.rs`, and is given in the variable `WEIR_STRESS`.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a long run tells how it goes")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test runs its own load, and what it shall do is its caller's choice"
)]

mod calls;
mod chaos;
mod client;
mod frames;
mod ledger;
mod ops;
mod options;
mod reply;
mod run;
mod session;
mod tally;

use options::Options;
use tally::Oracle;

/// PostgreSQL itself is right by definition: a count that is not zero is a mistake of the test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_wrong_with_postgres_itself() {
    let tally = run::run(&Options::parse("--peer direct --clients 60 --seconds 10")).await;
    tally.expect("PostgreSQL is installed").assert_clean();
}

/// The gateway, over a pool that is far too small for its clients.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_wrong_with_weir() {
    let tally = run::run(&Options::parse("--peer weir --clients 60 --seconds 10")).await;
    tally.expect("the gateway was built").assert_clean();
}

/// The same with callers of the other door among them, who share the pool and have no session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_wrong_with_both_doors_at_once() {
    let tally = run::run(&Options::parse(
        "--peer weir --clients 30 --callers 30 --pool 6 --seconds 10",
    ))
    .await;
    tally.expect("the gateway was built").assert_clean();
}

/// A pooler that is known to lose and leak what a session sets: the test has to see it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_pgbouncer_leaks_is_seen() {
    let options = "--peer pgbouncer --clients 60 --pool 4 --seconds 5 --only simple,set,check";
    match run::run(&Options::parse(options)).await {
        Ok(tally) => {
            assert!(tally.count(Oracle::SetLost) > 0, "{}", tally.report());
            assert!(tally.count(Oracle::SetLeaked) > 0, "{}", tally.report());
            assert_eq!(tally.count(Oracle::WrongRows), 0, "{}", tally.report());
        }
        Err(reason) => println!("not run: {reason}"),
    }
}

/// What `WEIR_STRESS` asks for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a run of its own: just soak-wire"]
async fn as_asked() {
    let asked = std::env::var("WEIR_STRESS").unwrap_or_default();
    let tally = run::run(&Options::parse(&asked)).await;
    tally.expect("the peer can be had").assert_clean();
}
