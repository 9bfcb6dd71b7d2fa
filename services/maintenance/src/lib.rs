//! Observe, plan, act: the upkeep of the user's tables.
//!
//! What is done was planned first, and a plan can be read without being carried out. Work comes in as requested jobs
//! only; nothing here decides when.

mod act;
mod advise;
mod effects;
mod error;
mod grpc;
#[cfg(test)]
mod in_job;
mod latency;
mod metrics;
mod observe;
mod places;
mod plan;
mod settings;
mod store;
mod wraparound;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use weir_bus::{Bus, Consumer, ConsumerOptions};
use weir_config::SectionInfo;
use weir_events::{catalogue, jobs};
use weir_footing::Tables;
use weir_jobs::{Jobs, Runner, RunnerOptions, Works, intake};
use weir_proto::maintenance::v1::maintenance_service_server::MaintenanceServiceServer;
use weir_runtime::{Ground, GrpcDoor, Service, Stage, StartError, bind, serve_ops};
use weir_store::{Migrations, outbox};
use weir_upstream::Target;

use act::{Adviser, Limits, OPERATIONS, Operation, Shown, Switches, Team, Terms};
use effects::{Effects, endpoint};
use grpc::Desk;
use latency::Latency;
use metrics::Metrics;
use observe::Looked;
use places::Places;
use plan::{Rules, Worth};
use store::Pieces;
use wraparound::Wraparound;

pub use settings::{MaintenanceSettings, check};

/// The full name of the gRPC service, for health.
const GRPC_NAME: &str = "weir.maintenance.v1.MaintenanceService";
/// How long a job that was cancelled may tidy up. One that is cut off then leaves the rest to the next sweep.
const CANCEL_WITHIN: Duration = Duration::from_secs(120);
/// The schema of its tables.
pub const SCHEMA: &str = "weir_maintenance";
/// The name under which its instances share requests, and by which they tell of jobs.
const WORKER: &str = "maintenance";

/// The migrations of its schema.
pub fn migrations() -> Vec<Migrations> {
    vec![weir_jobs::migrations(), Migrations::of_service(sqlx::migrate!())]
}

/// What is known of maintenance without starting it.
pub const SERVICE: Service = Service {
    name: "maintenance",
    sections: || weir_footing::with_own_sections(SectionInfo::of::<MaintenanceSettings>()),
    metrics: || weir_footing::with_own_metrics(Metrics::describe()),
    check: |sources| check(sources).and_then(|_| Bus::check(sources)),
    reloads: settings::reloads,
};

/// Starts maintenance on its ground: ports first, then what serves them.
pub async fn start(ground: Ground, bus: Bus) -> Result<(), StartError> {
    let (settings, target) = check(&ground.sources)?;
    let grpc = bind(&ground, "maintenance.grpc_listen", settings.grpc_listen).await?;
    let ops = bind(&ground, "maintenance.ops_listen", settings.ops_listen).await?;
    let metrics = Arc::new(Metrics::register(&ground.registry));
    let tables = Tables::take(&ground, SCHEMA, migrations(), &bus)?;
    weir_footing::show_bus(&ground, &bus);
    // Both were read when the settings were checked.
    let monitor = endpoint(&settings.monitor_url)?;
    let places = Places::read(&target, &settings.databases.0).unwrap_or_default();
    let terms = follow(&ground, &settings);
    let adviser = Adviser {
        target: target.clone(),
        places: places.clone(),
        store: tables.store().clone(),
        clock: ground.clock.clone(),
        machine: settings::machine(&settings),
        terms: terms.clone(),
        unused_after: settings.unused_index_after,
    };
    adviser.start(&ground, &tables);
    let latency = latency::start(&ground, &bus).await?;

    let wraparound = wraparound::start(&ground, &tables, places.targets(), &settings, metrics.clone());
    let watched = (latency, wraparound.clone());
    let team = Arc::new(team(
        &ground,
        &tables,
        &settings,
        (target, places),
        watched,
        (terms, metrics),
    ));
    let jobs = Jobs::new(tables.store(), WORKER, ground.clock.clone());
    work(&ground, &tables, &jobs, &bus, &settings, works(&team))?;

    serve_ops(&ground, ops);
    let desk = Desk {
        effects: Effects::new(&monitor, ground.clock.clone()),
        team,
        jobs,
        adviser,
        wraparound,
    };
    GrpcDoor::new(grpc, GRPC_NAME).serve(&ground, |routes| {
        routes.add_service(MaintenanceServiceServer::new(desk));
    })
}

