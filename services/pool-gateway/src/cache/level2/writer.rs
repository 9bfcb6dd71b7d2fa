//! The queue of results that are to be kept in Redis, and the task that takes them there.
//!
//! Nobody waits for it: what does not fit is dropped and counted. It has a connection of its own, so that a large result
//! on its way out is not in front of somebody's look-up. That Redis is full stops the writing for a while, and nothing
//! else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use weir_runtime::TaskResult;

use super::counts::{Counts, Put};
use super::link::{Link, Links};
use super::{Shared, blob, keeper};

/// Orders that wait.
const ENTRIES_MAX: usize = 4096;
/// What they hold. One of the largest fits in any case.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// Orders that are under way together.
const BATCH_MAX: usize = 32;
/// Larger ones are compressed beside the runtime.
const ASIDE_FROM: usize = 64 * 1024;
/// Redis has taken a result by then, or something is wrong.
const WRITE: Duration = Duration::from_secs(1);

/// Something to do in Redis.
#[derive(Debug)]
pub(super) enum Order {
    Put { key: [u8; 32], blob: Bytes, ttl: Duration },
    Forget { key: [u8; 32] },
}

impl Order {
    fn bytes(&self) -> usize {
        match self {
            Self::Put { blob, .. } => blob.len(),
            Self::Forget { .. } => 0,
        }
    }
}

/// The end of the queue that is open to everybody.
#[derive(Debug)]
pub(super) struct Queue {
    orders: mpsc::Sender<Order>,
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

impl Queue {
    /// A queue, and the task that empties it.
    pub(super) fn new(shared: &Arc<Shared>, links: &Arc<Links>) -> (Self, Writer) {
        let (orders, receiver) = mpsc::channel(ENTRIES_MAX);
        let bytes = Arc::new(AtomicUsize::new(0));
        let queue = Self {
            orders,
            bytes: Arc::clone(&bytes),
            bytes_max: BYTES_MAX.max(shared.bytes_max),
        };
        let writer = Writer {
            orders: receiver,
            bytes,
            shared: Arc::clone(shared),
            links: Arc::clone(links),
            link: None,
            pause: Pause::default(),
        };
        (queue, writer)
    }

    /// Takes an order, unless there is no room for it.
    pub(super) fn push(&self, order: Order) -> Result<(), Put> {
        let bytes = order.bytes();
        let add = |held: usize| held.checked_add(bytes).filter(|held| *held <= self.bytes_max);
        let held = self.bytes.try_update(Ordering::Relaxed, Ordering::Relaxed, add);
        if held.is_err() {
            return Err(Put::Dropped);
        }
        self.orders.try_send(order).map_err(|_| {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            Put::Dropped
        })
    }

    /// Orders that wait, and what they and those under way hold.
    pub(super) fn held(&self) -> (usize, usize) {
        let waiting = self.orders.max_capacity() - self.orders.capacity();
        (waiting, self.bytes.load(Ordering::Relaxed))
    }
}

/// How long nothing is written after Redis would not have it.
#[derive(Debug, Default)]
struct Pause {
    until: Option<Instant>,
    length: Duration,
}

impl Pause {
    const MIN: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_secs(5);

    fn is_over(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    /// Whether the next order is the first after trouble: it goes alone.
    fn is_trial(&self) -> bool {
        self.until.is_some()
    }

    fn failed(&mut self, now: Instant) {
        self.length = (self.length * 2).clamp(Self::MIN, Self::MAX);
        self.until = Some(now + self.length);
    }

    fn succeeded(&mut self) {
        *self = Self::default();
    }
}

/// The task.
pub(super) struct Writer {
    orders: mpsc::Receiver<Order>,
    bytes: Arc<AtomicUsize>,
    shared: Arc<Shared>,
    links: Arc<Links>,
    /// The connection, and the number of the line's when it was made.
    link: Option<(Link, u64)>,
    pause: Pause,
}

impl Writer {
    /// Writes until it is told to stop. What waits then is given up: it is worth less than the time.
    pub(super) async fn run(mut self, stop: CancellationToken) -> TaskResult {
        stop.run_until_cancelled(self.work()).await;
        Ok(())
    }

