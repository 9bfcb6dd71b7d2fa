//! The checker: writers by every path, readers at every level, troubles meanwhile, and a judgement of each answer.
//!
//! Everything that is written is a register: a version that only goes up, and whose writers know which version they were
//! told. So an answer alone says whether it is too old, for whom, and since when.

mod callers;
mod options;
mod quiet;
mod readers;
mod record;
mod registers;
mod run;
mod troubles;
mod verdict;
mod writers;
mod writes;

pub(crate) use options::Options;
pub(crate) use run::run;
pub(crate) use verdict::{Verdict, Wrong};

/// Every trouble once. How much comes from memory while it runs depends on the machine, where programs are not optimised
/// and every trouble makes all void; that something does is proved at rest.
const SHORT: &str = "--seconds 27 --calm 1.2 --hot 40 --once 400 --reads-per-write 40 --hits-min 1";

/// A minute at most, in which everything happens once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_older_than_it_may_be() {
    let verdict = run(&Options::parse(SHORT)).await;
    verdict.assert_clean();
}

/// PostgreSQL itself through a gateway without a cache: a count that is not zero is a mistake of the checker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_wrong_without_a_cache() {
    let verdict = run(&Options::parse(
        "--seconds 8 --cache off --hits-min 0 --hot 40 --once 400",
    ))
    .await;
    verdict.assert_clean();
}

/// What `WEIR_CACHE_PROOF` asks for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a run of its own: just soak-cache"]
async fn as_asked() {
    let asked = std::env::var("WEIR_CACHE_PROOF").unwrap_or_default();
    run(&Options::parse(&asked)).await.assert_clean();
}
