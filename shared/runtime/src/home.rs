//! Whether somebody calls from this machine, and for nobody else.
//!
//! A page of another site can have the browser of somebody on this machine call here. What it cannot do is pretend to
//! be a page of this place: the browser tells where a request comes from, and what host it thinks it talks to.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

/// Headers that a proxy adds: who called it is somebody else than who calls here.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// Whether a request comes from this machine and from nobody else by way of it.
pub fn is_from_this_machine(headers: &HeaderMap, peer: SocketAddr) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text("host");
    peer.ip().to_canonical().is_loopback()
        && !FORWARDED.iter().any(|name| headers.contains_key(*name))
        && host.is_some_and(names_this_machine)
        && text("origin").is_none_or(|origin| host.is_some_and(|host| is_page_of(origin, host)))
        && text("sec-fetch-site").is_none_or(|site| ["same-origin", "none"].contains(&site))
}

fn is_page_of(origin: &str, host: &str) -> bool {
    let of = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    of == Some(host)
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
        is_from_this_machine(&map, peer.parse().unwrap())
    }

    #[test]
    fn only_this_machine_and_its_own_pages_are_at_home() {
        let home = ("host", "localhost:8080");
        assert!(visits("127.0.0.1:4000", &[home]));
        assert!(visits("[::1]:4000", &[("host", "[::1]:8080")]));
        assert!(visits("[::ffff:127.0.0.1]:4000", &[("host", "127.0.0.1")]));
        for origin in ["http://localhost:8080", "https://localhost:8080"] {
            let own = [home, ("origin", origin), ("sec-fetch-site", "same-origin")];
            assert!(visits("127.0.0.1:4000", &own));
        }
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
}
