//! Slow statements, gathered by shape. Pure.
//!
//! However many slow statements come in between two flushes, one sighting for each shape goes on to the store.

use std::collections::HashMap;

use weir_model::{Fingerprint, Project};
use weir_proto::events::v1::QueryExecuted;

use super::{Labels, Reading, metric};
use crate::aggregate::duration_ms;

/// Shapes with slow statements held between two flushes; further ones are seen again at the next slow statement.
const HELD_MAX: usize = 10_000;

/// What a slow-query alert is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SlowKey {
    /// On whose behalf.
    pub project: Project,
    /// In which database.
    pub database: String,
    /// Which shape.
    pub fingerprint: Fingerprint,
}

/// Slow statements of one shape since the last flush.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sighting {
    /// How many.
    pub count: i64,
    /// The longest of them.
    pub worst_ms: f64,
    /// When the last of them ended, in milliseconds since 1970.
    pub last_unix_ms: i64,
    /// The trace of the longest, if its caller had one.
    pub traceparent: String,
}

/// Gathers slow statements.
#[derive(Debug)]
pub(crate) struct SlowQueries {
    threshold_ms: f64,
    held: HashMap<SlowKey, Sighting>,
}

impl SlowQueries {
    /// Statements from `threshold_ms` on are slow.
    pub(crate) fn new(threshold_ms: f64) -> Self {
        Self {
            threshold_ms,
            held: HashMap::new(),
        }
    }

    /// Changes the threshold for statements to come.
    pub(crate) const fn set_threshold_ms(&mut self, threshold_ms: f64) {
        self.threshold_ms = threshold_ms;
    }

    /// Looks at one statement; true if it is slow.
    pub(crate) fn look_at(&mut self, project: &Project, event: &QueryExecuted) -> bool {
        let took_ms = duration_ms(event);
        if took_ms < self.threshold_ms {
            return false;
        }
        let key = SlowKey {
            project: project.clone(),
            database: event.database.clone(),
            fingerprint: Fingerprint::new(event.fingerprint),
        };
        let ended_unix_ms = event.started_unix_ms.saturating_add(took_ms as i64);
        if let Some(sighting) = self.held.get_mut(&key) {
            sighting.add(took_ms, ended_unix_ms, &event.traceparent);
        } else if self.held.len() < HELD_MAX {
            let traceparent = event.traceparent.clone();
            self.held.insert(
                key,
                Sighting {
                    count: 1,
                    worst_ms: took_ms,
                    last_unix_ms: ended_unix_ms,
                    traceparent,
                },
            );
        }
        true
    }

    /// What was gathered since the last call, in order.
    pub(crate) fn take(&mut self) -> Vec<(SlowKey, Sighting)> {
        let mut taken: Vec<_> = self.held.drain().collect();
        taken.sort_by(|(left, _), (right, _)| left.cmp(right));
        taken
    }
}

impl Sighting {
    /// Adds another sighting of the same shape.
    fn merge(&mut self, other: &Self) {
        let count = self.count + other.count;
        self.add(other.worst_ms, other.last_unix_ms, &other.traceparent);
        self.count = count;
    }

    fn add(&mut self, took_ms: f64, ended_unix_ms: i64, traceparent: &str) {
        self.count += 1;
        self.last_unix_ms = self.last_unix_ms.max(ended_unix_ms);
        if took_ms > self.worst_ms {
            self.worst_ms = took_ms;
            traceparent.clone_into(&mut self.traceparent);
        }
    }
}

/// Shapes that were slow lately, and how slow at worst: what the rule `slow-query` judges.
///
/// A shape counts from when it was seen here, by the monitor's clock: a gateway whose clock is wrong would otherwise end
/// its alert at once or never.
#[derive(Debug, Default)]
pub(crate) struct SlowLately {
    held: HashMap<SlowKey, (Sighting, i64)>,
}

