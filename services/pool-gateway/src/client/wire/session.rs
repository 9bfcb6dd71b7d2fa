//! The life of one session of the PostgreSQL door, from its first request to its last.
//!
//! One task. It holds no buffer while it waits: what a socket gives is read into memory that all sessions of a thread
//! share, and what cannot be passed on at once is the only thing that is kept.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use bytes::{Buf as _, BytesMut};
use weir_pgwire::backend::TransactionStatus;

use super::client_side::{ClientSide, Pending};
use super::link::Link;
use super::refusal::Refusal;
use super::replies::Output;
use super::requests::Fatal;
use super::seat::{CANCEL, Doing, HOPELESS, KILL, LEAVE, MOVED, OVERDUE, REVIEW, TELL};
use crate::pool::{Lease, Right, Ticket};
use crate::settings::PoolMode;
use crate::workers::current_worker;

/// One read takes at most so much.
const READ_BYTES: usize = 64 * 1024;
/// What the shared buffers may keep for the next session.
const KEPT_BYTES_MAX: usize = 256 * 1024;
/// So often a session may go on before others of its thread have their turn.
const ROUNDS_MAX: usize = 32;

/// Memory that the sessions of a thread share. Nobody holds it while waiting.
struct Scratch {
    read: Box<[u8]>,
    out: BytesMut,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        read: vec![0; READ_BYTES].into_boxed_slice(),
        out: BytesMut::new(),
    });
}

/// What a session has to wait for outside its two pipes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// A server.
    Link,
    /// Memory that is fresh enough.
    Freshen,
    /// The server is at rest, and something is left to be put in order.
    Settle,
    /// Another thread is to serve it.
    Move,
    /// It is over.
    End,
}

/// What the line came to, for a session that has to do something before it can use it.
#[derive(Debug)]
pub(super) enum Found {
    /// A server whose session does not fit yet.
    Lease(Lease),
    /// The right to open one.
    Right(Right),
}

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) me: ClientSide,
    pub(super) link: Option<Box<Link>>,
    /// Its place in the line for a server.
    pub(super) ticket: Option<Ticket>,
    /// What was found, where something has to be done with it that takes its time.
    pub(super) found: Option<Found>,
}

impl Session {
    /// Serves the client until one of the two has had enough. Returned, it goes on on another thread.
    pub(super) async fn run(mut self: Box<Self>) -> Option<Box<Self>> {
        loop {
            match poll_fn(|cx| self.poll(cx)).await {
                Turn::Link => Box::pin(self.find_server()).await,
                Turn::Freshen => Box::pin(self.freshen()).await,
                Turn::Settle => Box::pin(self.settle()).await,
                Turn::Move => return Some(self),
                Turn::End => break,
            }
        }
        Box::pin(self.leave()).await;
        None
    }

    /// The thread that is to serve it.
    pub(super) fn home(&self) -> usize {
        self.me.seat.home()
    }

    /// It is served by this thread after all.
    pub(super) fn stay(&self) {
        self.me.seat.moves_to(current_worker());
    }

    /// The same session, served by the thread that calls from now on. `None`: its client was lost on the way.
    pub(super) fn move_here(mut self: Box<Self>) -> Option<Box<Self>> {
        self.stay();
        match self.me.stream.move_here() {
            Ok(stream) => {
                self.me.stream = stream;
                self.me.door.metrics.client_moves.with([]).inc();
                Some(self)
            }
            Err(_) => {
                self.me.door.seats.leave(self.me.seat.id, &self.me.door.witness.ledger);
                None
            }
        }
    }

