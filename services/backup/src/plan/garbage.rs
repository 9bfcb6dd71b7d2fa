//! What nothing in a repository needs any more. Pure.
//!
//! An object is needed by what is listed and by who writes, as the state says it. A listing of the store only says what
//! is there: nothing is removed because a listing lacks something. What is not needed becomes trash in one generation,
//! and is doomed in a later one if it is not needed then either; only what is doomed is removed, and nothing may refer to
//! it again. Each of these steps is a change of the state that fails where the state has become another meanwhile.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::retention::LogNeeds;
use crate::repo::Listed;
use crate::repo::state::{BackupEntry, BackupKind, BackupState, State, Trash};
use crate::repo::wal::Segment;

/// So much is marked at once, so that a state stays small.
const MARKED_MAX: usize = 50_000;
/// So many proofs are remembered.
const PROOFS_MAX: usize = 1_000;
/// So many generations are kept.
pub(crate) const GENERATIONS_KEPT: u64 = 100;

/// Where what a backup consists of lies. Nothing outside of these is ever garbage by this plan.
pub(crate) const PLACES: [&str; 5] = ["packs", "manifests", "exports", "proofs", "commits"];

/// Backups whose manifests say what is needed, and who writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Roots {
    /// Each backup's id, with the hash of its manifest.
    backups: BTreeMap<String, Vec<u8>>,
    leases: BTreeSet<String>,
}

impl Roots {
    /// Those of a state.
    pub(crate) fn of(state: &State) -> Self {
        let backups = rooted(state).map(|backup| (backup.id.clone(), backup.manifest_hash.clone()));
        Self {
            backups: backups.collect(),
            leases: state.leases.iter().map(|lease| lease.id.clone()).collect(),
        }
    }
}

/// Backups that are not given up, and those that somebody takes over chunks from.
pub(crate) fn rooted(state: &State) -> impl Iterator<Item = &BackupEntry> {
    let is_basis = |id: &str| state.leases.iter().any(|lease| lease.basis == id);
    state
        .backups
        .iter()
        .filter(move |backup| backup.state() != BackupState::Expired || is_basis(&backup.id))
}

/// What is needed, as far as these roots go.
#[derive(Debug, Clone, Default)]
pub(crate) struct Needed {
    backups: BTreeMap<String, Vec<u8>>,
    paths: HashSet<String>,
}

impl Needed {
    /// What a root needs besides what lies under its own id.
    pub(crate) fn add(&mut self, backup: &BackupEntry, packs: impl Iterator<Item = String>) {
        self.backups.insert(backup.id.clone(), backup.manifest_hash.clone());
        self.paths.insert(backup.manifest_path());
        self.paths.extend(packs);
    }

    /// Whether it knows what a root needs.
    pub(crate) fn knows(&self, backup: &BackupEntry) -> bool {
        self.backups.get(&backup.id) == Some(&backup.manifest_hash)
    }

    /// Whether it knows every root of a state. If not, nothing can be said of that state.
    pub(crate) fn covers(&self, state: &State) -> bool {
        let known = |(id, hash): (&String, &Vec<u8>)| self.backups.get(id) == Some(hash);
        Roots::of(state).backups.iter().all(known)
    }

    /// Whether an object is needed in a state whose roots it knows.
    fn has(&self, state: &State, log: &LogNeeds, path: &str) -> bool {
        let mut parts = path.split('/');
        let (place, owner) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if self.paths.contains(path) || state.leases.iter().any(|lease| owner.starts_with(&lease.id)) {
            return true;
        }
        match place {
            "packs" | "manifests" | "exports" => {
                rooted(state).any(|backup| backup.kind() == BackupKind::Project && owner.starts_with(&backup.id))
            }
            "proofs" => state.proofs.iter().any(|proof| owner.starts_with(&proof.id)),
            "commits" => segment_of(state, path).is_none_or(|at| log.has(at.timeline, at.start(), at.end())),
            _ => true,
        }
    }
}

/// The segment that an object is named after.
pub(crate) fn segment_of(state: &State, path: &str) -> Option<Segment> {
    let bytes = segment_bytes(state)?;
    let name = path
        .split('/')
        .find_map(|part| part.get(..24).filter(|name| is_segment(name)))?;
    Segment::of_name(name, bytes)
}

fn is_segment(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The size of the cluster's segments. None: no backup has told it yet.
pub(crate) fn segment_bytes(state: &State) -> Option<u32> {
    let told = state.backups.iter().rev().map(|backup| backup.wal_segment_bytes);
    told.into_iter().find(|bytes| *bytes > 0)
}

/// What is there, and what time it is where it lies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inventory {
    /// Objects of the [`PLACES`].
    pub objects: Vec<Listed>,
    /// When each generation that is there was stored.
    pub generations: BTreeMap<u64, i64>,
    /// Objects stay for so long whatever anybody does.
    pub lock_ms: i64,
}

impl Inventory {
    /// The latest time that the store has told.
    fn now_unix_ms(&self) -> i64 {
        self.generations.values().max().copied().unwrap_or(i64::MIN)
    }

    /// When something was marked; no sooner than it was.
    fn marked_unix_ms(&self, generation: u64) -> i64 {
        let at = self.generations.range(generation..).next();
        at.map_or(i64::MAX, |(_, stored)| *stored)
    }

    /// Whether an object cannot be removed yet.
    pub(crate) fn is_locked(&self, modified_unix_ms: i64) -> bool {
        self.lock_ms > 0 && modified_unix_ms.saturating_add(self.lock_ms) > self.now_unix_ms()
    }

