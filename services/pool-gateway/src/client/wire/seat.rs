//! What others may know of a session, and how they reach it: to cancel, to end it, to look at it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use crate::workers::current_worker;

/// What a session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Nothing; it holds no connection.
    Idle = 0,
    /// It waits for a connection.
    Waiting = 1,
    /// A statement runs.
    Active = 2,
    /// It holds a connection and says nothing.
    Holding = 3,
}

/// Somebody wants the statement cancelled.
pub(super) const CANCEL: u32 = 1;
/// The session is to end at once.
pub(super) const KILL: u32 = 2;
/// The session is to end as soon as it holds no connection.
pub(super) const LEAVE: u32 = 4;
/// The statement has run too long.
pub(super) const OVERDUE: u32 = 8;
/// Another server is the primary: a connection to the old one is of no use any more.
pub(super) const MOVED: u32 = 16;

/// One session, as others see it.
#[derive(Debug)]
pub(crate) struct Seat {
    /// The process id that the client was told.
    pub(crate) id: i32,
    key: Box<[u8]>,
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) peer: String,
    wishes: AtomicU32,
    waker: AtomicWaker,
    doing: AtomicU8,
    /// Since when it does that, in milliseconds since the register was made.
    since_ms: AtomicU64,
    /// Since when it did what it was found overdue for, and one more.
    overdue_ms: AtomicU64,
    epoch: Instant,
    /// The thread that is to serve it.
    home: AtomicUsize,
}

impl Seat {
    /// The thread that is to serve it.
    pub(super) fn home(&self) -> usize {
        self.home.load(Ordering::Relaxed)
    }

    /// Another thread is to serve it, from the next time on that it holds nothing.
    pub(super) fn moves_to(&self, home: usize) {
        self.home.store(home, Ordering::Relaxed);
    }

    /// What a cancel request has to know.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Remembers whom to wake.
    pub(super) fn listen(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Asks something of the session.
    pub(super) fn wish(&self, wish: u32) {
        self.wishes.fetch_or(wish, Ordering::AcqRel);
        self.waker.wake();
    }

    /// What is asked of the session; all but to go is asked once.
    pub(super) fn wishes(&self) -> u32 {
        if self.wishes.load(Ordering::Acquire) == 0 {
            return 0;
        }
        self.wishes.fetch_and(!(CANCEL | OVERDUE | MOVED), Ordering::AcqRel)
    }

    /// Does something else, if it did what it is thought to do.
    pub(super) fn does_from(&self, from: Doing, to: Doing, now: Instant) {
        if self.doing.load(Ordering::Relaxed) == from as u8 {
            self.does(to, now);
        }
    }

    /// True once for each thing that the session does.
    pub(super) fn is_overdue_first(&self) -> bool {
        let since = self.since_ms.load(Ordering::Relaxed) + 1;
        self.overdue_ms.swap(since, Ordering::Relaxed) != since
    }

    pub(super) fn does(&self, doing: Doing, now: Instant) {
        self.doing.store(doing as u8, Ordering::Relaxed);
        let since = u64::try_from(now.duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX);
        self.since_ms.store(since, Ordering::Relaxed);
    }

    /// What it does, and for how many milliseconds.
    pub(crate) fn doing(&self) -> (Doing, u64) {
        let doing = match self.doing.load(Ordering::Relaxed) {
            1 => Doing::Waiting,
            2 => Doing::Active,
            3 => Doing::Holding,
            _ => Doing::Idle,
        };
        let now = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX);
        (doing, now.saturating_sub(self.since_ms.load(Ordering::Relaxed)))
    }
}

/// All sessions of the door.
#[derive(Debug)]
pub(crate) struct Seats {
    seats: Mutex<HashMap<i32, Arc<Seat>>>,
    last_id: AtomicU32,
    epoch: Instant,
}

impl Seats {
    pub(super) fn new() -> Self {
        Self {
            seats: Mutex::default(),
            last_id: AtomicU32::new(0),
            epoch: Instant::now(),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<i32, Arc<Seat>>) -> T) -> T {
        act(&mut self.seats.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A seat for a new session.
    pub(super) fn take(&self, key: Box<[u8]>, user: &str, database: &str, peer: String) -> Arc<Seat> {
        self.with(|seats| {
            let id = loop {
                let next = self.last_id.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
                let id = (next & 0x7fff_ffff).cast_signed();
                if id != 0 && !seats.contains_key(&id) {
                    break id;
                }
            };
            let seat = Arc::new(Seat {
                id,
                key,
                user: user.to_owned(),
                database: database.to_owned(),
                peer,
                wishes: AtomicU32::new(0),
                waker: AtomicWaker::new(),
                doing: AtomicU8::new(Doing::Idle as u8),
                since_ms: AtomicU64::new(0),
                overdue_ms: AtomicU64::new(0),
                epoch: self.epoch,
                home: AtomicUsize::new(current_worker()),
            });
            seats.insert(id, seat.clone());
            seat
        })
    }

    pub(super) fn leave(&self, id: i32) {
        self.with(|seats| seats.remove(&id));
    }

    /// Passes a cancel request on to the session that it names, if it knows the key.
    pub(super) fn cancel(&self, id: i32, key: &[u8]) {
        let seat = self.with(|seats| seats.get(&id).cloned());
        if let Some(seat) = seat.filter(|seat| same(&seat.key, key)) {
            seat.wish(CANCEL);
        }
    }

    /// Everybody.
    pub(crate) fn all(&self) -> Vec<Arc<Seat>> {
        self.with(|seats| seats.values().cloned().collect())
    }

    /// Looks at everybody.
    pub(super) fn each(&self, look: impl Fn(&Seat)) {
        self.with(|seats| seats.values().for_each(|seat| look(seat)));
    }

    pub(crate) fn len(&self) -> usize {
        self.with(|seats| seats.len())
    }
}

/// Compares without telling by the time it takes how much was right.
fn same(own: &[u8], given: &[u8]) -> bool {
    let differences = own.iter().zip(given).fold(0, |sum, (a, b)| sum | (a ^ b));
    own.len() == given.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_key_cancels_and_a_cancel_is_asked_once() {
        let seats = Seats::new();
        let seat = seats.take(Box::from(*b"1234"), "u", "d", String::new());
        seats.cancel(seat.id, b"1235");
        seats.cancel(seat.id, b"123");
        seats.cancel(seat.id + 1, b"1234");
        assert_eq!(seat.wishes(), 0);
        seats.cancel(seat.id, b"1234");
        assert_eq!((seat.wishes(), seat.wishes()), (CANCEL, 0));
        seat.wish(KILL);
        assert_eq!((seat.wishes(), seat.wishes()), (KILL, KILL));
        seats.leave(seat.id);
        assert_eq!(seats.len(), 0);
    }
}
