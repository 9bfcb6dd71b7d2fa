//! Takes in what an `archive_command` puts into a directory, for those who want that beside the stream or instead of it.
//!
//! A file is removed from there once the first repository has it; others get it then, or when they are brought up to
//! the first. A file that cannot be right stays and is told of. Files of other names are nobody's business.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use weir_store::pause;

use super::files::{self, File, Refusal};
use super::log::{Log, Voice, Way};
use crate::error::Error;
use crate::keeper::Keeper;
use crate::repo::Repository;
use crate::repo::state::Position;
use crate::repo::wal::Segment;

/// How often the directory is looked into.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A file that has not become whole for so long never will.
const UNFINISHED_AFTER: Duration = Duration::from_secs(60);
/// In one look so many files are taken at most.
const FILES_MAX: usize = 256;

/// What a file looked like.
type Looks = (u64, Option<SystemTime>);

/// Files that are there and not to be taken, as they looked.
#[derive(Debug, Default)]
struct Left(HashMap<String, Looks>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    kind: File,
    name: String,
    bytes: u64,
    modified: Option<SystemTime>,
}

/// Takes files in until it is told to stop.
pub(super) async fn take_in(keeper: &Keeper, log: &Log, stop: &CancellationToken) {
    let Some(directory) = &keeper.settings.wal_archive_directory else {
        return;
    };
    let mut left = Left::default();
    while pause(stop, LOOK_EVERY).await {
        match stop.run_until_cancelled(look(keeper, log, directory, &mut left)).await {
            Some(Ok(())) => log.freed(&Voice::Archive),
            Some(Err(why)) => log.hindered(Voice::Archive, &why),
            None => return,
        }
    }
}

async fn look(keeper: &Keeper, log: &Log, directory: &Path, left: &mut Left) -> Result<(), String> {
    let (mut trouble, now) = (None, keeper.clock.now());
    let found = list(directory.to_owned()).await?;
    left.0.retain(|name, _| found.iter().any(|found| found.name == *name));
    for found in found.into_iter().take(FILES_MAX) {
        let looks = (found.bytes, found.modified);
        if left.0.get(&found.name) == Some(&looks) {
            continue;
        }
        let path = directory.join(&found.name);
        let content = tokio::fs::read(&path).await.map_err(|error| told(&path, &error))?;
        let is_new = found
            .modified
            .is_some_and(|modified| now.duration_since(modified).unwrap_or_default() < UNFINISHED_AFTER);
        match take(keeper, &found, content.into()).await {
            Ok(segment) => {
                note(log, segment);
                if let Err(error) = tokio::fs::remove_file(&path).await {
                    left.0.insert(found.name.clone(), looks);
                    trouble = Some(told(&path, &error));
                }
            }
            Err(Taking::Passing(why)) => return Err(why),
            // It may be on its way still.
            Err(Taking::Never(_)) if is_new => {}
            Err(Taking::Never(why)) => {
                left.0.insert(found.name.clone(), looks);
                tracing::error!(file = %path.display(), reason = why, "a file of the archive is not taken");
                trouble = Some(format!("{}: {why}", path.display()));
            }
        }
    }
    // What stays is told of for as long as it stays.
    let name = left.0.keys().min();
    let stays = name.map(|name| {
        format!(
            "{} was not taken, or could not be removed",
            directory.join(name).display()
        )
    });
    trouble.or(stays).map_or(Ok(()), Err)
}

fn told(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// The files that are of the log, histories first, each segment before those after it.
async fn list(directory: PathBuf) -> Result<Vec<Found>, String> {
    let listing = tokio::task::spawn_blocking(move || {
        let entries = std::fs::read_dir(&directory).map_err(|error| told(&directory, &error))?;
        let mut found: Vec<Found> = entries.flatten().filter_map(|entry| found_of(&entry)).collect();
        found.sort();
        Ok(found)
    });
    listing.await.map_err(|error| error.to_string())?
}

fn found_of(entry: &std::fs::DirEntry) -> Option<Found> {
    let name = entry.file_name().into_string().ok()?;
    let (kind, facts) = (File::of_name(&name)?, entry.metadata().ok()?);
    facts.is_file().then(|| Found {
        kind,
        name,
        bytes: facts.len(),
        modified: facts.modified().ok(),
    })
}

enum Taking {
    Passing(String),
    Never(String),
}

async fn take(keeper: &Keeper, found: &Found, content: Bytes) -> Result<Option<Segment>, Taking> {
    let passing = |error: &Error| Taking::Passing(error.to_string());
    let mut segment = None;
    for (at, name) in keeper.repositories.names().enumerate() {
        let repository: Repository = match keeper.repositories.get(name).await {
            Ok(repository) => repository,
            Err(error) if at == 0 => return Err(passing(&error)),
            Err(_) => continue,
        };
        match files::put(&repository, &found.name, content.clone(), 0).await {
            Ok(put) => segment = put.or(segment),
            Err(error) if at > 0 && error.is_passing() => {}
            Err(error) => return Err(taking(&error)),
        }
    }
    Ok(segment)
}

fn taking(error: &Refusal) -> Taking {
    if error.is_passing() {
        Taking::Passing(error.to_string())
    } else {
        Taking::Never(error.to_string())
    }
}

/// Where nothing is streamed, this is how the log comes.
fn note(log: &Log, segment: Option<Segment>) {
    let Some(segment) = segment else {
        return;
    };
    if matches!(log.way(), Way::Off | Way::Archive) {
        let position = Position {
            timeline: segment.timeline,
            lsn: segment.end(),
        };
        log.goes_by(Way::Archive);
        log.received(position);
        log.safe(position);
    }
}
