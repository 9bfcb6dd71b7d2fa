//! What others may know of a session, and how they reach it: to cancel, to end it, to look at it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;
use weir_model::Project;
use weir_sql::Statement;

use super::account::{Account, Ledger, Sums, Totals};
use crate::pool::Owner;
use crate::rules::{Caller, Policy};
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

/// The first process id that a client is told. No process of a server has one so high (on Linux they end at 2^22), so
/// that the sender of a notification is never taken for a client whose id is the same.
const FIRST_ID: u32 = 1 << 22;
/// So many ids there are.
const IDS: u32 = (1 << 31) - FIRST_ID;

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
/// The rules have changed.
pub(super) const REVIEW: u32 = 32;
/// What it ran last is asked for.
pub(super) const TELL: u32 = 64;
/// It was cancelled because it ran too long, and runs on.
pub(super) const HOPELESS: u32 = 128;

/// Whose session it is.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    pub(crate) user: String,
    pub(crate) database: String,
    /// As the calling program named itself when it came in.
    pub(crate) application: String,
    pub(crate) project: Project,
    pub(crate) peer: String,
}

impl Who {
    /// Whose pools it uses.
    pub(crate) fn owner(&self) -> Owner {
        Owner {
            database: self.database.clone(),
            user: self.user.clone(),
        }
    }

    /// The same, as rules know it.
    pub(crate) fn caller(&self) -> Caller<'_> {
        Caller {
            database: &self.database,
            user: &self.user,
            application: &self.application,
            project: Some(&self.project),
        }
    }
}

