//! The threads of the door, and who is served by which.
//!
//! As many threads serve as the load needs: one that has enough to do finds several answers each time it looks, and
//! keeps its connections and its memory to itself; two that wait for each other's crumbs cost a fifth more. A client
//! changes its thread only while it holds nothing.

use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::seat::Seats;
use super::session::Session;
use crate::workers::current_worker;

/// Clients on their way to a worker.
const ARRIVALS_MAX: usize = 1_024;
/// A thread that is busy for more than this share of its time needs help.
const BUSY_MAX: f64 = 0.7;
/// So often in a row.
const BUSY_LOOKS: u32 = 2;
/// Where the others would stay below this share without it, one thread is spared.
const SPARED_BELOW: f64 = 0.6;
/// So often in a row.
const SPARED_LOOKS: u32 = 25;

/// The serving of a caller who came by another door.
pub(crate) type Visit = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One who comes to a worker.
pub(super) enum Newcomer {
    /// A client that has said nothing yet.
    Stranger(TcpStream, SocketAddr),
    /// One that another thread has served so far.
    Session(Box<Session>),
    /// A caller of another door, who stays on the thread, and keeps all of them from ending.
    Visitor(Visit, TaskTrackerToken),
}

/// What others know of one worker.
#[derive(Debug)]
pub(super) struct Post {
    line: mpsc::Sender<Newcomer>,
    arriving: Mutex<Option<mpsc::Receiver<Newcomer>>>,
    clients: Arc<AtomicUsize>,
    visitors: Arc<AtomicUsize>,
    /// The share of its time that it was busy lately, in thousandths.
    busy: AtomicU32,
    runtime: OnceLock<Handle>,
}

impl Post {
    fn new() -> Self {
        let (line, arriving) = mpsc::channel(ARRIVALS_MAX);
        Self {
            line,
            arriving: Mutex::new(Some(arriving)),
            clients: Arc::default(),
            visitors: Arc::default(),
            busy: AtomicU32::new(0),
            runtime: OnceLock::new(),
        }
    }

    /// The worker's own end of the line, once.
    pub(super) fn arriving(&self) -> Option<mpsc::Receiver<Newcomer>> {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Tells where the worker runs what it is given; to be called by itself.
    pub(super) fn is_here(&self) {
        // Its life begins once.
        let _ = self.runtime.set(Handle::current());
    }

    /// Tells how busy the worker was.
    pub(super) fn was_busy(&self, share: f64) {
        // A share of more than the whole comes of clocks that are read one after the other.
        let thousandths = (share.clamp(0.0, 1.0) * 1000.0).round();
        self.busy.store(thousandths as u32, Ordering::Relaxed);
    }

    fn busy(&self) -> f64 {
        f64::from(self.busy.load(Ordering::Relaxed)) / 1000.0
    }

    /// Counts somebody for as long as what is returned lives.
    pub(super) fn counts(&self, newcomer: &Newcomer) -> Counted {
        Counted::among(match newcomer {
            Newcomer::Visitor(..) => &self.visitors,
            Newcomer::Stranger(..) | Newcomer::Session(_) => &self.clients,
        })
    }

    fn load(&self) -> usize {
        let queued = self.line.max_capacity() - self.line.capacity();
        self.clients.load(Ordering::Relaxed) + queued
    }
}

/// Somebody is counted.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn among(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Self(all.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All workers.
#[derive(Debug)]
pub(super) struct Crew {
    posts: Vec<Arc<Post>>,
    plan: Mutex<Plan>,
    /// The first so many serve.
    serving: AtomicUsize,
    /// Calls that were given away.
    turn: AtomicUsize,
    visits: TaskTracker,
}

impl Crew {
    pub(super) fn new(workers: usize) -> Self {
        let most = workers.max(1);
        Self {
            posts: (0..most).map(|_| Arc::new(Post::new())).collect(),
            plan: Mutex::new(Plan::new(most)),
            serving: AtomicUsize::new(1),
            turn: AtomicUsize::new(0),
            visits: TaskTracker::new(),
        }
    }

    pub(super) fn post(&self, index: usize) -> Option<&Arc<Post>> {
        self.posts.get(index)
    }

    /// How many threads serve.
    pub(super) fn serving(&self) -> usize {
        self.serving.load(Ordering::Relaxed)
    }

    /// Clients that are served, or wait for that.
    pub(super) fn clients(&self) -> usize {
        self.posts.iter().map(|post| post.load()).sum()
    }

    /// Gives a client to the worker that has the fewest. A worker that is gone takes nobody; the client sees its
    /// connection closed.
    pub(super) async fn deal(&self, tcp: TcpStream, peer: SocketAddr) {
        let serving = self.posts.iter().take(self.serving());
        if let Some(post) = serving.min_by_key(|post| post.load()) {
            let _ = post.line.send(Newcomer::Stranger(tcp, peer)).await;
        }
    }

