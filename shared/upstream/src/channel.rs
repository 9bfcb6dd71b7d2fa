//! Frames in and out of a pipe. Knows nothing of what they mean.
//!
//! The front frame stays in the buffer while somebody looks at it, and goes when the next one is asked for.

use std::io;
use std::task::{Context, Poll};

use bytes::{Buf as _, BytesMut};
use tokio::io::AsyncWriteExt as _;
use weir_pgwire::backend::{DataRow, Message, tag};
use weir_pgwire::{Frame, Header, Scan, WireError, scan};

use crate::error::{Error, in_words};
use crate::inbox::{Inbox, LARGE_BYTES};
use crate::session::is_unasked;
use crate::stream::Stream;

/// The pipe to one server with its buffers.
#[derive(Debug)]
pub(crate) struct Channel {
    stream: Stream,
    inbox: Inbox,
    outbox: BytesMut,
    /// Something was written to the stream that may not have left it.
    owes_flush: bool,
    /// Bytes at the front of the inbox that somebody has seen.
    taken: usize,
    place: String,
}

/// Whole rows, one frame after the other, as they lie in the buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) bytes: usize,
    pub(crate) rows: usize,
}

impl Channel {
    pub(crate) fn new(stream: Stream, place: String) -> Self {
        Self {
            stream,
            inbox: Inbox::default(),
            outbox: BytesMut::new(),
            owes_flush: false,
            taken: 0,
            place,
        }
    }

    pub(crate) const fn stream(&self) -> &Stream {
        &self.stream
    }

    pub(crate) const fn stream_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// Bytes that came before they were asked for, as many as fit.
    pub(crate) fn take_early(&mut self, room: &mut [u8]) -> usize {
        self.let_go();
        let count = self.inbox.bytes().len().min(room.len());
        for (slot, byte) in room.iter_mut().zip(self.inbox.bytes()) {
            *slot = *byte;
        }
        self.inbox.consume(count);
        if count > 0 {
            self.inbox.rest();
        }
        count
    }

    /// Whether nothing has come since the last reply, or nothing but words that need no answer.
    pub(crate) fn is_quiet(&mut self, cx: &mut Context<'_>) -> bool {
        self.let_go();
        // A server that crashes says a word that needs no answer, and then ends the connection.
        while self.is_small_talk() {
            match self.inbox.poll_peek(cx, &mut self.stream) {
                Poll::Pending => return true,
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return false,
            }
        }
        false
    }

    /// Whether all that has come are whole frames that may come at any time. They stay to be read.
    fn is_small_talk(&self) -> bool {
        let mut rest = self.inbox.bytes();
        while let Some(frame) = whole(rest).filter(|frame| is_unasked(frame.tag)) {
            rest = rest.get(frame.bytes()..).unwrap_or_default();
        }
        rest.is_empty()
    }

    pub(crate) fn move_here(self) -> Result<Self, Error> {
        match self.stream.move_here() {
            Ok(stream) => Ok(Self { stream, ..self }),
            Err(error) => Err(Error::Io {
                place: self.place,
                reason: in_words(&error),
            }),
        }
    }

    /// The server's address, for messages.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Where frames for the server are written.
    pub(crate) const fn outbox(&mut self) -> &mut BytesMut {
        &mut self.outbox
    }

    /// Sends what was written. Dropped before its end, it leaves half a frame on the way.
    pub(crate) async fn send(&mut self) -> Result<(), Error> {
        let sent = self.stream.write_all(&self.outbox).await;
        self.outbox.clear();
        if self.outbox.capacity() > LARGE_BYTES {
            self.outbox = BytesMut::new();
        }
        let sent = match sent {
            Ok(()) => self.stream.flush().await,
            error => error,
        };
        sent.map_err(|error| self.lost(in_words(&error)))
    }

    /// Waits for the next frame's header.
    pub(crate) async fn header(&mut self) -> Result<Header, Error> {
        self.let_go();
        loop {
            match Header::read(self.inbox.bytes()).map_err(|error| self.protocol(error))? {
                Some(header) => return Ok(header),
                None => self.fill(1).await?,
            }
        }
    }

    /// Waits until the next frame is whole, and returns its tag.
    pub(crate) async fn arrive(&mut self, body_bytes_max: impl Fn(u8) -> usize) -> Result<u8, Error> {
        self.let_go();
        loop {
            let missing = match scan(self.inbox.bytes(), &body_bytes_max).map_err(|error| self.protocol(error))? {
                Scan::Whole(frame) => {
                    self.taken = frame.bytes();
                    return Ok(frame.tag);
                }
                Scan::Part { missing, .. } => missing,
            };
            self.fill(missing).await?;
        }
    }

