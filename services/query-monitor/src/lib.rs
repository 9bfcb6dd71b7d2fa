//! Query events to statistics to alerts.
//!
//! The monitor counts what gateways tell; it is never asked by them and never slows them down. Alerts are rows first
//! and events second, so an alert that was written is told however long the bus is away.

mod advise;
mod aggregate;
mod alert;
mod detect;
mod error;
mod feed;
mod grpc;
mod keeping;
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

use grpc::Desk;
use keeping::Keeper;
use metrics::Metrics;
use observe::peers::Exchange;
use observe::{Board, Counter, Knowledge, Shared, events, explain, gateways, peers, statements, trends, work};

pub use settings::{MonitorSettings, check};

/// The full name of the gRPC service, for health.
const GRPC_NAME: &str = "weir.monitor.v1.MonitorService";
/// The schema of its tables.
pub const SCHEMA: &str = "weir_monitor";

/// The migrations of its schema.
pub fn migrations() -> Vec<Migrations> {
    vec![Migrations::of_service(sqlx::migrate!())]
}

/// What is known of the monitor without starting it.
pub const SERVICE: Service = Service {
    name: "query-monitor",
    sections: || weir_footing::with_own_sections(SectionInfo::of::<MonitorSettings>()),
    metrics: || {
        let own = [Metrics::describe(), observe::server::ServerMetrics::describe()];
        weir_footing::with_own_metrics(own.concat())
    },
    check: |sources| check(sources).and_then(|_| Bus::check(sources)),
    reloads: settings::reloads,
};

/// Starts the monitor on its ground: ports first, then what serves them.
pub async fn start(ground: Ground, bus: Bus) -> Result<(), StartError> {
    let settings = check(&ground.sources)?;
    let grpc = bind(&ground, "monitor.grpc_listen", settings.grpc_listen).await?;
    let ops = bind(&ground, "monitor.ops_listen", settings.ops_listen).await?;
    let metrics = Arc::new(Metrics::register(&ground.registry));
    let tables = Tables::take(&ground, SCHEMA, migrations(), &bus)?;
    weir_footing::show_bus(&ground, &bus);
    let deliverer = alert::deliver::start(&ground, &tables, &metrics, &settings)?;

    let captures = explain::Captures::new(&settings, ground.clock.clone());
    let shared = Shared::new(Knowledge::new(&settings, captures.clone()));
    let board = Board::new(ground.clock.clone());
    gateways::start(&ground, &bus, &board, &metrics).await?;
    work::start(&ground, &bus, &board, &metrics, &tables)?;
    let servers = observe::server::start(&ground, &settings, &board)?;
    let explainer = explain::start(&ground, &settings, &tables, &shared, &captures, &metrics)?;
    let shown = (shared.clone(), metrics.clone(), ground.clock.clone());
    ground
        .registry
        .before_scrape(move || events::show(&shown.0, &shown.1, &shown.2));

    let counter = Counter {
        subscription: events::subscribe(&bus).await?,
        shared: shared.clone(),
        metrics: metrics.clone(),
        clock: ground.clock.clone(),
        feed: feed::start(&ground, &metrics, &settings),
    };
    // What stops at the same time still tells of its last statements.
    ground.tasks.spawn(Stage::Flow, "observe", |stop| counter.run(stop));
    let monitor: Arc<str> = format!("monitor-{}", uuid::Uuid::now_v7()).into();
    let exchange = Exchange {
        subscription: peers::subscribe(&bus).await?,
        bus: bus.clone(),
        shared: shared.clone(),
        clock: ground.clock.clone(),
        monitor: monitor.clone(),
    };
    ground
        .tasks
        .spawn(Stage::Flow, "other monitors", |stop| exchange.run(stop));
    let keeper = Keeper {
        store: tables.store().clone(),
        shared: shared.clone(),
        clock: ground.clock.clone(),
        metrics: metrics.clone(),
        monitor,
        flush_every: settings.flush_every,
        tidy_every: settings.tidy_every,
        retention: settings.retention(),
        shapes_max: settings.shapes_max,
    };
    keeping::start(&ground, &tables, &keeper);
    trends::start(&ground, &tables, &board, &metrics, &settings);
    let searched = trends::Trends::new(&ground, tables.store(), &board, &metrics, &settings);
    trends::start_changes(&ground, &tables, searched, keeper.clone());
    let (read, put, clock) = (shared.clone(), board.clone(), ground.clock.clone());
    ground.tasks.spawn(Stage::Work, "read statements", |stop| {
        statements::read(read, put, clock, stop)
    });
    let judged = shared.clone();
    let parts = alert::Parts {
        shared: shared.clone(),
        board,
        metrics,
        outcomes: Arc::new(move |now_unix_ms| statements::outcomes(&judged, now_unix_ms)),
        outbound: Arc::new(deliverer.clone()),
    };
    let alerts = alert::start(&ground, &tables, &settings, parts);
    follow_reloads(&ground, shared.clone());

    serve_ops(&ground, ops);
    GrpcDoor::new(grpc, GRPC_NAME).serve(&ground, |routes| {
        routes.add_service(MonitorServiceServer::new(Desk {
            keeper,
            alerts,
            deliverer,
            explainer,
            servers,
        }));
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
                shared.with(|knowledge| {
                    knowledge.slow.set_threshold_ms(threshold_ms);
                    knowledge.statistics.bounds = settings.bounds();
                });
            }
        }
        stop.cancelled().await;
        Ok(())
    });
}
