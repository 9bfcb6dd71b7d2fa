//! What all repositories together list: each backup once, with who holds it.
//!
//! The repositories are the truth; nothing is kept here. One that cannot be read is left out, and said so.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use crate::error::Error;
use crate::keeper::Keeper;
use crate::repo::state::{BackupEntry, BackupKind, BackupState, ProofEntry, State};
use crate::repo::{self, Repository};

/// A repository that does not answer in this time counts as away.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A repository that was asked.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Its name in the settings.
    pub name: String,
    /// What it is and says, or why it cannot be read.
    pub answer: Result<(Repository, State), Error>,
}

/// A backup, and what is known of it anywhere.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    /// The cluster.
    pub cluster: String,
    /// PostgreSQL's identifier of the cluster.
    pub system_identifier: u64,
    /// The backup as the first repository has it, in the state that all of them together say.
    pub entry: BackupEntry,
    /// Who holds it, in the order of the settings.
    pub repositories: Vec<String>,
    /// The id of the key that it needs, and whether it takes one.
    pub key: Option<String>,
    /// Its proofs, the newest first.
    pub proofs: Vec<(String, ProofEntry)>,
}

/// Asks every repository, all at once.
pub(crate) async fn ask(keeper: &Keeper) -> Vec<Asked> {
    let asked = keeper.repositories.names().map(|name| async move {
        let answer = timeout(ANSWER_WITHIN, read(keeper, name)).await;
        let away = |_| {
            Err(Error::Repository(repo::Error::Store {
                repository: name.to_owned(),
                reason: format!("no answer within {ANSWER_WITHIN:?}"),
            }))
        };
        Asked {
            name: name.to_owned(),
            answer: answer.unwrap_or_else(away),
        }
    });
    join_all(asked).await
}

async fn read(keeper: &Keeper, name: &str) -> Result<(Repository, State), Error> {
    let repository = keeper.repositories.get(name).await?;
    let state = repository.state().await?;
    Ok((repository, state))
}

/// Everything that is listed, the newest first. An error where no repository can be read.
pub(crate) async fn backups(keeper: &Keeper) -> Result<Vec<Listed>, Error> {
    merged(ask(keeper).await)
}

fn merged(asked: Vec<Asked>) -> Result<Vec<Listed>, Error> {
    let (mut all, mut trouble, mut is_any_there) = (BTreeMap::<String, Listed>::new(), None, false);
    for Asked { name, answer } in asked {
        match answer {
            Ok((repository, state)) => {
                is_any_there = true;
                add(&mut all, &name, &repository, &state);
            }
            Err(error) => trouble = trouble.or(Some(error)),
        }
    }
    match trouble {
        Some(error) if !is_any_there => return Err(error),
        Some(error) => tracing::warn!(%error, "the catalogue is made without a repository that cannot be read"),
        None => {}
    }
    let mut listed: Vec<Listed> = all.into_values().collect();
    for backup in &mut listed {
        let proofs = &mut backup.proofs;
        proofs.sort_by(|(_, one), (_, other)| (other.ended_unix_ms, &other.id).cmp(&(one.ended_unix_ms, &one.id)));
    }
    listed.sort_by(|one, other| place(&other.entry).cmp(&place(&one.entry)));
    Ok(listed)
}

/// By what the catalogue is ordered.
pub(crate) fn place(entry: &BackupEntry) -> (i64, &str) {
    (entry.ended_unix_ms, &entry.id)
}

fn add(all: &mut BTreeMap<String, Listed>, name: &str, repository: &Repository, state: &State) {
    for entry in &state.backups {
        let listed = all.entry(entry.id.clone()).or_insert_with(|| Listed {
            cluster: state.cluster.clone(),
            system_identifier: state.system_identifier,
            entry: entry.clone(),
            repositories: Vec::new(),
            key: key_of(repository, entry),
            proofs: Vec::new(),
        });
        let together = worst(listed.entry.state(), entry.state());
        listed.entry.set_state(together);
        listed.repositories.push(name.to_owned());
        let own = state.proofs.iter().filter(|proof| proof.backup_id == entry.id);
        let unknown = own.filter(|proof| listed.proofs.iter().all(|(_, known)| known.id != proof.id));
        let unknown: Vec<_> = unknown.map(|proof| (name.to_owned(), proof.clone())).collect();
        listed.proofs.extend(unknown);
    }
}

/// What two repositories say of one backup together. Bad news anywhere is bad news; it is expired where all say so.
fn worst(one: BackupState, other: BackupState) -> BackupState {
    let rank = |state| match state {
        BackupState::Unspecified | BackupState::Expired => 0,
        BackupState::Unproven => 1,
        BackupState::Proven => 2,
        BackupState::Failed => 3,
        BackupState::Shredded => 4,
    };
    if rank(other) > rank(one) { other } else { one }
}

fn key_of(repository: &Repository, entry: &BackupEntry) -> Option<String> {
    if entry.kind() == BackupKind::Project && !entry.key_id.is_empty() {
        return Some(entry.key_id.clone());
    }
    let keys = repository.keys();
    let is_encrypted = repository.wrapping().is_encrypted();
    let id = is_encrypted.then(|| keys.current().ok().map(|key| repo::seal::hexadecimal(&key.id())));
    id.flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_news_of_one_repository_is_bad_news() {
        use BackupState::{Expired, Failed, Proven, Shredded, Unproven};
        for (one, other, together) in [
            (Proven, Failed, Failed),
            (Unproven, Proven, Proven),
            (Expired, Unproven, Unproven),
            (Expired, Expired, Expired),
            (Shredded, Proven, Shredded),
        ] {
            assert_eq!((worst(one, other), worst(other, one)), (together, together));
        }
    }
}
