//! Addresses, secrets that are not shown, and a real S3 server, with and without TLS.

mod locks;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use tempfile::TempDir;
use weir_model::Clock;
use weir_testkit::{Process, eventually, free_port};

use super::*;
use crate::repo::keys::Wrapping;
use crate::repo::tests::{content, restored, stored};
use crate::repo::{Error, Put, Repository};

#[test]
fn addresses_are_read_and_what_is_wrong_with_one_is_said() {
    let s3 = Location::parse("s3://bucket/a/prefix/").unwrap();
    assert_eq!(s3, Location::S3("bucket".to_owned(), "a/prefix".to_owned()));
    assert_eq!(
        Location::parse("gs://b").unwrap(),
        Location::Google("b".to_owned(), String::new())
    );
    assert_eq!(
        Location::parse("file:///srv/backup").unwrap(),
        Location::Directory("/srv/backup".into())
    );
    for (wrong, said) in [
        ("/srv/backup", "comes first"),
        ("file://srv", "names no directory"),
        ("file:///", "names no directory"),
        ("s3:///a", "names no bucket"),
        ("ftp://a/b", "ftp:// is not known"),
        ("s3://key:hunter2@bucket/a", "belongs into secret_file"),
        ("az://container/a?sig=hunter2", "belongs into secret_file"),
    ] {
        let error = Location::parse(wrong).unwrap_err();
        assert!(error.contains(said) && !error.contains("hunter2"), "{wrong}: {error}");
    }
}

#[test]
fn half_a_credential_and_an_open_endpoint_are_refused() {
    let place = Place {
        url: "s3://b".to_owned(),
        ..Place::default()
    };
    assert_eq!(place.trouble(), None);
    let half = Place {
        access_key_id: Some("id".to_owned()),
        ..place.clone()
    };
    assert!(half.trouble().unwrap().contains("together"));
    let open = Place {
        endpoint: Some("http://10.0.0.1:9000".to_owned()),
        ..place
    };
    assert!(open.trouble().unwrap().contains("allow_http"));
    let allowed = Place {
        allow_http: true,
        ..open
    };
    assert_eq!(allowed.trouble(), None);
}

#[test]
fn a_secret_is_in_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "{\"private_key\": \"hunter2").unwrap();
    for url in ["gs://bucket", "az://container"] {
        let place = Place {
            url: url.to_owned(),
            access_key_id: url.starts_with("az").then(|| "account".to_owned()),
            secret_file: Some(secret.clone()),
            ..Place::default()
        };
        let error = place.shelf().unwrap_err();
        assert!(error.contains("secret") && !error.contains("hunter2"), "{error}");
    }
}

/// Where the tools lie that packages do not bring.
const TOOLS: &str = "/opt/weir-test-tools/bin";

/// An S3 server, for as long as it is held.
struct Moto {
    _process: Process,
    port: u16,
    scheme: &'static str,
}

impl Moto {
    /// None where it is not installed: then the test is left out, and says so.
    #[expect(clippy::print_stderr, reason = "a test that is left out says so")]
    async fn start(certificate: Option<(&Path, &Path)>) -> Option<Self> {
        let program = Path::new(TOOLS).join("moto_server");
        if !program.exists() {
            eprintln!(
                "left out: there is no {}; deploy/test --only packages brings it",
                program.display()
            );
            return None;
        }
        let port = free_port();
        let mut arguments = vec![
            "-H".to_owned(),
            "127.0.0.1".to_owned(),
            "-p".to_owned(),
            port.to_string(),
        ];
        if let Some((certificate, key)) = certificate {
            let files = [("-c", certificate), ("-k", key)];
            arguments.extend(
                files
                    .iter()
                    .flat_map(|(flag, file)| [(*flag).to_owned(), file.display().to_string()]),
            );
        }
        let process = Process::start(&program, &arguments, &[]);
        eventually("moto listens", Duration::from_secs(60), async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await
        })
        .await;
        let scheme = if certificate.is_some() { "https" } else { "http" };
        Some(Self {
            _process: process,
            port,
            scheme,
        })
    }

    async fn bucket(&self, roots: &Roots) {
        let client = Connector(Arc::clone(roots)).client(true).unwrap();
        let url = format!("{}://localhost:{}/bucket", self.scheme, self.port);
        let made = client.put(url).send().await.unwrap();
        assert!(made.status().is_success(), "{made:?}");
    }

    fn place(&self, dir: &TempDir, secret: &str) -> Place {
        place_at(dir, secret, self.scheme, self.port)
    }
}

fn place_at(dir: &TempDir, secret: &str, scheme: &str, port: u16) -> Place {
    let file = dir.path().join("secret");
    std::fs::write(&file, format!("{secret}\n")).unwrap();
    Place {
        name: "cloud".to_owned(),
        url: "s3://bucket/some/where".to_owned(),
        endpoint: Some(format!("{scheme}://localhost:{port}")),
        access_key_id: Some("test".to_owned()),
        secret_file: Some(file),
        allow_http: scheme == "http",
        ..Place::default()
    }
}

