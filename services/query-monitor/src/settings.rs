//! The `[monitor]` section.

use std::net::SocketAddr;
use std::time::Duration;

use weir_config::{Error, Origin, Sources};

weir_config::section! {
    /// Query statistics and alerts.
    pub struct MonitorSettings("monitor") {
        /// Where gRPC is served.
        grpc_listen: SocketAddr = "127.0.0.1:7002",
        /// Where health and metrics are served.
        ops_listen: SocketAddr = "127.0.0.1:8002",
        /// A statement that takes at least this long is slow.
        slow_query_threshold: Duration = "1s", also ["SLOW_QUERY_THRESHOLD_MS" in "ms"],
        /// A slow-query alert is resolved when no slow statement of its shape was seen for this long.
        slow_query_resolve_after: Duration = "5m",
        /// Distinct shapes (project, database, fingerprint) that are kept; the rest is counted together under fingerprint zero.
        shapes_max: usize = "50000",
        /// Whether the servers themselves are asked how they are, on direct connections: that of `database.url` and its replicas. docs/guides/server-view.md says what is read. A change takes a restart, as do the next three.
        server_watch: bool = "true",
        /// The replicas that are watched beside it (`host:port`, divided by commas); those of `gateway.replicas` without it.
        server_replicas: Option<String> = weir_config::unset(),
        /// What all questions together may cost each server, in per cent of one core; they are asked less often where they would cost more.
        server_cpu_percent: f64 = "1",
        /// Paths of this machine whose disks are watched, one on each. The disk with the data of a server on this machine is found without.
        disks: weir_config::Texts = "",
    }
}

/// Validates the section as the start would.
pub fn check(sources: &Sources) -> Result<MonitorSettings, Error> {
    let settings: MonitorSettings = sources.section()?;
    let wrong = |key, reason: &str| Err(Error::invalid(key, Origin::File, reason));
    if settings.slow_query_threshold.is_zero() {
        return wrong("monitor.slow_query_threshold", "zero would make every statement slow");
    }
    if settings.slow_query_resolve_after.is_zero() {
        return wrong(
            "monitor.slow_query_resolve_after",
            "zero would resolve an alert while it is told",
        );
    }
    if settings.shapes_max == 0 {
        return wrong("monitor.shapes_max", "at least one must fit");
    }
    if !(settings.server_cpu_percent > 0.0 && settings.server_cpu_percent <= 100.0) {
        return wrong("monitor.server_cpu_percent", "give more than 0 and at most 100");
    }
    crate::observe::server::upstreams(sources, &settings)?;
    Ok(settings)
}
