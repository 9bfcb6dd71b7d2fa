//! Lets callers in: by their token, or, in development and from this machine, without one.
//!
//! A page of another site can have the browser of somebody on this machine call here. What it cannot do is pretend to
//! be a page of this place: the browser tells where a request comes from, and what host it thinks it talks to.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, header};
use weir_config::{Profile, Sources};

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
            let is_at_home = self.trusts_this_machine && is_from_this_machine(visit);
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

fn is_from_this_machine(visit: &Visit<'_>) -> bool {
    let text = |name: &str| visit.headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let is_forwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"]
        .iter()
        .any(|name| visit.headers.contains_key(*name));
    let host = text("host");
    visit.peer.ip().to_canonical().is_loopback()
        && !is_forwarded
        && host.is_some_and(names_this_machine)
        && text("origin").is_none_or(|origin| Some(origin) == host.map(|host| format!("http://{host}")).as_deref())
        && text("sec-fetch-site").is_none_or(|site| ["same-origin", "none"].contains(&site))
}

/// A name that no other site can have, whatever its DNS says.
fn names_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visits(peer: &str, headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        is_from_this_machine(&Visit {
            headers: &map,
            peer: peer.parse().unwrap(),
        })
    }

    #[test]
    fn only_this_machine_and_its_own_pages_need_no_token() {
        let home = ("host", "localhost:8080");
        assert!(visits("127.0.0.1:4000", &[home]));
        assert!(visits("[::1]:4000", &[("host", "[::1]:8080")]));
        assert!(visits("[::ffff:127.0.0.1]:4000", &[("host", "127.0.0.1")]));
        assert!(visits(
            "127.0.0.1:4000",
            &[
                home,
                ("origin", "http://localhost:8080"),
                ("sec-fetch-site", "same-origin")
            ]
        ));
        for (peer, headers) in [
            ("192.0.2.1:4000", vec![home]),
            ("127.0.0.1:4000", vec![]),
            ("127.0.0.1:4000", vec![("host", "weir.example:8080")]),
            ("127.0.0.1:4000", vec![("host", "localhost.example")]),
            ("127.0.0.1:4000", vec![home, ("origin", "https://elsewhere.example")]),
            ("127.0.0.1:4000", vec![home, ("origin", "http://localhost:3000")]),
            ("127.0.0.1:4000", vec![home, ("origin", "null")]),
            ("127.0.0.1:4000", vec![home, ("sec-fetch-site", "cross-site")]),
            ("127.0.0.1:4000", vec![home, ("x-forwarded-for", "192.0.2.1")]),
        ] {
            assert!(!visits(peer, &headers), "{peer} {headers:?}");
        }
    }

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
