//! Makes the index of one segment. Pure.

use std::collections::HashMap;

use super::facts::{Fact, fact_of};
use super::index::{Columns, Index, OpenEntry, PendingEntry, RelationEntry, RestorePoint};
use super::page::{Format, Header};
use super::scan::{Before, Content, End, Next, scan};
use super::tally::{Bounds, Key, Point, Tally};
use crate::repo::wal::Segment;

/// What is at hand of a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub segment: Segment,
    /// Its beginning, or all of it.
    pub bytes: &'a [u8],
    /// Nothing will be added to it.
    pub whole: bool,
    /// The cluster. 0: not known.
    pub system_identifier: u64,
}

/// The index of a segment, given the one before it.
pub(super) fn digest(part: Part<'_>, before: Option<&Index>, bounds: Bounds) -> Index {
    let mut tally = Tally::new(bounds);
    // Beyond a break nothing that was begun is gone on with.
    let goes_on = before.filter(|before| before.broken.is_empty());
    if let Some(before) = goes_on {
        resume(&mut tally, before);
    }
    let magic = Header::read(part.bytes).map(|header| header.format);
    let end = read(part, goes_on, magic, &mut tally);
    index_of(part, before, goes_on.is_none(), tally, end)
}

fn read(part: Part<'_>, before: Option<&Index>, format: Option<Format>, tally: &mut Tally) -> End {
    let content = Content {
        timeline: part.segment.timeline,
        start: part.segment.start(),
        segment_bytes: part.segment.bytes,
        bytes: part.bytes,
    };
    let known = Before {
        fresh: before.is_none(),
        pending: before
            .and_then(|before| before.pending.as_ref())
            .map(PendingEntry::pending),
        last_record: before.and_then(|before| before.last_record),
        system_identifier: Some(part.system_identifier).filter(|identifier| *identifier != 0),
    };
    scan(content, known, &mut |record| {
        let fact = format.and_then(|format| fact_of(record, format).transpose());
        match fact {
            Some(Ok(Fact::Switched)) => return Next::Segment,
            Some(Ok(fact)) => tally.take(record.xid, (record.start, record.end), fact),
            // Its checksum is right, so that it is one of a kind that is not known here.
            Some(Err(_)) => tally.uncounted = tally.uncounted.saturating_add(1),
            None => {}
        }
        Next::Record
    })
}

/// Transactions that were open go on, with their relations in new places.
fn resume(tally: &mut Tally, before: &Index) {
    let places: Vec<u32> = before
        .relations
        .iter()
        .map(RelationEntry::key)
        .map(|key| tally.place(key))
        .collect();
    let others = tally.place(Key::Others);
    for open in &before.open {
        let changes = open.changes(|relation| places.get(relation as usize).copied().unwrap_or(others));
        tally.resume(open.xid, changes);
    }
}

fn index_of(part: Part<'_>, before: Option<&Index>, fresh: bool, tally: Tally, end: End) -> Index {
    let highest = tally.commits.iter().map(|commit| commit.unix_us).max();
    let broken = end.stopped.filter(|_| part.whole).unwrap_or_default();
    let last_break = before.and_then(|before| before.last_break);
    let last_break = if broken.is_empty() { last_break } else { Some(end.end) };
    let mut index = Index {
        timeline: part.segment.timeline,
        number: part.segment.number,
        segment_bytes: part.segment.bytes,
        magic: end.magic.into(),
        system_identifier: end.system_identifier,
        fresh,
        first_record: end.first_record,
        last_record: end.last_record,
        end: end.end,
        switched: end.switched,
        broken,
        last_break,
        highest_unix_us: highest.max(before.and_then(|before| before.highest_unix_us)),
        commits: Some(Columns::of(&tally.commits)),
        points: tally.points.into_iter().map(point).collect(),
        relations: tally.relations.into_iter().map(RelationEntry::of).collect(),
        open: tally
            .open
            .iter()
            .map(|(xid, changes)| OpenEntry::of(*xid, changes))
            .collect(),
        pending: end.pending.map(PendingEntry::of),
        uncounted: tally.uncounted,
        ..Index::default()
    };
    index.open.sort_by_key(|open| open.xid);
    keep_names(&mut index, before);
    drop_unused(&mut index);
    index
}

fn point(point: Point) -> RestorePoint {
    RestorePoint {
        name: point.name,
        end: point.end,
        unix_us: point.unix_us,
    }
}

/// What was known by name before is known by it here.
fn keep_names(index: &mut Index, before: Option<&Index>) {
    let Some(before) = before else { return };
    let named = before.relations.iter().filter(|relation| !relation.name.is_empty());
    let known: HashMap<Key, &RelationEntry> = named.map(|relation| (relation.key(), relation)).collect();
    for relation in &mut index.relations {
        if let Some(known) = known.get(&relation.key()) {
            relation.name.clone_from(&known.name);
            relation.kind.clone_from(&known.kind);
        }
    }
    index.databases.clone_from(&before.databases);
}

/// Relations of the segment before that nothing here names are left out.
fn drop_unused(index: &mut Index) {
    let mut used = vec![false; index.relations.len()];
    let mut mark = |relation: &u32| {
        if let Some(used) = used.get_mut(*relation as usize) {
            *used = true;
        }
    };
    index
        .commits
        .iter()
        .flat_map(|commits| &commits.relations)
        .for_each(&mut mark);
    for open in &index.open {
        open.relations.iter().chain(&open.made).for_each(&mut mark);
    }
    let mut places = Vec::with_capacity(used.len());
    let mut next = 0_u32;
    for used in &used {
        places.push(next);
        next += u32::from(*used);
    }
    let move_all = |relations: &mut Vec<u32>| {
        for relation in relations {
            *relation = places.get(*relation as usize).copied().unwrap_or_default();
        }
    };
    if let Some(commits) = &mut index.commits {
        move_all(&mut commits.relations);
    }
    for open in &mut index.open {
        move_all(&mut open.relations);
        move_all(&mut open.made);
    }
    let mut used = used.into_iter();
    index.relations.retain(|_| used.next().unwrap_or(false));
}
