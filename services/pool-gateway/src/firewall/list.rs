//! The shapes of one scope: those that are known, and those that wait for a person. Pure.
//!
//! Bounded twice, for a scope and for all together; what finds no room is counted. Who runs a statement looks its shape
//! up under a lock that is shared, and counts it there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use weir_sql::Statement;

use super::verdict::Known;

/// Shapes of one scope.
pub(crate) const SHAPES_MAX: usize = 10_000;
/// Shapes of all scopes.
pub(crate) const SHAPES_IN_ALL_MAX: usize = 100_000;
/// As much as is kept of a text.
pub(crate) const TEXT_BYTES_MAX: usize = 2_000;
/// Parts of a list, so that those who add to it seldom wait for each other.
const SHARDS: usize = 16;

/// What is thought of a shape. The numbers are those of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// It is not in the list any more, as others have yet to hear.
    Forgotten = 0,
    /// It was seen, and nobody has judged it.
    Queued = 1,
    Learned = 2,
    Approved = 3,
}

impl Standing {
    pub(crate) const fn of(number: u8) -> Self {
        match number {
            3 => Self::Approved,
            2 => Self::Learned,
            1 => Self::Queued,
            _ => Self::Forgotten,
        }
    }
}

/// What has to be written of a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// Nothing but how often it was seen.
    None,
    /// That it was seen for the first time, or learned.
    Sight,
    /// What a person decided.
    Decision,
}

/// What changes seldom.
#[derive(Debug, Clone)]
pub(crate) struct Judgement {
    pub(crate) standing: Standing,
    /// The highest score that it was seen with, and the rules that it broke then.
    pub(crate) score: u16,
    pub(crate) rules: Vec<String>,
    pub(crate) approved_by: String,
    pub(crate) approved_ms: i64,
    pub(crate) approved_score: u16,
    pub(crate) change: Change,
}

/// One shape.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) id: u64,
    pub(crate) fingerprint: u64,
    pub(crate) text: Box<str>,
    pub(crate) first_seen_ms: AtomicI64,
    pub(crate) last_seen_ms: AtomicI64,
    /// How often it was seen, as far as that is written.
    pub(crate) kept: AtomicU64,
    /// How often since.
    pub(crate) fresh: AtomicU64,
    /// The standing and the approved score, for those who only look.
    standing: AtomicU8,
    judgement: Mutex<Judgement>,
}

impl Shape {
    /// A shape as it is found somewhere.
    pub(crate) fn new(id: u64, fingerprint: u64, text: &str, judgement: Judgement) -> Self {
        Self {
            id,
            fingerprint,
            text: cut(text).into(),
            first_seen_ms: AtomicI64::new(0),
            last_seen_ms: AtomicI64::new(0),
            kept: AtomicU64::new(0),
            fresh: AtomicU64::new(0),
            standing: AtomicU8::new(judgement.standing as u8),
            judgement: Mutex::new(judgement),
        }
    }

    fn seen(statement: &Statement, standing: Standing) -> Self {
        let risk = statement.risk.as_deref();
        let judgement = Judgement {
            standing,
            score: risk.map_or(0, |risk| risk.score),
            rules: risk.map_or_else(Vec::new, |risk| {
                risk.signs.iter().map(|sign| sign.rule.to_owned()).collect()
            }),
            approved_by: String::new(),
            approved_ms: 0,
            approved_score: 0,
            change: Change::Sight,
        };
        let text = statement.text.as_deref().unwrap_or_default();
        Self::new(statement.identity, statement.fingerprint.get(), text, judgement)
    }

    /// What is thought of it.
    pub(crate) fn standing(&self) -> Standing {
        Standing::of(self.standing.load(Ordering::Relaxed))
    }

    /// All that is thought of it.
    pub(crate) fn judgement(&self) -> Judgement {
        self.lock().clone()
    }

