//! From a target to an open pipe: name look-up, TCP or Unix socket, encryption.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::BytesMut;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use weir_pgwire::frontend;

use crate::error::{Error, in_words};
use crate::stream::Stream;
use crate::target::{Host, SslMode, Target, socket_path};
use crate::tls;

/// A silent peer is asked after this time whether it is still there,
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
/// again after this time,
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
/// and given up after so many questions.
const KEEPALIVE_TIMES: u32 = 3;

/// Exactly where a connection leads: a cancel request must reach the same server.
#[derive(Debug, Clone)]
pub(crate) enum Peer {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Opens a pipe to the first of the target's addresses that answers, within `limit`.
pub(crate) async fn dial(target: &Target, encryption: SslMode, limit: Duration) -> Result<(Stream, Peer), Error> {
    if matches!(target.host, Host::Unix(_)) {
        return dial_unix(target).await;
    }
    let found = target.addresses().await;
    let addresses = found.map_err(|error| unreachable(target, in_words(&error)))?;
    let each = limit / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = unreachable(target, "its name leads to no address".to_owned());
    for address in addresses {
        match tokio::time::timeout(each, dial_tcp(target, address)).await {
            Ok(Ok(tcp)) => return Ok((protected(tcp, target, encryption).await?, Peer::Tcp(address))),
            Ok(Err(error)) => last = error,
            Err(_) => {
                last = Error::Timeout {
                    place: target.place(),
                    after: each,
                }
            }
        }
    }
    Err(last)
}

/// Opens another pipe to the same server.
pub(crate) async fn dial_again(target: &Target, peer: &Peer, encryption: SslMode) -> Result<Stream, Error> {
    match peer {
        Peer::Tcp(address) => protected(dial_tcp(target, *address).await?, target, encryption).await,
        Peer::Unix(path) => open_unix(target, path).await,
    }
}

async fn dial_unix(target: &Target) -> Result<(Stream, Peer), Error> {
    let path = socket_path(Path::new(target.host()), target.port);
    let stream = open_unix(target, &path).await?;
    Ok((stream, Peer::Unix(path)))
}

async fn open_unix(target: &Target, path: &Path) -> Result<Stream, Error> {
    let opened = UnixStream::connect(path).await;
    opened
        .map(Stream::Unix)
        .map_err(|error| unreachable(target, in_words(&error)))
}

async fn dial_tcp(target: &Target, address: SocketAddr) -> Result<TcpStream, Error> {
    let opened = match TcpStream::connect(address).await {
        Ok(tcp) => tuned(&tcp).map(|()| tcp),
        error => error,
    };
    opened.map_err(|error| unreachable(target, in_words(&error)))
}

fn tuned(tcp: &TcpStream) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY);
    SockRef::from(tcp).set_tcp_keepalive(&keepalive.with_retries(KEEPALIVE_TIMES))
}

/// Encrypts a connection where it is asked for and the server agrees.
async fn protected(mut tcp: TcpStream, target: &Target, encryption: SslMode) -> Result<Stream, Error> {
    if encryption == SslMode::Disable {
        return Ok(Stream::Tcp(tcp));
    }
    match ask_for_tls(&mut tcp, target).await? {
        // Only one byte was read, so nothing that came in clear can pass for something that came encrypted.
        b'S' => tls::encrypted(tcp, target).await.map(|tls| Stream::Tls(Box::new(tls))),
        b'N' if encryption == SslMode::Prefer => Ok(Stream::Tcp(tcp)),
        b'N' => Err(refused(
            target,
            format!("the server does not offer it, and sslmode={encryption} asks for it"),
        )),
        _ => Err(refused(
            target,
            "the server did not answer the question whether it speaks tls".to_owned(),
        )),
    }
}

async fn ask_for_tls(tcp: &mut TcpStream, target: &Target) -> Result<u8, Error> {
    let mut question = BytesMut::new();
    frontend::ssl_request(&mut question);
    let answer = match tcp.write_all(&question).await {
        Ok(()) => tcp.read_u8().await,
        Err(error) => Err(error),
    };
    answer.map_err(|error| Error::Io {
        place: target.place(),
        reason: in_words(&error),
    })
}

fn refused(target: &Target, reason: String) -> Error {
    Error::Tls {
        place: target.place(),
        reason,
    }
}

fn unreachable(target: &Target, reason: String) -> Error {
    Error::Unreachable {
        place: target.place(),
        reason,
    }
}
