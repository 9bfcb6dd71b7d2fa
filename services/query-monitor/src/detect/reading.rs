//! What a rule judges: one figure of one thing at one moment. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_model::{Fingerprint, Project};

/// Which figure, in its unit. A name is a contract: rules in files refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Metric(pub &'static str);

/// What the figure is about, beside its project. A few labels of bounded variety, such as `database` or `upstream`.
pub(crate) type Labels = BTreeMap<&'static str, String>;

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    /// Which.
    pub metric: Metric,
    /// Of whose; the default project where it is the whole server's.
    pub project: Project,
    /// Of what.
    pub labels: Labels,
    /// How much, in the metric's unit.
    pub value: f64,
    /// The statement that it is about, if it is about one.
    pub fingerprint: Option<Fingerprint>,
    /// The trace (W3C) of the worst case. May be empty.
    pub traceparent: String,
    /// What a person should know beside the figure, in one sentence without any literal of a statement. May be empty.
    pub note: String,
}

impl Reading {
    /// A figure without statement, trace and note.
    pub(crate) fn new(metric: Metric, project: Project, labels: Labels, value: f64) -> Self {
        Self {
            metric,
            project,
            labels,
            value,
            fingerprint: None,
            traceparent: String::new(),
            note: String::new(),
        }
    }
}

/// All that one source saw at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sheet {
    /// The figures.
    pub readings: Vec<Reading>,
    /// When they were read, in milliseconds since 1970.
    pub taken_unix_ms: i64,
    /// How long they are worth anything.
    pub fresh_for: Duration,
}

/// Every figure that Weir reads.
pub(crate) mod metric {
    use super::Metric;

    // Of the statements, told by the gateways. Source `statements`.

    /// Milliseconds of the slowest of the slow statements of a shape lately; labels `database`, and the fingerprint.
    pub(crate) const SLOW_QUERY_MS: Metric = Metric("query.slow_ms");
    /// Statements of a project in a minute, on average over five.
    pub(crate) const PER_MINUTE: Metric = Metric("query.per_minute");
    /// Slow statements of a project within an hour.
    pub(crate) const SLOW_PER_HOUR: Metric = Metric("query.slow_per_hour");
    /// The part of a project's statements within five minutes that was slow, 0 to 1.
    pub(crate) const SLOW_RATIO: Metric = Metric("query.slow_ratio");
    /// Milliseconds that 95 of 100 statements of a project kept within five minutes.
    pub(crate) const P95_MS: Metric = Metric("query.p95_ms");
    /// The part of a project's statements within five minutes that failed, 0 to 1.
    pub(crate) const ERROR_RATIO: Metric = Metric("query.error_ratio");
    /// Milliseconds that 95 of 100 statements of a project waited for a connection, within five minutes.
    pub(crate) const WAIT_P95_MS: Metric = Metric("query.wait_p95_ms");
    /// The part of a project's cacheable reads within five minutes that came from memory, 0 to 1.
    pub(crate) const CACHE_HIT_RATIO: Metric = Metric("query.cache_hit_ratio");
    /// How much of its usual query-cache hit ratio a project has lost, 0 to 1: usual is the day before.
    pub(crate) const CACHE_HIT_FALL: Metric = Metric("query.cache_hit_fall");

    // Of the gateways. Source `gateways`.

    /// The part of a pool that is in use, 0 to 1; labels `database`, `role`, `upstream`, `gateway`.
    pub(crate) const POOL_UTILIZATION: Metric = Metric("pool.utilization_ratio");
    /// Callers that wait for a connection of a pool; the same labels.
    pub(crate) const POOL_WAITING: Metric = Metric("pool.waiting");
    /// 1 where a gateway's circuit breaker for a server is open, 0.5 while it probes, else 0; labels `upstream`, `gateway`.
    pub(crate) const BREAKER_OPEN: Metric = Metric("upstream.breaker_open");

    // Of the servers, asked by the monitor. Source `server`.

