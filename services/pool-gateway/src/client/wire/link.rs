//! A session and a server connection that belong to each other for a while.
//!
//! Holds what is on the way between the two: frames that arrived in part, bytes that a socket did not take yet, and
//! what the server still has to answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::sync::oneshot;
use tokio::time::Instant;
use weir_pgwire::backend::TransactionStatus;
use weir_pgwire::request::Bind;
use weir_pgwire::request::tag;
use weir_pgwire::{Scan, scan};
use weir_sql::Statement;

use super::client_side::ClientSide;
use super::expect::{Expectations, Expected};
use super::recalling::Fill;
use super::statements::Prepared;
use crate::mirror::OK;
use crate::pool::{Lease, Reading};

/// A batch of frames up to this length can be sent again when its statements have to be prepared anew.
pub(super) const REPLAY_BYTES_MAX: usize = 16 * 1024;
/// Answers that may be outstanding before no more is taken from the client.
const EXPECTED_MAX: usize = 10_000;

/// Frames of the present batch, kept in case that it has to be sent again.
#[derive(Debug, Default)]
pub(super) struct Replay {
    frames: Vec<u8>,
    is_void: bool,
    /// The client has been sent something of the answer.
    pub(super) is_answered: bool,
    /// The server failed it for a reason of the gateway's own; what follows up to ReadyForQuery is dropped, and the
    /// batch is sent again.
    pub(super) is_due: bool,
}

impl Replay {
    /// Keeps a frame.
    pub(super) fn keep(&mut self, frame: &[u8]) {
        if self.frames.len() + frame.len() > REPLAY_BYTES_MAX {
            self.is_void = true;
        }
        if !self.is_void {
            self.frames.extend_from_slice(frame);
        }
    }

    /// It cannot be sent again.
    pub(super) const fn give_up(&mut self) {
        self.is_void = true;
    }

    pub(super) const fn is_possible(&self) -> bool {
        !self.is_void && !self.is_answered && !self.frames.is_empty()
    }

    /// Whether the client is told in this batch what its rows look like, and does not go by what it was told before.
    pub(super) fn describes(&self) -> bool {
        let (mut asks, mut knows) = (false, false);
        let mut rest = self.frames.as_slice();
        while let Ok(Scan::Whole(frame)) = scan(rest, |_| usize::MAX) {
            match frame.tag {
                tag::PARSE => return true,
                tag::DESCRIBE => asks = true,
                // A format for each column is for the columns that it knows.
                tag::BIND => knows |= Bind::read(frame.body).is_ok_and(|bind| bind.result_formats().len() > 1),
                _ => {}
            }
            rest = rest.get(frame.bytes()..).unwrap_or_default();
        }
        asks && !knows
    }

    /// The batch, to be sent again.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let frames = std::mem::take(&mut self.frames);
        self.begin();
        frames
    }

    /// Another batch begins.
    pub(super) fn begin(&mut self) {
        self.frames.clear();
        self.is_void = false;
        self.is_answered = false;
        self.is_due = false;
    }
}

/// A session with a server connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) lease: Lease,
    pub(super) expected: Expectations,
    /// Bytes that the server did not take yet.
    pub(super) to_server: BytesMut,
    /// A frame of the server's that arrived in part.
    pub(super) from_server: BytesMut,
    /// Bytes of the server's present frame that are still to be passed on as they come.
    pub(super) skip_to_client: usize,
    /// Bytes of the client's present frame that are still to be passed on as they come.
    pub(super) skip_to_server: usize,
    /// They are dropped instead: the frame was refused.
    pub(super) drops_rest: bool,
    /// As the last ReadyForQuery said.
    pub(super) status: TransactionStatus,
    /// The present transaction, or the statement outside one, failed.
    pub(super) failed: bool,
    /// The code of the error in the present request, and how many rows its command tags have counted.
    pub(super) sqlstate: [u8; 5],
    pub(super) tagged_rows: u64,
    /// The command that ended the transaction was a rollback.
    pub(super) rolled_back: bool,
    /// The client sends COPY data.
    pub(super) copies_in: bool,
    /// The unnamed statement on this server.
    pub(super) unnamed: Option<u64>,
    /// Portals that were bound, with their statements.
    pub(super) portals: Vec<(Box<[u8]>, Arc<Prepared>)>,
    pub(super) replay: Replay,
    /// Number of the present batch, counted from 1.
    pub(super) batch: u64,
    /// Cancels on their way; the connection is nobody else's until they have arrived.
    pub(super) cancels: Vec<oneshot::Receiver<()>>,
    /// A cancel came while the server did something of the gateway's own for the statement, and waits until that is done.
    pub(super) cancel_waits: bool,
    /// The present statement was cancelled because it ran too long.
    pub(super) overdue: bool,
    /// How long the present statement waited for the connection.
    pub(super) waited: Duration,
    /// Names that the client's own statements were given on the server.
    pub(super) has_foreign_names: bool,
    /// The client has begun a batch and not ended it: what the server did of it is not committed.
    pub(super) is_open: bool,
    /// The server has said why it goes, and the client has heard it.
    pub(super) has_ended: bool,
    /// The batch has failed, and the server hears nothing before its end.
    pub(super) skips: bool,
    /// Nothing has been asked yet: the request that it was made for is still to come.
    pub(super) is_fresh: bool,
    /// Somebody asked for the answers so far.
    pub(super) flush_asked: bool,
    /// The server is a replica, and this its work.
    pub(super) reading: Option<Reading>,
    /// Nothing more is sent on it before everything is answered.
    pub(super) waits: bool,
    /// The transaction goes on on the primary.
    pub(super) moves: bool,
    /// The present result is to be kept.
    pub(super) fill: Option<Box<Fill>>,
}

