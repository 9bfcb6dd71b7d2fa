//! Query events to statistics to alerts.
//!
//! The monitor counts what gateways tell; it is never asked by them and never slows them down. Alerts are rows first
//! and events second, so an alert that was written is told however long the bus is away.

mod aggregate;
mod alert;
mod detect;
mod error;
mod grpc;
mod metrics;
mod observe;
mod settings;
mod store;

use std::sync::Arc;

use weir_bus::Bus;
use weir_config::SectionInfo;
use weir_footing::Tables;
use weir_proto::monitor::v1::monitor_service_server::MonitorServiceServer;
use weir_runtime::{Ground, GrpcDoor, Service, Stage, StartError, bind, serve_ops};
use weir_store::Migrations;

use aggregate::Statistics;
use alert::Alerts;
use detect::SlowQueries;
use grpc::Desk;
use metrics::Metrics;
use observe::{Board, Knowledge, Shared, events, gateways, work};

pub use settings::{MonitorSettings, check};

/// The full name of the gRPC service, for health.
const GRPC_NAME: &str = "weir.monitor.v1.MonitorService";
/// The schema of its tables.
const SCHEMA: &str = "weir_monitor";

/// What is known of the monitor without starting it.
pub const SERVICE: Service = Service {
    name: "query-monitor",
    sections: || vec![SectionInfo::of::<MonitorSettings>()],
    metrics: || weir_footing::with_own_metrics(Metrics::describe()),
    check: |sources| check(sources).and_then(|_| Bus::check(sources)),
};

/// Starts the monitor on its ground: ports first, then what serves them.
pub async fn start(ground: Ground, bus: Bus) -> Result<(), StartError> {
    let settings = check(&ground.sources)?;
    let grpc = bind(&ground, "monitor.grpc_listen", settings.grpc_listen).await?;
    let ops = bind(&ground, "monitor.ops_listen", settings.ops_listen).await?;
    let metrics = Arc::new(Metrics::register(&ground.registry));
    let tables = Tables::take(&ground, SCHEMA, vec![Migrations::of_service(sqlx::migrate!())], &bus)?;
    weir_footing::show_bus(&ground, &bus);

    let threshold_ms = settings.slow_query_threshold.as_secs_f64() * 1e3;
    let (statistics, slow) = (Statistics::new(settings.shapes_max), SlowQueries::new(threshold_ms));
    let board = Board::new(ground.clock.clone());
    gateways::start(&ground, &bus, &board, &metrics).await?;
    work::start(&ground, &bus, &board, &metrics, &tables)?;
    let shared = Shared::new(Knowledge {
        statistics,
        slow,
        malformed: 0,
    });
    let shown = (shared.clone(), metrics.clone());
    ground.registry.before_scrape(move || events::show(&shown.0, &shown.1));

    let subscription = events::subscribe(&bus).await?;
    let (counted, counters) = (shared.clone(), metrics.clone());
    ground.tasks.spawn(Stage::Work, "observe", |stop| {
        events::observe(subscription, counted, counters, stop)
    });
    let resolve_after = settings.slow_query_resolve_after;
    let store = tables.store().clone();
    let alerts = Alerts {
        store: store.clone(),
        shared: shared.clone(),
        clock: ground.clock.clone(),
        resolve_after,
    };
    let (counting, there) = (alerts.clone(), tables.clone());
    ground.tasks.spawn(Stage::Watch, "count alerts", |stop| async move {
        if there.are_there(&stop).await {
            counting.count(metrics, stop).await
        } else {
            Ok(())
        }
    });
    ground.tasks.spawn(Stage::Work, "alerts", |stop| async move {
        if tables.are_there(&stop).await {
            alerts.run(stop).await
        } else {
            Ok(())
        }
    });
    follow_reloads(&ground, shared.clone());

    serve_ops(&ground, ops);
    GrpcDoor::new(grpc, GRPC_NAME).serve(&ground, |routes| {
        routes.add_service(MonitorServiceServer::new(Desk { shared, store }));
    })
}

/// A changed threshold counts for statements to come.
fn follow_reloads(ground: &Ground, shared: Shared) {
    let mut reloads = ground.reloads.clone();
    ground.tasks.spawn(Stage::Work, "reloads", |stop| async move {
        while let Some(Ok(())) = stop.run_until_cancelled(reloads.changed()).await {
            // A reload that does not pass the check never gets here.
            if let Ok(settings) = check(&reloads.borrow_and_update()) {
                let threshold_ms = settings.slow_query_threshold.as_secs_f64() * 1e3;
                shared.with(|knowledge| knowledge.slow.set_threshold_ms(threshold_ms));
            }
        }
        stop.cancelled().await;
        Ok(())
    });
}
