//! TLS: how much proof each mode asks for, and the log-in that is bound to it.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use weir_model::{Coded as _, ErrorClass};
use weir_testkit::{Postgres, PostgresOptions};
use weir_upstream::{Connection, Error};

use crate::certificates::{Certificate, Certificates, EC};
use crate::{connect, rows, works};

/// A cluster that lets user `app` in with a password, and only encrypted.
async fn encrypted_only(certificate: &Certificate) -> Postgres {
    PostgresOptions::new()
        .tls(&certificate.certificate, &certificate.key)
        .user("app", "secret")
        .hba("hostssl all app 127.0.0.1/32 scram-sha-256")
        .start()
        .await
}

fn url(host: &str, port: u16, parameters: &str) -> String {
    format!("postgres://app:secret@{host}:{port}/postgres?{parameters}")
}

fn with_root(mode: &str, authority: &Certificate) -> String {
    format!("sslmode={mode}&sslrootcert={}", authority.path.display())
}

async fn is_encrypted(connection: &mut Connection) -> bool {
    let found = rows(connection, "select ssl from pg_stat_ssl where pid = pg_backend_pid()")
        .await
        .unwrap();
    assert_eq!(found, [[if connection.is_encrypted() { "t" } else { "f" }]]);
    connection.is_encrypted()
}

fn assert_refused(opened: Result<Connection, Error>, reason: &str) {
    let error = opened.expect_err("the server was trusted");
    assert!(
        matches!(error, Error::Tls { .. }) && error.to_string().contains(reason),
        "{error}"
    );
    assert_eq!((error.class(), error.slug()), (ErrorClass::Unavailable, "upstream-tls"));
}

#[tokio::test]
async fn each_mode_asks_for_its_proof() {
    let certificates = Certificates::new();
    let (authority, stranger) = (certificates.authority("authority"), certificates.authority("stranger"));
    let postgres = encrypted_only(&certificates.issued("localhost", &authority)).await;
    let open = async |host: &str, parameters: String| connect(&url(host, postgres.port(), &parameters)).await;
    for (host, parameters) in [
        ("127.0.0.1", "sslmode=prefer".to_owned()),
        ("127.0.0.1", "sslmode=require".to_owned()),
        ("127.0.0.1", with_root("require", &authority)),
        ("127.0.0.1", with_root("verify-ca", &authority)),
        ("localhost", with_root("verify-full", &authority)),
    ] {
        let mut connection = open(host, parameters).await.unwrap();
        assert!(is_encrypted(&mut connection).await);
        works(&mut connection).await;
    }
    assert_refused(
        open("127.0.0.1", with_root("verify-full", &authority)).await,
        "not valid for name",
    );
    for mode in ["require", "verify-ca", "verify-full"] {
        assert_refused(open("localhost", with_root(mode, &stranger)).await, "UnknownIssuer");
    }
    for mode in ["verify-ca", "verify-full"] {
        assert_refused(open("localhost", format!("sslmode={mode}")).await, "UnknownIssuer");
    }
    let in_clear = open("127.0.0.1", "sslmode=disable".to_owned()).await.unwrap_err();
    assert_eq!(in_clear.server().unwrap().sqlstate, "28000", "{in_clear}");
}

#[tokio::test]
async fn a_certificate_that_vouches_for_itself_can_be_trusted_as_it_is() {
    let certificates = Certificates::new();
    let own = certificates.self_signed("localhost", EC);
    let postgres = encrypted_only(&own).await;
    let open = async |host: &str, mode: &str| connect(&url(host, postgres.port(), &with_root(mode, &own))).await;
    works(&mut open("localhost", "verify-full").await.unwrap()).await;
    works(&mut open("127.0.0.1", "verify-ca").await.unwrap()).await;
    assert_refused(open("127.0.0.1", "verify-full").await, "not valid for name");
    let elsewhere = Certificates::new();
    let twin = elsewhere.self_signed("localhost", EC);
    assert_refused(
        connect(&url("localhost", postgres.port(), &with_root("verify-ca", &twin))).await,
        "certificate",
    );
}

#[tokio::test]
async fn an_expired_certificate_is_refused_even_if_it_is_the_trusted_one() {
    let certificates = Certificates::new();
    let expired = certificates.expired(&certificates.self_signed("localhost", EC));
    let postgres = encrypted_only(&expired).await;
    let opened = connect(&url("localhost", postgres.port(), &with_root("verify-full", &expired))).await;
    assert_refused(opened, "expired");
}

