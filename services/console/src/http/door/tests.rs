//! The port before real sockets, with certificates made by the `openssl` command.

use std::process::Command;

use axum::extract::Request as AnyRequest;
use axum::routing::get;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use weir_config::Sources;
use weir_model::Clock;
use weir_runtime::{Outcome, Tasks, is_from_this_machine, tls};

use super::*;

const GRACE: Duration = Duration::from_secs(10);

/// A directory with a certificate and its key.
struct Made(TempDir);

impl Made {
    fn new() -> Self {
        let made = Self(TempDir::new().unwrap());
        made.renew();
        made
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Another certificate in the place of the one that was there.
    fn renew(&self) {
        let (certificate, key) = (self.path("own.pem"), self.path("own.key"));
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
                "/CN=weir.example",
                "-addext",
                "subjectAltName=DNS:weir.example",
                "-out",
            ])
            .arg(certificate)
            .arg("-keyout")
            .arg(key)
            .output()
            .expect("openssl must be installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn trusting(&self, protocols: &[&[u8]]) -> Arc<ClientConfig> {
        let mut config = tls::client_of("test", &self.path("own.pem")).unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }
}

struct Served {
    ground: Ground,
    address: SocketAddr,
    reload: watch::Sender<Sources>,
}

impl Served {
    /// Answers with who asks, by which version, and whether that is from this machine.
    async fn new(made: Option<&Made>, more: &[(&str, &str)]) -> Self {
        let mut set = vec![("WEIR_CONSOLE__LISTEN".to_owned(), "127.0.0.1:0".to_owned())];
        if let Some(made) = made {
            for (name, file) in [("CERTIFICATE", "own.pem"), ("KEY", "own.key")] {
                set.push((
                    format!("WEIR_CONSOLE__TLS_{name}"),
                    made.path(file).display().to_string(),
                ));
            }
        }
        set.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let sources = Sources::load(None, set).unwrap();
        let settings: ConsoleSettings = sources.section().unwrap();
        let (reload, reloads) = watch::channel(sources.clone());
        let ground = Ground::new(sources, reloads, Tasks::new(), Clock::system());
        let tcp = open(&ground, &settings).await.unwrap();
        let address = tcp.local_addr().unwrap();
        let says = async |request: AnyRequest| {
            let ConnectInfo(peer) = *request.extensions().get::<ConnectInfo<SocketAddr>>().unwrap();
            format!(
                "{:?} {}",
                request.version(),
                is_from_this_machine(request.headers(), peer)
            )
        };
        serve(&ground, tcp, &settings, Router::new().route("/", get(says))).unwrap();
        Self {
            ground,
            address,
            reload,
        }
    }

    async fn encrypted(&self, trust: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(self.address).await?;
        TlsConnector::from(trust)
            .connect(ServerName::try_from("localhost").unwrap(), tcp)
            .await
    }

    async fn end(self) {
        assert_eq!(self.ground.tasks.descend(GRACE).await, Outcome::Clean);
    }
}

fn request(url: &str) -> Request<Body> {
    let request = Request::get(url);
    let request = if url.starts_with('/') {
        request.header(header::HOST, "localhost")
    } else {
        request
    };
    request.body(Body::empty()).unwrap()
}

async fn text(answer: http::Response<Incoming>) -> String {
    let body = axum::body::to_bytes(Body::new(answer.into_body()), 1_000)
        .await
        .unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

async fn by_http1(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> String {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io)).await.unwrap();
    let ask = async move { text(sender.send_request(request("/")).await.unwrap()).await };
    tokio::join!(ask, connection).0
}

