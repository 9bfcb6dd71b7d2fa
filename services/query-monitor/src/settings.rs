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
        /// Longest time for the analysis of one statement, and for one whose caller names none.
        explain_timeout: Duration = "30s",
        /// Analyses that run at once; one more is refused.
        explain_concurrency: usize = "2",
        /// Whether plans of slow statements are captured by themselves. They are never run for it.
        plan_capture: bool = "true",
        /// The plan of one shape is captured at most once in this time.
        plan_capture_every: Duration = "10m",
        /// Plans of all shapes that are captured at most in a minute.
        plan_capture_per_minute: usize = "6",
        /// Longest time for one such plan.
        plan_capture_timeout: Duration = "5s",
        /// How long a captured plan is kept after it was last seen.
        plans_keep: Duration = "14d",
        /// Captured plans that are kept; beyond, the oldest go.
        plans_max: usize = "10000",
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
    crate::observe::explain::check(&settings, sources)?;
    Ok(settings)
}
