//! What the gateway counts.

weir_telemetry::metrics! {
    /// Metrics of the data path.
    pub struct Metrics {
        /// Server connections and waiting callers of each pool, by state: total, idle, active, waiting.
        pool_size: Gauges<2> = "db_pool_size" ["database", "state"],
        /// Connections in use divided by the pool's maximum.
        pool_utilization_ratio: Gauges<1> = "weir_pool_utilization_ratio" ["database"],
        /// How long callers waited for a connection.
        pool_wait_seconds: Histograms<1> = "weir_pool_wait_seconds" ["database"],
        /// Server connections that a pool may have at present, where it finds its size itself (`gateway.pool_autoscale`).
        pool_limit: Gauges<2> = "weir_pool_limit" ["database", "user"],
        /// Whether a pool is nearly used up: 1 from when 90 % of its connections are in use until fewer than 80 % are.
        pool_pressure: Gauges<2> = "weir_pool_pressure" ["database", "user"],
        /// Clients that held a connection in an open transaction and said nothing for longer than `gateway.leak_after`, once for each time.
        leaks: Counters<1> = "weir_pool_leaks_total" ["database"],
        /// Server connections opened.
        connections_opened: Counters<1> = "weir_pool_connections_opened_total" ["database"],
        /// Server connections closed, by reason: idle, age, broken, overflow, moved, dns (the name of its server leads elsewhere now), dirty, abandoned, shutdown.
        connections_closed: Counters<2> = "weir_pool_connections_closed_total" ["database", "reason"],
        /// The circuit breaker of each upstream: 1 for the state it is in (closed, open, half_open).
        breaker_state: Gauges<2> = "weir_circuit_breaker_state" ["upstream", "state"],
        /// What each of several servers is: 1 for its role (primary, standby, unknown).
        upstream_role: Gauges<2> = "weir_upstream_role" ["upstream", "role"],
        /// How far each replica is behind the primary; NaN where that is not known.
        replica_lag_seconds: Gauges<1> = "weir_replica_lag_seconds" ["upstream"],
        /// Whether a replica answers no reads at present: 1 if so.
        replica_banned: Gauges<1> = "weir_replica_banned" ["upstream"],
        /// Times that a replica ceased to answer reads, by reason: down, lag, failed.
        replica_bans: Counters<2> = "weir_replica_bans_total" ["upstream", "reason"],
        /// Reads that may leave the primary, by who answered and why: replica (fit), primary (not_fresh, none_fit, sent_again).
        reads_routed: Counters<2> = "weir_reads_routed_total" ["target", "reason"],
        /// Plain reads of calls whose server was lost and that were asked again (`gateway.read_retries`), by what came of it: answered, failed.
        reads_asked_again: Counters<1> = "weir_reads_asked_again_total" ["outcome"],
        /// Transactions of clients whose database is mirrored that were sampled, by what became of them: ran; dropped (full, away, lost, settings, diverged, stopped); skipped (not_a_read, copy, outside, session, unread, nothing, unfinished).
        mirror_transactions: Counters<2> = "weir_mirror_transactions_total" ["fate", "reason"],
        /// Requests (a query, or all up to a Sync) that the mirror and the server both answered, by outcome: same, rows (another number of them), other (an error, or another one).
        mirror_requests: Counters<1> = "weir_mirror_requests_total" ["outcome"],
        /// Requests that failed on the server or on the mirror, by both SQLSTATEs; `ok` where one succeeded.
        mirror_errors: Counters<2> = "weir_mirror_errors_total" ["server", "mirror"],
        /// How long requests took that both answered in the same way, by who answered (`server`, `mirror`) and kind.
        mirror_duration_seconds: Histograms<2> = "weir_mirror_duration_seconds" ["by", "kind"],
        /// Time from the end of a transaction on the server to its beginning on the mirror.
        mirror_wait_seconds: Histograms<0> = "weir_mirror_wait_seconds" [],
        /// Transactions that wait for the mirror.
        mirror_queue: Gauges<0> = "weir_mirror_queue" [],
        /// What mirrored transactions hold, collected, waiting or running.
        mirror_queue_bytes: Gauges<0> = "weir_mirror_queue_bytes" [],
        /// Whether the mirror is away, so that nothing is sent to it for a while: 1 if so.
        mirror_away: Gauges<0> = "weir_mirror_away" [],
        /// Times that another server became the primary.
        failovers: Counters<0> = "weir_failovers_total" [],
        /// Clients of the PostgreSQL door that are logged in.
        clients: Gauges<0> = "weir_clients" [],
        /// Threads that serve clients of the PostgreSQL door at present: as many as the load needs.
        wire_workers: Gauges<0> = "weir_wire_workers" [],
        /// Clients of the PostgreSQL door that went on on another thread, because more or fewer serve.
        client_moves: Counters<0> = "weir_client_moves_total" [],
        /// Clients of the PostgreSQL door that came, by what became of them: accepted, refused, cancel.
        logins: Counters<1> = "weir_client_logins_total" ["outcome"],
        /// Verifiers of users that the PostgreSQL door needed, by where they came from: asked, shared (with others who came at the same time), failed.
        lookups: Counters<1> = "weir_client_lookups_total" ["outcome"],
        /// Whether the PostgreSQL door has its own connection open, on which it looks users up.
        door_connections: Gauges<0> = "weir_door_connections" [],
        /// Connections that the PostgreSQL door opened beside the pools, by what for: verifier, welcome, proof, replication.
        door_connections_opened: Counters<1> = "weir_door_connections_opened_total" ["purpose"],
        /// Sessions that keep their server connection beyond a transaction, by the reason: listen, temporary, cursor, advisory_lock, prepare, load, encoding, session.
        pins: Counters<1> = "weir_pool_pins_total" ["reason"],
        /// Server connections whose session was changed for another client, or cleaned, by how: switch, reset.
        session_changes: Counters<1> = "weir_pool_session_changes_total" ["how"],
        /// How long callers waited because their project had spent what it may.
        budget_wait_seconds: Histograms<1> = "weir_budget_wait_seconds" ["project"],
        /// Callers that were refused because their project had spent what it may, by what there was too little of: queries, rows, bytes, server seconds.
        budget_refusals: Counters<2> = "weir_budget_refusals_total" ["project", "what"],
        /// What is left of each budget as a share of what can be saved up; below 0 it is owed.
        budget_left_ratio: Gauges<2> = "weir_budget_left_ratio" ["project", "what"],
        /// Statements that ended, by project, kind and outcome (ok, error, cancelled, refused).
        queries: Counters<3> = "weir_queries_total" ["project", "kind", "outcome"],
        /// Time from the caller's request to the end of its reply.
        query_duration_seconds: Histograms<0> = "weir_query_duration_seconds" [],
        /// Rules of security that were broken, by rule and by what was done about it: reported, blocked.
        security_violations: Counters<2> = "weir_security_violations_total" ["rule", "action"],
        /// Events on violations, by what became of them: told, lost (too many at once, or the bus was away for too long).
        security_events: Counters<1> = "weir_security_events_total" ["outcome"],
        /// Shapes of statement on the lists of the firewall, by what is thought of them: learned, approved, queued.
        firewall_shapes: Gauges<1> = "weir_firewall_shapes" ["standing"],
        /// Shapes that found no room on a list of the firewall.
        firewall_overflowed: Gauges<0> = "weir_firewall_overflowed" [],
        /// Events dropped because the buffer to the bus was full.
        events_dropped: Counters<0> = "weir_events_dropped_total" [],
        /// Events handed to the bus.
        events_published: Counters<0> = "weir_events_published_total" [],
        /// Messages on the state of pools and servers, by what became of them: told, lost (the bus was away).
        pool_states: Counters<1> = "weir_pool_states_total" ["outcome"],
        /// Events waiting for the bus.
        events_buffered: Gauges<0> = "weir_events_buffered" [],
        /// Statements that the result cache was asked for, or stood aside for, by outcome: hit_memory, hit_shared, miss, bypass.
        cache_requests: Counters<1> = "weir_cache_requests_total" ["outcome"],
        /// Statements looked up in the result cache and answered by PostgreSQL, by reason: absent, invalidated, expired, newer_needed, evicted, collision.
        cache_misses: Counters<1> = "weir_cache_misses_total" ["reason"],
        /// Statements that the result cache stood aside for, by reason: not_cacheable, policy, no_lease, gap, unknown_session, in_transaction, no_benefit.
        cache_bypasses: Counters<1> = "weir_cache_bypasses_total" ["reason"],
        /// Look-ups of dry runs, by what would have come of them: hit, miss.
        cache_dry_runs: Counters<1> = "weir_cache_dry_runs_total" ["outcome"],
        /// Results kept in the memory of this process.
        cache_fills: Counters<0> = "weir_cache_fills_total" [],
        /// Results not kept, by reason: too_large, overtaken, not_admitted, budget.
        cache_fills_refused: Counters<1> = "weir_cache_fills_refused_total" ["reason"],
        /// Results removed from memory to make room.
        cache_evictions: Counters<0> = "weir_cache_evictions_total" [],
        /// Results in the memory of this process.
        cache_entries: Gauges<0> = "weir_cache_entries" [],
        /// Bytes that they take.
        cache_bytes: Gauges<0> = "weir_cache_bytes" [],
        /// Shapes of statement that are measured one by one.
        cache_shapes: Gauges<0> = "weir_cache_shapes" [],
        /// How long since the start every read of a database went to PostgreSQL because it was not known how fresh memory is.
        cache_bypass_seconds: Gauges<1> = "weir_cache_bypass_seconds" ["database"],
        /// Look-ups of results that gateways share in Redis, by outcome: hit, absent, malformed, timeout, error, skipped (Redis is not asked at present).
        cache_redis_lookups: Counters<1> = "weir_cache_redis_lookups_total" ["outcome"],
        /// Results that were to be shared in Redis, and orders to forget one, by outcome: stored, forgotten, dropped (the queue was full), too_large, skipped (Redis is not asked at present), full (Redis is), error.
        cache_redis_puts: Counters<1> = "weir_cache_redis_puts_total" ["outcome"],
        /// Bytes of results from and to Redis, by what is counted: read, written, plain (what was written, before it was compressed).
        cache_redis_bytes: Counters<1> = "weir_cache_redis_bytes_total" ["what"],
        /// How long look-ups in Redis took, without those that were skipped.
        cache_redis_lookup_seconds: Histograms<0> = "weir_cache_redis_lookup_seconds" [],
        /// How long Redis takes to answer at present, smoothed.
        cache_redis_usual_seconds: Gauges<0> = "weir_cache_redis_usual_seconds" [],
        /// Whether Redis is asked: 1 for the state its breaker is in (closed, open, half_open).
        cache_redis_state: Gauges<1> = "weir_cache_redis_breaker_state" ["state"],
        /// Results that wait to be written to Redis.
        cache_redis_queue: Gauges<0> = "weir_cache_redis_queue" [],
        /// What they hold, in bytes.
        cache_redis_queue_bytes: Gauges<0> = "weir_cache_redis_queue_bytes" [],
    }
}
