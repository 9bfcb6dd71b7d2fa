//! What the backup service counts.

weir_telemetry::metrics! {
    /// Metrics of backups, the log, restores and proofs.
    pub struct Metrics {
        /// When the last backup of a kind was complete.
        last_success: Gauges<2> = "weir_backup_last_success_timestamp_seconds" ["project", "kind"],
        /// How long a backup took, by kind.
        duration_seconds: Histograms<1> = "weir_backup_duration_seconds" ["kind"],
        /// Bytes that the last backup of a kind added to the repository.
        bytes: Gauges<1> = "weir_backup_bytes" ["kind"],
        /// When the last proof succeeded.
        restore_test_last_success: Gauges<0> = "weir_restore_test_last_success_timestamp_seconds" [],
        /// Proofs by outcome: proven, failed, inconclusive.
        proofs: Counters<1> = "weir_restore_tests_total" ["outcome"],
        /// The recovery time that the last proof measured.
        recovery_seconds: Gauges<0> = "weir_recovery_time_seconds" [],
        /// Bytes of log between the server and what is safe in each repository that must have it.
        wal_lag_bytes: Gauges<0> = "weir_wal_archive_lag_bytes" [],
        /// Commits of so long would be lost if the server were gone now.
        wal_exposure_seconds: Gauges<0> = "weir_wal_exposure_seconds" [],
        /// From a flush at the server until it was safe.
        wal_durable_seconds: Histograms<0> = "weir_wal_durable_seconds" [],
        /// Bytes of log that the slot holds back at the server.
        wal_slot_retained_bytes: Gauges<0> = "weir_wal_slot_retained_bytes" [],
        /// Segments of log that were stored whole, by repository.
        wal_segments: Counters<1> = "weir_wal_segments_total" ["repository"],
        /// Gaps in the log that could not be closed.
        wal_gaps: Counters<0> = "weir_wal_gaps_total" [],
        /// How often the slot was given up, or lost by the server.
        wal_slots_given_up: Counters<0> = "weir_wal_slots_given_up_total" [],
        /// Whether a repository can be used.
        repository_up: Gauges<1> = "weir_backup_repository_up" ["repository"],
    }
}
