//! Figures over time: they are recorded, forecast, and searched for changes.
//!
//! One monitor among several records and searches; each forecasts, since each has a board of its own.

mod outlook;
mod record;
mod shifts;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use weir_config::{Error, Origin, Sources};
use weir_footing::Tables;
use weir_model::Clock;
use weir_runtime::{Ground, Stage};
use weir_store::Store;

use crate::metrics::Metrics;
use crate::observe::Board;
use crate::settings::MonitorSettings;

pub(crate) use outlook::{Capacity, HISTORY_MS, PART_MS, exhaustible};
pub(crate) use shifts::{Shape, ShapePoint, Shapes, start_changes};

/// The figures that are recorded unless the file says otherwise. Names that no source reads yet cost nothing.
pub(crate) const RECORDED: &str = "host.disk_used_bytes; host.disk_total_bytes; server.database_size_bytes; \
    server.wraparound_ratio; server.connections; server.connections_ratio; server.transactions_per_second; \
    query.per_minute; query.p95_ms";

/// What everything here works with.
#[derive(Debug, Clone)]
pub(crate) struct Trends {
    store: Store,
    board: Board,
    clock: Clock,
    metrics: Arc<Metrics>,
    sources: watch::Receiver<Sources>,
    /// As they were at the start, for as long as none better are known.
    settings: MonitorSettings,
}

impl Trends {
    pub(crate) fn new(
        ground: &Ground,
        store: &Store,
        board: &Board,
        metrics: &Arc<Metrics>,
        settings: &MonitorSettings,
    ) -> Self {
        Self {
            store: store.clone(),
            board: board.clone(),
            clock: ground.clock.clone(),
            metrics: metrics.clone(),
            sources: ground.reloads.clone(),
            settings: settings.clone(),
        }
    }

    /// The settings in force.
    fn settings(&self) -> MonitorSettings {
        crate::settings::check(&self.sources.borrow()).unwrap_or_else(|_| self.settings.clone())
    }
}

/// Starts recording and forecasting.
pub(crate) fn start(
    ground: &Ground,
    tables: &Tables,
    board: &Board,
    metrics: &Arc<Metrics>,
    settings: &MonitorSettings,
) {
    let trends = Trends::new(ground, tables.store(), board, metrics, settings);
    let (recording, there) = (trends.clone(), tables.clone());
    ground.tasks.spawn(Stage::Work, "record series", |stop| async move {
        if there.are_there(&stop).await {
            record::run(recording, &stop).await;
        }
        Ok(())
    });
    let there = tables.clone();
    ground.tasks.spawn(Stage::Work, "forecast", |stop| async move {
        if there.are_there(&stop).await {
            outlook::run(trends, &stop).await;
        }
        Ok(())
    });
}

/// Validates its part of the section.
pub(crate) fn check(settings: &MonitorSettings) -> Result<(), Error> {
    let wrong = |key, reason: &str| Err(Error::invalid(key, Origin::File, reason));
    let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3_600));
    if settings.record_every < second || settings.record_every > hour {
        return wrong("monitor.record_every", "between 1s and 1h is expected");
    }
    if settings.record_keep < 2 * hour {
        return wrong(
            "monitor.record_keep",
            "figures are summed up by hours, so less than 2h would lose some",
        );
    }
    if settings.record_keep_hours < settings.record_keep {
        return wrong(
            "monitor.record_keep_hours",
            "it cannot be less than monitor.record_keep",
        );
    }
    if settings.forecast_every < second {
        return wrong("monitor.forecast_every", "at least 1s is expected");
    }
    if settings.changes_every < second {
        return wrong("monitor.changes_every", "at least 1s is expected");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
