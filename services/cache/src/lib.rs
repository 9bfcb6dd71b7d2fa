//! What gateways need to answer repeated reads from memory: the log followed, statements studied, rules kept.
//!
//! Results are looked up in the gateways. Here is decided what they depend on (`study/`), and told when that changed
//! (`follow/`). Nothing here ever sees a result.

mod follow;
mod grpc;
mod metrics;
mod policy;
mod rules;
mod settings;
mod store;
mod study;
mod tally;

use std::sync::Arc;

use weir_bus::Bus;
use weir_config::SectionInfo;
use weir_footing::Tables;
use weir_proto::cache::v1::cache_service_server::CacheServiceServer;
use weir_runtime::{Ground, GrpcDoor, Service, Stage, StartError, bind, serve_ops};
use weir_store::Migrations;

use follow::Followers;
use grpc::Desk;
use metrics::Metrics;
use rules::Rules;
use tally::Tally;

pub use settings::{CacheSettings, check};

/// The full name of the gRPC service, for health.
const GRPC_NAME: &str = "weir.cache.v1.CacheService";
/// The schema of its tables.
pub const SCHEMA: &str = "weir_cache";

/// The migrations of its schema.
pub fn migrations() -> Vec<Migrations> {
    vec![Migrations::of_service(sqlx::migrate!())]
}

/// What is known of the cache service without starting it.
pub const SERVICE: Service = Service {
    name: "cache",
    sections: || weir_footing::with_own_sections(SectionInfo::of::<CacheSettings>()),
    metrics: || weir_footing::with_own_metrics(Metrics::describe()),
    check: |sources| check(sources).and_then(|_| Bus::check(sources)),
    reloads: settings::reloads,
};

/// Starts the cache service on its ground: ports first, then what serves them.
pub async fn start(ground: Ground, bus: Bus) -> Result<(), StartError> {
    let (settings, target) = check(&ground.sources)?;
    let grpc = bind(&ground, "cache.grpc_listen", settings.grpc_listen).await?;
    let ops = bind(&ground, "cache.ops_listen", settings.ops_listen).await?;
    let metrics = Arc::new(Metrics::register(&ground.registry));
    let tables = Tables::take(&ground, SCHEMA, migrations(), &bus)?;
    weir_footing::show_bus(&ground, &bus);

    let rules = Rules::start(&ground, &tables, &settings);
    let tally = Tally::start(&ground, &bus, &rules, &metrics).await?;
    let followers = Followers::start(&ground, &bus, &tables, &settings, &target, &metrics)?;
    follow_rules(&ground, &rules, &followers);
    let studies = study::start(&ground, &followers, metrics);
    serve_ops(&ground, ops);
    let desk = Desk {
        followers,
        studies,
        rules,
        tally,
    };
    GrpcDoor::new(grpc, GRPC_NAME).serve(&ground, |routes| {
        routes.add_service(CacheServiceServer::new(desk));
    })
}

/// Has followers tell gateways that rules have changed.
fn follow_rules(ground: &Ground, rules: &Rules, followers: &Arc<Followers>) {
    let (mut generation, followers) = (rules.generation(), followers.clone());
    ground
        .tasks
        .spawn(Stage::Flow, "cache rule changes", |stop| async move {
            loop {
                followers.set_policy_generation(*generation.borrow_and_update());
                tokio::select! {
                    changed = generation.changed() => if changed.is_err() { break },
                    () = stop.cancelled() => break,
                }
            }
            stop.cancelled().await;
            Ok(())
        });
}
