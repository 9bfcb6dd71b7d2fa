//! The `[maintenance]` section.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use weir_config::{DatabaseSettings, Error, Origin, Sources, Tables, unset};
use weir_upstream::Target;

use crate::advise::{Machine, Storage};
use crate::effects::endpoint;
use crate::places::{FilePlace, Places};
use crate::plan::GuardRule;

weir_config::choice! {
    /// What files lie on.
    pub enum ServerStorage {
        /// No part of it moves.
        Ssd = "ssd",
        /// Disks that turn.
        Hdd = "hdd",
    }
}

weir_config::section! {
    /// Upkeep of the user's tables.
    pub struct MaintenanceSettings("maintenance") {
        /// Where gRPC is served.
        grpc_listen: SocketAddr = "127.0.0.1:7005",
        /// Where health and metrics are served.
        ops_listen: SocketAddr = "127.0.0.1:8005",
        /// Where the query monitor is; it is asked what statements took before and after a piece of work.
        monitor_url: String = "http://127.0.0.1:7002",
        /// Whose tables are where: tables with database, and optionally project and schemas (patterns). Empty: the database that Weir stands in front of belongs to the project `default`.
        databases: Tables<FilePlace> = "[]",
        /// Whether tables are vacuumed and frozen when a schedule asks for it. An operator's own request is always carried out.
        auto_vacuum: bool = "true", also ["AUTO_VACUUM_ENABLED" in ""],
        /// Whether tables are analysed when a schedule asks for it. An operator's own request is always carried out.
        auto_analyze: bool = "true", also ["AUTO_ANALYZE_ENABLED" in ""],
        /// Whether indexes and tables are written anew when a schedule asks for it. An operator's own request is always carried out.
        auto_rewrite: bool = "true",
        /// A table is vacuumed when this share of its rows, in per cent, and at least 1,000 are dead.
        vacuum_threshold_percent: f64 = "20", also ["VACUUM_THRESHOLD_PERCENT" in ""],
        /// A table is analysed when this share of its rows, in per cent, and 50 rows more have changed since the last time.
        analyze_threshold_percent: f64 = "10", also ["ANALYZE_THRESHOLD_PERCENT" in ""],
        /// An index is built anew when surely this share of it, in per cent, is waste.
        reindex_threshold_percent: f64 = "30",
        /// And surely so many bytes of it are.
        reindex_waste_bytes: u64 = "67108864",
        /// A table is written anew when surely this share of it, in per cent, is waste.
        reorganize_threshold_percent: f64 = "30",
        /// And surely so many bytes of it are.
        reorganize_waste_bytes: u64 = "1073741824",
        /// A table is not written anew while a transaction is in the way that has been open for longer; shorter ones are waited for.
        reorganize_patience: Duration = "10s",
        /// The program of pg_repack, which has to be of the version of the extension in the database. Without it: the one that is found.
        repack_program: Option<PathBuf> = unset(),
        /// Longest wait for a table's lock; the table is then left for the next run.
        lock_timeout: Duration = "2s",
        /// Longest time for one table.
        statement_timeout: Duration = "1h",
        /// Jobs that run at once.
        concurrency: usize = "2",
        /// A job whose worker was silent for this long is given to another.
        heartbeat_dead_after: Duration = "30s",
        /// Whether statements of maintenance are ended for the users' sake; docs/guides/maintenance-guard.md says when.
        guard: bool = "true",
        /// The p95 of users' statements may become so many times what it was before the work began.
        guard_p95_factor: f64 = "1.5",
        /// Or so much longer, whichever is more.
        guard_p95_margin: Duration = "20ms",
        /// So many times in a row, five seconds each, it has to be beyond that.
        guard_p95_ticks: u32 = "3",
        /// Less than that is not borne for long either: so many times what it was before the work began.
        guard_lasting_factor: f64 = "1.25",
        /// How long without a break, and half as long where it is twice as much above; 0s: for as long as the work takes.
        guard_lasting_for: Duration = "1m",
        /// With fewer statements than so many in half a minute their time is not judged.
        guard_calls_min: u64 = "20",
        /// Longest wait of a client for a lock of maintenance's.
        guard_block_limit: Duration = "1s",
        /// Furthest that a replica may fall behind while work runs, in time; 0s: replicas are not looked at.
        guard_lag_max: Duration = "30s",
        /// The same in bytes of log.
        guard_lag_bytes_max: u64 = "268435456",
        /// How often it is asked how old the oldest rows are, and how fast ids are used up.
        ages_every: Duration = "1m",
        /// A table is frozen from this share, in per cent, of the age on at which autovacuum would start without asking.
        freeze_age_percent: f64 = "80",
        /// Or when that age is reached within this time.
        freeze_within: Duration = "7d",
        /// Memory of the server's machine, for advice. Without it: of this machine, if the server runs here.
        server_memory_bytes: Option<u64> = unset(),
        /// Cores of the server's machine, for advice. Without it: of this machine, if the server runs here.
        server_cores: Option<u32> = unset(),
        /// What the server's files lie on, for advice. Without it: as this machine tells, if the server runs here.
        server_storage: Option<ServerStorage> = unset(),
        /// An index that no statement scanned for this long counts as unused.
        unused_index_after: Duration = "30d",
    }
}