impl Link {
    pub(super) fn new(lease: Lease, waited: Duration) -> Box<Self> {
        Box::new(Self {
            lease,
            expected: Expectations::default(),
            to_server: BytesMut::new(),
            from_server: BytesMut::new(),
            skip_to_client: 0,
            skip_to_server: 0,
            drops_rest: false,
            status: TransactionStatus::Idle,
            failed: false,
            sqlstate: OK,
            tagged_rows: 0,
            rolled_back: false,
            copies_in: false,
            unnamed: None,
            portals: Vec::new(),
            replay: Replay::default(),
            batch: 1,
            cancels: Vec::new(),
            cancel_waits: false,
            overdue: false,
            waited,
            has_foreign_names: false,
            is_open: false,
            has_ended: false,
            skips: false,
            is_fresh: true,
            flush_asked: false,
            reading: None,
            waits: false,
            moves: false,
            fill: None,
        })
    }

    /// Whether the server has answered everything and no transaction is open.
    pub(super) fn is_at_rest(&self) -> bool {
        self.is_in_step() && self.status == TransactionStatus::Idle
    }

    /// Whether the server has answered everything, and waits for no end of a batch.
    pub(super) fn is_in_step(&self) -> bool {
        self.has_answered() && !self.is_open
    }

    /// Whether the server has answered everything so far.
    pub(super) fn has_answered(&self) -> bool {
        self.expected.is_empty()
            && self.to_server.is_empty()
            && self.from_server.is_empty()
            && self.skip_to_client == 0
            && self.skip_to_server == 0
    }

    /// Whether a statement runs.
    pub(super) fn is_busy(&self) -> bool {
        !self.expected.is_empty()
    }

    /// Whether more may be taken from the client.
    pub(super) fn has_room(&self) -> bool {
        self.to_server.is_empty() && self.expected.len() < EXPECTED_MAX && (!self.waits || self.is_in_step())
    }

    /// The statement that runs.
    pub(super) fn running(&mut self) -> Option<Arc<Statement>> {
        match self.expected.front() {
            Some(Expected::Query(ongoing) | Expected::Execute(ongoing)) => Some(ongoing.statement.clone()),
            _ => None,
        }
    }

    /// The client sent this: a batch begins with it, goes on or ends.
    pub(super) const fn note_batch(&mut self, tag: u8) {
        match tag {
            tag::PARSE | tag::BIND | tag::DESCRIBE | tag::EXECUTE | tag::CLOSE | tag::FLUSH => self.is_open = true,
            tag::QUERY | tag::FUNCTION_CALL if !self.skips => self.is_open = false,
            // While COPY data is awaited the server does not hear it.
            tag::SYNC if !self.copies_in => {
                self.is_open = false;
                self.skips = false;
            }
            _ => {}
        }
    }

    /// Awaits an answer.
    pub(super) fn expect(&mut self, expected: Expected) {
        self.expected.push(expected);
    }

    /// The statement of a portal.
    pub(super) fn portal(&self, name: &[u8]) -> Option<&Arc<Prepared>> {
        let found = self.portals.iter().find(|(known, _)| **known == *name);
        found.map(|(_, prepared)| prepared)
    }

    /// A portal is bound to a statement.
    pub(super) fn bind_portal(&mut self, name: &[u8], prepared: Arc<Prepared>) {
        match self.portals.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, bound)) => *bound = prepared,
            None => self.portals.push((name.into(), prepared)),
        }
    }

    /// The server took some bytes.
    pub(super) fn sent(&mut self, count: usize) {
        self.to_server.advance(count.min(self.to_server.len()));
        if self.to_server.is_empty() {
            self.to_server = BytesMut::new();
        }
    }

    /// The client has kept the statement that runs waiting since then.
    pub(super) fn drained(&mut self, me: &mut ClientSide, since: Instant) {
        let waited = me.now.duration_since(since);
        if let Some(copying) = &mut me.copying {
            copying.drained(waited);
        }
        let micros = crate::client::micros(waited);
        if let Some(Expected::Query(ongoing) | Expected::Execute(ongoing)) = self.expected.front() {
            ongoing.drain_us += micros;
        }
    }
}