    /// Whether another thread is to serve it, and may: it holds nothing that belongs to this one.
    fn is_to_move(&self) -> bool {
        let me = &self.me;
        self.home() != current_worker()
            && self.link.is_none()
            && self.ticket.is_none()
            && self.found.is_none()
            && me.rests()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        self.me.look_at_clock();
        self.me.seat.listen(cx.waker());
        self.heed();
        if self.is_to_move() {
            return Poll::Ready(Turn::Move);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let turn = self.relay(cx, scratch);
            scratch.out.clear();
            if scratch.out.capacity() > KEPT_BYTES_MAX {
                scratch.out = BytesMut::new();
            }
            turn
        })
    }

    /// Does what others ask.
    fn heed(&mut self) {
        let wishes = self.me.seat.wishes();
        if wishes == 0 {
            return;
        }
        if wishes & REVIEW != 0 {
            self.review();
        }
        if wishes & TELL != 0 {
            self.tell_last();
        }
        if wishes & (CANCEL | OVERDUE) != 0 {
            self.cancel(wishes & OVERDUE != 0);
        }
        if wishes & MOVED != 0 {
            self.leave_old_primary();
        }
        if wishes & HOPELESS != 0 {
            self.give_up_server();
        }
        let leaves =
            wishes & LEAVE != 0 && self.link.is_none() && self.ticket.is_none() && self.me.pending == Pending::Idle;
        if (wishes & KILL != 0 || leaves) && !self.me.ends {
            let words = "terminating connection due to administrator command";
            self.dismiss(&Refusal::new("57P01", words));
        }
    }

    /// Cancels the statement that runs. Where it waits only, [`Session::find_server`] hears the wish itself.
    fn cancel(&mut self, overdue: bool) {
        if self.ticket.is_some() {
            return self.give_up_waiting(overdue);
        }
        let Some(link) = &mut self.link else { return };
        if overdue && !link.is_busy() {
            let words = "terminating connection due to idle-in-transaction timeout";
            return self.me.dismiss(&Refusal::new("25P03", words));
        }
        if !link.is_busy() {
            return;
        }
        link.overdue |= overdue;
        link.cancel_waits = true;
        self.send_cancel();
    }

    /// Sends the server a cancel that waits, as soon as it meets the client's statement. Before that it would meet what
    /// goes ahead of it: a transaction whose BEGIN was cancelled would never have begun, and its statement would be
    /// committed by itself.
    fn send_cancel(&mut self) {
        let Some(link) = self.link.as_mut().filter(|link| link.cancel_waits) else {
            return;
        };
        if link.expected.front().is_some_and(|front| front.is_hidden()) {
            return;
        }
        link.cancel_waits = false;
        let Some(connection) = link.lease.connection().filter(|_| !link.expected.is_empty()) else {
            return;
        };
        let (token, (done, arrived)) = (connection.cancel_token(), tokio::sync::oneshot::channel());
        link.cancels.push(arrived);
        let tasks = &self.me.pool.common.tasks;
        tasks.spawn_short(weir_runtime::Stage::Flow, "cancel", async move {
            // A server that is gone needs no cancel.
            let _ = token.cancel().await;
            drop(done);
        });
    }

    fn relay(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<Turn> {
        for rounds in 0..ROUNDS_MAX {
            // What took one round or two took no time worth telling.
            if rounds > 1 {
                self.me.look_at_clock();
            }
            let round = self.round(cx, scratch);
            match round {
                Ok(Poll::Ready(None)) => {}
                Ok(Poll::Ready(Some(turn))) => return Poll::Ready(turn),
                Ok(Poll::Pending) => return Poll::Pending,
                Err(Broken::Client) => return Poll::Ready(Turn::End),
                Err(Broken::Server(why)) => self.server_lost(&why),
                Err(Broken::Protocol(refusal)) => self.dismiss(&refusal),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Moves what can be moved, once in each direction. Ready without a turn: there may be more.
    fn round(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<Poll<Option<Turn>>, Broken> {
        self.me.push_out(cx)?;
        if self.me.ends {
            return Ok(Poll::Ready(Some(Turn::End)));
        }
        let mut moved = false;
        if self.ticket.is_some() {
            match self.wait_in_line(cx)? {
                Poll::Ready(turn @ Some(_)) => return Ok(Poll::Ready(turn)),
                Poll::Ready(None) => {}
                Poll::Pending => return Ok(Poll::Pending),
            }
        }
        if self.link.is_some() {
            moved |= self.serve_server(cx, scratch)?;
            self.send_cancel();
            if let Some(turn) = self.after_answers() {
                return Ok(Poll::Ready(Some(turn)));
            }
        }
        if !self.me.ends && self.me.outbound.is_empty() {
            match self.serve_client(cx, scratch)? {
                Served::Moved => moved = true,
                Served::NeedsServer => return Ok(Poll::Ready(Some(Turn::Link))),
                Served::Freshens => return Ok(Poll::Ready(Some(Turn::Freshen))),
                Served::Nothing => {}
            }
        }
        // Bytes that the client could not take are waited for with everything else.
        Ok(if moved { Poll::Ready(None) } else { Poll::Pending })
    }

    /// Sends the server what it did not take, and passes on what it answers.
    fn serve_server(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<bool, Broken> {
        let Some(link) = &mut self.link else { return Ok(false) };
        let mut moved = link.push_to_server(cx)?;
        if !self.me.outbound.is_empty() {
            return Ok(moved);
        }
        if let Some(since) = self.me.blocked_since.take() {
            link.drained(&mut self.me, since);
        }
        scratch.out.clear();
        link.say_at_flush(&mut scratch.out);
        if !scratch.out.is_empty() {
            self.me.send(cx, &scratch.out)?;
            scratch.out.clear();
        }
        let Some(connection) = link.lease.connection() else {
            return Ok(moved);
        };
        let Poll::Ready(count) = connection.poll_bytes(cx, &mut scratch.read).map_err(Broken::server)? else {
            return Ok(moved);
        };
        if count == 0 {
            return Err(Broken::Server("the server closed the connection".to_owned()));
        }
        moved = true;
        self.answers(cx, count, scratch)?;
        Ok(moved)
    }

    fn answers(&mut self, cx: &mut Context<'_>, count: usize, scratch: &mut Scratch) -> Result<(), Broken> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let Scratch { read, out } = scratch;
        let fresh = read.get(..count).unwrap_or_default();
        let mut joined = std::mem::take(&mut link.from_server);
        let data: &[u8] = if joined.is_empty() {
            fresh
        } else {
            joined.extend_from_slice(fresh);
            &joined
        };
        if link.holds_back(&mut self.me, data) {
            if joined.is_empty() {
                joined.extend_from_slice(fresh);
            }
            link.from_server = joined;
            return Ok(());
        }
        out.clear();
        let taken = link.replies(&mut self.me, data, out);
        let taken = taken.map_err(|_| Broken::Server("the server does not keep to the protocol".to_owned()))?;
        let output = match taken.output {
            Output::AsRead(range) => data.get(range).unwrap_or_default(),
            Output::Edited => out,
        };
        if !output.is_empty() {
            self.me.send(cx, output)?;
            link.fill = link.fill.take().and_then(|fill| fill.take(output));
        }
        if joined.is_empty() {
            link.from_server
                .extend_from_slice(fresh.get(taken.consumed..).unwrap_or_default());
        } else {
            joined.advance(taken.consumed);
            link.from_server = joined;
        }
        if link.from_server.is_empty() {
            link.from_server = BytesMut::new();
        }
        Ok(())
    }

    /// The server has answered something: gives it back, or says what is left to be done first.
    fn after_answers(&mut self) -> Option<Turn> {
        let link = self.link.as_mut()?;
        if !link.has_answered() || link.is_fresh || self.me.ends {
            return None;
        }
        if link.moves && !link.is_open {
            self.move_to_primary();
            return None;
        }
        if self.must_settle() {
            return Some(Turn::Settle);
        }
        let link = self.link.as_mut()?;
        if link.status != TransactionStatus::Idle || link.is_open {
            self.me.does_from(Doing::Active, Doing::Holding);
            return None;
        }
        if self.keeps_server() {
            self.me.does_from(Doing::Active, Doing::Idle);
            return None;
        }
        self.release();
        // Somebody may have asked it to leave as soon as it holds nothing.
        self.heed();
        None
    }

    /// Whether something has to be put in order while the server is at rest.
    fn must_settle(&self) -> bool {
        let Some(link) = self.link.as_ref().filter(|link| !link.is_open) else {
            return false;
        };
        let me = &self.me;
        let at_end = link.status == TransactionStatus::Idle;
        let waits = !me.unread.is_empty();
        let asks = !me.to_ask.is_empty() || me.journal.unlocked || !me.journal.calls.is_empty();
        let pins = me.journal.pins != 0 && !me.was_pinned;
        let leaves_dirt = link.has_foreign_names || me.lost_track || me.was_pinned || me.journal.is_dirty();
        let cancels = !link.cancels.is_empty();
        waits || (at_end && (asks || pins || cancels || (leaves_dirt && !self.keeps_server())))
    }

    /// Whether the session keeps its server beyond the transaction.
    pub(super) fn keeps_server(&self) -> bool {
        self.me.mode == PoolMode::Session || self.me.journal.pins != 0
    }

    /// Gives the server back to the pool.
    pub(super) fn release(&mut self) {
        let Some(mut link) = self.link.take() else { return };
        if let Some(connection) = link.lease.connection() {
            connection.left_at(link.status);
        }
        link.lease.give_back(self.me.now);
        self.me.lets_go();
    }

    /// Takes what the client sends.
    fn serve_client(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<Served, Broken> {
        if self.link.as_ref().is_some_and(|link| !link.has_room()) {
            return Ok(Served::Nothing);
        }
        if self.must_wear() || self.must_pay() {
            return Ok(if self.me.inbound.is_empty() {
                self.read_more(cx, scratch)?
            } else {
                Served::NeedsServer
            });
        }
        if !self.me.inbound.is_empty() {
            let waiting = std::mem::take(&mut self.me.inbound);
            let (consumed, next) = self.requests(cx, &waiting, &mut scratch.out)?;
            // A batch that is to be sent again stands in front by now.
            let mut rest = waiting;
            rest.advance(consumed);
            self.me.put_back(rest);
            if !matches!(next, Served::Moved) {
                return Ok(next);
            }
            // One who stands in line now has to look whether it is served, so that it is woken when it is.
            if consumed > 0 || self.ticket.is_some() {
                return Ok(Served::Moved);
            }
        }
        self.read_more(cx, scratch)
    }

    /// Whether the server's session has to be made to fit before the next request: the client emptied it.
    pub(super) fn must_wear(&mut self) -> bool {
        let wanted = self.me.profile.id();
        let Some(link) = &mut self.link else { return false };
        link.is_at_rest()
            && link
                .lease
                .server()
                .is_some_and(|server| server.profile().id() != wanted)
    }

    fn read_more(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Result<Served, Broken> {
        let Scratch { read, out } = scratch;
        let polled = self.me.stream.poll_bytes(cx, read).map_err(|_| Broken::Client)?;
        let Poll::Ready(count) = polled else {
            return Ok(Served::Nothing);
        };
        if count == 0 {
            return Err(Broken::Client);
        }
        let fresh = read.get(..count).unwrap_or_default();
        if !self.me.inbound.is_empty() || self.must_wear() || self.must_pay() {
            self.me.inbound.extend_from_slice(fresh);
            return Ok(Served::Moved);
        }
        let (consumed, next) = self.requests(cx, fresh, out)?;
        self.me
            .inbound
            .extend_from_slice(fresh.get(consumed..).unwrap_or_default());
        Ok(next)
    }

    /// Takes requests from `data`. Returns how much is done with, and what the rest needs.
    fn requests(&mut self, cx: &mut Context<'_>, data: &[u8], out: &mut BytesMut) -> Result<(usize, Served), Broken> {
        let (mut at, mut query) = (0, None);
        if self.link.as_ref().is_some_and(|link| link.waits) {
            self.go_on_reading(data);
        }
        if self.link.is_none() {
            let heard = self.me.hear(data)?;
            at = heard.consumed;
            query = heard.query;
            if heard.waits {
                return Ok((at, Served::Freshens));
            }
            if !heard.needs_server {
                return Ok((at, Served::Moved));
            }
            match self.line_up(data.get(at..).unwrap_or_default()) {
                Lined::Linked => {}
                Lined::Waits => return Ok((at, Served::Moved)),
                Lined::TakesTime => return Ok((at, Served::NeedsServer)),
            }
        }
        let Some(link) = &mut self.link else {
            return Ok((at, Served::NeedsServer));
        };
        out.clear();
        let consumed = link.requests(&mut self.me, data.get(at..).unwrap_or_default(), query, out)?;
        at += consumed;
        if link.is_busy() {
            self.me.does(Doing::Active);
        }
        match link.send_to_server(cx, out) {
            // That it is gone is found out where its answer is awaited, and then somebody else is asked.
            Err(Broken::Server(_)) if link.reading.is_some() => {}
            sent => sent?,
        }
        Ok((at, Served::Moved))
    }
}

/// Which half broke, and how.
pub(super) enum Broken {
    Client,
    Server(String),
    Protocol(Fatal),
}

impl Broken {
    pub(super) fn server(error: io::Error) -> Self {
        Self::Server(error.to_string())
    }
}

impl From<Fatal> for Broken {
    fn from(refusal: Fatal) -> Self {
        Self::Protocol(refusal)
    }
}

/// What came of asking for a server.
pub(super) enum Lined {
    Linked,
    /// It has a place in the line.
    Waits,
    /// Something has to be waited for outside the line.
    TakesTime,
}

/// What came of looking at the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Served {
    Moved,
    Nothing,
    NeedsServer,
    Freshens,
}
