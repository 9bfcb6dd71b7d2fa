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
        /// A statement that takes longer than this misses its target. Percentiles and objectives are judged by it.
        latency_target: Duration = "100ms",
        /// Distinct shapes (project, database, fingerprint) that are told apart in one span of time; the rarest beyond
        /// it are counted together under fingerprint zero.
        shapes_max: usize = "50000",
        /// How often statistics are written into the store. A monitor that is killed loses what it counted since, and
        /// says how much that was.
        flush_every: Duration = "10s",
        /// How long statistics are kept by ten seconds.
        keep_seconds: Duration = "2h",
        /// How long they are kept by the minute.
        keep_minutes: Duration = "2d",
        /// How long they are kept by the hour.
        keep_hours: Duration = "60d",
        /// How long they are kept by the day.
        keep_days: Duration = "800d",
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
    Ok(settings)
}
