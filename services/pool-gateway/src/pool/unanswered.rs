//! What a server still has to answer to somebody who has gone.
//!
//! A cancel ends one request and lets those behind it run. If it met the BEGIN of a pipeline, what the client sent
//! behind that would be committed by itself. So nothing is cancelled before the last request.

use std::future::poll_fn;

use bytes::{Buf as _, BytesMut};
use weir_pgwire::Header;
use weir_pgwire::backend::tag;
use weir_upstream::Connection;

const READ_BYTES: usize = 16 * 1024;

/// Requests whose answers nobody wants any more.
#[derive(Debug, Default)]
pub(crate) struct Unanswered {
    /// How many times the server will say that it is ready.
    pub(crate) requests: usize,
    /// A frame of the server's that arrived in part.
    pub(crate) begun: BytesMut,
    /// Bytes that are still to come of a frame whose beginning was passed on.
    pub(crate) skip: usize,
}

impl Unanswered {
    /// Reads answers away until the server is at the last request. False: it is lost.
    pub(super) async fn up_to_last(&mut self, connection: &mut Connection) -> bool {
        let mut room = Vec::new();
        self.take_frames();
        while self.requests > 1 {
            room.resize(READ_BYTES, 0);
            match poll_fn(|cx| connection.poll_bytes(cx, &mut room)).await {
                Ok(count @ 1..) => self.begun.extend_from_slice(room.get(..count).unwrap_or_default()),
                Ok(0) | Err(_) => return false,
            }
            self.take_frames();
        }
        true
    }

    /// Goes over what has arrived.
    fn take_frames(&mut self) {
        loop {
            let skipped = self.skip.min(self.begun.len());
            self.begun.advance(skipped);
            self.skip -= skipped;
            let Ok(Some(header)) = Header::read(&self.begun) else {
                return;
            };
            if header.tag() == tag::READY_FOR_QUERY {
                self.requests = self.requests.saturating_sub(1);
            }
            self.skip = header.frame_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: &[u8] = b"Z\0\0\0\x05I";
    const COMPLETE: &[u8] = b"C\0\0\0\x0aBEGIN\0";

    #[test]
    fn answers_are_counted_wherever_they_are_cut() {
        let data = [&COMPLETE[4..], READY, COMPLETE, READY, READY].concat();
        for cut in 0..data.len() {
            let mut left = Unanswered {
                requests: 4,
                begun: BytesMut::from(&data[..cut]),
                skip: COMPLETE.len() - 4,
            };
            left.take_frames();
            left.begun.extend_from_slice(&data[cut..]);
            left.take_frames();
            assert_eq!((left.requests, left.skip), (1, 0), "cut at {cut}");
        }
    }
}
