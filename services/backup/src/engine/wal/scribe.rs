//! Stores the end of the log in one repository: whole segments once they are complete, the open one in pieces.
//!
//! A repository that fails is tried again for ever. The first is waited for; another is left behind meanwhile, and
//! brought up to the first when it can be used again.

use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use weir_store::Backoff;

use super::log::{Log, Voice};
use super::tail::{Part, Tail};
use super::{PIECE_LEVEL, WHOLE_LEVEL, mirror, whereabouts};
use crate::repo::wal::Segment;
use crate::repo::{self, Repository};

/// So many pieces of one size are put together into one of the next.
const MERGED: usize = 16;
/// More is not remembered of what is to be removed: the next session removes it.
const CHORES_MAX: usize = 64;
/// A repository that has not answered for so long is told of.
const STALLED_AFTER: Duration = Duration::from_secs(5);
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Who stores the log in one repository.
pub(super) struct Scribe<'a> {
    pub tail: &'a Tail,
    /// Its number in the tail; 0 is the first repository.
    pub number: usize,
    pub repository: Repository,
    /// The first repository.
    pub first: Repository,
    pub log: &'a Log,
    /// The open end is stored at least so often.
    pub every: Duration,
    pub system_identifier: u64,
    pub segment_bytes: u32,
    pub pieces: Pieces,
}

/// The pieces of the open segment that are stored.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    segment: Option<Segment>,
    /// Spans, with how often each was put together.
    spans: Vec<(u64, u64, u32)>,
}

impl Pieces {
    /// Those that were found.
    pub(super) fn found(segment: Segment, spans: Vec<(u64, u64)>) -> Self {
        Self {
            segment: Some(segment),
            spans: spans.into_iter().map(|(from, end)| (from, end, 0)).collect(),
        }
    }

    /// One more; what to put together now, if anything: how many from the end.
    fn push(&mut self, segment: Segment, from: u64, end: u64, times: u32) -> Option<usize> {
        if self.segment != Some(segment) {
            *self = Self::found(segment, Vec::new());
        }
        self.spans.push((from, end, times));
        let alike = self.spans.iter().rev().take_while(|span| span.2 == times).count();
        (alike >= MERGED).then_some(alike)
    }
}

/// Pieces that others have taken the place of.
enum Chore {
    /// These.
    Spans(Segment, Vec<(u64, u64, u32)>),
    /// All of a segment.
    All(Segment),
}

/// Removes pieces, beside what is stored: a commit does not wait for that. What fails is left to the next session.
async fn clean(repository: &Repository, mut chores: mpsc::Receiver<Chore>) {
    while let Some(chore) = chores.recv().await {
        let removed = match chore {
            Chore::All(segment) => repository.drop_pieces(segment).await,
            Chore::Spans(segment, spans) => {
                let drops = spans
                    .iter()
                    .map(|span| repository.drop_piece(segment, (span.0, span.1)));
                try_join_all(drops).await.map(drop)
            }
        };
        if let Err(error) = removed {
            tracing::debug!(repository = repository.name(), %error, "pieces of the log were not removed");
        }
    }
}

