//! What the cache service counts.

weir_telemetry::metrics! {
    /// Metrics of the cache service.
    pub struct Metrics {
        /// Statements studied for gateways, by verdict: cacheable, or the first rule that speaks against it.
        studies: Counters<1> = "weir_cache_studies_total" ["verdict"],
        /// From the receipt of a commit to its publication.
        invalidation_lag_seconds: Histograms<0> = "weir_cache_invalidation_lag_seconds" [],
        /// Commits read from the log.
        commits: Counters<0> = "weir_cache_commits_total" [],
        /// Tags that commits made invalid.
        tags: Counters<0> = "weir_cache_tags_total" [],
        /// Commits that made everything before them invalid: changes of definitions, and what could not be read.
        kills: Counters<0> = "weir_cache_kills_total" [],
        /// Transactions that touched too much to be told one by one.
        collapsed: Counters<0> = "weir_cache_collapsed_total" [],
        /// Messages to gateways that the bus did not take; they see the gap.
        messages_lost: Counters<0> = "weir_cache_messages_lost_total" [],
        /// What the follower of each database does: 1 for the state that it is in.
        follower_state: Gauges<2> = "weir_cache_follower_state" ["database", "state"],
        /// How far what is known to be visible is behind what was told, in bytes of the log.
        unseen_bytes: Gauges<1> = "weir_cache_unseen_bytes" ["database"],
        /// Commits that were told and are not known to be visible.
        unseen_commits: Gauges<1> = "weir_cache_unseen_commits" ["database"],
        /// What the slot holds back of the log.
        retained_wal_bytes: Gauges<1> = "weir_cache_retained_wal_bytes" ["database"],
        /// How long a study took, the wait for its turn included.
        study_seconds: Histograms<0> = "weir_cache_study_duration_seconds" [],
        /// Messages on what gateways' caches did, by what became of them: counted, late (a later one came before), crowded (there was no room for all of it), malformed.
        counts: Counters<1> = "weir_cache_counts_total" ["outcome"],
    }
}
