//! Who gets a connection next. It is asked under a lock and never waits itself.
//!
//! Every open connection, and every one that is being opened, holds one place. A place is given back exactly once,
//! by the drop of its [`Place`], and goes to the caller who waits longest.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::PoolState;
use super::server::{Place, Server};
use crate::settings::Bounds;

/// What a waiting caller is given.
#[derive(Debug)]
pub(super) enum Grant {
    /// A connection that somebody has just given back.
    Server(Box<Server>),
    /// The right to open one.
    Place(Place),
}

/// What a caller does next.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is moved once, and taken apart where it was made"
)]
pub(super) enum Next {
    /// Take this idle connection.
    Idle(Server),
    /// Open one; the place is counted.
    Open,
    /// Wait for a grant.
    Wait(oneshot::Receiver<Grant>),
    /// Too many wait.
    Full { waiting: usize },
    /// The pool is closed.
    Stopping,
}

/// Where somebody stands who has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Behind all others, as every caller.
    Behind,
    /// Before them: the upkeep's question whether the server is there, which takes one round trip.
    Before,
}

#[derive(Debug)]
pub(super) struct Queue {
    bounds: Bounds,
    waiting_max: usize,
    idle: VecDeque<Server>,
    waiters: VecDeque<oneshot::Sender<Grant>>,
    /// The upkeep, where it waits. It is no caller and not counted as one.
    upkeep: Option<oneshot::Sender<Grant>>,
    places: usize,
    /// Places of connections that are being closed.
    closing: usize,
    stopping: bool,
    opened_total: u64,
    closed_total: u64,
}

impl Queue {
    pub(super) const fn new(bounds: Bounds, waiting_max: usize) -> Self {
        Self {
            bounds,
            waiting_max,
            idle: VecDeque::new(),
            waiters: VecDeque::new(),
            upkeep: None,
            places: 0,
            closing: 0,
            stopping: false,
            opened_total: 0,
            closed_total: 0,
        }
    }

    pub(super) fn state(&self) -> PoolState {
        PoolState {
            idle: self.idle.len(),
            active: self.staying().saturating_sub(self.idle.len()),
            waiting: self.waiters.iter().filter(|waiter| !waiter.is_closed()).count(),
            opened_total: self.opened_total,
            closed_total: self.closed_total,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places == 0 && self.waiters.iter().all(oneshot::Sender::is_closed)
    }

    /// Places whose connection is not about to go.
    const fn staying(&self) -> usize {
        self.places.saturating_sub(self.closing)
    }

    /// What one who wants a connection does next.
    pub(super) fn next(&mut self, turn: Turn) -> Next {
        if self.stopping {
            return Next::Stopping;
        }
        if let Some(server) = self.idle.pop_back() {
            return Next::Idle(server);
        }
        if self.places < self.bounds.max {
            self.places += 1;
            return Next::Open;
        }
        self.waiters.retain(|waiter| !waiter.is_closed());
        let (waiter, granted) = oneshot::channel();
        match turn {
            Turn::Before => self.upkeep = Some(waiter),
            Turn::Behind if self.waiters.len() < self.waiting_max => self.waiters.push_back(waiter),
            Turn::Behind => {
                return Next::Full {
                    waiting: self.waiters.len(),
                };
            }
        }
        Next::Wait(granted)
    }

    /// Takes a place for the upkeep, if the pool is below its minimum.
    pub(super) fn place_below_min(&mut self) -> bool {
        let below = !self.stopping && self.places < self.bounds.min.min(self.bounds.max);
        self.places += usize::from(below);
        below
    }

    fn next_waiter(&mut self) -> Option<oneshot::Sender<Grant>> {
        self.upkeep.take().or_else(|| self.waiters.pop_front())
    }

    /// A fit connection comes back. What is returned must be closed, outside the lock.
    pub(super) fn give_back(&mut self, server: Server) -> Option<(Server, &'static str)> {
        if self.stopping {
            return Some((server, "shutdown"));
        }
        let mut grant = Grant::Server(Box::new(server));
        while let Some(waiter) = self.next_waiter() {
            match waiter.send(grant) {
                Ok(()) => return None,
                Err(refused) => grant = refused,
            }
        }
        let Grant::Server(server) = grant else { return None };
        if self.staying() > self.bounds.steady {
            return Some((*server, "overflow"));
        }
        self.idle.push_back(*server);
        None
    }

    /// A place is free again: the caller who waits longest is to be offered it; without one it is gone.
    pub(super) fn heir(&mut self, was_closing: bool) -> Option<oneshot::Sender<Grant>> {
        self.closing = self.closing.saturating_sub(usize::from(was_closing));
        let heir = self.next_waiter();
        self.places = self.places.saturating_sub(usize::from(heir.is_none()));
        heir
    }

    pub(super) const fn count_opened(&mut self) {
        self.opened_total += 1;
    }

    /// A connection is being closed; its place is free when that is done.
    pub(super) const fn count_closing(&mut self) {
        self.closing += 1;
        self.closed_total += 1;
    }

    /// All idle connections, to be closed.
    pub(super) fn take_idle(&mut self) -> Vec<Server> {
        self.idle.drain(..).collect()
    }

    /// Idle connections that are to be closed: too old, or idle too long while there are more than the minimum.
    pub(super) fn expired(
        &mut self,
        is_old: impl Fn(&Server) -> bool,
        is_idle_long: impl Fn(&Server) -> bool,
    ) -> Vec<(Server, &'static str)> {
        let mut expired = Vec::new();
        let mut kept = VecDeque::with_capacity(self.idle.len());
        let mut spare = self.staying().saturating_sub(self.bounds.min);
        for server in self.idle.drain(..) {
            if is_old(&server) {
                expired.push((server, "age"));
            } else if spare > 0 && is_idle_long(&server) {
                spare -= 1;
                expired.push((server, "idle"));
            } else {
                kept.push_back(server);
            }
        }
        self.idle = kept;
        expired
    }

    /// Closes the pool: nobody is served any more, and the idle connections are handed out to be closed.
    pub(super) fn stop(&mut self) -> Vec<Server> {
        self.stopping = true;
        self.waiters.clear();
        self.upkeep = None;
        self.take_idle()
    }
}
