//! Keys made anew: what wraps them, and what encrypts from now on. Nothing that is stored is written again.
//!
//! A set of keys has all keys of the sets before it. It is made under the next number, and counts once the state says
//! so: whoever slept and made one that others have passed meanwhile finds that out before anything is encrypted with it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::Error;
use crate::keeper::Keeper;
use crate::orders::RotateKeysOrder;
use crate::repo::keys::Keys;
use crate::repo::seal::{self, hexadecimal};
use crate::repo::{self, Put, Repository};

/// A set is made again where others make theirs, so often.
const TRIES: usize = 10;

/// What was made anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Rotated {
    /// In each repository.
    pub repositories: BTreeMap<String, RotatedKeys>,
}

/// The keys of one repository, by what is known about them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct RotatedKeys {
    /// The number of the set.
    pub set: u64,
    /// The key that encrypts from now on.
    pub key: String,
    /// The key that wraps the set.
    pub wrapped_by: String,
}

/// Makes the keys of repositories anew, wrapped by what their key files hold now.
pub(crate) async fn rotate(keeper: &Keeper, order: &RotateKeysOrder) -> Result<Rotated, Error> {
    if !order.project.is_empty() {
        return Err(Error::Field {
            field: "project",
            reason: "a project's keys are its own, and not a repository's".to_owned(),
        });
    }
    let mut rotated = Rotated::default();
    for name in keeper.repositories.meant(&order.repository)? {
        let repository = keeper.repositories.get(name).await?;
        repository.rewrap(keeper.repositories.wrapping(name)?).await?;
        let keys = renew(&repository).await?;
        keeper.repositories.remember(&repository).await;
        tracing::info!(
            repository = name,
            set = keys.set,
            key = keys.key,
            "the keys of a repository were made anew"
        );
        rotated.repositories.insert(name.to_owned(), keys);
    }
    Ok(rotated)
}

/// Makes the next set of keys, and has it count.
pub(super) async fn renew(repository: &Repository) -> Result<RotatedKeys, repo::Error> {
    for _ in 0..TRIES {
        repository.reload_keys().await?;
        let keys = repository.keys();
        let renewed = keys.renewed(repository.clock().unix_ms());
        let renewed = renewed.ok_or_else(|| seal::unusable("keys"))?;
        let wrapping = repository.wrapping();
        let stored = renewed
            .store(repository.shelf(), &wrapping, repository.id_bytes())
            .await?;
        if stored == Put::Exists || !count(repository, &renewed).await? {
            continue;
        }
        repository.reload_keys().await?;
        return Ok(RotatedKeys {
            set: renewed.number,
            key: hexadecimal(&renewed.current()?.id()),
            wrapped_by: hexadecimal(&wrapping.id()),
        });
    }
    let reason = format!(
        "the keys of repository {} are made anew by too many at once",
        repository.name()
    );
    Err(repo::Error::Busy(reason))
}

/// Has a set count, unless others have passed it.
async fn count(repository: &Repository, renewed: &Keys) -> Result<bool, repo::Error> {
    let counts = repository.change(|state| {
        let is_next = state.keys < renewed.number;
        state.keys = state.keys.max(renewed.number);
        Ok(is_next)
    });
    counts.await
}
