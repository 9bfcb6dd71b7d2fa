//! The data path: queries in, pooled PostgreSQL out, one event for every statement.
//!
//! The gateway never waits for the bus, needs no store, and serves queries whatever else of Weir is away.

mod budget;
mod cache;
mod client;
mod error;
mod firewall;
mod handover;
mod metrics;
mod mirror;
mod named;
mod pool;
mod profile;
mod route;
mod rules;
mod settings;
mod shapes;
mod states;
mod steward;
mod store;
mod tap;
mod workers;

use std::sync::Arc;

use arrow_flight::flight_service_server::FlightServiceServer;
use weir_bus::{Bus, BusSettings};
use weir_config::SectionInfo;
use weir_proto::gateway::v1::gateway_admin_service_server::GatewayAdminServiceServer;
use weir_runtime::{Ground, GrpcDoor, Listener, Service, Stage, StartError, bind, serve_ops};
use weir_sql::Limits;
use weir_upstream::{Resolve, Target};

use cache::Cache;
use client::{Admin, Door, DoorParts, Flight, Sessions, Writes, look, serve_callers, tls};
use firewall::Guard;
use handover::Handover;
use metrics::Metrics;
use mirror::Mirror;
use pool::{Common, Pools};
use shapes::Shapes;
use states::States;
use steward::Steward;
use tap::{Tap, TapLimits};

pub use cache::level2::reach_redis;
pub use settings::{GatewaySettings, check};

/// The full name of the gRPC service, for health.
const GRPC_NAME: &str = "weir.gateway.v1.GatewayService";
/// The largest message that a Flight client may send; its drivers cut what is larger.
const FLIGHT_MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest literal-free text of a shape.
const SHAPE_TEXT_BYTES_MAX: usize = 8 * 1024;

/// What is known of the gateway without starting it.
pub const SERVICE: Service = Service {
    name: "pool-gateway",
    sections: || vec![SectionInfo::of::<BusSettings>(), SectionInfo::of::<GatewaySettings>()],
    metrics: Metrics::describe,
    check: |sources| check(sources).and_then(|_| Bus::check(sources)),
    reloads: steward::reloads,
};

/// Starts the gateway on its ground, beside other services if need be.
pub async fn start(ground: Ground, bus: Bus) -> Result<(), StartError> {
    let (settings, targets) = check(&ground.sources)?;
    handover::refuse(&settings)?;
    launch(ground, bus, settings, targets, None).await
}

/// The same, with the names of servers looked up by somebody else than the operating system.
pub async fn start_resolved_by(ground: Ground, bus: Bus, resolver: Arc<dyn Resolve>) -> Result<(), StartError> {
    let (settings, targets) = check(&ground.sources)?;
    handover::refuse(&settings)?;
    let targets = targets.into_iter().map(|target| target.resolved_by(resolver.clone()));
    launch(ground, bus, settings, targets.collect(), None).await
}

/// Starts the gateway as the only service of its process, which may take the ports over from another one and hand them
/// over to the next (`gateway.handover`).
pub async fn start_alone(ground: Ground, bus: Bus) -> Result<(), StartError> {
    let (settings, targets) = check(&ground.sources)?;
    let handover = match &settings.handover {
        Some(path) => Some(Handover::begin(path, &settings).await?),
        None => None,
    };
    launch(ground, bus, settings, targets, handover).await
}

