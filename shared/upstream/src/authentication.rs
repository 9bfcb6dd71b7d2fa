//! The client's side of the log-in, as a state machine: it answers one step at a time and touches no socket.

use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{self, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256};
use weir_model::Secret;
use weir_pgwire::backend::{Authentication, Mechanisms};
use weir_pgwire::frontend::{self, WriteError};

use crate::target::{ChannelBinding, Target};

/// What is known when the log-in begins.
pub(crate) struct Login<'t> {
    user: &'t str,
    password: Option<&'t Secret>,
    binding: ChannelBinding,
    /// What the log-in can be bound to; `None` without encryption.
    end_point: Option<Vec<u8>>,
    exchange: Exchange,
}

/// How far a SCRAM exchange has come.
enum Exchange {
    None,
    Begun {
        scram: Box<ScramSha256>,
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
    #[error("it asks for a password, and there is none in the database url")]
    NoPassword,
    #[error("it asks for a log-in by {0}, which is not possible here")]
    Method(String),
    #[error("it does not offer channel binding, and channel_binding=require asks for it")]
    NoBinding,
    #[error("it does not prove that it knows the password")]
    NoProof,
    #[error("{0}")]
    Scram(String),
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

impl<'t> Login<'t> {
    pub(crate) fn new(target: &'t Target, end_point: Option<Vec<u8>>) -> Self {
        let (user, password) = (target.user.as_str(), target.password.as_ref());
        Self {
            user,
            password,
            binding: target.channel_binding,
            end_point,
            exchange: Exchange::None,
        }
    }

    /// Writes the answer to what the server asks.
    pub(crate) fn answer(&mut self, asked: Authentication<'_>, out: &mut BytesMut) -> Result<Step, NoLogin> {
        match asked {
            Authentication::Ok => return self.done(),
            Authentication::SaslFinal(proof) => return self.verify(proof),
            Authentication::CleartextPassword => frontend::password(out, self.unbound_password()?)?,
            Authentication::Md5Password { salt } => {
                let hash = md5_hash(self.user.as_bytes(), self.unbound_password()?, salt);
                frontend::password(out, hash.as_bytes())?;
            }
            Authentication::Sasl(offered) => self.begin(offered, out)?,
            Authentication::SaslContinue(challenge) => self.go_on(challenge, out)?,
            Authentication::Other { code } => return Err(NoLogin::Method(method(code))),
        }
        Ok(Step::Send)
    }

    fn password(&self) -> Result<&'t [u8], NoLogin> {
        self.password
            .map(|password| password.expose().as_bytes())
            .ok_or(NoLogin::NoPassword)
    }

    /// The password for a method that binds nothing.
    fn unbound_password(&self) -> Result<&'t [u8], NoLogin> {
        if self.binding == ChannelBinding::Require {
            return Err(NoLogin::NoBinding);
        }
        self.password()
    }

    fn begin(&mut self, offered: Mechanisms<'_>, out: &mut BytesMut) -> Result<(), NoLogin> {
        let password = self.password()?;
        let (mechanism, binding) = self.choose(offered)?;
        let scram = Box::new(ScramSha256::new(password, binding));
        frontend::sasl_initial_response(out, mechanism, scram.message())?;
        self.exchange = Exchange::Begun {
            scram,
            is_bound: mechanism == SCRAM_SHA_256_PLUS,
        };
        Ok(())
    }

    fn choose(&self, offered: Mechanisms<'_>) -> Result<(&'static str, sasl::ChannelBinding), NoLogin> {
        let can_bind = self
            .end_point
            .as_ref()
            .filter(|_| self.binding != ChannelBinding::Disable);
        if let Some(end_point) = can_bind
            && offered.offers(SCRAM_SHA_256_PLUS)
        {
            return Ok((
                SCRAM_SHA_256_PLUS,
                sasl::ChannelBinding::tls_server_end_point(end_point.clone()),
            ));
        }
        if self.binding == ChannelBinding::Require {
            return Err(NoLogin::NoBinding);
        }
        if !offered.offers(SCRAM_SHA_256) {
            return Err(NoLogin::Method("a SASL mechanism other than SCRAM-SHA-256".to_owned()));
        }
        // Saying that we could have bound lets the server notice when somebody has removed its offer.
        let binding = if can_bind.is_some() {
            sasl::ChannelBinding::unrequested()
        } else {
            sasl::ChannelBinding::unsupported()
        };
        Ok((SCRAM_SHA_256, binding))
    }

    fn go_on(&mut self, challenge: &[u8], out: &mut BytesMut) -> Result<(), NoLogin> {
        let Exchange::Begun { scram, .. } = &mut self.exchange else {
            return Err(NoLogin::NoProof);
        };
        scram
            .update(challenge)
            .map_err(|error| NoLogin::Scram(error.to_string()))?;
        frontend::sasl_response(out, scram.message())?;
        Ok(())
    }

