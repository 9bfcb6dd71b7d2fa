//! The latest readings of every source, where the rules look.
//!
//! A source puts down all that it sees, again and again; what it no longer sees is gone with its next sheet. A source
//! that falls silent says nothing: its sheet goes stale, and whoever judges it must take that for "not known".

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use weir_model::Clock;

use crate::detect::{Reading, Sheet, Sheets};

/// The sheets of all sources. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Board {
    sheets: Arc<Mutex<Sheets>>,
    clock: Clock,
}

impl Board {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            sheets: Arc::default(),
            clock,
        }
    }

    /// Puts down what a source sees now, in place of what it saw before. It counts for `fresh_for`.
    pub(crate) fn put(&self, source: &'static str, readings: Vec<Reading>, fresh_for: Duration) {
        let taken_unix_ms = self.clock.unix_ms();
        let sheet = Sheet {
            readings,
            taken_unix_ms,
            fresh_for,
        };
        self.sheets().insert(source, Arc::new(sheet));
    }

    /// Every sheet, by its source. A sheet is the same `Arc` until its source puts down another.
    pub(crate) fn read(&self) -> Sheets {
        self.sheets().clone()
    }

    fn sheets(&self) -> std::sync::MutexGuard<'_, Sheets> {
        self.sheets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