    /// 1 where a server does not answer, else 0; label `upstream`.
    pub(crate) const SERVER_DOWN: Metric = Metric("server.down");
    /// The part of block reads that PostgreSQL found in its buffers, 0 to 1; labels `upstream`, `database`.
    pub(crate) const BUFFER_HIT_RATIO: Metric = Metric("server.buffer_hit_ratio");
    /// Seconds that a replica is behind; labels `upstream`, `replica`.
    pub(crate) const REPLICATION_LAG_SECONDS: Metric = Metric("server.replication_lag_seconds");
    /// Seconds of the longest idle transaction; labels `upstream`, `database`.
    pub(crate) const IDLE_IN_TRANSACTION_SECONDS: Metric = Metric("server.idle_in_transaction_seconds");
    /// Seconds of the longest transaction; labels `upstream`, `database`.
    pub(crate) const LONGEST_TRANSACTION_SECONDS: Metric = Metric("server.longest_transaction_seconds");
    /// Seconds that the longest blocked session has waited for another; labels `upstream`, `database`.
    pub(crate) const BLOCKED_SECONDS: Metric = Metric("server.blocked_seconds");
    /// The part of the server's connections that is in use, 0 to 1; label `upstream`.
    pub(crate) const CONNECTIONS_RATIO: Metric = Metric("server.connections_ratio");
    /// The part of the way to a forced shutdown by transaction ids that is gone, 0 to 1; labels `upstream`, `database`.
    pub(crate) const WRAPAROUND_RATIO: Metric = Metric("server.wraparound_ratio");
    /// Days until transaction ids run out, at the pace of late; labels `upstream`, `database`.
    pub(crate) const WRAPAROUND_DAYS: Metric = Metric("server.wraparound_days");
    /// Days until the disk is full, at the pace of late; labels `upstream`, `disk`.
    pub(crate) const DISK_FULL_DAYS: Metric = Metric("server.disk_full_days");
    /// Connections of clients; label `upstream`.
    pub(crate) const CONNECTIONS: Metric = Metric("server.connections");
    /// Transactions a second, rolled back ones included; labels `upstream`, `database`.
    pub(crate) const TRANSACTIONS_PER_SECOND: Metric = Metric("server.transactions_per_second");
    /// The age of a database's oldest transaction id, in transactions; labels `upstream`, `database`.
    pub(crate) const TRANSACTION_ID_AGE: Metric = Metric("server.transaction_id_age");
    /// Bytes of a database; labels `upstream`, `database`.
    pub(crate) const DATABASE_SIZE_BYTES: Metric = Metric("server.database_size_bytes");
    /// Bytes that are used of a disk; labels `disk`, and `upstream` where it holds the data of a server.
    pub(crate) const DISK_USED_BYTES: Metric = Metric("host.disk_used_bytes");
    /// Bytes of the same disk that are used or can still be written; the same labels.
    pub(crate) const DISK_TOTAL_BYTES: Metric = Metric("host.disk_total_bytes");
    /// The part of the processors of the monitor's machine that is busy, 0 to 1.
    pub(crate) const HOST_CPU_RATIO: Metric = Metric("host.cpu_ratio");
    /// The part of its memory that is in use, 0 to 1.
    pub(crate) const HOST_MEMORY_RATIO: Metric = Metric("host.memory_ratio");

    // Of the work that others do. Source `work`.

    /// How often a job of this kind failed without a success in between; label `operation`.
    pub(crate) const JOB_FAILURES_IN_ROW: Metric = Metric("job.failures_in_row");
    /// Hours since a backup succeeded, where one ever did; label `operation`.
    pub(crate) const BACKUP_AGE_HOURS: Metric = Metric("backup.age_hours");
    /// Broken rules of security within five minutes; labels `rule`, `action`.
    pub(crate) const SECURITY_VIOLATIONS: Metric = Metric("security.violations");

    // Of the monitor itself, made where rules are judged.

    /// Seconds since the readings of a source went stale; label `source`.
    pub(crate) const SOURCE_SILENT_SECONDS: Metric = Metric("monitor.source_silent_seconds");
    /// How fast a project's error budget burns, 1 being as fast as a person is woken for; label `objective`.
    pub(crate) const BUDGET_FAST_BURN: Metric = Metric("objective.fast_burn");
    /// How fast a project's error budget burns, 1 being as fast as somebody should look at by day; label `objective`.
    pub(crate) const BUDGET_SLOW_BURN: Metric = Metric("objective.slow_burn");

    /// All of them: what a rule may name.
    pub(crate) const ALL: [Metric; 27] = [
        SLOW_QUERY_MS,
        SLOW_PER_HOUR,
        SLOW_RATIO,
        P95_MS,
        ERROR_RATIO,
        WAIT_P95_MS,
        CACHE_HIT_RATIO,
        CACHE_HIT_FALL,
        POOL_UTILIZATION,
        POOL_WAITING,
        BREAKER_OPEN,
        SERVER_DOWN,
        BUFFER_HIT_RATIO,
        REPLICATION_LAG_SECONDS,
        IDLE_IN_TRANSACTION_SECONDS,
        LONGEST_TRANSACTION_SECONDS,
        BLOCKED_SECONDS,
        CONNECTIONS_RATIO,
        WRAPAROUND_RATIO,
        WRAPAROUND_DAYS,
        DISK_FULL_DAYS,
        JOB_FAILURES_IN_ROW,
        BACKUP_AGE_HOURS,
        SECURITY_VIOLATIONS,
        SOURCE_SILENT_SECONDS,
        BUDGET_FAST_BURN,
        BUDGET_SLOW_BURN,
    ];

    /// The metric of that name.
    pub(crate) fn named(name: &str) -> Option<Metric> {
        ALL.into_iter().find(|metric| metric.0 == name)
    }
}
