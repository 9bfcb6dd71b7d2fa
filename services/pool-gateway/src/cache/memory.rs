//! Level 1: results in the memory of this process.
//!
//! Bounded by bytes; what is used again and again outlives what came once. Each project has its share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};
use weir_model::Project;

use super::entry::Entry;
use super::worth::{FillRefusal, Gone};

type Key = Box<[u8]>;
type Held = Arc<Entry>;

/// An average entry, for the number of places.
const ENTRY_BYTES: usize = 768;

/// Results of this process.
#[derive(Debug)]
pub(crate) struct Memory {
    held: Cache<Key, Held, ByBytes, DefaultHashBuilder, Leaving>,
    budgets: Arc<Budgets>,
}

#[derive(Debug, Clone, Copy)]
struct ByBytes;

impl Weighter<Key, Held> for ByBytes {
    fn weight(&self, _key: &Key, held: &Held) -> u64 {
        held.bytes() as u64
    }
}

/// What each project holds, and what all may.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    projects: Mutex<HashMap<Project, u32>>,
    held: Mutex<HashMap<u32, u64>>,
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

impl Budgets {
    /// The number of a project.
    pub(crate) fn number(&self, project: &Project) -> u32 {
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        let next = u32::try_from(projects.len()).unwrap_or(u32::MAX);
        *projects.entry(project.clone()).or_insert(next)
    }

    fn comes(&self, held: &Entry) {
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry(held.project).or_default() += held.bytes() as u64;
    }

    fn leaves(&self, held: &Entry, how: Gone) {
        held.shape.account.gone(held.bytes(), how);
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = all.entry(held.project).or_default();
        *sum = sum.saturating_sub(held.bytes() as u64);
    }

    fn of(&self, project: u32) -> u64 {
        let all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&project).copied().unwrap_or_default()
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
        Self { held, budgets }
    }

    pub(crate) const fn budgets(&self) -> &Arc<Budgets> {
        &self.budgets
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Arc<Entry>> {
        self.held.get(key)
    }

    /// Keeps a result, if its project may hold so much.
    pub(crate) fn put(&self, key: &[u8], entry: Arc<Entry>, project_bytes_max: u64) -> Result<(), FillRefusal> {
        let old = self.held.remove(key);
        if let Some((_, old)) = &old {
            self.budgets.leaves(old, Gone::Removed);
        }
        if self.budgets.of(entry.project) + entry.bytes() as u64 > project_bytes_max {
            return Err(FillRefusal::Budget);
        }
        self.budgets.comes(&entry);
        self.held.insert(key.into(), entry);
        Ok(())
    }

    /// Forgets a result that is void.
    pub(crate) fn forget(&self, key: &[u8], entry: &Arc<Entry>) {
        let removed = self.held.remove_if(key, |held| Arc::ptr_eq(held, entry));
        if let Some((_, old)) = &removed {
            self.budgets.leaves(old, Gone::Removed);
        }
    }
}
