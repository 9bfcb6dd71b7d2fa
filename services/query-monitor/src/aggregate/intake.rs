//! How complete the statistics are. Pure.
//!
//! Each gateway numbers its messages, and says in each how many events it has put into the ones before and how many it
//! dropped. What is missing between the first and the last number that any monitor saw was lost on the way, or with a
//! monitor that ended before it had written what it knew.

use std::collections::{BTreeMap, HashMap};

use weir_proto::monitor::v1::GatewayIntake;

/// Gateways remembered at most; one that restarts is a new one.
const GATEWAYS_MAX: usize = 1_000;

/// The head of a message from a gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Head<'m> {
    /// The gateway process.
    pub(crate) instance: &'m str,
    /// The number of the message, from 1.
    pub(crate) sequence: u64,
    /// Events in the messages before.
    pub(crate) events_before: u64,
    /// Events in this one.
    pub(crate) events: u64,
    /// Events that the gateway dropped since its start.
    pub(crate) dropped: u64,
}

/// Everything that came in, and everything that is known not to have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Events counted.
    pub(crate) events: u64,
    /// Messages counted.
    pub(crate) batches: u64,
    /// Messages sent but not counted.
    pub(crate) batches_lost: u64,
    /// Events in those.
    pub(crate) events_lost: u64,
    /// Events dropped by gateways before sending.
    pub(crate) events_dropped: u64,
}

impl Totals {
    const fn with(self, seen: &Seen) -> Self {
        Self {
            events: self.events.saturating_add(seen.events),
            batches: self.batches.saturating_add(seen.batches),
            batches_lost: self.batches_lost.saturating_add(seen.batches_lost()),
            events_lost: self.events_lost.saturating_add(seen.events_lost()),
            events_dropped: self.events_dropped.saturating_add(seen.dropped),
        }
    }
}

/// What was seen of one gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The lowest number seen, and how many events the gateway had sent before it.
    pub(crate) first: u64,
    pub(crate) events_before_first: u64,
    /// The highest number seen, and how many events the gateway had sent with it.
    pub(crate) last: u64,
    pub(crate) events_through_last: u64,
    /// Messages that were counted.
    pub(crate) batches: u64,
    /// Events that were counted.
    pub(crate) events: u64,
    /// Events that the gateway dropped before sending.
    pub(crate) dropped: u64,
    /// When the last message came in, in milliseconds since 1970.
    pub(crate) heard_unix_ms: i64,
}

impl Seen {
    const fn of(head: &Head<'_>, now_unix_ms: i64) -> Self {
        Self {
            first: head.sequence,
            events_before_first: head.events_before,
            last: head.sequence,
            events_through_last: head.events_before.saturating_add(head.events),
            batches: 1,
            events: head.events,
            dropped: head.dropped,
            heard_unix_ms: now_unix_ms,
        }
    }

    /// Adds what was seen otherwise of the same gateway.
    pub(crate) fn merge(&mut self, other: &Self) {
        if other.first < self.first {
            (self.first, self.events_before_first) = (other.first, other.events_before_first);
        }
        if other.last > self.last {
            (self.last, self.events_through_last) = (other.last, other.events_through_last);
        }
        self.batches += other.batches;
        self.events += other.events;
        self.dropped = self.dropped.max(other.dropped);
        self.heard_unix_ms = self.heard_unix_ms.max(other.heard_unix_ms);
    }

    const fn batches_lost(&self) -> u64 {
        self.last
            .saturating_add(1)
            .saturating_sub(self.first.saturating_add(self.batches))
    }

    const fn events_lost(&self) -> u64 {
        let sent = self.events_through_last.saturating_sub(self.events_before_first);
        sent.saturating_sub(self.events)
    }
}

/// What was seen of each gateway.
pub(crate) type SeenBy = BTreeMap<String, Seen>;

/// What this monitor saw of a gateway, and when in the order of all messages.
#[derive(Debug)]
struct Own {
    seen: Seen,
    turn: u64,
    /// Whether the store knows that there is such a gateway.
    is_known: bool,
}

