//! Jobs come in once, go out once, and in their turn.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use serde_json::json;
use tokio::sync::Semaphore;
use uuid::Uuid;
use weir_model::Project;
use weir_testkit::eventually;

use super::world::{DEADLINE, World, does, options, polling, request, work_a_little};
use crate::{JobState, JobsDepth, RunnerOptions};

#[tokio::test]
async fn the_same_request_twice_is_one_job() {
    let world = World::new().await;
    let first = request("analyze");
    assert!(world.request(&first).await);
    let mut again = first.clone();
    again.parameters = json!({"table": "public.other"});
    assert!(!world.request(&again).await);
    let job = world.job(first.id).await;
    assert_eq!(
        (job.state, job.parameters, job.attempts),
        (JobState::Queued, first.parameters, 0)
    );
    assert_eq!((job.requested_at, job.project), (first.requested_at, first.project));
    assert_eq!(world.jobs.depth().await.unwrap(), JobsDepth { queued: 1, running: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runners_do_two_hundred_jobs_once_each() {
    let mut world = World::new().await;
    let done: Arc<Mutex<BTreeMap<Uuid, usize>>> = Arc::default();
    for _ in 0..2 {
        let done = done.clone();
        let works = does("count", move |job| {
            let done = done.clone();
            async move {
                tokio::task::yield_now().await;
                *done.lock().unwrap().entry(job.id()).or_default() += 1;
                Ok(json!({}))
            }
            .boxed()
        });
        world.runner(works, options()).await;
    }
    let mut asked = Vec::new();
    for _ in 0..200 {
        asked.push(world.ask("count").await);
    }
    eventually("all jobs done", DEADLINE, async || {
        let succeeded = "select count(*) from jobs where state = 'succeeded'";
        let number: i64 = sqlx::query_scalar(succeeded)
            .fetch_one(world.store.pool())
            .await
            .unwrap();
        if number == 200 { Ok(()) } else { Err(number) }
    })
    .await;
    world.finish().await;
    let done = done.lock().unwrap().clone();
    assert_eq!(done.len(), 200);
    assert!(done.values().all(|times| *times == 1), "{done:?}");
    for id in asked {
        assert_eq!(world.told(id).await, ["started 1", "succeeded 1 {}"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_jobs_with_one_key_one_runs_at_a_time() {
    let mut world = World::new().await;
    let now: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let most = Arc::new(AtomicUsize::new(0));
    let keys = Arc::new(AtomicUsize::new(0));
    for _ in 0..2 {
        let (now, most, keys, store) = (now.clone(), most.clone(), keys.clone(), world.store.clone());
        let works = does("reindex", move |job| {
            let (now, most, keys, store) = (now.clone(), most.clone(), keys.clone(), store.clone());
            async move {
                let key = job.parameters()["key"].as_str().unwrap().to_owned();
                let count = |by: isize| {
                    let mut now = now.lock().unwrap();
                    let count = now.entry(key.clone()).or_default();
                    *count = count.checked_add_signed(by).unwrap();
                    most.fetch_max(*count, SeqCst);
                    keys.fetch_max(now.values().filter(|count| **count > 0).count(), SeqCst);
                };
                count(1);
                work_a_little(&store).await;
                count(-1);
                Ok(json!({}))
            }
            .boxed()
        });
        world.runner(works, options()).await;
    }
    let mut ids = Vec::new();
    for number in 0..16 {
        let key = if number % 2 == 0 { "orders" } else { "customers" };
        let mut wanted = request("reindex");
        wanted.exclusive_key = Some(key.to_owned());
        wanted.parameters = json!({"key": key});
        world.request(&wanted).await;
        ids.push(wanted.id);
    }
    for id in ids {
        world.until(id, JobState::Succeeded).await;
    }
    world.finish().await;
    assert_eq!(most.load(SeqCst), 1, "two jobs with one key ran at the same time");
    assert_eq!(
        keys.load(SeqCst),
        2,
        "jobs with different keys did not run at the same time"
    );
}

#[tokio::test]
async fn a_job_that_nobody_here_can_do_is_left_alone() {
    let mut world = World::new().await;
    world
        .runner(does("analyze", |_| async { Ok(json!({})) }.boxed()), options())
        .await;
    let foreign = world.ask("backup").await;
    let own = world.ask("analyze").await;
    world.until(own, JobState::Succeeded).await;
    world.finish().await;
    assert_eq!(world.job(foreign).await.state, JobState::Queued);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_comes_too_late_fails_and_is_not_begun() {
    let mut world = World::new().await;
    let mut late = request("analyze");
    late.begin_before = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    world.request(&late).await;
    let mut early = request("analyze");
    early.begin_before = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(100_000_000_000));
    world.request(&early).await;
    world
        .runner(does("analyze", |_| async { Ok(json!({})) }.boxed()), polling())
        .await;
    world.until(early.id, JobState::Succeeded).await;
    let job = world.until(late.id, JobState::Failed).await;
    world.finish().await;
    assert_eq!((job.attempts, job.slug.as_deref()), (0, Some("job-too-late")));
    assert_eq!(world.told(late.id).await, ["failed 0 job-too-late final"]);
}

#[tokio::test]
async fn jobs_are_listed_by_project_and_state_in_pages() {
    let world = World::new().await;
    let (first, second) = (world.ask("analyze").await, world.ask("analyze").await);
    let mut foreign = request("analyze");
    foreign.project = Project::default();
    world.request(&foreign).await;
    world.jobs.cancel(first).await.unwrap();
    let shop = Project::parse("shop").unwrap();
    let list = async |states: &[JobState], before, limit| {
        let jobs = world.jobs.list(&shop, states, before, limit).await.unwrap();
        jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(list(&[], None, 10).await, [second, first]);
    assert_eq!(list(&[], None, 1).await, [second]);
    assert_eq!(list(&[], Some(second), 10).await, [first]);
    assert_eq!(list(&[JobState::Cancelled], None, 10).await, [first]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_is_stored_and_told_at_most_once_a_second() {
    let mut world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let (held, store) = (gate.clone(), world.store.clone());
    let works = does("vacuum", move |job| {
        let (held, store) = (held.clone(), store.clone());
        async move {
            job.progress(1, 40, "orders");
            held.acquire().await.unwrap().forget();
            for done in 2..=39 {
                job.progress(done, 40, "customers");
                work_a_little(&store).await;
            }
            Ok(json!({}))
        }
        .boxed()
    });
    world.runner(works, options()).await;
    let id = world.ask("vacuum").await;
    let progress = eventually("the first progress", DEADLINE, async || world.job(id).await.progress).await;
    assert_eq!(
        (progress.done, progress.total, progress.note.as_str()),
        (1, 40, "orders")
    );
    gate.add_permits(1);
    let job = world.until(id, JobState::Succeeded).await;
    world.finish().await;
    assert_eq!(
        job.progress.as_ref().unwrap().done,
        39,
        "the last word stands in the record"
    );
    let told = world.told(id).await;
    assert_eq!(told.first().map(String::as_str), Some("started 1"));
    assert_eq!(told.last().map(String::as_str), Some("succeeded 1 {}"));
    let progress = told.iter().filter(|told| told.starts_with("progress")).count() as u64;
    let seconds = job
        .ended_at
        .unwrap()
        .duration_since(job.started_at.unwrap())
        .unwrap()
        .as_secs();
    assert!((1..=seconds + 2).contains(&progress), "in {seconds} s: {told:?}");
}

#[tokio::test]
async fn jobs_that_ended_long_ago_are_forgotten() {
    let mut world = World::new().await;
    let (old, waiting) = (world.ask("analyze").await, world.ask("other").await);
    world.jobs.cancel(old).await.unwrap();
    let forgetful = RunnerOptions {
        keep_ended: Duration::ZERO,
        ..options()
    };
    world
        .runner(does("analyze", |_| async { Ok(json!({})) }.boxed()), forgetful)
        .await;
    eventually("the old job to be gone", DEADLINE, async || {
        match world.jobs.get(old).await.unwrap() {
            None => Ok(()),
            Some(job) => Err(format!("{job:?}")),
        }
    })
    .await;
    world.finish().await;
    assert_eq!(world.job(waiting).await.state, JobState::Queued);
}
