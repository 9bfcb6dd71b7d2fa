//! What each project holds of memory. Pure but for locks that are held for moments.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_model::Project;

use super::entry::Entry;
use super::memory::address_of;
use super::worth::Gone;

/// Places in line that stand for nothing any more, beside as many as stand for something.
const STALE_MAX: usize = 1_024;

/// What each project holds, and what all may.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    projects: Mutex<HashMap<Project, u32>>,
    held: Mutex<HashMap<u32, Held>>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: u64,
    entries: usize,
    /// The keys of a project with a bound, the oldest first, each with what it stood for.
    line: VecDeque<Place>,
}

type Place = (Box<[u8]>, usize);

impl Budgets {
    /// The number of a project.
    pub(crate) fn number(&self, project: &Project) -> u32 {
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        let next = u32::try_from(projects.len()).unwrap_or(u32::MAX);
        *projects.entry(project.clone()).or_insert(next)
    }

    pub(super) fn comes(&self, entry: &Entry) {
        let mut all = self.held();
        let held = all.entry(entry.project).or_default();
        held.bytes += entry.bytes() as u64;
        held.entries += 1;
    }

    pub(super) fn leaves(&self, entry: &Entry, how: Gone) {
        entry.shape.account.gone(entry.bytes(), how);
        let mut all = self.held();
        let held = all.entry(entry.project).or_default();
        held.bytes = held.bytes.saturating_sub(entry.bytes() as u64);
        held.entries = held.entries.saturating_sub(1);
    }

    /// Bytes that a project holds.
    pub(super) fn of(&self, project: u32) -> u64 {
        self.held().get(&project).map_or(0, |held| held.bytes)
    }

    /// An entry of a project with a bound is the last in its line.
    pub(super) fn line_up(&self, project: u32, key: &[u8], entry: &Arc<Entry>) {
        let place = (key.into(), address_of(entry));
        self.held().entry(project).or_default().line.push_back(place);
    }

    /// Takes the first of a project's line.
    pub(super) fn oldest(&self, project: u32) -> Option<Place> {
        self.held().get_mut(&project)?.line.pop_front()
    }

    /// Leaves places out of a project's line that stand for nothing any more, where they have become many.
    pub(super) fn tidy(&self, project: u32, is_here: impl Fn(&[u8], usize) -> bool) {
        let taken = {
            let mut all = self.held();
            let held = all.get_mut(&project);
            let long = held.filter(|held| held.line.len() > 2 * held.entries + STALE_MAX);
            long.map(|held| std::mem::take(&mut held.line))
        };
        // Without the lock: whoever is asked takes it when something has to go.
        let Some(mut line) = taken else { return };
        line.retain(|(key, address)| is_here(key, *address));
        let mut all = self.held();
        let held = all.entry(project).or_default();
        line.append(&mut held.line);
        held.line = line;
    }

    fn held(&self) -> MutexGuard<'_, HashMap<u32, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn places(&self, project: u32) -> usize {
        self.held().get(&project).map_or(0, |held| held.line.len())
    }
}
