//! Which objects an export consists of: what this service may know of it without being able to read it.
//!
//! The index is sealed with the repository's key, and the catalogue holds its hash. So a part that was changed, cut off
//! or put in another's place is found without any key of the project's.

use prost::Message;
use uuid::Uuid;

use crate::engine::pace::Pace;
use crate::error::Error;
use crate::repo::seal::{Kind, hexadecimal};
use crate::repo::state::{BackupEntry, Lease};
use crate::repo::{self, Repository};

/// What an export consists of.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Index {
    /// The objects with its data, in the order of their numbers.
    #[prost(message, repeated, tag = "1")]
    pub parts: Vec<Stored>,
    /// The object that says what is in them, encrypted to the project.
    #[prost(message, optional, tag = "2")]
    pub manifest: Option<Stored>,
    /// The public keys of those who can read it.
    #[prost(string, repeated, tag = "3")]
    pub recipients: Vec<String>,
    /// Whether their identity is kept here, wrapped.
    #[prost(bool, tag = "4")]
    pub made: bool,
}

/// An object.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Stored {
    #[prost(string, tag = "1")]
    pub path: String,
    #[prost(uint64, tag = "2")]
    pub bytes: u64,
    /// BLAKE3 of it.
    #[prost(bytes = "vec", tag = "3")]
    pub hash: Vec<u8>,
}

impl Stored {
    /// What these bytes are, under this path.
    pub(crate) fn of(path: String, content: &[u8]) -> Self {
        Self {
            path,
            bytes: content.len() as u64,
            hash: blake3::hash(content).as_bytes().to_vec(),
        }
    }

    /// Reads it, and makes sure that it is what was written.
    pub(crate) async fn read(&self, repository: &Repository) -> Result<bytes::Bytes, Error> {
        let content = repository.shelf().get(&self.path).await?;
        if content.len() as u64 != self.bytes || blake3::hash(&content).as_bytes().as_slice() != self.hash {
            return Err(repo::Error::corrupt(&self.path, "it is not what was written").into());
        }
        Ok(content)
    }
}

/// Where everything of an export lies.
pub(crate) fn folder(id: &str) -> String {
    format!("exports/{id}")
}

fn path_of(id: &str, hash: &[u8]) -> String {
    format!("{}/index-{}", folder(id), short(hash))
}

/// The beginning of a hash, for a name.
pub(crate) fn short(hash: &[u8]) -> String {
    hexadecimal(hash.get(..8).unwrap_or_default())
}

/// Stores the index of an export; returns the hash of its object.
pub(crate) async fn put(repository: &Repository, id: &str, index: &Index) -> Result<Vec<u8>, Error> {
    // The path is authenticated with the content, and its name is the hash of what comes out: so it is sealed under
    // the name that every export's index has.
    let sealed = repository.sealed(Kind::Export, &folder(id), &index.encode_to_vec())?;
    let hash = blake3::hash(&sealed).as_bytes().to_vec();
    repository.shelf().put_own(&path_of(id, &hash), sealed).await?;
    Ok(hash)
}

/// Reads the index of an export, which has to be the one that was listed.
pub(crate) async fn get(repository: &Repository, entry: &BackupEntry) -> Result<Index, Error> {
    let path = path_of(&entry.id, &entry.manifest_hash);
    let sealed = repository.shelf().get(&path).await?;
    if blake3::hash(&sealed).as_bytes().as_slice() != entry.manifest_hash {
        return Err(repo::Error::corrupt(&path, "it is not the one that was listed").into());
    }
    let plain = repository
        .open_sealed(Kind::Export, &folder(&entry.id), &sealed)
        .await?;
    let index = Index::decode(plain.as_slice());
    index.map_err(|error| repo::Error::corrupt(&path, error.to_string()).into())
}

/// Reads every object of an export and makes sure that it is what was written. Takes no key of the project's.
pub(crate) async fn verify(repository: &Repository, entry: &BackupEntry, pace: &Pace) -> Result<Index, Error> {
    let index = get(repository, entry).await?;
    for part in index.parts.iter().chain(&index.manifest) {
        pace.take(part.bytes).await?;
        part.read(repository).await?;
        pace.progress().moved(part.bytes);
    }
    Ok(index)
}

/// Paths of everything that an export needs, its index included.
#[cfg(test)]
pub(crate) fn paths(entry: &BackupEntry, index: &Index) -> Vec<String> {
    let parts = index.parts.iter().chain(&index.manifest).map(|part| part.path.clone());
    parts.chain([path_of(&entry.id, &entry.manifest_hash)]).collect()
}

/// Takes the lease of an export. Whoever held it before can list nothing any more.
pub(crate) async fn begin(repository: &Repository, id: Uuid, holder: &str) -> Result<(), Error> {
    let begun = repository.change(|state| {
        let name = id.to_string();
        state.leases.retain(|lease| lease.id != name);
        state.leases.push(Lease {
            id: name,
            basis: String::new(),
            holder: holder.to_owned(),
            renewed_unix_ms: repository.clock().unix_ms(),
            beats: 0,
            attempt: holder.to_owned(),
        });
        Ok(())
    });
    Ok(begun.await?)
}

/// Says that an export is still being written. An error where somebody else holds its lease, or nobody.
pub(crate) async fn renew(repository: &Repository, id: Uuid, holder: &str) -> Result<(), Error> {
    let renewed = repository.change(|state| {
        let lease = state.lease_mut(id, holder)?;
        lease.renewed_unix_ms = repository.clock().unix_ms();
        lease.beats += 1;
        Ok(())
    });
    Ok(renewed.await?)
}

/// Has an export listed, if the lease is still the holder's.
pub(crate) async fn commit(
    repository: &Repository,
    id: Uuid,
    holder: &str,
    index: &Index,
    entry: &BackupEntry,
) -> Result<BackupEntry, Error> {
    let mut entry = entry.clone();
    entry.manifest_hash = put(repository, &entry.id, index).await?;
    let listed = repository.change(|state| state.commit(id, holder, entry.clone()));
    listed.await?;
    Ok(entry)
}

/// Gives a lease back, if it is still the holder's.
pub(crate) async fn abandon(repository: &Repository, id: Uuid, holder: &str) -> Result<(), Error> {
    let name = id.to_string();
    let ended = repository.change(|state| {
        state.leases.retain(|lease| lease.id != name || lease.attempt != holder);
        Ok(())
    });
    Ok(ended.await?)
}

/// Removes what attempts left that were cut off: those whose objects begin with this, or all of them. To be called when
/// none of them can list anything any more. What is listed stays.
pub(crate) async fn sweep(repository: &Repository, id: &str, token: &str) -> Result<(), Error> {
    if repository.state().await?.backup(id).is_ok() {
        return Ok(());
    }
    let mine = format!("{}/{token}", folder(id));
    for listed in repository.shelf().list(&folder(id)).await? {
        if listed.path.starts_with(&mine) {
            repository.shelf().delete(&listed.path).await?;
        }
    }
    Ok(())
}
