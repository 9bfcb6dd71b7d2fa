//! Which shape's plan is captured next, and how often any is. Pure.
//!
//! What waits has a bound, and so has what is remembered; what does not fit is counted.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;

/// How often plans are captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Milliseconds between two captures of one shape.
    pub(crate) every_ms: i64,
    /// Milliseconds until a shape is tried again whose plan could not be had.
    pub(crate) failed_every_ms: i64,
    /// Captures of all shapes in a minute.
    pub(crate) per_minute: usize,
}

/// Shapes that wait at once.
const WAITING_MAX: usize = 1_000;
/// Shapes remembered with when they are due again.
const REMEMBERED_MAX: usize = 50_000;
const MINUTE_MS: i64 = 60_000;

/// Keeps the pace.
#[derive(Debug)]
pub(crate) struct Pacer<K> {
    pace: Pace,
    waiting: VecDeque<K>,
    is_waiting: HashSet<K>,
    due_unix_ms: HashMap<K, i64>,
    lately_unix_ms: VecDeque<i64>,
    dropped: u64,
}

impl<K: Clone + Eq + Hash> Pacer<K> {
    /// Nothing seen yet.
    pub(crate) fn new(pace: Pace) -> Self {
        Self {
            pace,
            waiting: VecDeque::new(),
            is_waiting: HashSet::new(),
            due_unix_ms: HashMap::new(),
            lately_unix_ms: VecDeque::new(),
            dropped: 0,
        }
    }

    /// Another pace from now on.
    pub(crate) const fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// Takes a shape in whose plan would be welcome.
    pub(crate) fn offer(&mut self, key: K, now_unix_ms: i64) {
        let due = self.due_unix_ms.get(&key).is_none_or(|due| *due <= now_unix_ms);
        if !due || self.is_waiting.contains(&key) {
            return;
        }
        if self.waiting.len() >= WAITING_MAX {
            self.dropped += 1;
            return;
        }
        self.is_waiting.insert(key.clone());
        self.waiting.push_back(key);
    }

    /// The shape whose turn it is, if any may be captured now. It is not due again before its time is over.
    pub(crate) fn next(&mut self, now_unix_ms: i64) -> Option<K> {
        while self
            .lately_unix_ms
            .front()
            .is_some_and(|at| *at <= now_unix_ms - MINUTE_MS)
        {
            self.lately_unix_ms.pop_front();
        }
        if self.lately_unix_ms.len() >= self.pace.per_minute {
            return None;
        }
        let key = self.waiting.pop_front()?;
        self.is_waiting.remove(&key);
        self.lately_unix_ms.push_back(now_unix_ms);
        self.remember(key.clone(), now_unix_ms, now_unix_ms.saturating_add(self.pace.every_ms));
        Some(key)
    }

    /// The plan could not be had, and will not be had soon.
    pub(crate) fn failed(&mut self, key: K, now_unix_ms: i64) {
        self.remember(key, now_unix_ms, now_unix_ms.saturating_add(self.pace.failed_every_ms));
    }

    /// No turn was used after all: nobody needed to be asked.
    pub(crate) fn give_back(&mut self) {
        self.lately_unix_ms.pop_back();
    }

    /// The server was away: the shape is due with its next sighting.
    pub(crate) fn forget(&mut self, key: &K) {
        self.due_unix_ms.remove(key);
    }

    /// How many shapes there was no room for.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many shapes are remembered.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.due_unix_ms.len()
    }

    fn remember(&mut self, key: K, now_unix_ms: i64, due_unix_ms: i64) {
        if self.due_unix_ms.len() >= REMEMBERED_MAX {
            self.due_unix_ms.retain(|_, due| *due > now_unix_ms);
        }
        if self.due_unix_ms.len() >= REMEMBERED_MAX {
            // All of them are still to come: better to ask one too early than to keep them without a bound.
            self.due_unix_ms.clear();
        }
        self.due_unix_ms.insert(key, due_unix_ms);
    }
}
