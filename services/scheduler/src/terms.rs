//! The settings that hold now: as the start read them, and then as each reload has them.

use std::sync::Arc;

use chrono_tz::Tz;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use weir_config::{Error, Origin};
use weir_runtime::{Ground, Stage, TaskResult};

use crate::plan::{Hours, Weekdays, Window, zone_of};
use crate::settings::{SchedulerSettings, check};

/// The name of the window that projects without any have.
pub(crate) const DEFAULT: &str = "default";

/// The terms that hold now.
pub(crate) type CurrentTerms = watch::Receiver<Arc<Terms>>;

/// Settings, and what they come to.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) settings: SchedulerSettings,
    pub(crate) default_window: Window,
    pub(crate) zone: Tz,
    /// The hours that learned windows stay within.
    pub(crate) learn_within: Option<Hours>,
}

impl Terms {
    /// What these settings come to; an error names the one that cannot be.
    pub(crate) fn of(settings: SchedulerSettings) -> Result<Self, Error> {
        let wrong = |key: &str, reason: String| Error::invalid(format!("scheduler.{key}"), Origin::File, reason);
        let zone = zone_of(&settings.window_time_zone).map_err(|error| wrong("window_time_zone", error.to_string()))?;
        let hours = Hours::parse(&settings.window_start, &settings.window_end)
            .map_err(|error| wrong(&format!("window_{}", error.field), error.reason))?;
        let learn_within = within(&settings.learn_within).map_err(|reason| wrong("learn_within", reason))?;
        tonic::transport::Endpoint::from_shared(settings.monitor_url.clone()).map_err(|error| {
            wrong(
                "monitor_url",
                format!("{:?} is no address: {error}", settings.monitor_url),
            )
        })?;
        Ok(Self {
            default_window: Window {
                name: DEFAULT.to_owned(),
                weekdays: Weekdays::of([]),
                hours,
                zone,
            },
            zone,
            learn_within,
            settings,
        })
    }

    /// Whether runs of this operation are held to windows.
    pub(crate) fn is_windowed(&self, operation: &str) -> bool {
        self.settings.windowed_operations.0.iter().any(|one| one == operation)
    }
}

fn within(text: &str) -> Result<Option<Hours>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let (start, end) = text
        .split_once('-')
        .ok_or_else(|| format!("{text:?} is not two times of day such as 20:00-08:00"))?;
    let hours = Hours::parse(start.trim(), end.trim());
    hours.map(Some).map_err(|error| error.reason)
}

/// The terms from now on.
pub(crate) fn follow(ground: &Ground, settings: SchedulerSettings) -> Result<CurrentTerms, Error> {
    let (terms, current) = watch::channel(Arc::new(Terms::of(settings)?));
    let mut reloads = ground.reloads.clone();
    ground
        .tasks
        .spawn(Stage::Work, "terms", |stop: CancellationToken| async move {
            while let Some(Ok(())) = stop.run_until_cancelled(reloads.changed()).await {
                // They were checked before they were handed on.
                let read = check(&reloads.borrow_and_update()).and_then(Terms::of);
                match read {
                    Ok(read) => drop(terms.send_replace(Arc::new(read))),
                    Err(error) => tracing::warn!(%error, "changed settings are left out"),
                }
            }
            stop.cancelled().await;
            TaskResult::Ok(())
        });
    Ok(current)
}
