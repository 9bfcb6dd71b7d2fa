//! The servers' own view: what PostgreSQL says of itself, read on direct connections and put on the board.
//!
//! Nothing here writes to a server, waits for its locks, or costs it more than its budget. No literal of a statement
//! leaves this room: texts go through `weir_sql` before anything keeps them.

mod cells;
mod chains;
mod figures;
mod host;
mod line;
mod pace;
mod probe;
mod rates;
mod readings;
mod view;
mod watch;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use weir_config::{DatabaseSettings, Error, Origin, Sources};
use weir_proto::monitor::v1 as api;
use weir_runtime::{Ground, Stage, TaskResult};
use weir_upstream::Target;

use crate::detect::Reading;
use crate::observe::Board;
use crate::settings::MonitorSettings;

pub(crate) use figures::ServerMetrics;
use host::{Host, HostWatch};
use probe::Probe;
use view::{Presence, Shared, View};
use watch::Watch;

/// The name of the sheet.
const SOURCE: &str = "server";
/// The sheet is put down anew at least so often, because figures lose their worth.
const SHEET_EVERY: Duration = Duration::from_secs(5);
/// How long it counts.
const SHEET_FRESH: Duration = Duration::from_secs(20);
/// News that come together are told together.
const GATHER: Duration = Duration::from_millis(200);

/// What is known of all servers. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Servers {
    views: Vec<Shared>,
    host: Host,
}

/// The servers that the settings name: that of `database.url` and its replicas. None where there is no URL, or where they
/// are not to be watched.
pub(crate) fn upstreams(sources: &Sources, settings: &MonitorSettings) -> Result<Vec<Target>, Error> {
    let database: DatabaseSettings = sources.section()?;
    let Some(url) = database.url.filter(|_| settings.server_watch) else {
        return Ok(Vec::new());
    };
    let refused = |error| Error::Refused(format!("setting database.url: {error}"));
    let first = Target::parse(url.secret().expose()).map_err(refused)?;
    let (key, doors) = match &settings.server_replicas {
        Some(own) => ("monitor.server_replicas", own.clone()),
        None => {
            let gateways: Option<String> = sources.of_another("gateway", "replicas")?;
            ("gateway.replicas", gateways.unwrap_or_default())
        }
    };
    let doors = doors.split(',').map(str::trim).filter(|door| !door.is_empty());
    let others: Result<Vec<Target>, _> = doors.map(|door| first.at(door)).collect();
    let wrong = |error: weir_upstream::TargetError| {
        let reason = error.to_string().replace("the database url", "a server in the list");
        Error::invalid(key, Origin::File, reason)
    };
    Ok(std::iter::once(first).chain(others.map_err(wrong)?).collect())
}

/// Watches the servers that the settings name, and the monitor's own machine.
pub(crate) fn start(ground: &Ground, settings: &MonitorSettings, board: &Board) -> Result<Servers, Error> {
    let metrics = Arc::new(ServerMetrics::register(&ground.registry));
    let changed = Arc::new(Notify::new());
    let mut servers = Servers::default();
    for target in upstreams(&ground.sources, settings)? {
        let view = Shared::new(View::new(&format!("{}:{}", target.host(), target.port())));
        servers.views.push(view.clone());
        let watch = Watch {
            target,
            view,
            changed: changed.clone(),
            metrics: metrics.clone(),
            clock: ground.clock.clone(),
            budget: settings.server_cpu_percent / 100.0,
        };
        ground.tasks.spawn(Stage::Work, "server watch", |stop| watch.run(stop));
    }
    let host = HostWatch {
        host: servers.host.clone(),
        paths: settings.disks.0.clone(),
        servers: servers.views.clone(),
        clock: ground.clock.clone(),
        changed: changed.clone(),
    };
    ground.tasks.spawn(Stage::Work, "host watch", |stop| host.run(stop));
    let (told, board) = (servers.clone(), board.clone());
    ground
        .tasks
        .spawn(Stage::Work, "server sheet", |stop| put_down(told, board, changed, stop));
    figures::show(&ground.registry, metrics, servers.clone());
    Ok(servers)
}

/// Puts down what is known whenever something is read.
async fn put_down(servers: Servers, board: Board, changed: Arc<Notify>, stop: CancellationToken) -> TaskResult {
    while !stop.is_cancelled() {
        tokio::select! {
            () = changed.notified() => sleep(GATHER).await,
            () = sleep(SHEET_EVERY) => {}
            () = stop.cancelled() => break,
        }
        board.put(SOURCE, servers.readings(), SHEET_FRESH);
    }
    Ok(())
}

impl Servers {
    /// All that rules judge.
    fn readings(&self) -> Vec<Reading> {
        let now = Instant::now();
        let watched: Vec<String> = self
            .views
            .iter()
            .filter_map(|view| view.with(|view| readings::followers(view)))
            .collect();
        let of_servers = self.views.iter();
        let of_servers = of_servers.flat_map(|view| view.with(|view| readings::of_server(view, &watched, now)));
        of_servers.chain(readings::of_host(&self.host.get())).collect()
    }

    fn named<'s>(&'s self, upstream: &'s str) -> impl Iterator<Item = &'s Shared> {
        let wanted = move |view: &&Shared| upstream.is_empty() || view.with(|view| view.server.upstream == upstream);
        self.views.iter().filter(wanted)
    }

    /// Those of which this is known now, and not from before they fell silent.
    fn fresh<'s>(&'s self, upstream: &'s str, probe: Probe) -> impl Iterator<Item = &'s Shared> {
        let now = Instant::now();
        let is_fresh = move |view: &View| view.presence == Presence::Up && view.is_fresh(probe, now);
        self.named(upstream)
            .filter(move |view| view.with(|view| is_fresh(view)))
    }

    /// Answers `GetServer`.
    pub(crate) fn get(&self, request: &api::GetServerRequest) -> api::GetServerResponse {
        let views = self.named(&request.upstream);
        api::GetServerResponse {
            servers: views.map(|view| view.with(|view| view.server.clone())).collect(),
            host: Some(self.host.get()),
        }
    }

    /// Answers `ListActivity`.
    pub(crate) fn activity(&self, request: &api::ListActivityRequest) -> api::ListActivityResponse {
        let views = self.fresh(&request.upstream, Probe::Activity);
        let mut sessions: Vec<_> = views.flat_map(|view| view.with(|view| view.sessions.clone())).collect();
        sessions.retain(|session| request.database.is_empty() || session.database == request.database);
        sessions.sort_by(|left, right| right.transaction_seconds.total_cmp(&left.transaction_seconds));
        api::ListActivityResponse { sessions }
    }

    /// Answers `ListBlocking`.
    pub(crate) fn blocking(&self, request: &api::ListBlockingRequest) -> api::ListBlockingResponse {
        let views = self.fresh(&request.upstream, Probe::Blocking);
        let mut chains: Vec<_> = views.flat_map(|view| view.with(|view| view.chains.clone())).collect();
        chains.sort_by(|left, right| right.blocked_seconds.total_cmp(&left.blocked_seconds));
        api::ListBlockingResponse { chains }
    }
}