/// One session, as others see it.
#[derive(Debug)]
pub(crate) struct Seat {
    /// The process id that the client was told.
    pub(crate) id: i32,
    key: Box<[u8]>,
    pub(crate) who: Who,
    pub(super) policy: Mutex<Arc<Policy>>,
    /// What the firewall does with its statements, as one number.
    pub(super) firewall: AtomicU32,
    wishes: AtomicU32,
    waker: AtomicWaker,
    doing: AtomicU8,
    /// Since when it does that, in milliseconds since the register was made.
    since_ms: AtomicU64,
    /// Since when it did what it was found overdue for, and one more.
    overdue_ms: AtomicU64,
    /// The same for what it was asked of its statement, and for what it was told of as a leak.
    asked_ms: AtomicU64,
    leak_ms: AtomicU64,
    /// Since when it has had its connection, and one more; 0 without one.
    held_ms: AtomicU64,
    /// The number of its connection.
    server: AtomicU64,
    /// What it has done.
    pub(super) account: Account,
    /// What it said of its statement, and since when it did what it did then.
    last: Mutex<Option<(u64, Arc<Statement>)>>,
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
        self.wishes
            .fetch_and(!(CANCEL | OVERDUE | MOVED | HOPELESS), Ordering::AcqRel)
    }

    /// What was asked is done.
    pub(super) fn forget(&self, wish: u32) {
        self.wishes.fetch_and(!wish, Ordering::AcqRel);
    }

    /// Does something else, if it did what it is thought to do.
    pub(super) fn does_from(&self, from: Doing, to: Doing, now: Instant) {
        if self.doing.load(Ordering::Relaxed) == from as u8 {
            self.does(to, now);
        }
    }

    /// True once for each thing that the session does.
    pub(super) fn is_overdue_first(&self) -> bool {
        self.is_first(&self.overdue_ms)
    }

    /// The same for the question what it ran.
    pub(super) fn is_asked_first(&self) -> bool {
        self.is_first(&self.asked_ms)
    }

    /// The same for a leak.
    pub(super) fn is_leak_first(&self) -> bool {
        self.is_first(&self.leak_ms)
    }

    fn is_first(&self, mark: &AtomicU64) -> bool {
        let since = self.since_ms.load(Ordering::Relaxed) + 1;
        mark.swap(since, Ordering::Relaxed) != since
    }

    /// It has this connection now, and runs something on it.
    pub(super) fn holds(&self, server: u64, now: Instant) {
        self.does(Doing::Active, now);
        self.server.store(server, Ordering::Relaxed);
        self.held_ms
            .store(self.since_ms.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// It has none any more.
    pub(super) fn lets_go(&self, now: Instant) {
        self.does(Doing::Idle, now);
        self.server.store(0, Ordering::Relaxed);
        let held = self.held_ms.load(Ordering::Relaxed);
        self.held_ms.store(0, Ordering::Relaxed);
        if held != 0 {
            let now = self.since_ms.load(Ordering::Relaxed) + 1;
            self.account.add_own(Totals {
                transaction_us: now.saturating_sub(held) * 1_000,
                ..Totals::default()
            });
        }
    }

    /// The number of its connection, if it has one.
    pub(super) fn server(&self) -> Option<u64> {
        let server = self.server.load(Ordering::Relaxed);
        (server != 0).then_some(server)
    }

    /// For how many milliseconds it has had its connection, if it has one.
    pub(super) fn held_ms(&self) -> Option<u64> {
        let since = self.held_ms.load(Ordering::Relaxed).checked_sub(1)?;
        let now = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX);
        Some(now.saturating_sub(since))
    }

    /// This is what it runs, or ran last.
    pub(super) fn tell(&self, statement: Arc<Statement>) {
        let since = self.since_ms.load(Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((since, statement));
    }

    /// What it runs, or ran last, without literals: as far as it was asked since it does what it does.
    pub(super) fn last_statement(&self) -> Option<String> {
        let since = self.since_ms.load(Ordering::Relaxed);
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, statement) = last.as_ref().filter(|(at, _)| *at == since)?;
        statement.text.clone()
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
    pub(super) fn take(&self, key: Box<[u8]>, who: Who, policy: Arc<Policy>) -> Arc<Seat> {
        self.with(|seats| {
            let id = loop {
                let next = self.last_id.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
                let id = (FIRST_ID + next % IDS).cast_signed();
                if !seats.contains_key(&id) {
                    break id;
                }
            };
            let seat = Arc::new(Seat {
                id,
                key,
                who,
                firewall: AtomicU32::new(policy.firewall.packed()),
                policy: Mutex::new(policy),
                wishes: AtomicU32::new(0),
                waker: AtomicWaker::new(),
                doing: AtomicU8::new(Doing::Idle as u8),
                since_ms: AtomicU64::new(0),
                overdue_ms: AtomicU64::new(0),
                asked_ms: AtomicU64::new(0),
                leak_ms: AtomicU64::new(0),
                held_ms: AtomicU64::new(0),
                server: AtomicU64::new(0),
                account: Account::default(),
                last: Mutex::new(None),
                epoch: self.epoch,
                home: AtomicUsize::new(current_worker()),
            });
            seats.insert(id, seat.clone());
            seat
        })
    }

    /// Removes a session; what it has done is counted among what all have done who left, in the same moment.
    pub(super) fn leave(&self, id: i32, ledger: &Ledger) {
        self.with(|seats| {
            if let Some(seat) = seats.remove(&id) {
                ledger.common(seat.who.owner()).add(seat.account.totals());
            }
        });
    }

    /// What has been done in each pool, by those who are in and those who were.
    pub(super) fn sums(&self, ledger: &Ledger) -> Sums {
        self.with(|seats| {
            let mut sums = ledger.sums();
            for seat in seats.values() {
                let sum = sums.entry(seat.who.owner()).or_default();
                *sum = sum.plus(seat.account.totals());
            }
            sums
        })
    }

    /// Passes a cancel request on to the session that it names, if it knows the key. Whether there is one.
    pub(crate) fn cancel(&self, id: i32, key: &[u8]) -> bool {
        let seat = self.with(|seats| seats.get(&id).cloned());
        let seat = seat.filter(|seat| same(&seat.key, key));
        seat.inspect(|seat| seat.wish(CANCEL)).is_some()
    }

    /// Everybody.
    pub(crate) fn all(&self) -> Vec<Arc<Seat>> {
        self.with(|seats| seats.values().cloned().collect())
    }

    /// Looks at everybody.
    pub(super) fn each(&self, mut look: impl FnMut(&Seat)) {
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
pub(super) mod tests {
    use super::*;

    /// Takes a seat for somebody.
    pub(in super::super) fn taken(seats: &Seats) -> Arc<Seat> {
        let who = Who {
            user: "u".to_owned(),
            database: "d".to_owned(),
            application: String::new(),
            project: Project::default(),
            peer: String::new(),
        };
        let policy = Arc::new(crate::settings::defaults().policy(&who.caller()));
        seats.take(Box::from(*b"1234"), who, policy)
    }

    #[test]
    fn what_it_ran_before_is_not_shown_as_what_it_runs() {
        let (seats, begun) = (Seats::new(), Instant::now());
        let seat = taken(&seats);
        let at = |ms| begun + std::time::Duration::from_millis(ms);
        seat.does(Doing::Active, at(10));
        seat.tell(Arc::new(weir_sql::analyse("select 1", weir_sql::Limits::default())));
        assert_eq!(seat.last_statement().as_deref(), Some("select $1"));
        seat.does(Doing::Holding, at(20));
        assert_eq!(seat.last_statement(), None);
    }

    #[test]
    fn one_holds_a_connection_until_it_lets_go() {
        let (seats, begun) = (Seats::new(), Instant::now());
        let seat = taken(&seats);
        assert!(seat.as_holder().is_none() && seat.server().is_none());
        seat.holds(7, begun);
        assert!(seat.as_holder().is_some());
        assert_eq!(seat.server(), Some(7));
        seat.lets_go(begun + std::time::Duration::from_millis(5));
        assert!(seat.as_holder().is_none() && seat.server().is_none());
        assert_eq!(seat.account.totals().transaction_us, 5_000);
    }

    #[test]
    fn it_is_found_once_for_each_thing_that_it_does() {
        let (seats, begun) = (Seats::new(), Instant::now());
        let seat = taken(&seats);
        let first = || [seat.is_overdue_first(), seat.is_asked_first(), seat.is_leak_first()];
        seat.does(Doing::Holding, begun);
        assert_eq!((first(), first()), ([true; 3], [false; 3]));
        seat.does(Doing::Holding, begun + std::time::Duration::from_millis(5));
        assert_eq!((first(), first()), ([true; 3], [false; 3]));
    }

    #[test]
    fn no_client_has_the_process_id_of_a_server() {
        let seats = Seats::new();
        for before in [0, IDS - 2, u32::MAX - 1, u32::MAX] {
            seats.last_id.store(before, Ordering::Relaxed);
            for _ in 0..3 {
                assert!(taken(&seats).id > 4_194_303);
            }
        }
        assert_eq!(seats.len(), 12);
    }

    #[test]
    fn only_the_right_key_cancels_and_a_cancel_is_asked_once() {
        let seats = Seats::new();
        let seat = taken(&seats);
        assert!(!seats.cancel(seat.id, b"1235"));
        assert!(!seats.cancel(seat.id, b"123"));
        assert!(!seats.cancel(seat.id + 1, b"1234"));
        assert_eq!(seat.wishes(), 0);
        assert!(seats.cancel(seat.id, b"1234"));
        assert_eq!((seat.wishes(), seat.wishes()), (CANCEL, 0));
        seat.wish(KILL);
        assert_eq!((seat.wishes(), seat.wishes()), (KILL, KILL));
        seats.leave(seat.id, &Ledger::new());
        assert_eq!(seats.len(), 0);
    }
}