    /// Gives a caller of another door to one of the workers that serve: the one that has the fewest. A worker that is
    /// gone takes nobody; the caller sees its connection closed.
    pub(super) async fn host(&self, visit: Visit) {
        let fewest = |post: &&Arc<Post>| (post.visitors.load(Ordering::Relaxed), post.load());
        if let Some(post) = self.posts.iter().take(self.serving()).min_by_key(fewest) {
            let _ = post.line.send(Newcomer::Visitor(visit, self.visits.token())).await;
        }
    }

    /// Waits until the callers of other doors have gone: their calls may run on any thread. To be called when no
    /// further one comes.
    pub(super) async fn until_no_visits(&self) {
        self.visits.close();
        self.visits.wait().await;
    }

    /// Whose turn it is to run a call: that worker's runtime, or none where it is the present one.
    pub(super) fn next_hand(&self) -> Option<&Handle> {
        let serving = self.serving();
        if serving <= 1 {
            return None;
        }
        let index = self.turn.fetch_add(1, Ordering::Relaxed) % serving;
        if index + 1 == current_worker() {
            return None;
        }
        self.posts.get(index)?.runtime.get()
    }

    /// Hands a session to the thread that is to serve it. Returned, if that takes nobody any more.
    pub(super) async fn hand_over(&self, session: Box<Session>) -> Option<Box<Session>> {
        let Some(post) = session.home().checked_sub(1).and_then(|index| self.posts.get(index)) else {
            return Some(session);
        };
        match post.line.send(Newcomer::Session(session)).await {
            Ok(()) => None,
            Err(mpsc::error::SendError(Newcomer::Session(session))) => Some(session),
            Err(_) => None,
        }
    }

    /// Looks how busy the threads are, and spreads the clients over more or fewer of them, but never fewer than `least`.
    /// To be called a few times a second.
    pub(super) fn look(&self, least: usize, seats: &Seats) {
        let busy: Vec<f64> = self.posts.iter().map(|post| post.busy()).collect();
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        if plan.look(&busy, least) {
            self.serving.store(plan.serving, Ordering::Relaxed);
            spread(seats, plan.serving);
        }
    }
}

/// Gives every client a home among the first `serving` threads, each about as many; few have to move.
fn spread(seats: &Seats, serving: usize) {
    let all = seats.all();
    let fair = all.len().div_ceil(serving.max(1));
    let mut clients = vec![0_usize; serving];
    let mut movers = Vec::new();
    for seat in &all {
        match seat.home().checked_sub(1).and_then(|index| clients.get_mut(index)) {
            Some(count) if *count < fair => *count += 1,
            _ => movers.push(seat),
        }
    }
    for seat in movers {
        let fewest = clients.iter_mut().enumerate().min_by_key(|(_, count)| **count);
        if let Some((index, count)) = fewest {
            *count += 1;
            seat.moves_to(index + 1);
        }
    }
}

/// How many threads serve, as it follows from how busy they are.
#[derive(Debug)]
struct Plan {
    serving: usize,
    most: usize,
    busy_looks: u32,
    spared_looks: u32,
}

impl Plan {
    const fn new(most: usize) -> Self {
        Self {
            serving: 1,
            most,
            busy_looks: 0,
            spared_looks: 0,
        }
    }

    /// True: the number has changed.
    fn look(&mut self, busy: &[f64], least: usize) -> bool {
        let least = least.clamp(1, self.most);
        if self.serving < least {
            return self.serve_with(least);
        }
        let serving = busy.iter().take(self.serving);
        let busiest = serving.clone().copied().fold(0.0, f64::max);
        let others = self.serving.saturating_sub(1);
        let spares = others > 0 && serving.sum::<f64>() < SPARED_BELOW * count(others);
        self.busy_looks = if busiest > BUSY_MAX { self.busy_looks + 1 } else { 0 };
        self.spared_looks = if spares { self.spared_looks + 1 } else { 0 };
        if self.busy_looks >= BUSY_LOOKS && self.serving < self.most {
            return self.serve_with(self.serving + 1);
        }
        self.spared_looks >= SPARED_LOOKS && self.serving > least && self.serve_with(others)
    }

    const fn serve_with(&mut self, serving: usize) -> bool {
        self.serving = serving;
        self.busy_looks = 0;
        self.spared_looks = 0;
        true
    }
}

/// There are few threads; a float holds their number exactly.
fn count(threads: usize) -> f64 {
    f64::from(u32::try_from(threads).unwrap_or(u32::MAX))
}

/// How much of its time the present thread works.
#[derive(Debug)]
pub(super) struct Stopwatch {
    at: Instant,
    worked: Duration,
}

impl Stopwatch {
    pub(super) fn new() -> Self {
        Self {
            at: Instant::now(),
            worked: thread_time(),
        }
    }

