//! Requests taken in and worked off.

use std::sync::Arc;
use std::time::Duration;

use weir_bus::{Bus, Consumer, ConsumerOptions};
use weir_events::{catalogue, jobs as events};
use weir_footing::Tables;
use weir_jobs::{Jobs, Runner, RunnerOptions, intake};
use weir_runtime::{Ground, Stage, StartError};
use weir_store::outbox;

use crate::act;
use crate::keeper::Keeper;
use crate::relief::{self, Rule};
use crate::settings::BackupSettings;

/// The name under which its instances share requests, and by which they tell of jobs.
pub(crate) const WORKER: &str = "backup";
/// How long a job that was cancelled may tidy up: a server that it started is stopped in this time.
const CANCEL_WITHIN: Duration = Duration::from_secs(30);

/// Takes requests in and works on them from now on.
pub(crate) async fn start(
    ground: &Ground,
    tables: &Tables,
    bus: &Bus,
    keeper: &Arc<Keeper>,
    jobs: &Jobs,
) -> Result<(), StartError> {
    let relief = relief::start(ground, bus, rule(&keeper.settings)).await?;
    let works = act::works(keeper, &relief);
    let runner = Runner::new(jobs, works.clone(), options(&keeper.settings));
    let there = tables.clone();
    ground.tasks.spawn(Stage::Work, "jobs", |stop| async move {
        if there.are_there(&stop).await {
            runner.run(&stop).await;
        }
        Ok(())
    });
    let (mut requests, taken, there) = (request_consumer(bus)?, jobs.clone(), tables.clone());
    ground.tasks.spawn(Stage::Work, "intake", |stop| async move {
        if there.are_there(&stop).await {
            intake(&mut requests, &taken, &works, &stop).await;
        }
        Ok(())
    });
    Ok(())
}

const fn rule(settings: &BackupSettings) -> Rule {
    Rule {
        factor: settings.yield_p95_factor,
        margin: settings.yield_p95_margin,
    }
}

fn options(settings: &BackupSettings) -> RunnerOptions {
    let heartbeat_dead_after = settings.heartbeat_dead_after;
    RunnerOptions {
        concurrency: settings.concurrency,
        heartbeat_dead_after,
        heartbeat_every: (heartbeat_dead_after / 6).max(Duration::from_millis(100)),
        cancel_within: CANCEL_WITHIN,
        ..RunnerOptions::default()
    }
}

fn request_consumer(bus: &Bus) -> Result<Consumer, weir_bus::Error> {
    let requests = events::every_request();
    bus.consumer(
        &outbox::stream_spec(&catalogue::JOBS),
        WORKER,
        &[requests.as_str()],
        ConsumerOptions::default(),
    )
}
