//! Pure. The account of one shape: counted into on the way of each statement, judged once a second.

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::counts::{Counts, to_f64};
use super::judge::{Judge, Standing, TURNS};
use super::reasons::{BypassReason, FillRefusal, Level, MissReason};
use crate::workers::current_worker;

/// Threads count into cells of their own, as far as there are that many.
const CELLS: usize = 8;
/// How often an account is judged, at most.
const JUDGED_EVERY: Duration = Duration::from_secs(1);
/// No turn: every key is looked up.
const EVERY: u64 = u64::MAX;

/// What to do about a statement of the shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Look it up, and answer with what is found.
    Serve,
    /// Look it up, but have PostgreSQL answer; count what would have been with [`Account::would_hit`] and
    /// [`Account::would_miss`].
    DryRun,
    /// Leave it to PostgreSQL, and count a bypass for this reason.
    Observe(BypassReason),
}

/// What a rule or a setting wants done about the shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// What measurements say.
    Auto,
    /// It is looked up.
    Always,
    /// It is left alone.
    Never,
    /// It is looked up and PostgreSQL answers.
    DryRun,
}

/// Why a result is no longer in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    /// Others needed the room.
    Evicted,
    /// It was replaced, or was of no use any more.
    Removed,
}

/// What threads count often. Each cell is in a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Cell {
    hits: [AtomicU64; Level::COUNT],
    hit_ns: AtomicU64,
}

/// The account of one shape in one database of one project.
#[derive(Debug)]
pub(crate) struct Account {
    begun: Instant,
    cells: [Cell; CELLS],
    misses: [AtomicU64; MissReason::COUNT],
    miss_ns: AtomicU64,
    overhead_ns: AtomicU64,
    bypasses: [AtomicU64; BypassReason::COUNT],
    fills: AtomicU64,
    fill_bytes: AtomicU64,
    refusals: [AtomicU64; FillRefusal::COUNT],
    evictions: AtomicU64,
    dry_hits: AtomicU64,
    dry_hit_ns: AtomicU64,
    dry_spared_ns: AtomicU64,
    dry_misses: AtomicU64,
    dry_miss_ns: AtomicU64,
    dry_overhead_ns: AtomicU64,
    /// Results in memory now, and their bytes.
    entries: AtomicU64,
    bytes: AtomicU64,
    order: AtomicU8,
    /// The keys that are looked up: their turn, or [`EVERY`].
    turn: AtomicU64,
    /// When it is judged next, in nanoseconds since the beginning.
    judged_at: AtomicU64,
    book: Mutex<Book>,
}

/// What is known when it was last looked at.
#[derive(Debug)]
struct Book {
    judge: Judge,
    seen: Counts,
    saved_ns: f64,
    policy_id: String,
}

/// An account as it stands.
#[derive(Debug, Clone)]
pub(crate) struct Balance {
    pub(crate) counts: Counts,
    /// What was saved by hits, less what looking up took.
    pub(crate) saved_ns: f64,
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) order: Order,
    pub(crate) standing: Standing,
    pub(crate) policy_id: String,
}