/// The ports first, then what serves them. Nobody is let in before all of it is there.
async fn launch(
    ground: Ground,
    bus: Bus,
    settings: GatewaySettings,
    targets: Vec<Target>,
    mut handover: Option<Handover>,
) -> Result<(), StartError> {
    if let Some(fault) = &settings.cache_fault {
        cache::fault::plant(fault)?;
    }
    let ports = Ports::open(&ground, &settings, &mut handover).await?;
    let metrics = Arc::new(Metrics::register(&ground.registry));

    let common = Common::new(targets, settings.clone(), ground.tasks.clone(), metrics.clone());
    let pools = Pools::new(common.ok_or("there is no server to stand before")?);
    let instance = uuid::Uuid::now_v7().to_string();
    let (guard, violations) = Guard::new(metrics.clone(), ground.clock.clone());
    firewall::tell(&ground, bus.clone(), metrics.clone(), violations);
    firewall::keep(&ground, &guard, settings.firewall_store)?;
    show_guard(&ground, &guard);
    let tap = open_tap(
        &ground,
        &settings,
        pools.common().workers,
        bus.clone(),
        instance.clone(),
        metrics,
    );
    let shapes = Shapes::new(limits(&settings), pools.common().workers);
    keep_up(&ground, &pools);
    let mirror = open_mirror(&ground, &pools)?;
    let cache = Cache::open(&ground, &pools, &bus, instance.clone())?;
    show_bus(&ground, &bus);
    let steward = Steward::new(ground.sources.clone(), pools.clone());
    if let Some(standing) = &ground.standing {
        let shown = steward.clone();
        standing.shown_by(move || shown.sources());
    }
    follow_settings(&ground, &steward);

    let door = make_wire_door(
        &ground,
        steward,
        &pools,
        Stations {
            shapes: shapes.clone(),
            tap: tap.clone(),
            mirror,
            cache,
            guard: guard.clone(),
        },
        (bus.clone(), instance.clone()),
    )?;
    tell_states(&ground, &door, bus, instance);
    let sessions = Sessions {
        witness: door.witness.clone(),
        profile: look(&pools.common().profiles),
        cache: door.cache.clone(),
        writes: Writes::new(pools.common(), &door.kin),
        guard,
        user: pools.common().target.user().to_owned(),
        pools,
        shapes,
        tap,
        clock: ground.clock.clone(),
        operations: Arc::default(),
        catalogue: Arc::default(),
        repeats: Arc::default(),
    };
    client::keep_statements(&ground, &sessions);
    if let Some(handover) = &mut handover {
        handover.until_ready(&ground, &door).await?;
    }
    let flight = Flight::new(sessions.clone())?;
    let transactions = flight.transactions().clone();
    ports.serve(&ground, &door, sessions, flight)?;
    if let Some(handover) = handover {
        handover.carry_on(&ground, &door, transactions);
    }
    Ok(())
}

/// Where callers come in.
struct Ports {
    grpc: Listener,
    wire: Listener,
    ops: Listener,
}

impl Ports {
    async fn open(
        ground: &Ground,
        settings: &GatewaySettings,
        handover: &mut Option<Handover>,
    ) -> Result<Self, StartError> {
        let Some(handover) = handover else {
            return Ok(Self {
                grpc: bind(ground, "gateway.grpc_listen", settings.grpc_listen).await?.into(),
                wire: bind(ground, "gateway.wire_listen", settings.wire_listen).await?.into(),
                ops: bind(ground, "gateway.ops_listen", settings.ops_listen).await?.into(),
            });
        };
        let ports = Self {
            grpc: handover
                .door(ground, "gateway.grpc_listen", settings.grpc_listen)
                .await?,
            wire: handover
                .door(ground, "gateway.wire_listen", settings.wire_listen)
                .await?,
            ops: handover.door(ground, "gateway.ops_listen", settings.ops_listen).await?,
        };
        handover.settle()?;
        Ok(ports)
    }

    fn serve(self, ground: &Ground, door: &Arc<Door>, sessions: Sessions, flight: Flight) -> Result<(), StartError> {
        let flight = FlightServiceServer::new(flight).max_decoding_message_size(FLIGHT_MESSAGE_BYTES_MAX);
        let admin = GatewayAdminServiceServer::new(Admin::new(door.clone()));
        serve_ops(ground, self.ops);
        door.serve(ground, self.wire)?;
        let open = GrpcDoor::new(self.grpc, GRPC_NAME).open(ground, |routes| {
            routes.add_service(admin);
            routes.add_service(flight);
        })?;
        serve_callers(ground, door, open, sessions);
        Ok(())
    }
}

