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

/// Statements by the hash of their text, with the text.
type Known = LruCache<u64, (Box<str>, Arc<Statement>)>;

/// Reads statements and remembers them.
#[derive(Debug, Clone)]
pub(crate) struct Shapes {
    known: Arc<Mutex<Known>>,
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

    /// What this statement is, where that is known or quickly read.
    pub(crate) fn at_once(&self, sql: &str) -> Option<Arc<Statement>> {
        let hash = text_hash(sql);
        if let Some(statement) = self.recall(hash, sql) {
            return Some(statement);
        }
        let is_quick = sql.len() <= SHORT_BYTES || sql.len() > self.limits.statement_bytes_max;
        is_quick.then(|| self.remember(hash, sql, analyse(sql, self.limits)))
    }

    /// What is known of a statement that was not read: its hash.
    pub(crate) fn unread(&self, sql: &str) -> Arc<Statement> {
        let statement_bytes_max = 0;
        Arc::new(analyse(
            sql,
            Limits {
                statement_bytes_max,
                ..self.limits
            },
        ))
    }

    /// What a long statement is.
    pub(crate) async fn read(&self, sql: &str) -> Arc<Statement> {
        // The semaphore is never closed.
        let turn = self.long.clone().acquire_owned().await;
        let (text, limits) = (sql.to_owned(), self.limits);
        let read = tokio::task::spawn_blocking(move || {
            // Kept here, because a reading goes on when its caller has gone.
            let _turn = turn;
            analyse(&text, limits)
        });
        match read.await {
            Ok(statement) => self.remember(text_hash(sql), sql, statement),
            Err(_) => self.unread(sql),
        }
    }

    /// The texts are compared too: a chosen collision of hashes must not make one statement pass for another.
    fn recall(&self, hash: u64, sql: &str) -> Option<Arc<Statement>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(&hash)
            .filter(|(text, _)| **text == *sql)
            .map(|(_, statement)| statement.clone())
    }

    fn remember(&self, hash: u64, sql: &str, statement: Statement) -> Arc<Statement> {
        let statement = Arc::new(statement);
        if sql.len() <= REMEMBERED_BYTES_MAX {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.put(hash, (sql.into(), statement.clone()));
        }
        statement
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_text_is_read_once_and_long_ones_are_read_too() {
        let shapes = Shapes::new(Limits::default());
        let first = shapes.at_once("select 1").unwrap();
        assert!(Arc::ptr_eq(&first, &shapes.at_once("select 1").unwrap()));
        assert_eq!(first.fingerprint, shapes.at_once("select 2").unwrap().fingerprint);
        let long = format!("select {}", ["1"; 5_000].join(","));
        assert!(shapes.at_once(&long).is_none());
        assert!(!shapes.unread(&long).parsed && shapes.read(&long).await.parsed);
        assert!(shapes.at_once(&long).is_some_and(|statement| statement.parsed));
    }
}
