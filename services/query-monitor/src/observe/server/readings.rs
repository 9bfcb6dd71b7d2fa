//! What rules judge of the servers: figures from what is known of them now. Pure.
//!
//! A figure is told only as long as it is fresh. Of a server that is down nothing is told but that.

use std::collections::BTreeMap;

use tokio::time::Instant;
use weir_model::{Fingerprint, Project};
use weir_proto::monitor::v1 as api;

use super::probe::Probe;
use super::view::{Presence, View};
use crate::detect::{Labels, Metric, Reading, metric};

/// What one server gives. `watched` are the names by which watched standbys follow: they tell their lag themselves.
pub(super) fn of_server(view: &View, watched: &[String], now: Instant) -> Vec<Reading> {
    let mut sheet = OneServer {
        upstream: &view.server.upstream,
        readings: Vec::new(),
    };
    match view.presence {
        Presence::Unknown => {}
        Presence::Down => sheet.put_noted(metric::SERVER_DOWN, &[], 1.0, view.server.error.clone()),
        Presence::Closed => {
            sheet.put(metric::SERVER_DOWN, &[], 0.0);
            if view.is_full {
                sheet.put_noted(metric::CONNECTIONS_RATIO, &[], 1.0, view.server.error.clone());
            }
        }
        Presence::Up => {
            sheet.put(metric::SERVER_DOWN, &[], 0.0);
            sheet.answers(view, watched, now);
        }
    }
    sheet.readings
}

/// The names by which servers that are watched themselves follow others.
pub(super) fn followers(view: &View) -> Option<String> {
    let recovery = view.server.recovery.as_ref()?;
    (view.presence == Presence::Up && recovery.is_streaming).then(|| recovery.name.clone())
}

/// What the monitor's own machine gives.
pub(super) fn of_host(host: &api::Host) -> Vec<Reading> {
    let plain = |metric, value| Reading::new(metric, Project::default(), Labels::new(), value);
    let mut readings = Vec::new();
    if host.cpu_ratio >= 0.0 {
        readings.push(plain(metric::HOST_CPU_RATIO, host.cpu_ratio));
    }
    if host.memory_total_bytes > 0 {
        let free = host.memory_available_bytes as f64 / host.memory_total_bytes as f64;
        readings.push(plain(metric::HOST_MEMORY_RATIO, 1.0 - free));
    }
    for disk in host.disks.iter().filter(|disk| disk.error.is_empty()) {
        let mut labels = Labels::from([("disk", disk.path.clone())]);
        if !disk.upstream.is_empty() {
            labels.insert("upstream", disk.upstream.clone());
        }
        let figure = |metric, bytes: u64| Reading::new(metric, Project::default(), labels.clone(), bytes as f64);
        readings.push(figure(metric::DISK_USED_BYTES, disk.used_bytes));
        readings.push(figure(metric::DISK_TOTAL_BYTES, disk.used_bytes + disk.available_bytes));
    }
    readings
}

struct OneServer<'v> {
    upstream: &'v str,
    readings: Vec<Reading>,
}