    /// The share since the last call.
    pub(super) fn share(&mut self) -> f64 {
        let (at, worked) = (Instant::now(), thread_time());
        let passed = at.duration_since(self.at).max(Duration::from_micros(1));
        let share = worked.saturating_sub(self.worked).div_duration_f64(passed);
        *self = Self { at, worked };
        share
    }
}

/// The processor time that the present thread has used.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = Duration::from_secs(time.tv_sec.unsigned_abs());
    seconds + Duration::from_nanos(time.tv_nsec.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_serves_until_it_is_too_busy() {
        let mut plan = Plan::new(2);
        assert!((0..100).all(|_| !plan.look(&[0.6, 0.0], 1)));
        assert!(!plan.look(&[0.8, 0.0], 1), "once is no rule");
        assert!(plan.look(&[0.8, 0.0], 1));
        assert_eq!(plan.serving, 2);
        assert!((0..100).all(|_| !plan.look(&[0.9, 0.9], 1)), "there are no more");
    }

    #[test]
    fn a_thread_is_spared_when_the_others_would_have_room_to_spare() {
        let mut plan = Plan::new(3);
        for _ in 0..4 {
            plan.look(&[0.9, 0.9, 0.0], 1);
        }
        assert_eq!(plan.serving, 3);
        assert!(
            (0..100).all(|_| !plan.look(&[0.45, 0.45, 0.45], 1)),
            "two would be too busy"
        );
        let looks = (0..100).filter(|_| plan.look(&[0.35, 0.35, 0.35], 1)).count();
        assert_eq!((looks, plan.serving), (1, 2));
        assert!((0..100).any(|_| plan.look(&[0.1, 0.1, 0.1], 1)));
        assert!((0..100).all(|_| !plan.look(&[0.0, 0.0, 0.0], 1)), "one always serves");
    }

    #[test]
    fn as_many_serve_as_were_asked_for() {
        let mut plan = Plan::new(4);
        assert!(plan.look(&[0.0; 4], 3));
        assert_eq!(plan.serving, 3);
        assert!((0..100).all(|_| !plan.look(&[0.0; 4], 3)));
        assert!(plan.look(&[0.0; 4], 9));
        assert_eq!(plan.serving, 4, "there are no more");
    }

    #[test]
    fn who_is_too_busy_gets_help_and_clients_are_spread() {
        let (crew, seats) = (Crew::new(2), Seats::new());
        let taken: Vec<_> = (0..4).map(|_| super::super::seat::tests::taken(&seats)).collect();
        crew.posts[0].was_busy(1.02);
        crew.look(1, &seats);
        assert_eq!(crew.serving(), 1, "once is no rule");
        crew.look(1, &seats);
        assert_eq!(crew.serving(), 2);
        let on_second = taken.iter().filter(|seat| seat.home() == 2).count();
        assert_eq!(on_second, 2);
    }

    #[tokio::test]
    async fn who_comes_is_given_to_the_thread_that_has_the_fewest() {
        let (crew, seats) = (Crew::new(2), Seats::new());
        crew.look(2, &seats);
        let busy: Vec<_> = (0..3).map(|_| Counted::among(&crew.posts[0].clients)).collect();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap();
        let come = async || crew.deal(TcpStream::connect(place).unwrap(), place).await;
        for _ in 0..3 {
            come().await;
        }
        assert_eq!(
            (crew.posts[0].load(), crew.posts[1].load()),
            (3, 3),
            "those on their way count"
        );
        drop(busy);
        come().await;
        assert_eq!((crew.posts[0].load(), crew.posts[1].load()), (1, 3), "three have left");
    }

    #[tokio::test]
    async fn callers_of_another_door_go_to_those_who_serve_and_are_no_clients_of_this_one() {
        let (crew, seats) = (Crew::new(3), Seats::new());
        crew.look(2, &seats);
        let _busy = Counted::among(&crew.posts[0].visitors);
        crew.host(Box::pin(std::future::ready(()))).await;
        let mut arriving = crew.posts[1].arriving().unwrap();
        let newcomer = arriving.try_recv().unwrap();
        let _counted = crew.posts[1].counts(&newcomer);
        assert_eq!(crew.clients(), 0);
        assert_eq!(crew.posts[1].visitors.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn calls_are_run_by_all_who_serve_in_turn() {
        let (crew, seats) = (Crew::new(3), Seats::new());
        crew.posts.iter().for_each(|post| post.is_here());
        assert!(
            (0..4).all(|_| crew.next_hand().is_none()),
            "one who serves alone runs them all"
        );
        crew.look(2, &seats);
        // This thread is none of theirs.
        assert!((0..4).all(|_| crew.next_hand().is_some()));
        crate::workers::set_current_worker(1);
        assert_eq!((0..4).filter(|_| crew.next_hand().is_some()).count(), 2);
    }

    #[test]
    fn clients_are_spread_evenly_and_few_move() {
        let seats = Seats::new();
        let taken: Vec<_> = (0..10).map(|_| super::super::seat::tests::taken(&seats)).collect();
        taken.iter().for_each(|seat| seat.moves_to(1));
        let at_home = |home| taken.iter().filter(|seat| seat.home() == home).count();
        spread(&seats, 2);
        assert_eq!((at_home(1), at_home(2)), (5, 5));
        spread(&seats, 3);
        assert!(at_home(1) >= 3 && at_home(2) >= 3 && at_home(3) >= 2);
        spread(&seats, 1);
        assert_eq!(at_home(1), 10);
    }
}
