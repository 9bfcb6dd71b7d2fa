//! What maintenance counts.

weir_telemetry::metrics! {
    /// Metrics of maintenance.
    pub struct Metrics {
        /// Pieces of work, by kind and outcome (done, left, halted, failed).
        runs: Counters<2> = "weir_maintenance_runs_total" ["operation", "outcome"],
        /// How long a piece of work took, by kind.
        duration_seconds: Histograms<1> = "weir_maintenance_duration_seconds" ["operation"],
        /// Statements that the guard ended for the users' sake, by what it saw (latency, block, lag).
        guard_halts: Counters<1> = "weir_maintenance_guard_halts_total" ["reason"],
        /// The share of a table that is most probably waste, of the tables with most of it.
        table_bloat: Gauges<2> = "weir_table_bloat_ratio" ["database", "table"],
        /// How far back the oldest id of a database is, by kind: xid, mxid.
        wraparound_age: Gauges<2> = "weir_wraparound_age" ["database", "ids"],
        /// How long until a limit is reached at the present pace, for the oldest table of a database; ten years where none is in sight.
        wraparound_eta_seconds: Gauges<2> = "weir_wraparound_eta_seconds" ["database", "limit"],
    }
}
