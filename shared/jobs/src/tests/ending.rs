//! How attempts end: done, tried again, given up, panicked, cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::json;
use tokio::sync::Semaphore;
use uuid::Uuid;
use weir_testkit::eventually;

use super::world::{DEADLINE, World, does, options, polling, request};
use crate::{JobError, JobState, RunnerOptions};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_may_succeed_later_is_repeated_until_it_does() {
    let mut world = World::new().await;
    let works = does("analyze", |job| {
        async move {
            match job.attempt() {
                3 => Ok(json!({"rows": 7})),
                _ => Err(JobError::retry("upstream-away", "not\nyet")),
            }
        }
        .boxed()
    });
    world.runner(works, polling()).await;
    let id = world.ask("analyze").await;
    let job = world.until(id, JobState::Succeeded).await;
    world.finish().await;
    assert_eq!(
        (job.attempts, job.effect, job.error),
        (3, Some(json!({"rows": 7})), None)
    );
    assert_eq!(
        world.told(id).await,
        [
            "started 1",
            "failed 1 upstream-away",
            "started 2",
            "failed 2 upstream-away",
            "started 3",
            r#"succeeded 3 {"rows":7}"#
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_has_no_sense_before_a_while_waits_for_it() {
    let mut world = World::new().await;
    const A_WHILE: Duration = Duration::from_millis(700);
    let works = does("analyze", |job| {
        async move {
            match job.attempt() {
                2 => Ok(json!({})),
                _ => Err(JobError::retry("users-suffer", "not now").not_within(A_WHILE)),
            }
        }
        .boxed()
    });
    world.runner(works, polling()).await;
    let id = world.ask("analyze").await;
    let job = world.until(id, JobState::Succeeded).await;
    world.finish().await;
    // Otherwise the second attempt comes after a tenth of a second at most.
    let span = job.ended_at.unwrap().duration_since(job.started_at.unwrap()).unwrap();
    assert!(job.attempts == 2 && span >= A_WHILE, "{span:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_attempt_and_a_hopeless_one_fail_for_good() {
    let mut world = World::new().await;
    let works = does("analyze", |job| {
        async move {
            match job.parameters()["hopeless"].as_bool() {
                Some(true) => Err(JobError::fail("no-such-table", "there is\nno such table")),
                _ => Err(JobError::retry("upstream-away", "not yet")),
            }
        }
        .boxed()
    });
    world.runner(works, polling()).await;
    let mut hopeless = request("analyze");
    hopeless.parameters = json!({"hopeless": true});
    world.request(&hopeless).await;
    let stubborn = world.ask("analyze").await;
    let job = world.until(hopeless.id, JobState::Failed).await;
    assert_eq!(
        (job.attempts, job.error.as_deref(), job.slug.as_deref()),
        (1, Some("there is no such table"), Some("no-such-table"))
    );
    assert_eq!(
        world.told(hopeless.id).await,
        ["started 1", "failed 1 no-such-table final"]
    );
    assert_eq!(world.until(stubborn, JobState::Failed).await.attempts, 3);
    world.finish().await;
    assert_eq!(
        world.told(stubborn).await.last().unwrap(),
        "failed 3 upstream-away final"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wait_before_another_attempt_is_between_half_and_all_of_the_backoff() {
    let mut world = World::new().await;
    let works = does("analyze", |_| {
        async { Err(JobError::retry("upstream-away", "not yet")) }.boxed()
    });
    let patient = RunnerOptions {
        retry_first: Duration::from_secs(1000),
        retry_cap: DEADLINE * 1000,
        ..options()
    };
    world.runner(works, patient).await;
    for _ in 0..8 {
        world.ask("analyze").await;
    }
    let waits: Vec<f64> = eventually("eight waits", DEADLINE, async || {
        let waiting =
            "select extract(epoch from run_after - now())::float8 from jobs where state = 'queued' and attempt = 1";
        let waits: Vec<f64> = sqlx::query_scalar(waiting).fetch_all(world.store.pool()).await.unwrap();
        if waits.len() == 8 {
            Ok(waits)
        } else {
            Err(format!("{waits:?}"))
        }
    })
    .await;
    world.finish().await;
    assert!(waits.iter().all(|wait| (470.0..=1000.0).contains(wait)), "{waits:?}");
    assert!(
        waits.iter().any(|wait| (wait - waits[0]).abs() > 1.0),
        "all the same: {waits:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_ends_the_attempt_and_not_the_runner() {
    let mut world = World::new().await;
    let works = does("analyze", |job| {
        async move {
            assert!(job.attempt() > 1, "no luck today");
            Ok(json!({}))
        }
        .boxed()
    });
    world
        .runner(
            works,
            RunnerOptions {
                concurrency: 1,
                ..polling()
            },
        )
        .await;
    let id = world.ask("analyze").await;
    world.until(id, JobState::Succeeded).await;
    world.finish().await;
    assert_eq!(
        world.told(id).await,
        ["started 1", "failed 1 job-panicked", "started 2", "succeeded 2 {}"]
    );
}

#[tokio::test]
async fn a_job_that_waits_is_cancelled_at_once() {
    let world = World::new().await;
    let id = world.ask("analyze").await;
    let job = world.jobs.cancel(id).await.unwrap().unwrap();
    assert_eq!((job.state, job.cancel_requested), (JobState::Cancelled, true));
    assert_eq!(world.told(id).await, ["failed 0 job-cancelled final cancelled"]);
    // A second wish, and a wish for something unknown, change nothing.
    assert_eq!(world.jobs.cancel(id).await.unwrap().unwrap(), job);
    assert_eq!(world.told(id).await.len(), 1);
    assert!(world.jobs.cancel(Uuid::now_v7()).await.unwrap().is_none());
}

/// Cancels a running job whose work takes it like `manner`.
async fn cancelled_while_running(manner: &'static str) -> (JobState, Vec<String>) {
    let mut world = World::new().await;
    let works = does("vacuum", move |job| {
        async move {
            job.cancelled().cancelled().await;
            match manner {
                "polite" => Err(JobError::retry("statement-cancelled", "stopped")),
                "done" => Ok(json!({})),
                _ => std::future::pending().await,
            }
        }
        .boxed()
    });
    world.runner(works, options()).await;
    let id = world.ask("vacuum").await;
    world.until(id, JobState::Running).await;
    let asked = world.jobs.cancel(id).await.unwrap().unwrap();
    assert_eq!((asked.state, asked.cancel_requested), (JobState::Running, true));
    let ended = eventually("an end", DEADLINE, async || world.job(id).await.ended_at.map(|_| ())).await;
    let () = ended;
    world.finish().await;
    (world.job(id).await.state, world.told(id).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_job_is_told_to_stop_and_ends_as_cancelled() {
    for manner in ["polite", "deaf"] {
        let (state, told) = cancelled_while_running(manner).await;
        assert_eq!(state, JobState::Cancelled, "{manner}");
        assert_eq!(
            told,
            ["started 1", "failed 1 job-cancelled final cancelled"],
            "{manner}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_when_the_wish_comes_is_done() {
    let (state, told) = cancelled_while_running("done").await;
    assert_eq!(state, JobState::Succeeded);
    assert_eq!(told, ["started 1", "succeeded 1 {}"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wish_that_no_heartbeat_saw_still_counts() {
    let mut world = World::new().await;
    let (begun, gate) = (Arc::new(AtomicU32::new(0)), Arc::new(Semaphore::new(0)));
    let (count, held) = (begun.clone(), gate.clone());
    let works = does("vacuum", move |_| {
        let (count, held) = (count.clone(), held.clone());
        async move {
            count.fetch_add(1, SeqCst);
            held.acquire().await.unwrap().forget();
            Err(JobError::retry("upstream-away", "not yet"))
        }
        .boxed()
    });
    let quiet = RunnerOptions {
        heartbeat_every: DEADLINE * 10,
        heartbeat_dead_after: DEADLINE * 20,
        ..polling()
    };
    world.runner(works, quiet).await;
    let id = world.ask("vacuum").await;
    world.until(id, JobState::Running).await;
    world.jobs.cancel(id).await.unwrap();
    gate.add_permits(1);
    world.until(id, JobState::Cancelled).await;
    world.finish().await;
    assert_eq!(begun.load(SeqCst), 1);
    assert_eq!(
        world.told(id).await,
        ["started 1", "failed 1 job-cancelled final cancelled"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_that_the_database_cannot_hold_fails_the_job() {
    let mut world = World::new().await;
    let works = does("analyze", |job| {
        async move {
            job.progress(1, 1, "a \0 in a note");
            match job.attempt() {
                1 => Err(JobError::retry("odd", "a \0 in an error")),
                _ => Ok(json!({"text": "a \0 in an effect"})),
            }
        }
        .boxed()
    });
    world.runner(works, polling()).await;
    let id = world.ask("analyze").await;
    let job = world.until(id, JobState::Failed).await;
    world.finish().await;
    assert_eq!(job.slug.as_deref(), Some("job-effect-unstorable"));
    let told = world.told(id).await;
    let ends: Vec<_> = told.iter().filter(|told| told.starts_with("failed")).collect();
    assert_eq!(ends, ["failed 1 odd", "failed 2 job-effect-unstorable final"]);
}
