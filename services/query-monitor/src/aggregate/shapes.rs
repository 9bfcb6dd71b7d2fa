//! What fingerprints stand for, as gateways tell it. Pure.
//!
//! Texts wait here until they are in the store, and stay as long as there is room: whoever writes an alert or makes a
//! plan asks here first. Gateways tell a text again every minute, so that what had to go comes back if it is needed.

use std::collections::{HashMap, HashSet};

use weir_model::Fingerprint;
use weir_proto::common::v1::StatementKind;
use weir_proto::events::v1::QueryShape;

/// Bytes of texts that are kept; a text has 8 KiB at most.
const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What is known of a shape besides its figures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Its text without literals; empty where it could not be read.
    pub(crate) text: String,
    /// What it does.
    pub(crate) kind: StatementKind,
    /// Whether it may change something.
    pub(crate) writes: bool,
}

/// The shapes that are known.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    known: HashMap<Fingerprint, Shape>,
    unwritten: HashSet<Fingerprint>,
    /// Learnt from a gateway and not told to other monitors yet.
    untold: Vec<QueryShape>,
    text_bytes: usize,
}

impl Shapes {
    /// Learns what a gateway tells.
    pub(super) fn learn(&mut self, told: &QueryShape) {
        if self.hear(told) {
            self.untold.push(told.clone());
        }
    }

    /// What was learnt since this was asked last.
    pub(super) fn take_untold(&mut self) -> Vec<QueryShape> {
        std::mem::take(&mut self.untold)
    }

    /// Learns what another monitor tells; true if it is new.
    pub(super) fn hear(&mut self, told: &QueryShape) -> bool {
        let fingerprint = Fingerprint::new(told.fingerprint);
        if self.known.contains_key(&fingerprint) {
            return false;
        }
        if self.text_bytes > TEXT_BYTES_MAX {
            self.make_room();
        }
        self.text_bytes += told.text.len();
        self.unwritten.insert(fingerprint);
        let shape = Shape {
            text: told.text.clone(),
            kind: told.kind(),
            writes: told.writes,
        };
        self.known.insert(fingerprint, shape);
        true
    }

    /// Forgets what is written; or, where the store is away for so long that nothing is, everything.
    fn make_room(&mut self) {
        if self.unwritten.len() * 2 > self.known.len() {
            self.unwritten.clear();
        }
        self.known.retain(|fingerprint, _| self.unwritten.contains(fingerprint));
        self.text_bytes = self.known.values().map(|shape| shape.text.len()).sum();
    }

    /// What is known of a shape.
    pub(crate) fn get(&self, fingerprint: Fingerprint) -> Option<&Shape> {
        self.known.get(&fingerprint)
    }

    /// What is known of these.
    pub(crate) fn of(&self, fingerprints: &[Fingerprint]) -> HashMap<Fingerprint, Shape> {
        let known = |fingerprint: &Fingerprint| Some((*fingerprint, self.known.get(fingerprint)?.clone()));
        fingerprints.iter().filter_map(known).collect()
    }

    /// Those whose text contains this, upper and lower case alike.
    pub(crate) fn search(&self, text: &str) -> Vec<Fingerprint> {
        let text = text.to_lowercase();
        let matching = self
            .known
            .iter()
            .filter(|(_, shape)| shape.text.to_lowercase().contains(&text));
        matching.map(|(fingerprint, _)| *fingerprint).collect()
    }

    /// Those of a kind.
    pub(crate) fn of_kind(&self, kind: StatementKind) -> Vec<Fingerprint> {
        let matching = self.known.iter().filter(|(_, shape)| shape.kind == kind);
        matching.map(|(fingerprint, _)| *fingerprint).collect()
    }

    /// Shapes that are not in the store yet.
    pub(crate) fn unwritten(&self) -> Vec<(Fingerprint, Shape)> {
        let shape = |fingerprint: &Fingerprint| Some((*fingerprint, self.known.get(fingerprint)?.clone()));
        self.unwritten.iter().filter_map(shape).collect()
    }

    /// These are in the store now.
    pub(crate) fn written(&mut self, shapes: &[(Fingerprint, Shape)]) {
        for (fingerprint, _) in shapes {
            self.unwritten.remove(fingerprint);
        }
    }

    /// How many are known.
    pub(crate) fn count(&self) -> usize {
        self.known.len()
    }
}
