//! What a service stands on: handed to its `start`, the same whether it runs alone or beside the others.

use std::sync::Arc;

use tokio::sync::watch;
use weir_config::{SectionInfo, Sources};
use weir_model::Clock;
use weir_telemetry::{MetricInfo, Registry};

use crate::readiness::Readiness;
use crate::standing::Standing;
use crate::tasks::Tasks;

/// Why a service cannot start. Its text is one line and names the setting to change.
pub type StartError = Box<dyn std::error::Error + Send + Sync>;

/// What is known of a service without starting it.
#[derive(Clone, Copy)]
pub struct Service {
    /// The name of its binary.
    pub name: &'static str,
    /// Every section of the settings that it reads, besides `telemetry`, `runtime` and `database`.
    pub sections: fn() -> Vec<SectionInfo>,
    /// Every metric that it serves.
    pub metrics: fn() -> Vec<MetricInfo>,
    /// Validates its settings as a whole, as its start would.
    pub check: fn(&Sources) -> Result<(), weir_config::Error>,
    /// Whether it takes a setting (`section.key`) of its sections over while it runs.
    pub reloads: fn(&str) -> bool,
}

/// What a service is given: settings, time, tasks, and where it reports its state.
#[derive(Clone)]
pub struct Ground {
    /// Settings as they were at the start.
    pub sources: Sources,
    /// Settings as they are after each accepted reload.
    pub reloads: watch::Receiver<Sources>,
    /// How its settings stand, for whoever asks at the ops door. Nobody may ask where there is none.
    pub standing: Option<Standing>,
    /// Where its tasks run.
    pub tasks: Tasks,
    /// Where it says what it waits for.
    pub readiness: Readiness,
    /// Where its metrics are registered.
    pub registry: Arc<Registry>,
    /// What time it is.
    pub clock: Clock,
}

impl Ground {
    /// The ground of one service. Several may share the tasks of one process; each has its own readiness and metrics.
    pub fn new(sources: Sources, reloads: watch::Receiver<Sources>, tasks: Tasks, clock: Clock) -> Self {
        let readiness = Readiness::new(clock.clone());
        Self {
            sources,
            reloads,
            standing: None,
            tasks,
            readiness,
            registry: Arc::new(Registry::default()),
            clock,
        }
    }
}
