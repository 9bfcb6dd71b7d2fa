//! Encryption of the PostgreSQL door: our certificate, and those that clients may show.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use weir_config::Error;
use weir_runtime::tls::{Identity, certificates};

const CERTIFICATE: &str = "gateway.tls_certificate";
const KEY: &str = "gateway.tls_key";
const AUTHORITY: &str = "gateway.tls_client_authority";

/// What a client names that encrypts from the first byte, so that nothing else can be meant.
const PROTOCOL: &[u8] = b"postgresql";

/// How the door encrypts.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    /// For every connection.
    pub(crate) config: Arc<ServerConfig>,
    /// What a log-in can be bound to: the hash of our certificate, where its signature has one.
    pub(crate) end_point: Option<Vec<u8>>,
}

impl Tls {
    /// Reads the files that the settings name; `None` where they name none. A client may show a certificate, and if
    /// there is an authority and it does, the certificate must be of that authority.
    pub(crate) fn load(
        certificate: Option<&Path>,
        key: Option<&Path>,
        authority: Option<&Path>,
    ) -> Result<Option<Self>, Error> {
        match (certificate, key, authority) {
            (None, None, None) => Ok(None),
            (Some(certificate), Some(key), authority) => Self::read(certificate, key, authority).map(Some),
            (Some(_), None, _) => Err(refused(KEY, "is needed where gateway.tls_certificate is set")),
            (None, ..) => Err(refused(
                CERTIFICATE,
                "is needed where gateway.tls_key or gateway.tls_client_authority is set",
            )),
        }
    }

    fn read(certificate: &Path, key: &Path, authority: Option<&Path>) -> Result<Self, Error> {
        let own = Identity::read((CERTIFICATE, certificate), (KEY, key))?;
        let end_point = own.own().and_then(|own| weir_upstream::end_point(own));
        let verifier = match authority {
            Some(authority) => verifier(authority, &Arc::new(ring::default_provider()))?,
            None => WebPkiClientVerifier::no_client_auth(),
        };
        let mut config = own.server(verifier, &[PROTOCOL])?;
        // As at PostgreSQL: its clients resume no session, so what is kept for that is kept for nobody.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self {
            config: Arc::new(config),
            end_point,
        })
    }
}

/// Whether the client has named PostgreSQL's protocol, as it must where it encrypts without asking first.
pub(crate) fn names_postgresql(session: &ServerConnection) -> bool {
    session.alpn_protocol() == Some(PROTOCOL)
}

/// The common name in the certificate that the client has shown, which the handshake has verified.
pub(crate) fn client_name(session: &ServerConnection) -> Option<String> {
    session
        .peer_certificates()?
        .first()
        .and_then(weir_upstream::common_name)
}

fn verifier(authority: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(AUTHORITY, authority)? {
        roots.add(certificate).map_err(|error| {
            refused(
                AUTHORITY,
                format_args!("has a certificate that cannot be used: {error}"),
            )
        })?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|error| refused(AUTHORITY, error))
}

fn refused(setting: &str, reason: impl std::fmt::Display) -> Error {
    Error::Refused(format!("setting {setting} {reason}"))
}

#[cfg(test)]
mod tests;
