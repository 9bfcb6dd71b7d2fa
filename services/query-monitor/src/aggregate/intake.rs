//! How complete the statistics are. Pure.
//!
//! Each gateway numbers its messages and tells how many events it dropped before sending. What is missing between the
//! first and the last number seen was lost on the way.

use std::collections::HashMap;

use weir_proto::events::v1::QueryBatch;
use weir_proto::monitor::v1::GatewayIntake;

/// Gateways remembered at most; one that restarts is a new one.
const INSTANCES_MAX: usize = 1_000;

/// Everything that came in, and everything that is known not to have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Events counted.
    pub events: u64,
    /// Messages counted.
    pub batches: u64,
    /// Messages sent but not received.
    pub batches_lost: u64,
    /// Events dropped by gateways before sending.
    pub events_dropped: u64,
}

impl Totals {
    const fn with(self, instance: &Instance) -> Self {
        Self {
            batches_lost: self.batches_lost.saturating_add(instance.lost()),
            events_dropped: self.events_dropped.saturating_add(instance.dropped),
            ..self
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Instance {
    first: u64,
    last: u64,
    received: u64,
    dropped: u64,
    events: u64,
    last_seen_unix_ms: i64,
    /// The number of the last message of it among all that came in.
    heard: u64,
}

impl Instance {
    const fn lost(&self) -> u64 {
        (self.last - self.first).saturating_add(1).saturating_sub(self.received)
    }
}

/// Follows the numbers of every gateway.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    instances: HashMap<String, Instance>,
    /// What gateways that were forgotten had added up to.
    forgotten: Totals,
    events: u64,
    batches: u64,
}

impl Intake {
    /// Notes one message.
    pub(crate) fn note(&mut self, batch: &QueryBatch) {
        self.events += batch.events.len() as u64;
        self.batches += 1;
        if self.instances.len() >= INSTANCES_MAX && !self.instances.contains_key(&batch.instance) {
            self.forget_oldest();
        }
        let fresh = Instance {
            first: batch.sequence,
            last: batch.sequence,
            received: 0,
            dropped: 0,
            events: 0,
            last_seen_unix_ms: 0,
            heard: 0,
        };
        let instance = self.instances.entry(batch.instance.clone()).or_insert(fresh);
        instance.first = instance.first.min(batch.sequence);
        instance.last = instance.last.max(batch.sequence);
        instance.received += 1;
        instance.heard = self.batches;
        instance.dropped = instance.dropped.max(batch.dropped_total);
        instance.events += batch.events.len() as u64;
        let last = batch
            .events
            .iter()
            .map(|event| event.started_unix_ms)
            .max()
            .unwrap_or_default();
        instance.last_seen_unix_ms = instance.last_seen_unix_ms.max(last);
    }

    /// The sums over all gateways.
    pub(crate) fn totals(&self) -> Totals {
        let zero = Totals {
            events: self.events,
            batches: self.batches,
            ..self.forgotten
        };
        self.instances.values().fold(zero, Totals::with)
    }

    /// Each gateway that is remembered.
    pub(crate) fn gateways(&self) -> impl Iterator<Item = GatewayIntake> {
        self.instances.iter().map(|(name, instance)| GatewayIntake {
            instance: name.clone(),
            events_received_total: instance.events,
            batches_received_total: instance.received,
            batches_lost_total: instance.lost(),
            events_dropped_total: instance.dropped,
            last_seen_unix_ms: instance.last_seen_unix_ms,
        })
    }

    /// Forgets the gateway that was silent for longest. One that still talks keeps its place: its counts are totals,
    /// and would be added a second time if it were met again.
    fn forget_oldest(&mut self) {
        let oldest = self.instances.iter().min_by_key(|(_, instance)| instance.heard);
        let Some(name) = oldest.map(|(name, _)| name.clone()) else {
            return;
        };
        if let Some(instance) = self.instances.remove(&name) {
            self.forgotten = self.forgotten.with(&instance);
        }
    }
}
