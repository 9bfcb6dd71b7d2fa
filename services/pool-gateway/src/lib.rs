//! The data path: queries in, pooled PostgreSQL out, one event for every statement.
//!
//! The gateway never waits for the bus, needs no store, and serves queries whatever else of Weir is away.

mod client;
mod error;
mod metrics;
mod pool;
mod settings;
mod shapes;
mod tap;

use std::sync::Arc;

use weir_bus::Bus;
use weir_config::SectionInfo;
use weir_proto::gateway::v1::gateway_service_server::GatewayServiceServer;
use weir_runtime::{Ground, GrpcDoor, Service, Stage, StartError, bind, serve_ops};
use weir_sql::Limits;
use weir_upstream::Target;

use client::Sessions;
use metrics::Metrics;
use pool::{Common, Pools};
use shapes::Shapes;
use tap::{Tap, TapLimits};

pub use settings::{GatewaySettings, check};

/// The full name of the gRPC service, for health.
const GRPC_NAME: &str = "weir.gateway.v1.GatewayService";
/// Longest literal-free text of a shape.
const SHAPE_TEXT_BYTES_MAX: usize = 8 * 1024;

/// What is known of the gateway without starting it.
pub const SERVICE: Service = Service {
    name: "pool-gateway",
    sections: || vec![SectionInfo::of::<GatewaySettings>()],
    metrics: Metrics::describe,
    check: |sources| check(sources).and_then(|_| Bus::check(sources)),
};

/// Starts the gateway on its ground: ports first, then what serves them.
pub async fn start(ground: Ground, bus: Bus) -> Result<(), StartError> {
    let (settings, target) = check(&ground.sources)?;
    let grpc = bind(&ground, "gateway.grpc_listen", settings.grpc_listen).await?;
    let ops = bind(&ground, "gateway.ops_listen", settings.ops_listen).await?;
    let metrics = Arc::new(Metrics::register(&ground.registry));

    let sessions = sessions(&ground, settings, target, bus.clone(), metrics);
    let pools = sessions.pools.clone();
    let shown = pools.clone();
    ground.registry.before_scrape(move || shown.show());
    let upstream = ground.readiness.needs("upstream");
    ground
        .tasks
        .spawn(Stage::Flow, "pool upkeep", |stop| pools.upkeep(upstream, stop));
    show_bus(&ground, &bus);

    serve_ops(&ground, ops);
    let reply_bytes_max = sessions.settings.reply_bytes_max.saturating_mul(2);
    let service = GatewayServiceServer::new(sessions).max_encoding_message_size(reply_bytes_max);
    GrpcDoor::new(grpc, GRPC_NAME).serve(&ground, |routes| {
        routes.add_service(service);
    })
}

fn sessions(ground: &Ground, settings: GatewaySettings, target: Target, bus: Bus, metrics: Arc<Metrics>) -> Sessions {
    let tap = open_tap(ground, &settings, bus, &metrics);
    let (user, upstream) = (target.user().to_owned(), format!("{}:{}", target.host(), target.port()));
    let pools = Pools::new(Common {
        target,
        bounds: settings.bounds(),
        waiting_max: settings.waiting_max,
        pools_max: settings.pools_max,
        connect_timeout: settings.connect_timeout,
        idle_timeout: settings.idle_timeout,
        recycle_after: settings.recycle_after,
        tasks: ground.tasks.clone(),
        metrics: metrics.clone(),
    });
    let limits = Limits {
        statement_bytes_max: settings.statement_bytes_max,
        text_bytes_max: SHAPE_TEXT_BYTES_MAX,
    };
    let (shapes, settings, clock) = (Shapes::new(limits), Arc::new(settings), ground.clock.clone());
    Sessions {
        pools,
        shapes,
        tap,
        metrics,
        settings,
        clock,
        user,
        upstream,
    }
}

fn open_tap(ground: &Ground, settings: &GatewaySettings, bus: Bus, metrics: &Arc<Metrics>) -> Tap {
    if !settings.events {
        return Tap::closed(metrics.clone());
    }
    let limits = TapLimits {
        buffer_max: settings.events_buffer_max,
        batch_max: settings.events_batch_max,
        flush_after: settings.events_flush_after,
    };
    let (tap, task) = Tap::new(limits, bus, ground.clock.clone(), metrics.clone());
    ground.tasks.spawn(Stage::Flow, "event tap", |stop| task.run(stop));
    tap
}

/// Shows whether the bus is there. The gateway serves queries without it.
fn show_bus(ground: &Ground, bus: &Bus) {
    let (dependency, health) = (ground.readiness.uses("bus"), bus.connected());
    ground.tasks.spawn(Stage::Watch, "bus health", |stop| async move {
        dependency.follow(health, weir_bus::Health::check, stop.clone()).await;
        stop.cancelled().await;
        Ok(())
    });
}
