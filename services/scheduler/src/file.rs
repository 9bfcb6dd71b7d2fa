//! The settings file into rows: its schedules and windows are kept in step with it, others belong to whoever made them.

use weir_model::Clock;
use weir_store::{Store, Term};

use crate::desk::{Wanted, checked};
use crate::error::Error;
use crate::settings::{FileSchedule, SchedulerSettings};
use crate::store::{self, NewSchedule};
use crate::windows;

/// Brings the stored schedules and windows in step with the settings file, as the leader of this term.
pub(crate) async fn follow(
    store: &Store,
    term: &Term,
    settings: &SchedulerSettings,
    clock: &Clock,
) -> Result<(), Error> {
    let mut transaction = store.pool().begin().await?;
    let leading = term.check(&mut transaction).await;
    leading.map_err(|error| Error::Store(error.to_string()))?;
    let mut kept = Vec::with_capacity(settings.schedules.0.len());
    for schedule in &settings.schedules.0 {
        let new = schedule_of(schedule, clock.unix_ms())?;
        kept.push(store::put_schedule(&mut transaction, &new).await?.0);
    }
    store::keep_only_from_file(&mut transaction, &kept).await?;
    for window in &settings.windows.0 {
        store::put_window(&mut transaction, &windows::from_file(window)?).await?;
    }
    let windows = settings.windows.0.iter();
    let kept: Vec<(&str, &str)> = windows
        .map(|window| (window.project.as_str(), window.name.as_str()))
        .collect();
    store::keep_only_windows_from_file(&mut transaction, &kept).await?;
    Ok(transaction.commit().await?)
}

/// A schedule of the settings file, checked as one that is put would be.
pub(crate) fn schedule_of(schedule: &FileSchedule, now_unix_ms: i64) -> Result<NewSchedule, Error> {
    checked(wanted(schedule), true, now_unix_ms)
}

fn wanted(schedule: &FileSchedule) -> Wanted {
    Wanted {
        project: schedule.project.clone(),
        name: schedule.name.clone(),
        operation: schedule.operation.clone(),
        cron: schedule.cron.clone(),
        time_zone: schedule.time_zone.clone(),
        parameters_json: schedule.parameters.clone(),
        misfire: if schedule.misfire == "run_once" {
            "run_once"
        } else {
            "skip"
        },
        jitter_ms: schedule.jitter_ms,
        ignores_windows: schedule.ignores_windows,
        attempt_max: schedule.attempt_max,
        begin_within_ms: schedule.begin_within_ms,
    }
}
