//! What each statement is, remembered by its text without literals.
//!
//! Reading a statement costs some tens of microseconds and, for a hostile one, half a second: known texts are answered
//! from memory, short ones are read on the spot, long ones on few threads beside the data path. Each thread has a
//! memory of its own. Texts are compared, not only their hashes: a chosen collision must not make one statement pass
//! for another.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use tokio::sync::Semaphore;
use weir_sql::{Limits, Statement, without_trace};

use crate::workers::current_worker;

/// Texts that one thread remembers.
const REMEMBERED: NonZeroUsize = match NonZeroUsize::new(5_000) {
    Some(number) => number,
    None => NonZeroUsize::MIN,
};
/// Longer texts are not remembered, so that the memory stays bounded.
const REMEMBERED_BYTES_MAX: usize = 8 * 1024;
/// Up to this length a statement is read on the spot.
const SHORT_BYTES: usize = 16 * 1024;
/// Long statements that are read at once.
const LONG_AT_ONCE: usize = 2;

/// What a text is. The trace in its comment is other with every statement, and says nothing of that.
fn analyse(sql: &str, limits: Limits) -> Statement {
    weir_sql::analyse(&without_trace(sql), limits)
}

/// What is remembered of a text without its literals.
#[derive(Debug, Clone)]
enum Memory {
    /// Whatever the literals are, this is it.
    Same(Arc<Statement>),
    /// It depends on them; the whole text has to be asked for.
    Depends,
}

#[derive(Debug)]
struct Lane {
    skeletons: LruCache<Box<[u8]>, Memory>,
    texts: LruCache<Box<[u8]>, Arc<Statement>>,
    scratch: Vec<u8>,
}

/// Reads statements and remembers them. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Shapes {
    lanes: Arc<Vec<Mutex<Lane>>>,
    long: Arc<Semaphore>,
    limits: Limits,
}

impl Shapes {
    pub(crate) fn new(limits: Limits, workers: usize) -> Self {
        let lane = || {
            Mutex::new(Lane {
                skeletons: LruCache::new(REMEMBERED),
                texts: LruCache::new(REMEMBERED),
                scratch: Vec::new(),
            })
        };
        Self {
            lanes: Arc::new((0..workers.max(1)).map(|_| lane()).collect()),
            long: Arc::new(Semaphore::new(LONG_AT_ONCE)),
            limits,
        }
    }

    fn with_lane<T>(&self, act: impl FnOnce(&mut Lane) -> T) -> Option<T> {
        let lane = self.lanes.get(current_worker()).or_else(|| self.lanes.first())?;
        Some(act(&mut lane.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// What this statement is, where that is known or quickly read.
    pub(crate) fn at_once(&self, sql: &str) -> Option<Arc<Statement>> {
        if let Some(statement) = self.recall(sql) {
            return Some(statement);
        }
        let is_quick = sql.len() <= SHORT_BYTES || sql.len() > self.limits.statement_bytes_max;
        is_quick.then(|| self.remember(sql, analyse(sql, self.limits)))
    }

    /// The longest statement that is read at all.
    pub(crate) const fn statement_bytes_max(&self) -> usize {
        self.limits.statement_bytes_max
    }

    /// Whether a statement is too long to be read on the spot, and short enough to be read at all.
    pub(crate) const fn is_long(&self, sql: &str) -> bool {
        sql.len() > SHORT_BYTES && sql.len() <= self.limits.statement_bytes_max
    }

    /// What is known of a statement that was not read, of which this much is there: its hash. It may have done anything.
    pub(crate) fn unread(&self, sql: &str) -> Arc<Statement> {
        Arc::new(weir_sql::unread(&without_trace(sql)))
    }

    /// What a long statement is, read on the spot. For statements that are prepared once and used often.
    pub(crate) fn read_now(&self, sql: &str) -> Arc<Statement> {
        self.remember(sql, analyse(sql, self.limits))
    }

    /// What a long statement is.
    pub(crate) async fn read(&self, sql: &str) -> Arc<Statement> {
        // The semaphore is never closed.
        let turn = self.long.clone().acquire_owned().await;
        let (text, limits) = (sql.to_owned(), self.limits);
        let read = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            analyse(&text, limits)
        });
        match read.await {
            Ok(statement) => self.remember(sql, statement),
            Err(_) => self.unread(sql),
        }
    }

    fn recall(&self, sql: &str) -> Option<Arc<Statement>> {
        self.with_lane(|lane| lane.recall(sql)).flatten()
    }

    fn remember(&self, sql: &str, statement: Statement) -> Arc<Statement> {
        let statement = Arc::new(statement);
        if sql.len() <= REMEMBERED_BYTES_MAX {
            self.with_lane(|lane| lane.remember(sql, &statement));
        }
        statement
    }
}

impl Lane {
    fn recall(&mut self, sql: &str) -> Option<Arc<Statement>> {
        if sql.len() > REMEMBERED_BYTES_MAX {
            return None;
        }
        self.scratch.clear();
        if weir_sql::skeleton(sql, &mut self.scratch)
            && let Memory::Same(statement) = self.skeletons.get(self.scratch.as_slice())?
        {
            return Some(statement.clone());
        }
        self.texts.get(without_trace(sql).as_bytes()).cloned()
    }

