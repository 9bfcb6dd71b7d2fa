//! Writes log as a server would, record by record, so that a test can have any log it likes.

use super::super::digest::{Part, digest};
use super::super::index::Index;
use super::super::tally::Bounds;
use crate::repo::wal::Segment;

/// The smallest segment there is.
pub(super) const SEGMENT: u32 = 1 << 20;
const PAGE: usize = 8192;
pub(super) const SYSTEM: u64 = 0x1122_3344_5566_7788;
/// PostgreSQL 15.
pub(super) const MAGIC: u16 = 0xD110;

/// A log in the making.
pub(super) struct Forge {
    timeline: u32,
    first: u64,
    magic: u16,
    bytes: Vec<u8>,
    last: u64,
}

impl Forge {
    /// An empty log that begins with this segment.
    pub(super) fn new(number: u64) -> Self {
        Self {
            timeline: 1,
            first: number * u64::from(SEGMENT),
            magic: MAGIC,
            bytes: Vec::new(),
            last: 0,
        }
    }

    /// The position where the next byte goes.
    pub(super) fn at(&self) -> u64 {
        self.first + self.bytes.len() as u64
    }

    /// The next record says that it follows the one that begins there.
    pub(super) fn follow(&mut self, start: u64) {
        self.last = start;
    }

    fn header(&mut self, rest: u32, mut info: u16) {
        let is_first = self.bytes.len().is_multiple_of(SEGMENT as usize);
        info |= if is_first { 2 } else { 0 } | u16::from(rest > 0);
        let at = self.at();
        self.bytes.extend(self.magic.to_le_bytes());
        self.bytes.extend(info.to_le_bytes());
        self.bytes.extend(self.timeline.to_le_bytes());
        self.bytes.extend(at.to_le_bytes());
        self.bytes.extend(rest.to_le_bytes());
        self.bytes.extend([0; 4]);
        if is_first {
            self.bytes.extend(SYSTEM.to_le_bytes());
            self.bytes.extend(SEGMENT.to_le_bytes());
            self.bytes.extend((PAGE as u32).to_le_bytes());
        }
    }

    fn room(&self) -> usize {
        PAGE - self.bytes.len() % PAGE
    }

    /// Adds a record; returns where it begins and ends.
    pub(super) fn add(&mut self, manager: u8, info: u8, xid: u32, body: &[u8]) -> (u64, u64) {
        let record = self.record(manager, info, xid, body);
        if self.bytes.len().is_multiple_of(PAGE) {
            self.header(0, 0);
        }
        let start = self.at();
        self.put(&record, record.len());
        while !self.bytes.len().is_multiple_of(8) {
            self.bytes.push(0);
        }
        self.last = start;
        (start, self.at())
    }

    /// Adds the beginning of a record whose rest never comes: the next page says so.
    pub(super) fn abandon(&mut self, body: &[u8]) {
        let record = self.record(10, 0, 1, body);
        if self.bytes.len().is_multiple_of(PAGE) {
            self.header(0, 0);
        }
        assert!(record.len() > self.room(), "it has to go on in another page");
        let room = self.room();
        self.put(&record, room);
        self.header(0, 8);
    }

    fn put(&mut self, record: &[u8], count: usize) {
        for (done, byte) in record.iter().take(count).enumerate() {
            if self.bytes.len().is_multiple_of(PAGE) {
                self.header((record.len() - done) as u32, 0);
            }
            self.bytes.push(*byte);
        }
    }

    fn record(&self, manager: u8, info: u8, xid: u32, body: &[u8]) -> Vec<u8> {
        let mut head = Vec::new();
        head.extend(((24 + body.len()) as u32).to_le_bytes());
        head.extend(xid.to_le_bytes());
        head.extend(self.last.to_le_bytes());
        head.extend([info, manager, 0, 0]);
        let crc = crc32c::crc32c_append(crc32c::crc32c(body), &head);
        head.extend(crc.to_le_bytes());
        head.extend(body);
        head
    }

    /// A row is inserted.
    pub(super) fn insert(&mut self, xid: u32, node: u32) -> (u64, u64) {
        self.add(10, 0x00, xid, &block(node, &[1, 0, 0]))
    }