    async fn work(&mut self) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            let most = if self.pause.is_trial() { 1 } else { BATCH_MAX };
            if self.orders.recv_many(&mut batch, most).await == 0 {
                // Nobody is left who could give an order; the end comes from elsewhere.
                return std::future::pending().await;
            }
            let bytes: usize = batch.iter().map(Order::bytes).sum();
            self.settle(&mut batch).await;
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Does what the orders say, or counts why not.
    async fn settle(&mut self, batch: &mut Vec<Order>) {
        let is_time = self.shared.line.breaker.is_closed() && self.pause.is_over(Instant::now());
        let link = if is_time { self.link().await } else { Err(Put::Skipped) };
        let link = match link {
            Ok(link) => link,
            Err(why) => return batch.drain(..).for_each(|_| self.shared.counts.put(why)),
        };
        let shared = &self.shared;
        let outcomes = join_all(batch.drain(..).map(|order| carry_out(shared, &link, order))).await;
        let failures: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
        if failures.is_empty() {
            self.pause.succeeded();
        }
        if let Some(worst) = failures.iter().max() {
            self.failed(*worst);
        }
    }

    /// The connection; a new one where the line has a new one, since the old one has seen the same trouble.
    async fn link(&mut self) -> Result<Link, Put> {
        let number = self.shared.line.number();
        if let Some((link, made)) = &self.link
            && *made == number
        {
            return Ok(link.clone());
        }
        match keeper::open(&self.links).await {
            Ok((link, _)) => {
                self.link = Some((link.clone(), number));
                Ok(link)
            }
            Err(error) => {
                tracing::debug!(error = %error, "cannot connect to redis to write results");
                self.failed(Failure::Connection);
                Err(Put::Error)
            }
        }
    }

    fn failed(&mut self, failure: Failure) {
        if failure == Failure::Connection {
            self.link = None;
        }
        if !self.pause.is_trial() {
            tracing::warn!(
                reason = failure.as_str(),
                "redis does not take results; none are written for a while"
            );
        }
        self.pause.failed(Instant::now());
    }
}

/// Why Redis did not do what it was to do; the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Failure {
    Refused,
    Full,
    Connection,
}

impl Failure {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "it refuses",
            Self::Full => "it is full",
            Self::Connection => "the connection failed",
        }
    }

    fn of(error: &RedisError) -> Self {
        let moved = ErrorKind::Server(ServerErrorKind::ReadOnly);
        match error.code() {
            Some("OOM") => Self::Full,
            // What was the primary is none any more; the next connection finds the one that is.
            _ if error.kind() == moved || error.is_unrecoverable_error() || error.is_io_error() => Self::Connection,
            _ => Self::Refused,
        }
    }
}

/// Does one thing, and counts what became of it.
async fn carry_out(shared: &Shared, link: &Link, order: Order) -> Result<(), Failure> {
    let (done, size) = match order {
        Order::Put { key, blob, ttl } => {
            let (name, plain) = (blob::name(&key), blob.len());
            let Some(packed) = pack(key, blob).await else {
                shared.counts.put(Put::Error);
                return Ok(());
            };
            let done = timeout(WRITE, link.write(&name, &packed, ttl)).await;
            (done, Some((plain, packed.len())))
        }
        Order::Forget { key } => (timeout(WRITE, link.remove(&blob::name(&key))).await, None),
    };
    let outcome = match done {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Failure::of(&error)),
        Err(_) => Err(Failure::Connection),
    };
    count(&shared.counts, outcome, size);
    outcome
}

fn count(counts: &Counts, outcome: Result<(), Failure>, size: Option<(usize, usize)>) {
    match (outcome, size) {
        (Ok(()), Some((plain, written))) => {
            counts.put(Put::Stored);
            Counts::add(&counts.plain, plain);
            Counts::add(&counts.written, written);
        }
        (Ok(()), None) => counts.put(Put::Forgotten),
        (Err(Failure::Full), _) => counts.put(Put::Full),
        (Err(_), _) => counts.put(Put::Error),
    }
}

/// Packs a result; a large one where it keeps no other task waiting. `None`: the process ends.
async fn pack(key: [u8; 32], blob: Bytes) -> Option<Vec<u8>> {
    if blob.len() < ASIDE_FROM {
        return Some(blob::pack(&key, &blob));
    }
    tokio::task::spawn_blocking(move || blob::pack(&key, &blob)).await.ok()
}
