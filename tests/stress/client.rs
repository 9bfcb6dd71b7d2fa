//! One client: it keeps choosing operations until the run ends, and starts a new session whenever one has broken.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use weir_pgwire::backend::{Message, tag};
use weir_tests::wire::{Address, Connection, Fault, Received, ServerError};

use crate::frames::Frames;
use crate::ledger::{Fate, Ledger};
use crate::ops::{self, Op};
use crate::reply::{Outcome, Reply, Trouble, short};
use crate::session::{INITIAL_TIME_ZONE, Session, application_name};
use crate::tally::{Oracle, Tally};

/// Longer than any answer may take.
const HUNG_AFTER: Duration = Duration::from_secs(30);
/// Before a log-in that failed is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// What all clients share.
pub(crate) struct Shared {
    /// Where they log in.
    pub(crate) address: Address,
    /// What is counted.
    pub(crate) tally: Tally,
    /// The right to bind a server.
    pub(crate) pins: Arc<Semaphore>,
    /// What they do.
    pub(crate) ops: Vec<Op>,
    /// Whether connections may break.
    pub(crate) chaos: bool,
    /// The end by the clock.
    pub(crate) end: Option<Instant>,
    /// The end by a number of queries.
    pub(crate) queries_max: u64,
}

impl Shared {
    /// Whether the run goes on.
    pub(crate) fn goes_on(&self) -> bool {
        let queries = self.tally.queries.load(Ordering::Relaxed);
        queries < self.queries_max && self.end.is_none_or(|end| Instant::now() < end)
    }
}

/// One client.
pub(crate) struct Client {
    pub(crate) id: u32,
    pub(crate) rng: fastrand::Rng,
    pub(crate) shared: Arc<Shared>,
    pub(crate) session: Session,
    pub(crate) ledger: Ledger,
    /// Notifications that came and were not asked for yet.
    pub(crate) notified: Vec<String>,
    connection: Option<Connection>,
    tags: u64,
}

