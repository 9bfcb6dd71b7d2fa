//! Who holds a connection, who rests, who waits. A plain state; the pool locks it for moments.

use std::collections::{HashSet, VecDeque};

use tokio::sync::oneshot;
use tokio::time::Instant;
use weir_model::Project;

use super::PoolState;
use super::line::{Line, Waiter};
use super::server::{Place, Server};
use crate::settings::Bounds;

/// So long no further connection is tried to be opened after the server has said that it has no room for one.
const FULL_FOR: std::time::Duration = std::time::Duration::from_millis(500);
/// Idle connections that are looked at for one whose session fits without a change.
const FITTING_AMONG: usize = 8;

/// What somebody who waited is given.
#[derive(Debug)]
pub(super) enum Grant {
    /// A connection that was given back.
    Server(Box<Server>),
    /// The right to open one.
    Place(Place),
}

/// What a caller does next.
#[derive(Debug)]
pub(super) enum Next {
    /// Take this idle connection.
    Idle(Box<Server>),
    /// Open one; the place is counted.
    Open,
    /// Wait for a grant.
    Wait(oneshot::Receiver<Grant>),
    /// Too many wait.
    Full { waiting: usize },
    /// The pool is closed.
    Stopping,
}

/// One who wants a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'c> {
    pub(super) project: &'c Project,
    pub(super) weight: f64,
    /// The thread on which it runs.
    pub(super) worker: usize,
    /// The session that it would like to find.
    pub(super) profile: u64,
    pub(super) now: Instant,
}

/// Where somebody stands who has to wait.
#[derive(Debug, Clone, Copy)]
pub(super) enum Turn<'c> {
    /// In line with all others, as every caller.
    Behind(Caller<'c>),
    /// Before them: the upkeep's question whether the server is there, which takes one round trip.
    Before { worker: usize },
}

pub(super) type Claim = oneshot::Sender<Grant>;

#[derive(Debug)]
pub(super) struct Queue {
    /// What the settings say.
    configured: Bounds,
    /// The same, below the limit.
    bounds: Bounds,
    /// Fewer connections than the settings allow, as long as that is wanted.
    limit: Option<usize>,
    waiting_max: usize,
    /// Idle connections, by the thread whose reactor watches them.
    idle: Vec<VecDeque<Box<Server>>>,
    waiters: Line<Claim>,
    /// The upkeep, where it waits. It is no caller and not counted as one.
    upkeep: Option<Claim>,
    places: usize,
    /// Places of connections that are being closed.
    closing: usize,
    stopping: bool,
    paused: bool,
    /// Until then the server is thought to have no room for more connections than there are.
    full_until: Option<Instant>,
    opened_total: u64,
    closed_total: u64,
}

impl Queue {
    pub(super) fn new(bounds: Bounds, waiting_max: usize, workers: usize) -> Self {
        Self {
            configured: bounds,
            bounds,
            limit: None,
            waiting_max,
            idle: (0..workers.max(1)).map(|_| VecDeque::new()).collect(),
            waiters: Line::new(),
            upkeep: None,
            places: 0,
            closing: 0,
            stopping: false,
            paused: false,
            full_until: None,
            opened_total: 0,
            closed_total: 0,
        }
    }

    fn idle(&self) -> usize {
        self.idle.iter().map(VecDeque::len).sum()
    }

    pub(super) fn state(&self) -> PoolState {
        let idle = self.idle();
        PoolState {
            idle,
            active: self.staying().saturating_sub(idle),
            waiting: self.waiters.iter().filter(|waiter| !waiter.what.is_closed()).count(),
            opened_total: self.opened_total,
            closed_total: self.closed_total,
            paused: self.paused,
            longest_wait: self.longest_wait(),
        }
    }

    /// Connections that are lent out, and how many there may be.
    pub(super) fn in_use(&self) -> (usize, usize) {
        (self.staying().saturating_sub(self.idle()), self.bounds.max)
    }

    fn longest_wait(&self) -> std::time::Duration {
        let waiting = self.waiters.iter().filter(|waiter| !waiter.what.is_closed());
        waiting.map(|waiter| waiter.since.elapsed()).max().unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places == 0 && self.waiters.iter().all(|waiter| waiter.what.is_closed())
    }

    /// Places whose connection is not about to go.
    const fn staying(&self) -> usize {
        self.places.saturating_sub(self.closing)
    }

    fn take_idle_on(&mut self, worker: usize, profile: u64) -> Option<Box<Server>> {
        let own = self.idle.get_mut(worker).and_then(|idle| take_fitting(idle, profile));
        own.or_else(|| self.idle.iter_mut().find_map(|idle| take_fitting(idle, profile)))
    }

