//! How a client logs in at the PostgreSQL door: as it would at PostgreSQL, with the server's own verifiers. Pure.
//!
//! [`Login`] is the server's side of the exchange as a state machine. It writes what is to be sent and hears what has
//! come; it owns no socket, and it never learns a password that the client does not send in clear. What it yields in
//! the end opens the same user's session upstream: the keys that the client's proof has shown.
//!
//! [`lookup()`] asks the server for a user's verifier, [`Verifiers`] keeps it for a while, and [`random()`] is where the
//! randomness comes from.

mod lookup;
mod random;
mod refusal;
mod scram;
mod verifier;
mod verifiers;

pub(crate) use lookup::{AUTH_QUERY, Error as LookupError, Found, lookup};
pub(crate) use random::{Random, random};
pub(crate) use refusal::Refusal;
pub(crate) use verifier::{ScramVerifier, Strangers, Verifier};
pub(crate) use verifiers::Verifiers;

use bytes::BytesMut;
use subtle::ConstantTimeEq as _;
use weir_model::Secret;
use weir_pgwire::request::SaslInitial;
use weir_pgwire::{reply, request};
use weir_upstream::{Credentials, md5_answer};

use scram::{Answer, Exchange};

/// The longest frame that a client may send during the log-in, as at PostgreSQL.
pub(crate) const BODY_BYTES_MAX: usize = 65_535;

/// How a client is asked who it is.
#[derive(Debug, Clone)]
pub(crate) enum Method {
    /// By SCRAM-SHA-256.
    Scram {
        verifier: ScramVerifier,
        /// What the log-in can be bound to: the hash of our certificate. `None` without encryption.
        end_point: Option<Vec<u8>>,
    },
    /// By SCRAM-SHA-256, and refused in the end: nobody by this name can log in with a password, which does not show.
    Stranger {
        strangers: Strangers,
        end_point: Option<Vec<u8>>,
    },
    /// By an MD5 hash.
    Md5 {
        /// The 32 digits of `md5(password + user)`.
        hash: Secret,
    },
    /// By the password itself, which is checked by logging in upstream with it.
    Cleartext,
    /// Not at all: the client has shown a certificate with the user's name in it.
    Certificate,
}

/// What follows a step.
#[derive(Debug)]
pub(crate) enum Step {
    /// What was written is to be sent; the client's next `p` frame is for [`Login::step`].
    Send,
    /// The client has proved who it is, except by a password in clear, which only the server can check. What was
    /// written is to be sent, then `AuthenticationOk`.
    Done(Credentials),
}

/// One client's log-in.
#[derive(Debug)]
pub(crate) struct Login(State);

#[derive(Debug)]
enum State {
    /// Awaits a SASL mechanism.
    Mechanism(Box<Exchange>),
    /// In the middle of that mechanism.
    Scram(Box<Exchange>),
    Md5 {
        hash: Secret,
        salt: [u8; 4],
    },
    Cleartext,
    /// Expects nothing more.
    Over,
}

impl Login {
    /// Writes what the client is asked for. `user` is who it says it is.
    pub(crate) fn begin(method: Method, user: &str, random: Random, out: &mut BytesMut) -> (Self, Step) {
        let state = match method {
            Method::Certificate => return (Self(State::Over), Step::Done(Credentials::None)),
            Method::Cleartext => {
                reply::authentication_cleartext_password(out);
                State::Cleartext
            }
            Method::Md5 { hash } => ask_for_md5(hash, random, out),
            Method::Scram { verifier, end_point } => ask_for_scram(Exchange::new(verifier, end_point, random), out),
            Method::Stranger { strangers, end_point } => {
                ask_for_scram(Exchange::new(strangers.verifier(user), end_point, random), out)
            }
        };
        (Self(state), Step::Send)
    }

    /// Hears the body of a `p` frame. After a refusal, and after the end, every further one is refused.
    pub(crate) fn step(&mut self, body: &[u8], out: &mut BytesMut) -> Result<Step, Refusal> {
        match std::mem::replace(&mut self.0, State::Over) {
            State::Mechanism(exchange) => self.choose(exchange, body, out),
            State::Scram(exchange) => self.go_on(exchange, body, out),
            State::Md5 { hash, salt } => check_md5(hash, salt, password(body)?),
            State::Cleartext => {
                // Only the server can check it, and it may have been hashed in any encoding.
                let password = str::from_utf8(password(body)?).map_err(|_| Refusal::NotUtf8)?;
                Ok(Step::Done(Credentials::Password(Secret::new(password))))
            }
            State::Over => Err(Refusal::Protocol("unexpected password message")),
        }
    }

    fn choose(&mut self, mut exchange: Box<Exchange>, body: &[u8], out: &mut BytesMut) -> Result<Step, Refusal> {
        let initial = SaslInitial::read(body).map_err(|_| Refusal::Protocol("invalid SASL initial response"))?;
        exchange.choose(initial.mechanism)?;
        let Some(response) = initial.response else {
            // The client leaves the first word to us, and there is nothing to say.
            answer(out, |out| reply::authentication_sasl_continue(out, b""))?;
            self.0 = State::Scram(exchange);
            return Ok(Step::Send);
        };
        self.go_on(exchange, response, out)
    }

    fn go_on(&mut self, mut exchange: Box<Exchange>, message: &[u8], out: &mut BytesMut) -> Result<Step, Refusal> {
        match exchange.hear(message)? {
            Answer::Challenge(challenge) => {
                answer(out, |out| {
                    reply::authentication_sasl_continue(out, challenge.as_bytes())
                })?;
                self.0 = State::Scram(exchange);
                Ok(Step::Send)
            }
            Answer::Proof(proof, keys) => {
                answer(out, |out| reply::authentication_sasl_final(out, proof.as_bytes()))?;
                Ok(Step::Done(Credentials::Scram(keys)))
            }
        }
    }
}

fn ask_for_scram(exchange: Exchange, out: &mut BytesMut) -> State {
    // Two names of ours always fit into a frame.
    let _ = reply::authentication_sasl(out, exchange.mechanisms());
    State::Mechanism(Box::new(exchange))
}

fn ask_for_md5(hash: Secret, random: Random, out: &mut BytesMut) -> State {
    let [a, b, c, d, ..] = random;
    let salt = [a, b, c, d];
    reply::authentication_md5_password(out, salt);
    State::Md5 { hash, salt }
}

fn check_md5(hash: Secret, salt: [u8; 4], answer: &[u8]) -> Result<Step, Refusal> {
    let right = md5_answer(hash.expose(), salt);
    if bool::from(right.as_bytes().ct_eq(answer)) {
        Ok(Step::Done(Credentials::Md5(hash)))
    } else {
        Err(Refusal::WrongPassword)
    }
}

fn password(body: &[u8]) -> Result<&[u8], Refusal> {
    match request::password(body) {
        Ok([]) => Err(Refusal::EmptyPassword),
        Ok(password) => Ok(password),
        Err(_) => Err(Refusal::Protocol("invalid password packet size")),
    }
}

/// Writes a frame. The client's nonce is in it, and only a frame beyond all bounds could not be written.
fn answer(
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> Result<(), reply::WriteError>,
) -> Result<(), Refusal> {
    write(out).map_err(|_| Refusal::Protocol("SASL message too long"))
}

#[cfg(test)]
mod tests;
