//! The `[monitor]` section.

use std::net::SocketAddr;
use std::time::Duration;

use weir_config::{Error, Origin, Sources, Texts};

use crate::observe::trends::RECORDED;

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
        /// Figures that are recorded over time, by name; trends and forecasts are found in them. Changes on reload.
        recorded: Texts = RECORDED,
        /// How often they are recorded.
        record_every: Duration = "1m",
        /// How long they are kept as they were recorded; after that, by hours.
        record_keep: Duration = "3d",
        /// How long they are kept by hours, and changes of latency with them.
        record_keep_hours: Duration = "400d",
        /// Series that are recorded at most: a figure of one database or disk is one. Those beyond are left out and counted.
        series_max: usize = "500",
        /// How often it is worked out anew when disks and transaction ids run out.
        forecast_every: Duration = "10m",
        /// How often the latencies of the heaviest shapes are searched for changes. Changes on reload.
        changes_every: Duration = "5m",
        /// How many of the heaviest shapes are searched; 0: none. Changes on reload.
        changes_shapes: usize = "200",
        /// The OTLP/gRPC collector that receives the durations of statements as metrics, such as `http://127.0.0.1:4317`. Without it none are sent; they are on `/metrics` all the same.
        otlp_endpoint: Option<String> = weir_config::unset(), also ["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" in ""],
        /// How often they are sent.
        otlp_every: Duration = "1m", also ["OTEL_METRIC_EXPORT_INTERVAL" in "ms"],
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
    crate::observe::trends::check(&settings)?;
    crate::feed::check(&settings)?;
    Ok(settings)
}