/// Follows the numbers of every gateway.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    own: HashMap<String, Own>,
    /// By other monitors, those of before included, as they wrote or told it.
    others: HashMap<String, SeenBy>,
    /// What gateways that were forgotten had added up to.
    forgotten: Totals,
    turn: u64,
}

impl Intake {
    /// Notes one message.
    pub(crate) fn note(&mut self, head: &Head<'_>, now_unix_ms: i64) {
        let seen = Seen::of(head, now_unix_ms);
        self.turn += 1;
        if let Some(known) = self.own.get_mut(head.instance) {
            known.turn = self.turn;
            return known.seen.merge(&seen);
        }
        if self.own.len() >= GATEWAYS_MAX {
            self.forget_oldest();
        }
        let own = Own {
            seen,
            turn: self.turn,
            is_known: false,
        };
        self.own.insert(head.instance.to_owned(), own);
    }

    /// Takes what another monitor has seen, in place of what it had before.
    pub(crate) fn hear_of(&mut self, monitor: &str, seen: SeenBy) {
        self.others.insert(monitor.to_owned(), seen);
    }

    /// Gateways that the store does not know yet, as they were before anything of them was counted. Were this monitor
    /// killed before its first batch, nobody would miss what was in it.
    pub(crate) fn unknown(&self) -> SeenBy {
        let unknown = self.own.iter().filter(|(_, own)| !own.is_known);
        let begun = |seen: &Seen| Seen {
            last: seen.first.saturating_sub(1),
            events_through_last: seen.events_before_first,
            batches: 0,
            events: 0,
            ..*seen
        };
        unknown
            .map(|(gateway, own)| (gateway.clone(), begun(&own.seen)))
            .collect()
    }

    /// The store knows these gateways now.
    pub(crate) fn known(&mut self, gateways: &SeenBy) {
        for gateway in gateways.keys() {
            if let Some(own) = self.own.get_mut(gateway) {
                own.is_known = true;
            }
        }
    }

    /// What this monitor has seen.
    pub(crate) fn own(&self) -> impl Iterator<Item = (&str, &Seen)> {
        self.own.iter().map(|(gateway, own)| (gateway.as_str(), &own.seen))
    }

    fn all(&self) -> SeenBy {
        let others = self.others.values().flatten();
        let others = others.map(|(gateway, seen)| (gateway.as_str(), seen));
        let mut all = SeenBy::new();
        for (gateway, seen) in self.own().chain(others) {
            let known = all.entry(gateway.to_owned()).or_insert(Seen {
                first: u64::MAX,
                ..Seen::default()
            });
            known.merge(seen);
        }
        all
    }

    /// The sums over all gateways and monitors.
    pub(crate) fn totals(&self) -> Totals {
        self.all().values().fold(self.forgotten, Totals::with)
    }

    /// Each gateway that is remembered.
    pub(crate) fn gateways(&self) -> Vec<GatewayIntake> {
        let line = |(instance, seen): (String, Seen)| GatewayIntake {
            instance,
            events_received_total: seen.events,
            batches_received_total: seen.batches,
            batches_lost_total: seen.batches_lost(),
            events_dropped_total: seen.dropped,
            last_seen_unix_ms: seen.heard_unix_ms,
            events_lost_total: seen.events_lost(),
        };
        self.all().into_iter().map(line).collect()
    }

    /// Forgets the gateway that was silent for longest. One that still talks keeps its place: its counts are totals,
    /// and would be added a second time if it were met again.
    fn forget_oldest(&mut self) {
        let oldest = self.own.iter().min_by_key(|(_, own)| own.turn);
        let Some(gateway) = oldest.map(|(gateway, _)| gateway.clone()) else {
            return;
        };
        if let Some(own) = self.own.remove(&gateway) {
            self.forgotten = self.forgotten.with(&own.seen);
        }
    }
}