impl OneServer<'_> {
    fn put(&mut self, metric: Metric, labels: &[(&'static str, &str)], value: f64) {
        self.put_noted(metric, labels, value, String::new());
    }

    fn put_noted(&mut self, metric: Metric, labels: &[(&'static str, &str)], value: f64, note: String) {
        let mut all = Labels::from([("upstream", self.upstream.to_owned())]);
        all.extend(labels.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let reading = Reading::new(metric, Project::default(), all, value);
        self.readings.push(Reading { note, ..reading });
    }

    fn answers(&mut self, view: &View, watched: &[String], now: Instant) {
        if view.is_fresh(Probe::Activity, now) {
            self.sessions(view);
        }
        if view.is_fresh(Probe::Blocking, now) {
            self.blocking(view);
        }
        if view.is_fresh(Probe::Databases, now) {
            self.databases(view);
        }
        if view.is_fresh(Probe::Sizes, now) {
            for (database, bytes) in &view.sizes {
                self.put(metric::DATABASE_SIZE_BYTES, &[("database", database)], *bytes as f64);
            }
        }
        if view.is_fresh(Probe::Replication, now) {
            self.replication(view, watched);
        }
    }

    fn sessions(&mut self, view: &View) {
        let (used, max) = (f64::from(view.server.connections), view.server.connections_max);
        self.put(metric::CONNECTIONS, &[], used);
        if max > 0 {
            self.put(metric::CONNECTIONS_RATIO, &[], used / f64::from(max));
        }
        let idle = |session: &&api::ServerSession| session.state.starts_with("idle in transaction");
        self.longest(
            metric::IDLE_IN_TRANSACTION_SECONDS,
            view.sessions.iter().filter(idle),
            |session| session.state_seconds,
        );
        self.longest(metric::LONGEST_TRANSACTION_SECONDS, view.sessions.iter(), |session| {
            session.transaction_seconds
        });
    }

    /// The worst session of each database, with its statement.
    fn longest<'s>(
        &mut self,
        metric: Metric,
        sessions: impl Iterator<Item = &'s api::ServerSession>,
        seconds: impl Fn(&api::ServerSession) -> f64,
    ) {
        let mut worst: BTreeMap<&str, &api::ServerSession> = BTreeMap::new();
        for session in sessions {
            let held = worst.entry(&session.database).or_insert(session);
            if seconds(session) > seconds(held) {
                *held = session;
            }
        }
        for (database, session) in worst {
            self.put_noted(metric, &[("database", database)], seconds(session), who(session));
            self.about(session);
        }
    }

    /// The latest figure is about this session's statement.
    fn about(&mut self, session: &api::ServerSession) {
        if let Some(reading) = self.readings.last_mut() {
            reading.fingerprint = session.fingerprint.parse::<Fingerprint>().ok();
            reading.traceparent.clone_from(&session.traceparent);
        }
    }

    /// Chains come with the longest wait first, so the first of a database is its worst.
    fn blocking(&mut self, view: &View) {
        let mut told: Vec<&str> = Vec::new();
        for chain in &view.chains {
            let (Some(first), Some(root)) = (chain.blocked.first(), chain.root.as_ref()) else {
                continue;
            };
            let database = first.session.as_ref().map_or("", |session| session.database.as_str());
            if told.contains(&database) {
                continue;
            }
            told.push(database);
            let sessions = match chain.blocked.len() {
                1 => "1 session waits".to_owned(),
                several => format!("{several} sessions wait"),
            };
            let note = format!("{sessions} for {}", if root.pid == 0 { prepared() } else { who(root) });
            let labels = [("database", database)];
            self.put_noted(metric::BLOCKED_SECONDS, &labels, chain.blocked_seconds, note);
            self.about(root);
        }
    }

    fn databases(&mut self, view: &View) {
        for database in &view.server.databases {
            let labels = [("database", database.database.as_str())];
            if database.buffer_hit_ratio >= 0.0 {
                self.put(metric::BUFFER_HIT_RATIO, &labels, database.buffer_hit_ratio);
            }
            let rates = view.tracks.get(&database.database).and_then(super::rates::Track::rates);
            if let Some(rates) = rates {
                let all = rates.commits + rates.rollbacks;
                self.put(metric::TRANSACTIONS_PER_SECOND, &labels, all);
            }
            let note = if database.multixact_id_age > database.transaction_id_age {
                "it is multixact ids that run out".to_owned()
            } else {
                String::new()
            };
            self.put_noted(metric::WRAPAROUND_RATIO, &labels, database.wraparound_ratio, note);
            let age = database.transaction_id_age as f64;
            self.put(metric::TRANSACTION_ID_AGE, &labels, age);
        }
    }

    fn replication(&mut self, view: &View, watched: &[String]) {
        if let Some(recovery) = view
            .server
            .recovery
            .as_ref()
            .filter(|recovery| recovery.lag_seconds >= 0.0)
        {
            let labels = [("replica", view.server.upstream.as_str())];
            self.put_noted(
                metric::REPLICATION_LAG_SECONDS,
                &labels,
                recovery.lag_seconds,
                lagging(recovery),
            );
        }
        for replica in &view.server.replicas {
            if replica.lag_seconds >= 0.0 && !watched.contains(&replica.name) {
                let labels = [("replica", replica.name.as_str())];
                self.put(metric::REPLICATION_LAG_SECONDS, &labels, replica.lag_seconds);
            }
        }
    }
}

fn prepared() -> String {
    "a prepared transaction, which stands in pg_prepared_xacts".to_owned()
}

/// A session in words.
fn who(session: &api::ServerSession) -> String {
    let or = |text: &str, otherwise: &str| {
        if text.is_empty() {
            otherwise.to_owned()
        } else {
            text.to_owned()
        }
    };
    format!(
        "process {} ({}, role {}, application {}): {}",
        session.pid,
        or(&session.state, "state unknown"),
        or(&session.role, "unknown"),
        or(&session.application, "unnamed"),
        or(&session.text, "statement unknown"),
    )
}

fn lagging(recovery: &api::ServerRecovery) -> String {
    let mut words = Vec::new();
    if !recovery.is_streaming {
        words.push("it is not connected to the server it follows".to_owned());
    }
    if recovery.is_paused {
        words.push("its replay is paused".to_owned());
    }
    if recovery.replay_bytes > 0 {
        words.push(format!("{} bytes wait to be replayed", recovery.replay_bytes));
    }
    words.join("; ")
}