    fn remember(&mut self, sql: &str, statement: &Arc<Statement>) {
        self.scratch.clear();
        if weir_sql::skeleton(sql, &mut self.scratch) {
            let memory = if statement.keeps_literals {
                Memory::Depends
            } else {
                Memory::Same(statement.clone())
            };
            self.skeletons.put(self.scratch.as_slice().into(), memory);
            if !statement.keeps_literals {
                return;
            }
        }
        self.texts.put(without_trace(sql).as_bytes().into(), statement.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_text_is_read_once_and_long_ones_are_read_too() {
        let shapes = Shapes::new(Limits::default(), 1);
        let first = shapes.at_once("select 1").unwrap();
        assert!(Arc::ptr_eq(&first, &shapes.at_once("select 1").unwrap()));
        assert!(Arc::ptr_eq(&first, &shapes.at_once("select 2").unwrap()));
        let long = format!("select {}", ["1"; 10_000].join(","));
        assert!(shapes.at_once(&long).is_none());
        assert!(!shapes.unread(&long).parsed && shapes.read(&long).await.parsed);
    }

    #[test]
    fn where_literals_matter_the_whole_text_counts() {
        let shapes = Shapes::new(Limits::default(), 1);
        let one = shapes.at_once("set app.tenant = 'a'").unwrap();
        let other = shapes.at_once("set app.tenant = 'b'").unwrap();
        assert_ne!(one.deeds, other.deeds);
        assert!(Arc::ptr_eq(&one, &shapes.at_once("set app.tenant = 'a'").unwrap()));
    }

    #[test]
    fn texts_that_differ_in_their_trace_are_remembered_as_one() {
        let shapes = Shapes::new(Limits::default(), 1);
        for sql in ["select 1", "set app.tenant = 'a'", "select from from"] {
            let traced = |span: u32| format!("{sql} /*traceparent='00-{:032x}-{span:016x}-01'*/", 7);
            let first = shapes.at_once(&traced(1)).unwrap();
            for span in 2..9 {
                assert!(Arc::ptr_eq(&first, &shapes.at_once(&traced(span)).unwrap()), "{sql}");
            }
        }
        let held = |lane: &mut Lane| lane.skeletons.len() + lane.texts.len();
        assert!(shapes.with_lane(held).unwrap() <= 6);
    }

    fn score(shapes: &Shapes, sql: &str) -> u16 {
        let statement = shapes.at_once(sql).unwrap();
        assert_eq!(
            statement.risk,
            analyse(sql, Limits::default()).risk,
            "what is remembered is what is read: {sql}"
        );
        statement.risk.as_ref().map_or(0, |risk| risk.score)
    }

    #[test]
    fn a_hostile_text_does_not_inherit_a_harmless_verdict() {
        for (harmless, hostile) in [
            (
                "select a from t where b = 'x' or c like 'y%'",
                "select a from t where b = 'x' or c like '%'",
            ),
            (
                "select a from t where b = 1 and 1 = 0",
                "select a from t where b = 1 and 1 = 1",
            ),
            (
                "select a from t where (b = 'x' or 'x' = '')",
                "select a from t where (b = '' or '' = '')",
            ),
            (
                "select a from t where b = 1 -- all of them",
                "select a from t where b = 1 --' and c = 2",
            ),
            (
                "select a from t where b = 1 /* a note */ and c",
                "select a from t where b = 1 /*' and 'd*/ and c",
            ),
            (
                "select a from t where (select count(*) from generate_series(1, 9) g) > b",
                "select a from t where (select count(*) from generate_series(1, 90000000) g) > b",
            ),
            (
                "select set_config('app.tenant', 'a', true)",
                "select set_config('role', 'a', true)",
            ),
        ] {
            // In either order, because the first one is what is remembered.
            for order in [[harmless, hostile], [hostile, harmless]] {
                let shapes = Shapes::new(Limits::default(), 1);
                for sql in order.into_iter().chain(order) {
                    let dangerous = score(&shapes, sql) >= weir_sql::DANGEROUS;
                    assert_eq!(dangerous, sql == hostile, "{sql}");
                }
            }
        }
    }

    #[test]
    fn notes_and_texts_are_still_remembered_as_one() {
        let shapes = Shapes::new(Limits::default(), 1);
        for number in 0..50 {
            let sql = format!(
                "select a from t where b = 'it''s {number}' and c like 'x{number}%' /*route='%2F{number}',app='shop'*/ -- note {number}"
            );
            assert_eq!(score(&shapes, &sql), 0);
        }
        let held = |lane: &mut Lane| lane.skeletons.len() + lane.texts.len();
        assert_eq!(shapes.with_lane(held), Some(1));
    }
}
