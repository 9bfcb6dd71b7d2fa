//! The pipe to a client: in clear or encrypted, as one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A pipe to a client.
#[derive(Debug)]
pub(super) enum ClientStream {
    Tcp(TcpStream),
    /// Boxed, because a TLS session is a hundred times the size of a socket.
    Tls(Box<TlsStream<TcpStream>>),
}

impl ClientStream {
    pub(super) const fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Has the present runtime's reactor watch the socket. An encrypted one stays where it is, and works from everywhere.
    pub(super) fn move_here(self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(pipe) => Self::Tcp(TcpStream::from_std(pipe.into_std()?)?),
            Self::Tls(pipe) => Self::Tls(pipe),
        })
    }

    /// Reads what has come. 0 is the end of the stream.
    pub(super) fn poll_bytes(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(room);
        let read = Pin::new(self).poll_read(cx, &mut buffer);
        read.map_ok(|()| buffer.filled().len())
    }

    /// Pushes out what encryption holds back. Where the socket is full, the next call tries again.
    pub(super) fn push(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self {
            Self::Tcp(_) => Ok(()),
            Self::Tls(pipe) => match Pin::new(pipe.as_mut()).poll_flush(cx) {
                Poll::Ready(Err(error)) => Err(error),
                _ => Ok(()),
            },
        }
    }

    /// Writes what the socket takes.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self).poll_write(cx, bytes)
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(pipe) => Pin::new(pipe).poll_read(cx, buffer),
            Self::Tls(pipe) => Pin::new(pipe.as_mut()).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(pipe) => Pin::new(pipe).poll_write(cx, bytes),
            Self::Tls(pipe) => Pin::new(pipe.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(pipe) => Pin::new(pipe).poll_flush(cx),
            Self::Tls(pipe) => Pin::new(pipe.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(pipe) => Pin::new(pipe).poll_shutdown(cx),
            Self::Tls(pipe) => Pin::new(pipe.as_mut()).poll_shutdown(cx),
        }
    }
}