const fn limits(settings: &GatewaySettings) -> Limits {
    Limits {
        statement_bytes_max: settings.statement_bytes_max,
        text_bytes_max: SHAPE_TEXT_BYTES_MAX,
    }
}

fn keep_up(ground: &Ground, pools: &Arc<Pools>) {
    let shown = pools.clone();
    ground.registry.before_scrape(move || shown.show());
    pools.watch();
    pools.follow_names();
    let (pools, upstream) = (pools.clone(), ground.readiness.needs("upstream"));
    ground
        .tasks
        .spawn(Stage::Flow, "pool upkeep", |stop| pools.upkeep(upstream, stop));
}

fn open_mirror(ground: &Ground, pools: &Pools) -> Result<Option<Arc<Mirror>>, StartError> {
    let common = pools.common();
    let target = common.live().mirror(&[])?;
    let mirror = Mirror::new(target, common);
    if let Some(mirror) = mirror.clone() {
        mirror.start(&ground.tasks);
        ground.registry.before_scrape(move || mirror.show());
    }
    Ok(mirror)
}

/// What a statement passes on its way, whichever door it came by.
struct Stations {
    shapes: Shapes,
    tap: Tap,
    mirror: Option<Arc<Mirror>>,
    cache: Option<Arc<Cache>>,
    guard: Arc<Guard>,
}

fn make_wire_door(
    ground: &Ground,
    steward: Arc<Steward>,
    pools: &Arc<Pools>,
    stations: Stations,
    (bus, instance): (Bus, String),
) -> Result<Arc<Door>, StartError> {
    let settings = pools.common().live();
    let tls = tls(&settings)?;
    let parts = DoorParts {
        pools: pools.clone(),
        shapes: stations.shapes,
        tap: stations.tap,
        mirror: stations.mirror,
        cache: stations.cache,
        guard: stations.guard,
        clock: ground.clock.clone(),
        environment: ground.sources.profile(),
        steward,
        tls,
        bus,
        instance,
    };
    Door::new(parts)
}

/// Shows what is on the lists of the firewall.
fn show_guard(ground: &Ground, guard: &Arc<Guard>) {
    let guard = guard.clone();
    ground.registry.before_scrape(move || guard.show());
}

/// Has it told what the pools and servers are like.
fn tell_states(ground: &Ground, door: &Door, bus: Bus, instance: String) {
    let states = States {
        pools: door.pools.clone(),
        witness: door.witness.clone(),
        bus,
        instance,
        clock: ground.clock.clone(),
    };
    ground.tasks.spawn(Stage::Flow, "pool states", |stop| states.run(stop));
}

fn open_tap(
    ground: &Ground,
    settings: &GatewaySettings,
    workers: usize,
    bus: Bus,
    instance: String,
    metrics: Arc<Metrics>,
) -> Tap {
    if !settings.events {
        return Tap::closed(workers, metrics);
    }
    let limits = TapLimits {
        buffer_max: settings.events_buffer_max,
        batch_max: settings.events_batch_max,
        flush_after: settings.events_flush_after,
    };
    let (tap, task) = Tap::new(limits, workers, bus, instance, ground.clock.clone(), metrics);
    ground.tasks.spawn(Stage::Flow, "event tap", |stop| task.run(stop));
    tap
}

/// Takes over a changed settings file, as far as it can be while the process runs.
fn follow_settings(ground: &Ground, steward: &Arc<Steward>) {
    let (mut reloads, steward) = (ground.reloads.clone(), steward.clone());
    ground.tasks.spawn(Stage::Watch, "gateway settings", |stop| async move {
        loop {
            tokio::select! {
                changed = reloads.changed() => if changed.is_err() { break },
                () = stop.cancelled() => return Ok(()),
            }
            let sources = reloads.borrow_and_update().clone();
            // It was checked before it was handed on.
            if let Err(error) = steward.take_over(&sources) {
                tracing::warn!(error = %error, "changed settings were not taken over");
            }
        }
        // Nobody reloads any more; that is no reason to end before being told to.
        stop.cancelled().await;
        Ok(())
    });
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
