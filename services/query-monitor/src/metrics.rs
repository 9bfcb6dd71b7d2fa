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
    }
}