    /// What one who wants a connection does next.
    pub(super) fn next(&mut self, turn: Turn<'_>) -> Next {
        if self.stopping {
            return Next::Stopping;
        }
        let (worker, profile, is_caller) = match turn {
            Turn::Behind(caller) => (caller.worker, caller.profile, true),
            Turn::Before { worker } => (worker, 0, false),
        };
        if !(self.paused && is_caller) {
            if let Some(server) = self.take_idle_on(worker, profile) {
                return Next::Idle(server);
            }
            if self.has_room() {
                self.places += 1;
                return Next::Open;
            }
        }
        self.wait(turn)
    }

    /// Whether one more connection may be opened.
    fn has_room(&mut self) -> bool {
        if self
            .full_until
            .is_some_and(|until| Instant::now() >= until || self.staying() == 0)
        {
            self.full_until = None;
        }
        self.places < self.bounds.max && self.full_until.is_none()
    }

    /// The server has no room for one more connection. Whether there are others, which can be waited for.
    pub(super) fn server_is_full(&mut self) -> bool {
        let has_others = self.staying() > 0;
        self.full_until = has_others.then(|| Instant::now() + FULL_FOR);
        has_others
    }

    fn wait(&mut self, turn: Turn<'_>) -> Next {
        let (claim, granted) = oneshot::channel();
        match turn {
            Turn::Before { .. } => self.upkeep = Some(claim),
            Turn::Behind(caller) => {
                if self.waiters.len() >= self.waiting_max {
                    self.waiters.retain(|claim| !claim.is_closed());
                }
                if self.waiters.len() >= self.waiting_max {
                    return Next::Full {
                        waiting: self.waiters.len(),
                    };
                }
                let waiter = Waiter {
                    what: claim,
                    worker: caller.worker,
                    since: caller.now,
                };
                self.waiters.join(caller.project, caller.weight, waiter);
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

    fn next_waiter(&mut self, worker: usize) -> Option<Claim> {
        let upkeep = self.upkeep.take();
        if upkeep.is_some() || self.paused {
            return upkeep;
        }
        self.waiters.next(worker).map(|waiter| waiter.what)
    }

    /// A fit connection comes back. What is returned must be closed, outside the lock.
    pub(super) fn give_back(&mut self, server: Box<Server>) -> Option<(Box<Server>, &'static str)> {
        if self.stopping {
            return Some((server, "shutdown"));
        }
        let worker = server.worker();
        let mut grant = Grant::Server(server);
        while let Some(waiter) = self.next_waiter(worker) {
            match waiter.send(grant) {
                Ok(()) => return None,
                Err(refused) => grant = refused,
            }
        }
        let Grant::Server(server) = grant else { return None };
        if self.staying() > self.bounds.steady {
            return Some((server, "overflow"));
        }
        match self.idle.get_mut(worker) {
            Some(idle) => idle.push_back(server),
            None => return Some((server, "broken")),
        }
        None
    }

    /// A place is free again: the caller who waits longest is to be offered it; without one it is gone.
    pub(super) fn heir(&mut self, was_closing: bool, worker: usize) -> Option<oneshot::Sender<Grant>> {
        self.closing = self.closing.saturating_sub(usize::from(was_closing));
        let heir = if self.places > self.bounds.max || self.full_until.is_some() {
            None
        } else {
            self.next_waiter(worker)
        };
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
    #[expect(
        clippy::vec_box,
        reason = "a connection is boxed for its whole life; taking it out would copy it"
    )]
    pub(super) fn take_idle(&mut self) -> Vec<Box<Server>> {
        self.idle.iter_mut().flat_map(|idle| idle.drain(..)).collect()
    }

    /// Idle connections that are to be closed: spent, or idle too long while there are more than the minimum.
    pub(super) fn expired(
        &mut self,
        is_spent: impl Fn(&Server) -> Option<&'static str>,
        is_idle_long: impl Fn(&Server) -> bool,
    ) -> Vec<(Box<Server>, &'static str)> {
        let mut expired = Vec::new();
        let mut spare = self.staying().saturating_sub(self.bounds.min);
        for idle in &mut self.idle {
            let mut kept = VecDeque::with_capacity(idle.len());
            for server in idle.drain(..) {
                if let Some(reason) = is_spent(&server) {
                    expired.push((server, reason));
                } else if spare > 0 && is_idle_long(&server) {
                    spare -= 1;
                    expired.push((server, "idle"));
                } else {
                    kept.push_back(server);
                }
            }
            *idle = kept;
        }
        expired
    }

    /// A place for somebody who waits, where there is room for one: after a pause, or when the bounds have grown.
    pub(super) fn place_for_waiter(&mut self, worker: usize) -> Option<Claim> {
        if self.paused || self.stopping || !self.has_room() {
            return None;
        }
        let heir = self.next_waiter(worker);
        self.places += usize::from(heir.is_some());
        heir
    }

    /// Hands out nothing until [`Queue::resume`]; who wants something waits.
    pub(super) const fn pause(&mut self) {
        self.paused = true;
    }

    /// Goes on. The idle connections are taken out, for whoever waits is to be offered them first.
    #[expect(
        clippy::vec_box,
        reason = "a connection is boxed for its whole life; taking it out would copy it"
    )]
    pub(super) fn resume(&mut self) -> Vec<Box<Server>> {
        self.paused = false;
        self.take_idle()
    }