    fn verify(&mut self, proof: &[u8]) -> Result<Step, NoLogin> {
        let Exchange::Begun { scram, is_bound } = &mut self.exchange else {
            return Err(NoLogin::NoProof);
        };
        scram.finish(proof).map_err(|error| NoLogin::Scram(error.to_string()))?;
        self.exchange = Exchange::Proven { is_bound: *is_bound };
        Ok(Step::Wait)
    }

    fn done(&self) -> Result<Step, NoLogin> {
        match self.exchange {
            // An impostor would skip the proof.
            Exchange::Begun { .. } => Err(NoLogin::NoProof),
            Exchange::Proven { is_bound: true } => Ok(Step::Done),
            _ if self.binding == ChannelBinding::Require => Err(NoLogin::NoBinding),
            _ => Ok(Step::Done),
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
mod tests {
    use super::*;

    const END_POINT: &[u8] = b"the hash of a certificate";

    fn target(more: &str) -> Target {
        Target::parse(&format!("postgres://bob:pw@h/d{more}")).unwrap()
    }

    /// The first message of a SCRAM exchange: mechanism and header, or why there is none.
    fn first(target: &Target, end_point: Option<&[u8]>, offered: &[u8]) -> Result<String, NoLogin> {
        let mut out = BytesMut::new();
        let body = [&[0, 0, 0, 10], offered].concat();
        let asked = Authentication::parse(&body).unwrap();
        Login::new(target, end_point.map(<[u8]>::to_vec)).answer(asked, &mut out)?;
        let text = String::from_utf8_lossy(&out[5..]).into_owned();
        let (mechanism, message) = text.split_once('\0').unwrap();
        Ok(format!("{mechanism} {}", message[4..].split_once("n=,").unwrap().0))
    }

    #[test]
    fn the_binding_is_used_where_both_can() {
        let both = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
        let plain = b"SCRAM-SHA-256\0\0";
        let prefer = target("");
        assert_eq!(
            first(&prefer, Some(END_POINT), both).unwrap(),
            "SCRAM-SHA-256-PLUS p=tls-server-end-point,,"
        );
        assert_eq!(first(&prefer, Some(END_POINT), plain).unwrap(), "SCRAM-SHA-256 y,,");
        assert_eq!(first(&prefer, None, both).unwrap(), "SCRAM-SHA-256 n,,");
        assert_eq!(
            first(&target("?channel_binding=disable"), Some(END_POINT), both).unwrap(),
            "SCRAM-SHA-256 n,,"
        );
        let require = target("?channel_binding=require");
        assert_eq!(first(&require, Some(END_POINT), plain), Err(NoLogin::NoBinding));
        assert_eq!(first(&require, None, both), Err(NoLogin::NoBinding));
        assert!(matches!(
            first(&prefer, None, b"OAUTHBEARER\0\0"),
            Err(NoLogin::Method(_))
        ));
    }

    #[test]
    fn an_impostor_cannot_skip_the_proof() {
        let (target, mut out) = (target(""), BytesMut::new());
        let mut login = Login::new(&target, None);
        let asked = Authentication::parse(b"\0\0\0\x0aSCRAM-SHA-256\0\0").unwrap();
        assert_eq!(login.answer(asked, &mut out), Ok(Step::Send));
        assert_eq!(login.answer(Authentication::Ok, &mut out), Err(NoLogin::NoProof));
        let mut login = Login::new(&target, None);
        assert_eq!(
            login.answer(Authentication::SaslFinal(b"v=AAAA"), &mut out),
            Err(NoLogin::NoProof)
        );
        assert_eq!(
            login.answer(Authentication::SaslContinue(b"r=x"), &mut out),
            Err(NoLogin::NoProof)
        );
    }

    #[test]
    fn a_required_binding_refuses_every_weaker_method() {
        let (target, mut out) = (target("?channel_binding=require"), BytesMut::new());
        for asked in [
            Authentication::Ok,
            Authentication::CleartextPassword,
            Authentication::Md5Password { salt: [0; 4] },
        ] {
            let mut login = Login::new(&target, Some(END_POINT.to_vec()));
            assert_eq!(login.answer(asked, &mut out), Err(NoLogin::NoBinding), "{asked:?}");
        }
        assert!(out.is_empty(), "something was sent");
    }

    #[test]
    fn methods_that_need_a_ticket_are_named() {
        let (target, mut out) = (target(""), BytesMut::new());
        let said = Login::new(&target, None)
            .answer(Authentication::Other { code: 7 }, &mut out)
            .unwrap_err();
        assert_eq!(
            said.to_string(),
            "it asks for a log-in by GSSAPI, which is not possible here"
        );
    }
}
