//! The keys of a repository: what encrypts it, wrapped by a key that is kept elsewhere.

use std::path::Path;

use bytes::Bytes;
use prost::Message;
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use super::seal::{self, Key, KeyId, Kind, SALT_BYTES, hexadecimal};
use super::{Error, Put, Shelf};

/// How a set of keys is stored. Its number only grows.
#[derive(Clone, PartialEq, Message)]
struct StoredKeys {
    /// What identifies chunks, the same over the whole life of the repository.
    #[prost(bytes = "vec", tag = "1")]
    naming: Vec<u8>,
    /// The keys, the newest last.
    #[prost(message, repeated, tag = "2")]
    keys: Vec<StoredKey>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredKey {
    #[prost(bytes = "vec", tag = "1")]
    secret: Vec<u8>,
    #[prost(int64, tag = "2")]
    created_unix_ms: i64,
}

/// What wraps a repository's keys: kept outside of it.
#[derive(Debug, Clone)]
pub(crate) struct Wrapping {
    /// The first wraps, all open.
    keys: Vec<Key>,
    encrypted: bool,
}

impl Wrapping {
    /// Keys at hand: the first wraps, the others open what was wrapped before.
    pub(crate) fn of(keys: Vec<[u8; 32]>) -> Self {
        Self {
            keys: keys.into_iter().map(Key::new).collect(),
            encrypted: true,
        }
    }

    /// A key that everybody knows: whoever has the repository can read it.
    pub(crate) fn open_to_all() -> Self {
        Self {
            keys: vec![Key::new(blake3::derive_key("weir 2026 backup not encrypted", b""))],
            encrypted: false,
        }
    }

    /// Reads keys from files: 32 bytes, or as 64 hexadecimal digits.
    pub(crate) fn from_files(repository: &str, files: &[impl AsRef<Path>]) -> Result<Self, Error> {
        let keys: Result<Vec<_>, Error> = files.iter().map(|file| read_key(repository, file.as_ref())).collect();
        let keys = keys?;
        if keys.is_empty() {
            return Err(no_key(repository, "no key_file is set".to_owned()));
        }
        Ok(Self::of(keys))
    }

    /// Whether it takes a secret to read the repository.
    pub(crate) const fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// The ids of all, the one that wraps first.
    pub(crate) fn ids(&self) -> Vec<KeyId> {
        self.keys.iter().map(Key::id).collect()
    }

    /// The id of the key that wraps.
    pub(crate) fn id(&self) -> KeyId {
        self.keys.first().map(Key::id).unwrap_or_default()
    }
}

fn no_key(repository: &str, reason: String) -> Error {
    Error::NoKey {
        repository: repository.to_owned(),
        reason,
    }
}

fn read_key(repository: &str, file: &Path) -> Result<[u8; 32], Error> {
    let bytes = std::fs::read(file).map_err(|error| no_key(repository, format!("{}: {error}", file.display())))?;
    let bytes = Zeroizing::new(bytes);
    key_of(&bytes).ok_or_else(|| {
        let reason = format!("{} is neither 32 bytes nor 64 hexadecimal digits", file.display());
        no_key(repository, reason)
    })
}

fn key_of(bytes: &[u8]) -> Option<[u8; 32]> {
    if let Ok(key) = bytes.try_into() {
        return Some(key);
    }
    let text = std::str::from_utf8(bytes).ok()?.trim();
    if text.len() != 64 {
        return None;
    }
    let digits: Option<Vec<u8>> = (0..32)
        .map(|at| u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok())
        .collect();
    digits?.try_into().ok()
}

/// A repository's keys, opened.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// The number of the set.
    pub number: u64,
    naming: Zeroizing<[u8; 32]>,
    /// The newest last.
    keys: Vec<(Key, i64)>,
    /// The key that the set is wrapped with.
    pub wrapped_by: KeyId,
}

impl Keys {
    /// Keys that nobody had before.
    pub(crate) fn fresh(now_unix_ms: i64) -> Option<Self> {
        Some(Self {
            number: 1,
            naming: Zeroizing::new(random()?),
            keys: vec![(Key::new(random()?), now_unix_ms)],
            wrapped_by: KeyId::default(),
        })
    }

    /// The same with one key more, that encrypts from now on.
    pub(crate) fn renewed(&self, now_unix_ms: i64) -> Option<Self> {
        let mut renewed = self.clone();
        renewed.number += 1;
        renewed.keys.push((Key::new(random()?), now_unix_ms));
        Some(renewed)
    }

