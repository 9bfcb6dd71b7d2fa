//! What records say about transactions and rows. Pure.
//!
//! Layouts are those of PostgreSQL 15 to 18; where they differ, the format says so.

use super::bytes::Bytes;
use super::page::Format;
use super::record::{Locator, Record, Unreadable, locator};

const MANAGER_LOG: u8 = 0;
const MANAGER_TRANSACTION: u8 = 1;
const MANAGER_STORAGE: u8 = 2;
const MANAGER_STANDBY: u8 = 8;
const MANAGER_HEAP2: u8 = 9;
const MANAGER_HEAP: u8 = 10;

/// From 1970 to 2000, where PostgreSQL's clock begins.
const EPOCH_US: i64 = 946_684_800_000_000;

/// Something that a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fact {
    /// Rows of a relation changed.
    Rows(Locator, Rows),
    /// A relation got its first file.
    Made(Locator),
    /// A relation was emptied.
    Emptied(Locator),
    /// Relations were emptied, named by oid.
    EmptiedByOid(u32, Vec<u32>),
    /// A transaction ended well.
    Committed(Commit),
    /// Transactions came to nothing.
    Aborted(Vec<u32>),
    /// No transaction before this one is under way.
    OldestRunning(u32),
    /// A point to restore to.
    RestorePoint(String, i64),
    /// The rest of the segment is empty.
    Switched,
}

/// What happened to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    Inserted(u64),
    Updated,
    Deleted,
    /// An insertion is taken back by the same statement, which found a conflict.
    Retracted,
}

/// The end of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Commit {
    pub xid: u32,
    pub unix_us: i64,
    /// 0: it does not say.
    pub database: u32,
    pub children: Vec<u32>,
    /// Relations whose files go with it.
    pub dropped: Vec<Locator>,
}

/// What a record says that matters here.
pub(super) fn fact_of(record: &Record<'_>, format: Format) -> Result<Option<Fact>, Unreadable> {
    match record.manager {
        MANAGER_HEAP => of_heap(record),
        MANAGER_HEAP2 => of_heap2(record),
        MANAGER_TRANSACTION => of_transaction(record, format),
        MANAGER_STORAGE => of_storage(record),
        MANAGER_STANDBY => of_standby(record),
        MANAGER_LOG => of_log(record),
        _ => Ok(None),
    }
}

fn of_heap(record: &Record<'_>) -> Result<Option<Fact>, Unreadable> {
    const INSERT: u8 = 0x00;
    const DELETE: u8 = 0x10;
    const UPDATE: u8 = 0x20;
    const TRUNCATE: u8 = 0x30;
    const HOT_UPDATE: u8 = 0x40;
    /// In the flags of a deletion.
    const RETRACTS: u8 = 0x08;
    let operation = record.info & 0x70;
    if !matches!(operation, INSERT | DELETE | UPDATE | TRUNCATE | HOT_UPDATE) {
        return Ok(None);
    }
    let parts = record.parts()?;
    if operation == TRUNCATE {
        return emptied(parts.main).map(Some).ok_or(Unreadable::Shape);
    }
    let relation = parts.relation.ok_or(Unreadable::Shape)?;
    let rows = match operation {
        INSERT => Rows::Inserted(1),
        DELETE if parts.main.get(7).ok_or(Unreadable::Shape)? & RETRACTS != 0 => Rows::Retracted,
        DELETE => Rows::Deleted,
        _ => Rows::Updated,
    };
    Ok(Some(Fact::Rows(relation, rows)))
}

fn emptied(main: &[u8]) -> Option<Fact> {
    let mut main = Bytes(main);
    let (database, count) = (main.u32()?, main.u32()?);
    main.u32()?;
    let oids = main.take(usize::try_from(count).ok()?.checked_mul(4)?)?;
    Some(Fact::EmptiedByOid(database, numbers(oids)))
}

fn of_heap2(record: &Record<'_>) -> Result<Option<Fact>, Unreadable> {
    const MULTI_INSERT: u8 = 0x50;
    if record.info & 0x70 != MULTI_INSERT {
        return Ok(None);
    }
    let parts = record.parts()?;
    let relation = parts.relation.ok_or(Unreadable::Shape)?;
    let count = Bytes(parts.main.get(2..).unwrap_or_default()).u16();
    let rows = Rows::Inserted(count.ok_or(Unreadable::Shape)?.into());
    Ok(Some(Fact::Rows(relation, rows)))
}

fn of_storage(record: &Record<'_>) -> Result<Option<Fact>, Unreadable> {
    const CREATE: u8 = 0x10;
    const TRUNCATE: u8 = 0x20;
    if !matches!(record.info & 0xF0, CREATE | TRUNCATE) {
        return Ok(None);
    }
    let mut main = Bytes(record.parts()?.main);
    let fact = if record.info & 0xF0 == CREATE {
        made(&mut main)
    } else {
        cut(&mut main, record.xid)
    };
    fact.ok_or(Unreadable::Shape)
}

