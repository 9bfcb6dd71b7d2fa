//! The console's port: so many connections at once, encrypted where there is a certificate, each served to its end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderValue, Request, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::codegen::Service as _;
use weir_config::Error;
use weir_runtime::tls::Identity;
use weir_runtime::{Ground, Stage, StartError, bind, bind_encrypted};

use crate::settings::ConsoleSettings;

const CERTIFICATE: &str = "console.tls_certificate";
const KEY: &str = "console.tls_key";
/// What is spoken over an encrypted connection, the better first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Whoever has not shaken hands by then does not mean to.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// A connection that asks nothing for so long, or takes so long to ask, is closed.
const ASKS_WITHIN: Duration = Duration::from_secs(75);
/// Whoever takes nothing of what it is sent for so long has gone, whatever its machine says.
const TAKES_WITHIN: Duration = Duration::from_secs(60);
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(20);
/// Calls at once over one connection of HTTP/2.
const STREAMS_MAX: u32 = 128;
/// How often it is looked whether the certificate was renewed.
const RENEWED_LOOK_EVERY: Duration = Duration::from_secs(30);
/// How long accepting rests when the process has no more file handles.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// The port of the settings, before anything is served on it.
pub(crate) async fn open(ground: &Ground, settings: &ConsoleSettings) -> Result<TcpListener, StartError> {
    match settings.tls_certificate {
        Some(_) => bind_encrypted("console.listen", settings.listen).await,
        None => bind(ground, "console.listen", settings.listen).await,
    }
}

/// How the port encrypts; `None` where the settings name no certificate.
pub(crate) fn encryption(settings: &ConsoleSettings) -> Result<Option<ServerConfig>, Error> {
    let needed = |what: &str, with: &str| Err(Error::Refused(format!("setting {what} is needed where {with} is set")));
    match (&settings.tls_certificate, &settings.tls_key) {
        (None, None) => Ok(None),
        (Some(_), None) => needed(KEY, CERTIFICATE),
        (None, Some(_)) => needed(CERTIFICATE, KEY),
        (Some(certificate), Some(key)) => read(certificate, key).map(Some),
    }
}

fn read(certificate: &Path, key: &Path) -> Result<ServerConfig, Error> {
    let own = Identity::read((CERTIFICATE, certificate), (KEY, key))?;
    own.server(WebPkiClientVerifier::no_client_auth(), &PROTOCOLS)
}

/// Serves until the shutdown; answers that are being given are given to their end.
pub(crate) fn serve(
    ground: &Ground,
    tcp: TcpListener,
    settings: &ConsoleSettings,
    app: Router,
) -> Result<(), StartError> {
    let encryption = encryption(settings)?.map(|config| watch::channel(Arc::new(config)));
    let (renew, encryption) = encryption.unzip();
    if let (Some(renew), Some(certificate), Some(key)) = (renew, &settings.tls_certificate, &settings.tls_key) {
        follow_files(ground, Files::new(certificate, key), renew);
    }
    let door = Door {
        app,
        encryption,
        places: Arc::new(Semaphore::new(settings.connections_max)),
    };
    ground.tasks.spawn(Stage::Doors, "http door", |stop| async move {
        door.let_in(tcp, &stop).await;
        stop.cancelled().await;
        Ok(())
    });
    Ok(())
}

/// What is shown to callers, and what it was read from.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    seen: [Vec<u8>; 2],
}

impl Files {
    fn new(certificate: &Path, key: &Path) -> Self {
        let mut files = Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            seen: Default::default(),
        };
        files.seen = files.content();
        files
    }

    fn content(&self) -> [Vec<u8>; 2] {
        [&self.certificate, &self.key].map(|path| std::fs::read(path).unwrap_or_default())
    }

    /// The new encryption, if the files have changed. What cannot be used yet is looked at again: the two files of a
    /// certificate are not replaced at the same moment.
    fn renewed(&mut self) -> Option<Result<ServerConfig, Error>> {
        let now = self.content();
        if now == self.seen {
            return None;
        }
        let read = read(&self.certificate, &self.key);
        if read.is_ok() {
            self.seen = now;
        }
        Some(read)
    }
}