#[tokio::test]
async fn authorities_that_cannot_be_used_are_named() {
    let certificates = Certificates::new();
    let own = certificates.self_signed("localhost", EC);
    let postgres = encrypted_only(&own).await;
    let empty = own.path.with_extension("empty");
    std::fs::write(&empty, "nothing").unwrap();
    for (path, reason) in [
        ("/nonexistent.pem", "No such file"),
        (empty.to_str().unwrap(), "there is no certificate in it"),
    ] {
        let parameters = format!("sslmode=verify-ca&sslrootcert={path}");
        let error = connect(&url("localhost", postgres.port(), &parameters))
            .await
            .unwrap_err();
        let said = error.to_string();
        assert!(
            said.starts_with(&format!("cannot use the certificate authorities in {path}: ")),
            "{said}"
        );
        assert!(said.contains(reason), "{said}");
        assert_eq!(error.slug(), "upstream-config");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_used_only_where_that_is_allowed() {
    let postgres = Postgres::shared().await;
    for mode in ["disable", "prefer"] {
        let mut connection = connect(&format!("{}?sslmode={mode}", postgres.url("postgres")))
            .await
            .unwrap();
        assert!(!is_encrypted(&mut connection).await);
    }
    let opened = connect(&format!("{}?sslmode=require", postgres.url("postgres"))).await;
    assert_refused(opened, "the server does not offer it, and sslmode=require asks for it");
}

#[tokio::test]
async fn prefer_goes_without_where_the_rules_ask_for_that() {
    let own = Certificates::new().self_signed("localhost", EC);
    let rules = PostgresOptions::new()
        .tls(&own.certificate, &own.key)
        .hba("hostnossl all all 127.0.0.1/32 trust");
    let postgres = rules.start().await;
    let mut connection = connect(&postgres.url("postgres")).await.unwrap();
    assert!(!is_encrypted(&mut connection).await);
    assert!(
        connect(&format!("{}?sslmode=require", postgres.url("postgres")))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_log_in_is_bound_to_every_kind_of_certificate_that_has_a_hash() {
    let p384: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-sha384"];
    let rsa: &[&str] = &["-newkey", "rsa:2048", "-sha256"];
    let rsa512: &[&str] = &["-newkey", "rsa:2048", "-sha512"];
    let pss: &[&str] = &[
        "-newkey",
        "rsa:2048",
        "-sha384",
        "-sigopt",
        "rsa_padding_mode:pss",
        "-sigopt",
        "rsa_pss_saltlen:48",
    ];
    for key in [EC, p384, rsa, rsa512, pss] {
        let postgres = encrypted_only(&Certificates::new().self_signed("localhost", key)).await;
        let parameters = "sslmode=require&channel_binding=require";
        let mut connection = connect(&url("127.0.0.1", postgres.port(), parameters)).await.unwrap();
        works(&mut connection).await;
        connect(&url(
            "127.0.0.1",
            postgres.port(),
            "sslmode=require&channel_binding=disable",
        ))
        .await
        .unwrap();
    }
    let postgres = encrypted_only(&Certificates::new().self_signed("localhost", &["-newkey", "ed25519"])).await;
    works(
        &mut connect(&url("127.0.0.1", postgres.port(), "sslmode=require"))
            .await
            .unwrap(),
    )
    .await;
    let bound = connect(&url(
        "127.0.0.1",
        postgres.port(),
        "sslmode=require&channel_binding=require",
    ))
    .await;
    assert!(
        bound
            .unwrap_err()
            .to_string()
            .contains("it does not offer channel binding")
    );
}

#[tokio::test]
async fn somebody_in_the_middle_cannot_pass_a_bound_log_in_on() {
    let certificates = Certificates::new();
    let server = certificates.issued("localhost", &certificates.authority("authority"));
    let middle = certificates.self_signed("middle", EC);
    let postgres = encrypted_only(&server).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let through = async |parameters: &str| {
        let url = url("127.0.0.1", port, parameters);
        tokio::select! {
            opened = connect(&url) => opened,
            () = stand_in_the_middle(&listener, &middle, postgres.port(), &certificates) => panic!("the middle is gone"),
        }
    };
    through("sslmode=require&channel_binding=disable")
        .await
        .expect("the middle does not work at all");
    for binding in ["prefer", "require"] {
        let error = through(&format!("sslmode=require&channel_binding={binding}"))
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("SCRAM channel binding check failed"),
            "{error}"
        );
    }
}

/// Decrypts what comes, reads along, and encrypts it again towards the server.
async fn stand_in_the_middle(listener: &TcpListener, own: &Certificate, server: u16, certificates: &Certificates) {
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        client.read_exact(&mut [0; 8]).await.unwrap();
        client.write_all(b"S").await.unwrap();
        let mut client = acceptor(own).accept(client).await.unwrap();
        let mut tcp = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
        tcp.write_all(b"\0\0\0\x08\x04\xd2\x16\x2f").await.unwrap();
        assert_eq!(tcp.read_u8().await.unwrap(), b'S');
        let name = ServerName::try_from("localhost").unwrap();
        let mut server = connector(certificates).connect(name, tcp).await.unwrap();
        // Either side may go without a word.
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}

fn acceptor(own: &Certificate) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
    let builder = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth();
    TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
}

fn connector(certificates: &Certificates) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(certificates.path("authority.pem")).unwrap())
        .unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
