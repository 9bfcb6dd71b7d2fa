//! Handshakes in memory, with certificates made by the `openssl` command.

use std::path::PathBuf;
use std::process::Command;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use tempfile::TempDir;

use super::*;

/// A directory with certificates (`.pem`) and keys (`.key`).
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A certificate for this subject, of itself or of an authority.
    fn certificate(&self, name: &str, subject: &str, authority: Option<&str>) {
        let file = |name: &str, kind: &str| self.path(&format!("{name}.{kind}")).display().to_string();
        let (out, key) = (file(name, "pem"), file(name, "key"));
        let mut arguments = vec!["req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"];
        arguments.extend([
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-subj",
            subject,
            "-out",
            &out,
            "-keyout",
            &key,
        ]);
        let (ca, ca_key) = (authority.map(|of| file(of, "pem")), authority.map(|of| file(of, "key")));
        if let (Some(ca), Some(ca_key)) = (&ca, &ca_key) {
            arguments.extend([
                "-CA",
                ca,
                "-CAkey",
                ca_key,
                "-addext",
                "basicConstraints=critical,CA:FALSE",
            ]);
        }
        let made = Command::new("openssl")
            .args(&arguments)
            .output()
            .expect("openssl must be installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn tls(&self, authority: Option<&str>) -> Tls {
        let authority = authority.map(|name| self.path(name));
        Tls::load(
            Some(&self.path("own.pem")),
            Some(&self.path("own.key")),
            authority.as_deref(),
        )
        .unwrap()
        .unwrap()
    }
}

/// A client that trusts everybody.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// What a client brings.
struct Client<'f> {
    versions: &'f [&'static rustls::SupportedProtocolVersion],
    alpn: &'f [&'static [u8]],
    certificate: Option<(&'f Files, &'static str)>,
}

const PLAIN: Client<'static> = Client {
    versions: rustls::ALL_VERSIONS,
    alpn: &[],
    certificate: None,
};

impl Client<'_> {
    fn connection(&self) -> ClientConnection {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(self.versions)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Trusting(provider)));
        let mut config = match self.certificate {
            None => builder.with_no_client_auth(),
            Some((files, name)) => {
                let chain = certificates("test", &files.path(&format!("{name}.pem"))).unwrap();
                let key = PrivateKeyDer::from_pem_file(files.path(&format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.to_vec()).collect();
        ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap()
    }

    /// Shakes hands with the door.
    fn meets(&self, tls: &Tls) -> Result<ServerConnection, rustls::Error> {
        let mut client = self.connection();
        let mut server = ServerConnection::new(tls.config.clone()).unwrap();
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            server.read_tls(&mut wire.as_slice()).unwrap();
            server.process_new_packets()?;
            let mut wire = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            client.read_tls(&mut wire.as_slice()).unwrap();
            client.process_new_packets()?;
        }
        Ok(server)
    }
}

#[test]
fn both_versions_are_spoken_and_the_log_in_can_be_bound() {
    let files = Files::new();
    files.certificate("own", "/CN=door", None);
    let tls = files.tls(None);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let versions = &[version];
        let session = Client { versions, ..PLAIN }.meets(&tls).unwrap();
        assert_eq!(session.protocol_version(), Some(version.version));
        assert_eq!(client_name(&session), None);
    }
    let own = CertificateDer::from_pem_file(files.path("own.pem")).unwrap();
    let hash = ::ring::digest::digest(&::ring::digest::SHA256, &own);
    assert_eq!(tls.end_point.as_deref(), Some(hash.as_ref()));
}

#[test]
fn a_client_can_name_the_protocol_and_no_other() {
    let files = Files::new();
    files.certificate("own", "/CN=door", None);
    let tls = files.tls(None);
    for (alpn, named) in [
        (&[][..], Some(false)),
        (&[b"postgresql".as_slice()], Some(true)),
        (&[b"h2".as_slice(), b"postgresql"], Some(true)),
        (&[b"h2".as_slice()], None),
    ] {
        let met = Client { alpn, ..PLAIN }.meets(&tls);
        assert_eq!(met.ok().as_ref().map(names_postgresql), named, "{alpn:?}");
    }
}

#[test]
fn a_certificate_that_a_client_shows_is_verified_and_names_it() {
    let files = Files::new();
    files.certificate("own", "/CN=door", None);
    for name in ["authority", "stranger"] {
        files.certificate(name, &format!("/CN={name}"), None);
    }
    files.certificate("bob", "/O=Weir/CN=bob", Some("authority"));
    files.certificate("eve", "/CN=bob", Some("stranger"));
    let tls = files.tls(Some("authority.pem"));
    let shows = |name| Client {
        certificate: Some((&files, name)),
        ..PLAIN
    };
    let session = shows("bob").meets(&tls).unwrap();
    assert_eq!(client_name(&session).as_deref(), Some("bob"));
    assert_eq!(client_name(&PLAIN.meets(&tls).unwrap()), None, "nobody has to show one");
    for name in ["eve", "own"] {
        assert!(shows(name).meets(&tls).is_err(), "{name} got in");
    }
    // Without an authority none is asked for.
    assert_eq!(client_name(&shows("eve").meets(&files.tls(None)).unwrap()), None);
}

#[test]
fn without_settings_there_is_none_and_a_half_is_refused() {
    let path = Some(Path::new("/nonexistent"));
    assert!(Tls::load(None, None, None).unwrap().is_none());
    for (certificate, key, authority, named) in [
        (path, None, None, "gateway.tls_key"),
        (None, path, None, "gateway.tls_certificate"),
        (None, None, path, "gateway.tls_certificate"),
        (path, None, path, "gateway.tls_key"),
        (path, path, None, "gateway.tls_certificate"),
    ] {
        let error = Tls::load(certificate, key, authority).unwrap_err().to_string();
        assert!(error.starts_with(&format!("setting {named} is ")), "{error}");
    }
}

#[test]
fn files_that_cannot_be_used_are_named_with_their_setting() {
    let files = Files::new();
    files.certificate("own", "/CN=door", None);
    files.certificate("other", "/CN=other", None);
    std::fs::write(files.path("empty"), "nothing").unwrap();
    std::fs::write(
        files.path("broken"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    for (certificate, key, authority, said) in [
        (
            "own.pem",
            "other.key",
            None,
            "setting gateway.tls_key is not the key of the certificate in gateway.tls_certificate",
        ),
        ("empty", "own.key", None, "which has no certificate in it"),
        ("own.pem", "empty", None, "setting gateway.tls_key is "),
        ("own.pem", "own.pem", None, "setting gateway.tls_key is "),
        (
            "own.pem",
            "own.key",
            Some("nowhere"),
            "setting gateway.tls_client_authority is ",
        ),
        (
            "own.pem",
            "own.key",
            Some("empty"),
            "setting gateway.tls_client_authority is ",
        ),
        (
            "own.pem",
            "own.key",
            Some("broken"),
            "setting gateway.tls_client_authority has a certificate that cannot be used",
        ),
        ("broken", "own.key", None, "setting gateway.tls_"),
    ] {
        let (certificate, key) = (files.path(certificate), files.path(key));
        let authority = authority.map(|name| files.path(name));
        let error = Tls::load(Some(&certificate), Some(&key), authority.as_deref()).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}
