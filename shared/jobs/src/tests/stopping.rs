//! A stop is in order: nothing new begins, what runs may finish, the rest goes back to the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use weir_testkit::eventually;

use super::world::{DEADLINE, World, does, options, request};
use crate::{JobState, Jobs, RunnerOptions};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_finishes_and_nothing_new_begins() {
    let mut world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let works = does("vacuum", move |_| {
        let held = held.clone();
        async move {
            held.acquire().await.unwrap().forget();
            Ok(json!({}))
        }
        .boxed()
    });
    world.runner(works, options()).await;
    let running = world.ask("vacuum").await;
    world.until(running, JobState::Running).await;
    world.stop.cancel();
    let late = world.ask("vacuum").await;
    gate.add_permits(10);
    world.finish().await;
    assert_eq!(world.job(running).await.state, JobState::Succeeded);
    let late = world.job(late).await;
    assert_eq!((late.state, late.attempts), (JobState::Queued, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_is_under_way_at_the_stop_is_given_up() {
    let mut world = World::new().await;
    let mut transaction = world.store.pool().begin().await.unwrap();
    sqlx::query("lock table jobs in share row exclusive mode")
        .execute(&mut *transaction)
        .await
        .unwrap();
    let late = request("vacuum");
    Jobs::request(&mut transaction, &late).await.unwrap();
    world
        .runner(does("vacuum", |_| async { Ok(json!({})) }.boxed()), options())
        .await;
    eventually("a claim that waits for the table", DEADLINE, async || {
        let waiting = "select count(*) from pg_stat_activity where datname = current_database()
                       and wait_event_type = 'Lock' and query like '%update jobs set state = ''running''%'";
        let number: i64 = sqlx::query_scalar(waiting).fetch_one(world.store.pool()).await.unwrap();
        (number > 0).then_some(())
    })
    .await;
    world.stop.cancel();
    transaction.commit().await.unwrap();
    world.finish().await;
    let late = world.job(late.id).await;
    assert_eq!((late.state, late.attempts), (JobState::Queued, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_finish_in_time_is_told_and_goes_back_to_the_queue() {
    let mut world = World::new().await;
    let told = Arc::new(AtomicBool::new(false));
    let heard = told.clone();
    let works = does("vacuum", move |job| {
        let heard = heard.clone();
        async move {
            job.cancelled().cancelled().await;
            heard.store(true, SeqCst);
            std::future::pending().await
        }
        .boxed()
    });
    let hasty = RunnerOptions {
        finish_within: Duration::from_millis(50),
        ..options()
    };
    world.runner(works, hasty).await;
    let id = world.ask("vacuum").await;
    world.until(id, JobState::Running).await;
    world.finish().await;
    let job = world.job(id).await;
    assert_eq!((job.state, job.attempts, job.error), (JobState::Queued, 0, None));
    assert!(told.load(SeqCst), "the work was not told");

    // The next worker need not wait for a dead time, nor is the attempt counted.
    world.stop = CancellationToken::new();
    let patient = RunnerOptions {
        heartbeat_dead_after: DEADLINE * 10,
        ..options()
    };
    world
        .runner(does("vacuum", |_| async { Ok(json!({})) }.boxed()), patient)
        .await;
    assert_eq!(world.until(id, JobState::Succeeded).await.attempts, 1);
    world.finish().await;
    assert_eq!(world.told(id).await, ["started 1", "started 1", "succeeded 1 {}"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_while_nothing_runs_is_quick() {
    let mut world = World::new().await;
    world
        .runner(does("vacuum", |_| async { Ok(json!({})) }.boxed()), options())
        .await;
    let done = world.ask("vacuum").await;
    world.until(done, JobState::Succeeded).await;
    tokio::time::timeout(Duration::from_secs(5), world.finish())
        .await
        .expect("an end");
}
