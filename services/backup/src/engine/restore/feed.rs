//! Log for a server that recovers under our eyes: laid ready from the repository by this process, so that the server's
//! user needs neither a key nor a way to the repository.

use std::future::Future;

use super::open_files::Owner;
use super::run::{Means, RestorePlan};
use super::server;
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::prove::{Programs, Spool};
use crate::repo::state::BackupEntry;

/// Log, laid ready as a server asks for it.
pub(super) struct Feed {
    spool: Spool,
    /// Where it lies, until this is dropped.
    _directory: tempfile::TempDir,
}

impl Feed {
    /// For a server that recovers a backup.
    pub(super) async fn of(
        means: Means<'_>,
        plan: &RestorePlan,
        backup: &BackupEntry,
        owner: Option<Owner>,
    ) -> Result<Self, Error> {
        let programs = Programs::find(means.settings, backup.server_version).await?;
        let directory = server::run_directory(owner)?;
        let wanted = directory.path().join("wanted");
        std::fs::create_dir(&wanted).map_err(|error| Error::file(&wanted, error))?;
        programs.own(&wanted)?;
        let spool = Spool::new(
            &plan.repository,
            directory.path().to_owned(),
            &programs,
            backup.wal_segment_bytes,
        );
        Ok(Self {
            spool,
            _directory: directory,
        })
    }

    /// The server's `restore_command`.
    pub(super) fn command(&self) -> String {
        self.spool.command()
    }

    /// Gives what the server asks for, until something is done.
    pub(super) async fn while_giving<T>(
        &mut self,
        done: impl Future<Output = Result<T, Error>>,
        pace: &Pace,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            given = self.spool.give(pace) => match given {
                Err(error) => Err(error),
                Ok(never) => match never {},
            },
            done = done => done,
        }
    }
}
