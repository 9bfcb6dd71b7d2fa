//! What the other monitors have counted and not yet written. Pure.
//!
//! Monitors share the statements among them and tell each other what they counted, so that each can answer for all.
//! What one is told stays until the store has the batch that it belongs to, or until it is too old to come any more.

use std::collections::{BTreeMap, HashMap};

use super::cell::Cell;
use super::names::Line;
use super::spans::{Spans, fold_if_overfull};

/// Monitors that are listened to; there are two or three.
const PEERS_MAX: usize = 64;
/// How long a monitor may be silent before it is taken for gone.
const PEER_SILENT_MS: i64 = 5_000;
/// How long lines of a batch are kept that the store never gets, because their monitor died with them.
const BATCH_FOR_MS: i64 = 120_000;

/// One batch that another monitor will write.
#[derive(Debug, Default)]
struct Coming {
    spans: Spans,
    told_unix_ms: i64,
}

/// Another monitor.
#[derive(Debug, Default)]
struct Peer {
    heard_unix_ms: i64,
    batches: BTreeMap<i64, Coming>,
}

/// The other monitors.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    by_name: HashMap<String, Peer>,
}

impl Peers {
    /// Notes that a monitor is there. False: there are too many to listen to this one.
    pub(super) fn hear(&mut self, monitor: &str, now_unix_ms: i64) -> bool {
        if self.by_name.len() >= PEERS_MAX && !self.by_name.contains_key(monitor) {
            return false;
        }
        self.by_name.entry(monitor.to_owned()).or_default().heard_unix_ms = now_unix_ms;
        true
    }

    /// Adds a line that a monitor has counted and will write under this number.
    pub(super) fn add(
        &mut self,
        (monitor, batch): (&str, i64),
        (span, line, cell): (i64, Line, &Cell),
        shapes_max: usize,
    ) {
        let Some(peer) = self.by_name.get_mut(monitor) else {
            return;
        };
        let coming = peer.batches.entry(batch).or_default();
        coming.told_unix_ms = peer.heard_unix_ms;
        let cells = coming.spans.at(span);
        cells.entry(line).or_default().merge(cell);
        fold_if_overfull(cells, shapes_max);
    }

    /// How many listen to what this monitor counts.
    pub(crate) fn count(&self, now_unix_ms: i64) -> usize {
        let lately = now_unix_ms - PEER_SILENT_MS;
        let there = self.by_name.values().filter(|peer| peer.heard_unix_ms >= lately);
        there.count()
    }

    /// What each has counted and not written, as far as is known here.
    pub(super) fn batches(&self) -> impl Iterator<Item = (&str, i64, &Spans)> {
        self.by_name.iter().flat_map(|(monitor, peer)| {
            let batches = peer.batches.iter();
            batches.map(|(number, coming)| (monitor.as_str(), *number, &coming.spans))
        })
    }

    /// The store has the batches of these monitors up to these numbers.
    pub(crate) fn written(&mut self, written: &HashMap<String, i64>, now_unix_ms: i64) {
        for (monitor, peer) in &mut self.by_name {
            let number = written.get(monitor).copied().unwrap_or(0);
            peer.batches = peer.batches.split_off(&(number + 1));
            peer.batches
                .retain(|_, coming| coming.told_unix_ms >= now_unix_ms - BATCH_FOR_MS);
        }
        let is_there = |peer: &Peer| !peer.batches.is_empty() || peer.heard_unix_ms >= now_unix_ms - BATCH_FOR_MS;
        self.by_name.retain(|_, peer| is_there(peer));
    }
}
