//! Garbage collection: what nothing needs is marked, doomed a while later, and only then removed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use tokio::time::Instant;

use super::leases::Watched;
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::plan::garbage::{self, Inventory, Needed, PLACES, Patience, Sweep};
use crate::plan::retention::{self, LogNeeds, Rules};
use crate::repo::state::{BackupKind, Position, State, Trash};
use crate::repo::wal::Segment;
use crate::repo::{self, Listed, Removal, Repository};

/// So many objects are removed at once.
const AT_ONCE: usize = 8;
/// What is doomed is removed in parts of this many, each looked up anew.
const PART: usize = 200;
/// A name that was doomed is not used again for this long, even where the object is gone.
const HOLD: Duration = Duration::from_secs(10 * 60);
/// What is needed is found anew where the state changed meanwhile, so often.
const TRIES: usize = 6;
/// So many old generations are removed in a round.
const GENERATIONS_MAX: usize = 10_000;

/// How to collect.
#[derive(Debug, Clone, Default)]
pub(crate) struct How {
    pub rules: Rules,
    /// Trash is doomed after this.
    pub grace: Duration,
    /// A writer that was silent for this long is taken for dead.
    pub dead_after: Duration,
    pub now_unix_ms: i64,
}

/// What a round collected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Collected {
    /// Writers that were taken for dead.
    pub leases_ended: Vec<String>,
    /// Objects that nothing needs, found now.
    pub marked: usize,
    /// Objects that await removal, in bytes.
    pub waiting_bytes: u64,
    /// Of these, what cannot be removed yet because it is locked.
    pub locked_bytes: u64,
    /// Objects that were removed.
    pub removed_objects: u64,
    /// Their bytes.
    pub removed_bytes: u64,
    /// Segments of the log that were removed.
    pub wal_segments: u64,
    /// Old generations and sets of keys that were removed.
    pub old_states: u64,
    /// Objects that the store does not let go, though nothing needs them. They are tried again in each round.
    pub held_objects: u64,
    /// Their bytes.
    pub held_bytes: u64,
    /// What the store said of one of them. Empty: it holds none.
    pub held_reason: String,
    /// Files of a directory that were removed because whoever wrote them was gone before they were whole.
    pub leftovers: u64,
}

