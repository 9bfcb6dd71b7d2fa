//! Indexes rebuilt beside their use, and what is left when that is cut off: nothing.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use weir_model::Clock;

use super::bed::{Bed, job};
use crate::act::reindex::Stopped;
use crate::act::{Guard, Halt, Rebuilt, rebuild};
use crate::plan::rewrites::IndexName;

fn name(index: &str) -> IndexName {
    IndexName {
        schema: "public".to_owned(),
        name: index.to_owned(),
    }
}

async fn rebuilt(bed: &Bed, index: &str, window: Option<Duration>) -> Result<Rebuilt, Stopped> {
    let (job, _stop) = job(window);
    let clock = Clock::system();
    let mut session = bed.session().await;
    rebuild(&bed.door(), &mut session, &Guard::new(&job, &clock), &name(index)).await
}

#[tokio::test]
async fn an_index_is_as_small_as_it_can_be_and_nothing_is_left() {
    let bed = Bed::new().await;
    bed.bloated(20_000).await;
    let Ok(Rebuilt::Done {
        bytes_before,
        bytes_after,
        tries,
    }) = rebuilt(&bed, "t_a", None).await
    else {
        panic!("it was not rebuilt")
    };
    assert!(bytes_after * 4 < bytes_before, "{bytes_before} to {bytes_after}");
    assert_eq!(tries, 1);
    assert_eq!(bed.invalid().await, "");
    assert_eq!(
        bed.psql("select pg_relation_size('t_a')").await,
        bytes_after.to_string()
    );
}

#[tokio::test]
async fn what_cannot_be_rebuilt_is_left_with_its_reason() {
    let bed = Bed::new().await;
    bed.bloated(100).await;
    bed.psql(
        "create table parted (i int) partition by range (i); create index parted_i on parted (i);
         create table excluded (r int4range, exclude using gist (r with &&));
         create table broken (i int); create index broken_i on broken (i);
         update pg_index set indisvalid = false where indexrelid = 'broken_i'::regclass",
    )
    .await;
    for (index, expected) in [
        ("parted_i", "rebuild those of the partitions"),
        ("excluded_r_excl", "exclusion constraint"),
        ("broken_i", "it is invalid"),
        ("nowhere", "there is no index public.nowhere"),
    ] {
        let Ok(Rebuilt::Left(reason)) = rebuilt(&bed, index, None).await else {
            panic!("{index} was not left")
        };
        assert!(reason.contains(expected), "{reason}");
    }
    assert_eq!(bed.invalid().await, "broken_i");
}

/// A snapshot is all that REINDEX waits for, and it waits for it when the index is built.
#[tokio::test]
async fn a_window_that_ends_leaves_the_index_as_it_was() {
    let bed = Bed::new().await;
    bed.bloated(5_000).await;
    let before = bed.psql("select 't_a'::regclass::oid").await;
    let _holder = bed
        .client("begin isolation level repeatable read; select count(*) from o")
        .await;
    let begun = Instant::now();
    let stopped = rebuilt(&bed, "t_a", Some(Duration::from_millis(1_500)))
        .await
        .unwrap_err();
    assert!(matches!(stopped.halt, Halt::WindowEnded), "{stopped:?}");
    assert_eq!(stopped.swept.removed, ["index public.t_a_ccnew"]);
    assert!(stopped.swept.remains.is_empty(), "{stopped:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(bed.invalid().await, "");
    assert_eq!(bed.psql("select 't_a'::regclass::oid").await, before);
}

/// Clients read and write meanwhile, and the transaction is longer than any lock is waited for.
#[tokio::test]
async fn transactions_that_were_open_before_are_waited_for_without_a_second_build() {
    let bed = Bed::new().await;
    bed.bloated(5_000).await;
    let mut holder = bed
        .client("begin isolation level repeatable read; select count(*) from t")
        .await;
    let mut client = bed.client("select 1").await;
    let release = async {
        bed.until_running("reindex").await;
        let mut slowest = Duration::ZERO;
        let until = Instant::now() + Duration::from_millis(3_500);
        while Instant::now() < until {
            let begun = Instant::now();
            client
                .simple_query("update t set a = a + 1 where id = 10; select count(*) from t where a = 20")
                .await
                .unwrap();
            slowest = slowest.max(begun.elapsed());
            sleep(Duration::from_millis(20)).await;
        }
        holder.simple_query("commit").await.unwrap();
        slowest
    };
    let (rebuilt, slowest) = tokio::join!(rebuilt(&bed, "t_a", None), release);
    assert!(matches!(rebuilt, Ok(Rebuilt::Done { tries: 1, .. })), "{rebuilt:?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

#[tokio::test]
async fn a_table_that_is_locked_is_tried_again() {
    let bed = Bed::new().await;
    bed.bloated(1_000).await;
    let mut holder = bed.client("begin; lock table t in access exclusive mode").await;
    let release = async {
        bed.until("select count(*) from pg_locks where not granted", "1").await;
        // Given up after two seconds, so that nobody stands behind it for longer.
        bed.until("select count(*) from pg_locks where not granted", "0").await;
        holder.simple_query("commit").await.unwrap();
    };
    let (rebuilt, ()) = tokio::join!(rebuilt(&bed, "t_a", None), release);
    assert!(matches!(rebuilt, Ok(Rebuilt::Done { tries: 2.., .. })), "{rebuilt:?}");
}

#[tokio::test]
async fn a_backend_that_is_ended_leaves_nothing_and_the_session_is_there_again() {
    let bed = Bed::new().await;
    bed.bloated(5_000).await;
    let _holder = bed
        .client("begin isolation level repeatable read; select count(*) from o")
        .await;
    let (job, _stop) = job(None);
    let clock = Clock::system();
    let mut session = bed.session().await;
    let pid = session.connection().process_id();
    let (guard, door, t_a) = (Guard::new(&job, &clock), bed.door(), name("t_a"));
    let end = async {
        bed.until("select count(*) from pg_index where not indisvalid and indisready", "1")
            .await;
        bed.psql(&format!("select pg_terminate_backend({pid})")).await;
    };
    let (stopped, ()) = tokio::join!(rebuild(&door, &mut session, &guard, &t_a), end);
    let stopped = stopped.unwrap_err();
    assert!(matches!(stopped.halt, Halt::Failed(_)), "{stopped:?}");
    assert_eq!(stopped.swept.removed, ["index public.t_a_ccnew"]);
    assert_eq!(bed.invalid().await, "");
    assert_eq!(session.connection().simple_query("select 1").await.unwrap().len(), 1);
    assert_ne!(session.connection().process_id(), pid);
}

/// A reader of the table is waited for when the new index has taken the old one's place: what is left then is the old
/// one, under another name.
#[tokio::test]
async fn the_old_index_goes_too_when_it_was_already_replaced() {
    let bed = Bed::new().await;
    bed.bloated(5_000).await;
    let before = bed.psql("select 't_a'::regclass::oid").await;
    let mut holder = bed.client("begin; select count(*) from t").await;
    let release = async {
        bed.until("select count(*) from pg_class where relname = 't_a_ccold'", "1")
            .await;
        bed.until_running("drop index concurrently").await;
        holder.simple_query("commit").await.unwrap();
    };
    let (stopped, ()) = tokio::join!(rebuilt(&bed, "t_a", Some(Duration::from_millis(1_500))), release);
    let stopped = stopped.unwrap_err();
    assert_eq!(stopped.swept.removed, ["index public.t_a_ccold"], "{stopped:?}");
    assert_eq!(bed.invalid().await, "");
    assert_ne!(bed.psql("select 't_a'::regclass::oid").await, before);
}
