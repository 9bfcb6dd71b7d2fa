//! A connection for those who forward frames instead of reading them.
//!
//! Between [`Connection::is_clean`] and the next time it is clean the forwarder owns the protocol: it reads and writes
//! bytes as they are, and says in the end in which state it leaves the session. What it drops in between leaves the
//! connection broken, as with every other request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use weir_pgwire::backend::{Message, TransactionStatus};

use crate::Connection;
use crate::error::Error;

impl Connection {
    /// From here on there is a reply to be read, until [`Connection::left_at`] says that it was.
    pub const fn begin_forwarding(&mut self) {
        self.session.is_in_reply = true;
    }

    /// The reply was read to its end, and the server said that it is in this state.
    pub const fn left_at(&mut self, status: TransactionStatus) {
        self.session.status = status;
        self.session.is_in_reply = false;
    }

    /// Reads what has come, up to the length of `room`. 0 is the end of the stream.
    pub fn poll_bytes(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let early = self.channel.take_early(room);
        if early > 0 {
            return Poll::Ready(Ok(early));
        }
        let mut buffer = ReadBuf::new(room);
        let read = Pin::new(self.channel.stream_mut()).poll_read(cx, &mut buffer);
        read.map_ok(|()| buffer.filled().len())
    }

    /// Writes what the socket takes of `bytes`.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.channel.stream_mut()).poll_write(cx, bytes)
    }

    /// Pushes out what encryption holds back. A plain connection holds nothing.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.channel.stream_mut()).poll_flush(cx)
    }

    /// Takes note of a frame that the server sent unasked: a setting, a notice.
    pub fn hear(&mut self, message: &Message<'_>) {
        self.session.hear(message);
    }

    /// The settings that the server reports, with their present values.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.session.settings()
    }

    /// Whether a byte of ASCII in a text for this session is always the character that it looks like: not so in some
    /// encodings of East Asia, whose texts must not be taken apart by bytes.
    pub const fn reads_ascii(&self) -> bool {
        self.session.reads_ascii
    }

    /// Whether an idle connection is still worth using: nothing has come, or nothing but words that need no answer.
    /// Costs no system call while nothing has come.
    pub fn is_quiet(&mut self, cx: &mut Context<'_>) -> bool {
        self.channel.is_quiet(cx)
    }

    /// Moves the socket to the runtime that calls, so that its reactor watches it from now on. An encrypted one stays
    /// where it is: it works from everywhere, at the price of one wake-up across threads.
    pub fn move_here(self) -> Result<Self, Error> {
        let Self {
            channel,
            session,
            target,
            peer,
            description,
            statements,
        } = self;
        Ok(Self {
            channel: channel.move_here()?,
            session,
            target,
            peer,
            description,
            statements,
        })
    }
}
