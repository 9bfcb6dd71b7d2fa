//! Schedules to runs to job requests.
//!
//! The scheduler decides when; it never does the work. A run is a row first and an event second, so a run that was
//! written is asked for however long the bus is away, and asked for once.

mod backups;
mod clockwork;
mod conductor;
mod desk;
mod error;
mod file;
mod grpc;
mod learn;
mod metrics;
mod plan;
mod reports;
mod request;
mod settings;
mod store;
mod terms;
mod windows;

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, Consumer, ConsumerOptions};
use weir_config::SectionInfo;
use weir_events::{catalogue, jobs};
use weir_footing::Tables;
use weir_proto::scheduler::v1::scheduler_service_server::SchedulerServiceServer;
use weir_runtime::{Ground, GrpcDoor, Service, Stage, StartError, bind, serve_ops};
use weir_store::{Leadership, LeadershipOptions, Migrations, Term, outbox};

use clockwork::Clockwork;
use conductor::Conductor;
use desk::Desk;
use learn::Learner;
use metrics::Metrics;
use terms::CurrentTerms;
use windows::WindowDesk;

pub use settings::{SchedulerSettings, check};

/// The full name of the gRPC service, for health.
const GRPC_NAME: &str = "weir.scheduler.v1.SchedulerService";
/// The schema of its tables.
pub const SCHEMA: &str = "weir_scheduler";

/// The migrations of its schema.
pub fn migrations() -> Vec<Migrations> {
    vec![Migrations::of_service(sqlx::migrate!())]
}

/// What is known of the scheduler without starting it.
pub const SERVICE: Service = Service {
    name: "scheduler",
    sections: || weir_footing::with_own_sections(SectionInfo::of::<SchedulerSettings>()),
    metrics: || weir_footing::with_own_metrics(Metrics::describe()),
    check: |sources| check(sources).and_then(|_| Bus::check(sources)),
    reloads: settings::reloads,
};

/// Starts the scheduler on its ground: ports first, then what serves them.
pub async fn start(ground: Ground, bus: Bus) -> Result<(), StartError> {
    let settings = check(&ground.sources)?;
    let grpc = bind(&ground, "scheduler.grpc_listen", settings.grpc_listen).await?;
    let ops = bind(&ground, "scheduler.ops_listen", settings.ops_listen).await?;
    let metrics = Arc::new(Metrics::register(&ground.registry));
    let tables = Tables::take(&ground, SCHEMA, migrations(), &bus)?;
    weir_footing::show_bus(&ground, &bus);

    let terms = terms::follow(&ground, settings)?;
    lead(&ground, &tables, &metrics, &terms);
    let reports = report_consumer(&bus)?;
    let (followed, counted) = (tables.clone(), metrics);
    ground.tasks.spawn(Stage::Work, "reports", |stop| async move {
        if followed.are_there(&stop).await {
            reports::follow(reports, followed.store().clone(), counted, stop).await
        } else {
            Ok(())
        }
    });

    serve_ops(&ground, ops);
    let desk = Desk::new(WindowDesk {
        store: tables.store().clone(),
        clock: ground.clock.clone(),
        terms,
    });
    GrpcDoor::new(grpc, GRPC_NAME).serve(&ground, |routes| {
        routes.add_service(SchedulerServiceServer::new(desk));
    })
}

fn report_consumer(bus: &Bus) -> Result<Consumer, weir_bus::Error> {
    let reports = jobs::every_report();
    let filters: Vec<&str> = reports.iter().map(|pattern| pattern.as_str()).collect();
    bus.consumer(
        &outbox::stream_spec(&catalogue::JOBS),
        "scheduler",
        &filters,
        ConsumerOptions::default(),
    )
}

/// Stands for leader; whoever leads brings the schedules in step with the file and requests what is due.
fn lead(ground: &Ground, tables: &Tables, metrics: &Arc<Metrics>, terms: &CurrentTerms) {
    let (tables, clock) = (tables.clone(), ground.clock.clone());
    let learner = Learner {
        store: tables.store().clone(),
        clock: clock.clone(),
        terms: terms.clone(),
    };
    let conductor = Conductor {
        store: tables.store().clone(),
        clock,
        metrics: metrics.clone(),
        terms: terms.clone(),
    };
    ground.tasks.spawn(Stage::Work, "lead", |stop| async move {
        if !tables.are_there(&stop).await {
            return Ok(());
        }
        let leadership = Leadership::new(tables.store(), "schedules", LeadershipOptions::default());
        let (clockwork, leading) = (Mutex::new(Clockwork::start().await?), stop.child_token());
        let term = |term| serve_term(&conductor, &learner, &clockwork, term, &leading);
        leadership.lead(&leading, term).await;
        clockwork.lock().await.stop().await?;
        if stop.is_cancelled() {
            Ok(())
        } else {
            Err("the clockwork stopped by itself, or the wall clock was set back".into())
        }
    });
}

async fn serve_term(
    conductor: &Conductor,
    learner: &Learner,
    clockwork: &Mutex<Clockwork>,
    term: Term,
    leading: &CancellationToken,
) {
    let mut clockwork = clockwork.lock().await;
    let is_over = tokio::select! {
        goes_on = conductor.lead(&term, &mut clockwork, leading) => !goes_on,
        () = learner.keep(&term) => false,
    };
    if is_over {
        leading.cancel();
    }
}