/// A round of collection. What it did is told even where it could not go on.
pub(crate) async fn collect(
    repository: &Repository,
    watched: &Mutex<Watched>,
    how: &How,
    pace: &Pace,
    told: &mut Collected,
) -> Result<(), Error> {
    pace.progress().begin("collect", 0);
    // First what takes no writing: the disk may be full.
    told.leftovers = repository
        .shelf()
        .sweep(how.now_unix_ms.saturating_sub(ms(how.grace)))
        .await?
        .files;
    told.leases_ended = end_silent(repository, watched, how).await?;
    let begun = begin(repository).await?;
    let log = give_up_log(repository, how).await?;
    let patience = Patience {
        grace_ms: ms(how.grace),
        hold_ms: ms(how.grace.min(HOLD)),
        until_generation: begun,
    };
    let there = inventory(repository, &how.rules).await?;
    let found = mark(repository, &there, &log, patience).await?;
    (told.marked, told.waiting_bytes) = (found.marked, found.waiting_bytes);
    told.locked_bytes = there.locked_bytes(&repository.state().await?);
    remove_doomed(repository, &there, patience, pace, told).await?;
    remove_log(repository, &there, &log, pace, told).await?;
    remove_old_states(repository, &there, pace, told).await
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Ends the leases of writers that were silent for too long, unless they were heard meanwhile.
async fn end_silent(repository: &Repository, watched: &Mutex<Watched>, how: &How) -> Result<Vec<String>, Error> {
    let state = repository.state().await?;
    let silent = {
        let (mut watched, now) = (watched.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        watched.observe(repository.id(), &state.leases, now);
        watched.silent(repository.id(), &state.leases, now, how.dead_after)
    };
    if silent.is_empty() {
        return Ok(Vec::new());
    }
    let ended = repository.change(|state| {
        let (dead, live): (Vec<_>, Vec<_>) = state.leases.drain(..).partition(|lease| silent.contains(lease));
        state.leases = live;
        Ok(dead.into_iter().map(|lease| lease.id).collect::<Vec<_>>())
    });
    let ended = ended.await?;
    for lease in &ended {
        tracing::warn!(
            repository = repository.name(),
            lease,
            "a writer was silent for too long and has to begin anew"
        );
    }
    Ok(ended)
}

/// The generation that a round begins at. Where something waits, one is made, so that the store tells the time.
async fn begin(repository: &Repository) -> Result<u64, Error> {
    let state = repository.state().await?;
    if !state.trash.is_empty() || !state.doomed.is_empty() {
        repository.change(|_| Ok(())).await?;
    }
    Ok(state.generation)
}

/// Says in the state which log is given up, before any of it goes.
async fn give_up_log(repository: &Repository, how: &How) -> Result<LogNeeds, Error> {
    let needs = |state: &State| retention::log_needs(state, &how.rules, how.now_unix_ms);
    let state = repository.state().await?;
    let Some(from) = needs(&state).from else {
        return Ok(LogNeeds::default());
    };
    if is_told(&state, from) {
        return Ok(needs(&state));
    }
    let given_up = repository.change(|state| {
        let needs = needs(state);
        if let Some(from) = needs.from {
            tell_floor(state, from);
        }
        Ok(needs)
    });
    Ok(given_up.await?)
}

fn is_told(state: &State, from: Position) -> bool {
    let floor = state.wal_floors.iter().find(|floor| floor.timeline == from.timeline);
    floor.is_some_and(|floor| floor.lsn >= from.lsn)
}

/// Floors only rise: what was given up once does not come back.
fn tell_floor(state: &mut State, from: Position) {
    match state
        .wal_floors
        .iter_mut()
        .find(|floor| floor.timeline == from.timeline)
    {
        Some(floor) => floor.lsn = floor.lsn.max(from.lsn),
        None => state.wal_floors.push(from),
    }
    state.wal_floors.sort_by_key(|floor| floor.timeline);
}

async fn inventory(repository: &Repository, rules: &Rules) -> Result<Inventory, repo::Error> {
    let mut objects = Vec::new();
    for place in PLACES {
        objects.extend(repository.shelf().list(place).await?);
    }
    let generations = repository.shelf().list("generations").await?;
    Ok(Inventory {
        objects,
        generations: generations.iter().filter_map(numbered).collect(),
        lock_ms: i64::from(rules.lock_days) * 24 * 60 * 60 * 1000,
    })
}

fn numbered(object: &Listed) -> Option<(u64, i64)> {
    let number = object.path.rsplit('/').next()?.parse().ok()?;
    Some((number, object.modified_unix_ms))
}

/// What the roots of a state need. A manifest that cannot be read ends it: nobody knows what is garbage then.
async fn needed(repository: &Repository, state: &State, known: Needed) -> Result<Needed, repo::Error> {
    let mut needed = known;
    let roots: Vec<_> = garbage::rooted(state).cloned().collect();
    for backup in roots {
        if needed.knows(&backup) {
            continue;
        }
        let packs = match repository.manifest(&backup).await {
            Ok(manifest) => manifest.packs,
            // An export may be something else; all that lies under its id is kept.
            Err(repo::Error::Missing { .. }) if backup.kind() == BackupKind::Project => Vec::new(),
            Err(error) => return Err(error),
        };
        needed.add(&backup, packs.into_iter().map(|pack| pack.path));
    }
    Ok(needed)
}

async fn mark(repository: &Repository, there: &Inventory, log: &LogNeeds, patience: Patience) -> Result<Sweep, Error> {
    let mut known = Needed::default();
    for _ in 0..TRIES {
        let state = repository.state().await?;
        known = needed(repository, &state, known).await?;
        let mut tried = state.clone();
        match garbage::sweep(&mut tried, &known, log, there, patience) {
            None => continue,
            Some(found) if tried == state => return Ok(found),
            Some(_) => {}
        }
        let swept = repository
            .change(|state| Ok(garbage::sweep(state, &known, log, there, patience)))
            .await?;
        if let Some(found) = swept {
            return Ok(found);
        }
    }
    let reason = format!(
        "backups of repository {} come and go too fast to collect",
        repository.name()
    );
    Err(repo::Error::Busy(reason).into())
}

async fn remove_doomed(
    repository: &Repository,
    there: &Inventory,
    patience: Patience,
    pace: &Pace,
    told: &mut Collected,
) -> Result<(), Error> {
    let doomed = repository.state().await?.doomed;
    let listed: HashSet<&str> = there.objects.iter().map(|object| object.path.as_str()).collect();
    let mut held = Held::new();
    for part in doomed.chunks(PART) {
        // Whoever slept since may hold a list that others have done and forgotten.
        let now: HashSet<Trash> = repository.state().await?.doomed.into_iter().collect();
        let part: Vec<&Trash> = part.iter().filter(|trash| now.contains(*trash)).collect();
        let paths = part.iter().map(|trash| trash.path.clone()).collect();
        let kept = remove(repository, paths, pace).await?;
        for trash in part.iter().filter(|trash| listed.contains(trash.path.as_str())) {
            match kept.get(&trash.path) {
                Some(reason) => told.hold(trash.bytes, reason),
                None => {
                    told.removed_objects += 1;
                    told.removed_bytes += trash.bytes;
                    pace.progress().add(trash.bytes);
                }
            }
        }
        held.extend(kept);
    }
    if doomed.is_empty() {
        return Ok(());
    }
    let removed = doomed.into_iter().map(|trash| trash.path);
    let removed: HashSet<String> = removed.filter(|path| !held.contains_key(path)).collect();
    let mut tried = repository.state().await?;
    if garbage::forget(&mut tried, &removed, there, patience) > 0 {
        let forgotten = repository.change(|state| Ok(garbage::forget(state, &removed, there, patience)));
        forgotten.await?;
    }
    Ok(())
}

/// What a store does not let go, by path, with what it said.
type Held = HashMap<String, String>;

impl Collected {
    fn hold(&mut self, bytes: u64, reason: &str) {
        self.held_objects += 1;
        self.held_bytes += bytes;
        reason.clone_into(&mut self.held_reason);
    }
}

/// Removes what the store lets go; what it does not is told.
async fn remove(repository: &Repository, paths: Vec<String>, pace: &Pace) -> Result<Held, Error> {
    let removals = futures_util::stream::iter(paths).map(|path| async move {
        if pace.stop().is_cancelled() {
            return Err(Error::Stopped);
        }
        Ok(match repository.shelf().remove(&path).await? {
            Removal::Gone => None,
            Removal::Held(reason) => Some((path, reason)),
        })
    });
    let mut removals = removals.buffer_unordered(AT_ONCE);
    let mut held = Held::new();
    while let Some(removed) = removals.try_next().await? {
        held.extend(removed);
    }
    if let Some((path, reason)) = held.iter().next() {
        tracing::warn!(
            repository = repository.name(),
            objects = held.len(),
            path,
            reason,
            "a store does not let go what nothing needs"
        );
    }
    Ok(held)
}

/// Log that is not needed.
#[derive(Debug, Default)]
pub(crate) struct OldLog {
    objects: Vec<Listed>,
    segments: u64,
}

impl OldLog {
    /// Its size.
    pub(crate) fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.bytes).sum()
    }
}

