//! The `[maintenance]` section.

use std::net::SocketAddr;
use std::time::Duration;

use weir_config::{DatabaseSettings, Error, Origin, Sources, Tables};
use weir_upstream::Target;

use crate::places::{FilePlace, Places};

weir_config::section! {
    /// Upkeep of the user's tables.
    pub struct MaintenanceSettings("maintenance") {
        /// Where gRPC is served.
        grpc_listen: SocketAddr = "127.0.0.1:7005",
        /// Where health and metrics are served.
        ops_listen: SocketAddr = "127.0.0.1:8005",
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
        /// Longest wait for a table's lock; the table is then left for the next run.
        lock_timeout: Duration = "2s",
        /// Longest time for one table.
        statement_timeout: Duration = "1h",
        /// Jobs that run at once.
        concurrency: usize = "2",
        /// A job whose worker was silent for this long is given to another.
        heartbeat_dead_after: Duration = "30s",
    }
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
