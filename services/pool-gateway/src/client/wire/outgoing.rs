//! Bytes that go out, to either side, and what becomes of those that a socket does not take.

use std::task::{Context, Poll};

use bytes::{Buf as _, BytesMut};

use super::client_side::ClientSide;
use super::link::Link;
use super::session::Broken;

impl ClientSide {
    /// Sends the client what it did not take before.
    pub(super) fn push_out(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        while !self.outbound.is_empty() {
            let sent = self.stream.poll_send(cx, &self.outbound).map_err(|_| Broken::Client)?;
            let Poll::Ready(count) = sent else {
                self.blocked_since.get_or_insert(self.now);
                return Ok(());
            };
            self.outbound.advance(count);
        }
        if self.outbound.capacity() > 0 {
            self.outbound = BytesMut::new();
        }
        self.stream.push(cx).map_err(|_| Broken::Client)
    }

    /// Sends bytes to the client; what it does not take is kept.
    pub(super) fn send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Result<(), Broken> {
        let mut rest = bytes;
        while self.outbound.is_empty() && !rest.is_empty() {
            match self.stream.poll_send(cx, rest).map_err(|_| Broken::Client)? {
                Poll::Ready(count) => rest = rest.get(count..).unwrap_or_default(),
                Poll::Pending => break,
            }
        }
        self.outbound.extend_from_slice(rest);
        self.stream.push(cx).map_err(|_| Broken::Client)
    }

    /// Puts bytes behind those that came to stand in front meanwhile.
    pub(super) fn put_back(&mut self, rest: BytesMut) {
        if self.inbound.is_empty() {
            self.inbound = if rest.is_empty() { BytesMut::new() } else { rest };
        } else {
            self.inbound.extend_from_slice(&rest);
        }
    }
}

impl Link {
    /// Sends the server what it did not take before.
    pub(super) fn push_to_server(&mut self, cx: &mut Context<'_>) -> Result<bool, Broken> {
        let mut moved = false;
        while !self.to_server.is_empty() {
            let Some(connection) = self.lease.connection() else {
                break;
            };
            let Poll::Ready(count) = connection.poll_send(cx, &self.to_server).map_err(Broken::server)? else {
                break;
            };
            self.sent(count);
            moved = true;
        }
        self.push_encrypted(cx)?;
        Ok(moved)
    }

    /// Sends bytes to the server; what it does not take is kept.
    pub(super) fn send_to_server(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Result<(), Broken> {
        let mut rest = bytes;
        while self.to_server.is_empty() && !rest.is_empty() {
            let Some(connection) = self.lease.connection() else {
                break;
            };
            match connection.poll_send(cx, rest).map_err(Broken::server)? {
                Poll::Ready(count) => rest = rest.get(count..).unwrap_or_default(),
                Poll::Pending => break,
            }
        }
        self.to_server.extend_from_slice(rest);
        self.push_encrypted(cx)
    }

    /// Pushes out what encryption holds back. Where the socket is full, the next round tries again.
    fn push_encrypted(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        match self.lease.connection() {
            Some(connection) if connection.is_encrypted() => match connection.poll_flush(cx) {
                Poll::Ready(Err(error)) => Err(Broken::server(error)),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}
