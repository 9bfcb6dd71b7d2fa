//! Waits for a part of the log, so that what needs it can be relied upon.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};
use weir_upstream::{FromServer, Lsn, Replication, StandbyStatus, Started};

use super::history::History;
use super::{WHOLE_LEVEL, server, whereabouts};
use crate::error::Error;
use crate::keeper::Keeper;
use crate::repo::Repository;
use crate::repo::state::Position;
use crate::repo::wal::Segment;

/// How often the repository is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Where nothing more has come for so long, the server is asked to hand over the segment that is open.
const NUDGE_AFTER: Duration = Duration::from_secs(2);
/// Where still nothing has come after this, the log is fetched from the server.
const FETCH_AFTER: Duration = Duration::from_secs(15);
/// A server that says nothing for so long while log is fetched is taken for gone.
const SILENT_AFTER: Duration = Duration::from_secs(60);

/// Waits until the log between two positions is in a repository. Where it does not come by itself, it is fetched from
/// the server; an error where that has not got it any more.
pub(crate) async fn ensure(
    keeper: &Keeper,
    repository: &Repository,
    from: Position,
    to: Position,
) -> Result<(), Error> {
    let bytes = segment_bytes(keeper).await?;
    let need = Need {
        history: history_of(repository, from, to).await?,
        from,
        to,
        bytes,
    };
    let receives = keeper.settings.enabled && keeper.settings.wal;
    let patience = if receives { FETCH_AFTER } else { Duration::ZERO };
    let (mut next, mut progress, mut nudged) = (from.lsn - from.lsn % u64::from(bytes), Instant::now(), false);
    while next < to.lsn {
        if need.has(repository, next).await? {
            next += u64::from(bytes);
            progress = Instant::now();
        } else if progress.elapsed() >= patience {
            fetch(keeper, repository, &need, next).await?;
        } else {
            if !nudged && progress.elapsed() > NUDGE_AFTER && keeper.settings.wal_archive_directory.is_some() {
                nudged = true;
                let mut asking = server::ask_primary(&keeper.cluster, &keeper.settings.wal_slot, None).await?;
                server::switch_segment(&mut asking).await?;
                asking.close().await;
            }
            sleep(LOOK_EVERY).await;
        }
    }
    Ok(())
}

/// What is needed of the log.
struct Need {
    history: Option<History>,
    from: Position,
    to: Position,
    bytes: u32,
}

impl Need {
    /// Whether the repository has of the segment at a position what is needed.
    async fn has(&self, repository: &Repository, lsn: u64) -> Result<bool, Error> {
        for timeline in self.timelines(lsn) {
            let segment = Segment::at(timeline, lsn, self.bytes);
            if repository.has_segment(segment).await? {
                return Ok(true);
            }
            let end = self.to.lsn.min(segment.end()) - segment.start();
            if self.to.lsn <= segment.end() && whereabouts::known(repository, segment).await?.len() as u64 >= end {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The timelines that may have the segment at a position, the latest first.
    fn timelines(&self, lsn: u64) -> Vec<u32> {
        let segment = Segment::at(0, lsn, self.bytes);
        let Some(history) = &self.history else {
            return vec![self.to.timeline];
        };
        let here = history.back().filter(|stretch| {
            stretch.timeline >= self.from.timeline
                && stretch.begin < segment.end()
                && stretch.end.is_none_or(|end| end > segment.start())
        });
        here.map(|stretch| stretch.timeline).collect()
    }
}

async fn history_of(repository: &Repository, from: Position, to: Position) -> Result<Option<History>, Error> {
    if from.timeline == to.timeline {
        return Ok(None);
    }
    let file = repository.history(to.timeline).await?;
    let history = file.map(|file| History::read(to.timeline, Some(&file))).transpose();
    history.map_err(|reason| missing(&reason))
}

fn missing(reason: &str) -> Error {
    Error::Refused {
        slug: "backup-log-missing",
        reason: format!("log that is needed is not in the repository: {reason}"),
    }
}

async fn segment_bytes(keeper: &Keeper) -> Result<u32, Error> {
    let name = &keeper.settings.wal_slot;
    let mut asking = server::ask_primary(&keeper.cluster, name, None).await?;
    let bytes = server::segment_bytes(&mut asking).await;
    asking.close().await;
    bytes
}

/// Fetches what is needed from a position on, past whoever else should have brought it.
async fn fetch(keeper: &Keeper, repository: &Repository, need: &Need, lsn: u64) -> Result<(), Error> {
    let server = server::primary(&keeper.cluster, &keeper.settings.wal_slot).await?;
    whereabouts::claim(repository, server.identity.system_identifier).await?;
    let timeline = need.timelines(lsn).first().copied().unwrap_or(need.to.timeline);
    let open = Segment::at(timeline, lsn, need.bytes);
    tracing::info!(position = %Lsn(open.start()), timeline, "fetching log that has not come by itself");
    let started = server
        .link
        .replicate_physical(None, Lsn(open.start()), timeline)
        .await?;
    let Started::Streaming(mut stream) = started else {
        return Err(missing("its timeline has ended before"));
    };
    let fetched = read(&mut stream, repository, open, need.to.lsn).await;
    stream.close().await;
    fetched
}

async fn read(stream: &mut Replication, repository: &Repository, open: Segment, end: u64) -> Result<(), Error> {
    let (mut open, mut content) = (open, Vec::<u8>::new());
    while open.start() + (content.len() as u64) < end {
        let word = timeout(SILENT_AFTER, stream.next_on_timeline()).await;
        let word = word.map_err(|_| missing("the server says nothing"))?;
        match word.map_err(gone)? {
            None => return Err(missing("its timeline has ended before")),
            Some(FromServer::Keepalive { .. }) => stream.tell(&StandbyStatus::default()).await?,
            Some(FromServer::Data { bytes, .. }) => content.extend_from_slice(bytes),
        }
        while content.len() as u64 >= u64::from(open.bytes) {
            let rest = content.split_off(open.bytes as usize);
            let whole = Bytes::from(std::mem::replace(&mut content, rest));
            repository.keep_segment(open, whole, WHOLE_LEVEL).await?;
            repository.drop_pieces(open).await?;
            open = open.next();
        }
    }
    if open.start() < end {
        let here = whereabouts::known(repository, open).await?;
        super::mirror::add(repository, open, &here, &content.into()).await?;
    }
    Ok(())
}

fn gone(error: weir_upstream::Error) -> Error {
    match error.server() {
        Some(server) if server.sqlstate == "58P01" => missing(&server.to_string()),
        _ => error.into(),
    }
}