    /// Sends everybody away who waits. They may come again.
    pub(super) fn dismiss(&mut self) {
        self.waiters.clear();
    }

    /// The numbers of the idle connections.
    pub(super) fn resting(&self) -> HashSet<u64> {
        self.idle.iter().flatten().map(|server| server.number()).collect()
    }

    pub(super) const fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Other bounds from now on. What is above them goes as it comes back.
    pub(super) fn set_bounds(&mut self, bounds: Bounds, waiting_max: usize) {
        self.configured = bounds;
        self.waiting_max = waiting_max;
        self.set_limit(self.limit);
    }

    /// What the settings say, whatever the limit.
    pub(super) const fn configured(&self) -> Bounds {
        self.configured
    }

    /// No more connections than this from now on; none: what the settings say.
    pub(super) fn set_limit(&mut self, limit: Option<usize>) {
        let Bounds { min, steady, max } = self.configured;
        let limit = limit.unwrap_or(max);
        self.limit = Some(limit).filter(|limit| *limit < max);
        self.bounds = Bounds {
            min: min.min(limit),
            steady: steady.min(limit),
            max: max.min(limit),
        };
    }

    /// Closes the pool: nobody is served any more, and the idle connections are handed out to be closed.
    #[expect(
        clippy::vec_box,
        reason = "a connection is boxed for its whole life; taking it out would copy it"
    )]
    pub(super) fn stop(&mut self) -> Vec<Box<Server>> {
        self.stopping = true;
        self.waiters.clear();
        self.upkeep = None;
        self.take_idle()
    }
}

/// The connection that was used last, or one near it whose session is as wanted.
fn take_fitting(idle: &mut VecDeque<Box<Server>>, profile: u64) -> Option<Box<Server>> {
    if idle.back().is_none_or(|server| server.profile_id() == profile) {
        return idle.pop_back();
    }
    let fitting = idle
        .iter()
        .rev()
        .take(FITTING_AMONG)
        .position(|server| server.profile_id() == profile);
    match fitting {
        Some(from_back) => idle.remove(idle.len() - 1 - from_back),
        None => idle.pop_back(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(max: usize) -> Bounds {
        Bounds {
            min: 0,
            steady: max,
            max,
        }
    }

    /// What the next caller of somebody's does.
    fn call(queue: &mut Queue) -> Next {
        let caller = Caller {
            project: &Project::default(),
            weight: 1.0,
            worker: 0,
            profile: 0,
            now: Instant::now(),
        };
        queue.next(Turn::Behind(caller))
    }

    #[test]
    fn a_place_beyond_the_maximum_is_nobodys_and_one_below_it_goes_to_who_waits() {
        let mut queue = Queue::new(bounds(2), 10, 1);
        assert!(matches!((call(&mut queue), call(&mut queue)), (Next::Open, Next::Open)));
        let Next::Wait(_first) = call(&mut queue) else {
            panic!("there is room for a third")
        };
        queue.set_bounds(bounds(1), 10);
        assert!(queue.heir(false, 0).is_none(), "two are too many");
        assert!(queue.heir(false, 0).is_some(), "the other is one of one");
        let Next::Wait(_second) = call(&mut queue) else {
            panic!("there is room for a second")
        };
        assert!(queue.place_for_waiter(0).is_none());
        queue.set_bounds(bounds(2), 10);
        queue.pause();
        assert!(queue.place_for_waiter(0).is_none(), "it is paused");
        queue.resume();
        assert!(queue.place_for_waiter(0).is_some() && queue.place_for_waiter(0).is_none());
    }

    #[test]
    fn a_limit_holds_whatever_the_settings_become_and_goes_without_a_trace() {
        let mut queue = Queue::new(bounds(8), 10, 1);
        queue.set_limit(Some(3));
        queue.set_bounds(bounds(20), 10);
        assert_eq!((queue.bounds(), queue.configured()), (bounds(3), bounds(20)));
        queue.set_bounds(bounds(2), 10);
        assert_eq!(queue.bounds(), bounds(2));
        queue.set_bounds(bounds(20), 10);
        queue.set_limit(None);
        assert_eq!(queue.bounds(), bounds(20));
    }
}
