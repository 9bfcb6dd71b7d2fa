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
mod server;
mod session;
mod tags;
mod testing;
mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use weir_config::Sources;
use weir_footing::Tables;
use weir_model::Clock;
use weir_runtime::{Ground, Readiness, Stage, StartError};
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
pub(crate) use document::document;
pub(crate) use pages::{Page, Paged};
pub(crate) use problem::Problem;

/// What every call is answered with.
#[derive(Clone)]
pub(crate) struct Console(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) settings: ConsoleSettings,
    pub(crate) sources: tokio::sync::watch::Receiver<Sources>,
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
            settings,
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

    pub(crate) fn keyring(&self) -> Keyring {
        Keyring::new(self.tables.store().pool().clone(), self.clock.clone())
    }
}

/// Serves until the shutdown; answers that are being given are given to their end.
pub(crate) fn serve(ground: &Ground, listener: TcpListener, console: Console) -> Result<(), StartError> {
    audit::keep(ground, console.clone());
    let app = routes::app(console).into_make_service_with_connect_info::<SocketAddr>();
    ground.tasks.spawn(Stage::Doors, "http door", |stop| async move {
        axum::serve(listener.tap_io(tune), app)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await?;
        Ok(())
    });
    let (tasks, readiness) = (ground.tasks.clone(), ground.readiness.clone());
    ground.tasks.spawn_short(Stage::Doors, "readiness", async move {
        tasks.asked().await;
        readiness.stop();
    });
    Ok(())
}

/// Whoever takes nothing of what it is sent for so long has gone, whatever its machine says.
const TAKES_WITHIN: Duration = Duration::from_secs(60);

fn tune(stream: &mut TcpStream) {
    let socket = socket2::SockRef::from(&*stream);
    let tuned = socket
        .set_tcp_nodelay(true)
        .and_then(|()| socket.set_tcp_user_timeout(Some(TAKES_WITHIN)));
    if let Err(error) = tuned {
        tracing::debug!(%error, "a connection is served as it came");
    }
}
