//! Level 1: results in the memory of this process.
//!
//! Bounded by bytes; what is used again and again outlives what came once. Each project has its share, in which new
//! results take the place of its own old ones.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};

use super::budgets::Budgets;
use super::entry::Entry;
use super::worth::{FillRefusal, Gone};

type Key = Box<[u8]>;
type Held = Arc<Entry>;

/// An average entry, for the number of places.
const ENTRY_BYTES: usize = 768;
/// Results that were used since they were looked at last stay, up to so many for one that comes.
const SPARED_MAX: usize = 32;

/// Results of this process.
#[derive(Debug)]
pub(crate) struct Memory {
    held: Cache<Key, Held, ByBytes, DefaultHashBuilder, Leaving>,
    budgets: Arc<Budgets>,
    bytes_max: u64,
}

#[derive(Debug, Clone, Copy)]
struct ByBytes;

impl Weighter<Key, Held> for ByBytes {
    fn weight(&self, _key: &Key, held: &Held) -> u64 {
        held.bytes() as u64
    }
}

/// Takes note of what makes room.
#[derive(Debug, Clone)]
struct Leaving(Arc<Budgets>);

impl Lifecycle<Key, Held> for Leaving {
    type RequestState = ();

    fn on_evict(&self, _state: &mut Self::RequestState, _key: Key, held: Held) {
        self.0.leaves(&held, Gone::Evicted);
    }
}

impl Memory {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let budgets = Arc::new(Budgets::default());
        let places = (bytes_max / ENTRY_BYTES).max(64);
        let mut options = OptionsBuilder::new();
        options
            .estimated_items_capacity(places)
            .weight_capacity(bytes_max as u64);
        // One shard holds at least some of the largest results.
        options.shards(if bytes_max < 16 << 20 { 1 } else { 4 });
        let leaving = Leaving(budgets.clone());
        let held = match options.build() {
            Ok(options) => Cache::with_options(options, ByBytes, DefaultHashBuilder::default(), leaving),
            // Cannot be: both capacities are given.
            Err(_) => Cache::with(
                places,
                bytes_max as u64,
                ByBytes,
                DefaultHashBuilder::default(),
                leaving,
            ),
        };
        Self {
            held,
            budgets,
            bytes_max: bytes_max as u64,
        }
    }

    pub(crate) const fn budgets(&self) -> &Arc<Budgets> {
        &self.budgets
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Arc<Entry>> {
        self.held.get(key)
    }

    /// Keeps a result, in the place of others of its project where that holds what it may.
    pub(crate) fn put(&self, key: &[u8], entry: Arc<Entry>, project_bytes_max: u64) -> Result<(), FillRefusal> {
        let old = self.held.remove(key);
        if let Some((_, old)) = &old {
            self.budgets.leaves(old, Gone::Removed);
        }
        // Who may fill all of memory makes room as memory does.
        let is_bounded = project_bytes_max < self.bytes_max;
        if is_bounded && !self.make_room(&entry, project_bytes_max) {
            return Err(FillRefusal::Budget);
        }
        self.budgets.comes(&entry);
        self.held.insert(key.into(), entry.clone());
        if is_bounded {
            self.budgets.line_up(entry.project, key, &entry);
            self.budgets
                .tidy(entry.project, |key, address| self.is_here(key, address));
        }
        Ok(())
    }

    /// Has the oldest results of the entry's project go until it fits, but for those that were used meanwhile.
    fn make_room(&self, entry: &Entry, project_bytes_max: u64) -> bool {
        let bytes = entry.bytes() as u64;
        if bytes > project_bytes_max {
            return false;
        }
        let (mut spared, mut has_counted) = (0, false);
        while self.budgets.of(entry.project) + bytes > project_bytes_max {
            let Some((key, address)) = self.budgets.oldest(entry.project) else {
                // What came while it was not bounded is in no line.
                if std::mem::replace(&mut has_counted, true) {
                    return false;
                }
                self.line_all_up(entry.project);
                continue;
            };
            let Some(old) = self.held.peek(&*key).filter(|old| address_of(old) == address) else {
                continue;
            };
            if spared < SPARED_MAX && old.was_used.swap(false, Ordering::Relaxed) {
                spared += 1;
                self.budgets.line_up(entry.project, &key, &old);
                continue;
            }
            if self.held.remove_if(&*key, |held| Arc::ptr_eq(held, &old)).is_some() {
                self.budgets.leaves(&old, Gone::Evicted);
            }
        }
        true
    }

    fn line_all_up(&self, project: u32) {
        for (key, entry) in self.held.iter().filter(|(_, entry)| entry.project == project) {
            self.budgets.line_up(project, &key, &entry);
        }
    }

    fn is_here(&self, key: &[u8], address: usize) -> bool {
        self.held.peek(key).is_some_and(|entry| address_of(&entry) == address)
    }

    /// Forgets a result that is void.
    pub(crate) fn forget(&self, key: &[u8], entry: &Arc<Entry>) {
        let removed = self.held.remove_if(key, |held| Arc::ptr_eq(held, entry));
        if let Some((_, old)) = &removed {
            self.budgets.leaves(old, Gone::Removed);
        }
    }
}

/// Stands for an entry as long as that is held. Another one later may have it as well, and is taken for older than it is.
pub(super) fn address_of(entry: &Arc<Entry>) -> usize {
    Arc::as_ptr(entry).addr()
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