    /// The key that encrypts.
    pub(crate) fn current(&self) -> Result<&Key, Error> {
        let last = self.keys.last().map(|(key, _)| key);
        last.ok_or_else(|| Error::corrupt("keys", "there is none"))
    }

    /// The key of this id.
    pub(crate) fn find(&self, id: KeyId) -> Option<Key> {
        let found = self.keys.iter().rev().find(|(key, _)| key.id() == id);
        found.map(|(key, _)| key.clone())
    }

    /// What identifies chunks.
    pub(crate) fn naming(&self) -> &[u8; 32] {
        &self.naming
    }

    /// Each key's id and when it was made, the newest last.
    pub(crate) fn known(&self) -> impl Iterator<Item = (KeyId, i64)> + '_ {
        self.keys.iter().map(|(key, created)| (key.id(), *created))
    }

    /// Stores the set under its number, wrapped.
    pub(crate) async fn store(&self, shelf: &Shelf, wrapping: &Wrapping, repository: &[u8; 16]) -> Result<Put, Error> {
        let stored = StoredKeys {
            naming: self.naming.to_vec(),
            keys: self.keys.iter().map(stored_key).collect(),
        };
        let plain = Zeroizing::new(stored.encode_to_vec());
        let path = path_of(self.number);
        let salt = random().ok_or_else(|| seal::unusable(&path))?;
        let key = wrapping
            .keys
            .first()
            .ok_or_else(|| no_key(shelf.name(), "no key_file is set".to_owned()))?;
        shelf
            .put_new(&path, seal::seal(Kind::Keys, key, repository, &path, salt, &plain)?)
            .await
    }

    /// Reads the set of this number.
    pub(crate) async fn load(
        shelf: &Shelf,
        wrapping: &Wrapping,
        repository: &[u8; 16],
        number: u64,
    ) -> Result<Self, Error> {
        let path = path_of(number);
        let sealed = shelf.get(&path).await?;
        Self::unwrap(shelf.name(), wrapping, repository, number, &sealed)
    }

    fn unwrap(
        name: &str,
        wrapping: &Wrapping,
        repository: &[u8; 16],
        number: u64,
        sealed: &Bytes,
    ) -> Result<Self, Error> {
        let path = path_of(number);
        let (needs, _) = seal::read_header(Kind::Keys, &path, sealed)?;
        let find = |id| wrapping.keys.iter().find(|key| key.id() == id).cloned();
        if find(needs).is_none() {
            return Err(Error::WrongKey {
                repository: name.to_owned(),
                needs: hexadecimal(&needs),
                has: hexadecimal(&wrapping.id()),
            });
        }
        let plain = Zeroizing::new(seal::open(Kind::Keys, find, repository, &path, sealed)?);
        let stored = StoredKeys::decode(plain.as_slice()).map_err(|error| Error::corrupt(&path, error.to_string()))?;
        let keys: Option<Vec<_>> = stored.keys.iter().map(read_stored).collect();
        let naming: Option<[u8; 32]> = stored.naming.try_into().ok();
        match (naming, keys) {
            (Some(naming), Some(keys)) if !keys.is_empty() => Ok(Self {
                number,
                naming: Zeroizing::new(naming),
                keys,
                wrapped_by: needs,
            }),
            _ => Err(Error::corrupt(&path, "a key is not one")),
        }
    }
}

fn stored_key((key, created_unix_ms): &(Key, i64)) -> StoredKey {
    StoredKey {
        secret: key.secret().to_vec(),
        created_unix_ms: *created_unix_ms,
    }
}

fn read_stored(stored: &StoredKey) -> Option<(Key, i64)> {
    let secret: [u8; 32] = stored.secret.as_slice().try_into().ok()?;
    Some((Key::new(secret), stored.created_unix_ms))
}

/// Where a set of keys lies.
pub(crate) fn path_of(number: u64) -> String {
    format!("keys/{number:08}")
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}

/// Salt for an object.
pub(crate) fn salt(path: &str) -> Result<[u8; SALT_BYTES], Error> {
    random().ok_or_else(|| seal::unusable(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_or_their_digits() {
        assert_eq!(key_of(&[9; 32]), Some([9; 32]));
        let digits = format!("{}\n", "0a".repeat(32));
        assert_eq!(key_of(digits.as_bytes()), Some([10; 32]));
        for wrong in [
            b"".as_slice(),
            &[1; 31],
            "zz".repeat(32).as_bytes(),
            "0a".repeat(33).as_bytes(),
        ] {
            assert_eq!(key_of(wrong), None);
        }
    }
}
