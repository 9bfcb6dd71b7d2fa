//! The read buffer of a connection.
//!
//! Small while little comes, 64 KiB while much comes, larger only for a frame that is larger, and then never more
//! than twice what has really arrived: a frame that lies about its length costs nothing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

/// Enough for nearly every reply of a point query.
pub(crate) const SMALL_BYTES: usize = 8 * 1024;
/// What one read takes at most, unless a frame is larger.
pub(crate) const LARGE_BYTES: usize = 64 * 1024;

/// As much as a server says unasked, which is a frame or two.
const PEEK_BYTES: usize = 1024;

/// Bytes that have arrived and were not consumed.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    consumed: usize,
    /// The last read took all the room there was: more is waiting.
    was_full: bool,
}

impl Inbox {
    /// What is there.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.consumed..).unwrap_or_default()
    }

    /// Forgets the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        self.consumed = self.consumed.saturating_add(count).min(self.bytes.len());
    }

    /// Reads once, with room for at least one byte and for up to `missing` of them. 0 is the end of the stream.
    pub(crate) async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin), missing: usize) -> io::Result<usize> {
        self.make_room(missing);
        let count = stream.read_buf(&mut self.bytes).await?;
        self.was_full = self.bytes.len() == self.bytes.capacity();
        Ok(count)
    }

    /// Reads what is there, without waiting.
    pub(crate) fn poll_peek(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Poll<io::Result<usize>> {
        let mut room = [0; PEEK_BYTES];
        let mut buffer = ReadBuf::new(&mut room);
        let read = Pin::new(stream).poll_read(cx, &mut buffer);
        read.map_ok(|()| {
            self.bytes.extend_from_slice(buffer.filled());
            buffer.filled().len()
        })
    }

    fn make_room(&mut self, missing: usize) {
        // What is left is the beginning of one frame, so this moves each byte once at most.
        self.bytes.drain(..self.consumed);
        self.consumed = 0;
        let here = self.bytes.len();
        let capacity = self.wanted(here, here.saturating_add(missing));
        if capacity > self.bytes.capacity() {
            self.bytes.reserve_exact(capacity - here);
        }
    }

    fn wanted(&self, here: usize, whole: usize) -> usize {
        if whole <= SMALL_BYTES && !self.was_full {
            SMALL_BYTES
        } else {
            whole.clamp(LARGE_BYTES, LARGE_BYTES.max(here.saturating_mul(2)))
        }
    }

    /// Gives back what a large reply took. To be called between replies.
    pub(crate) fn rest(&mut self) {
        self.was_full = false;
        if self.bytes().is_empty() && self.bytes.capacity() > SMALL_BYTES {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn filled(inbox: &mut Inbox, mut bytes: &[u8], missing: usize) {
        while !bytes.is_empty() {
            inbox.fill(&mut bytes, missing).await.unwrap();
        }
    }

    #[tokio::test]
    async fn it_grows_with_what_arrives_and_not_with_what_is_announced() {
        let mut inbox = Inbox::default();
        filled(&mut inbox, b"D\x3f\xff\xff\xff", 1 << 30).await;
        assert_eq!(inbox.bytes.capacity(), LARGE_BYTES);
        filled(&mut inbox, &vec![7; 1_000_000], 1 << 30).await;
        assert!(inbox.bytes.capacity() <= 2_000_010, "{}", inbox.bytes.capacity());
        assert_eq!(inbox.bytes().len(), 1_000_005);
    }

    #[tokio::test]
    async fn a_frame_that_fits_needs_no_more_than_its_own_room() {
        let mut inbox = Inbox::default();
        filled(&mut inbox, &[7; 90_000], 10_000).await;
        assert!(inbox.bytes.capacity() < 110_000, "{}", inbox.bytes.capacity());
    }

    #[tokio::test]
    async fn it_is_small_until_much_comes_and_small_again_after() {
        let mut inbox = Inbox::default();
        for _ in 0..100 {
            filled(&mut inbox, &[7; 100], 5).await;
            inbox.consume(100);
        }
        assert_eq!(inbox.bytes.capacity(), SMALL_BYTES);
        for _ in 0..3 {
            inbox.consume(usize::MAX);
            inbox.fill(&mut [7; 100_000].as_slice(), 5).await.unwrap();
        }
        assert_eq!(
            (inbox.bytes.capacity(), inbox.bytes().len()),
            (LARGE_BYTES, LARGE_BYTES)
        );
        inbox.rest();
        assert_eq!(inbox.bytes().len(), LARGE_BYTES, "bytes were lost");
        inbox.consume(LARGE_BYTES);
        inbox.rest();
        assert_eq!(inbox.bytes.capacity(), 0);
    }

    #[tokio::test]
    async fn bytes_keep_their_order() {
        let mut inbox = Inbox::default();
        filled(&mut inbox, b"abcdef", 1).await;
        inbox.consume(4);
        filled(&mut inbox, b"gh", 1).await;
        assert_eq!(inbox.bytes(), b"efgh");
    }
}