async fn by_http2(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> String {
    let made = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await;
    let (mut sender, connection) = made.unwrap();
    let ask = async move { text(sender.send_request(request("https://localhost/")).await.unwrap()).await };
    tokio::join!(ask, connection).0
}

#[tokio::test]
async fn the_better_of_what_both_speak_is_spoken() {
    let made = Made::new();
    let served = Served::new(Some(&made), &[]).await;
    let both: [&[u8]; 2] = [b"http/1.1", b"h2"];
    let session = served.encrypted(made.trusting(&both)).await.unwrap();
    assert_eq!(by_http2(session).await, "HTTP/2.0 true");
    for protocols in [&both[..1], &[]] {
        let session = served.encrypted(made.trusting(protocols)).await.unwrap();
        assert_eq!(by_http1(session).await, "HTTP/1.1 true");
    }
    // Whoever does not encrypt gets nothing.
    let mut plain = TcpStream::connect(served.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut plain, b"GET / HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1"), "{answer:?}");
    served.end().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_and_a_broken_one_is_not() {
    let made = Made::new();
    let served = Served::new(Some(&made), &[]).await;
    let old = made.trusting(&[]);
    let kept = served.encrypted(old.clone()).await.unwrap();
    std::fs::write(made.path("own.pem"), "half of it").unwrap();
    served.reload.send_modify(|_| {});
    // It goes on with what it has.
    assert_eq!(
        by_http1(served.encrypted(old.clone()).await.unwrap()).await,
        "HTTP/1.1 true"
    );
    made.renew();
    served.reload.send_modify(|_| {});
    weir_testkit::eventually("the renewed certificate", GRACE, async || {
        served.encrypted(made.trusting(&[])).await.ok()
    })
    .await;
    assert!(
        served.encrypted(old).await.is_err(),
        "the old certificate is still shown"
    );
    assert_eq!(by_http1(kept).await, "HTTP/1.1 true");
    served.end().await;
}

#[tokio::test]
async fn one_more_than_may_waits_for_a_place() {
    let served = Served::new(None, &[("WEIR_CONSOLE__CONNECTIONS_MAX", "1")]).await;
    let first = TcpStream::connect(served.address).await.unwrap();
    let second = TcpStream::connect(served.address).await.unwrap();
    let mut second = Box::pin(by_http1(second));
    let early = timeout(Duration::from_millis(300), &mut second).await;
    assert!(early.is_err(), "a second was served beside the first: {early:?}");
    drop(first);
    assert_eq!(timeout(GRACE, second).await.unwrap(), "HTTP/1.1 true");
    served.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_shake_hands_gives_its_place_back() {
    let made = Made::new();
    let served = Served::new(Some(&made), &[]).await;
    let mut mute = TcpStream::connect(served.address).await.unwrap();
    let mut nothing = [0];
    // Time passes as soon as nobody has anything to do.
    assert_eq!(
        timeout(2 * HANDSHAKE_WITHIN, mute.read(&mut nothing))
            .await
            .unwrap()
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn production_is_plain_on_its_own_machine_only() {
    let made = Made::new();
    let settings = |with_tls: bool| {
        let mut set = vec![
            ("WEIR_PROFILE", "production".to_owned()),
            ("WEIR_CONSOLE__LISTEN", "0.0.0.0:0".to_owned()),
        ];
        if with_tls {
            set.push((
                "WEIR_CONSOLE__TLS_CERTIFICATE",
                made.path("own.pem").display().to_string(),
            ));
            set.push(("WEIR_CONSOLE__TLS_KEY", made.path("own.key").display().to_string()));
        }
        Sources::load(None, set.into_iter().map(|(name, value)| (name.to_owned(), value))).unwrap()
    };
    for (with_tls, may) in [(false, false), (true, true)] {
        let sources = settings(with_tls);
        let (_, reloads) = watch::channel(sources.clone());
        let ground = Ground::new(sources.clone(), reloads, Tasks::new(), Clock::system());
        let opened = open(&ground, &sources.section().unwrap()).await;
        assert_eq!(opened.is_ok(), may, "with TLS: {with_tls}");
    }
}

#[test]
fn half_a_certificate_is_refused_by_its_setting() {
    let (made, other) = (Made::new(), Made::new());
    let check = |certificate: Option<PathBuf>, key: Option<PathBuf>| {
        let named = [("CERTIFICATE", certificate), ("KEY", key)].into_iter();
        let set =
            named.filter_map(|(name, path)| Some((format!("WEIR_CONSOLE__TLS_{name}"), path?.display().to_string())));
        let settings: ConsoleSettings = Sources::load(None, set).unwrap().section().unwrap();
        encryption(&settings)
            .map(|config| config.is_some())
            .map_err(|error| error.to_string())
    };
    let (own, key) = (Some(made.path("own.pem")), Some(made.path("own.key")));
    assert_eq!(
        (check(None, None), check(own.clone(), key.clone())),
        (Ok(false), Ok(true))
    );
    for (refused, setting) in [
        (check(own.clone(), None), "setting console.tls_key is needed"),
        (check(None, key), "setting console.tls_certificate is needed"),
        (
            check(own.clone(), Some(other.path("own.key"))),
            "setting console.tls_key is not the key",
        ),
        (check(own, Some(made.path("none.key"))), "setting console.tls_key is "),
    ] {
        let refused = refused.unwrap_err();
        assert!(refused.starts_with(setting), "{refused}");
    }
}
