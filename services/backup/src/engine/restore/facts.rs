//! What a plan is made from: looked up in a repository, and on this machine.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::error::Error;
use crate::plan::history::Log;
use crate::plan::restore::{Facts, Known, Obstacle};
use crate::repo::Repository;
use crate::repo::wal::Held;

/// What a repository knows.
pub(super) async fn of(repository: &Repository, known: Known) -> Result<Facts, Error> {
    let state = repository.state().await?;
    let mut histories = BTreeMap::new();
    for timeline in repository.histories().await? {
        if let Some(history) = repository.history(timeline).await? {
            histories.insert(timeline, String::from_utf8_lossy(&history).into_owned());
        }
    }
    let bytes = state
        .backups
        .iter()
        .rev()
        .map(|backup| backup.wal_segment_bytes)
        .find(|bytes| *bytes > 0);
    let mut log = Log {
        segment_bytes: u64::from(bytes.unwrap_or(16 << 20)),
        ..Log::default()
    };
    let of_backups = state.backups.iter().filter_map(|backup| Some(backup.stop?.timeline));
    let mut timelines: Vec<u32> = of_backups.chain(histories.keys().copied()).collect();
    timelines.sort_unstable();
    timelines.dedup();
    for timeline in timelines {
        learn(repository, timeline, &mut log).await?;
    }
    Ok(Facts {
        backups: state.backups,
        log,
        histories,
        known,
    })
}

async fn learn(repository: &Repository, timeline: u32, log: &mut Log) -> Result<(), Error> {
    let bytes = u32::try_from(log.segment_bytes).unwrap_or(u32::MAX);
    let whole = repository.segments(timeline, bytes).await?;
    let whole: BTreeMap<u64, u64> = whole
        .iter()
        .map(|listed| (listed.segment.number, listed.stored))
        .collect();
    let mut open = BTreeMap::new();
    for segment in repository.open_segments(timeline, bytes).await? {
        if whole.contains_key(&segment.number) {
            continue;
        }
        let held = match repository.segment(segment).await? {
            Held::Whole(content) | Held::Beginning(content) => content.len() as u64,
        };
        open.insert(segment.number, held);
    }
    log.whole.insert(timeline, whole);
    log.open.insert(timeline, open);
    Ok(())
}

/// Whether what is to be written has room: what goes to each of these directories, in bytes.
pub(super) fn trouble_of_room<'a>(needed: impl Iterator<Item = (&'a Path, u64)>) -> Result<Vec<Obstacle>, Error> {
    let mut systems: BTreeMap<u64, (u64, u64, &Path)> = BTreeMap::new();
    for (place, bytes) in needed {
        // What will be there lies where the nearest directory above it does that is there.
        let there = place.ancestors().find(|above| above.is_dir()).unwrap_or(place);
        let facts = std::fs::metadata(there).map_err(|error| Error::file(there, error))?;
        let room = rustix::fs::statvfs(there).map_err(|error| Error::file(there, error.into()))?;
        let free = room.f_bavail.saturating_mul(room.f_frsize);
        systems.entry(facts.dev()).or_insert((free, 0, place)).1 += bytes;
    }
    let full = systems.into_values().filter(|(free, bytes, _)| bytes > free);
    let told = |(free, bytes, place): (u64, u64, &Path)| {
        let detail = format!(
            "{bytes} bytes are to be written, and {} has room for {free}",
            place.display()
        );
        Obstacle::soft("backup-restore-no-room", detail)
    };
    Ok(full.map(told).collect())
}
