//! The cluster as it was at a moment, on a scratch server beside the live one.

use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use weir_upstream::Target;

use super::place::Place;
use super::programs::{Programs, refused};
use super::scratch::{Scratch, Start};
use super::spool::Spool;
use super::{files, target};
use crate::engine::pace::Pace;
use crate::engine::restore;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::orders::{RestoreOrder, RestoreTarget};
use crate::project::{Past, Standing};
use crate::repo::Repository;
use crate::repo::state::BackupEntry;

/// The name of the directory in which the past stands.
const PLACE: &str = "past";

/// Has the cluster stand at a moment on a scratch server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beside;

impl Past for Beside {
    fn open<'a>(
        &'a self,
        keeper: &'a Keeper,
        moment: &'a RestoreTarget,
        pace: &'a Pace,
    ) -> BoxFuture<'a, Result<Box<dyn Standing>, Error>> {
        Box::pin(async move {
            let stands = stand(keeper, moment, pace).await?;
            Ok(Box::new(stands) as Box<dyn Standing>)
        })
    }
}

/// A scratch server at a moment of the past. Dropped, it ends; its files stay for the next, which takes over what is
/// the same.
struct Stands {
    _scratch: Scratch,
    _place: Place,
    target: Target,
    bin: PathBuf,
}

impl Standing for Stands {
    fn target(&self) -> &Target {
        &self.target
    }

    fn programs(&self) -> Option<&Path> {
        Some(&self.bin)
    }
}

async fn stand(keeper: &Keeper, moment: &RestoreTarget, pace: &Pace) -> Result<Stands, Error> {
    let directory = keeper.settings.scratch_directory.as_ref();
    let directory =
        directory.ok_or_else(|| refused("a moment of the past needs backup.scratch_directory".to_owned()))?;
    let (repository, entry) = chosen(keeper, moment, &directory.join(PLACE)).await?;
    let programs = Programs::find(&keeper.settings, entry.server_version).await?;
    let place = Place::take(directory, PLACE, &programs, pace.stop()).await?;
    files::bring(keeper, &repository, &entry, &place, pace).await?;
    let mut spool = Spool::new(&repository, place.wal(), &programs, entry.wal_segment_bytes);
    let timeline = entry.start.unwrap_or_default().timeline;
    let how = Start {
        recovery: Some((spool.command(), target::settings(moment, timeline))),
        users: vec![keeper.cluster.target.user().to_owned(), "postgres".to_owned()],
        settings: Vec::new(),
    };
    pace.progress().begin("replay", 0);
    let mut scratch = Scratch::start(&programs, &place.data(), &place.run(), &how).await?;
    tokio::select! {
        biased;
        given = spool.give(pace) => match given {
            Err(error) => return Err(error),
            Ok(never) => match never {},
        },
        open = scratch.wait_open(pace.stop()) => open?,
    }
    Ok(Stands {
        target: scratch.reached_as_superuser(keeper.cluster.target.database()).await?,
        bin: programs.bin().to_owned(),
        _scratch: scratch,
        _place: place,
    })
}

/// The backup to begin with, and where it is.
async fn chosen(keeper: &Keeper, moment: &RestoreTarget, directory: &Path) -> Result<(Repository, BackupEntry), Error> {
    let order = RestoreOrder {
        target: moment.clone(),
        directory: directory.to_owned(),
        ..RestoreOrder::default()
    };
    let (repository, choice) = restore::chosen(keeper, &order).await?;
    if let Some(obstacle) = choice.obstacles.into_iter().find(|obstacle| !obstacle.can_be_forced) {
        return Err(Error::Refused {
            slug: obstacle.slug,
            reason: obstacle.detail,
        });
    }
    let entry = choice
        .backup
        .ok_or_else(|| refused("there is no backup to begin with".to_owned()))?;
    Ok((repository, entry))
}
