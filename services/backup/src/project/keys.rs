//! Keys that are made for projects which name no recipients of their own.
//!
//! A key's identity lies in the repository as `project-keys/<project>/<id>`, sealed with the repository's key, which in
//! turn is wrapped by the key outside of it. Who has neither cannot read it, and once the object is gone, nobody can.
//! The state says which keys there are. It is written before an object is removed and after it was made, so that a key
//! that encrypts is always one that can be had.

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use zeroize::Zeroizing;

use super::readers::{Identities, Readers};
use crate::error::Error;
use crate::repo::seal::Kind;
use crate::repo::state::{ProjectKey, State};
use crate::repo::{self, Repository};
use crate::settings::FileProject;

/// Those to whom a project's exports are encrypted now.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    pub readers: Readers,
    pub key_id: String,
    /// Whether their identity is kept here.
    pub made: bool,
}

/// Where the keys of a project lie.
pub(crate) fn folder(project: &str) -> String {
    format!("project-keys/{project}")
}

fn path_of(project: &str, id: &str) -> String {
    format!("{}/{id}", folder(project))
}

/// The key of a project that encrypts.
pub(crate) fn live<'a>(state: &'a State, project: &str) -> Option<&'a ProjectKey> {
    let mut keys = state.project_keys.iter().rev();
    keys.find(|key| key.project == project && key.retired_unix_ms == 0 && key.shredded_unix_ms == 0)
}

/// Those to whom a project's exports are encrypted: its recipients, or whoever has the key that is made for it here.
/// Every repository has the key afterwards.
pub(crate) async fn current(project: &FileProject, repositories: &[Repository]) -> Result<Current, Error> {
    if !project.recipients.is_empty() {
        let readers = Readers::of(&project.recipients).map_err(|reason| Error::Field {
            field: "backup.projects",
            reason,
        })?;
        let key_id = readers.key_id();
        return Ok(Current {
            readers,
            key_id,
            made: false,
        });
    }
    let identity = found_or_made(&project.project, repositories).await?;
    let readers = Readers::with(&identity);
    Ok(Current {
        key_id: readers.key_id(),
        readers,
        made: true,
    })
}

async fn found_or_made(project: &str, repositories: &[Repository]) -> Result<Identity, Error> {
    let mut identity = None;
    let gone = shredded(project, repositories).await?;
    for repository in repositories {
        let state = repository.state().await?;
        // One that was destroyed elsewhere is on its way out here as well.
        if let Some(key) = live(&state, project).filter(|key| !gone.contains(&key.id)) {
            identity = Some(load(repository, project, &key.id).await?);
            break;
        }
    }
    let mut identity = identity.unwrap_or_else(Identity::generate);
    for (at, repository) in repositories.iter().enumerate() {
        // Somebody else may have been first, in the first of them; then it is theirs.
        identity = hold(repository, project, identity, at == 0 && gone.is_empty()).await?;
    }
    Ok(identity)
}

/// Keys of a project that were destroyed in any of the repositories.
async fn shredded(project: &str, repositories: &[Repository]) -> Result<Vec<String>, Error> {
    let mut gone = Vec::new();
    for repository in repositories {
        let state = repository.state().await?;
        let keys = state.project_keys.iter();
        let destroyed = keys.filter(|key| key.project == project && key.shredded_unix_ms != 0);
        gone.extend(destroyed.map(|key| key.id.clone()));
    }
    Ok(gone)
}

/// Has a repository hold a key, and returns the one that encrypts there. `yields`: where it has another, that one.
async fn hold(repository: &Repository, project: &str, identity: Identity, yields: bool) -> Result<Identity, Error> {
    let readers = Readers::with(&identity);
    let id = readers.key_id();
    if live(&repository.state().await?, project).is_some_and(|key| key.id == id) {
        return Ok(identity);
    }
    let secret = identity.to_string();
    let secret = Zeroizing::new(secret.expose_secret().as_bytes().to_vec());
    let path = path_of(project, &id);
    repository.put_sealed(Kind::Keys, &path, &secret).await?;
    let key = ProjectKey {
        project: project.to_owned(),
        id: id.clone(),
        recipient: readers.texts().join(" "),
        created_unix_ms: repository.clock().unix_ms(),
        retired_unix_ms: 0,
        shredded_unix_ms: 0,
    };
    let held = repository.change(|state| enter(state, &key, yields)).await;
    match held {
        Ok(held) if held == id => Ok(identity),
        Ok(held) => {
            repository.shelf().delete(&path).await?;
            load(repository, project, &held).await
        }
        // The change may have been made, and only its answer lost: then the state names the key. One that it does not name
        // is unused, and goes with the project's.
        Err(error) => Err(error.into()),
    }
}