impl SlowLately {
    /// Adds what was gathered and forgets what was last seen before `quiet_since_unix_ms`; true if that changed anything.
    pub(crate) fn turn(&mut self, taken: Vec<(SlowKey, Sighting)>, quiet_since_unix_ms: i64, now_unix_ms: i64) -> bool {
        let before = self.held.len();
        self.held
            .retain(|_, (_, seen_unix_ms)| *seen_unix_ms >= quiet_since_unix_ms);
        let changed = self.held.len() != before || !taken.is_empty();
        for (key, sighting) in taken {
            if let Some((held, seen_unix_ms)) = self.held.get_mut(&key) {
                held.merge(&sighting);
                *seen_unix_ms = now_unix_ms;
            } else if self.held.len() < HELD_MAX {
                self.held.insert(key, (sighting, now_unix_ms));
            }
        }
        changed
    }

    /// One reading for each shape; `text` tells a shape's text without its literals.
    pub(crate) fn readings(&self, text: impl Fn(Fingerprint) -> String) -> Vec<Reading> {
        let reading = |(key, (sighting, _)): (&SlowKey, &(Sighting, i64))| Reading {
            metric: metric::SLOW_QUERY_MS,
            project: key.project.clone(),
            labels: Labels::from([("database", key.database.clone())]),
            value: sighting.worst_ms,
            fingerprint: Some(key.fingerprint),
            traceparent: sighting.traceparent.clone(),
            note: text(key.fingerprint),
        };
        self.held.iter().map(reading).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(fingerprint: u64, server_us: u64) -> QueryExecuted {
        QueryExecuted {
            fingerprint,
            server_us,
            started_unix_ms: 1_000,
            ..QueryExecuted::default()
        }
    }

    #[test]
    fn slow_statements_of_one_shape_become_one_sighting() {
        let mut slow = SlowQueries::new(1_000.0);
        let project = Project::default();
        assert!(!slow.look_at(&project, &event(1, 999_999)));
        assert!(slow.look_at(&project, &event(1, 1_000_000)));
        assert!(slow.look_at(&project, &event(1, 3_000_000)));
        assert!(slow.look_at(&project, &event(2, 2_000_000)));
        let taken = slow.take();
        assert_eq!(taken.len(), 2);
        let sighting = &taken[0].1;
        assert_eq!(
            (sighting.count, sighting.worst_ms, sighting.last_unix_ms),
            (2, 3_000.0, 4_000)
        );
        assert!(slow.take().is_empty());
    }

    #[test]
    fn a_shape_is_slow_until_it_was_quiet_and_takes_a_bounded_room() {
        let mut slow = SlowQueries::new(1_000.0);
        let mut lately = SlowLately::default();
        let project = Project::default();
        slow.look_at(&project, &event(1, 3_000_000));
        assert!(lately.turn(slow.take(), 0, 100));
        slow.look_at(&project, &event(1, 2_000_000));
        assert!(lately.turn(slow.take(), 100, 200) && !lately.turn(Vec::new(), 200, 300));
        let readings = lately.readings(|print| print.to_string());
        assert_eq!(
            (readings[0].value, readings[0].note.as_str()),
            (3_000.0, "0000000000000001")
        );
        assert!(lately.turn(Vec::new(), 201, 500) && lately.readings(|_| String::new()).is_empty());

        for round in 0..2_u64 {
            for fingerprint in 0..HELD_MAX as u64 {
                slow.look_at(&project, &event(fingerprint + round, 1_000_000));
            }
            lately.turn(slow.take(), 0, 600);
        }
        assert_eq!(lately.readings(|_| String::new()).len(), HELD_MAX);
    }

    #[test]
    fn waiting_for_a_connection_counts_as_slow_too() {
        let mut slow = SlowQueries::new(1_000.0);
        let waited = QueryExecuted {
            queue_wait_us: 900_000,
            server_us: 200_000,
            ..event(1, 0)
        };
        assert!(slow.look_at(&Project::default(), &waited));
    }
}
