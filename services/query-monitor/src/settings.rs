//! The `[monitor]` section.

use std::net::SocketAddr;
use std::time::Duration;

use weir_config::{Error, Origin, Sources, Tables};

use crate::alert::Said;
use crate::detect::{Objective, RulePatch};

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
        /// What is different in the rules of alerts, and rules of your own: tables with name, and optionally project, enabled, metric, labels, direction (above or below), info, warning and critical with the same and _clear, severity, for, keep_firing_for, summary, runbook, inhibits. See docs/guides/alerts.md.
        rules: Tables<RulePatch> = "[]",
        /// Service-level objectives: tables with project (* for all others), availability in per cent, and optionally latency (a duration) and latency_share in per cent. A project without one is promised an availability of 99.9 %.
        objectives: Tables<Objective> = "[]",
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
    Said::check(&settings)?;
    Ok(settings)
}
