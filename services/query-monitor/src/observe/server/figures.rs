//! The main figures for Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use weir_telemetry::{Gauges, Registry};

use super::Servers;
use super::view::{Presence, View};
use crate::detect::metric;

weir_telemetry::metrics! {
    /// Metrics of the servers that are watched.
    pub struct ServerMetrics {
        /// 1 where a server answers, else 0.
        up: Gauges<1> = "weir_server_up" ["upstream"],
        /// Sessions by state and by what they wait for.
        sessions: Gauges<3> = "weir_server_sessions" ["upstream", "state", "wait_event_type"],
        /// The part of the connections of a server that is in use, 0 to 1.
        connections_ratio: Gauges<1> = "weir_server_connections_ratio" ["upstream"],
        /// Transactions a second, by database.
        transactions: Gauges<2> = "weir_server_transactions_per_second" ["upstream", "database"],
        /// The part of block reads of the last minutes that PostgreSQL found in its buffers, 0 to 1.
        hit_ratio: Gauges<2> = "weir_server_buffer_hit_ratio" ["upstream", "database"],
        /// Deadlocks since the counters of the database were reset.
        deadlocks: Gauges<2> = "weir_server_deadlocks" ["upstream", "database"],
        /// Seconds that a replica is behind.
        lag: Gauges<2> = "weir_server_replication_lag_seconds" ["upstream", "replica"],
        /// Seconds of the longest idle transaction.
        idle: Gauges<2> = "weir_server_idle_in_transaction_seconds" ["upstream", "database"],
        /// Seconds of the longest transaction.
        longest: Gauges<2> = "weir_server_longest_transaction_seconds" ["upstream", "database"],
        /// Seconds that the longest blocked session has waited.
        blocked: Gauges<2> = "weir_server_blocked_seconds" ["upstream", "database"],
        /// The part of the way to a forced shutdown by transaction or multixact ids that is gone, 0 to 1.
        wraparound: Gauges<2> = "weir_server_wraparound_ratio" ["upstream", "database"],
        /// Size of a database.
        size: Gauges<2> = "weir_server_database_size_bytes" ["upstream", "database"],
        /// Server time that all questions take, as a part of one core.
        cost: Gauges<1> = "weir_server_watch_cost_ratio" ["upstream"],
        /// Questions to a server, by outcome (answered, failed).
        probes: Counters<3> = "weir_server_probes_total" ["upstream", "probe", "outcome"],
        /// The part of the processors of the monitor's machine that is busy, 0 to 1.
        cpu: Gauges<0> = "weir_host_cpu_ratio" [],
        /// The part of its memory that is in use, 0 to 1.
        memory: Gauges<0> = "weir_host_memory_ratio" [],
        /// What is used of a disk.
        disk_used: Gauges<1> = "weir_host_disk_used_bytes" ["disk"],
        /// What is used of a disk and what can still be written.
        disk_total: Gauges<1> = "weir_host_disk_total_bytes" ["disk"],
    }
}

/// Sessions are no reading, and shown by this name.
const SESSIONS: &str = "sessions";

/// A gauge: what it shows, and its labels, of which those it does not have are empty.
type Shown = (&'static str, [String; 3]);

/// Sets the gauges before every scrape. What was shown and is no longer known is shown as zero where it is a time that
/// somebody waits or a number of sessions, and as not a number otherwise.
pub(super) fn show(registry: &Registry, metrics: Arc<ServerMetrics>, servers: Servers) {
    let before: Mutex<BTreeSet<Shown>> = Mutex::default();
    registry.before_scrape(move || {
        servers
            .views
            .iter()
            .for_each(|view| view.with(|view| metrics.state(view)));
        let now: BTreeMap<Shown, f64> = readings(&servers).chain(sessions(&servers)).collect();
        let shown: BTreeSet<Shown> = now
            .into_iter()
            .filter(|((name, labels), value)| metrics.set(name, labels, *value))
            .map(|(shown, _)| shown)
            .collect();
        let mut before = before.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, labels) in before.difference(&shown) {
            metrics.set(name, labels, gone(name));
        }
        *before = shown;
    });
}