    /// The frame that has arrived.
    pub(crate) fn message(&self) -> Result<Message<'_>, Error> {
        // After `arrive` there always is one; an empty frame has a tag that nobody sends.
        let frame = whole(self.inbox.bytes()).unwrap_or(Frame { tag: 0, body: &[] });
        Message::parse(frame).map_err(|error| self.protocol(error))
    }

    /// Takes, with the row that has arrived, all whole ones behind it, each with `columns` values.
    pub(crate) fn take_rows(&mut self, columns: usize, row_bytes_max: usize) -> Result<Run, Error> {
        let run = self.measure_rows(columns, row_bytes_max)?;
        self.taken = run.bytes;
        Ok(run)
    }

    fn measure_rows(&self, columns: usize, row_bytes_max: usize) -> Result<Run, Error> {
        let mut run = Run { bytes: 0, rows: 0 };
        let mut rest = self.inbox.bytes();
        while let Some(frame) =
            whole(rest).filter(|frame| frame.tag == tag::DATA_ROW && frame.body.len() <= row_bytes_max)
        {
            let row = DataRow::parse(frame.body).map_err(|error| self.protocol(error))?;
            if row.len() != columns {
                return Err(self.unexpected("a row with another number of columns than announced"));
            }
            run = Run {
                bytes: run.bytes + frame.bytes(),
                rows: run.rows + 1,
            };
            rest = rest.get(frame.bytes()..).unwrap_or_default();
        }
        Ok(run)
    }

    /// The frame that has arrived, or the rows that were taken, headers included.
    pub(crate) fn taken(&self) -> &[u8] {
        self.inbox.bytes().get(..self.taken).unwrap_or_default()
    }

    /// The tag of what has come behind the last frame, if anything has.
    pub(crate) fn waiting(&self) -> Option<u8> {
        self.inbox.bytes().get(self.taken).copied()
    }

    /// Drops the next frame as it comes, however long it is.
    pub(crate) async fn skip(&mut self) -> Result<(), Error> {
        let mut left = self.header().await?.frame_bytes();
        loop {
            let here = self.inbox.bytes().len().min(left);
            self.inbox.consume(here);
            left -= here;
            if left == 0 {
                return Ok(());
            }
            self.fill(1).await?;
        }
    }

    /// Gives buffers back. To be called between replies.
    pub(crate) fn rest(&mut self) {
        self.let_go();
        self.inbox.rest();
    }

    /// Ends the pipe from this side.
    pub(crate) async fn shut_down(&mut self) {
        // The server may have gone already; nobody is left to tell.
        let _ = self.stream.shutdown().await;
    }

    /// Waits until the server ends the pipe, whatever it sends until then.
    pub(crate) async fn end(&mut self) {
        loop {
            self.inbox.consume(usize::MAX);
            if !matches!(self.inbox.fill(&mut self.stream, 1).await, Ok(1..)) {
                return;
            }
        }
    }

    fn let_go(&mut self) {
        self.inbox.consume(std::mem::take(&mut self.taken));
    }

    async fn fill(&mut self, missing: usize) -> Result<(), Error> {
        let filled = if self.outbox.is_empty() && !self.owes_flush {
            self.inbox.fill(&mut self.stream, missing).await
        } else {
            self.fill_while_sending(missing).await
        };
        match filled {
            Ok(0) => Err(self.lost("the server closed it".to_owned())),
            Ok(_) => Ok(()),
            Err(error) => Err(self.lost(in_words(&error))),
        }
    }

    /// Reads once, and sends as much as the server takes until then.
    async fn fill_while_sending(&mut self, missing: usize) -> io::Result<usize> {
        let (mut reader, mut writer) = tokio::io::split(&mut self.stream);
        let (inbox, outbox, owes_flush) = (&mut self.inbox, &mut self.outbox, &mut self.owes_flush);
        // Dropped at any point, it has taken from the outbox exactly what the stream has taken.
        let sending = async {
            *owes_flush = true;
            while !outbox.is_empty() {
                match writer.write(outbox).await? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    sent => outbox.advance(sent),
                }
            }
            writer.flush().await?;
            *owes_flush = false;
            *outbox = BytesMut::new();
            Ok::<_, io::Error>(())
        };
        tokio::select! {
            biased;
            sent = sending => sent?,
            filled = inbox.fill(&mut reader, missing) => return filled,
        }
        inbox.fill(&mut reader, missing).await
    }

    fn lost(&self, reason: String) -> Error {
        Error::Io {
            place: self.place.clone(),
            reason,
        }
    }

    /// The error for a frame that is none.
    pub(crate) fn protocol(&self, error: WireError) -> Error {
        match error {
            WireError::TooLong {
                tag: tag::DATA_ROW,
                bytes,
                bytes_max,
            } => Error::TooLarge {
                what: "row",
                bytes,
                bytes_max,
            },
            error => Error::Protocol {
                place: self.place.clone(),
                reason: error.to_string(),
            },
        }
    }

    /// The error for a frame that does not belong here.
    pub(crate) fn unexpected(&self, what: &str) -> Error {
        Error::Protocol {
            place: self.place.clone(),
            reason: format!("it sent {what}"),
        }
    }
}

/// The frame at the front of `bytes`, if it is whole.
#[inline]
pub(crate) fn whole(bytes: &[u8]) -> Option<Frame<'_>> {
    match scan(bytes, |_| usize::MAX) {
        Ok(Scan::Whole(frame)) => Some(frame),
        _ => None,
    }
}