/// Log that nothing needs.
pub(crate) async fn old_log(repository: &Repository, state: &State, log: &LogNeeds) -> Result<OldLog, repo::Error> {
    let Some(bytes) = garbage::segment_bytes(state).filter(|_| log.from.is_some()) else {
        return Ok(OldLog::default());
    };
    let listed = repository.shelf().list("wal").await?;
    let mut segments = BTreeMap::new();
    let is_old = |object: &Listed| {
        let segment = log_segment(&object.path, bytes);
        segment.filter(|at| !log.has(at.timeline, at.start(), at.end()))
    };
    let old = listed.into_iter().filter(|object| match is_old(object) {
        Some(segment) => {
            segments.insert(segment, ());
            true
        }
        None => false,
    });
    Ok(OldLog {
        objects: old.collect(),
        segments: 0,
    }
    .counted(segments.len()))
}

impl OldLog {
    fn counted(self, segments: usize) -> Self {
        Self {
            segments: segments as u64,
            ..self
        }
    }
}

/// The segment that an object of the log is, or is a piece of. Histories of timelines are kept.
fn log_segment(path: &str, bytes: u32) -> Option<Segment> {
    let mut parts = path.split('/').skip(2);
    let place = parts.next()?;
    matches!(place, "whole" | "pieces").then_some(())?;
    Segment::of_name(parts.next()?, bytes)
}