/// Writes a key into the state, and says which one encrypts from now on.
fn enter(state: &mut State, key: &ProjectKey, yields: bool) -> Result<String, repo::Error> {
    let other = live(state, &key.project).map(|other| other.id.clone());
    if let Some(other) = other.filter(|_| yields) {
        return Ok(other);
    }
    for other in state
        .project_keys
        .iter_mut()
        .filter(|other| other.project == key.project)
    {
        if other.id == key.id && other.shredded_unix_ms != 0 {
            return Err(repo::Error::Busy(format!(
                "the key of project {} was just destroyed",
                key.project
            )));
        }
        if other.retired_unix_ms == 0 {
            other.retired_unix_ms = key.created_unix_ms;
        }
    }
    match state
        .project_keys
        .iter_mut()
        .find(|other| other.project == key.project && other.id == key.id)
    {
        Some(same) => same.retired_unix_ms = 0,
        None => state.project_keys.push(key.clone()),
    }
    Ok(key.id.clone())
}

/// The identity of a key that was made here.
pub(crate) async fn load(repository: &Repository, project: &str, id: &str) -> Result<Identity, Error> {
    let path = path_of(project, id);
    let plain = Zeroizing::new(repository.get_sealed(Kind::Keys, &path).await?);
    let text = std::str::from_utf8(&plain).ok().and_then(|text| text.parse().ok());
    text.ok_or_else(|| repo::Error::corrupt(&path, "it is no key").into())
}

/// Has a key of a project in another repository as well, in the same state.
pub(crate) async fn carry(from: &Repository, to: &Repository, project: &str, id: &str) -> Result<(), Error> {
    let has = |state: &State| {
        let mut keys = state.project_keys.iter();
        keys.find(|key| key.project == project && key.id == id).cloned()
    };
    if has(&to.state().await?).is_some() {
        return Ok(());
    }
    let Some(key) = has(&from.state().await?).filter(|key| key.shredded_unix_ms == 0) else {
        return Ok(());
    };
    let path = path_of(project, id);
    let secret = Zeroizing::new(from.get_sealed(Kind::Keys, &path).await?);
    to.put_sealed(Kind::Keys, &path, &secret).await?;
    let carried = to.change(|state| {
        let is_live = key.retired_unix_ms == 0;
        let key = ProjectKey {
            // Only one of a repository encrypts.
            retired_unix_ms: if is_live && live(state, project).is_some() {
                key.created_unix_ms
            } else {
                key.retired_unix_ms
            },
            ..key.clone()
        };
        state.project_keys.push(key);
        Ok(())
    });
    Ok(carried.await?)
}

/// The identities of the keys of a project that were made in a repository.
pub(crate) async fn made(repository: &Repository, project: &str, id: &str) -> Result<Option<Identities>, Error> {
    let state = repository.state().await?;
    let key = state
        .project_keys
        .iter()
        .find(|key| key.project == project && key.id == id);
    match key {
        None => Ok(None),
        Some(key) if key.shredded_unix_ms != 0 => Err(Error::Refused {
            slug: "backup-shredded",
            reason: format!("the key of project {project} that it takes was destroyed"),
        }),
        Some(key) => Ok(Some(Identities::of(load(repository, project, &key.id).await?))),
    }
}

/// Has the present key of a project encrypt nothing any more. What it encrypted stays readable.
pub(crate) async fn retire(repository: &Repository, project: &str) -> Result<Vec<String>, Error> {
    let now = repository.clock().unix_ms();
    let retired = repository.change(|state| {
        let keys = state.project_keys.iter_mut();
        let alive = keys.filter(|key| key.project == project && key.retired_unix_ms == 0 && key.shredded_unix_ms == 0);
        Ok(alive
            .map(|key| {
                key.retired_unix_ms = now;
                key.id.clone()
            })
            .collect())
    });
    Ok(retired.await?)
}
