//! Lets callers in: by their token, or, in development and from this machine, without one.

use std::net::SocketAddr;

use http::{HeaderMap, header};
use weir_config::{Profile, Sources};
use weir_runtime::is_from_this_machine;

use super::{Caller, Tokens};

/// How somebody came.
pub(crate) struct Visit<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) peer: SocketAddr,
}

/// Why somebody is not let in.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Neither a token nor a reason to do without.
    NoToken,
    /// The header is not `Bearer …`.
    NotBearer,
    /// Nobody's token, or one that has ended.
    Unknown,
    /// Whose token it is cannot be found out now.
    StoreAway(sqlx::Error),
}

/// Who is let in.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    tokens: Tokens,
    trusts_this_machine: bool,
}

impl Gate {
    pub(crate) fn new(sources: &Sources, tokens: Tokens) -> Self {
        Self {
            tokens,
            trusts_this_machine: sources.profile() == Profile::Development,
        }
    }

    pub(crate) async fn admit(&self, visit: &Visit<'_>) -> Result<Caller, Refusal> {
        let Some(value) = visit.headers.get(header::AUTHORIZATION) else {
            let is_at_home = self.trusts_this_machine && is_from_this_machine(visit.headers, visit.peer);
            return if is_at_home {
                Ok(Caller::at_home())
            } else {
                Err(Refusal::NoToken)
            };
        };
        let token = value.to_str().ok().and_then(bearer).ok_or(Refusal::NotBearer)?;
        let found = self.tokens.find(token).await.map_err(Refusal::StoreAway)?;
        found.ok_or(Refusal::Unknown)
    }

    /// Whether somebody who was let in would be once more.
    pub(crate) async fn still_admits(&self, caller: &Caller) -> bool {
        match caller.token {
            Some(id) => self.tokens.is_good(id).await,
            None => self.trusts_this_machine,
        }
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim())
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_bearer_token() {
        assert_eq!(bearer("Bearer weir_x"), Some("weir_x"));
        assert_eq!(bearer("bearer  weir_x "), Some("weir_x"));
        assert_eq!(
            (bearer("Basic x"), bearer("Bearer "), bearer("Bearer")),
            (None, None, None)
        );
    }
}
