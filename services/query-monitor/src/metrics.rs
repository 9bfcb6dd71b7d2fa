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
        /// Query events in messages that were sent and never counted.
        events_lost: Gauges<0> = "weir_monitor_events_lost" [],
        /// Other monitors that were heard of lately.
        peers: Gauges<0> = "weir_monitor_peers" [],
        /// Lines of the statistics that are counted and not yet in the store.
        cells_unwritten: Gauges<0> = "weir_monitor_lines_unwritten" [],
        /// Shapes that were counted without their name because there were too many in ten seconds.
        shapes_folded: Gauges<0> = "weir_monitor_shapes_folded" [],
        /// Batches of statistics that were written into the store.
        batches_written: Counters<0> = "weir_monitor_writes_total" [],
        /// Attempts to write one that failed.
        batches_failed: Counters<0> = "weir_monitor_write_failures_total" [],
        /// Messages that could not be read.
        malformed: Counters<0> = "weir_monitor_malformed_total" [],
        /// Messages of gateways on their pools, by outcome: counted, late, crowded (something was left out for lack of room), malformed.
        pool_states: Counters<1> = "weir_monitor_pool_states_total" ["outcome"],
        /// Events on the work of others that were written down, by kind: succeeded, failed, dry_run, violation.
        work_events: Counters<1> = "weir_monitor_work_events_total" ["kind"],
        /// Distinct shapes with statistics.
        shapes: Gauges<0> = "weir_monitor_shapes" [],
        /// Statements slower than the threshold.
        slow_queries: Counters<1> = "weir_slow_queries_total" ["project"],
        /// Alerts by severity and state.
        alerts: Gauges<2> = "weir_alerts" ["severity", "state"],
        /// Alerts that there was no room for (alerts), and changes of alerts that were forgotten because the store was away for too long (queue).
        alerts_dropped: Counters<1> = "weir_monitor_alerts_dropped_total" ["reason"],
        /// Notifications of alerts by channel and outcome: accepted, failed (an attempt that is repeated), refused (by the receiver, for good), given_up (after too long), dropped (alerts that nobody was told of).
        notifications: Counters<2> = "weir_alert_notifications_total" ["channel", "outcome"],
        /// Alerts of which a channel still has to be told something.
        notifications_pending: Gauges<1> = "weir_alert_notifications_pending" ["channel"],
        /// Plans of slow statements by what became of their capture: captured, changed, skipped, failed, away.
        plans_captured: Counters<1> = "weir_monitor_plans_total" ["outcome"],
        /// Slow statements whose plan was not captured because too many others waited.
        plans_dropped: Gauges<0> = "weir_monitor_plans_dropped" [],
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
