//! Encryption that notices every change. Pure.
//!
//! Each object has a key of its own, derived from a key of the repository, the object's path and a salt, so that one
//! nonce is never used twice under a key, and an object that was put in another's place does not open.

use bytes::Bytes;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::Error;

/// What an authentication adds to whatever is sealed.
pub(crate) const TAG_BYTES: usize = 16;
/// How a sealed object begins: mark, format, kind, key id, salt.
pub(crate) const HEADER_BYTES: usize = 4 + 1 + 1 + KEY_ID_BYTES + SALT_BYTES;
/// A key's id.
pub(crate) const KEY_ID_BYTES: usize = 8;
/// What makes the key of an object its own.
pub(crate) const SALT_BYTES: usize = 16;

const MARK: &[u8; 4] = b"WEIR";
const FORMAT: u8 = 1;

/// What a sealed object is. A part of what is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Chunks of files.
    Pack = 1,
    /// What a backup consists of.
    Manifest = 2,
    /// The state of the repository.
    Generation = 3,
    /// A part of the write-ahead log.
    Wal = 4,
    /// What happened in a part of the log.
    Commits = 5,
    /// What a proof found.
    Evidence = 6,
    /// What a project's export consists of.
    Export = 7,
    /// The repository's keys.
    Keys = 8,
}

/// A key's id: derived from the key, tells nothing about it.
pub(crate) type KeyId = [u8; KEY_ID_BYTES];

/// A secret of 32 bytes with its id.
#[derive(Clone)]
pub(crate) struct Key {
    id: KeyId,
    secret: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", hexadecimal(&self.id))
    }
}

impl Key {
    /// A key of these bytes.
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        let hash = blake3::derive_key("weir 2026 backup key id", &secret);
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(hash.first_chunk::<KEY_ID_BYTES>().unwrap_or(&[0; KEY_ID_BYTES]));
        Self {
            id,
            secret: Zeroizing::new(secret),
        }
    }

    /// Its id.
    pub(crate) const fn id(&self) -> KeyId {
        self.id
    }

    /// Its bytes, to wrap them.
    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// The key of one object.
    pub(crate) fn of_object(&self, path: &str, salt: &[u8; SALT_BYTES]) -> Option<LessSafeKey> {
        let mut material = Zeroizing::new(Vec::with_capacity(64 + path.len()));
        material.extend_from_slice(self.secret.as_slice());
        material.extend_from_slice(salt);
        material.extend_from_slice(path.as_bytes());
        let derived = Zeroizing::new(blake3::derive_key("weir 2026 backup object", &material));
        UnboundKey::new(&AES_256_GCM, derived.as_slice())
            .ok()
            .map(LessSafeKey::new)
    }
}

/// The beginning of a sealed object.
pub(crate) fn header(kind: Kind, key: KeyId, salt: &[u8; SALT_BYTES]) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let parts: [&[u8]; 5] = [MARK, &[FORMAT], &[kind as u8], &key, salt];
    for (to, from) in header.iter_mut().zip(parts.concat()) {
        *to = from;
    }
    header
}

/// Reads the beginning of a sealed object: which key it takes, and its salt.
pub(crate) fn read_header(kind: Kind, path: &str, bytes: &[u8]) -> Result<(KeyId, [u8; SALT_BYTES]), Error> {
    let short = || Error::corrupt(path, "it is too short");
    let (mark, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
    let (&[format, found], rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
    let (key, rest) = rest.split_first_chunk::<KEY_ID_BYTES>().ok_or_else(short)?;
    let (salt, _) = rest.split_first_chunk::<SALT_BYTES>().ok_or_else(short)?;
    if mark != MARK || format != FORMAT || found != kind as u8 {
        return Err(Error::corrupt(path, "its beginning is not what was written"));
    }
    Ok((*key, *salt))
}

/// Seals bytes as a whole object.
pub(crate) fn seal(
    kind: Kind,
    key: &Key,
    repository: &[u8; 16],
    path: &str,
    salt: [u8; SALT_BYTES],
    plain: &[u8],
) -> Result<Bytes, Error> {
    let header = header(kind, key.id(), &salt);
    let mut sealed = Vec::with_capacity(HEADER_BYTES + plain.len() + TAG_BYTES);
    sealed.extend_from_slice(&header);
    sealed.extend_from_slice(plain);
    let object = key.of_object(path, &salt).ok_or_else(|| unusable(path))?;
    let aad = [repository.as_slice(), &header].concat();
    let body = sealed.get_mut(HEADER_BYTES..).unwrap_or_default();
    let tag = object.seal_in_place_separate_tag(nonce(0), Aad::from(aad), body);
    sealed.extend_from_slice(tag.map_err(|_| unusable(path))?.as_ref());
    Ok(sealed.into())
}

/// Opens a whole object with the key that its header asks for.
pub(crate) fn open(
    kind: Kind,
    keys: impl Fn(KeyId) -> Option<Key>,
    repository: &[u8; 16],
    path: &str,
    sealed: &[u8],
) -> Result<Vec<u8>, Error> {
    let (id, salt) = read_header(kind, path, sealed)?;
    let key = keys(id).ok_or_else(|| {
        Error::corrupt(
            path,
            format!("it takes key {}, which the repository does not have", hexadecimal(&id)),
        )
    })?;
    let object = key.of_object(path, &salt).ok_or_else(|| unusable(path))?;
    let (header, body) = sealed.split_at_checked(HEADER_BYTES).unwrap_or_default();
    let aad = [repository.as_slice(), header].concat();
    let mut body = body.to_vec();
    let plain = object.open_in_place(nonce(0), Aad::from(aad), &mut body);
    let bytes = plain
        .map_err(|_| Error::corrupt(path, "its content is not what was written"))?
        .len();
    body.truncate(bytes);
    Ok(body)
}

/// The nonce of the part of an object with this number.
pub(crate) fn nonce(number: u32) -> Nonce {
    let mut bytes = [0; 12];
    for (to, from) in bytes.iter_mut().zip(number.to_le_bytes()) {
        *to = from;
    }
    Nonce::assume_unique_for_key(bytes)
}

/// A cipher that does not work.
pub(crate) fn unusable(path: &str) -> Error {
    Error::corrupt(path, "it cannot be encrypted")
}

/// Bytes as a person compares them.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_bit_is_noticed() {
        let key = Key::new([7; 32]);
        let sealed = seal(Kind::Manifest, &key, &[1; 16], "a/b", [3; 16], b"what was written").unwrap();
        let open = |path: &str, repository: &[u8; 16], sealed: &[u8]| {
            let find = |id| (id == key.id()).then(|| key.clone());
            open(Kind::Manifest, find, repository, path, sealed)
        };
        assert_eq!(open("a/b", &[1; 16], &sealed).unwrap(), b"what was written");
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open("a/b", &[1; 16], &changed).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(open("a/b", &[1; 16], &sealed[..length]).is_err(), "{length} bytes");
        }
        assert!(open("a/c", &[1; 16], &sealed).is_err(), "in another's place");
        assert!(open("a/b", &[2; 16], &sealed).is_err(), "in another repository");
    }
}
