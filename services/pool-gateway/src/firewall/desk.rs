//! What the firewall has to write into the store, and who waits for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::modes::{ModeSet, Whom};

/// Whether the list is in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) is_kept: bool,
    /// Why not.
    pub(crate) reason: String,
}

/// Modes to be written; none for one that is taken back.
pub(super) type ModeChanges = BTreeMap<Whom, Option<ModeSet>>;

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Desk {
    /// Something is to be kept, although nothing was so far.
    is_needed: AtomicBool,
    /// Whether anybody writes at all.
    is_served: AtomicBool,
    /// Somebody waits.
    pub(super) asked: Notify,
    orders: AtomicU64,
    done: watch::Sender<u64>,
    kept: Mutex<Kept>,
    modes: Mutex<ModeChanges>,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self {
            is_needed: AtomicBool::new(false),
            is_served: AtomicBool::new(false),
            asked: Notify::new(),
            orders: AtomicU64::new(0),
            done: watch::Sender::new(0),
            kept: Mutex::new(Kept {
                is_kept: false,
                reason: "nothing was learned or decided yet".to_owned(),
            }),
            modes: Mutex::default(),
        }
    }

    /// Whether the list is in the store.
    pub(crate) fn kept(&self) -> Kept {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It is, or is not. What was so before.
    pub(super) fn becomes(&self, kept: Kept) -> Kept {
        std::mem::replace(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner), kept)
    }

    /// Something is to be kept from now on.
    pub(super) fn needs_store(&self) {
        if !self.is_needed.load(Ordering::Relaxed) {
            self.is_needed.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn is_needed(&self) -> bool {
        self.is_needed.load(Ordering::Relaxed)
    }

    /// Somebody writes, or nobody.
    pub(super) fn is_served(&self, is_served: bool) {
        self.is_served.store(is_served, Ordering::Relaxed);
    }

    /// Whether anybody writes.
    pub(super) fn has_keeper(&self) -> bool {
        self.is_served.load(Ordering::Relaxed)
    }

    /// A mode was set or taken back.
    pub(super) fn mode(&self, whom: Whom, set: Option<ModeSet>) {
        if self.has_keeper() {
            self.modes
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(whom, set);
        }
    }

    /// The modes that are to be written.
    pub(super) fn mode_changes(&self) -> ModeChanges {
        self.modes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// These were written; what has changed since is still to be.
    pub(super) fn modes_written(&self, written: &ModeChanges) {
        let mut modes = self.modes.lock().unwrap_or_else(PoisonError::into_inner);
        modes.retain(|whom, set| written.get(whom) != Some(set));
    }

    /// Orders that everything so far be written, and waits until it is, or so long. Whoever ordered it may go on either
    /// way: what could not be written is written later.
    pub(crate) async fn written(&self, patience: Duration) {
        if !self.has_keeper() {
            return;
        }
        self.needs_store();
        let mut done = self.done.subscribe();
        let order = self.orders.fetch_add(1, Ordering::AcqRel) + 1;
        self.asked.notify_one();
        // It says in its status whether the list is kept.
        let _ = tokio::time::timeout(patience, done.wait_for(|done| *done >= order)).await;
    }

    /// The last order so far.
    pub(super) fn last_order(&self) -> u64 {
        self.orders.load(Ordering::Acquire)
    }

    /// All orders up to this one are carried out.
    pub(super) fn carried_out(&self, order: u64) {
        self.done.send_replace(order);
    }
}