fn readings(servers: &Servers) -> impl Iterator<Item = (Shown, f64)> {
    servers.readings().into_iter().map(|reading| {
        let label = |name| reading.labels.get(name).cloned();
        let first = label("disk").or_else(|| label("upstream"));
        let second = label("replica").or_else(|| label("database"));
        let labels = [first.unwrap_or_default(), second.unwrap_or_default(), String::new()];
        ((reading.metric.0, labels), reading.value)
    })
}

/// Sessions by state and by what sort of thing they wait for.
fn sessions(servers: &Servers) -> impl Iterator<Item = (Shown, f64)> {
    let mut counts: BTreeMap<Shown, f64> = BTreeMap::new();
    for view in &servers.views {
        view.with(|view| {
            let counted = view.server.sessions.iter().filter(|_| view.presence == Presence::Up);
            for one in counted {
                let labels = [&view.server.upstream, &one.state, &one.wait_event_type].map(String::clone);
                *counts.entry((SESSIONS, labels)).or_default() += f64::from(one.count);
            }
        });
    }
    counts.into_iter()
}

/// What a gauge shows of which nothing is known any more.
fn gone(name: &str) -> f64 {
    let zero = [
        metric::IDLE_IN_TRANSACTION_SECONDS.0,
        metric::LONGEST_TRANSACTION_SECONDS.0,
        metric::BLOCKED_SECONDS.0,
        SESSIONS,
    ];
    if zero.contains(&name) { 0.0 } else { f64::NAN }
}

impl ServerMetrics {
    /// What is known even of a server that is away.
    fn state(&self, view: &View) {
        let upstream = view.server.upstream.as_str();
        let up = view.presence == Presence::Up;
        self.up.with([upstream]).set(f64::from(u8::from(up)));
        self.cost.with([upstream]).set(view.server.cost_ratio);
        for database in &view.server.databases {
            let labels = [upstream, database.database.as_str()];
            self.deadlocks.with(labels).set(database.deadlocks_total as f64);
        }
    }

    /// Whether there is such a gauge.
    fn set(&self, name: &str, labels: &[String; 3], value: f64) -> bool {
        let [first, second, third] = labels.each_ref().map(String::as_str);
        let gauge = match name {
            SESSIONS => Some(self.sessions.with([first, second, third])),
            _ if name == metric::HOST_CPU_RATIO.0 => Some(self.cpu.with([])),
            _ if name == metric::HOST_MEMORY_RATIO.0 => Some(self.memory.with([])),
            _ => self
                .of_one(name)
                .map(|gauges| gauges.with([first]))
                .or_else(|| self.of_two(name).map(|gauges| gauges.with([first, second]))),
        };
        gauge.is_some_and(|gauge| {
            gauge.set(value);
            true
        })
    }

    fn of_one(&self, name: &str) -> Option<&Gauges<1>> {
        let known = [
            (metric::CONNECTIONS_RATIO, &self.connections_ratio),
            (metric::DISK_USED_BYTES, &self.disk_used),
            (metric::DISK_TOTAL_BYTES, &self.disk_total),
        ];
        known
            .into_iter()
            .find(|(metric, _)| metric.0 == name)
            .map(|(_, gauges)| gauges)
    }

    fn of_two(&self, name: &str) -> Option<&Gauges<2>> {
        let known = [
            (metric::TRANSACTIONS_PER_SECOND, &self.transactions),
            (metric::BUFFER_HIT_RATIO, &self.hit_ratio),
            (metric::REPLICATION_LAG_SECONDS, &self.lag),
            (metric::IDLE_IN_TRANSACTION_SECONDS, &self.idle),
            (metric::LONGEST_TRANSACTION_SECONDS, &self.longest),
            (metric::BLOCKED_SECONDS, &self.blocked),
            (metric::WRAPAROUND_RATIO, &self.wraparound),
            (metric::DATABASE_SIZE_BYTES, &self.size),
        ];
        known
            .into_iter()
            .find(|(metric, _)| metric.0 == name)
            .map(|(_, gauges)| gauges)
    }
}
