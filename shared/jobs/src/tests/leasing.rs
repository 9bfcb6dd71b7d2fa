//! A worker dies, freezes, or loses its database: the job goes on elsewhere, and nobody writes over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::json;
use tokio::sync::Semaphore;
use weir_testkit::{Postgres, eventually};

use super::world::{DEADLINE, World, does, options, polling, request};
use crate::{JobState, RunnerOptions, Works};

/// Never ends by itself.
fn endless() -> Works {
    does("vacuum", |_| std::future::pending().boxed())
}

fn at_once() -> Works {
    does("vacuum", |_| async { Ok(json!({"by": "the second"})) }.boxed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_a_worker_that_died_is_taken_over() {
    let mut world = World::new().await;
    let dies = world.runner(endless(), options()).await;
    let id = world.ask("vacuum").await;
    world.until(id, JobState::Running).await;
    dies.abort();
    world.runner(at_once(), polling()).await;
    let job = world.until(id, JobState::Succeeded).await;
    world.finish().await;
    assert_eq!((job.attempts, job.effect), (2, Some(json!({"by": "the second"}))));
    assert_eq!(
        world.told(id).await,
        [
            "started 1",
            "failed 1 job-worker-lost",
            "started 2",
            r#"succeeded 2 {"by":"the second"}"#
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_kills_every_worker_fails_after_its_attempts() {
    let mut world = World::new().await;
    let dies = world.runner(endless(), options()).await;
    let mut deadly = request("vacuum");
    deadly.attempt_max = 1;
    world.request(&deadly).await;
    world.until(deadly.id, JobState::Running).await;
    dies.abort();
    world.runner(at_once(), polling()).await;
    world.until(deadly.id, JobState::Failed).await;
    world.finish().await;
    assert_eq!(
        world.told(deadly.id).await,
        ["started 1", "failed 1 job-worker-lost final"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_lives_keeps_its_lease_longer_than_the_dead_time() {
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
    let id = world.ask("vacuum").await;
    let begun = world.until(id, JobState::Running).await.started_at.unwrap();
    world.runner(at_once(), polling()).await;
    eventually(
        "a heartbeat twice the dead time after the start",
        DEADLINE,
        async || {
            let heartbeat = world.job(id).await.heartbeat_at.unwrap();
            (heartbeat > begun + 2 * options().heartbeat_dead_after).then_some(())
        },
    )
    .await;
    gate.add_permits(1);
    assert_eq!(world.until(id, JobState::Succeeded).await.attempts, 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_slept_through_its_lease_changes_nothing() {
    let mut world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let ended = Arc::new(AtomicBool::new(false));
    let over = ended.clone();
    let sleepy = does("vacuum", move |job| {
        let (held, over) = (held.clone(), over.clone());
        async move {
            held.acquire().await.unwrap().forget();
            job.progress(1, 1, "too late");
            over.store(true, SeqCst);
            Ok(json!({"by": "the first"}))
        }
        .boxed()
    });
    // It neither says that it lives nor looks whether it still may.
    let asleep = RunnerOptions {
        concurrency: 1,
        heartbeat_every: DEADLINE * 10,
        ..options()
    };
    world.runner(sleepy, asleep).await;
    let id = world.ask("vacuum").await;
    world.until(id, JobState::Running).await;
    world.runner(at_once(), polling()).await;
    let job = world.until(id, JobState::Succeeded).await;
    gate.add_permits(1);
    world.finish().await;
    assert!(ended.load(SeqCst));
    assert_eq!(world.job(id).await, job, "the first wrote over the second");
    assert_eq!(world.told(id).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_without_its_database_drops_the_work_before_another_may_take_it() {
    let postgres = Postgres::start().await;
    let mut world = World::at(&postgres.url("postgres")).await;
    let at_it = Arc::new(AtomicU32::new(0));
    let count = at_it.clone();
    let works = does("vacuum", move |job| {
        let count = count.clone();
        async move {
            struct Leaves(Arc<AtomicU32>);
            impl Drop for Leaves {
                fn drop(&mut self) {
                    self.0.fetch_sub(1, SeqCst);
                }
            }
            count.fetch_add(1, SeqCst);
            let _leaves = Leaves(count);
            if job.attempt() == 1 {
                std::future::pending().await
            } else {
                Ok(json!({}))
            }
        }
        .boxed()
    });
    world.runner(works, polling()).await;
    let id = world.ask("vacuum").await;
    eventually("the work", DEADLINE, async || (at_it.load(SeqCst) == 1).then_some(())).await;
    postgres.pause();
    eventually("the work to be dropped", DEADLINE, async || {
        (at_it.load(SeqCst) == 0).then_some(())
    })
    .await;
    postgres.resume();
    world.until(id, JobState::Succeeded).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_is_stored_once_the_database_is_back() {
    let mut postgres = Postgres::start().await;
    let mut world = World::at(&postgres.url("postgres")).await;
    let (gate, done) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
    let (held, count) = (gate.clone(), done.clone());
    let works = does("vacuum", move |_| {
        let (held, count) = (held.clone(), count.clone());
        async move {
            held.acquire().await.unwrap().forget();
            count.fetch_add(1, SeqCst);
            Ok(json!({}))
        }
        .boxed()
    });
    let patient = RunnerOptions {
        heartbeat_dead_after: DEADLINE,
        ..options()
    };
    world.runner(works, patient).await;
    let id = world.ask("vacuum").await;
    world.until(id, JobState::Running).await;
    postgres.stop().await;
    gate.add_permits(1);
    eventually("the work to end", DEADLINE, async || {
        (done.load(SeqCst) == 1).then_some(())
    })
    .await;
    postgres.start_again().await;
    eventually("the end to be stored", DEADLINE, async || {
        let job = world.jobs.get(id).await.ok().flatten()?;
        (job.state == JobState::Succeeded).then_some(())
    })
    .await;
    world.finish().await;
    assert_eq!(done.load(SeqCst), 1);
    assert_eq!(world.told(id).await, ["started 1", "succeeded 1 {}"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_survives_a_restart_of_its_database() {
    let mut postgres = Postgres::start().await;
    let mut world = World::at(&postgres.url("postgres")).await;
    world
        .runner(
            at_once(),
            RunnerOptions {
                poll_every: Duration::from_millis(100),
                ..options()
            },
        )
        .await;
    let before = world.ask("vacuum").await;
    world.until(before, JobState::Succeeded).await;
    postgres.stop().await;
    postgres.start_again().await;
    let wanted = request("vacuum");
    eventually("a request to be stored", DEADLINE, async || {
        let mut connection = world.store.pool().acquire().await.ok()?;
        crate::Jobs::request(&mut connection, &wanted).await.ok()
    })
    .await;
    world.until(wanted.id, JobState::Succeeded).await;
    world.finish().await;
}
