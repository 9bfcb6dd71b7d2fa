//! Brings a repository that fell behind up to the first: whole segments and histories that it lacks.

use std::collections::HashSet;

use bytes::Bytes;

use super::WHOLE_LEVEL;
use super::whereabouts;
use crate::repo::wal::{Held, Segment};
use crate::repo::{self, Repository};

/// Copies what `other` lacks of what `first` has, in order.
pub(super) async fn bring_up(
    first: &Repository,
    other: &Repository,
    system_identifier: u64,
    segment_bytes: u32,
) -> Result<(), repo::Error> {
    whereabouts::claim(other, system_identifier).await?;
    let mut timelines = first.histories().await?;
    for timeline in timelines.clone() {
        if let Some(history) = first.history(timeline).await? {
            other.put_history(timeline, &history).await?;
        }
    }
    timelines.insert(0, 1);
    let floors = other.state().await?.wal_floors;
    for timeline in timelines {
        let floor = floors
            .iter()
            .find(|floor| floor.timeline == timeline)
            .map_or(0, |floor| floor.lsn);
        copy(first, other, timeline, segment_bytes, floor).await?;
    }
    Ok(())
}

async fn copy(
    first: &Repository,
    other: &Repository,
    timeline: u32,
    bytes: u32,
    floor: u64,
) -> Result<(), repo::Error> {
    let has = other.segments(timeline, bytes).await?;
    let has: HashSet<Segment> = has.iter().map(|listed| listed.segment).collect();
    for listed in first.segments(timeline, bytes).await? {
        let segment = listed.segment;
        if has.contains(&segment) || segment.end() <= floor {
            continue;
        }
        if let Held::Whole(content) = first.segment(segment).await? {
            other.keep_segment(segment, content, WHOLE_LEVEL).await?;
            other.drop_pieces(segment).await?;
        }
    }
    copy_left_open(first, other, timeline, bytes).await
}

/// The last segment of a timeline that was left is never whole.
async fn copy_left_open(first: &Repository, other: &Repository, timeline: u32, bytes: u32) -> Result<(), repo::Error> {
    for open in first.open_segments(timeline, bytes).await? {
        let (there, here) = (
            whereabouts::known(first, open).await?,
            whereabouts::known(other, open).await?,
        );
        add(other, open, &here, &there).await?;
    }
    Ok(())
}

/// Adds to what a repository has of the beginning of a segment what it lacks of a longer one.
pub(super) async fn add(other: &Repository, open: Segment, here: &Bytes, there: &Bytes) -> Result<(), repo::Error> {
    if !there.starts_with(here.get(..here.len().min(there.len())).unwrap_or_default()) {
        let name = open.name();
        return Err(repo::Error::corrupt(
            &name,
            "the repository holds other log of this position",
        ));
    }
    if there.len() <= here.len() {
        return Ok(());
    }
    if there.len() as u64 == u64::from(open.bytes) {
        other.keep_segment(open, there.clone(), WHOLE_LEVEL).await?;
        return other.drop_pieces(open).await;
    }
    let offset = u32::try_from(here.len()).unwrap_or(u32::MAX);
    other
        .keep_piece(open, offset, there.slice(here.len()..), WHOLE_LEVEL)
        .await
}
