//! Receivers that prove who they are, and those that cannot.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use weir_runtime::Tasks;
use weir_testkit::Postgres;

use super::harness::{Post, firing, webhook};
use super::receiver::Receiver;

/// A certificate for one host, and the configuration of a server that shows it.
fn server(dir: &Path, host: &str) -> (PathBuf, ServerConfig) {
    let (certificate, key) = (dir.join(format!("{host}.pem")), dir.join(format!("{host}.key")));
    let name = format!("subjectAltName={host}");
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-nodes",
            "-days",
            "2",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args([
            "-subj",
            "/CN=test",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-addext",
            &name,
        ])
        .args([Path::new("-out"), &certificate, Path::new("-keyout"), &key])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let chain = vec![CertificateDer::from_pem_file(&certificate).unwrap()];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = builder
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(&key).unwrap());
    (certificate, config.unwrap())
}

#[tokio::test]
async fn a_receiver_is_told_only_if_its_certificate_is_trusted_and_names_it() {
    let (helpers, database, dir) = (
        Tasks::new(),
        Postgres::shared().await.database().await,
        TempDir::new().unwrap(),
    );
    let (trusted, config) = server(dir.path(), "IP:127.0.0.1");
    let (other, other_config) = server(dir.path(), "DNS:elsewhere.example");
    let right = Receiver::start_encrypted(&helpers, config).await;
    let wrong = Receiver::start_encrypted(&helpers, other_config).await;
    let url = |receiver: &Receiver| receiver.url().replace("http:", "https:");
    let with = |path: &Path| format!(", token = \"sesame\", ca_file = \"{}\"", path.display());
    let channels = [
        webhook("right", &url(&right), &with(&trusted)),
        webhook("unknown", &url(&right), ""),
        webhook("other", &url(&wrong), &with(&trusted)),
        webhook("misnamed", &url(&wrong), &with(&other)),
    ];
    let post = Post::start(&database.url(), &format!("[{}]", channels.join(", "))).await;
    post.tell(&[firing(1, "g")]).await;
    right.until_accepted(1).await;
    for (name, word) in [
        ("unknown", "UnknownIssuer"),
        ("other", "certificate"),
        ("misnamed", "not valid for name"),
    ] {
        post.counts(name, "failed", 1).await;
        let said = post.channel(name).await.last_error;
        assert!(said.contains(word) && !said.contains("sesame"), "{name}: {said}");
    }
    assert_eq!((right.log().len(), wrong.log().len()), (1, 0));
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}
