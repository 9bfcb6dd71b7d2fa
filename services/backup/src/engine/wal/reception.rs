//! One session with the primary after the other: where the repository's log ends, the server's goes on.
//!
//! The server is told that something is safe only after it is stored in every repository that must have it. What comes
//! again of a segment that was begun is compared with what is stored, so that another log is noticed.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{FusedFuture as _, FutureExt as _, join_all};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use weir_store::{Backoff, pause};
use weir_upstream::{Connection, FromServer, Lsn, Replication, StandbyStatus, Started, TimelineEnd};

use super::begin::{Begin, Known};
use super::history::History;
use super::log::{Log, Voice, Way};
use super::scribe::{Pieces, Scribe};
use super::server::{self, Server};
use super::tail::Tail;
use super::whereabouts;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::repo::Repository;
use crate::repo::state::Position;
use crate::repo::wal::Segment;

/// The server hears at least so often that we are there.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// A server that says nothing for so long is taken for gone; it would ask after us by then.
const SILENT_AFTER: Duration = Duration::from_secs(90);
/// What is under way may be stored for so long after a stop.
const LAST_WITHIN: Duration = Duration::from_secs(15);
/// Repositories beside the first may take so much longer than it at the end of a session.
const OTHERS_WITHIN: Duration = Duration::from_secs(2);
/// A status is a few bytes: a server that does not take them reads nothing any more.
const TELL_WITHIN: Duration = Duration::from_secs(30);
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// Receives the log of the cluster.
#[derive(Debug)]
pub(super) struct Reception<'a> {
    pub keeper: &'a Keeper,
    pub log: &'a Log,
    /// What the server did not have any more.
    pub gone: Option<Position>,
}

/// Why nothing more is read of a timeline.
enum Ended {
    /// It was told to stop.
    Stopped,
    /// The timeline is over.
    Over(Box<Replication>),
    /// The session cannot go on.
    Lost(Error),
}

/// Why nothing more is read.
enum Read {
    Stopped,
    Over,
    Lost(Error),
}

