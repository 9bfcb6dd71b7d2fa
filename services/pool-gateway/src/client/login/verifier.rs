//! What PostgreSQL keeps of a user's password: enough to check one, not enough to be somebody. Pure.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use weir_model::Secret;

/// Bytes of SHA-256, and so of every key of SCRAM-SHA-256.
pub(crate) const KEY_BYTES: usize = 32;
/// The salt that PostgreSQL draws.
const SALT_BYTES: usize = 16;
/// PostgreSQL's own, unless it is told otherwise.
const ITERATIONS: u32 = 4096;

/// What checks a user's password. `Debug` shows none of it.
#[derive(Debug, Clone)]
pub(crate) enum Verifier {
    /// For SCRAM-SHA-256.
    Scram(ScramVerifier),
    /// The 32 digits of `md5(password + user)`.
    Md5(Secret),
}

/// A verifier for SCRAM-SHA-256 (RFC 5803).
#[derive(Clone)]
pub(crate) struct ScramVerifier {
    pub(crate) iterations: u32,
    pub(crate) salt: Vec<u8>,
    pub(crate) stored_key: [u8; KEY_BYTES],
    pub(crate) server_key: [u8; KEY_BYTES],
}

impl Verifier {
    /// Reads one as `pg_authid.rolpassword` has it: `SCRAM-SHA-256$4096:salt$stored:server` or `md5` with 32 digits.
    pub(crate) fn parse(rolpassword: &str) -> Option<Self> {
        if let Some(rest) = rolpassword.strip_prefix("SCRAM-SHA-256$") {
            return ScramVerifier::parse(rest).map(Self::Scram);
        }
        let digits = rolpassword.strip_prefix("md5")?;
        let is_hash = digits.len() == 32 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        is_hash.then(|| Self::Md5(Secret::new(digits)))
    }
}

impl ScramVerifier {
    fn parse(text: &str) -> Option<Self> {
        let (work, keys) = text.split_once('$')?;
        let (iterations, salt) = work.split_once(':')?;
        let (stored_key, server_key) = keys.split_once(':')?;
        Some(Self {
            iterations: iterations.parse().ok().filter(|count| *count > 0)?,
            salt: STANDARD.decode(salt).ok()?,
            stored_key: key(stored_key)?,
            server_key: key(server_key)?,
        })
    }
}

fn key(text: &str) -> Option<[u8; KEY_BYTES]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

impl fmt::Debug for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Verifiers for users that have none, so that it does not show who exists: always the same for the same name, as for
/// somebody who does, and no password is right.
#[derive(Debug, Clone)]
pub(crate) struct Strangers(hmac::Key);

impl Strangers {
    /// With a secret that nobody else knows, or else the made-up salts could be told from real ones.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    pub(crate) fn verifier(&self, user: &str) -> ScramVerifier {
        let mut salt = self.made_up(b"salt", user).to_vec();
        salt.truncate(SALT_BYTES);
        ScramVerifier {
            iterations: ITERATIONS,
            salt,
            // To find a key with this hash is to break SHA-256.
            stored_key: self.made_up(b"stored", user),
            server_key: self.made_up(b"server", user),
        }
    }

    fn made_up(&self, what: &[u8], user: &str) -> [u8; KEY_BYTES] {
        sign(&self.0, &[what, b":", user.as_bytes()].concat())
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

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &str = "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=";
    const SERVER: &str = "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    #[test]
    fn both_forms_are_read() {
        let scram = format!("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==${STORED}:{SERVER}");
        let Some(Verifier::Scram(read)) = Verifier::parse(&scram) else {
            panic!("{scram}");
        };
        assert_eq!((read.iterations, read.salt.len()), (4096, 16));
        assert_eq!(STANDARD.encode(read.stored_key), STORED);
        assert_eq!(STANDARD.encode(read.server_key), SERVER);
        assert_eq!(format!("{:?}", Verifier::parse(&scram)), "Some(Scram(***))");
        let md5 = "md5c08ad9e1d6aeb4e4ef1a0cb2ef2a6f1b";
        assert!(matches!(Verifier::parse(md5), Some(Verifier::Md5(hash)) if hash.expose() == &md5[3..]));
    }

    #[test]
    fn anything_else_is_no_verifier() {
        let scram = format!("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==${STORED}:{SERVER}");
        for end in 0..scram.len() {
            assert!(Verifier::parse(&scram[..end]).is_none(), "cut at {end}");
        }
        for text in [
            "secret",
            "md5c08ad9e1d6aeb4e4ef1a0cb2ef2a6f1",
            "md5C08AD9E1D6AEB4E4EF1A0CB2EF2A6F1B",
            "md5c08ad9e1d6aeb4e4ef1a0cb2ef2a6f1bx",
            &scram.replace("4096", "0"),
            &scram.replace("4096", "-1"),
            &scram.replace("4096", "4294967296"),
            &scram.replace("256$", "512$"),
            &scram.replace("==$", "=$"),
            &format!("{scram}="),
        ] {
            assert!(Verifier::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_stranger_looks_the_same_each_time_and_unlike_others() {
        let strangers = Strangers::new(&[7; 32]);
        let (bob, again, eve) = (
            strangers.verifier("bob"),
            strangers.verifier("bob"),
            strangers.verifier("eve"),
        );
        assert_eq!((&bob.salt, bob.stored_key), (&again.salt, again.stored_key));
        assert_eq!((bob.salt.len(), bob.iterations), (16, 4096));
        assert_ne!(bob.salt, eve.salt);
        assert_ne!(bob.salt, Strangers::new(&[8; 32]).verifier("bob").salt);
    }
}