/// Takes over a renewed certificate: soon by itself, at once with a reload. Connections that are there keep theirs.
fn follow_files(ground: &Ground, mut files: Files, renew: watch::Sender<Arc<ServerConfig>>) {
    let mut reloads = ground.reloads.clone();
    ground.tasks.spawn(Stage::Work, "http certificate", |stop| async move {
        loop {
            tokio::select! {
                () = sleep(RENEWED_LOOK_EVERY) => {}
                Ok(()) = reloads.changed() => {}
                () = stop.cancelled() => return Ok(()),
            }
            match files.renewed() {
                Some(Ok(config)) => {
                    tracing::info!("the console shows its renewed certificate");
                    renew.send_replace(Arc::new(config));
                }
                Some(Err(error)) => tracing::warn!(%error, "the console goes on with the certificate it has"),
                None => {}
            }
        }
    });
}

/// Lets callers in.
struct Door {
    app: Router,
    encryption: Option<watch::Receiver<Arc<ServerConfig>>>,
    places: Arc<Semaphore>,
}

impl Door {
    async fn let_in(self, tcp: TcpListener, stop: &CancellationToken) {
        let mut guests = JoinSet::new();
        loop {
            let free = tokio::select! {
                free = self.places.clone().acquire_owned() => free,
                () = stop.cancelled() => break,
            };
            tokio::select! {
                accepted = tcp.accept() => match accepted {
                    Ok((tcp, peer)) => {
                        let guest = self.guest(peer, stop.clone());
                        guests.spawn(async move {
                            guest.serve(tcp).await;
                            drop(free);
                        });
                    }
                    // Out of file handles, or the caller has gone again: the door stays open.
                    Err(error) => {
                        tracing::warn!(%error, "a caller could not be accepted");
                        sleep(ACCEPT_AGAIN_AFTER).await;
                    }
                },
                Some(_) = guests.join_next() => {}
                () = stop.cancelled() => break,
            }
        }
        drop(tcp);
        while guests.join_next().await.is_some() {}
    }

    fn guest(&self, peer: SocketAddr, stop: CancellationToken) -> Guest {
        let encryption = self.encryption.as_ref().map(|now| now.borrow().clone());
        Guest {
            app: self.app.clone(),
            encryption,
            peer,
            stop,
        }
    }
}

/// One who was let in.
struct Guest {
    app: Router,
    encryption: Option<Arc<ServerConfig>>,
    peer: SocketAddr,
    stop: CancellationToken,
}

impl Guest {
    async fn serve(self, tcp: TcpStream) {
        tune(&tcp);
        let Some(config) = self.encryption.clone() else {
            return self.speak_http1(tcp).await;
        };
        let shaken = timeout(HANDSHAKE_WITHIN, TlsAcceptor::from(config).accept(tcp));
        let session = match self.stop.run_until_cancelled(shaken).await {
            Some(Ok(Ok(session))) => session,
            Some(Ok(Err(error))) => return tracing::debug!(%error, "a caller could not encrypt"),
            Some(Err(_)) => return tracing::debug!("a caller did not shake hands in time"),
            None => return,
        };
        let speaks_http2 = session.get_ref().1.alpn_protocol() == Some(b"h2");
        if speaks_http2 {
            self.speak_http2(session).await;
        } else {
            self.speak_http1(session).await;
        }
    }

    async fn speak_http1(self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let (stop, app, peer) = (self.stop, self.app, self.peer);
        let answer = service_fn(move |request| app.clone().call(known(request, peer)));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(ASKS_WITHIN);
        let mut connection = pin!(http.serve_connection(TokioIo::new(io), answer));
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        told(ended);
    }

    async fn speak_http2(self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let (stop, app, peer) = (self.stop, self.app, self.peer);
        let answer = service_fn(move |request| app.clone().call(known(request, peer)));
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE_EVERY)
            .keep_alive_timeout(TAKES_WITHIN)
            .max_concurrent_streams(STREAMS_MAX);
        let mut connection = pin!(http.serve_connection(TokioIo::new(io), answer));
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        told(ended);
    }
}

fn told(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a caller's connection ended");
    }
}

/// The request with whoever asks. HTTP/2 names the host in the address, where nobody else looks for it.
fn known(request: Request<Incoming>, peer: SocketAddr) -> Request<Body> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    let named = request
        .uri()
        .authority()
        .map(|host| HeaderValue::try_from(host.as_str()));
    if let Some(Ok(host)) = named {
        request.headers_mut().entry(header::HOST).or_insert(host);
    }
    request
}

fn tune(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    let tuned = socket
        .set_tcp_nodelay(true)
        .and_then(|()| socket.set_tcp_user_timeout(Some(TAKES_WITHIN)));
    if let Err(error) = tuned {
        tracing::debug!(%error, "a connection is served as it came");
    }
}

#[cfg(test)]
mod tests;
