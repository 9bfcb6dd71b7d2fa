//! Encryption, and how much proof it takes to trust the other end.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificate;
use crate::error::{Error, in_words};
use crate::target::{Host, SslMode, Target, TargetError};

/// Encrypts a connection that the server has agreed to encrypt.
pub(crate) async fn encrypted(tcp: TcpStream, target: &Target) -> Result<TlsStream<TcpStream>, Error> {
    let config = shared_config(target)?;
    let refused = |reason: String| Error::Tls {
        place: target.place(),
        reason,
    };
    let Host::Tcp(host) = &target.host else {
        return Err(refused("a unix socket has none".to_owned()));
    };
    let name =
        ServerName::try_from(host.clone()).map_err(|_| refused("its host's name cannot be verified".to_owned()))?;
    let connected = TlsConnector::from(config).connect(name, tcp).await;
    connected.map_err(|error| refused(in_words(&error)))
}

/// What a log-in over this connection can be bound to.
pub(crate) fn end_point(stream: &TlsStream<TcpStream>) -> Option<Vec<u8>> {
    let certificates = stream.get_ref().1.peer_certificates();
    certificates?
        .first()
        .and_then(|certificate| certificate::end_point(certificate))
}

fn shared_config(target: &Target) -> Result<Arc<ClientConfig>, TargetError> {
    if let Some(config) = target.tls.0.get() {
        return Ok(config.clone());
    }
    let config = Arc::new(config(target)?);
    Ok(target.tls.0.get_or_init(|| config).clone())
}

fn config(target: &Target) -> Result<ClientConfig, TargetError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Verifier::new(target, &provider)?);
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|_| TargetError::Form("asks for a version of tls that does not exist"))?;
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// Certificates that are trusted, and where they come from.
struct Roots {
    from: String,
    certificates: Vec<CertificateDer<'static>>,
}

impl Roots {
    fn read(path: &Path) -> Result<Self, TargetError> {
        let from = path.display().to_string();
        let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        match certificates {
            Ok(certificates) if certificates.is_empty() => Err(TargetError::Roots {
                from,
                reason: "there is no certificate in it".to_owned(),
            }),
            Ok(certificates) => Ok(Self { from, certificates }),
            Err(error) => Err(TargetError::Roots {
                from,
                reason: error.to_string(),
            }),
        }
    }

    fn of_the_system() -> Self {
        let found = rustls_native_certs::load_native_certs();
        Self {
            from: "the system's store".to_owned(),
            certificates: found.certs,
        }
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, TargetError> {
        let mut store = RootCertStore::empty();
        let (good, _) = store.add_parsable_certificates(self.certificates.iter().cloned());
        let refused = |reason: &str| TargetError::Roots {
            from: self.from.clone(),
            reason: reason.to_owned(),
        };
        if good == 0 {
            return Err(refused("there is no usable certificate in it"));
        }
        let built = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone()).build();
        built.map_err(|error| refused(&error.to_string()))
    }
}

/// Checks a server's certificate as far as `sslmode` asks.
#[derive(Debug)]
struct Verifier {
    /// `None`: whoever answers is trusted.
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// The trusted certificates themselves, should a server show one of them.
    pinned: Vec<CertificateDer<'static>>,
    checks_name: bool,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(target: &Target, provider: &Arc<CryptoProvider>) -> Result<Self, TargetError> {
        let roots = match (target.sslmode, &target.sslrootcert) {
            // As libpq does: an authority that is given is used, even where none was asked for.
            (SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull, Some(path)) => Some(Roots::read(path)?),
            (SslMode::VerifyCa | SslMode::VerifyFull, None) => Some(Roots::of_the_system()),
            _ => None,
        };
        let chain = roots.as_ref().map(|roots| roots.verifier(provider)).transpose()?;
        let pinned = roots.map_or_else(Vec::new, |roots| roots.certificates);
        let checks_name = target.sslmode == SslMode::VerifyFull;
        Ok(Self {
            chain,
            pinned,
            checks_name,
            provider: provider.clone(),
        })
    }

    /// Makes of the chain's verdict what this mode makes of it.
    fn judged(
        &self,
        verdict: Result<ServerCertVerified, rustls::Error>,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        match verdict {
            // The name is checked last, so all else was right.
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
                if !self.checks_name =>
            {
                Ok(ServerCertVerified::assertion())
            }
            Err(error) if is_own_authority(&error) && self.pinned.iter().any(|pin| pin == certificate) => {
                if self.checks_name {
                    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }
}

/// Whether the one objection is that the server shows an authority's own certificate, as `openssl req -x509` makes it.
/// Its dates were checked before that.
fn is_own_authority(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) = error else {
        return false;
    };
    matches!(inner.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        let verdict = chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        self.judged(verdict, end_entity, server_name)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
