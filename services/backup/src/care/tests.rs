//! What care promises, on repositories that fail and are tampered with.

mod copies;
mod corruption;
mod full;
mod keeping;
mod model;
mod rounds;
mod steps;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_model::Clock;

use super::collect::{Collected, How, collect};
use super::leases::Watched;
use crate::engine::pace::Pace;
use crate::engine::progress::Progress;
use crate::error::Error;
use crate::repo::faulty::Faulty;
use crate::repo::keys::Wrapping;
use crate::repo::state::{BackupEntry, BackupState};
use crate::repo::tests::restored;
use crate::repo::{self, Repository};

/// No limit, and no end.
fn pace() -> Pace {
    Pace::new(0, CancellationToken::new(), Progress::default())
}

/// A repository as one more process opens it.
async fn process(store: &Faulty) -> Result<Repository, repo::Error> {
    Repository::open(
        store.shelf("test"),
        Wrapping::of(vec![[5; 32]]),
        "main",
        Clock::system(),
        None,
    )
    .await
}

/// Without any grace: what is marked in one round goes in the next.
fn at_once() -> How {
    How {
        dead_after: Duration::from_secs(600),
        ..How::default()
    }
}

/// A round of collection.
async fn round(repository: &Repository, how: &How) -> Result<Collected, Error> {
    let mut told = Collected::default();
    collect(repository, &Mutex::new(Watched::default()), how, &pace(), &mut told).await?;
    Ok(told)
}

/// Gives up a backup.
async fn give_up(repository: &Repository, id: &str) -> Result<(), repo::Error> {
    repository
        .change(|state| {
            state.backup_mut(id)?.set_state(BackupState::Expired);
            Ok(())
        })
        .await
}

/// Files by name.
type Files = Vec<(String, Vec<u8>)>;

/// What backups hold, by id.
#[derive(Debug, Default)]
struct Ledger(BTreeMap<String, Files>);

impl Ledger {
    fn note(&mut self, id: Uuid, files: &[(&str, Vec<u8>)]) {
        let files = files
            .iter()
            .map(|(name, content)| ((*name).to_owned(), content.clone()));
        self.0.insert(id.to_string(), files.collect());
    }

    /// Every listed backup reads back byte for byte.
    async fn check(&self, repository: &Repository, said: &str) -> Vec<BackupEntry> {
        let listed: Vec<BackupEntry> = repository.state().await.unwrap().of_cluster().cloned().collect();
        for backup in &listed {
            let found = restored(repository, backup).await;
            let found = found.unwrap_or_else(|error| panic!("{said}: backup {} cannot be read: {error}", backup.id));
            assert!(
                found == self.0[&backup.id],
                "{said}: backup {} is not what was stored",
                backup.id
            );
        }
        listed
    }
}
