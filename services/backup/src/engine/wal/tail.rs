//! The end of the log on its way: what came from the server and is not yet safe everywhere it must be.
//!
//! Whole segments from the first that a repository still needs. It has a bound: who reads from the server waits while
//! there is no room, so that the rest stays at the server. A repository that is not waited for may lose its place.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use super::scribe::Wants;
use crate::repo::wal::Segment;

/// So much is held at least, whatever the size of segments.
const HELD_BYTES: u64 = 64 << 20;

/// The end of the log of one timeline.
#[derive(Debug)]
pub(crate) struct Tail {
    inner: Mutex<Inner>,
    /// Up to where it has come. Also moved when it ends.
    grown: watch::Sender<u64>,
    /// Up to where it is safe in every repository that is waited for.
    safe: watch::Sender<u64>,
    bytes_max: u64,
    timeline: u32,
}

#[derive(Debug)]
struct Inner {
    /// Without gaps; the last is open.
    buffers: VecDeque<Buffer>,
    received: u64,
    ended: bool,
    writers: Vec<Writer>,
}

#[derive(Debug)]
struct Buffer {
    segment: Segment,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Growing(Vec<u8>),
    Whole(Bytes),
}

/// Who stores it.
#[derive(Debug, Clone, Copy)]
struct Writer {
    /// Everything before is stored.
    stored: u64,
    /// Whether it is waited for.
    counts: bool,
}

/// What a repository needs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// A segment that is complete.
    Whole(Segment, Bytes),
    /// What came of the open segment since the last piece: from an offset on.
    Piece(Segment, u32, Bytes),
    /// Nothing for now.
    Nothing,
    /// Nothing ever.
    Over,
    /// It is not held here any more.
    Lost,
}

impl Tail {
    /// An end that begins with the first byte of a segment. The first writer is always waited for.
    pub(crate) fn new(first: Segment, writers: usize) -> Self {
        let start = first.start();
        let writer = |at| Writer {
            stored: if at == 0 { start } else { 0 },
            counts: at == 0,
        };
        let inner = Inner {
            buffers: VecDeque::from([Buffer::new(first)]),
            received: start,
            ended: false,
            writers: (0..writers.max(1)).map(writer).collect(),
        };
        Self {
            inner: Mutex::new(inner),
            grown: watch::Sender::new(start),
            safe: watch::Sender::new(start),
            bytes_max: HELD_BYTES.max(u64::from(first.bytes) + HELD_BYTES / 4),
            timeline: first.timeline,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what came from the server.
    pub(crate) fn append(&self, bytes: &[u8]) {
        let received = self.lock().append(bytes);
        self.grown.send_replace(received);
    }

    /// No more will come.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.grown.send_modify(|_| {});
    }

    /// Whether more may be read from the server.
    pub(crate) fn has_room(&self) -> bool {
        let inner = self.lock();
        inner.received.saturating_sub(inner.base()) < self.bytes_max
    }

    /// Up to where it has come.
    pub(crate) fn received(&self) -> u64 {
        self.lock().received
    }

    /// The first position that is held.
    pub(crate) fn base(&self) -> u64 {
        self.lock().base()
    }

    /// What a writer needs next.
    pub(crate) fn part(&self, writer: usize) -> Part {
        self.lock().part(writer)
    }

    /// What kind of part that is.
    pub(super) fn wants(&self, writer: usize) -> Wants {
        self.lock().wants(writer)
    }

    /// Whether no more will come.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Its timeline.
    pub(crate) const fn timeline(&self) -> u32 {
        self.timeline
    }

    /// A span of a segment that is held.
    pub(crate) fn span(&self, segment: Segment, from: u64, end: u64) -> Option<Bytes> {
        let inner = self.lock();
        let buffer = inner.buffers.iter().find(|buffer| buffer.segment == segment)?;
        let (from, end) = (usize::try_from(from).ok()?, usize::try_from(end).ok()?);
        buffer.bytes().get(from..end).map(Bytes::copy_from_slice)
    }

    /// A writer has stored everything before a position.
    pub(crate) fn stored(&self, writer: usize, lsn: u64) {
        let safe = {
            let mut inner = self.lock();
            if let Some(writer) = inner.writers.get_mut(writer) {
                writer.stored = lsn;
            }
            inner.trim();
            inner.safe()
        };
        self.tell_safe(safe);
    }

    /// Whether a writer is waited for.
    pub(crate) fn counts(&self, writer: usize, counts: bool) {
        let safe = {
            let mut inner = self.lock();
            if let Some(writer) = inner.writers.get_mut(writer).filter(|_| writer > 0) {
                writer.counts = counts;
            }
            inner.trim();
            inner.safe()
        };
        self.tell_safe(safe);
    }

    /// What was told to be safe stays told, whoever joins later.
    fn tell_safe(&self, safe: u64) {
        self.safe.send_if_modified(|told| {
            let is_more = safe > *told;
            *told = safe.max(*told);
            is_more
        });
    }

    /// Follows up to where it has come.
    pub(crate) fn grown(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }

    /// Follows up to where it is safe.
    pub(crate) fn safe(&self) -> watch::Receiver<u64> {
        self.safe.subscribe()
    }
}

impl Inner {
    fn base(&self) -> u64 {
        self.buffers
            .front()
            .map_or(self.received, |buffer| buffer.segment.start())
    }

    fn append(&mut self, mut bytes: &[u8]) -> u64 {
        while !bytes.is_empty() {
            let Some(open) = self.buffers.back_mut() else {
                break;
            };
            let taken = open.append(bytes);
            self.received += taken as u64;
            bytes = bytes.get(taken..).unwrap_or_default();
            if let Content::Whole(_) = open.content {
                let next = open.segment.next();
                self.buffers.push_back(Buffer::new(next));
            }
        }
        self.received
    }

