//! Counts what transactions do, until they end. Pure.
//!
//! Memory is bounded whatever the log holds: a transaction that changes very many relations keeps those it changed
//! first, and the others together; where very many transactions are open, later ones are not counted until some have ended.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::facts::{Commit, Fact, Rows};
use super::hashing::Seeded;
use super::record::Locator;

/// Relations that are counted apart in one transaction.
const RELATIONS_MAX: usize = 512;

/// How many places are found without a look into the map.
const RECENT: usize = 16;
/// The place of the others in the list of all relations.
const OTHERS: u32 = 0;

/// How much is kept of transactions that have not ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Transactions, children counted apart.
    pub transactions: usize,
    /// Relations, summed over all transactions.
    pub relations: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            transactions: 200_000,
            relations: 1_000_000,
        }
    }
}

/// A relation as the log names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    /// By its files.
    Files(Locator),
    /// By its oid in a database.
    Oid(u32, u32),
    /// Relations that are not counted apart.
    Others,
}

/// What happened to the rows of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
    /// It was emptied, rewritten or dropped.
    pub replaced: bool,
}

impl Counts {
    /// Adds what happened besides.
    pub(crate) fn add(&mut self, other: &Self) {
        self.inserted = self.inserted.saturating_add(other.inserted);
        self.updated = self.updated.saturating_add(other.updated);
        self.deleted = self.deleted.saturating_add(other.deleted);
        self.replaced |= other.replaced;
    }

    fn note(&mut self, rows: Rows) {
        match rows {
            Rows::Inserted(count) => self.inserted = self.inserted.saturating_add(count),
            Rows::Updated => self.updated = self.updated.saturating_add(1),
            Rows::Deleted => self.deleted = self.deleted.saturating_add(1),
            Rows::Retracted => self.inserted = self.inserted.saturating_sub(1),
        }
    }

    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What a transaction changed: relations by their place in the list of all, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Changes {
    pub counts: Vec<(u32, Counts)>,
    /// Relations that it made itself.
    pub made: Vec<u32>,
}

/// A commit, with what it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Committed {
    pub xid: u32,
    pub start: u64,
    pub end: u64,
    pub unix_us: i64,
    pub database: u32,
    pub counts: Vec<(u32, Counts)>,
}

/// A point to restore to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Point {
    pub name: String,
    pub end: u64,
    pub unix_us: i64,
}

/// What happened in a part of the log.
#[derive(Debug, Default)]
pub(super) struct Tally {
    bounds: Bounds,
    pub relations: Vec<Key>,
    places: HashMap<Key, u32, Seeded>,
    /// The places that were asked for last, by the lowest bits of the number.
    recent: [Option<(Locator, u32)>; RECENT],
    pub open: HashMap<u32, Changes, Seeded>,
    /// Relations counted in `open`.
    held: usize,
    /// Changes that were not counted, because too much was open.
    pub uncounted: u64,
    pub commits: Vec<Committed>,
    pub points: Vec<Point>,
}

impl Tally {
    /// Nothing yet.
    pub(super) fn new(bounds: Bounds) -> Self {
        let mut tally = Self {
            bounds,
            ..Self::default()
        };
        tally.place(Key::Others);
        tally
    }

