//! From a server's name to its addresses. Every connection asks anew; nothing is remembered here.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use tokio::net::lookup_host;

use crate::target::{Host, Target};

/// A look-up under way.
pub type LookUp<'l> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'l>>;

/// Looks names up.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses that a name leads to, in the order in which they are to be tried.
    fn look_up<'l>(&'l self, name: &'l str, port: u16) -> LookUp<'l>;
}

/// As the operating system does it.
#[derive(Debug)]
struct System;

impl Resolve for System {
    fn look_up<'l>(&'l self, name: &'l str, port: u16) -> LookUp<'l> {
        Box::pin(async move { Ok(lookup_host((name, port)).await?.collect()) })
    }
}

pub(crate) fn system() -> Arc<dyn Resolve> {
    Arc::new(System)
}

impl Target {
    /// The same place, with its name looked up by somebody else than the operating system.
    #[must_use]
    pub fn resolved_by(self, resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, ..self }
    }

    /// The host's name, which may lead elsewhere tomorrow; none where the host is an address or a socket.
    pub fn name(&self) -> Option<&str> {
        match &self.host {
            // An address of version 6 may end in the name of a network card, which is not read as a part of it.
            Host::Tcp(host) => (!host.contains(':') && host.parse::<IpAddr>().is_err()).then_some(host.as_str()),
            Host::Unix(_) => None,
        }
    }

    /// Where the host is at present; nowhere, where it is a socket.
    pub async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let Host::Tcp(host) = &self.host else {
            return Ok(Vec::new());
        };
        match host.parse() {
            Ok(ip) => Ok(vec![SocketAddr::new(ip, self.port)]),
            Err(_) => self.resolver.look_up(host, self.port).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_is_a_name() {
        let name = |url: &str| Target::parse(url).unwrap().name().map(str::to_owned);
        assert_eq!(name("postgres://u@db.example/d"), Some("db.example".to_owned()));
        assert_eq!(name("postgres://u@localhost:5433/d"), Some("localhost".to_owned()));
        for url in [
            "postgres://u@10.0.0.7/d",
            "postgres://u@[::1]:5432/d",
            "postgres://u@/d?host=/run",
        ] {
            assert_eq!(name(url), None, "{url}");
        }
    }
}