/// Settings that are taken over while maintenance runs; a job goes on by them with its next piece of work.
const RELOADED: [&str; 22] = [
    "maintenance.auto_vacuum",
    "maintenance.auto_analyze",
    "maintenance.auto_rewrite",
    "maintenance.vacuum_threshold_percent",
    "maintenance.analyze_threshold_percent",
    "maintenance.reindex_threshold_percent",
    "maintenance.reindex_waste_bytes",
    "maintenance.reorganize_threshold_percent",
    "maintenance.reorganize_waste_bytes",
    "maintenance.reorganize_patience",
    "maintenance.lock_timeout",
    "maintenance.statement_timeout",
    "maintenance.guard",
    "maintenance.guard_p95_factor",
    "maintenance.guard_p95_margin",
    "maintenance.guard_p95_ticks",
    "maintenance.guard_lasting_factor",
    "maintenance.guard_lasting_for",
    "maintenance.guard_calls_min",
    "maintenance.guard_block_limit",
    "maintenance.guard_lag_max",
    "maintenance.guard_lag_bytes_max",
];

/// Whether a reload takes a setting over.
pub(crate) fn reloads(key: &str) -> bool {
    RELOADED.contains(&key)
}

/// Validates the settings as the start would, and finds the database.
pub fn check(sources: &Sources) -> Result<(MaintenanceSettings, Target), Error> {
    let settings: MaintenanceSettings = sources.section()?;
    let wrong = |key, reason: String| Err(Error::invalid(key, Origin::File, reason));
    for (key, percent) in [
        (
            "maintenance.vacuum_threshold_percent",
            settings.vacuum_threshold_percent,
        ),
        (
            "maintenance.analyze_threshold_percent",
            settings.analyze_threshold_percent,
        ),
        (
            "maintenance.reindex_threshold_percent",
            settings.reindex_threshold_percent,
        ),
        (
            "maintenance.reorganize_threshold_percent",
            settings.reorganize_threshold_percent,
        ),
    ] {
        if !(0.0..=100.0).contains(&percent) {
            return wrong(key, format!("{percent} is not between 0 and 100"));
        }
    }
    if !(1.0..=100.0).contains(&settings.freeze_age_percent) {
        return wrong(
            "maintenance.freeze_age_percent",
            format!("{} is not between 1 and 100", settings.freeze_age_percent),
        );
    }
    if settings.ages_every < Duration::from_millis(100) {
        return wrong(
            "maintenance.ages_every",
            format!("{:?} is less than 100 ms", settings.ages_every),
        );
    }
    if let Err(error) = endpoint(&settings.monitor_url) {
        let reason = format!("{:?} is no address: {error}", settings.monitor_url);
        return wrong("maintenance.monitor_url", reason);
    }
    if settings.concurrency == 0 {
        return wrong(
            "maintenance.concurrency",
            "at least one job must be able to run".to_owned(),
        );
    }
    for (key, limit) in [
        ("maintenance.lock_timeout", settings.lock_timeout),
        ("maintenance.statement_timeout", settings.statement_timeout),
        ("maintenance.heartbeat_dead_after", settings.heartbeat_dead_after),
    ] {
        // PostgreSQL counts in whole milliseconds up to 31 bits, and takes zero for no limit.
        if !(1..=i32::MAX.unsigned_abs().into()).contains(&limit.as_millis()) {
            return wrong(key, format!("{limit:?} is not between 1 ms and 24 days"));
        }
    }
    check_guard(&settings)?;
    let database: DatabaseSettings = sources.section()?;
    let Some(url) = database.url else {
        let reason = "maintenance needs a PostgreSQL; set DATABASE_URL";
        return wrong("database.url", reason.to_owned());
    };
    match Target::parse(url.secret().expose()) {
        Ok(target) => {
            let places = Places::read(&target, &settings.databases.0);
            places.map_err(|reason| Error::invalid("maintenance.databases", Origin::File, reason))?;
            Ok((settings, target))
        }
        Err(error) => Err(Error::Refused(format!("setting database.url: {error}"))),
    }
}

