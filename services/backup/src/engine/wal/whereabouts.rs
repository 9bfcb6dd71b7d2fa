//! What a repository has of the log, and whether it may be given this cluster's.

use bytes::Bytes;

use super::history::History;
use crate::repo::state::Position;
use crate::repo::wal::{Held, Segment};
use crate::repo::{self, Repository};

/// Has a repository belong to a cluster, unless it belongs to another.
pub(crate) async fn claim(repository: &Repository, system_identifier: u64) -> Result<(), repo::Error> {
    let holds = repository.state().await?.system_identifier;
    if holds == system_identifier {
        return Ok(());
    }
    if holds != 0 {
        return Err(foreign(repository, holds, system_identifier));
    }
    let changed = repository.change(|state| {
        if state.system_identifier == 0 {
            state.system_identifier = system_identifier;
        }
        Ok(())
    });
    changed.await?;
    let holds = repository.state().await?.system_identifier;
    if holds == system_identifier {
        Ok(())
    } else {
        Err(foreign(repository, holds, system_identifier))
    }
}

fn foreign(repository: &Repository, holds: u64, this: u64) -> repo::Error {
    repo::Error::Foreign {
        repository: repository.name().to_owned(),
        holds,
        this,
    }
}

/// Up to where a repository has a timeline; none where it has nothing of it.
pub(crate) async fn end(repository: &Repository, timeline: u32, bytes: u32) -> Result<Option<Position>, repo::Error> {
    let whole = repository.segments(timeline, bytes).await?;
    let whole = whole.last().map_or(0, |listed| listed.segment.end());
    let mut lsn = whole;
    for open in repository.open_segments(timeline, bytes).await?.into_iter().rev() {
        if open.end() <= whole {
            break;
        }
        let begun = known(repository, open).await?.len() as u64;
        if begun > 0 {
            lsn = open.start() + begun;
            break;
        }
    }
    Ok((lsn > 0).then_some(Position { timeline, lsn }))
}

/// What a repository has of a segment, from its beginning on.
pub(crate) async fn known(repository: &Repository, segment: Segment) -> Result<Bytes, repo::Error> {
    match repository.segment(segment).await? {
        Held::Whole(content) | Held::Beginning(content) => Ok(content),
    }
}

/// Up to where a repository has each timeline of a history.
pub(crate) async fn ends(repository: &Repository, history: &History, bytes: u32) -> Result<Vec<Position>, repo::Error> {
    let mut ends = Vec::new();
    for stretch in history.back() {
        if let Some(end) = end(repository, stretch.timeline, bytes).await? {
            ends.push(end);
            // What came before is older than this, and is not gone on with.
            break;
        }
    }
    Ok(ends)
}

/// The latest timeline that a repository has anything of; 0: none.
pub(crate) async fn latest(repository: &Repository, bytes: u32) -> Result<u32, repo::Error> {
    let mut timelines = repository.histories().await?;
    timelines.insert(0, 1);
    for timeline in timelines.into_iter().rev() {
        let has_whole = !repository.segments(timeline, bytes).await?.is_empty();
        if has_whole || !repository.open_segments(timeline, bytes).await?.is_empty() {
            return Ok(timeline);
        }
    }
    Ok(0)
}

/// Removes pieces of segments that are there as a whole: what was left when somebody was interrupted.
pub(crate) async fn tidy(repository: &Repository, timeline: u32, bytes: u32) -> Result<(), repo::Error> {
    let whole = repository.segments(timeline, bytes).await?;
    for open in repository.open_segments(timeline, bytes).await? {
        if whole.binary_search_by_key(&open, |listed| listed.segment).is_ok() {
            repository.drop_pieces(open).await?;
        }
    }
    Ok(())
}
