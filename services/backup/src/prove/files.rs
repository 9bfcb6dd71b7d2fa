//! The files of a backup on a scratch directory: whatever is there already and is right stays.

use crate::engine::pace::Pace;
use crate::engine::restore::{self, FileOptions, Written};
use crate::error::Error;
use crate::keeper::Keeper;
use crate::repo::Repository;
use crate::repo::state::BackupEntry;

use super::place::Place;

/// Brings the files of a backup into a place, its tablespaces into directories of the place.
pub(super) async fn bring(
    keeper: &Keeper,
    repository: &Repository,
    entry: &BackupEntry,
    place: &Place,
    pace: &Pace,
) -> Result<Written, Error> {
    let manifest = repository.manifest(entry).await?;
    let tablespaces = manifest.tablespaces.iter();
    let options = FileOptions {
        threads: keeper.settings.threads,
        delta: true,
        force: true,
        tablespaces: tablespaces
            .map(|tablespace| (tablespace.oid, place.tablespaces().join(tablespace.oid.to_string())))
            .collect(),
        owner: restore::server::owner_of(&keeper.settings.postgres_user)?,
        ..FileOptions::default()
    };
    restore::files(repository, entry, &place.data(), &options, pace).await
}