/// Answers one request, and says what its head was.
fn heard(listener: &std::net::TcpListener) -> String {
    use std::io::{Read as _, Write as _};
    let (mut stream, _) = listener.accept().unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head
        .split_once("content-length: ")
        .unwrap()
        .1
        .split_once('\r')
        .unwrap()
        .0;
    stream.read_exact(&mut vec![0; length.parse().unwrap()]).unwrap();
    let answer = "HTTP/1.1 200 OK\r\netag: \"1\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(answer.as_bytes()).unwrap();
    head
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_on_s3_is_created_only_and_brings_a_checksum() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let port = listener.local_addr().unwrap().port();
    let shelf = place_at(&dir, "hunter2", "http", port).shelf().unwrap();
    let server = tokio::task::spawn_blocking(move || heard(&listener));
    assert_eq!(shelf.put_new("x", "content".into()).await.unwrap(), Put::Made);
    let head = server.await.unwrap();
    assert!(head.contains("if-none-match: *\r\n"), "{head}");
    // Of "content".
    let sum = "x-amz-checksum-sha256: 7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M=";
    assert!(head.contains(&sum.to_lowercase()), "{head}");
}

async fn opened(shelf: Shelf) -> Result<Repository, Error> {
    Repository::open(shelf, Wrapping::of(vec![[5; 32]]), "main", Clock::system(), None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_lies_on_s3_as_it_does_in_a_directory() {
    let Some(moto) = Moto::start(None).await else { return };
    moto.bucket(&roots_of(Vec::new())).await;
    let dir = tempfile::tempdir().unwrap();
    let place = moto.place(&dir, "hunter2");
    let shelf = place.shelf().unwrap();
    assert!(!format!("{place:?} {shelf:?}").contains("hunter2"));
    let repository = opened(shelf.clone()).await.unwrap();
    let files = vec![("a", content(1, 300_000)), ("b", content(2, 5))];
    let entry = stored(&repository, None, &files).await.unwrap();
    let again = opened(place.shelf().unwrap()).await.unwrap();
    let found = restored(&again, &again.state().await.unwrap().backups[0])
        .await
        .unwrap();
    assert_eq!(found[0].1, files[0].1);
    assert_eq!(again.state().await.unwrap().backups, [entry]);
    // Created only once, listed below the prefix alone, and gone when removed, twice too.
    assert_eq!(shelf.put_new("x/y", "1".into()).await.unwrap(), Put::Made);
    assert_eq!(
        shelf.put_new("x/y", "1".into()).await.unwrap(),
        Put::Made,
        "an answer that was lost"
    );
    assert_eq!(shelf.put_new("x/y", "2".into()).await.unwrap(), Put::Exists);
    assert_eq!(shelf.list("x").await.unwrap()[0].path, "x/y");
    assert_eq!(shelf.size("x/y").await.unwrap(), 1);
    for _ in 0..2 {
        shelf.delete("x/y").await.unwrap();
    }
    assert_eq!(shelf.find("x/y").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_on_s3_lose_no_change() {
    let Some(moto) = Moto::start(None).await else { return };
    moto.bucket(&roots_of(Vec::new())).await;
    let dir = tempfile::tempdir().unwrap();
    let place = moto.place(&dir, "hunter2");
    let mut writers = Vec::new();
    for _ in 0..3 {
        writers.push(opened(place.shelf().unwrap()).await.unwrap());
    }
    let changes = writers.iter().flat_map(|repository| {
        (0..4).map(|_| {
            repository.change(|state| {
                state.system_identifier += 1;
                Ok(())
            })
        })
    });
    for changed in futures_util::future::join_all(changes).await {
        changed.unwrap();
    }
    assert_eq!(writers[0].state().await.unwrap().system_identifier, 12);
}

fn openssl(dir: &TempDir, arguments: &[&str]) {
    let made = Command::new("openssl")
        .current_dir(dir.path())
        .args(arguments)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_and_strangers_are_not_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let subject = [
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ];
    let request = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "key",
        "-out",
        "certificate",
    ];
    openssl(&dir, &[&request[..], &subject].concat());
    let (certificate, key) = (dir.path().join("certificate"), dir.path().join("key"));
    let Some(moto) = Moto::start(Some((&certificate, &key))).await else {
        return;
    };
    let trusted = roots_of(vec![CertificateDer::from_pem_file(&certificate).unwrap()]);
    moto.bucket(&trusted).await;
    let place = moto.place(&dir, "hunter2");
    let repository = opened(place.shelf_that_trusts(&trusted).unwrap()).await.unwrap();
    let files = [("a", content(1, 100))];
    let entry = stored(&repository, None, &files).await.unwrap();
    assert_eq!(restored(&repository, &entry).await.unwrap()[0].1, files[0].1);
    let connector = Connector(system_roots().clone());
    let refused = connector
        .client(true)
        .unwrap()
        .get(format!("https://localhost:{}/", moto.port));
    let error = refused.send().await.unwrap_err();
    let cause = std::error::Error::source(&error)
        .map(|cause| format!("{cause:?}"))
        .unwrap_or_default();
    assert!(cause.contains("nvalid") || cause.contains("UnknownIssuer"), "{cause}");
    let plain = Connector(trusted).client(false).unwrap();
    assert!(
        plain
            .get(format!("http://localhost:{}/", moto.port))
            .send()
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let place = Place {
        url: format!("file://{}/below", file.display()),
        ..Place::default()
    };
    let error = place.shelf().unwrap_err();
    assert!(error.contains("below"), "{error}");
}
