//! What each statement is, remembered by its text.
//!
//! Reading a statement costs some tens of microseconds and, for a hostile one, half a second: known texts are answered
//! from memory, short ones are read on the spot, long ones on few threads beside the data path.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use tokio::sync::Semaphore;
use weir_sql::{Limits, Statement, analyse, text_hash};

/// Texts that are remembered.
const REMEMBERED: NonZeroUsize = match NonZeroUsize::new(10_000) {
    Some(number) => number,
    None => NonZeroUsize::MIN,
};
/// Longer texts are not remembered, so that the memory stays bounded.
const REMEMBERED_BYTES_MAX: usize = 16 * 1024;
/// Up to this length a statement is read on the spot.
const SHORT_BYTES: usize = 4 * 1024;
/// Long statements that are read at once.
const LONG_AT_ONCE: usize = 2;

/// Reads statements and remembers them.
#[derive(Debug, Clone)]
pub(crate) struct Shapes {
    known: Arc<Mutex<LruCache<u64, (Box<str>, Arc<Statement>)>>>,
    long: Arc<Semaphore>,
    limits: Limits,
}

impl Shapes {
    pub(crate) fn new(limits: Limits) -> Self {
        let known = Arc::new(Mutex::new(LruCache::new(REMEMBERED)));
        Self {
            known,
            long: Arc::new(Semaphore::new(LONG_AT_ONCE)),
            limits,
        }
    }

    /// What this statement is.
    pub(crate) async fn of(&self, sql: &str) -> Arc<Statement> {
        let hash = text_hash(sql);
        if let Some(statement) = self.recall(hash, sql) {
            return statement;
        }
        let statement = if sql.len() <= SHORT_BYTES {
            analyse(sql, self.limits)
        } else {
            self.read_long(sql).await
        };
        let statement = Arc::new(statement);
        self.remember(hash, sql, &statement);
        statement
    }

    /// The texts are compared too: a chosen collision of hashes must not make one statement pass for another.
    fn recall(&self, hash: u64, sql: &str) -> Option<Arc<Statement>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(&hash)
            .filter(|(text, _)| **text == *sql)
            .map(|(_, statement)| statement.clone())
    }

    fn remember(&self, hash: u64, sql: &str, statement: &Arc<Statement>) {
        if sql.len() <= REMEMBERED_BYTES_MAX {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.put(hash, (sql.into(), statement.clone()));
        }
    }

    async fn read_long(&self, sql: &str) -> Statement {
        // The semaphore is never closed, and a reading that died is done again as a statement that is too long to read.
        let _turn = self.long.acquire().await;
        let (text, limits) = (sql.to_owned(), self.limits);
        let read = tokio::task::spawn_blocking(move || analyse(&text, limits)).await;
        read.unwrap_or_else(|_| {
            analyse(
                sql,
                Limits {
                    statement_bytes_max: 0,
                    ..limits
                },
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_text_is_read_once_and_long_ones_are_read_too() {
        let shapes = Shapes::new(Limits::default());
        let first = shapes.of("select 1").await;
        assert!(Arc::ptr_eq(&first, &shapes.of("select 1").await));
        assert_eq!(first.fingerprint, shapes.of("select 2").await.fingerprint);
        let long = format!("select {}", ["1"; 5_000].join(","));
        assert!(shapes.of(&long).await.parsed);
    }
}