    /// A row is inserted that takes so many bytes.
    pub(super) fn insert_large(&mut self, xid: u32, node: u32, bytes: usize) -> (u64, u64) {
        self.add(10, 0x00, xid, &block(node, &vec![7; bytes]))
    }

    /// A row is deleted.
    pub(super) fn delete(&mut self, xid: u32, node: u32) -> (u64, u64) {
        self.add(10, 0x10, xid, &block(node, &[0; 8]))
    }

    /// A transaction is committed.
    pub(super) fn commit(&mut self, xid: u32, second: i64) -> (u64, u64) {
        self.add(1, 0x00, xid, &main(&(second * 1_000_000).to_le_bytes()))
    }

    /// The same with transactions within it.
    pub(super) fn commit_with(&mut self, xid: u32, second: i64, children: &[u32]) -> (u64, u64) {
        let mut body = (second * 1_000_000).to_le_bytes().to_vec();
        body.extend(2_u32.to_le_bytes());
        body.extend((children.len() as u32).to_le_bytes());
        body.extend(children.iter().flat_map(|child| child.to_le_bytes()));
        self.add(1, 0x80, xid, &main(&body))
    }

    /// A transaction comes to nothing.
    pub(super) fn abort(&mut self, xid: u32) {
        self.add(1, 0x20, xid, &main(&[0; 8]));
    }

    /// Nothing before this transaction is running.
    pub(super) fn running(&mut self, oldest: u32) {
        let mut body = vec![0; 16];
        body.extend(oldest.to_le_bytes());
        self.add(8, 0x10, 0, &main(&body));
    }

    /// The rest of the segment is left empty.
    pub(super) fn switch(&mut self) {
        self.add(0, 0x40, 0, &[]);
        self.bytes
            .resize(self.bytes.len().next_multiple_of(SEGMENT as usize), 0);
    }

    /// Fills up with records that mean nothing, to within so many bytes of the segment's end.
    pub(super) fn fill(&mut self, left: usize) {
        while SEGMENT as usize - self.bytes.len() % SEGMENT as usize > left + 256 {
            self.add(10, 0x60, 3, &main(&[0; 64]));
        }
    }

    /// Its segments; the last may be cut short.
    pub(super) fn segments(&self) -> Vec<(Segment, Vec<u8>)> {
        let numbers = self.first / u64::from(SEGMENT)..;
        let parts = self.bytes.chunks(SEGMENT as usize).zip(numbers);
        parts.map(|(part, number)| (segment(number), part.to_vec())).collect()
    }
}

pub(super) fn segment(number: u64) -> Segment {
    Segment {
        timeline: 1,
        number,
        bytes: SEGMENT,
    }
}

/// What a manager says, without any block.
pub(super) fn main(data: &[u8]) -> Vec<u8> {
    let mut body = announced(data.len());
    body.extend(data);
    body
}

fn announced(bytes: usize) -> Vec<u8> {
    match u8::try_from(bytes) {
        Ok(short) => vec![255, short],
        Err(_) => [&[254][..], &(bytes as u32).to_le_bytes()].concat(),
    }
}

/// What a manager says of a block of this relation.
pub(super) fn block(node: u32, data: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 0x20, 4, 0];
    body.extend([1663_u32, 5, node, 0].iter().flat_map(|number| number.to_le_bytes()));
    body.extend(announced(data.len()));
    body.extend([9; 4]);
    body.extend(data);
    body
}

/// The indexes of segments, each made with the one before.
pub(super) fn digested(segments: &[(Segment, Vec<u8>)], bounds: Bounds) -> Vec<Index> {
    let mut indexes: Vec<Index> = Vec::new();
    for (segment, bytes) in segments {
        let part = Part {
            segment: *segment,
            bytes,
            whole: bytes.len() == SEGMENT as usize,
            system_identifier: SYSTEM,
        };
        // As it comes out of a repository.
        let index = digest(part, indexes.last(), bounds);
        indexes.push(Index::unpack(&index.pack().unwrap()).unwrap());
    }
    indexes
}
