//! REST: one file an area, each of which translates and decides nothing.

mod admission;
mod advice;
mod alerts;
mod audit;
mod backups;
mod body;
mod cache;
mod caller;
mod configuration;
mod cors;
mod dashboard;
mod dashboard_files;
mod docs;
mod document;
mod door;
mod given;
mod health;
mod jobs;
mod limits;
mod live;
mod maintenance;
mod pages;
mod pools;
mod problem;
mod queries;
mod routes;
mod schedules;
mod security;
mod server;
mod session;
mod tags;
mod testing;
mod tokens;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use weir_config::Sources;
use weir_footing::Tables;
use weir_model::Clock;
use weir_runtime::{Ground, Readiness, Stage, Standing, StartError};
use weir_telemetry::Registry;

use crate::auth::{Gate, Keyring};
use crate::bench;
use crate::health::Health;
use crate::live::Hub;
use crate::metrics::Metrics;
use crate::services::Services;
use crate::settings::ConsoleSettings;

pub(crate) use body::Body;
pub(crate) use caller::{Operator, Scoped, Seen};
pub(crate) use configuration::project_names;
pub(crate) use document::document;
pub(crate) use door::{encryption, open};
pub(crate) use pages::{Page, Paged};
pub(crate) use problem::Problem;

/// What every call is answered with.
#[derive(Clone)]
pub(crate) struct Console(Arc<Inner>);

pub(crate) struct Inner {
    settings: watch::Receiver<Arc<ConsoleSettings>>,
    /// How the settings of this process stand.
    pub(crate) standing: Option<Standing>,
    pub(crate) sources: watch::Receiver<Sources>,
    pub(crate) services: Services,
    pub(crate) gate: Gate,
    pub(crate) tables: Tables,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    pub(crate) registry: Arc<Registry>,
    pub(crate) readiness: Readiness,
    pub(crate) limits: limits::Limits,
    pub(crate) live: Hub,
    pub(crate) bench: bench::Desk,
    /// Ends streams when the doors close.
    pub(crate) stop: CancellationToken,
    pub(crate) health: Health,
}

impl std::ops::Deref for Console {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Console {
    pub(crate) fn new(
        ground: &Ground,
        settings: ConsoleSettings,
        services: Services,
        gate: Gate,
        tables: Tables,
        live: Hub,
        bench: bench::Desk,
    ) -> Self {
        let metrics = live.metrics();
        Self(Arc::new(Inner {
            limits: limits::Limits::new(settings.requests_per_second),
            health: Health::new(ground.clock.unix_ms()),
            settings: crate::settings::follow(ground, settings),
            standing: ground.standing.clone(),
            sources: ground.reloads.clone(),
            services,
            gate,
            tables,
            metrics,
            live,
            bench,
            stop: ground.tasks.stop_token(Stage::Doors),
            clock: ground.clock.clone(),
            registry: ground.registry.clone(),
            readiness: ground.readiness.clone(),
        }))
    }

    /// The settings as they are now.
    pub(crate) fn settings(&self) -> Arc<ConsoleSettings> {
        self.settings.borrow().clone()
    }

    pub(crate) fn keyring(&self) -> Keyring {
        Keyring::new(self.tables.store().pool().clone(), self.clock.clone())
    }
}

/// Serves until the shutdown; answers that are being given are given to their end.
pub(crate) fn serve(
    ground: &Ground,
    listener: TcpListener,
    settings: &ConsoleSettings,
    console: Console,
) -> Result<(), StartError> {
    audit::keep(ground, console.clone());
    let own = weir_runtime::settings_routes(ground);
    door::serve(ground, listener, settings, routes::app(console, own))?;
    let (tasks, readiness) = (ground.tasks.clone(), ground.readiness.clone());
    ground.tasks.spawn_short(Stage::Doors, "readiness", async move {
        tasks.asked().await;
        readiness.stop();
    });
    Ok(())
}