impl Reception<'_> {
    /// Receives until it is told to stop.
    pub(super) async fn run(&mut self, stop: &CancellationToken) {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
        while !stop.is_cancelled() {
            let begun = Instant::now();
            let ended = Box::pin(self.session(stop)).await;
            if begun.elapsed() > RETRY_MAX {
                backoff.reset();
            }
            let Err(error) = ended else {
                continue;
            };
            if matches!(self.log.way(), Way::Streaming | Way::CatchUp) {
                self.log.goes_by(Way::Off);
            }
            self.log.hindered(Voice::Reception, &error.to_string());
            if !pause(stop, backoff.failed()).await {
                return;
            }
        }
    }

    fn slot(&self) -> &str {
        &self.keeper.settings.wal_slot
    }

    /// One session, over as many timelines as the server leads through.
    async fn session(&mut self, stop: &CancellationToken) -> Result<(), Error> {
        let given_up = self.log.given_up();
        let Some(prepared) = stop.run_until_cancelled(self.prepare()).await else {
            return Ok(());
        };
        let (mut server, repositories, begin) = prepared?;
        let (mut link, mut at) = (server.link, begin.at);
        loop {
            let link_here = link;
            let timeline = at.timeline;
            let (first, system) = (
                repositories.first().ok_or_else(no_repository)?,
                server.identity.system_identifier,
            );
            let open = Segment::at(timeline, at.lsn, server.segment_bytes);
            first.settle_segment(open).await?;
            let known = whereabouts::known(first, open).await?;
            let from = Lsn(open.start());
            match link_here.replicate_physical(Some(self.slot()), from, timeline).await {
                Ok(Started::Streaming(stream)) => {
                    let session = Session {
                        reception: self,
                        tail: Tail::new(open, repositories.len()),
                        open,
                        known,
                        system,
                        given_up: given_up.clone(),
                    };
                    match session.run(stream, &repositories, stop).await? {
                        Ended::Stopped => return Ok(()),
                        Ended::Lost(error) => return Err(self.lost(error, at)),
                        Ended::Over(stream) => {
                            let (connection, end) = stream.end_of_timeline().await?;
                            (link, at) = (connection, self.next_timeline(end, server.segment_bytes)?);
                        }
                    }
                }
                Ok(Started::Over(connection, end)) => {
                    (link, at) = (connection, self.next_timeline(end, server.segment_bytes)?);
                }
                Err(error) => return Err(self.lost(error.into(), at)),
            }
            server.identity = server::in_time(link.identify_system()).await?;
            store_histories(&mut link, server.identity.timeline, &repositories).await?;
        }
    }

    fn next_timeline(&self, end: Option<TimelineEnd>, segment_bytes: u32) -> Result<Position, Error> {
        let end = end.ok_or_else(|| Error::Refused {
            slug: "backup-log-ended",
            reason: "the server ended its log and did not say which timeline follows".to_owned(),
        })?;
        let lsn = Segment::at(end.next, end.at.0, segment_bytes).start();
        tracing::info!(
            cluster.name = self.keeper.cluster.name,
            timeline = end.next,
            position = %end.at,
            "the log goes on on another timeline"
        );
        Ok(Position {
            timeline: end.next,
            lsn,
        })
    }

    /// Notes where the server has not what it was asked for.
    fn lost(&mut self, error: Error, at: Position) -> Error {
        if let Error::Upstream(upstream) = &error
            && upstream.server().is_some_and(|server| server.sqlstate == "58P01")
        {
            self.gone = Some(at);
        }
        error
    }

    /// Finds the primary, and where its log is to be gone on with.
    async fn prepare(&mut self) -> Result<(Server, Vec<Repository>, Begin), Error> {
        let repositories = self.repositories().await?;
        let first = repositories.first().ok_or_else(no_repository)?;
        let mut server = server::primary(&self.keeper.cluster, self.slot()).await?;
        let identity = server.identity;
        for repository in &repositories {
            whereabouts::claim(repository, identity.system_identifier).await?;
        }
        let history = store_histories(&mut server.link, identity.timeline, &repositories).await?;
        whereabouts::tidy(first, identity.timeline, server.segment_bytes).await?;
        let held = whereabouts::ends(first, &history, server.segment_bytes).await?;
        let slot = self.provide_slot(&server).await?;
        let known = Known {
            held: &held,
            held_latest: whereabouts::latest(first, server.segment_bytes).await?,
            history: &history,
            server: position(identity.timeline, identity.flushed),
            slot,
            gone: self.gone,
            segment_bytes: server.segment_bytes,
        };
        let begin = known.begin().map_err(|reason| Error::Refused {
            slug: "backup-log-refused",
            reason,
        })?;
        self.tell_gap(&begin);
        self.log.follows(&server.target, identity.timeline);
        self.log.begun(begin.at);
        self.log.server_at(Some(identity.timeline), identity.flushed.0);
        Ok((server, repositories, begin))
    }

    /// The repositories: the first has to be there, others may be away.
    async fn repositories(&self) -> Result<Vec<Repository>, Error> {
        let mut found = Vec::new();
        for name in self.keeper.repositories.names() {
            match self.keeper.repositories.get(name).await {
                Ok(repository) => found.push(repository),
                Err(error) if found.is_empty() => return Err(error),
                Err(error) => self
                    .log
                    .hindered(Voice::Repository(name.to_owned()), &error.to_string()),
            }
        }
        Ok(found)
    }

    /// Has the server hold its log for us; from where on it does.
    async fn provide_slot(&self, server: &Server) -> Result<Option<u64>, Error> {
        let mut asking = server::ask(&server.target, self.slot()).await?;
        let facts = server::facts(&mut asking, self.slot()).await?;
        let slot = match facts.slot {
            Some(slot) if !slot.is_physical => {
                return Err(Error::Refused {
                    slug: "backup-slot-taken",
                    reason: format!(
                        "the slot {} is a logical one; set another name in backup.wal_slot",
                        self.slot()
                    ),
                });
            }
            Some(slot) if !slot.is_lost => {
                if slot.user.is_some() {
                    // We lead, so whoever uses it is a receiver that is gone.
                    server::end_user(&mut asking, self.slot()).await?;
                }
                slot.restart
            }
            lost => {
                if lost.is_some() {
                    server::drop_slot(&mut asking, self.slot()).await?;
                }
                let mut link = server::replicating(&server.target, self.slot()).await?;
                server::in_time(link.create_physical_slot(self.slot())).await?;
                link.close().await;
                let made = server::facts(&mut asking, self.slot()).await?;
                made.slot.and_then(|slot| slot.restart)
            }
        };
        asking.close().await;
        Ok(slot)
    }

    fn tell_gap(&mut self, begin: &Begin) {
        self.gone = self.gone.filter(|_| begin.gap.is_none());
        let Some(gap) = begin.gap else {
            return;
        };
        let (from, to) = (Lsn(gap.from.lsn), Lsn(gap.to.lsn));
        self.log.metrics().wal_gaps.with([]).inc();
        let why = format!(
            "log is missing from {from} on timeline {} to {to} on timeline {}: nothing can be restored across it; take a backup",
            gap.from.timeline, gap.to.timeline
        );
        tracing::error!(
            cluster.name = self.keeper.cluster.name,
            reason = why,
            "there is a gap in the log"
        );
        self.log.lacks(gap.to, &why);
    }
}

fn no_repository() -> Error {
    Error::Refused {
        slug: "backup-no-repository",
        reason: "no repository is set: add one to backup.repositories".to_owned(),
    }
}

