//! What the scheduler counts.

weir_telemetry::metrics! {
    /// Metrics of the scheduler.
    pub struct Metrics {
        /// Decisions about due schedules: run, missed, overlap, astray (planned anew, as the clock was set back).
        decisions: Counters<1> = "weir_scheduler_decisions_total" ["decision"],
        /// Runs that ended, by operation and state.
        runs_ended: Counters<2> = "weir_scheduler_runs_total" ["operation", "state"],
        /// 1 while this instance leads.
        leader: Gauges<0> = "weir_scheduler_leader" [],
    }
}
