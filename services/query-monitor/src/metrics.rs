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
        /// Notifications of alerts by channel and outcome: accepted, failed (an attempt that is repeated), refused (by the receiver, for good), given_up (after too long), dropped (alerts that nobody was told of).
        notifications: Counters<2> = "weir_alert_notifications_total" ["channel", "outcome"],
        /// Alerts of which a channel still has to be told something.
        notifications_pending: Gauges<1> = "weir_alert_notifications_pending" ["channel"],
    }
}
