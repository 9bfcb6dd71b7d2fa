//! What is written down of one segment: its commits, its restore points, and what the next segment needs to go on. Pure.
//!
//! Commits are kept as columns of differences, which become very small when they are compressed.

use prost::Message;

use super::record::Locator;
use super::scan::Pending;
use super::tally::{Changes, Committed, Counts, Key};

/// An index is not larger than this when it is unpacked.
const UNPACKED_MAX: u64 = 512 << 20;

/// What happened in one segment.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Index {
    #[prost(uint32, tag = "1")]
    pub timeline: u32,
    /// The segment's number.
    #[prost(uint64, tag = "2")]
    pub number: u64,
    #[prost(uint32, tag = "3")]
    pub segment_bytes: u32,
    /// The magic of its pages.
    #[prost(uint32, tag = "4")]
    pub magic: u32,
    #[prost(fixed64, tag = "5")]
    pub system_identifier: u64,
    /// Nothing was known of the segment before: what transactions did there is not counted.
    #[prost(bool, tag = "6")]
    pub fresh: bool,
    /// Where the first record begins. None: no record begins here.
    #[prost(fixed64, optional, tag = "7")]
    pub first_record: Option<u64>,
    /// Where the last whole record begins, here or before.
    #[prost(fixed64, optional, tag = "8")]
    pub last_record: Option<u64>,
    /// The position after the last whole record.
    #[prost(fixed64, tag = "9")]
    pub end: u64,
    /// The rest of the segment was left empty on purpose.
    #[prost(bool, tag = "10")]
    pub switched: bool,
    /// Why it cannot be read to its end. Empty: it can.
    #[prost(string, tag = "11")]
    pub broken: String,
    /// The last position at which the log could not be read on, here or before. None: there is none.
    #[prost(fixed64, optional, tag = "12")]
    pub last_break: Option<u64>,
    /// The latest time of a commit, here or before.
    #[prost(int64, optional, tag = "13")]
    pub highest_unix_us: Option<i64>,
    #[prost(message, optional, tag = "14")]
    pub commits: Option<Columns>,
    #[prost(message, repeated, tag = "15")]
    pub points: Vec<RestorePoint>,
    /// Relations; everything names them by their place in this list.
    #[prost(message, repeated, tag = "16")]
    pub relations: Vec<RelationEntry>,
    #[prost(message, repeated, tag = "17")]
    pub databases: Vec<DatabaseEntry>,
    /// Transactions that have not ended.
    #[prost(message, repeated, tag = "18")]
    pub open: Vec<OpenEntry>,
    /// A record that goes on in the next segment.
    #[prost(message, optional, tag = "19")]
    pub pending: Option<PendingEntry>,
    /// Changes that were not counted, because too much was open.
    #[prost(uint64, tag = "20")]
    pub uncounted: u64,
}

/// Commits, in the order of the log.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Columns {
    /// Each but the first as the difference to the one before, like all differences here.
    #[prost(sint64, repeated, tag = "1")]
    pub xids: Vec<i64>,
    /// From the end of the commit before to the beginning of this one.
    #[prost(uint64, repeated, tag = "2")]
    pub starts: Vec<u64>,
    #[prost(uint64, repeated, tag = "3")]
    pub lengths: Vec<u64>,
    #[prost(sint64, repeated, tag = "4")]
    pub times_us: Vec<i64>,
    #[prost(uint32, repeated, tag = "5")]
    pub databases: Vec<u32>,
    /// How many relations each changed.
    #[prost(uint32, repeated, tag = "6")]
    pub changes: Vec<u32>,
    /// Of all changes, one after the other: the relation, and what happened to its rows.
    #[prost(uint32, repeated, tag = "7")]
    pub relations: Vec<u32>,
    #[prost(uint64, repeated, tag = "8")]
    pub inserted: Vec<u64>,
    #[prost(uint64, repeated, tag = "9")]
    pub updated: Vec<u64>,
    #[prost(uint64, repeated, tag = "10")]
    pub deleted: Vec<u64>,
    #[prost(bool, repeated, tag = "11")]
    pub replaced: Vec<bool>,
}

/// A named point to restore to.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct RestorePoint {
    #[prost(string, tag = "1")]
    pub name: String,
    /// The position after it.
    #[prost(fixed64, tag = "2")]
    pub end: u64,
    #[prost(int64, tag = "3")]
    pub unix_us: i64,
}