    /// The place of a relation in the list of all.
    pub(super) fn place(&mut self, key: Key) -> u32 {
        let next = u32::try_from(self.relations.len()).unwrap_or(u32::MAX);
        match self.places.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(fresh) => {
                self.relations.push(key);
                *fresh.insert(next)
            }
        }
    }

    /// The same for records, which name few relations again and again.
    fn recent_place(&mut self, key: Key) -> u32 {
        let Key::Files(locator) = key else {
            return self.place(key);
        };
        let slot = locator.node as usize % RECENT;
        if let Some(Some((known, place))) = self.recent.get(slot)
            && *known == locator
        {
            return *place;
        }
        let place = self.place(key);
        if let Some(slot) = self.recent.get_mut(slot) {
            *slot = Some((locator, place));
        }
        place
    }

    /// Goes on with a transaction that began before.
    pub(super) fn resume(&mut self, xid: u32, changes: Changes) {
        self.held += changes.counts.len();
        self.open.insert(xid, changes);
    }

    /// Takes what a record says, which lies there.
    pub(super) fn take(&mut self, xid: u32, (start, end): (u64, u64), fact: Fact) {
        match fact {
            Fact::Rows(relation, rows) => self.count(xid, Key::Files(relation), |counts| counts.note(rows)),
            Fact::Emptied(relation) => self.count(xid, Key::Files(relation), |counts| counts.replaced = true),
            Fact::EmptiedByOid(database, oids) => {
                for oid in oids {
                    self.count(xid, Key::Oid(database, oid), |counts| counts.replaced = true);
                }
            }
            Fact::Made(relation) => self.made(xid, relation),
            Fact::Committed(commit) => self.commit(commit, start, end),
            Fact::Aborted(xids) => {
                for xid in xids {
                    self.close(xid);
                }
            }
            Fact::OldestRunning(oldest) => self.forget_before(oldest),
            Fact::RestorePoint(name, unix_us) => self.points.push(Point { name, end, unix_us }),
            Fact::Switched => {}
        }
    }

    fn count(&mut self, xid: u32, key: Key, note: impl FnOnce(&mut Counts)) {
        if xid == 0 {
            return;
        }
        let mut place = self.recent_place(key);
        let is_full = self.held >= self.bounds.relations;
        let Some(changes) = opened(&mut self.open, xid, self.bounds) else {
            self.uncounted = self.uncounted.saturating_add(1);
            return;
        };
        let mut found = changes.counts.binary_search_by_key(&place, |(place, _)| *place);
        if found.is_err() && (is_full || changes.counts.len() >= RELATIONS_MAX) {
            place = OTHERS;
            found = changes.counts.binary_search_by_key(&place, |(place, _)| *place);
        }
        let at = found.unwrap_or_else(|at| {
            changes.counts.insert(at, (place, Counts::default()));
            self.held += 1;
            at
        });
        if let Some((_, counts)) = changes.counts.get_mut(at) {
            note(counts);
        }
    }

    fn made(&mut self, xid: u32, relation: Locator) {
        if xid == 0 {
            return;
        }
        let place = self.place(Key::Files(relation));
        if let Some(changes) = opened(&mut self.open, xid, self.bounds)
            && changes.made.len() < RELATIONS_MAX
        {
            changes.made.push(place);
        }
    }

    fn close(&mut self, xid: u32) -> Option<Changes> {
        let changes = self.open.remove(&xid)?;
        self.held = self.held.saturating_sub(changes.counts.len());
        Some(changes)
    }

    fn commit(&mut self, commit: Commit, start: u64, end: u64) {
        let mut whole = self.close(commit.xid).unwrap_or_default();
        for child in &commit.children {
            if let Some(changes) = self.close(*child) {
                merge(&mut whole, changes);
            }
        }
        let mut dropped: Vec<u32> = commit.dropped.iter().map(|one| self.place(Key::Files(*one))).collect();
        dropped.retain(|place| !whole.made.contains(place));
        let replaced = Counts {
            replaced: true,
            ..Counts::default()
        };
        whole.counts.extend(dropped.into_iter().map(|place| (place, replaced)));
        let counts = summed(whole.counts);
        self.commits.push(Committed {
            xid: commit.xid,
            start,
            end,
            unix_us: commit.unix_us,
            database: self.database_of(commit.database, &counts),
            counts,
        });
    }

    /// Its database, as it says or as its relations say.
    fn database_of(&self, said: u32, counts: &[(u32, Counts)]) -> u32 {
        let of_relation = |(place, _): &(u32, Counts)| match self.relations.get(*place as usize)? {
            Key::Files(locator) => Some(locator.database).filter(|database| *database != 0),
            Key::Oid(database, _) => Some(*database),
            Key::Others => None,
        };
        if said != 0 {
            return said;
        }
        counts.iter().find_map(of_relation).unwrap_or(0)
    }

    /// Transactions that a crash ended have no record of their end.
    fn forget_before(&mut self, oldest: u32) {
        let held = &mut self.held;
        self.open.retain(|xid, changes| {
            let stays = !precedes(*xid, oldest);
            if !stays {
                *held = held.saturating_sub(changes.counts.len());
            }
            stays
        });
    }
}

fn opened(open: &mut HashMap<u32, Changes, Seeded>, xid: u32, bounds: Bounds) -> Option<&mut Changes> {
    let is_full = open.len() >= bounds.transactions;
    match open.entry(xid) {
        Entry::Occupied(known) => Some(known.into_mut()),
        Entry::Vacant(_) if is_full => None,
        Entry::Vacant(fresh) => Some(fresh.insert(Changes::default())),
    }
}

fn merge(into: &mut Changes, mut child: Changes) {
    into.counts.append(&mut child.counts);
    into.made.append(&mut child.made);
}

/// One entry for each relation, without those of which nothing is left.
fn summed(mut counts: Vec<(u32, Counts)>) -> Vec<(u32, Counts)> {
    counts.sort_by_key(|(place, _)| *place);
    let mut sums: Vec<(u32, Counts)> = Vec::with_capacity(counts.len());
    for (place, one) in counts {
        match sums.last_mut() {
            Some((last, sum)) if *last == place => sum.add(&one),
            _ => sums.push((place, one)),
        }
    }
    sums.retain(|(_, sum)| !sum.is_nothing());
    sums
}

/// Whether a transaction was begun before another. Numbers go round.
const fn precedes(xid: u32, other: u32) -> bool {
    (xid.wrapping_sub(other) as i32) < 0
}