impl Scribe<'_> {
    /// Stores until the tail has ended and all of it is stored. An error: what it will never take.
    pub(super) async fn run(self) -> Result<(), repo::Error> {
        let (chores, left) = mpsc::channel(CHORES_MAX);
        let repository = self.repository.clone();
        let (written, ()) = tokio::join!(self.write(chores), clean(&repository, left));
        written
    }

    async fn write(mut self, chores: mpsc::Sender<Chore>) -> Result<(), repo::Error> {
        let (mut grown, mut backoff) = (self.tail.grown(), Backoff::new(RETRY_FIRST, RETRY_MAX));
        let mut begun = Instant::now();
        loop {
            let done = match self.next(&mut grown, begun).await {
                Part::Over => return Ok(()),
                Part::Lost => self.catch_up().await,
                part => {
                    begun = Instant::now();
                    self.store(part, &chores).await
                }
            };
            match done {
                Ok(()) => {
                    backoff.reset();
                    self.log.freed(&self.voice());
                }
                Err(error) => {
                    self.hindered(&error.to_string());
                    if self.number == 0 && !error.is_passing() {
                        return Err(error);
                    }
                    if self.number > 0 && self.has_ended() {
                        return Ok(());
                    }
                    sleep(backoff.failed()).await;
                }
            }
        }
    }

    fn voice(&self) -> Voice {
        Voice::Repository(self.repository.name().to_owned())
    }

    fn hindered(&self, why: &str) {
        self.tail.counts(self.number, false);
        self.log.hindered(self.voice(), why);
    }

    fn has_ended(&self) -> bool {
        self.tail.has_ended()
    }

    /// Waits until there is something to store and it is time for it.
    async fn next(&self, grown: &mut watch::Receiver<u64>, begun: Instant) -> Part {
        loop {
            grown.borrow_and_update();
            let due = begun + self.every;
            match self.tail.wants(self.number) {
                Wants::Piece if Instant::now() < due || self.is_far() => {
                    tokio::select! {
                        // Whoever ended the tail did so before it goes.
                        _ = grown.changed() => {}
                        () = sleep_until(due.max(Instant::now() + self.every / 4)) => {}
                    }
                }
                Wants::Nothing => {
                    let _ = grown.changed().await;
                }
                _ => return self.tail.part(self.number),
            }
        }
    }

    /// Whether so much is on its way that whole segments come sooner than pieces would be stored.
    fn is_far(&self) -> bool {
        self.log.behind() > u64::from(self.segment_bytes)
    }

    /// Stores a part; says so where that takes long.
    async fn store(&mut self, part: Part, chores: &mpsc::Sender<Chore>) -> Result<(), repo::Error> {
        let (tail, number, log, voice) = (self.tail, self.number, self.log, self.voice());
        let name = self.repository.name().to_owned();
        let slow = async move {
            sleep(STALLED_AFTER).await;
            tail.counts(number, false);
            log.hindered(
                voice,
                &format!("repository {name} has not answered for {STALLED_AFTER:?}"),
            );
            std::future::pending::<()>().await;
        };
        tokio::select! {
            stored = self.keep(part, chores) => stored,
            () = slow => Ok(()),
        }
    }

    async fn keep(&mut self, part: Part, chores: &mpsc::Sender<Chore>) -> Result<(), repo::Error> {
        match part {
            Part::Whole(segment, content) => {
                self.repository.keep_segment(segment, content, WHOLE_LEVEL).await?;
                self.log.metrics().wal_segments.with([self.repository.name()]).inc();
                self.stored(segment.end());
                let _ = chores.try_send(Chore::All(segment));
                Ok(())
            }
            Part::Piece(segment, offset, content) => {
                let end = u64::from(offset) + content.len() as u64;
                self.repository
                    .keep_piece(segment, offset, content, PIECE_LEVEL)
                    .await?;
                self.stored(segment.start() + end);
                self.put_together(segment, u64::from(offset), end, chores).await
            }
            Part::Nothing | Part::Over | Part::Lost => Ok(()),
        }
    }

    fn stored(&self, lsn: u64) {
        self.tail.stored(self.number, lsn);
        if self.number > 0 && lsn >= *self.tail.safe().borrow() {
            self.tail.counts(self.number, true);
        }
    }

    /// Puts pieces together, so that however slowly a segment fills there are few of it.
    async fn put_together(
        &mut self,
        segment: Segment,
        from: u64,
        end: u64,
        chores: &mpsc::Sender<Chore>,
    ) -> Result<(), repo::Error> {
        let (mut from, mut times) = (from, 0);
        while let Some(alike) = self.pieces.push(segment, from, end, times) {
            let at = self.pieces.spans.len() - alike;
            from = self.pieces.spans.get(at).map_or(from, |span| span.0);
            let Some(content) = self.tail.span(segment, from, end) else {
                return Ok(());
            };
            let offset = u32::try_from(from).unwrap_or(u32::MAX);
            self.repository
                .keep_piece(segment, offset, content, PIECE_LEVEL)
                .await?;
            let _ = chores.try_send(Chore::Spans(segment, self.pieces.spans.split_off(at)));
            times += 1;
        }
        Ok(())
    }

    /// Finds its place in the tail again: what is not held there any more is copied from the first repository.
    async fn catch_up(&mut self) -> Result<(), repo::Error> {
        loop {
            let base = self.tail.base();
            mirror::bring_up(
                &self.first,
                &self.repository,
                self.system_identifier,
                self.segment_bytes,
            )
            .await?;
            if self.tail.base() != base {
                continue;
            }
            let open = Segment::at(self.tail.timeline(), base, self.segment_bytes);
            self.repository.settle_segment(open).await?;
            let known = whereabouts::known(&self.repository, open).await?;
            self.pieces = Pieces::found(open, self.repository.pieces(open).await?);
            let at = base + known.len() as u64;
            self.tail.stored(self.number, at.min(self.tail.received().max(base)));
            return Ok(());
        }
    }
}

/// What a repository wants next, without the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// A whole segment, a place, or its end.
    Now,
    /// A piece of the open segment.
    Piece,
    /// Nothing for now.
    Nothing,
}