    /// How often it was seen.
    pub(crate) fn count(&self) -> u64 {
        let kept = self.kept.load(Ordering::Relaxed);
        kept.saturating_add(self.fresh.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, Judgement> {
        self.judgement.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> Known {
        match self.standing() {
            Standing::Approved => Known::Approved(self.lock().approved_score),
            Standing::Learned => Known::Learned,
            Standing::Queued | Standing::Forgotten => Known::No,
        }
    }

    /// It was seen with this score.
    fn scores(&self, statement: &Statement) {
        let Some(risk) = statement.risk.as_deref() else { return };
        let mut judgement = self.lock();
        if risk.score > judgement.score {
            judgement.score = risk.score;
            judgement.rules = risk.signs.iter().map(|sign| sign.rule.to_owned()).collect();
            judgement.change = judgement.change.max(Change::Sight);
        }
    }
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or(text)
}

type Shard = HashMap<u64, Arc<Shape>>;

/// The shapes of one scope.
#[derive(Debug)]
pub(crate) struct List {
    shards: [RwLock<Shard>; SHARDS],
    learned: AtomicUsize,
    approved: AtomicUsize,
    queued: AtomicUsize,
    /// Shapes that found no room.
    pub(crate) overflowed: AtomicU64,
    /// Something is to be written besides counts.
    is_dirty: AtomicBool,
    /// Shapes of all lists.
    in_all: Arc<AtomicUsize>,
}

impl List {
    pub(crate) fn new(in_all: Arc<AtomicUsize>) -> Self {
        Self {
            shards: std::array::from_fn(|_| RwLock::default()),
            learned: AtomicUsize::new(0),
            approved: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
            overflowed: AtomicU64::new(0),
            is_dirty: AtomicBool::new(false),
            in_all,
        }
    }

    /// How many shapes there are of this standing.
    pub(crate) fn len(&self, standing: Standing) -> usize {
        self.tally(standing).map_or(0, |tally| tally.load(Ordering::Relaxed))
    }

    /// Whether any shape is known.
    pub(crate) fn knows_any(&self) -> bool {
        self.len(Standing::Learned) + self.len(Standing::Approved) > 0
    }

    /// What it says of a statement.
    pub(crate) fn known(&self, statement: &Statement) -> Known {
        self.find(statement.identity).map_or(Known::No, |shape| shape.known())
    }

    /// The same, and counts it. None: it is not in the list.
    pub(crate) fn count(&self, statement: &Statement) -> Option<Known> {
        let shard = self
            .shard(statement.identity)
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let shape = shard.get(&statement.identity)?;
        shape.fresh.fetch_add(1, Ordering::Relaxed);
        if statement.risk.is_some() {
            shape.scores(statement);
        }
        Some(shape.known())
    }

    /// A statement was seen, of which the list says nothing so far, or that it waits.
    pub(crate) fn sight(&self, statement: &Statement, standing: Standing, now_ms: i64) {
        if let Some(shape) = self.find(statement.identity) {
            return self.learn(&shape, standing);
        }
        if self.is_full() && !(standing > Standing::Queued && self.make_room()) {
            self.overflowed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let shape = Shape::seen(statement, standing);
        shape.first_seen_ms.store(now_ms, Ordering::Relaxed);
        shape.last_seen_ms.store(now_ms, Ordering::Relaxed);
        shape.fresh.store(1, Ordering::Relaxed);
        self.put(Arc::new(shape));
        self.is_dirty.store(true, Ordering::Relaxed);
    }

    fn learn(&self, shape: &Shape, standing: Standing) {
        self.judge(shape, |judgement| {
            if judgement.standing < standing {
                judgement.standing = standing;
                judgement.change = judgement.change.max(Change::Sight);
            }
        });
    }

    /// Changes what is thought of a shape.
    pub(crate) fn judge<T>(&self, shape: &Shape, change: impl FnOnce(&mut Judgement) -> T) -> T {
        let mut judgement = shape.lock();
        let before = judgement.standing;
        let changed = change(&mut judgement);
        shape.standing.store(judgement.standing as u8, Ordering::Relaxed);
        self.moves(before, judgement.standing);
        if judgement.change != Change::None {
            self.is_dirty.store(true, Ordering::Relaxed);
        }
        changed
    }

    /// The shape of this id.
    pub(crate) fn find(&self, id: u64) -> Option<Arc<Shape>> {
        let shard = self.shard(id).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(&id).cloned()
    }

    /// All shapes.
    pub(crate) fn all(&self) -> Vec<Arc<Shape>> {
        let shards = self.shards.iter();
        shards
            .flat_map(|shard| {
                let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
                shard.values().cloned().collect::<Vec<_>>()
            })
            .collect()
    }

    /// Puts a shape in, in the place of the one that has its id.
    pub(crate) fn put(&self, shape: Arc<Shape>) {
        let mut shard = self.shard(shape.id).write().unwrap_or_else(PoisonError::into_inner);
        let standing = shape.standing();
        let before = shard.insert(shape.id, shape);
        if let Some(before) = &before {
            self.leaves(before.standing());
        } else {
            self.in_all.fetch_add(1, Ordering::Relaxed);
        }
        self.enters(standing);
    }

    /// Whether something was to be written since this was asked last.
    pub(crate) fn was_dirty(&self) -> bool {
        self.is_dirty.swap(false, Ordering::Relaxed)
    }

    /// Takes a shape out.
    pub(crate) fn take(&self, id: u64) {
        let mut shard = self.shard(id).write().unwrap_or_else(PoisonError::into_inner);
        if let Some(shape) = shard.remove(&id) {
            self.leaves(shape.standing());
            self.in_all.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn is_full(&self) -> bool {
        let own = self.len(Standing::Queued) + self.len(Standing::Learned) + self.len(Standing::Approved);
        own >= SHAPES_MAX || self.in_all.load(Ordering::Relaxed) >= SHAPES_IN_ALL_MAX
    }

    /// What is known goes before what only waits.
    fn make_room(&self) -> bool {
        if self.len(Standing::Queued) == 0 {
            return false;
        }
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            let waits = shard.values().find(|shape| shape.standing() == Standing::Queued);
            let Some(id) = waits.map(|shape| shape.id) else {
                continue;
            };
            drop(shard);
            self.take(id);
            return true;
        }
        false
    }

    fn shard(&self, id: u64) -> &RwLock<Shard> {
        let [first, ..] = &self.shards;
        let index = usize::try_from(id % SHARDS as u64).unwrap_or_default();
        self.shards.get(index).unwrap_or(first)
    }

    const fn tally(&self, standing: Standing) -> Option<&AtomicUsize> {
        match standing {
            Standing::Learned => Some(&self.learned),
            Standing::Approved => Some(&self.approved),
            Standing::Queued => Some(&self.queued),
            Standing::Forgotten => None,
        }
    }

    fn enters(&self, standing: Standing) {
        if let Some(tally) = self.tally(standing) {
            tally.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn leaves(&self, standing: Standing) {
        if let Some(tally) = self.tally(standing) {
            tally.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn moves(&self, from: Standing, to: Standing) {
        if from != to {
            self.leaves(from);
            self.enters(to);
        }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        let held: usize = self
            .shards
            .iter()
            .map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len())
            .sum();
        self.in_all.fetch_sub(held, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use weir_sql::{Limits, analyse};

    use super::*;

    fn list() -> List {
        List::new(Arc::default())
    }

    fn statement(sql: &str) -> Statement {
        analyse(sql, Limits::default())
    }

    #[test]
    fn a_shape_is_known_from_when_it_is_learned_until_it_is_forgotten() {
        let list = list();
        let one = statement("select a from t where b = 1");
        assert_eq!((list.count(&one), list.known(&one)), (None, Known::No));
        list.sight(&one, Standing::Queued, 7);
        assert_eq!((list.count(&one), list.knows_any()), (Some(Known::No), false));
        list.sight(&statement("select a from t where b = 2"), Standing::Learned, 8);
        assert_eq!((list.known(&one), list.knows_any()), (Known::Learned, true));
        let shape = list.find(one.identity).unwrap();
        assert_eq!((shape.count(), &*shape.text), (2, "select a from t where b = $1"));
        // What was learned does not wait again.
        list.sight(&one, Standing::Queued, 9);
        assert_eq!(list.known(&one), Known::Learned);
        list.judge(&shape, |judgement| judgement.standing = Standing::Forgotten);
        assert_eq!((list.known(&one), list.knows_any()), (Known::No, false));
        list.take(one.identity);
        assert_eq!((list.all().len(), list.in_all.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn it_has_a_bound_and_counts_what_finds_no_room() {
        let list = list();
        let shape = |number: usize| statement(&format!("select a{number} from t"));
        for number in 0..SHAPES_MAX + 5 {
            list.sight(&shape(number), Standing::Queued, 1);
        }
        assert_eq!(list.len(Standing::Queued), SHAPES_MAX);
        assert_eq!(list.overflowed.load(Ordering::Relaxed), 5);
        // What is learned takes the place of something that only waits.
        list.sight(&shape(SHAPES_MAX + 7), Standing::Learned, 1);
        let lengths = [Standing::Queued, Standing::Learned].map(|standing| list.len(standing));
        assert_eq!(lengths, [SHAPES_MAX - 1, 1]);
        assert_eq!(list.overflowed.load(Ordering::Relaxed), 5);
        assert_eq!(list.all().len(), SHAPES_MAX);
    }

    #[test]
    fn all_lists_together_have_a_bound_too() {
        let in_all = Arc::new(AtomicUsize::new(SHAPES_IN_ALL_MAX - 1));
        let lists = [List::new(in_all.clone()), List::new(in_all.clone())];
        lists[0].sight(&statement("select 1"), Standing::Learned, 1);
        lists[1].sight(&statement("select 1"), Standing::Learned, 1);
        let held = lists.each_ref().map(|list| list.all().len());
        assert_eq!((held, in_all.load(Ordering::Relaxed)), ([1, 0], SHAPES_IN_ALL_MAX));
        drop(lists);
        assert_eq!(in_all.load(Ordering::Relaxed), SHAPES_IN_ALL_MAX - 1);
    }
}
