//! The client's side of the log-in, as a state machine: it answers one step at a time and touches no socket.

use bytes::BytesMut;
use ring::rand::{SystemRandom, generate};
use weir_model::Secret;
use weir_pgwire::backend::{Authentication, Mechanisms};
use weir_pgwire::frontend::{self, WriteError};

use crate::credentials::{Credentials, ScramKeys, md5_answer, md5_of_password};
use crate::scram::{Answered, Binding, Failure, First, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, Source};
use crate::startup::ConnectOptions;
use crate::target::{ChannelBinding, Target};

/// What is known of the log-in, and how far it has come.
pub(crate) struct Login<'t> {
    user: &'t str,
    proof: Proof<'t>,
    binding: ChannelBinding,
    /// What the log-in can be bound to; `None` without encryption.
    end_point: Option<Vec<u8>>,
    exchange: Exchange<'t>,
    is_asked: bool,
}

/// What there is to answer with.
#[derive(Clone, Copy)]
enum Proof<'t> {
    Password(&'t Secret),
    Scram(&'t ScramKeys),
    Md5(&'t Secret),
    /// Nothing, for this reason.
    Nothing(&'static str),
}

/// How far a SCRAM exchange has come.
enum Exchange<'t> {
    None,
    Begun {
        first: First<'t>,
        is_bound: bool,
    },
    Answered {
        answered: Answered,
        is_bound: bool,
    },
    /// The server has proved that it knows the password too.
    Proven {
        is_bound: bool,
    },
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoLogin {
    #[error("it asks for a password, and {0}")]
    NoPassword(&'static str),
    #[error("it asks for {asked}, which cannot be answered with {given}")]
    Unsuitable { asked: &'static str, given: &'static str },
    #[error("it asks for a log-in by {0}, which is not possible here")]
    Method(String),
    #[error("it does not offer channel binding, and channel_binding=require asks for it")]
    NoBinding,
    #[error("it does not prove that it knows the password")]
    NoProof,
    #[error("there is no randomness for the log-in")]
    NoRandom,
    #[error(transparent)]
    Scram(#[from] Failure),
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// What follows a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The answer was written and is to be sent.
    Send,
    /// The server speaks again.
    Wait,
    /// The client is in.
    Done,
}

impl<'t> Proof<'t> {
    fn of(target: &'t Target, options: &'t ConnectOptions) -> Self {
        match &options.credentials {
            Some(Credentials::Password(password)) => Self::Password(password),
            Some(Credentials::Scram(keys)) => Self::Scram(keys),
            Some(Credentials::Md5(hash)) => Self::Md5(hash),
            Some(Credentials::None) => Self::Nothing("this log-in has none to give"),
            // One user's password is not sent in the name of another.
            None if options.user.as_ref().is_some_and(|user| *user != target.user) => {
                Self::Nothing("the one in the database url is another user's")
            }
            None => target
                .password
                .as_ref()
                .map_or(Self::Nothing("there is none in the database url"), Self::Password),
        }
    }

    /// The error for what it cannot answer.
    const fn unsuitable(self, asked: &'static str) -> NoLogin {
        let given = match self {
            Self::Nothing(reason) => return NoLogin::NoPassword(reason),
            Self::Password(_) => "a password",
            Self::Scram(_) => "the keys of a SCRAM-SHA-256 log-in",
            Self::Md5(_) => "an MD5 hash",
        };
        NoLogin::Unsuitable { asked, given }
    }
}

impl<'t> Login<'t> {
    pub(crate) fn new(target: &'t Target, options: &'t ConnectOptions, end_point: Option<Vec<u8>>) -> Self {
        Self {
            user: options.user.as_ref().unwrap_or(&target.user),
            proof: Proof::of(target, options),
            binding: target.channel_binding,
            end_point,
            exchange: Exchange::None,
            is_asked: false,
        }
    }

    /// Whether the server has asked for any proof.
    pub(crate) const fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// Writes the answer to what the server asks.
    pub(crate) fn answer(&mut self, asked: Authentication<'_>, out: &mut BytesMut) -> Result<Step, NoLogin> {
        self.is_asked |= !matches!(asked, Authentication::Ok);
        match asked {
            Authentication::Ok => return self.done(),
            Authentication::SaslFinal(proof) => return self.verify(proof),
            Authentication::CleartextPassword => self.in_clear(out)?,
            Authentication::Md5Password { salt } => self.md5(salt, out)?,
            Authentication::Sasl(offered) => self.begin(offered, out)?,
            Authentication::SaslContinue(challenge) => self.go_on(challenge, out)?,
            Authentication::Other { code } => return Err(NoLogin::Method(method(code))),
        }
        Ok(Step::Send)
    }

    fn in_clear(&self, out: &mut BytesMut) -> Result<(), NoLogin> {
        self.may_be_unbound()?;
        let Proof::Password(password) = self.proof else {
            return Err(self.proof.unsuitable("the password in clear"));
        };
        Ok(frontend::password(out, password.expose().as_bytes())?)
    }

    fn md5(&self, salt: [u8; 4], out: &mut BytesMut) -> Result<(), NoLogin> {
        self.may_be_unbound()?;
        let answer = match self.proof {
            Proof::Password(password) => md5_answer(&md5_of_password(self.user, password.expose()), salt),
            Proof::Md5(hash) => md5_answer(hash.expose(), salt),
            proof => return Err(proof.unsuitable("an MD5 hash")),
        };
        Ok(frontend::password(out, answer.as_bytes())?)
    }

    /// For a method that binds nothing.
    fn may_be_unbound(&self) -> Result<(), NoLogin> {
        if self.binding == ChannelBinding::Require {
            return Err(NoLogin::NoBinding);
        }
        Ok(())
    }

    fn begin(&mut self, offered: Mechanisms<'_>, out: &mut BytesMut) -> Result<(), NoLogin> {
        let source = match self.proof {
            Proof::Password(password) => Source::Password(password),
            Proof::Scram(keys) => Source::Keys(keys),
            proof => return Err(proof.unsuitable(SCRAM_SHA_256)),
        };
        let (mechanism, binding) = self.choose(offered)?;
        let random = generate(&SystemRandom::new()).map_err(|_| NoLogin::NoRandom)?;
        let first = First::new(source, binding, random.expose());
        frontend::sasl_initial_response(out, mechanism, first.message().as_bytes())?;
        let is_bound = mechanism == SCRAM_SHA_256_PLUS;
        self.exchange = Exchange::Begun { first, is_bound };
        Ok(())
    }

    fn choose(&self, offered: Mechanisms<'_>) -> Result<(&'static str, Binding), NoLogin> {
        let can_bind = self
            .end_point
            .as_ref()
            .filter(|_| self.binding != ChannelBinding::Disable);
        if let Some(end_point) = can_bind
            && offered.offers(SCRAM_SHA_256_PLUS)
        {
            return Ok((SCRAM_SHA_256_PLUS, Binding::EndPoint(end_point.clone())));
        }
        self.may_be_unbound()?;
        if !offered.offers(SCRAM_SHA_256) {
            return Err(NoLogin::Method("a SASL mechanism other than SCRAM-SHA-256".to_owned()));
        }
        // Saying that we could have bound lets the server notice when somebody has removed its offer.
        let binding = if can_bind.is_some() {
            Binding::NotOffered
        } else {
            Binding::Unable
        };
        Ok((SCRAM_SHA_256, binding))
    }

    fn go_on(&mut self, challenge: &[u8], out: &mut BytesMut) -> Result<(), NoLogin> {
        let Exchange::Begun { first, is_bound } = std::mem::replace(&mut self.exchange, Exchange::None) else {
            return Err(NoLogin::NoProof);
        };
        let (answer, answered) = first.answer(challenge)?;
        self.exchange = Exchange::Answered { answered, is_bound };
        Ok(frontend::sasl_response(out, answer.as_bytes())?)
    }

    fn verify(&mut self, proof: &[u8]) -> Result<Step, NoLogin> {
        let Exchange::Answered { answered, is_bound } = &self.exchange else {
            return Err(NoLogin::NoProof);
        };
        answered.verify(proof)?;
        self.exchange = Exchange::Proven { is_bound: *is_bound };
        Ok(Step::Wait)
    }

    fn done(&self) -> Result<Step, NoLogin> {
        match self.exchange {
            // An impostor would skip the proof.
            Exchange::Begun { .. } | Exchange::Answered { .. } => Err(NoLogin::NoProof),
            Exchange::Proven { is_bound: true } => Ok(Step::Done),
            _ => self.may_be_unbound().map(|()| Step::Done),
        }
    }
}

fn method(code: u32) -> String {
    match code {
        2 => "Kerberos".to_owned(),
        7 | 8 => "GSSAPI".to_owned(),
        9 => "SSPI".to_owned(),
        code => format!("method {code}"),
    }
}

#[cfg(test)]
mod tests;
