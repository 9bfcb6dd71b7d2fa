//! The three kinds of pipe to a server, as one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// A pipe to a server.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// Boxed, because a TLS session is a hundred times the size of a socket.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Has the present runtime's reactor watch the socket. A TLS session cannot be taken apart and stays.
    pub(crate) fn move_here(self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(pipe) => Self::Tcp(TcpStream::from_std(pipe.into_std()?)?),
            Self::Unix(pipe) => Self::Unix(UnixStream::from_std(pipe.into_std()?)?),
            Self::Tls(pipe) => Self::Tls(pipe),
        })
    }
}

/// Does the same to whichever pipe it is.
macro_rules! with_pipe {
    ($stream:expr, $pipe:ident => $does:expr) => {
        match $stream.get_mut() {
            Stream::Tcp(pipe) => {
                let $pipe = Pin::new(pipe);
                $does
            }
            Stream::Unix(pipe) => {
                let $pipe = Pin::new(pipe);
                $does
            }
            Stream::Tls(pipe) => {
                let $pipe = Pin::new(pipe.as_mut());
                $does
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        with_pipe!(self, pipe => pipe.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        with_pipe!(self, pipe => pipe.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_pipe!(self, pipe => pipe.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_pipe!(self, pipe => pipe.poll_shutdown(cx))
    }
}
