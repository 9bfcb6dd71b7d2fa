//! The server's side of SCRAM-SHA-256 (RFC 5802 and 7677), as PostgreSQL speaks it. Pure.
//!
//! Besides checking the client's proof it keeps what the proof gives away: the client's key. With it and the
//! verifier's server key the same user can be logged in upstream, where the same verifier is kept.

mod message;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac};
use subtle::ConstantTimeEq as _;
use weir_upstream::ScramKeys;

use super::random::Random;
use super::refusal::Refusal;
use super::verifier::{KEY_BYTES, ScramVerifier, sign};
use message::{Reader, malformed, shown};

const SCRAM_SHA_256: &str = "SCRAM-SHA-256";
const SCRAM_SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";
const END_POINT_HEADER: &str = "p=tls-server-end-point,,";
const END_POINT: &[u8] = b"tls-server-end-point";

/// One exchange.
pub(super) struct Exchange {
    verifier: ScramVerifier,
    /// What the log-in can be bound to.
    end_point: Option<Vec<u8>>,
    /// Our half of the nonce.
    nonce: String,
    /// The client has chosen the mechanism that binds.
    is_bound: bool,
    challenged: Option<Challenged>,
}

/// What was said so far.
struct Challenged {
    flag: u8,
    /// Both halves.
    nonce: String,
    /// The client's first message without its header, a comma, and the server's.
    conversation: Vec<u8>,
}

/// What the client is told.
#[derive(Debug)]
pub(super) enum Answer {
    Challenge(String),
    /// The client is right; this shows that we know the verifier, and these are its keys.
    Proof(String, ScramKeys),
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exchange")
    }
}

impl Exchange {
    pub(super) fn new(verifier: ScramVerifier, end_point: Option<Vec<u8>>, random: Random) -> Self {
        Self {
            verifier,
            end_point,
            nonce: STANDARD.encode(random),
            is_bound: false,
            challenged: None,
        }
    }

    /// What is offered, the preferred one first.
    pub(super) const fn mechanisms(&self) -> &'static [&'static str] {
        match self.end_point {
            Some(_) => &[SCRAM_SHA_256_PLUS, SCRAM_SHA_256],
            None => &[SCRAM_SHA_256],
        }
    }

    /// Takes the client's choice.
    pub(super) fn choose(&mut self, mechanism: &[u8]) -> Result<(), Refusal> {
        if !self.mechanisms().iter().any(|offered| offered.as_bytes() == mechanism) {
            return Err(Refusal::Protocol(
                "client selected an invalid SASL authentication mechanism",
            ));
        }
        self.is_bound = mechanism == SCRAM_SHA_256_PLUS.as_bytes();
        Ok(())
    }

    /// Hears the client's next message, of which there are two.
    pub(super) fn hear(&mut self, message: &[u8]) -> Result<Answer, Refusal> {
        let reader = Reader::new(message)?;
        match self.challenged.take() {
            None => self.challenge(reader),
            Some(challenged) => self.check(&challenged, reader),
        }
    }

    fn challenge(&mut self, mut reader: Reader<'_>) -> Result<Answer, Refusal> {
        let flag = self.read_flag(&mut reader)?;
        read_identity(&mut reader)?;
        let bare = reader.rest();
        let client_nonce = read_first(reader)?;
        let nonce = format!("{client_nonce}{}", self.nonce);
        let ScramVerifier { iterations, salt, .. } = &self.verifier;
        let challenge = format!("r={nonce},s={},i={iterations}", STANDARD.encode(salt));
        self.challenged = Some(Challenged {
            flag,
            nonce,
            conversation: [bare, b",", challenge.as_bytes()].concat(),
        });
        Ok(Answer::Challenge(challenge))
    }

    /// Reads whether the client binds, up to and with the comma behind it.
    fn read_flag(&self, reader: &mut Reader<'_>) -> Result<u8, Refusal> {
        let flag = reader.peek();
        match flag {
            b'n' | b'y' if self.is_bound => {
                return Err(malformed(
                    "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data.",
                ));
            }
            // Somebody has removed our offer on its way.
            b'y' if self.end_point.is_some() => return Err(Refusal::Downgrade),
            b'n' | b'y' => {
                reader.skip();
                if reader.peek() != b',' {
                    let found = shown(reader.peek());
                    return Err(malformed(format!("Comma expected, but found character \"{found}\".")));
                }
                reader.skip();
            }
            b'p' if !self.is_bound => {
                return Err(malformed(
                    "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.",
                ));
            }
            b'p' => {
                let kind = reader.value(b'p')?;
                if kind != END_POINT {
                    return Err(Refusal::BindingType(
                        kind.iter().take(64).map(|byte| fit(*byte)).collect(),
                    ));
                }
            }
            flag => {
                let found = shown(flag);
                return Err(malformed(format!("Unexpected channel-binding flag \"{found}\".")));
            }
        }
        Ok(flag)
    }

    fn check(&self, challenged: &Challenged, mut reader: Reader<'_>) -> Result<Answer, Refusal> {
        let whole = reader.rest();
        self.check_binding(challenged.flag, reader.value(b'c')?)?;
        let nonce = reader.value(b'r')?;
        let (without_proof, proof) = read_proof(whole, reader)?;
        if nonce != challenged.nonce.as_bytes() {
            return Err(Refusal::Nonce);
        }
        let conversation = [&challenged.conversation, b",".as_slice(), without_proof].concat();
        let client_key = self.client_key(&conversation, proof)?;
        let server_key = self.verifier.server_key;
        let signature = sign(&hmac::Key::new(hmac::HMAC_SHA256, &server_key), &conversation);
        let proof = format!("v={}", STANDARD.encode(signature));
        Ok(Answer::Proof(proof, ScramKeys::new(client_key, server_key)))
    }

    fn check_binding(&self, flag: u8, said: &[u8]) -> Result<(), Refusal> {
        match (&self.end_point, flag) {
            (Some(end_point), b'p') => {
                let right = STANDARD.encode([END_POINT_HEADER.as_bytes(), end_point].concat());
                (said == right.as_bytes())
                    .then_some(())
                    .ok_or(Refusal::Binding("SCRAM channel binding check failed"))
            }
            // The header `n,,` or `y,,` in base64.
            (_, b'n') if said == b"biws" => Ok(()),
            (_, b'y') if said == b"eSws" => Ok(()),
            _ => Err(Refusal::Binding(
                "unexpected SCRAM channel-binding attribute in client-final-message",
            )),
        }
    }

    /// Takes the client's key out of its proof: it is the right one if its hash is what the verifier has.
    fn client_key(&self, conversation: &[u8], proof: [u8; KEY_BYTES]) -> Result<[u8; KEY_BYTES], Refusal> {
        let stored_key = &self.verifier.stored_key;
        let mut client_key = sign(&hmac::Key::new(hmac::HMAC_SHA256, stored_key), conversation);
        for (byte, proof) in client_key.iter_mut().zip(proof) {
            *byte ^= proof;
        }
        let hash = digest::digest(&digest::SHA256, &client_key);
        if bool::from(hash.as_ref().ct_eq(stored_key.as_slice())) {
            Ok(client_key)
        } else {
            Err(Refusal::WrongPassword)
        }
    }
}