const fn position(timeline: u32, lsn: Lsn) -> Position {
    Position { timeline, lsn: lsn.0 }
}

/// Stores the histories that the server has of its timeline and those before; returns that of its own.
pub(super) async fn store_histories(
    link: &mut Connection,
    timeline: u32,
    repositories: &[Repository],
) -> Result<History, Error> {
    let wrong = |reason| Error::Refused {
        slug: "backup-log-refused",
        reason,
    };
    if timeline == 1 {
        return History::read(1, None).map_err(wrong);
    }
    let file = server::in_time(link.timeline_history(timeline)).await?;
    let history = History::read(timeline, Some(&file)).map_err(wrong)?;
    put_history(repositories, timeline, &file).await?;
    for before in history
        .back()
        .map(|stretch| stretch.timeline)
        .filter(|before| *before > 1 && *before != timeline)
    {
        // A server that was made from a copy may lack them; then its own has all that counts.
        if let Ok(file) = server::in_time(link.timeline_history(before)).await {
            put_history(repositories, before, &file).await?;
        }
    }
    Ok(history)
}

async fn put_history(repositories: &[Repository], timeline: u32, file: &[u8]) -> Result<(), Error> {
    for (at, repository) in repositories.iter().enumerate() {
        match repository.put_history(timeline, file).await {
            // Another repository gets it when it is brought up to the first.
            Err(error) if at == 0 || !error.is_passing() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Reception of one timeline.
struct Session<'a> {
    reception: &'a Reception<'a>,
    tail: Tail,
    /// The segment that it begins with.
    open: Segment,
    /// What of that is stored already.
    known: Bytes,
    system: u64,
    given_up: watch::Receiver<u64>,
}

impl Session<'_> {
    /// Reads the timeline and stores it, until it is over and stored.
    async fn run(
        mut self,
        mut stream: Replication,
        repositories: &[Repository],
        stop: &CancellationToken,
    ) -> Result<Ended, Error> {
        self.tail.stored(0, self.open.start() + self.known.len() as u64);
        let first = repositories.first().ok_or_else(no_repository)?;
        let pieces = first.pieces(self.open).await?;
        let given_up = std::mem::replace(&mut self.given_up, watch::channel(0).1);
        let scribe = |number: usize, repository: &Repository| Scribe {
            tail: &self.tail,
            number,
            repository: repository.clone(),
            first: first.clone(),
            log: self.reception.log,
            every: self.reception.keeper.settings.wal_flush_every,
            system_identifier: self.system,
            segment_bytes: self.open.bytes,
            pieces: if number == 0 {
                Pieces::found(self.open, pieces.clone())
            } else {
                Pieces::default()
            },
        };
        let others = repositories.iter().enumerate().skip(1);
        let others = others.map(|(number, repository)| scribe(number, repository).run());
        let mut others = std::pin::pin!(join_all(others).fuse());
        let mut writing = std::pin::pin!(scribe(0, first).run());
        let reading = Box::pin(self.read(&mut stream, given_up, stop));
        let read = tokio::select! {
            read = reading => read,
            failed = &mut writing => match failed {
                Ok(()) => Read::Stopped,
                Err(error) => return Err(error.into()),
            },
            // They end after the tail does, or where there are none.
            () = async { (&mut others).await; std::future::pending().await } => Read::Stopped,
        };
        self.tail.end();
        let (mut stream, lost) = match read {
            // Without a connection the server knows at once that nobody uses the slot.
            Read::Lost(error) => {
                drop(stream);
                (None, Some(error))
            }
            Read::Over => (Some((stream, true)), None),
            Read::Stopped => (Some((stream, false)), None),
        };
        if let Some(error) = &lost {
            self.reception.log.goes_by(Way::Off);
            self.reception.log.hindered(Voice::Reception, &error.to_string());
        }
        // What came is stored in any case, unless that takes too long at the end.
        let last = async {
            stop.cancelled().await;
            tokio::time::sleep(LAST_WITHIN).await;
        };
        let storing = async {
            let stored = tokio::select! {
                stored = &mut writing => stored,
                () = async { if !others.is_terminated() { (&mut others).await; } std::future::pending().await } => Ok(()),
            };
            // Others are waited for only while they keep up.
            if !others.is_terminated() {
                let _ = timeout(OTHERS_WITHIN, &mut others).await;
            }
            stored
        };
        tokio::select! {
            stored = storing => stored?,
            () = last => tracing::warn!("the end of the log was not stored in time; it is received again at the next start"),
        }
        self.note_safe();
        if let Some((stream, _)) = &mut stream {
            // The server may have gone; then nobody needs to know.
            let _ = self.tell(stream).await;
        }
        Ok(match (stream, lost) {
            (_, Some(error)) => Ended::Lost(error),
            (Some((stream, true)), None) => Ended::Over(Box::new(stream)),
            (Some((stream, false)), None) => {
                stream.close().await;
                Ended::Stopped
            }
            (None, None) => Ended::Stopped,
        })
    }

    /// Reads what the server sends while there is room, and tells it what is safe.
    async fn read(
        &self,
        stream: &mut Replication,
        mut given_up: watch::Receiver<u64>,
        stop: &CancellationToken,
    ) -> Read {
        let mut safe = self.tail.safe();
        let mut clock = interval(STATUS_EVERY);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            let has_room = self.tail.has_room();
            let news = tokio::select! {
                biased;
                () = stop.cancelled() => return Read::Stopped,
                _ = given_up.changed() => return Read::Lost(given_up_error()),
                // Its sender lives as long as the tail.
                _ = safe.changed() => { self.note_safe(); News::Tell }
                _ = clock.tick() => News::Tell,
                word = stream.next_on_timeline(), if has_room => { heard = Instant::now(); self.take(word) }
            };
            if has_room && heard.elapsed() > SILENT_AFTER {
                return Read::Lost(silent());
            }
            let told = match news {
                News::Nothing => Ok(()),
                News::Tell => self.tell(stream).await,
                News::Over => return Read::Over,
                News::Lost(error) => Err(error),
            };
            if let Err(error) = told {
                return Read::Lost(error);
            }
        }
    }

    fn take(&self, word: Result<Option<FromServer<'_>>, weir_upstream::Error>) -> News {
        let log = self.reception.log;
        match word {
            Err(error) => News::Lost(error.into()),
            Ok(None) => News::Over,
            Ok(Some(FromServer::Keepalive { sent, wants_reply })) => {
                log.server_at(None, sent);
                self.goes();
                if wants_reply { News::Tell } else { News::Nothing }
            }
            Ok(Some(FromServer::Data { start, end, bytes })) => match self.append(start, bytes) {
                Ok(()) => {
                    log.server_at(None, end.max(start + bytes.len() as u64));
                    log.received(self.position(self.tail.received()));
                    self.goes();
                    News::Nothing
                }
                Err(error) => News::Lost(error),
            },
        }
    }

    /// Says that it comes, and whether it is far behind.
    fn goes(&self) {
        let log = self.reception.log;
        let is_far = log.behind() > 4 * u64::from(self.open.bytes);
        log.goes_by(if is_far { Way::CatchUp } else { Way::Streaming });
        log.freed(&Voice::Reception);
        log.freed(&Voice::Guard);
    }

    fn append(&self, start: u64, bytes: &[u8]) -> Result<(), Error> {
        let received = self.tail.received();
        if start != received {
            return Err(differs(format!(
                "the server sent {} where {} was due",
                Lsn(start),
                Lsn(received)
            )));
        }
        let done = usize::try_from(received - self.open.start()).unwrap_or(usize::MAX);
        let known = self.known.get(done..).unwrap_or_default();
        let both = known.len().min(bytes.len());
        if known.get(..both) != bytes.get(..both) {
            return Err(differs(format!(
                "the server has other log at {} than the repository holds: it was set back, or another server has its place",
                Lsn(start)
            )));
        }
        self.tail.append(bytes);
        Ok(())
    }

    fn position(&self, lsn: u64) -> Position {
        Position {
            timeline: self.open.timeline,
            lsn,
        }
    }

    /// Notes what is safe.
    fn note_safe(&self) {
        let safe = *self.tail.safe().borrow();
        self.reception.log.safe(self.position(safe));
    }

    /// Tells the server what came and what is safe.
    async fn tell(&self, stream: &mut Replication) -> Result<(), Error> {
        let safe = *self.tail.safe().borrow();
        let status = StandbyStatus {
            written: self.tail.received().max(safe),
            flushed: safe,
            applied: safe,
            clock: micros_since_2000(self.reception.keeper.clock.unix_ms()),
            wants_reply: false,
        };
        match timeout(TELL_WITHIN, stream.tell(&status)).await {
            Ok(told) => Ok(told?),
            Err(_) => Err(silent()),
        }
    }
}

/// What came of waiting for the server.
enum News {
    Nothing,
    Tell,
    Over,
    Lost(Error),
}

const fn micros_since_2000(unix_ms: i64) -> i64 {
    (unix_ms - 946_684_800_000) * 1_000
}

fn given_up_error() -> Error {
    Error::Refused {
        slug: "backup-slot-given-up",
        reason: "the session ended because the slot was given up".to_owned(),
    }
}

fn silent() -> Error {
    Error::Refused {
        slug: "backup-no-answer",
        reason: format!("the server has said nothing for {SILENT_AFTER:?}"),
    }
}

fn differs(reason: String) -> Error {
    Error::Refused {
        slug: "backup-log-differs",
        reason,
    }
}
