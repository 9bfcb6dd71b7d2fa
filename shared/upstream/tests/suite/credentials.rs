//! Log-ins with something else than the URL's password.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{hmac, pbkdf2};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use weir_model::{Coded as _, ErrorClass, Secret};
use weir_testkit::{Postgres, PostgresOptions};
use weir_upstream::{ConnectOptions, Connection, Credentials, Error, ScramKeys, Target, common_name};

use crate::certificates::{Certificates, EC};
use crate::rows;

/// A cluster with TLS, where each user logs in by the method of that name.
async fn cluster() -> Postgres {
    let own = Certificates::new().self_signed("localhost", EC);
    let postgres = PostgresOptions::new()
        .tls(&own.certificate, &own.key)
        .hba("host all postgres 127.0.0.1/32 trust")
        .hba("host all scram_user 127.0.0.1/32 scram-sha-256")
        .hba("host all md5_user 127.0.0.1/32 md5")
        .hba("host all clear_user 127.0.0.1/32 password")
        .user("scram_user", "secret")
        .user("clear_user", "secret")
        .start()
        .await;
    let md5_user = "set password_encryption = md5; create role md5_user login password 'secret'";
    postgres.psql("postgres", md5_user).await;
    postgres
}

async fn verifier(postgres: &Postgres, user: &str) -> String {
    let query = format!("select rolpassword from pg_authid where rolname = '{user}'");
    postgres.psql("postgres", &query).await
}

/// The keys of password `secret`, with the salt that the server has drawn.
async fn keys(postgres: &Postgres) -> ScramKeys {
    let verifier = verifier(postgres, "scram_user").await;
    let salt = verifier.split(['$', ':']).nth(2).unwrap();
    let (salt, mut salted) = (STANDARD.decode(salt).unwrap(), [0; 32]);
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(algorithm, 4096.try_into().unwrap(), &salt, b"secret", &mut salted);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let derived = |name: &[u8]| hmac::sign(&key, name).as_ref().try_into().unwrap();
    ScramKeys::new(derived(b"Client Key"), derived(b"Server Key"))
}

/// A session with these credentials, over a URL of user `postgres` with a password that is nobody's.
async fn connect(
    postgres: &Postgres,
    parameters: &str,
    user: &str,
    credentials: Option<Credentials>,
) -> Result<Connection, Error> {
    let url = format!(
        "postgres://postgres:hunter2@127.0.0.1:{}/postgres?{parameters}",
        postgres.port()
    );
    let options = ConnectOptions {
        user: Some(user.to_owned()),
        credentials,
        ..ConnectOptions::default()
    };
    Connection::connect(&Target::parse(&url)?, options).await
}

#[tokio::test]
async fn each_kind_of_credentials_opens_its_users_session() {
    let postgres = cluster().await;
    let keys = Credentials::Scram(keys(&postgres).await);
    let hash = verifier(&postgres, "md5_user").await;
    let hash = Credentials::Md5(Secret::new(hash.strip_prefix("md5").unwrap()));
    let password = Credentials::Password(Secret::new("secret"));
    for (parameters, user, credentials) in [
        ("sslmode=disable", "scram_user", &keys),
        ("sslmode=require&channel_binding=require", "scram_user", &keys),
        ("sslmode=require&channel_binding=disable", "scram_user", &keys),
        ("sslmode=disable", "md5_user", &hash),
        ("sslmode=disable", "scram_user", &password),
        ("sslmode=disable", "md5_user", &password),
        ("sslmode=disable", "clear_user", &password),
    ] {
        let mut connection = connect(&postgres, parameters, user, Some(credentials.clone()))
            .await
            .unwrap();
        assert_eq!(rows(&mut connection, "select session_user").await.unwrap(), [[user]]);
        assert!(!connection.was_trusted());
    }
}

#[tokio::test]
async fn whom_the_server_trusts_needs_no_credentials() {
    let postgres = cluster().await;
    for credentials in [
        None,
        Some(Credentials::None),
        Some(Credentials::Password(Secret::new("x"))),
    ] {
        let connection = connect(&postgres, "", "postgres", credentials).await.unwrap();
        assert!(connection.was_trusted());
    }
}

#[tokio::test]
async fn credentials_that_do_not_fit_are_refused_in_words() {
    let postgres = cluster().await;
    let stranger = Credentials::Scram(ScramKeys::new([1; 32], [2; 32]));
    let hash = Credentials::Md5(Secret::new("0".repeat(32)));
    let place = format!("postgres at 127.0.0.1:{}", postgres.port());
    for (user, credentials, reason) in [
        (
            "md5_user",
            Some(&stranger),
            "it asks for an MD5 hash, which cannot be answered with the keys of a SCRAM-SHA-256 log-in",
        ),
        (
            "scram_user",
            Some(&hash),
            "it asks for SCRAM-SHA-256, which cannot be answered with an MD5 hash",
        ),
        (
            "scram_user",
            Some(&Credentials::None),
            "it asks for a password, and this log-in has none to give",
        ),
        (
            "clear_user",
            None,
            "it asks for a password, and the one in the database url is another user's",
        ),
        (
            "scram_user",
            Some(&stranger),
            "password authentication failed for user \"scram_user\" (SQLSTATE 28P01)",
        ),
    ] {
        let error = connect(&postgres, "sslmode=disable", user, credentials.cloned())
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{place} does not let user {user} into database postgres: {reason}")
        );
        assert_eq!(error.class(), ErrorClass::Unauthenticated);
    }
}

#[test]
fn a_certificate_is_called_by_the_first_common_name_of_its_subject() {
    let certificates = Certificates::new();
    for (subject, name) in [
        ("/CN=bob", Some("bob")),
        ("/O=Weir/OU=test/CN=bob/emailAddress=b@example.com", Some("bob")),
        ("/O=eve+CN=bob", Some("bob")),
        ("/CN=first/CN=second", Some("first")),
        ("/CN=Böb", Some("Böb")),
        ("/O=bob", None),
    ] {
        let certificate = certificates.named(subject).certificate;
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        assert_eq!(common_name(&certificate).as_deref(), name, "{subject}");
    }
    assert_eq!(common_name(&CertificateDer::from(vec![0x30, 0])), None);
}