async fn remove_log(
    repository: &Repository,
    there: &Inventory,
    log: &LogNeeds,
    pace: &Pace,
    told: &mut Collected,
) -> Result<(), Error> {
    let state = repository.state().await?;
    let old = old_log(repository, &state, log).await?;
    let (locked, free): (Vec<&Listed>, Vec<&Listed>) = old
        .objects
        .iter()
        .partition(|object| there.is_locked(object.modified_unix_ms));
    told.locked_bytes += locked.iter().map(|object| object.bytes).sum::<u64>();
    let paths = free.iter().map(|object| object.path.clone()).collect();
    let held = remove(repository, paths, pace).await?;
    for object in free {
        match held.get(&object.path) {
            Some(reason) => told.hold(object.bytes, reason),
            None => {
                told.removed_objects += 1;
                told.removed_bytes += object.bytes;
            }
        }
    }
    told.wal_segments = if locked.is_empty() && held.is_empty() {
        old.segments
    } else {
        0
    };
    Ok(())
}

/// Generations go one after the other, the oldest first: whoever finds one that it knows may rely on all after it.
async fn remove_old_states(
    repository: &Repository,
    there: &Inventory,
    pace: &Pace,
    told: &mut Collected,
) -> Result<(), Error> {
    for number in garbage::old_generations(there).into_iter().take(GENERATIONS_MAX) {
        if pace.stop().is_cancelled() {
            return Err(Error::Stopped);
        }
        if let Removal::Held(reason) = repository.shelf().remove(&repo::generation_path(number)).await? {
            // They go in order: this one keeps all that come after it.
            told.hold(0, &reason);
            break;
        }
        told.old_states += 1;
    }
    if told.old_states > 0 {
        repository.shelf().settle("generations").await?;
    }
    repository.reload_keys().await?;
    let state = repository.state().await?;
    // Each set holds all keys of those before it.
    let in_use = state.keys.min(repository.keys().number);
    for set in repository.shelf().list("keys").await? {
        let is_old = numbered(&set).is_some_and(|(number, _)| number < in_use);
        if !is_old || there.is_locked(set.modified_unix_ms) {
            continue;
        }
        match repository.shelf().remove(&set.path).await? {
            Removal::Gone => told.old_states += 1,
            Removal::Held(reason) => told.hold(set.bytes, &reason),
        }
    }
    Ok(())
}

/// Bytes of packs that nothing in this state needs.
pub(crate) async fn garbage_bytes(repository: &Repository, state: &State, log: &LogNeeds) -> Result<u64, Error> {
    let there = inventory(repository, &Rules::default()).await?;
    let known = needed(repository, state, Needed::default()).await?;
    let mut tried = state.clone();
    let found = garbage::sweep(&mut tried, &known, log, &there, Patience::default());
    Ok(found.unwrap_or_default().waiting_bytes)
}