/// A relation.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct RelationEntry {
    #[prost(uint32, tag = "1")]
    pub database: u32,
    #[prost(uint32, tag = "2")]
    pub tablespace: u32,
    /// The number of its files; 0 where it is named by oid.
    #[prost(uint32, tag = "3")]
    pub node: u32,
    /// 0: it is named by its files, or it stands for several.
    #[prost(uint32, tag = "4")]
    pub oid: u32,
    /// As `schema.name`. Empty: not known.
    #[prost(string, tag = "5")]
    pub name: String,
    /// As in `pg_class`. Empty: not known.
    #[prost(string, tag = "6")]
    pub kind: String,
}

/// A database.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct DatabaseEntry {
    #[prost(uint32, tag = "1")]
    pub oid: u32,
    #[prost(string, tag = "2")]
    pub name: String,
}

/// A transaction that has not ended.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct OpenEntry {
    #[prost(uint32, tag = "1")]
    pub xid: u32,
    #[prost(uint32, repeated, tag = "2")]
    pub relations: Vec<u32>,
    #[prost(uint64, repeated, tag = "3")]
    pub inserted: Vec<u64>,
    #[prost(uint64, repeated, tag = "4")]
    pub updated: Vec<u64>,
    #[prost(uint64, repeated, tag = "5")]
    pub deleted: Vec<u64>,
    #[prost(bool, repeated, tag = "6")]
    pub replaced: Vec<bool>,
    /// Relations that it made itself.
    #[prost(uint32, repeated, tag = "7")]
    pub made: Vec<u32>,
}

/// A record that goes on in the next segment.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct PendingEntry {
    #[prost(fixed64, tag = "1")]
    pub start: u64,
    #[prost(uint32, tag = "2")]
    pub total: u32,
    #[prost(uint32, tag = "3")]
    pub came: u32,
    #[prost(bytes = "vec", tag = "4")]
    pub bytes: Vec<u8>,
}

/// Where the index of a segment lies.
pub(crate) fn path_of(timeline: u32, segment: &str) -> String {
    format!("commits/{timeline:08X}/{segment}")
}

impl Index {
    /// As it is stored.
    pub(super) fn pack(&self) -> std::io::Result<Vec<u8>> {
        zstd::stream::encode_all(self.encode_to_vec().as_slice(), 1)
    }

    /// What was stored.
    pub(super) fn unpack(packed: &[u8]) -> std::io::Result<Self> {
        use std::io::Read as _;
        let mut plain = Vec::new();
        let decoder = zstd::stream::Decoder::new(packed)?;
        decoder.take(UNPACKED_MAX + 1).read_to_end(&mut plain)?;
        if plain.len() as u64 > UNPACKED_MAX {
            return Err(std::io::Error::other("it is larger than any index"));
        }
        Self::decode(plain.as_slice()).map_err(std::io::Error::other)
    }

    /// Its commits, in the order of the log.
    pub(super) fn commits(&self) -> Vec<Committed> {
        self.commits.as_ref().map(Columns::rows).unwrap_or_default()
    }

    /// Where the segment begins.
    #[cfg(test)]
    pub(super) const fn start(&self) -> u64 {
        self.number.saturating_mul(self.segment_bytes as u64)
    }

    /// The first position at which it cannot be read on.
    pub(super) fn break_here(&self) -> Option<u64> {
        (!self.broken.is_empty()).then_some(self.end)
    }

    /// The times of its first and last commits and the latest of all.
    pub(super) fn times(&self) -> Option<Times> {
        let columns = self.commits.as_ref()?;
        let mut now = 0_i64;
        let mut times: Option<Times> = None;
        for difference in &columns.times_us {
            now = now.wrapping_add(*difference);
            let times = times.get_or_insert(Times {
                first: now,
                last: now,
                highest: now,
            });
            times.last = now;
            times.highest = times.highest.max(now);
        }
        times
    }
}

/// Times of commits in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub first: i64,
    pub last: i64,
    pub highest: i64,
}

impl Columns {
    /// The columns of these rows.
    pub(super) fn of(commits: &[Committed]) -> Self {
        let mut columns = Self::default();
        let (mut xid, mut end, mut time) = (0_i64, 0_u64, 0_i64);
        for commit in commits {
            columns.xids.push(i64::from(commit.xid) - xid);
            columns.starts.push(commit.start.wrapping_sub(end));
            columns.lengths.push(commit.end.wrapping_sub(commit.start));
            columns.times_us.push(commit.unix_us.wrapping_sub(time));
            columns.databases.push(commit.database);
            columns
                .changes
                .push(u32::try_from(commit.counts.len()).unwrap_or(u32::MAX));
            for (relation, counts) in &commit.counts {
                columns.relations.push(*relation);
                columns.inserted.push(counts.inserted);
                columns.updated.push(counts.updated);
                columns.deleted.push(counts.deleted);
                columns.replaced.push(counts.replaced);
            }
            (xid, end, time) = (i64::from(commit.xid), commit.end, commit.unix_us);
        }
        columns
    }

