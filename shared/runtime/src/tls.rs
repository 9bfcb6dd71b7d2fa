//! Encryption of doors: the certificate that one shows, and whom its callers trust.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, DigitallySignedStruct, InconsistentKeys, RootCertStore, ServerConfig, SignatureScheme};
use weir_config::Error;

/// A certificate with its key, as two files that two settings name.
#[derive(Debug)]
pub struct Identity<'a> {
    settings: (&'a str, &'a str),
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl<'a> Identity<'a> {
    /// Reads the files.
    pub fn read(certificate: (&'a str, &Path), key: (&'a str, &Path)) -> Result<Self, Error> {
        let chain = certificates(certificate.0, certificate.1)?;
        let read = PrivateKeyDer::from_pem_file(key.1).map_err(|error| unreadable(key.0, key.1, &error))?;
        Ok(Self {
            settings: (certificate.0, key.0),
            chain,
            key: read,
        })
    }

    /// The certificate itself, without those above it.
    pub fn own(&self) -> Option<&CertificateDer<'static>> {
        self.chain.first()
    }

    /// How a door with it encrypts: TLS 1.2 or later, one of these protocols over it.
    pub fn server(self, verifier: Arc<dyn ClientCertVerifier>, protocols: &[&[u8]]) -> Result<ServerConfig, Error> {
        let (certificate, key) = self.settings;
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| refused(certificate, error))?;
        let config = builder
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain, self.key);
        let mut config = config.map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                refused(key, format_args!("is not the key of the certificate in {certificate}"))
            }
            error => refused(key, format_args!("cannot be used: {error}")),
        })?;
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(config)
    }
}

/// The certificates of a file that a setting names; at least one.
pub fn certificates(setting: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|error| unreadable(setting, path, &error))?;
    if found.is_empty() {
        let path = path.display();
        return Err(refused(
            setting,
            format_args!("is {path}, which has no certificate in it"),
        ));
    }
    Ok(found)
}

fn unreadable(setting: &str, path: &Path, error: &rustls::pki_types::pem::Error) -> Error {
    let path = path.display();
    refused(setting, format_args!("is {path}, which cannot be read: {error}"))
}

fn refused(setting: &str, reason: impl Display) -> Error {
    Error::Refused(format!("setting {setting} {reason}"))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// A client that trusts the authorities of the system, and those of a file.
pub fn client(setting: &str, authority: Option<&Path>) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if let Some(authority) = authority {
        for certificate in certificates(setting, authority)? {
            let unusable = |error| refused(setting, format_args!("has a certificate that cannot be used: {error}"));
            roots.add(certificate).map_err(unusable)?;
        }
    }
    if roots.is_empty() {
        return Err(refused(setting, "names nobody to trust, and neither does this system"));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    let verifier = verifier.map_err(|error| refused(setting, error))?;
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| refused(setting, error))?;
    Ok(builder.with_webpki_verifier(verifier).with_no_client_auth())
}

/// A client that trusts exactly the certificate of this file, whatever names are in it: for callers that have the
/// settings of the server at hand and reach it by an address.
pub fn client_of(setting: &str, certificate: &Path) -> Result<ClientConfig, Error> {
    let own = certificates(setting, certificate)?.into_iter().next();
    let own = own.ok_or_else(|| refused(setting, "has no certificate"))?;
    let provider = provider();
    let only = Only {
        own,
        provider: provider.clone(),
    };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| refused(setting, error))?;
    let trusting = builder.dangerous().with_custom_certificate_verifier(Arc::new(only));
    Ok(trusting.with_no_client_auth())
}

/// Trusts one certificate. That its key is at hand, the signature of the handshake shows.
#[derive(Debug)]
struct Only {
    own: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *shown == self.own {
            return Ok(ServerCertVerified::assertion());
        }
        let other = "it shows another certificate than that of the settings";
        Err(rustls::Error::General(other.to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
