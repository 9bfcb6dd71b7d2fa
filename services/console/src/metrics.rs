//! What the console counts.

weir_telemetry::metrics! {
    /// Metrics of the console.
    pub struct Metrics {
        /// Calls answered, by route (its pattern, not its path) and status.
        requests: Counters<2> = "weir_console_requests_total" ["route", "status"],
        /// How long answers took; the live stream is not in it.
        request_seconds: Histograms<0> = "weir_console_request_duration_seconds" [],
        /// Viewers of the live stream.
        viewers: Gauges<0> = "weir_console_viewers" [],
        /// Live events that viewers were too slow for; each was told of the gap.
        events_missed: Counters<0> = "weir_console_events_missed_total" [],
        /// How healthy everything is: 1 healthy, 0.5 degraded (queries are answered), 0 down (they are not), NaN not known.
        health_status: Gauges<0> = "weir_database_health_status" [],
        /// Changes of health that were not written down because the store was away for too long.
        health_changes_lost: Counters<0> = "weir_console_health_changes_lost_total" [],
        /// Broken rules that were told of: kept, told once more (repeated), or not to be read (unreadable).
        violations: Counters<1> = "weir_console_violations_total" ["outcome"],
        /// Services whose metrics could not be had when all were asked for.
        scrape_failures: Counters<1> = "weir_console_scrape_failures_total" ["service"],
    }
}