fn check_guard(settings: &MaintenanceSettings) -> Result<(), Error> {
    let wrong = |key, reason: String| Err(Error::invalid(key, Origin::File, reason));
    for (key, factor) in [
        ("maintenance.guard_p95_factor", settings.guard_p95_factor),
        ("maintenance.guard_lasting_factor", settings.guard_lasting_factor),
    ] {
        if !(1.0..=1_000.0).contains(&factor) {
            return wrong(key, format!("{factor} is not between 1 and 1000"));
        }
    }
    let ticks = settings.guard_p95_ticks;
    if !(1..=60).contains(&ticks) {
        return wrong(
            "maintenance.guard_p95_ticks",
            format!("{ticks} is not between 1 and 60"),
        );
    }
    let calls = settings.guard_calls_min;
    if calls < 20 {
        let reason = format!("{calls} is less than 20, of which a p95 says nothing");
        return wrong("maintenance.guard_calls_min", reason);
    }
    let limit = settings.guard_block_limit;
    if limit < Duration::from_millis(100) {
        let reason = format!("{limit:?} is less than 100ms: no lock is given back sooner than it is looked for");
        return wrong("maintenance.guard_block_limit", reason);
    }
    Ok(())
}

impl MaintenanceSettings {
    /// What users have to bear; none where nobody looks after them.
    pub(crate) fn guard_rule(&self) -> Option<GuardRule> {
        self.guard.then_some(GuardRule {
            factor: self.guard_p95_factor,
            margin: self.guard_p95_margin,
            ticks: self.guard_p95_ticks,
            lasting_factor: self.guard_lasting_factor,
            lasting_for: self.guard_lasting_for,
            calls_min: self.guard_calls_min,
            block_limit: self.guard_block_limit,
            lag_max: self.guard_lag_max,
            lag_bytes_max: self.guard_lag_bytes_max,
        })
    }
}

/// What the settings say of the server's machine.
pub(crate) fn machine(settings: &MaintenanceSettings) -> Machine {
    Machine {
        memory_bytes: settings.server_memory_bytes.map(|bytes| bytes as f64),
        cores: settings.server_cores.map(f64::from),
        storage: settings.server_storage.map(|storage| match storage {
            ServerStorage::Ssd => Storage::Ssd,
            ServerStorage::Hdd => Storage::Hdd,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(name: &str, value: &str) -> Result<Option<GuardRule>, String> {
        let settings = [("DATABASE_URL", "postgres://app@127.0.0.1:1/shop"), (name, value)];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let sources = Sources::load(None, settings).map_err(|error| error.to_string())?;
        let checked = check(&sources).map_err(|error| error.to_string());
        checked.map(|(settings, _)| settings.guard_rule())
    }

    #[test]
    fn a_guard_that_could_not_guard_is_refused_by_its_name() {
        for (name, value) in [
            ("guard_p95_factor", "0.9"),
            ("guard_p95_factor", "NaN"),
            ("guard_lasting_factor", "0.9"),
            ("guard_p95_ticks", "0"),
            ("guard_calls_min", "19"),
            ("guard_block_limit", "50ms"),
        ] {
            let variable = format!("WEIR_MAINTENANCE__{}", name.to_uppercase());
            let error = checked(&variable, value).unwrap_err();
            assert!(error.contains(&format!("maintenance.{name}")), "{error}");
        }
        let rule = checked("WEIR_MAINTENANCE__GUARD_P95_TICKS", "4").unwrap().unwrap();
        assert_eq!((rule.ticks, rule.block_limit), (4, Duration::from_secs(1)));
        assert_eq!(checked("WEIR_MAINTENANCE__GUARD", "false").unwrap(), None);
    }
}
