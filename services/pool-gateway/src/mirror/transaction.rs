//! A transaction as it was done, kept to be done once more.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use weir_sql::Kind;

use super::Mirror;
use crate::profile::Profile;

/// What keeping a request costs beside its bytes, give or take.
const REQUEST_BYTES: usize = 256;

/// The code where nothing failed.
pub(crate) const OK: [u8; 5] = [0; 5];

/// Bytes of the mirror's bound, given back when they are dropped.
#[derive(Debug)]
struct Hold {
    mirror: Arc<Mirror>,
    bytes: usize,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.mirror.release(self.bytes);
    }
}

/// A prepared statement, as the mirror prepares it.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) id: u64,
    pub(crate) name: Arc<[u8]>,
    pub(crate) sql: Arc<[u8]>,
    pub(crate) types: Arc<[u8]>,
    /// It may stay prepared under its name.
    pub(crate) stays: bool,
}

/// One piece of a request.
#[derive(Debug)]
pub(crate) enum Step {
    /// A frame that goes out as it came.
    Frame(Vec<u8>),
    /// A Bind as it came, and the statement that it binds.
    Bind(Text, Vec<u8>),
}

/// How a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// [`OK`] where nothing failed.
    pub(crate) sqlstate: [u8; 5],
    /// Rows as the command tags count them.
    pub(crate) rows: u64,
    pub(crate) took: Duration,
}

/// A query, or everything up to a Sync.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) steps: Vec<Step>,
    pub(crate) is_simple: bool,
    /// What its first statement is that does something; none where none does.
    pub(crate) kind: Option<Kind>,
    pub(crate) leaves_traces: bool,
    /// When the server was sent its end.
    pub(crate) sent_at: Instant,
    /// What the server answered.
    pub(crate) answer: Answer,
    hold: Hold,
}

impl Request {
    /// An empty one; none where the mirror holds as much as it may.
    pub(crate) fn new(mirror: &Arc<Mirror>, now: Instant) -> Option<Self> {
        mirror.hold(REQUEST_BYTES).then(|| Self {
            steps: Vec::new(),
            is_simple: false,
            kind: None,
            leaves_traces: false,
            sent_at: now,
            answer: Answer {
                sqlstate: OK,
                rows: 0,
                took: Duration::ZERO,
            },
            hold: Hold {
                mirror: mirror.clone(),
                bytes: REQUEST_BYTES,
            },
        })
    }

    /// Counts bytes that it is about to keep. False: there is no room for them.
    fn grows(&mut self, bytes: usize) -> bool {
        let grows = self.hold.mirror.hold(bytes);
        if grows {
            self.hold.bytes += bytes;
        }
        grows
    }

    /// Keeps a frame. False: there is no room for it.
    pub(crate) fn keep(&mut self, frame: &[u8]) -> bool {
        let grows = self.grows(frame.len());
        if grows {
            match self.steps.last_mut() {
                Some(Step::Frame(frames)) => frames.extend_from_slice(frame),
                _ => self.steps.push(Step::Frame(frame.to_vec())),
            }
        }
        grows
    }

    /// Keeps a Bind of this statement. False: there is no room for it.
    pub(crate) fn keep_bind(&mut self, text: Text, frame: &[u8]) -> bool {
        let grows = self.grows(frame.len() + text.sql.len());
        if grows {
            self.steps.push(Step::Bind(text, frame.to_vec()));
        }
        grows
    }

    /// Keeps more of the Bind at the end. False: there is no room for it.
    pub(crate) fn keep_more(&mut self, bytes: &[u8]) -> bool {
        let grows = self.grows(bytes.len());
        if grows && let Some(Step::Bind(_, frame)) = self.steps.last_mut() {
            frame.extend_from_slice(bytes);
        }
        grows
    }
}

/// What a session did from one rest to the next.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// What its session looked like when it began.
    pub(crate) profile: Arc<Profile>,
    /// With what it was begun, where the gateway answered that itself.
    pub(crate) begin: Option<Box<str>>,
    pub(crate) requests: Vec<Request>,
    /// When the server had done it.
    pub(crate) ended_at: Instant,
}

impl Transaction {
    pub(crate) const fn new(profile: Arc<Profile>, begin: Option<Box<str>>, now: Instant) -> Self {
        Self {
            profile,
            begin,
            requests: Vec::new(),
            ended_at: now,
        }
    }

    /// Whether there is anything in it that is worth doing.
    pub(crate) fn works(&self) -> bool {
        self.requests.iter().any(|request| request.kind.is_some())
    }

    /// Whether something of it may be left in the session that does it.
    pub(crate) fn leaves_traces(&self) -> bool {
        self.requests.iter().any(|request| request.leaves_traces)
    }
}
