//! Whether the log is safe, told as jobs: one that fails when it is not, one that succeeds when it is again. So an alert
//! rises and ends by what the monitor hears of every job, however long the bus is away.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_jobs::{JobRequest, Jobs, Window};
use weir_model::{Project, size_in_words};
use weir_store::pause;

use super::operation::{Asked, Deed};
use super::order::Order;
use super::refusal::Refusal;
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::settings::BackupSettings;

/// How often the log is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A slot that holds back this share of its guard is near it.
const NEAR: f64 = 0.8;

/// How safe the log is at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LogFacts {
    /// Commits of so long would be lost now.
    pub exposure: Duration,
    /// Bytes that the slot holds back at the server.
    pub slot_retained_bytes: u64,
    /// Why the log does not come as it should. Empty: it does.
    pub reason: String,
}

/// What is known of the log now; none where this instance does not receive it.
pub(crate) type Probe = Arc<dyn Fn() -> Option<LogFacts> + Send + Sync>;

/// What was found, as a job tells it: whichever instance has the job, only one receives the log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogCheckOrder {
    found: Found,
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Found {
    #[default]
    Safe,
    Exposed,
    SlotNearGuard,
}

impl Order for LogCheckOrder {
    const OPERATION: &'static str = "wal-check";

    fn check(&self, _: &BackupSettings) -> Result<(), Error> {
        Ok(())
    }

    fn exclusive_key(&self) -> String {
        "log".to_owned()
    }
}

/// `wal-check`: fails where the log was not safe.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogCheck;

impl Deed for LogCheck {
    type Order = LogCheckOrder;

    async fn plan(&self, _: &Asked<'_>, order: &LogCheckOrder) -> Result<Json, Error> {
        Ok(json!({ "found": order.found }))
    }

    async fn run(&self, _: &Asked<'_>, order: &LogCheckOrder, _: &Pace) -> Result<Json, Error> {
        match order.found {
            Found::Safe => Ok(json!({ "found": order.found })),
            Found::Exposed => Err(Refusal::LogExposed.because(&order.reason)),
            Found::SlotNearGuard => Err(Refusal::SlotNearGuard.because(&order.reason)),
        }
    }
}

/// What is wrong, if anything is.
fn finding(facts: &LogFacts, settings: &BackupSettings) -> LogCheckOrder {
    let why = match facts.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    let guard = settings.wal_slot_guard_bytes;
    if facts.exposure > settings.wal_exposure_max {
        return LogCheckOrder {
            found: Found::Exposed,
            reason: format!("commits of {:?} are not safe yet{why}", facts.exposure),
        };
    }
    if guard > 0 && facts.slot_retained_bytes as f64 >= guard as f64 * NEAR {
        let (held, most) = (size_in_words(facts.slot_retained_bytes), size_in_words(guard));
        return LogCheckOrder {
            found: Found::SlotNearGuard,
            reason: format!("the slot holds back {held}, and is given up at {most}{why}"),
        };
    }
    LogCheckOrder::default()
}

/// Has it told whenever what is found has changed, until told to stop.
pub(crate) async fn watch(keeper: Arc<Keeper>, probe: Probe, stop: CancellationToken) {
    let mut told = None::<Found>;
    loop {
        if let Some(facts) = probe() {
            let finding = finding(&facts, &keeper.settings);
            if told != Some(finding.found) {
                match tell(&keeper, &finding).await {
                    Ok(()) => told = Some(finding.found),
                    Err(error) => tracing::warn!(%error, "the state of the log cannot be told; trying again"),
                }
            }
        }
        if !pause(&stop, LOOK_EVERY).await {
            return;
        }
    }
}

async fn tell(keeper: &Keeper, finding: &LogCheckOrder) -> Result<(), Error> {
    let request = JobRequest {
        id: Uuid::now_v7(),
        project: Project::default(),
        operation: LogCheckOrder::OPERATION.to_owned(),
        parameters: json!(finding),
        requested_by: "the log".to_owned(),
        requested_at: keeper.clock.now(),
        attempt_max: 1,
        exclusive_key: Some(finding.exclusive_key()),
        dry_run: false,
        begin_before: None,
        window: Window::default(),
        traceparent: None,
    };
    let store = &keeper.store;
    let asked = async {
        let mut connection = store.pool().acquire().await?;
        Jobs::request(&mut connection, &request).await
    };
    asked.await.map(drop).map_err(|error| Error::Store(store.error(error)))
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use tokio::task::JoinSet;
    use weir_jobs::{JobState, Works};
    use weir_testkit::eventually;

    use super::*;
    use crate::act::tests::{SOON, Stage};

    #[tokio::test]
    async fn a_log_that_is_not_safe_is_a_job_that_fails_and_one_that_is_again_a_success() {
        let mut stage = Stage::new(&["here"], &[("WEIR_BACKUP__WAL_SLOT_GUARD_BYTES", "1000")]).await;
        let facts = Arc::new(Mutex::new(Some(LogFacts::default())));
        let shared = Arc::clone(&facts);
        let probe: Probe = Arc::new(move || shared.lock().unwrap_or_else(PoisonError::into_inner).clone());
        stage.run(Works::builder().with(stage.operation(LogCheck)).build());
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(watch(stage.keeper.clone(), probe, stop.clone()));
        let set = |changed: Option<LogFacts>| *facts.lock().unwrap() = changed;
        let ended = async |count: usize| {
            eventually("the log to be looked at", SOON, async || {
                let all = stage.jobs.list(&Project::default(), &[], None, 50).await.unwrap();
                let ended = all
                    .iter()
                    .all(|job| !matches!(job.state, JobState::Queued | JobState::Running));
                if ended && all.len() == count {
                    Ok(all[0].clone())
                } else {
                    Err(format!("{all:?}"))
                }
            })
            .await
        };
        assert_eq!(ended(1).await.state, JobState::Succeeded);
        set(Some(LogFacts {
            exposure: Duration::from_secs(31),
            reason: "the store is away".to_owned(),
            ..LogFacts::default()
        }));
        let failed = ended(2).await;
        assert_eq!(
            (failed.state, failed.slug.as_deref(), failed.attempts),
            (JobState::Failed, Some("backup-log-exposed"), 1)
        );
        assert!(failed.error.unwrap().contains("the store is away"));
        set(None);
        tokio::time::sleep(LOOK_EVERY * 2).await;
        set(Some(LogFacts {
            slot_retained_bytes: 800,
            ..LogFacts::default()
        }));
        assert_eq!(ended(3).await.slug.as_deref(), Some("backup-slot-near-guard"));
        set(Some(LogFacts {
            exposure: Duration::from_secs(30),
            slot_retained_bytes: 799,
            ..LogFacts::default()
        }));
        assert_eq!(ended(4).await.state, JobState::Succeeded);
        stop.cancel();
        tasks.join_next().await.unwrap().unwrap();
    }
}
