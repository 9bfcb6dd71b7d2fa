//! Faults planted in a gateway that is built for this alone: the checker has to catch each within a minute.
//!
//! The gateway is `pool-gateway-planted`, built with the feature `planted`, which no other build has. The setting
//! `gateway.cache_fault`, which only it knows, chooses the fault.

use std::path::Path;
use std::time::Duration;

use crate::checker::{Options, Verdict, Wrong, run};

const WITHIN: Duration = Duration::from_secs(60);
const PROGRAM: &str = "pool-gateway-planted";

/// Whether the gateway was built.
fn is_built() -> bool {
    let own = std::env::current_exe().expect("a test knows its own path");
    let place = own
        .parent()
        .and_then(Path::parent)
        .expect("tests lie in target/<profile>/deps");
    place.join(PROGRAM).is_file()
}

/// Runs the checker against a fault.
async fn against(fault: &str, words: &str) -> Verdict {
    assert!(is_built(), "{PROGRAM} is missing: just soak-cache-faults builds it");
    let words = format!("--until-wrong --seconds {} --fault {fault} {words}", WITHIN.as_secs());
    run(&Options::parse(&words)).await
}

fn caught(verdict: Verdict, by: &[Wrong]) {
    let first = verdict.first();
    assert!(
        first.is_some_and(|first| first < WITHIN),
        "it was not caught: {}",
        verdict.report()
    );
    let counted: u64 = by.iter().map(|wrong| verdict.count(*wrong)).sum();
    assert!(counted > 0, "something else was seen: {}", verdict.report());
    println!("caught after {:.1} s", first.unwrap_or_default().as_secs_f64());
}

/// Everything that tells of an old answer.
const OLD: [Wrong; 4] = [Wrong::Stale, Wrong::Session, Wrong::Bound, Wrong::Torn];

macro_rules! planted {
    ($($test:ident $fault:literal $words:literal)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "just soak-cache-faults"]
        async fn $test() {
            caught(against($fault, $words).await, &OLD);
        }
    )*};
}

planted! {
    // What is read between a commit's coming through the log and its being seen is stamped as if it were seen.
    a_stamp_by_what_was_applied "stamp-by-applied" "--kinds hot,once --troubles stall --calm 0.3"
    a_stamp_by_a_position_of_the_same_moment
        "stamp-by-lsn" "--kinds hot,once --troubles stall --calm 0.3"
    // A session asks before what it wrote has come through the log.
    no_floor_for_what_a_session_wrote
        "no-floor" "--kinds hot,pair --own-writes 20 --no-standby --bus-delay-ms 5 --calm 0"
    // Who asks the same at the same time gets an answer that was begun before his own write.
    an_answer_shared_with_those_who_came_later "old-leader"
        "--kinds slow --own-writes 60 --no-standby --calm 0 --readers 16"
    // A change of definitions or roles touches no row.
    a_kill_position_ignored "kill-ignored" "--kinds hot,view,rank --calm 0"
    // What was committed while the stream was broken is in no stream.
    an_epoch_ignored
        "epoch-ignored" "--kinds hot,once --troubles walsender --calm 3"
    // A message of invalidations never comes, and nobody asks for it.
    a_batch_dropped "dropped-batch" "--kinds hot,once,pair --calm 0"
}

/// The same gateway without a fault: what the others catch is the fault and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "just soak-cache-faults"]
async fn no_fault_at_all() {
    against("none", "").await.assert_clean();
}