fn made(main: &mut Bytes<'_>) -> Option<Option<Fact>> {
    let relation = locator(main)?;
    let fork = main.u32()?;
    Some((fork == 0).then_some(Fact::Made(relation)))
}

/// Vacuum, which has no transaction, cuts off what holds no rows.
fn cut(main: &mut Bytes<'_>, xid: u32) -> Option<Option<Fact>> {
    let first_block = main.u32()?;
    let relation = locator(main)?;
    Some((first_block == 0 && xid != 0).then_some(Fact::Emptied(relation)))
}

fn of_standby(record: &Record<'_>) -> Result<Option<Fact>, Unreadable> {
    const RUNNING: u8 = 0x10;
    if record.info & 0xF0 != RUNNING {
        return Ok(None);
    }
    let mut main = Bytes(record.parts()?.main.get(16..).unwrap_or_default());
    let oldest = main.u32().ok_or(Unreadable::Shape)?;
    Ok(Some(Fact::OldestRunning(oldest)))
}

fn of_log(record: &Record<'_>) -> Result<Option<Fact>, Unreadable> {
    const SWITCH: u8 = 0x40;
    const RESTORE_POINT: u8 = 0x70;
    match record.info & 0xF0 {
        SWITCH => Ok(Some(Fact::Switched)),
        RESTORE_POINT => {
            let mut main = Bytes(record.parts()?.main);
            restore_point(&mut main).map(Some).ok_or(Unreadable::Shape)
        }
        _ => Ok(None),
    }
}

fn restore_point(main: &mut Bytes<'_>) -> Option<Fact> {
    let time = unix_us(main.i64()?);
    let name = main.text()?;
    Some(Fact::RestorePoint(String::from_utf8_lossy(name).into_owned(), time))
}

fn of_transaction(record: &Record<'_>, format: Format) -> Result<Option<Fact>, Unreadable> {
    const COMMIT: u8 = 0x00;
    const ABORT: u8 = 0x20;
    const COMMIT_PREPARED: u8 = 0x30;
    const ABORT_PREPARED: u8 = 0x40;
    let operation = record.info & 0x70;
    if !matches!(operation, COMMIT | ABORT | COMMIT_PREPARED | ABORT_PREPARED) {
        return Ok(None);
    }
    let commits = matches!(operation, COMMIT | COMMIT_PREPARED);
    let mut commit = ended(record, format, commits).ok_or(Unreadable::Shape)?;
    if !commits {
        commit.children.push(commit.xid);
        return Ok(Some(Fact::Aborted(commit.children)));
    }
    // One without a number changed no rows.
    Ok((commit.xid != 0).then_some(Fact::Committed(commit)))
}

/// The record of a commit or an abort: a time, and then what its flags announce, in a fixed order.
fn ended(record: &Record<'_>, format: Format, commits: bool) -> Option<Commit> {
    const HAS_FLAGS: u8 = 0x80;
    const DATABASE: u32 = 1;
    const CHILDREN: u32 = 1 << 1;
    const DROPPED: u32 = 1 << 2;
    const INVALIDATIONS: u32 = 1 << 3;
    const PREPARED: u32 = 1 << 4;
    const STATISTICS: u32 = 1 << 8;
    let mut main = Bytes(record.parts().ok()?.main);
    let mut commit = Commit {
        xid: record.xid,
        unix_us: unix_us(main.i64()?),
        ..Commit::default()
    };
    let flags = if record.info & HAS_FLAGS == 0 { 0 } else { main.u32()? };
    let has = |flag: u32| flags & flag != 0;
    if has(DATABASE) {
        commit.database = main.u32()?;
        main.u32()?;
    }
    if has(CHILDREN) {
        commit.children = numbers(main.counted(4)?);
    }
    if has(DROPPED) {
        let (all, _) = main.counted(12)?.as_chunks::<12>();
        commit.dropped = all.iter().filter_map(|one| locator(&mut Bytes(one))).collect();
    }
    if has(STATISTICS) {
        main.counted(if format == Format::V18 { 16 } else { 12 })?;
    }
    if has(INVALIDATIONS) && commits {
        main.counted(16)?;
    }
    if has(PREPARED) {
        commit.xid = main.u32()?;
    }
    Some(commit)
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    let (all, _) = bytes.as_chunks::<4>();
    all.iter().map(|one| u32::from_le_bytes(*one)).collect()
}

const fn unix_us(since_2000_us: i64) -> i64 {
    since_2000_us.saturating_add(EPOCH_US)
}
