//! What the monitor counts.

weir_telemetry::metrics! {
    /// Metrics of the query monitor.
    pub struct Metrics {
        /// Query events that were counted into the statistics.
        events_received: Counters<0> = "weir_monitor_events_total" [],
        /// Messages with query events that the gateways sent and that never arrived here.
        batches_lost: Gauges<0> = "weir_monitor_batches_lost" [],
        /// Query events that the gateways dropped before sending.
        events_dropped_upstream: Gauges<0> = "weir_monitor_events_dropped_by_gateways" [],
        /// Messages that could not be read.
        malformed: Counters<0> = "weir_monitor_malformed_total" [],
        /// Distinct shapes with statistics.
        shapes: Gauges<0> = "weir_monitor_shapes" [],
        /// Statements slower than the threshold.
        slow_queries: Counters<1> = "weir_slow_queries_total" ["project"],
        /// Alerts by severity and state.
        alerts: Gauges<2> = "weir_alerts" ["severity", "state"],
        /// Series of figures that are recorded over time; 0 where another monitor records them.
        series: Gauges<0> = "weir_monitor_series" [],
        /// Figures that were not recorded because there are too many series (`monitor.series_max`).
        series_refused: Counters<0> = "weir_monitor_series_refused_total" [],
        /// Changes of latency found.
        changes_found: Counters<1> = "weir_monitor_changes_found_total" ["direction"],
        /// Messages with metrics that were sent to the collector, by outcome (sent, failed).
        otlp_exports: Counters<1> = "weir_monitor_otlp_exports_total" ["outcome"],
    }
}
