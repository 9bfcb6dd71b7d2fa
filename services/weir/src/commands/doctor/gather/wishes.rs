//! What the settings ask of the world, and where they say that everything is.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use weir_backup::BackupSettings;
use weir_bus::BusSettings;
use weir_cache::CacheSettings;
use weir_config::{DatabaseSettings, RedactedUrl, Setting as _, Sources};
use weir_console::ConsoleSettings;
use weir_maintenance::MaintenanceSettings;
use weir_pool_gateway::GatewaySettings;
use weir_query_monitor::MonitorSettings;
use weir_scheduler::SchedulerSettings;
use weir_store::StoreSettings;
use weir_upstream::Target;

use super::section;
use crate::commands::config::{SERVICES, sections};
use crate::commands::doctor::facts::{BackupWish, Duty, Look, Wanted};
use crate::terminal::Failure;

/// Connections beside those of its pool that a service opens to its tables: who leads, who listens, who migrates.
const STORE_BESIDES: u64 = 3;

/// A service, its gRPC port if it has one, and where its health is.
pub(super) type Door = (&'static str, Option<SocketAddr>, SocketAddr);

/// The settings as far as they can be read.
#[derive(Debug)]
pub(in crate::commands::doctor) struct Wishes {
    pub(in crate::commands::doctor) wanted: Wanted,
    pub(in crate::commands::doctor) refused: Vec<String>,
    pub(super) gateway: GatewaySettings,
    pub(super) backup: BackupSettings,
    pub(super) monitor: MonitorSettings,
    /// Name, gRPC, ops.
    pub(super) doors: Vec<Door>,
    /// Servers with what they are there for. The main one comes first.
    pub(super) servers: Vec<(Duty, Target)>,
    pub(super) store: Option<Target>,
    /// Files with certificates, by their settings.
    pub(super) certificates: Vec<(&'static str, PathBuf)>,
}

impl Wishes {
    pub(in crate::commands::doctor) fn read(sources: &Sources) -> Result<Self, Failure> {
        let gateway: GatewaySettings = section(sources)?;
        let monitor: MonitorSettings = section(sources)?;
        let cache: CacheSettings = section(sources)?;
        let scheduler: SchedulerSettings = section(sources)?;
        let maintenance: MaintenanceSettings = section(sources)?;
        let backup: BackupSettings = section(sources)?;
        let store: StoreSettings = section(sources)?;
        let database: DatabaseSettings = section(sources)?;
        let bus: BusSettings = section(sources)?;
        let console: ConsoleSettings = section(sources)?;
        let doors = vec![
            ("pool-gateway", Some(gateway.grpc_listen), gateway.ops_listen),
            ("query-monitor", Some(monitor.grpc_listen), monitor.ops_listen),
            ("cache", Some(cache.grpc_listen), cache.ops_listen),
            ("scheduler", Some(scheduler.grpc_listen), scheduler.ops_listen),
            ("maintenance", Some(maintenance.grpc_listen), maintenance.ops_listen),
            ("backup", Some(backup.grpc_listen), backup.ops_listen),
            ("console", None, console.listen),
        ];
        let servers = servers(&gateway, &cache, &backup, database.url.as_ref());
        let place = |url: &RedactedUrl| Target::parse(url.secret().expose()).ok();
        let store_target = store.url.as_ref().or(database.url.as_ref()).and_then(place);
        let shares_server = store_target.as_ref().zip(servers.first());
        let shares_server = shares_server.is_some_and(|(store, (_, main))| store.place() == main.place());
        let wanted = Wanted {
            is_development: sources.profile().show() == "development",
            pool_max: u64::try_from(gateway.bounds().max).unwrap_or(u64::MAX),
            store_connections: if shares_server { store_connections(&store) } else { 0 },
            clients_max: u64::try_from(gateway.clients_max).unwrap_or(u64::MAX),
            statement_timeout: gateway.statement_timeout,
            acquire_timeout: gateway.acquire_timeout,
            idle_in_transaction_timeout: gateway.idle_in_transaction_timeout,
            slow_query_threshold: monitor.slow_query_threshold,
            caches: gateway.cache.show() != "off",
            followed: 1 + u64::try_from(cache.databases.0.len()).unwrap_or(u64::MAX),
            backups: backup_wish(&backup, &scheduler),
            has_auth_query: gateway.auth_query.is_some(),
            channels: monitor.channels.0.len(),
            looks: looks(&gateway, &cache, &scheduler, &maintenance, &monitor),
            open_doors: open_doors(&doors, &gateway, &console),
        };
        Ok(Self {
            wanted,
            refused: refused(sources),
            certificates: certificates(&gateway, &bus, &console),
            gateway,
            backup,
            monitor,
            doors,
            servers,
            store: store_target,
        })
    }
}

/// What a start would refuse, each with its one line.
fn refused(sources: &Sources) -> Vec<String> {
    let read = sections()
        .into_iter()
        .map(|section| (section.effective)(sources).map(drop));
    let checked = SERVICES.iter().map(|service| (service.check)(sources));
    let mut lines = Vec::new();
    for error in read.chain(checked).filter_map(Result::err) {
        let line = error.to_string();
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

fn store_connections(store: &StoreSettings) -> u64 {
    let with_tables = SERVICES.iter().filter(|service| service.name != "pool-gateway").count();
    let each = u64::from(store.connections_max) + STORE_BESIDES;
    each * u64::try_from(with_tables).unwrap_or_default()
}

fn servers(
    gateway: &GatewaySettings,
    cache: &CacheSettings,
    backup: &BackupSettings,
    url: Option<&RedactedUrl>,
) -> Vec<(Duty, Target)> {
    let Some(main) = url.and_then(|url| Target::parse(url.secret().expose()).ok()) else {
        return Vec::new();
    };
    let beside = cache.servers.0.iter().chain(&backup.standbys.0);
    let beside = beside.filter_map(|door| main.at(door).ok());
    let replicas = gateway
        .replicas
        .targets(&main)
        .unwrap_or_default()
        .into_iter()
        .chain(beside);
    let mut all = vec![(Duty::Main, main.clone())];
    for replica in replicas {
        if !all.iter().any(|(_, known)| known.place() == replica.place()) {
            all.push((Duty::Replica, replica));
        }
    }
    let mirror = gateway.mirror_url.as_ref();
    let mirror = mirror.and_then(|url| Target::parse(url.secret().expose()).ok());
    all.extend(mirror.map(|mirror| (Duty::Mirror, mirror)));
    all
}

fn backup_wish(backup: &BackupSettings, scheduler: &SchedulerSettings) -> BackupWish {
    let off = |cron: &str| cron.is_empty() || cron == "off";
    let is_on = backup.enabled && !backup.repositories.0.is_empty();
    let never = off(&scheduler.backup_schedule_full) && off(&scheduler.backup_schedule_incremental);
    let of_its_own = scheduler
        .schedules
        .0
        .iter()
        .any(|schedule| schedule.operation == "backup");
    BackupWish {
        enabled: backup.enabled,
        repositories: backup.repositories.0.len(),
        encrypted: backup.encryption,
        takes_log: backup.wal,
        has_archive_directory: backup.wal_archive_directory.is_some(),
        has_scratch_directory: backup.scratch_directory.is_some(),
        scheduled: of_its_own || (scheduler.backups.unwrap_or(is_on) && !never),
    }
}

fn looks(
    gateway: &GatewaySettings,
    cache: &CacheSettings,
    scheduler: &SchedulerSettings,
    maintenance: &MaintenanceSettings,
    monitor: &MonitorSettings,
) -> Vec<Look> {
    let mut looks = Vec::new();
    if gateway.cache.show() != "off" {
        looks.push(Look {
            setting: "gateway.cache_url",
            says: gateway.cache_url.clone(),
            of: "cache",
            listens: cache.grpc_listen.to_string(),
        });
    }
    looks.push(Look {
        setting: "maintenance.monitor_url",
        says: maintenance.monitor_url.clone(),
        of: "query-monitor",
        listens: monitor.grpc_listen.to_string(),
    });
    if scheduler.learn_windows {
        looks.push(Look {
            setting: "scheduler.monitor_url",
            says: scheduler.monitor_url.clone(),
            of: "query-monitor",
            listens: monitor.grpc_listen.to_string(),
        });
    }
    looks
}

/// Doors on other addresses than loopback that speak in clear. Those of gRPC and ops always do.
fn open_doors(doors: &[Door], gateway: &GatewaySettings, console: &ConsoleSettings) -> Vec<String> {
    let is_open = |ip: IpAddr| !ip.is_loopback();
    let mut open = Vec::new();
    if is_open(gateway.wire_listen.ip()) && gateway.tls_certificate.is_none() {
        open.push(format!(
            "the PostgreSQL door of pool-gateway on {}",
            gateway.wire_listen
        ));
    }
    for (name, grpc, ops) in doors {
        match grpc {
            Some(grpc) if is_open(grpc.ip()) => open.push(format!("gRPC of {name} on {grpc}")),
            None if is_open(ops.ip()) && console.tls_certificate.is_none() => {
                open.push(format!("HTTP of {name} on {ops}"));
            }
            _ => {}
        }
    }
    open
}

fn certificates(
    gateway: &GatewaySettings,
    bus: &BusSettings,
    console: &ConsoleSettings,
) -> Vec<(&'static str, PathBuf)> {
    let files = [
        ("gateway.tls_certificate", &gateway.tls_certificate),
        ("gateway.tls_client_authority", &gateway.tls_client_authority),
        ("console.tls_certificate", &console.tls_certificate),
        ("console.tls_authority", &console.tls_authority),
        ("bus.certificate_file", &bus.certificate_file),
        ("bus.ca_file", &bus.ca_file),
    ];
    let set = files.into_iter().filter_map(|(name, path)| Some((name, path.clone()?)));
    set.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(environment: &[(&str, &str)]) -> Wishes {
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Wishes::read(&Sources::load(None, environment).unwrap()).unwrap()
    }

    #[test]
    fn servers_are_asked_once_and_the_store_counts_where_it_is_shared() {
        let read = wishes(&[
            ("DATABASE_URL", "postgres://u@db:5432/app"),
            ("WEIR_GATEWAY__REPLICAS", "db2:5432"),
            ("WEIR_CACHE__SERVERS", "db2:5432; db:5432"),
            ("WEIR_GATEWAY__POOL_STEADY", "10"),
            ("WEIR_GATEWAY__POOL_OVERFLOW", "5"),
        ]);
        let places: Vec<String> = read.servers.iter().map(|(_, target)| target.place()).collect();
        assert_eq!(places, ["db:5432", "db2:5432"]);
        assert_eq!((read.wanted.pool_max, read.wanted.store_connections), (15, 78));
        let apart = wishes(&[
            ("DATABASE_URL", "postgres://u@db/app"),
            ("WEIR_STORE__URL", "postgres://u@other/weir"),
        ]);
        assert_eq!(apart.wanted.store_connections, 0);
    }

    #[test]
    fn a_section_that_cannot_be_read_does_not_hide_the_others() {
        let read = wishes(&[
            ("WEIR_GATEWAY__POOL_MAX", "many"),
            ("WEIR_MONITOR__SLOW_QUERY_THRESHOLD", "7s"),
        ]);
        assert!(
            read.refused.iter().any(|line| line.contains("gateway.pool_max")),
            "{:?}",
            read.refused
        );
        assert_eq!(read.wanted.slow_query_threshold.as_secs(), 7);
    }

    #[test]
    fn doors_to_the_world_are_known() {
        let read = wishes(&[
            ("WEIR_GATEWAY__WIRE_LISTEN", "0.0.0.0:6432"),
            ("WEIR_BACKUP__GRPC_LISTEN", "10.0.0.1:7006"),
        ]);
        assert_eq!(read.wanted.open_doors.len(), 2, "{:?}", read.wanted.open_doors);
    }
}
