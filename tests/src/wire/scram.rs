//! The client's side of SCRAM-SHA-256, without channel binding.
//!
//! The salted password is remembered, as drivers with many connections do: a test that opens thousands of connections
//! shall measure the server, not four thousand rounds of hashing at each log-in of its own.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{LazyLock, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use ring::hmac;
use ring::pbkdf2;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::fault::Fault;

/// The only mechanism that is spoken here.
pub(super) const MECHANISM: &str = "SCRAM-SHA-256";
/// "No channel binding" in the words of the standard, and the same in base64.
const GS2_HEADER: &str = "n,,";
const GS2_HEADER_BASE64: &str = "biws";

type Salted = [u8; SHA256_OUTPUT_LEN];

/// Password, salt and rounds.
type Recipe = (String, Vec<u8>, u32);

/// What was hashed already.
static SALTED: LazyLock<Mutex<HashMap<Recipe, Salted>>> = LazyLock::new(Mutex::default);

/// One log-in.
pub(super) struct Scram {
    nonce: String,
    proof_of_server: Option<String>,
}

impl Scram {
    pub(super) fn new() -> Result<Self, Fault> {
        let mut random = [0_u8; 18];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| wrong("no randomness"))?;
        Ok(Self {
            nonce: STANDARD.encode(random),
            proof_of_server: None,
        })
    }

    /// The first message. PostgreSQL takes the user's name from the start-up frame.
    pub(super) fn first(&self) -> String {
        format!("{GS2_HEADER}{}", self.first_bare())
    }

    fn first_bare(&self) -> String {
        format!("n=,r={}", self.nonce)
    }

    /// The answer to the server's challenge.
    pub(super) fn answer(&mut self, password: &str, challenge: &[u8]) -> Result<String, Fault> {
        let challenge = std::str::from_utf8(challenge).map_err(|_| wrong("a challenge that is no text"))?;
        let nonce = attribute(challenge, "r=")?;
        if !nonce.starts_with(&self.nonce) {
            return Err(wrong("the server's nonce does not go on from the client's"));
        }
        let salt = STANDARD
            .decode(attribute(challenge, "s=")?)
            .map_err(|_| wrong("the salt is not base64"))?;
        let rounds: u32 = attribute(challenge, "i=")?
            .parse()
            .map_err(|_| wrong("the rounds are no number"))?;
        let salted = salted(password, &salt, rounds)?;
        let without_proof = format!("c={GS2_HEADER_BASE64},r={nonce}");
        let signed = format!("{},{challenge},{without_proof}", self.first_bare());
        self.proof_of_server = Some(STANDARD.encode(sign(&sign(&salted, b"Server Key"), signed.as_bytes())));
        let client_key = sign(&salted, b"Client Key");
        let signature = sign(digest(&SHA256, &client_key).as_ref(), signed.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, sign)| key ^ sign).collect();
        Ok(format!("{without_proof},p={}", STANDARD.encode(proof)))
    }

    /// Whether the server has proved that it knows the password too.
    pub(super) fn verify(&self, last: &[u8]) -> Result<(), Fault> {
        let last = std::str::from_utf8(last).map_err(|_| wrong("a proof that is no text"))?;
        if self.proof_of_server.as_deref() == Some(attribute(last, "v=")?) {
            Ok(())
        } else {
            Err(wrong("the server does not know the password"))
        }
    }
}

fn wrong(what: &str) -> Fault {
    Fault::Login(what.to_owned())
}

fn attribute<'t>(text: &'t str, name: &str) -> Result<&'t str, Fault> {
    let found = text.split(',').find_map(|part| part.strip_prefix(name));
    found.ok_or_else(|| wrong(&format!("{text} has no {name}")))
}

fn sign(key: &[u8], text: &[u8]) -> Salted {
    let mut signature = [0; SHA256_OUTPUT_LEN];
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    signature.copy_from_slice(tag.as_ref());
    signature
}

fn salted(password: &str, salt: &[u8], rounds: u32) -> Result<Salted, Fault> {
    let key = (password.to_owned(), salt.to_vec(), rounds);
    let mut known = SALTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(salted) = known.get(&key) {
        return Ok(*salted);
    }
    let rounds = NonZeroU32::new(rounds).ok_or_else(|| wrong("no rounds"))?;
    let mut hash = [0; SHA256_OUTPUT_LEN];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, password.as_bytes(), &mut hash);
    // A pooler that makes a fresh salt for every log-in must not fill this for ever.
    if known.len() > 1000 {
        known.clear();
    }
    known.insert(key, hash);
    Ok(hash)
}
