//! The client's side of SCRAM-SHA-256 (RFC 5802 and 7677), with a password or with the keys of an earlier log-in.
//! Pure.
//!
//! Two steps, each a value of its own, so that none can be taken twice or out of turn: [`First`] says who comes,
//! [`Answered`] has shown the proof and checks the server's.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac};
use weir_model::Secret;

use crate::credentials::{KEY_BYTES, ScramKeys, sign};

pub(crate) const SCRAM_SHA_256: &str = "SCRAM-SHA-256";
pub(crate) const SCRAM_SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// Random bytes of the client's nonce, as many as libpq takes.
pub(crate) const NONCE_BYTES: usize = 18;

/// A server that asks for more work than this is after our time: 24 times PostgreSQL's default, and what its JDBC
/// driver accepts too. Only a password needs the work.
const ITERATIONS_MAX: u32 = 100_000;

/// What the proof is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'t> {
    Password(&'t Secret),
    Keys(&'t ScramKeys),
}

/// Whether the log-in is bound to the channel.
#[derive(Debug)]
pub(crate) enum Binding {
    /// We could, but the server does not offer it.
    NotOffered,
    /// We cannot, or do not want to.
    Unable,
    /// To the server's certificate.
    EndPoint(Vec<u8>),
}

/// Why the exchange fails. In the words that complete "the server does not let us in: …".
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("its SCRAM message is malformed: {0}")]
    Malformed(&'static str),
    #[error("it does not repeat the nonce of this SCRAM exchange")]
    Nonce,
    #[error("its SCRAM iteration count of {0} exceeds the maximum of {ITERATIONS_MAX}")]
    Iterations(u32),
    #[error("it refuses the SCRAM exchange: {0}")]
    Refused(String),
    #[error("its SCRAM signature is wrong, so it does not know the password")]
    Signature,
}

/// An exchange whose first message can be sent.
pub(crate) struct First<'t> {
    source: Source<'t>,
    binding: Binding,
    /// The first message without its header.
    bare: String,
    nonce: String,
}

impl<'t> First<'t> {
    /// Begins. PostgreSQL takes the user from the start-up packet and heeds none that is named here.
    pub(crate) fn new(source: Source<'t>, binding: Binding, random: [u8; NONCE_BYTES]) -> Self {
        Self::named("", STANDARD.encode(random), source, binding)
    }

    fn named(user: &str, nonce: String, source: Source<'t>, binding: Binding) -> Self {
        Self {
            source,
            binding,
            bare: format!("n={user},r={nonce}"),
            nonce,
        }
    }

    /// What to send first.
    pub(crate) fn message(&self) -> String {
        format!("{}{}", self.binding.header(), self.bare)
    }

    /// Answers the server's challenge: the message with the proof, and what it takes to check the server's own.
    pub(crate) fn answer(self, challenge: &[u8]) -> Result<(String, Answered), Failure> {
        let challenge = str::from_utf8(challenge).map_err(|_| Failure::Malformed("it is not UTF-8"))?;
        let asked = Challenge::parse(challenge)?;
        if !asked.nonce.starts_with(&self.nonce) || asked.nonce.len() == self.nonce.len() {
            return Err(Failure::Nonce);
        }
        let keys = self.keys(&asked)?;
        let without_proof = format!("c={},r={}", STANDARD.encode(self.binding.input()), asked.nonce);
        let conversation = format!("{},{challenge},{without_proof}", self.bare).into_bytes();
        let proof = STANDARD.encode(proof(keys.client_key(), &conversation));
        let server_key = hmac::Key::new(hmac::HMAC_SHA256, keys.server_key());
        let answered = Answered {
            server_key,
            conversation,
        };
        Ok((format!("{without_proof},p={proof}"), answered))
    }

    fn keys(&self, asked: &Challenge<'_>) -> Result<ScramKeys, Failure> {
        match self.source {
            Source::Keys(keys) => Ok(keys.clone()),
            Source::Password(_) if asked.iterations.get() > ITERATIONS_MAX => {
                Err(Failure::Iterations(asked.iterations.get()))
            }
            Source::Password(password) => Ok(ScramKeys::derive(password.expose(), &asked.salt, asked.iterations)),
        }
    }
}

/// An exchange whose proof was sent.
pub(crate) struct Answered {
    server_key: hmac::Key,
    /// Both sides' messages, which the signatures are made of.
    conversation: Vec<u8>,
}

impl Answered {
    /// Checks the server's signature: whoever does not know the verifier cannot make it.
    pub(crate) fn verify(&self, last: &[u8]) -> Result<(), Failure> {
        let last = str::from_utf8(last).map_err(|_| Failure::Malformed("it is not UTF-8"))?;
        if let Some(reason) = last.strip_prefix("e=") {
            return Err(Failure::Refused(reason.to_owned()));
        }
        let (signature, _) = attribute(last, "v=")?;
        let signature = decoded(signature)?;
        hmac::verify(&self.server_key, &self.conversation, &signature).map_err(|_| Failure::Signature)
    }
}

impl Binding {
    const fn header(&self) -> &'static str {
        match self {
            Self::NotOffered => "y,,",
            Self::Unable => "n,,",
            Self::EndPoint(_) => "p=tls-server-end-point,,",
        }
    }

    fn input(&self) -> Vec<u8> {
        let data = match self {
            Self::EndPoint(data) => data.as_slice(),
            _ => &[],
        };
        [self.header().as_bytes(), data].concat()
    }
}

/// The server's first message.
struct Challenge<'m> {
    nonce: &'m str,
    salt: Vec<u8>,
    iterations: NonZeroU32,
}

impl<'m> Challenge<'m> {
    fn parse(message: &'m str) -> Result<Self, Failure> {
        let (nonce, rest) = attribute(message, "r=")?;
        let (salt, rest) = attribute(rest, "s=")?;
        // Extensions may follow; those that must be understood would stand in front.
        let (iterations, _) = attribute(rest, "i=")?;
        let iterations = iterations.parse();
        Ok(Self {
            nonce,
            salt: decoded(salt)?,
            iterations: iterations.map_err(|_| Failure::Malformed("its iteration count is none"))?,
        })
    }
}

/// The value of the attribute at the front, and what follows it.
fn attribute<'m>(message: &'m str, name: &'static str) -> Result<(&'m str, &'m str), Failure> {
    let value = message
        .strip_prefix(name)
        .ok_or(Failure::Malformed("an attribute is missing, or in the wrong place"))?;
    Ok(value.split_once(',').unwrap_or((value, "")))
}

fn decoded(text: &str) -> Result<Vec<u8>, Failure> {
    STANDARD
        .decode(text)
        .map_err(|_| Failure::Malformed("a value is not base64"))
}

fn proof(client_key: &[u8; KEY_BYTES], conversation: &[u8]) -> [u8; KEY_BYTES] {
    let stored_key = digest::digest(&digest::SHA256, client_key);
    let mut proof = sign(&hmac::Key::new(hmac::HMAC_SHA256, stored_key.as_ref()), conversation);
    for (byte, key) in proof.iter_mut().zip(client_key) {
        *byte ^= key;
    }
    proof
}

#[cfg(test)]
mod tests;