impl Account {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            begun: now,
            cells: Default::default(),
            misses: Default::default(),
            miss_ns: AtomicU64::new(0),
            overhead_ns: AtomicU64::new(0),
            bypasses: Default::default(),
            fills: AtomicU64::new(0),
            fill_bytes: AtomicU64::new(0),
            refusals: Default::default(),
            evictions: AtomicU64::new(0),
            dry_hits: AtomicU64::new(0),
            dry_hit_ns: AtomicU64::new(0),
            dry_spared_ns: AtomicU64::new(0),
            dry_misses: AtomicU64::new(0),
            dry_miss_ns: AtomicU64::new(0),
            dry_overhead_ns: AtomicU64::new(0),
            entries: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            order: AtomicU8::new(Order::Auto as u8),
            turn: AtomicU64::new(EVERY),
            judged_at: AtomicU64::new(nanos(JUDGED_EVERY)),
            book: Mutex::new(Book::new()),
        }
    }

    /// An answer came from memory. `took`: from the look-up to the answer.
    pub(crate) fn hit(&self, level: Level, took: Duration) {
        if let Some(cell) = self.cells.get(current_worker() % CELLS) {
            bump(&cell.hits, level as usize);
            cell.hit_ns.fetch_add(nanos(took), Relaxed);
        }
    }

    /// Memory was asked and PostgreSQL answered. `server`: what the caller waited for PostgreSQL and for a connection
    /// to it. `overhead`: what looking up and keeping added to that.
    pub(crate) fn miss(&self, reason: MissReason, server: Duration, overhead: Duration) {
        bump(&self.misses, reason as usize);
        self.miss_ns.fetch_add(nanos(server), Relaxed);
        self.overhead_ns.fetch_add(nanos(overhead), Relaxed);
    }

    /// Memory was not asked.
    pub(crate) fn bypass(&self, reason: BypassReason) {
        bump(&self.bypasses, reason as usize);
    }

    /// In dry run: this would have been a hit, answered in `took`. PostgreSQL took `server`.
    pub(crate) fn would_hit(&self, took: Duration, server: Duration) {
        self.dry_hits.fetch_add(1, Relaxed);
        self.dry_hit_ns.fetch_add(nanos(took), Relaxed);
        self.dry_spared_ns.fetch_add(nanos(server), Relaxed);
    }

    /// In dry run: this would have been a miss.
    pub(crate) fn would_miss(&self, server: Duration, overhead: Duration) {
        self.dry_misses.fetch_add(1, Relaxed);
        self.dry_miss_ns.fetch_add(nanos(server), Relaxed);
        self.dry_overhead_ns.fetch_add(nanos(overhead), Relaxed);
    }

    /// A result of so many bytes is in memory now. Each is reported as [gone](Self::gone) one day.
    pub(crate) fn filled(&self, bytes: usize) {
        let bytes = as_u64(bytes);
        self.fills.fetch_add(1, Relaxed);
        self.fill_bytes.fetch_add(bytes, Relaxed);
        self.entries.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// A result that was filled is no longer in memory.
    pub(crate) fn gone(&self, bytes: usize, how: Gone) {
        if how == Gone::Evicted {
            self.evictions.fetch_add(1, Relaxed);
        }
        self.entries.fetch_sub(1, Relaxed);
        self.bytes.fetch_sub(as_u64(bytes), Relaxed);
    }

    /// The result of a miss is not kept.
    pub(crate) fn refused(&self, reason: FillRefusal) {
        bump(&self.refusals, reason as usize);
    }

    /// A rule, or a setting, says what is done about the shape from now on. `policy_id` is empty where no rule does.
    pub(crate) fn ordered(&self, order: Order, policy_id: &str) {
        self.order.store(order as u8, Relaxed);
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        if book.policy_id != policy_id {
            policy_id.clone_into(&mut book.policy_id);
        }
    }

    /// What to do about a statement of this shape that begins now, whose result is kept under this key.
    pub(crate) fn mode(&self, now: Instant, key: &[u8]) -> Mode {
        let order = self.order();
        if order == Order::Never {
            return Mode::Observe(BypassReason::Policy);
        }
        let at = nanos(now.duration_since(self.begun));
        if at >= self.judged_at.load(Relaxed) {
            self.judge(at);
        }
        match order {
            Order::DryRun => Mode::DryRun,
            Order::Auto if !self.has_turn(key) => Mode::Observe(BypassReason::NoBenefit),
            _ => Mode::Serve,
        }
    }

    fn has_turn(&self, key: &[u8]) -> bool {
        let turn = self.turn.load(Relaxed);
        turn == EVERY || hash(key) % TURNS == turn
    }

    /// How it stands.
    pub(crate) fn balance(&self, now: Instant) -> Balance {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        self.settle(&mut book, now.duration_since(self.begun));
        Balance {
            counts: book.seen.clone(),
            saved_ns: book.saved_ns,
            entries: self.entries.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            order: self.order(),
            standing: book.judge.standing(),
            policy_id: book.policy_id.clone(),
        }
    }

    /// How often it was put off or came back.
    #[cfg(test)]
    pub(super) fn turns(&self) -> u64 {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).judge.turns()
    }

    /// Nobody waits here: who comes while it is judged goes by what was judged before.
    fn judge(&self, at: u64) {
        if let Ok(mut book) = self.book.try_lock() {
            self.judged_at.store(at.saturating_add(nanos(JUDGED_EVERY)), Relaxed);
            self.settle(&mut book, Duration::from_nanos(at));
        }
    }

    /// Takes into the book what was counted since.
    fn settle(&self, book: &mut Book, at: Duration) {
        let counts = self.counts();
        let new = counts.since(&book.seen);
        book.seen = counts;
        book.judge.step(at, &new.figures());
        book.save(&new);
        self.turn.store(book.judge.turn(at).unwrap_or(EVERY), Relaxed);
    }

    fn order(&self) -> Order {
        let number = self.order.load(Relaxed);
        let orders = [Order::Always, Order::Never, Order::DryRun];
        orders
            .into_iter()
            .find(|order| *order as u8 == number)
            .unwrap_or(Order::Auto)
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts {
            misses: read(&self.misses),
            miss_ns: self.miss_ns.load(Relaxed),
            overhead_ns: self.overhead_ns.load(Relaxed),
            bypasses: read(&self.bypasses),
            fills: self.fills.load(Relaxed),
            fill_bytes: self.fill_bytes.load(Relaxed),
            refusals: read(&self.refusals),
            evictions: self.evictions.load(Relaxed),
            dry_hits: self.dry_hits.load(Relaxed),
            dry_hit_ns: self.dry_hit_ns.load(Relaxed),
            dry_spared_ns: self.dry_spared_ns.load(Relaxed),
            dry_misses: self.dry_misses.load(Relaxed),
            dry_miss_ns: self.dry_miss_ns.load(Relaxed),
            dry_overhead_ns: self.dry_overhead_ns.load(Relaxed),
            ..Counts::default()
        };
        for cell in &self.cells {
            counts.add(&Counts {
                hits: read(&cell.hits),
                hit_ns: cell.hit_ns.load(Relaxed),
                ..Counts::default()
            });
        }
        counts
    }
}

impl Book {
    fn new() -> Self {
        Self {
            judge: Judge::new(Duration::ZERO),
            seen: Counts::default(),
            saved_ns: 0.0,
            policy_id: String::new(),
        }
    }

    /// Hits are worth what PostgreSQL took for misses lately, or else at any time. Before the first miss (all results
    /// came from what gateways share) nothing is known to be saved.
    fn save(&mut self, new: &Counts) {
        let of_all_time = || self.seen.figures().miss_mean_ns();
        let lately = self.judge.window().miss_mean_ns();
        let hit_ns = lately.or_else(of_all_time).unwrap_or_default() * to_f64(new.hits_total());
        self.saved_ns += hit_ns - to_f64(new.hit_ns) - to_f64(new.overhead_ns);
    }
}

fn hash(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(key);
    hasher.finish()
}

fn bump<const N: usize>(counters: &[AtomicU64; N], place: usize) {
    if let Some(counter) = counters.get(place) {
        counter.fetch_add(1, Relaxed);
    }
}

fn read<const N: usize>(counters: &[AtomicU64; N]) -> [u64; N] {
    std::array::from_fn(|place| counters.get(place).map_or(0, |counter| counter.load(Relaxed)))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn as_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
