//! What a client is told that is not let in, in PostgreSQL's words. Pure.

use std::borrow::Cow;

/// Why a log-in ends here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The proof is wrong, or nobody by this name has a password, or it has expired: which of them is not said.
    WrongPassword,
    /// A password without a character, which PostgreSQL accepts for nobody.
    EmptyPassword,
    /// A password in clear that could not be passed on.
    NotUtf8,
    /// The role may not log in. Said only after it has proved who it is.
    MayNotLogIn,
    /// The client breaks the protocol.
    Protocol(&'static str),
    /// A SCRAM message that is none, with the detail.
    Malformed(Cow<'static, str>),
    /// The client repeats another nonce than ours.
    Nonce,
    /// The client was made to believe that we cannot bind the log-in to the channel.
    Downgrade,
    /// The client is bound to another channel than ours.
    Binding(&'static str),
    /// A way of binding that we do not have.
    BindingType(String),
    /// What SCRAM has and PostgreSQL has not.
    NotSupported(&'static str),
    /// The operating system has no randomness to give.
    NoRandom,
}

impl Refusal {
    /// The code of the error.
    pub(crate) const fn sqlstate(&self) -> &'static str {
        match self {
            Self::WrongPassword | Self::EmptyPassword | Self::NotUtf8 => "28P01",
            Self::MayNotLogIn | Self::Downgrade | Self::Binding(_) => "28000",
            Self::Protocol(_) | Self::Malformed(_) | Self::Nonce | Self::BindingType(_) => "08P01",
            Self::NotSupported(_) => "0A000",
            Self::NoRandom => "XX000",
        }
    }

    /// The error's text.
    pub(crate) fn message(&self, user: &str) -> String {
        match self {
            Self::WrongPassword => format!("password authentication failed for user \"{user}\""),
            Self::EmptyPassword => "empty password returned by client".to_owned(),
            Self::NotUtf8 => "the password is not UTF-8".to_owned(),
            Self::MayNotLogIn => format!("role \"{user}\" is not permitted to log in"),
            Self::Malformed(_) => "malformed SCRAM message".to_owned(),
            Self::Nonce => "invalid SCRAM response".to_owned(),
            Self::Downgrade => "SCRAM channel binding negotiation error".to_owned(),
            Self::BindingType(kind) => format!("unsupported SCRAM channel-binding type \"{kind}\""),
            Self::Protocol(message) | Self::Binding(message) | Self::NotSupported(message) => (*message).to_owned(),
            Self::NoRandom => "could not generate random nonce".to_owned(),
        }
    }

    /// More about it, where there is more to say.
    pub(crate) fn detail(&self) -> Option<&str> {
        match self {
            Self::Malformed(detail) => Some(detail),
            Self::Nonce => Some("Nonce does not match."),
            Self::Downgrade => Some(
                "The client supports SCRAM channel binding but thinks the server does not.  However, this server does \
                 support channel binding.",
            ),
            _ => None,
        }
    }
}