fn team(
    ground: &Ground,
    tables: &Tables,
    settings: &MaintenanceSettings,
    (target, places): (Target, Places),
    (latency, wraparound): (Latency, Wraparound),
    (terms, metrics): (watch::Receiver<Terms>, Arc<Metrics>),
) -> Team {
    Team {
        places,
        target,
        latency,
        wraparound,
        terms,
        repack: repack_program(settings),
        shown: Shown::default(),
        looked: Looked::default(),
        pieces: Pieces::new(tables.store().clone()),
        metrics,
        clock: ground.clock.clone(),
    }
}

/// What the settings say of the work, from now on.
fn follow(ground: &Ground, settings: &MaintenanceSettings) -> watch::Receiver<Terms> {
    let (say, terms) = watch::channel(terms(settings));
    let mut reloads = ground.reloads.clone();
    ground.tasks.spawn(Stage::Work, "terms", |stop| async move {
        while let Some(Ok(())) = stop.run_until_cancelled(reloads.changed()).await {
            // A reload that does not pass the check never gets here.
            if let Ok((settings, _)) = check(&reloads.borrow_and_update()) {
                say.send_replace(self::terms(&settings));
            }
        }
        stop.cancelled().await;
        Ok(())
    });
    terms
}

fn terms(settings: &MaintenanceSettings) -> Terms {
    Terms {
        guard: settings.guard_rule(),
        patience: settings.reorganize_patience,
        rules: rules(settings),
        switches: Switches {
            vacuum: settings.auto_vacuum,
            analyze: settings.auto_analyze,
            rewrite: settings.auto_rewrite,
        },
        limits: Limits {
            lock: settings.lock_timeout,
            statement: settings.statement_timeout,
        },
    }
}

/// Packages put pg_repack beside the server it goes with, out of the way of a shell.
fn repack_program(settings: &MaintenanceSettings) -> PathBuf {
    if let Some(program) = &settings.repack_program {
        return program.clone();
    }
    let named = |version: u32| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin/pg_repack"));
    let packaged = (15..=25).rev().map(named).find(|path| path.exists());
    packaged.unwrap_or_else(|| PathBuf::from("pg_repack"))
}

const fn rules(settings: &MaintenanceSettings) -> Rules {
    Rules {
        vacuum_percent: settings.vacuum_threshold_percent,
        analyze_percent: settings.analyze_threshold_percent,
        reindex: Worth {
            percent: settings.reindex_threshold_percent,
            bytes: settings.reindex_waste_bytes,
        },
        reorganize: Worth {
            percent: settings.reorganize_threshold_percent,
            bytes: settings.reorganize_waste_bytes,
        },
    }
}

fn works(team: &Arc<Team>) -> Works {
    let operations = OPERATIONS.iter().filter_map(|name| Operation::of(name, team));
    operations.fold(Works::builder(), weir_jobs::WorksBuilder::with).build()
}

/// Takes requests in, and works on them.
fn work(
    ground: &Ground,
    tables: &Tables,
    jobs: &Jobs,
    bus: &Bus,
    settings: &MaintenanceSettings,
    works: Works,
) -> Result<(), StartError> {
    let heartbeat_dead_after = settings.heartbeat_dead_after;
    let options = RunnerOptions {
        concurrency: settings.concurrency,
        heartbeat_dead_after,
        heartbeat_every: (heartbeat_dead_after / 6).max(Duration::from_millis(100)),
        // What a rewrite began is removed before it ends.
        cancel_within: CANCEL_WITHIN,
        ..RunnerOptions::default()
    };
    let runner = Runner::new(jobs, works.clone(), options);
    let there = tables.clone();
    ground.tasks.spawn(Stage::Work, "jobs", |stop| async move {
        if there.are_there(&stop).await {
            runner.run(&stop).await;
        }
        Ok(())
    });
    let (mut requests, taken, there) = (request_consumer(bus)?, jobs.clone(), tables.clone());
    ground.tasks.spawn(Stage::Work, "intake", |stop| async move {
        if there.are_there(&stop).await {
            intake(&mut requests, &taken, &works, &stop).await;
        }
        Ok(())
    });
    Ok(())
}

fn request_consumer(bus: &Bus) -> Result<Consumer, weir_bus::Error> {
    let requests = jobs::every_request();
    bus.consumer(
        &outbox::stream_spec(&catalogue::JOBS),
        WORKER,
        &[requests.as_str()],
        ConsumerOptions::default(),
    )
}
