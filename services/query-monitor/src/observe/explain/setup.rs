//! The settings of EXPLAIN, and what is started for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use weir_config::{DatabaseSettings, Error, Origin, Sources};
use weir_footing::Tables;
use weir_runtime::{Ground, Stage, StartError};
use weir_upstream::Target;

use crate::metrics::Metrics;
use crate::observe::Shared;
use crate::observe::explain::analysis::Explainer;
use crate::observe::explain::capture::{Capturer, Captures, Pacing};
use crate::settings::MonitorSettings;

/// Validates the settings as the start would, and finds the database. Without one there is nothing to explain on.
pub(crate) fn check(settings: &MonitorSettings, sources: &Sources) -> Result<Option<Target>, Error> {
    let wrong = |key, reason: &str| Err(Error::invalid(key, Origin::File, reason));
    let times = [
        ("monitor.explain_timeout", settings.explain_timeout),
        ("monitor.plan_capture_timeout", settings.plan_capture_timeout),
    ];
    for (key, time) in times {
        // PostgreSQL counts in whole milliseconds up to 31 bits, and takes zero for no limit.
        if !(1..=86_400_000).contains(&time.as_millis()) {
            return wrong(key, "it is not between 1 ms and a day");
        }
    }
    if settings.explain_concurrency == 0 {
        return wrong(
            "monitor.explain_concurrency",
            "at least one analysis must be able to run",
        );
    }
    if settings.plan_capture_every < Duration::from_secs(1) {
        return wrong("monitor.plan_capture_every", "less than a second would load the server");
    }
    if settings.plan_capture_per_minute == 0 {
        return wrong(
            "monitor.plan_capture_per_minute",
            "at least one must be possible; monitor.plan_capture = false captures none",
        );
    }
    if settings.plans_max == 0 || settings.plans_keep.is_zero() {
        return wrong(
            "monitor.plans_max",
            "with monitor.plans_keep, there must be room for one plan",
        );
    }
    let database: DatabaseSettings = sources.section()?;
    let Some(url) = database.url else { return Ok(None) };
    match Target::parse(url.secret().expose()) {
        Ok(target) => Ok(Some(target)),
        Err(error) => Err(Error::Refused(format!("setting database.url: {error}"))),
    }
}

/// Starts the capture of plans, and gives who explains on demand.
pub(crate) fn start(
    ground: &Ground,
    settings: &MonitorSettings,
    tables: &Tables,
    shared: &Shared,
    captures: &Captures,
    metrics: &Arc<Metrics>,
) -> Result<Explainer, StartError> {
    let target = check(settings, &ground.sources)?;
    if let Some(target) = target.clone() {
        let capturer = Capturer {
            target,
            shared: shared.clone(),
            captures: captures.clone(),
            store: tables.store().clone(),
            metrics: metrics.clone(),
        };
        let (there, shown) = (tables.clone(), (captures.clone(), metrics.clone()));
        ground.registry.before_scrape(move || shown.0.show(&shown.1));
        ground.tasks.spawn(Stage::Work, "capture plans", |stop| async move {
            if there.are_there(&stop).await {
                capturer.run(stop).await
            } else {
                Ok(())
            }
        });
        follow_reloads(ground, captures.clone());
    }
    Ok(Explainer {
        target,
        timeout: settings.explain_timeout,
        concurrency: settings.explain_concurrency,
        places: Arc::new(Semaphore::new(settings.explain_concurrency)),
        tasks: ground.tasks.clone(),
    })
}

/// A changed pace holds for captures to come.
fn follow_reloads(ground: &Ground, captures: Captures) {
    let mut reloads = ground.reloads.clone();
    ground
        .tasks
        .spawn(Stage::Work, "reloads of plan capture", |stop| async move {
            while let Some(Ok(())) = stop.run_until_cancelled(reloads.changed()).await {
                // A reload that does not pass the check never gets here.
                if let Ok(settings) = crate::settings::check(&reloads.borrow_and_update()) {
                    captures.set_pacing(Pacing::of(&settings));
                }
            }
            stop.cancelled().await;
            Ok(())
        });
}
