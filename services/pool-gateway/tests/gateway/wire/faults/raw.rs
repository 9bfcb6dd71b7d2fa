//! A client that sends what it likes.

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use weir_pgwire::backend::{ErrorFields, field, tag};
use weir_pgwire::frontend::{self, ProtocolVersion};
use weir_pgwire::{Header, Scan, scan};

use super::super::Stage;
use super::ANSWER_WITHIN;

/// A frame of the gateway's: its tag and its body.
pub(in super::super) type Said = (u8, BytesMut);

/// One read takes about so much.
const READ_BYTES: usize = 256 * 1024;
/// Tag, length, number of values, and the length of the first one.
pub(super) const ROW_HEAD_BYTES: usize = 11;

/// A client that sends what it likes.
pub(in super::super) struct Raw {
    pub(super) stream: TcpStream,
    inbound: BytesMut,
}

/// The first frame of a session with this database.
pub(super) fn startup(database: &str) -> BytesMut {
    let mut out = BytesMut::new();
    let who = [("user", "postgres"), ("database", database)];
    frontend::startup(&mut out, ProtocolVersion::V3_0, who).unwrap();
    out
}

/// A statement in the simple protocol.
pub(in super::super) fn query(sql: &str) -> BytesMut {
    let mut out = BytesMut::new();
    frontend::query(&mut out, sql).unwrap();
    out
}

impl Raw {
    /// One that has not said anything.
    pub(super) async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            inbound: BytesMut::new(),
        }
    }

    /// One that has been let in.
    pub(in super::super) async fn log_in(stage: &Stage) -> Self {
        Self::log_in_at(stage.gateway.wire_port, stage.database.name()).await
    }

    /// One that speaks another encoding from the beginning.
    pub(super) async fn log_in_speaking(stage: &Stage, encoding: &str) -> Self {
        let mut client = Self::connect(stage.gateway.wire_port).await;
        let mut out = BytesMut::new();
        let who = [
            ("user", "postgres"),
            ("database", stage.database.name()),
            ("client_encoding", encoding),
        ];
        frontend::startup(&mut out, ProtocolVersion::V3_0, who).unwrap();
        client.send(&out).await;
        client.until_ready().await;
        client
    }

    /// The same, with what it was told at first.
    pub(in super::super) async fn greeted(stage: &Stage) -> (Self, Vec<Said>) {
        Self::greeted_at(stage.gateway.wire_port, stage.database.name()).await
    }

    pub(super) async fn log_in_at(port: u16, database: &str) -> Self {
        Self::greeted_at(port, database).await.0
    }

    async fn greeted_at(port: u16, database: &str) -> (Self, Vec<Said>) {
        let mut client = Self::connect(port).await;
        client.send(&startup(database)).await;
        let said = client.until_ready().await;
        (client, said)
    }

    /// The gateway may have had enough meanwhile.
    pub(in super::super) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next frame; `None` at the end.
    pub(in super::super) async fn frame(&mut self) -> Option<Said> {
        loop {
            if let Ok(Scan::Whole(frame)) = scan(&self.inbound, |_| usize::MAX) {
                let (tag, bytes) = (frame.tag, frame.bytes());
                let mut whole = self.inbound.split_to(bytes);
                whole.advance(5);
                return Some((tag, whole));
            }
            let read = timeout(ANSWER_WITHIN, self.stream.read_buf(&mut self.inbound)).await;
            if !matches!(read.expect("the gateway says nothing"), Ok(1..)) {
                return None;
            }
        }
    }

    /// Takes a frame that has to be this one.
    pub(super) async fn pass(&mut self, wanted: u8) {
        let (tag, body) = self.frame().await.expect("the session goes on");
        assert_eq!(tag, wanted, "{body:?}");
    }

    /// Reads a row of one value without keeping it, and counts its bytes, all of which have to be this one.
    pub(super) async fn count_through(&mut self, byte: u8) -> usize {
        let header = loop {
            match Header::read(&self.inbound).unwrap() {
                Some(header) => break header,
                None => self.read_more().await,
            }
        };
        assert_eq!(header.tag(), tag::DATA_ROW);
        while self.inbound.len() < ROW_HEAD_BYTES {
            self.read_more().await;
        }
        self.inbound.advance(ROW_HEAD_BYTES);
        let value_bytes = header.frame_bytes() - ROW_HEAD_BYTES;
        let (mut left, pattern) = (value_bytes, vec![byte; READ_BYTES]);
        while left > 0 {
            if self.inbound.is_empty() {
                self.read_more().await;
            }
            let here = self.inbound.split_to(left.min(self.inbound.len()).min(READ_BYTES));
            left -= here.len();
            assert!(here == pattern[..here.len()], "a byte is not as it was");
        }
        value_bytes
    }

    /// What has come of a frame that never came whole.
    pub(super) fn fragment(&self) -> &[u8] {
        &self.inbound
    }

    async fn read_more(&mut self) {
        self.inbound.reserve(READ_BYTES);
        let read = timeout(ANSWER_WITHIN, self.stream.read_buf(&mut self.inbound)).await;
        assert!(matches!(read.expect("the gateway says nothing"), Ok(1..)), "it ended");
    }

    /// Everything up to ReadyForQuery, or up to the end.
    pub(in super::super) async fn until_ready(&mut self) -> Vec<Said> {
        let mut said = Vec::new();
        while let Some(frame) = self.frame().await {
            let is_last = frame.0 == tag::READY_FOR_QUERY;
            said.push(frame);
            if is_last {
                break;
            }
        }
        said
    }

    /// Everything up to the end.
    pub(in super::super) async fn until_end(&mut self) -> Vec<Said> {
        let mut said = Vec::new();
        while let Some(frame) = self.frame().await {
            said.push(frame);
        }
        said
    }

    /// Goes without a word, as a process does that was killed with unread answers.
    pub(in super::super) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }
}

/// The tags of some frames.
pub(in super::super) fn tags(said: &[Said]) -> String {
    said.iter().map(|(tag, _)| char::from(*tag)).collect()
}

/// Severity and code of the last error among some frames.
pub(in super::super) fn last_error(said: &[Said]) -> Option<(String, String)> {
    let (_, body) = said.iter().rev().find(|(tag, _)| *tag == tag::ERROR_RESPONSE)?;
    let fields = ErrorFields::parse("ErrorResponse", body).unwrap();
    let text = |code| {
        let found = fields.iter().find(|(own, _)| *own == code);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    Some((text(field::SEVERITY)?, text(field::SQLSTATE)?))
}