    /// What cannot be removed yet.
    pub(crate) fn locked_bytes(&self, state: &State) -> u64 {
        let waiting: HashSet<&str> = state.trash.iter().map(|trash| trash.path.as_str()).collect();
        let locked = self.objects.iter();
        let locked = locked.filter(|at| waiting.contains(at.path.as_str()) && self.is_locked(at.modified_unix_ms));
        locked.map(|object| object.bytes).sum()
    }
}

/// What a round may do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Patience {
    /// Trash is doomed after this.
    pub grace_ms: i64,
    /// What is doomed is forgotten no sooner than after this.
    pub hold_ms: i64,
    /// Only what was marked in this generation or before is doomed.
    pub until_generation: u64,
}

/// What a round found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sweep {
    /// What became trash.
    pub marked: usize,
    /// What was trash and is needed again, or gone.
    pub spared: usize,
    /// What was doomed.
    pub doomed: usize,
    /// What is trash, in bytes.
    pub waiting_bytes: u64,
}

/// Marks and dooms. None: the state has roots that `needed` does not know, and nothing was changed.
pub(crate) fn sweep(
    state: &mut State,
    needed: &Needed,
    log: &LogNeeds,
    there: &Inventory,
    patience: Patience,
) -> Option<Sweep> {
    if !needed.covers(state) {
        return None;
    }
    let mut found = Sweep::default();
    let listed: HashMap<&str, &Listed> = there
        .objects
        .iter()
        .map(|object| (object.path.as_str(), object))
        .collect();
    let snapshot = state.clone();
    let is_garbage = |path: &str| !needed.has(&snapshot, log, path);
    state
        .trash
        .retain(|trash| is_garbage(&trash.path) && listed.contains_key(trash.path.as_str()));
    found.spared = snapshot.trash.len() - state.trash.len();
    let is_due = |trash: &Trash| {
        let since = there.marked_unix_ms(trash.generation);
        let is_free = listed
            .get(trash.path.as_str())
            .is_none_or(|at| !there.is_locked(at.modified_unix_ms));
        trash.generation <= patience.until_generation
            && is_free
            && there.now_unix_ms().saturating_sub(since) >= patience.grace_ms
    };
    // What a store does not let go stays doomed, and must not pile up in the state.
    let mut room = MARKED_MAX.saturating_sub(state.doomed.len());
    let is_next = |trash: &Trash| {
        let is_next = is_due(trash) && room > 0;
        room -= usize::from(is_next);
        is_next
    };
    let (due, waiting): (Vec<Trash>, Vec<Trash>) = state.trash.drain(..).partition(is_next);
    found.doomed = due.len();
    let generation = state.generation + 1;
    state
        .doomed
        .extend(due.into_iter().map(|trash| Trash { generation, ..trash }));
    state.trash = waiting;
    let known: HashSet<String> = state
        .trash
        .iter()
        .chain(&state.doomed)
        .map(|at| at.path.clone())
        .collect();
    let fresh = there
        .objects
        .iter()
        .filter(|object| !known.contains(&object.path) && is_garbage(&object.path));
    let room = MARKED_MAX.saturating_sub(state.trash.len());
    let fresh = fresh.take(room).map(|object| Trash {
        path: object.path.clone(),
        bytes: object.bytes,
        since_unix_ms: there.now_unix_ms(),
        generation,
    });
    let before = state.trash.len();
    state.trash.extend(fresh);
    found.marked = state.trash.len() - before;
    found.waiting_bytes = state.trash.iter().map(|trash| trash.bytes).sum();
    drop_gone(state, &listed);
    Some(found)
}

/// What was given up is forgotten with its manifest, and with it what was found about it.
fn drop_gone(state: &mut State, listed: &HashMap<&str, &Listed>) {
    let doomed: HashSet<&str> = state.doomed.iter().map(|trash| trash.path.as_str()).collect();
    let is_basis: HashSet<&str> = state.leases.iter().map(|lease| lease.basis.as_str()).collect();
    let is_gone = |backup: &BackupEntry| {
        let path = backup.manifest_path();
        let is_free = backup.state() == BackupState::Expired && !is_basis.contains(backup.id.as_str());
        is_free && (doomed.contains(path.as_str()) || !listed.contains_key(path.as_str()))
    };
    let gone: HashSet<String> = state
        .backups
        .iter()
        .filter(|at| is_gone(at))
        .map(|at| at.id.clone())
        .collect();
    state.backups.retain(|backup| !gone.contains(&backup.id));
    state.proofs.retain(|proof| !gone.contains(&proof.backup_id));
    let surplus = state.proofs.len().saturating_sub(PROOFS_MAX);
    state.proofs.drain(..surplus);
}

/// Forgets what was removed, once its name was held for long enough.
pub(crate) fn forget(state: &mut State, removed: &HashSet<String>, there: &Inventory, patience: Patience) -> usize {
    let before = state.doomed.len();
    state.doomed.retain(|doomed| {
        let held = there
            .now_unix_ms()
            .saturating_sub(there.marked_unix_ms(doomed.generation));
        !removed.contains(&doomed.path) || held < patience.hold_ms
    });
    before - state.doomed.len()
}

/// The generations that may go, the oldest first.
pub(crate) fn old_generations(there: &Inventory) -> Vec<u64> {
    let newest = there.generations.keys().max().copied().unwrap_or(0);
    let floor = newest.saturating_sub(GENERATIONS_KEPT);
    let old = there.generations.iter().take_while(|(number, _)| **number <= floor);
    // They go in order: one that has to stay keeps all that come after it.
    let free = old.take_while(|(_, stored)| !there.is_locked(**stored));
    free.map(|(number, _)| *number).collect()
}

#[cfg(test)]
mod tests;