    fn wants(&self, writer: usize) -> Wants {
        let stored = self.writers.get(writer).map_or(0, |writer| writer.stored);
        let open = self.buffers.back().map_or(0, |buffer| buffer.segment.start());
        match (
            self.ended || stored < self.base() || stored < open,
            stored < self.received,
        ) {
            (true, _) => Wants::Now,
            (false, true) => Wants::Piece,
            (false, false) => Wants::Nothing,
        }
    }

    fn part(&self, writer: usize) -> Part {
        let Some(stored) = self.writers.get(writer).map(|writer| writer.stored) else {
            return Part::Over;
        };
        if stored < self.base() {
            return Part::Lost;
        }
        let found = self.buffers.iter().find(|buffer| stored < buffer.segment.end());
        let Some(buffer) = found.filter(|_| stored < self.received) else {
            return if self.ended { Part::Over } else { Part::Nothing };
        };
        match &buffer.content {
            Content::Whole(content) => Part::Whole(buffer.segment, content.clone()),
            Content::Growing(content) => {
                let offset = stored - buffer.segment.start();
                let piece = usize::try_from(offset).ok().and_then(|offset| content.get(offset..));
                let offset = u32::try_from(offset).unwrap_or(u32::MAX);
                Part::Piece(
                    buffer.segment,
                    offset,
                    Bytes::copy_from_slice(piece.unwrap_or_default()),
                )
            }
        }
    }

    /// Up to where everybody has it who is waited for.
    fn safe(&self) -> u64 {
        let waited = self.writers.iter().filter(|writer| writer.counts);
        waited.map(|writer| writer.stored).min().unwrap_or_default()
    }

    /// Lets go of what nobody needs who is waited for. The open segment stays, so that it can be stored as a whole.
    fn trim(&mut self) {
        let safe = self.safe();
        while self.buffers.len() > 1 && self.buffers.front().is_some_and(|buffer| buffer.segment.end() <= safe) {
            self.buffers.pop_front();
        }
    }
}

impl Buffer {
    const fn new(segment: Segment) -> Self {
        Self {
            segment,
            content: Content::Growing(Vec::new()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Growing(content) => content,
            Content::Whole(content) => content,
        }
    }

    /// Takes as much as fits, and says how much that was.
    fn append(&mut self, bytes: &[u8]) -> usize {
        let Content::Growing(content) = &mut self.content else {
            return 0;
        };
        let size = self.segment.bytes as usize;
        if content.capacity() == 0 {
            // Memory that is not written to costs nothing.
            content.reserve_exact(size);
        }
        let fits = bytes.get(..size - content.len()).unwrap_or(bytes);
        content.extend_from_slice(fits);
        if content.len() == size {
            self.content = Content::Whole(std::mem::take(content).into());
        }
        fits.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Segment = Segment {
        timeline: 1,
        number: 3,
        bytes: 1 << 20,
    };

    #[test]
    fn it_is_cut_at_the_borders_of_segments() {
        let tail = Tail::new(FIRST, 1);
        assert_eq!(tail.part(0), Part::Nothing);
        let content: Vec<u8> = (0..(2 << 20) + 100).map(|number: u32| number as u8).collect();
        tail.append(&content[..10]);
        assert_eq!(
            tail.part(0),
            Part::Piece(FIRST, 0, Bytes::copy_from_slice(&content[..10]))
        );
        tail.stored(0, FIRST.start() + 10);
        assert_eq!(tail.part(0), Part::Nothing);
        tail.append(&content[10..]);
        assert_eq!(
            tail.part(0),
            Part::Whole(FIRST, Bytes::copy_from_slice(&content[..1 << 20]))
        );
        assert_eq!(tail.span(FIRST, 4, 9), Some(Bytes::copy_from_slice(&content[4..9])));
        tail.stored(0, FIRST.end());
        assert_eq!((tail.base(), *tail.safe().borrow()), (FIRST.end(), FIRST.end()));
        tail.stored(0, FIRST.next().end());
        let rest = Bytes::copy_from_slice(&content[2 << 20..]);
        assert_eq!(tail.part(0), Part::Piece(FIRST.next().next(), 0, rest));
        tail.stored(0, tail.received());
        tail.end();
        assert_eq!(tail.part(0), Part::Over);
    }

    #[test]
    fn the_first_is_waited_for_and_another_only_while_it_keeps_up() {
        let tail = Tail::new(FIRST, 2);
        assert_eq!(tail.part(1), Part::Lost, "it has to find its place first");
        tail.stored(1, FIRST.start());
        tail.counts(1, true);
        tail.append(&[7; 3 << 20]);
        tail.stored(0, FIRST.end());
        assert_eq!((tail.base(), *tail.safe().borrow()), (FIRST.start(), FIRST.start()));
        tail.counts(1, false);
        assert_eq!((tail.base(), *tail.safe().borrow()), (FIRST.end(), FIRST.end()));
        assert_eq!(tail.part(1), Part::Lost);
        tail.counts(0, false);
        tail.stored(1, u64::MAX);
        assert_eq!(*tail.safe().borrow(), FIRST.end(), "the first counts whatever is said");
    }

    #[test]
    fn it_has_a_bound() {
        let tail = Tail::new(FIRST, 1);
        let mut taken = 0_u64;
        while tail.has_room() {
            tail.append(&[7; 1 << 17]);
            taken += 1 << 17;
        }
        assert_eq!(taken, HELD_BYTES);
        tail.stored(0, FIRST.end());
        assert!(tail.has_room());
    }
}
