//! What is told to other people's collectors, beside what they fetch at `/metrics`.
//!
//! Durations of statements as OpenTelemetry's stable conventions for databases name them. They are counted in plain
//! arrays as the events come in, and sent now and then; nothing waits for a collector.

mod durations;
mod otlp;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use weir_config::{Error, Origin};
use weir_model::Project;
use weir_runtime::{Ground, Stage};

use crate::aggregate::Told;
use crate::metrics::Metrics;
use crate::settings::MonitorSettings;
use durations::Durations;

/// Where events are counted for the collector; nowhere, and for nothing, where none is set. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Feed(Option<Arc<Mutex<Durations>>>);

impl Feed {
    /// Counts a batch, in some dozens of nanoseconds an event.
    pub(crate) fn count(&self, project: &Project, events: &[Told<'_>]) {
        if let Some(durations) = &self.0 {
            durations
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .add(project, events);
        }
    }
}

/// Starts sending, if there is somebody to send to.
pub(crate) fn start(ground: &Ground, metrics: &Arc<Metrics>, settings: &MonitorSettings) -> Feed {
    let Some(endpoint) = settings
        .otlp_endpoint
        .as_deref()
        .and_then(|url| otlp::endpoint(url).ok())
    else {
        return Feed::default();
    };
    let durations = Arc::new(Mutex::new(Durations::new(ground.clock.unix_ms())));
    let exporter = otlp::Exporter::new(endpoint, durations.clone(), ground.clock.clone(), metrics.clone());
    let every = settings.otlp_every;
    ground
        .tasks
        .spawn(Stage::Flow, "otlp metrics", |stop| exporter.run(every, stop));
    Feed(Some(durations))
}

/// Validates its part of the section.
pub(crate) fn check(settings: &MonitorSettings) -> Result<(), Error> {
    let wrong = |key, reason: String| Err(Error::invalid(key, Origin::File, reason));
    if let Some(Err(reason)) = settings.otlp_endpoint.as_deref().map(otlp::endpoint) {
        return wrong("monitor.otlp_endpoint", reason);
    }
    if settings.otlp_every < Duration::from_secs(1) {
        return wrong("monitor.otlp_every", "at least 1s is expected".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