impl Client {
    pub(crate) fn new(id: u32, seed: u64, shared: Arc<Shared>) -> Self {
        Self {
            id,
            rng: fastrand::Rng::with_seed(seed.wrapping_add(u64::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15))),
            shared,
            session: Session::new(id),
            ledger: Ledger::default(),
            notified: Vec::new(),
            connection: None,
            tags: 0,
        }
    }

    /// Works until the run ends; the ledger tells what was written.
    pub(crate) async fn work(mut self) -> Ledger {
        while self.shared.goes_on() {
            let op = self.choose();
            let outcome = timeout(HUNG_AFTER, Box::pin(self.step(op))).await;
            match outcome {
                Ok(Ok(())) => self.shared.tally.did(op.name()),
                Ok(Err(trouble)) => self.suffer(op, trouble).await,
                Err(_) => {
                    let id = self.id;
                    self.shared.tally.saw(Oracle::Hung, || format!("client {id} in {op:?}"));
                    self.forget_session();
                }
            }
        }
        if let Some(connection) = self.connection.take() {
            // Whether the other side still listens makes no difference now.
            let _closed = connection.close().await;
        }
        self.ledger
    }

    /// Who binds a server comes to an end with that soon.
    fn choose(&mut self) -> Op {
        if self.session.pin.is_some() && self.rng.bool() {
            return Op::Pinned;
        }
        let index = self.rng.usize(0..self.shared.ops.len());
        self.shared.ops[index]
    }

    async fn step(&mut self, op: Op) -> Outcome {
        if self.connection.is_none() {
            let name = application_name(self.id);
            let parameters = [("application_name", name.as_str()), ("TimeZone", INITIAL_TIME_ZONE)];
            let opened = Connection::open(&self.shared.address, &parameters).await;
            self.connection = Some(opened?);
            self.shared.tally.connects.fetch_add(1, Ordering::Relaxed);
        }
        ops::run(self, op).await
    }

    /// Counts what went wrong and starts anew: what the session looks like now, nobody knows.
    async fn suffer(&mut self, op: Op, trouble: Trouble) {
        let (oracle, what) = judge(trouble);
        let may_break = self.shared.chaos && matches!(oracle, Oracle::Broken);
        if may_break {
            self.shared.tally.broken_by_chaos.fetch_add(1, Ordering::Relaxed);
        } else {
            let id = self.id;
            self.shared
                .tally
                .saw(oracle, || format!("client {id} in {op:?}: {what}"));
        }
        if self.connection.is_none() {
            sleep(AGAIN_AFTER).await;
        }
        self.forget_session();
    }

    /// Leaves without a word, where there is still somebody to leave.
    pub(crate) fn forget_session(&mut self) {
        if let Some(connection) = self.connection.take() {
            // A socket that cannot be reset is closed when it is dropped.
            let _reset = connection.abort();
        }
        self.fresh_session();
    }

    /// Leaves with a goodbye, whatever is open.
    pub(crate) async fn leave(&mut self) -> Outcome {
        self.send(&Frames::default().terminate()).await?;
        self.connection = None;
        self.fresh_session();
        Ok(())
    }

    fn fresh_session(&mut self) {
        self.notified.clear();
        self.session = Session::new(self.id);
    }

    /// A text that nobody else uses, and this client only once.
    pub(crate) fn tag(&mut self) -> String {
        self.tags += 1;
        format!("{}{}", application_name(self.id), self.tags)
    }

    pub(crate) fn connection(&mut self) -> Result<&mut Connection, Trouble> {
        self.connection
            .as_mut()
            .ok_or_else(|| Trouble::Lost("there is none".to_owned()))
    }

    /// Sends frames.
    pub(crate) async fn send(&mut self, frames: &Frames) -> Outcome {
        Ok(self.connection()?.send(frames.bytes()).await?)
    }

    /// Collects frames up to one of these.
    pub(crate) async fn collect(&mut self, ends: &[u8]) -> Result<Reply, Trouble> {
        let mut reply = Reply::default();
        loop {
            let received = match self.connection()?.receive().await {
                Ok(received) => received,
                Err(fault) => return Err(last_words(reply, fault)),
            };
            if received.tag == tag::NOTIFICATION_RESPONSE {
                self.hear(&received)?;
            } else if ![tag::NOTICE_RESPONSE, tag::PARAMETER_STATUS].contains(&received.tag) {
                reply.add(&received)?;
            }
            if ends.contains(&received.tag) {
                self.shared.tally.queries.fetch_add(1, Ordering::Relaxed);
                return Ok(reply);
            }
        }
    }

    /// Sends frames and collects up to the end of the answer.
    pub(crate) async fn round(&mut self, frames: &Frames) -> Result<Reply, Trouble> {
        self.send(frames).await?;
        self.collect(&[tag::READY_FOR_QUERY]).await
    }

    /// Asks in the simple protocol.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<Reply, Trouble> {
        self.round(&Frames::query(sql)).await
    }

    /// Asks, and expects exactly this.
    pub(crate) async fn ask(&mut self, sql: &str, shape: &str, values: &[&str]) -> Outcome {
        self.query(sql).await?.expect(shape, values)
    }

    /// Commands that return no rows, one after the other, each with what must follow.
    pub(crate) async fn command(&mut self, sql: &str, shape: &str, tag: &str) -> Outcome {
        self.query(sql).await?.expect_done(shape, &[tag])
    }

    /// The channel that only this client listens to.
    pub(crate) fn channel(&self) -> String {
        format!("ch_{}", self.id)
    }

    fn hear(&mut self, received: &Received) -> Outcome {
        if let Message::NotificationResponse(told) = received.message()? {
            let (channel, payload) = (text(told.channel), text(told.payload));
            let listens = self.session.pin.as_ref().is_some_and(|pin| pin.listens);
            if listens && channel == self.channel() {
                self.notified.push(payload);
            } else {
                let id = self.id;
                self.shared.tally.saw(Oracle::NotificationForeign, || {
                    format!("client {id} was told {payload} on {channel}")
                });
            }
        }
        Ok(())
    }

    /// A write that is about to be sent.
    pub(crate) fn begin_write(&mut self) -> crate::ledger::Entry {
        self.ledger.begin()
    }

    /// What became of writes.
    pub(crate) fn settle(&mut self, entries: &[crate::ledger::Entry], fate: Fate) {
        entries.iter().for_each(|entry| self.ledger.settle(*entry, fate));
    }
}

/// A server that ends a session says why, and then closes: what it said counts.
fn last_words(reply: Reply, fault: Fault) -> Trouble {
    match reply.error {
        Some(error) => Trouble::Error(error),
        None => fault.into(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn judge(trouble: Trouble) -> (Oracle, String) {
    match trouble {
        Trouble::Lost(what) => (Oracle::Broken, what),
        Trouble::Desync(what) => (Oracle::Desync, short(&what)),
        Trouble::Wrong(oracle, what) => (oracle, what),
        Trouble::Error(error) => (blame(&error), error.to_string()),
    }
}

/// What an error that nothing called for is a sign of.
fn blame(error: &ServerError) -> Oracle {
    match error.sqlstate.as_str() {
        "57014" if error.message.contains("statement timeout") => Oracle::SetLeaked,
        "57014" => Oracle::StrayCancel,
        "26000" => Oracle::PreparedLost,
        "42P05" => Oracle::PreparedForeign,
        "42P07" => Oracle::TempForeign,
        "42P01" | "34000" => Oracle::TempLost,
        // The server is ended or gone, or the connection to it is.
        state if state.starts_with("57P") || state.starts_with("08") => Oracle::Broken,
        _ => Oracle::UnexpectedError,
    }
}
