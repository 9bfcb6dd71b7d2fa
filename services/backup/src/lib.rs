//! Base backups, the write-ahead log, restore, and the proof that a restore works.
//!
//! Work comes in as requested jobs only; nothing here decides when. What is listed in a repository can be restored from
//! that repository and its key alone.

mod act;
#[cfg(test)]
mod bed;
mod care;
mod catalog;
mod cluster;
mod engine;
mod error;
mod figures;
mod grpc;
mod keeper;
mod metrics;
mod orders;
mod plan;
mod project;
mod prove;
mod relief;
mod repo;
mod repositories;
mod settings;
mod work;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use weir_bus::Bus;
use weir_config::SectionInfo;
use weir_footing::Tables;
use weir_jobs::Jobs;
use weir_proto::backup::v1::backup_service_server::BackupServiceServer;
use weir_runtime::{Ground, GrpcDoor, Service, Stage, StartError, bind, serve_ops};
use weir_store::Migrations;

use cluster::Cluster;
use engine::wal::Log;
use grpc::Desk;
use keeper::Keeper;
use metrics::Metrics;
use repositories::Repositories;

pub use engine::wal::helper as wal_helper;
pub use settings::{BackupSettings, check};

/// The full name of the gRPC service, for health.
const GRPC_NAME: &str = "weir.backup.v1.BackupService";
/// The schema of its tables.
pub const SCHEMA: &str = "weir_backup";

/// The migrations of its schema.
pub fn migrations() -> Vec<Migrations> {
    vec![weir_jobs::migrations(), Migrations::of_service(sqlx::migrate!())]
}

/// What is known of the backup service without starting it.
pub const SERVICE: Service = Service {
    name: "backup",
    sections: || weir_footing::with_own_sections(SectionInfo::of::<BackupSettings>()),
    metrics: || weir_footing::with_own_metrics(Metrics::describe()),
    check: |sources| check(sources).and_then(|_| Bus::check(sources)),
    reloads: settings::reloads,
};

/// Starts the backup service on its ground: ports first, then what serves them.
pub async fn start(ground: Ground, bus: Bus) -> Result<(), StartError> {
    let (settings, target) = check(&ground.sources)?;
    let grpc = bind(&ground, "backup.grpc_listen", settings.grpc_listen).await?;
    let ops = bind(&ground, "backup.ops_listen", settings.ops_listen).await?;
    let metrics = Arc::new(Metrics::register(&ground.registry));
    let tables = Tables::take(&ground, SCHEMA, migrations(), &bus)?;
    weir_footing::show_bus(&ground, &bus);
    prove::tidy(&settings).await;
    let keeper = Arc::new(Keeper {
        repositories: Repositories::remembered(&settings, ground.clock.clone(), tables.store().clone()),
        // It was read when the settings were checked.
        cluster: Cluster::of(&settings, target)?,
        store: tables.store().clone(),
        clock: ground.clock.clone(),
        config_file: ground.sources.path().map(Path::to_owned),
        metrics,
        settings,
    });
    let log = engine::wal::start(&ground, &tables, Arc::clone(&keeper));
    watch_log(&ground, &keeper, &log);
    engine::commits::start(&ground, Arc::clone(&keeper));
    care::start(&ground, &keeper);
    figures::start(&ground, &keeper);
    let jobs = Jobs::new(tables.store(), work::WORKER, ground.clock.clone());
    work::start(&ground, &tables, &bus, &keeper, &jobs).await?;

    serve_ops(&ground, ops);
    let desk = Desk::new(keeper, jobs, log, ground.tasks.stop_token(Stage::Doors));
    GrpcDoor::new(grpc, GRPC_NAME).serve(&ground, |routes| {
        routes.add_service(BackupServiceServer::new(desk));
    })
}

/// Has the state of the log told as jobs, so that whoever watches jobs hears of it.
fn watch_log(ground: &Ground, keeper: &Arc<Keeper>, log: &Log) {
    let (keeper, log) = (Arc::clone(keeper), log.clone());
    let probe: act::Probe = Arc::new(move || {
        let now = log.state();
        // Only the instance that receives the log knows its position.
        now.server.map(|_| act::LogFacts {
            exposure: Duration::from_millis(now.exposure_ms),
            slot_retained_bytes: now.slot_retained_bytes,
            reason: now.reason,
        })
    });
    ground.tasks.spawn(Stage::Work, "log check", |stop| async move {
        act::watch_log(keeper, probe, stop).await;
        Ok(())
    });
}
