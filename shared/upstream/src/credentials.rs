//! What a user proves with who he is.

use std::fmt;
use std::num::NonZeroU32;

use md5::{Digest as _, Md5};
use ring::{hmac, pbkdf2};
use weir_model::Secret;
use zeroize::Zeroize as _;

/// Bytes of SHA-256, and so of every key of SCRAM-SHA-256.
pub(crate) const KEY_BYTES: usize = 32;

/// What a log-in can answer with. `Debug` shows none of it.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// The password itself: every method can be answered.
    Password(Secret),
    /// The keys that one log-in by SCRAM-SHA-256 shows to the server: they open another one, as long as the server's
    /// verifier stays the same.
    Scram(ScramKeys),
    /// The 32 hexadecimal digits of `md5(password + user)`.
    Md5(Secret),
    /// Nothing: the server lets the user in by other signs, or not at all.
    None,
}

/// The client's and the server's key of SCRAM-SHA-256 (RFC 5802), of one password with one salt and iteration count.
#[derive(Clone)]
pub struct ScramKeys {
    client_key: [u8; KEY_BYTES],
    server_key: [u8; KEY_BYTES],
}

impl ScramKeys {
    /// The keys as they are.
    pub const fn new(client_key: [u8; KEY_BYTES], server_key: [u8; KEY_BYTES]) -> Self {
        Self { client_key, server_key }
    }

    /// The keys of a password. This is the slow part of a log-in, on purpose: so many rounds of HMAC.
    pub(crate) fn derive(password: &str, salt: &[u8], iterations: NonZeroU32) -> Self {
        // As the server does: a password that cannot be normalised is taken as it is.
        let normal = stringprep::saslprep(password);
        let normal = normal.as_deref().unwrap_or(password);
        let mut salted = [0; KEY_BYTES];
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, iterations, salt, normal.as_bytes(), &mut salted);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
        salted.zeroize();
        Self::new(sign(&key, b"Client Key"), sign(&key, b"Server Key"))
    }

    pub(crate) const fn client_key(&self) -> &[u8; KEY_BYTES] {
        &self.client_key
    }

    pub(crate) const fn server_key(&self) -> &[u8; KEY_BYTES] {
        &self.server_key
    }
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Drop for ScramKeys {
    fn drop(&mut self) {
        self.client_key.zeroize();
        self.server_key.zeroize();
    }
}

/// An HMAC-SHA-256 as the 32 bytes that it is.
pub(crate) fn sign(key: &hmac::Key, message: &[u8]) -> [u8; KEY_BYTES] {
    let mut signature = [0; KEY_BYTES];
    for (to, from) in signature.iter_mut().zip(hmac::sign(key, message).as_ref()) {
        *to = *from;
    }
    signature
}

/// The 32 digits that stand for a user's password where the server keeps it as MD5.
pub(crate) fn md5_of_password(user: &str, password: &str) -> String {
    md5_hex(&[password.as_bytes(), user.as_bytes()])
}

/// The answer to a server that asks for an MD5 hash: `md5` and the digits of `md5(hash + salt)`. `hash` are the
/// digits of `md5(password + user)`.
pub fn md5_answer(hash: &str, salt: [u8; 4]) -> String {
    format!("md5{}", md5_hex(&[hash.as_bytes(), &salt]))
}

fn md5_hex(parts: &[&[u8]]) -> String {
    let mut md5 = Md5::new();
    parts.iter().for_each(|part| md5.update(part));
    md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use postgres_protocol::authentication::md5_hash;

    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        let keys = ScramKeys::new([7; 32], [9; 32]);
        let all = [
            Credentials::Scram(keys),
            Credentials::Password(Secret::new("hunter2")),
            Credentials::Md5(Secret::new("hunter2")),
        ];
        assert_eq!(format!("{all:?}"), "[Scram(***), Password(***), Md5(***)]");
    }

    #[test]
    fn md5_is_hashed_as_everybody_does() {
        let salt = [0x2a, 0x3d, 0x8f, 0xe0];
        let answer = md5_answer(&md5_of_password("md5_user", "password"), salt);
        assert_eq!(answer, "md562af4dd09bbb41884907a838a3233294");
        assert_eq!(answer, md5_hash(b"md5_user", b"password", salt));
    }
}