/// Reads that the client wants to be nobody else than the one it logs in as.
fn read_identity(reader: &mut Reader<'_>) -> Result<(), Refusal> {
    match reader.peek() {
        b'a' => Err(Refusal::NotSupported(
            "client uses authorization identity, but it is not supported",
        )),
        b',' => {
            reader.skip();
            Ok(())
        }
        found => {
            let found = shown(found);
            Err(malformed(format!(
                "Unexpected attribute \"{found}\" in client-first-message."
            )))
        }
    }
}

/// Reads the first message behind its header; returns the client's nonce. The user was named before.
fn read_first<'m>(mut reader: Reader<'m>) -> Result<&'m str, Refusal> {
    if reader.peek() == b'm' {
        return Err(Refusal::NotSupported("client requires an unsupported SCRAM extension"));
    }
    reader.value(b'n')?;
    let nonce = reader.value(b'r')?;
    let is_printable = nonce.iter().all(|byte| matches!(byte, 0x21..=0x7e));
    let nonce = str::from_utf8(nonce).ok().filter(|_| is_printable);
    let nonce = nonce.ok_or(Refusal::Protocol("non-printable characters in SCRAM nonce"))?;
    while !reader.is_at_end() {
        reader.any()?;
    }
    Ok(nonce)
}

/// Reads what follows the nonce of the last message: extensions, then the proof and nothing more. Returns the message
/// without the proof, and the proof.
fn read_proof<'m>(whole: &'m [u8], mut reader: Reader<'_>) -> Result<(&'m [u8], [u8; KEY_BYTES]), Refusal> {
    let (end, proof) = loop {
        // The comma in front of the attribute does not count either.
        let end = whole.len().saturating_sub(reader.rest().len() + 1);
        let (name, value) = reader.any()?;
        if name == b'p' {
            break (end, value);
        }
    };
    let wrong = || malformed("Malformed proof in client-final-message.");
    let proof = STANDARD.decode(proof).ok().and_then(|proof| proof.try_into().ok());
    let proof = proof.ok_or_else(wrong)?;
    if !reader.is_at_end() {
        return Err(malformed("Garbage found at the end of client-final-message."));
    }
    Ok((whole.get(..end).ok_or_else(wrong)?, proof))
}

/// A byte of a name that is repeated to its sender.
fn fit(byte: u8) -> char {
    match byte {
        0x20..=0x7e => char::from(byte),
        _ => '?',
    }
}

#[cfg(test)]
mod tests;