    /// The rows of these columns.
    pub(super) fn rows(&self) -> Vec<Committed> {
        let mut changes = counts_of(
            &self.relations,
            &self.inserted,
            &self.updated,
            &self.deleted,
            &self.replaced,
        );
        let (mut xid, mut end, mut time) = (0_i64, 0_u64, 0_i64);
        let numbers = self.xids.iter().zip(&self.starts).zip(&self.lengths);
        let words = self.times_us.iter().zip(&self.databases).zip(&self.changes);
        let rows = numbers
            .zip(words)
            .map(|(((xids, starts), lengths), ((times, database), count))| {
                xid = xid.wrapping_add(*xids);
                let start = end.wrapping_add(*starts);
                end = start.wrapping_add(*lengths);
                time = time.wrapping_add(*times);
                Committed {
                    xid: u32::try_from(xid).unwrap_or(0),
                    start,
                    end,
                    unix_us: time,
                    database: *database,
                    counts: changes.by_ref().take(*count as usize).collect(),
                }
            });
        rows.collect()
    }
}

fn counts_of<'a>(
    relations: &'a [u32],
    inserted: &'a [u64],
    updated: &'a [u64],
    deleted: &'a [u64],
    replaced: &'a [bool],
) -> impl Iterator<Item = (u32, Counts)> + 'a {
    let rows = inserted.iter().zip(updated).zip(deleted).zip(replaced);
    relations
        .iter()
        .zip(rows)
        .map(|(relation, (((inserted, updated), deleted), replaced))| {
            let counts = Counts {
                inserted: *inserted,
                updated: *updated,
                deleted: *deleted,
                replaced: *replaced,
            };
            (*relation, counts)
        })
}

impl RelationEntry {
    /// A relation whose name is not known.
    pub(super) fn of(key: Key) -> Self {
        match key {
            Key::Files(locator) => Self {
                database: locator.database,
                tablespace: locator.tablespace,
                node: locator.node,
                ..Self::default()
            },
            Key::Oid(database, oid) => Self {
                database,
                oid,
                ..Self::default()
            },
            Key::Others => Self::default(),
        }
    }

    /// How the log names it.
    pub(super) const fn key(&self) -> Key {
        match (self.node, self.oid) {
            (0, 0) => Key::Others,
            (0, oid) => Key::Oid(self.database, oid),
            (node, _) => Key::Files(Locator {
                tablespace: self.tablespace,
                database: self.database,
                node,
            }),
        }
    }
}

impl OpenEntry {
    /// A transaction's changes.
    pub(super) fn of(xid: u32, changes: &Changes) -> Self {
        let mut entry = Self {
            xid,
            made: changes.made.clone(),
            ..Self::default()
        };
        for (relation, counts) in &changes.counts {
            entry.relations.push(*relation);
            entry.inserted.push(counts.inserted);
            entry.updated.push(counts.updated);
            entry.deleted.push(counts.deleted);
            entry.replaced.push(counts.replaced);
        }
        entry
    }

    /// Its changes; `place` says where a relation of the old list stands in the new one.
    pub(super) fn changes(&self, place: impl Fn(u32) -> u32) -> Changes {
        let counts = counts_of(
            &self.relations,
            &self.inserted,
            &self.updated,
            &self.deleted,
            &self.replaced,
        );
        let mut counts: Vec<(u32, Counts)> = counts.map(|(relation, counts)| (place(relation), counts)).collect();
        counts.sort_by_key(|(relation, _)| *relation);
        Changes {
            counts,
            made: self.made.iter().map(|relation| place(*relation)).collect(),
        }
    }
}

impl PendingEntry {
    /// As it is stored.
    pub(super) fn of(pending: Pending) -> Self {
        Self {
            start: pending.start,
            total: pending.total,
            came: pending.came,
            bytes: pending.bytes,
        }
    }

    /// What was stored.
    pub(super) fn pending(&self) -> Pending {
        Pending {
            start: self.start,
            total: self.total,
            came: self.came,
            bytes: self.bytes.clone(),
        }
    }
}
