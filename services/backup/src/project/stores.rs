//! The repositories that an export goes to, each of its objects to all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use uuid::Uuid;

use super::index::{self, Index};
use crate::error::Error;
use crate::repo::state::BackupEntry;
use crate::repo::{self, Repository};

/// The repositories that an export goes to. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Stores(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    all: Vec<(Repository, AtomicBool)>,
    /// Whether each was asked for by name, so that none may be left out.
    each: bool,
}

/// What is done with each.
enum Act<'a> {
    Begin(Uuid, &'a str),
    Put(&'a str, &'a Bytes),
    Commit(Uuid, &'a str, &'a Index, &'a BackupEntry),
}

impl Act<'_> {
    async fn on(&self, repository: &Repository) -> Result<Option<BackupEntry>, Error> {
        match self {
            Self::Begin(id, holder) => {
                index::begin(repository, *id, holder).await?;
                index::sweep(repository, &id.to_string(), "").await?;
            }
            Self::Put(path, bytes) => repository.shelf().put_own(path, (*bytes).clone()).await?,
            Self::Commit(id, holder, index, entry) => {
                return index::commit(repository, *id, holder, index, entry).await.map(Some);
            }
        }
        Ok(None)
    }
}

impl Stores {
    /// These. `each`: the export fails if one of them does; otherwise it goes to those that can take it.
    pub(crate) fn of(repositories: Vec<Repository>, each: bool) -> Self {
        let all = repositories
            .into_iter()
            .map(|repository| (repository, AtomicBool::new(true)));
        Self(Arc::new(Inner {
            all: all.collect(),
            each,
        }))
    }

    /// Those that took everything so far.
    pub(crate) fn alive(&self) -> impl Iterator<Item = &Repository> {
        let alive = self.0.all.iter().filter(|(_, alive)| alive.load(Ordering::Relaxed));
        alive.map(|(repository, _)| repository)
    }

    /// Does the same with each. An error where none is left, or where none may be left out.
    async fn with_each(&self, act: &Act<'_>) -> Result<Option<BackupEntry>, Error> {
        let (mut first, mut trouble) = (None, Error::Stopped);
        for (repository, alive) in &self.0.all {
            if !alive.load(Ordering::Relaxed) {
                continue;
            }
            match act.on(repository).await {
                Ok(done) => first = first.or(Some(done)),
                Err(error) if self.0.each || ends_all(&error) => return Err(error),
                Err(error) => {
                    tracing::warn!(repository = repository.name(), error = %error, "an export does not reach a repository");
                    alive.store(false, Ordering::Relaxed);
                    trouble = error;
                }
            }
        }
        first.ok_or(trouble)
    }

    /// Takes the lease of an export in each, and removes what earlier attempts left there.
    pub(crate) async fn begin(&self, id: Uuid, holder: &str) -> Result<(), Error> {
        self.with_each(&Act::Begin(id, holder)).await.map(drop)
    }

    /// Says that it is still being written. A store that is away for a moment is asked again the next time.
    pub(crate) async fn renew(&self, id: Uuid, holder: &str) -> Result<(), Error> {
        for repository in self.alive() {
            match index::renew(repository, id, holder).await {
                Err(Error::Repository(repo::Error::Store { .. } | repo::Error::Busy(_))) | Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Stores an object.
    pub(crate) async fn put(&self, path: &str, bytes: &Bytes) -> Result<(), Error> {
        self.with_each(&Act::Put(path, bytes)).await.map(drop)
    }

    /// Has the export listed; returns the entry as the first lists it.
    pub(crate) async fn commit(
        &self,
        id: Uuid,
        holder: &str,
        index: &Index,
        entry: &BackupEntry,
    ) -> Result<BackupEntry, Error> {
        let listed = self.with_each(&Act::Commit(id, holder, index, entry)).await?;
        Ok(listed.unwrap_or_else(|| entry.clone()))
    }

    /// Gives the leases back after a failure, and removes what was stored, as far as that can be done.
    pub(crate) async fn abandon(&self, id: Uuid, holder: &str, token: &str) {
        for (repository, _) in &self.0.all {
            let ended = async {
                index::abandon(repository, id, holder).await?;
                index::sweep(repository, &id.to_string(), token).await
            };
            if let Err(error) = ended.await {
                tracing::warn!(repository = repository.name(), error = %error, "what is left of an export stays until it is collected");
            }
        }
    }
}

/// Whether an error of one means all: somebody else writes this export now, or it is not wanted any more.
const fn ends_all(error: &Error) -> bool {
    matches!(error, Error::Repository(repo::Error::Fenced(_)))
}
