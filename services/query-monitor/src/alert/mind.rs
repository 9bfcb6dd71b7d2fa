//! What the leading monitor knows of alerts, and what of it is still to be written. Never waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use weir_events::Event;
use weir_model::Clock;

use super::{Notice, tell};
use crate::detect::{Change, Engine, Sheets};

/// Changes that wait for the store at most. An hour-long outage of it in a storm needs less.
const QUEUE_MAX: usize = 20_000;

/// One change on its way to the store.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    /// Increases by one from each to the next.
    pub(super) number: u64,
    pub(super) change: Change,
    /// What the bus is told; made once, so that a repetition has the same id.
    pub(super) event: Option<Event>,
    /// What channels are told and have not been told directly.
    pub(super) notice: Option<Notice>,
}

/// Alerts in memory, from the term in which they were read or judged.
pub(super) struct Mind {
    pub(super) epoch: i64,
    pub(super) engine: Engine,
    queue: VecDeque<Pending>,
    next_number: u64,
    /// The store did not answer when it was last asked.
    pub(super) away: bool,
    /// Changes were dropped: rows may be there of alerts that ended.
    pub(super) incomplete: bool,
    dropped: u64,
}

impl Mind {
    /// A mind at the beginning of a term.
    pub(super) fn new(epoch: i64, engine: Engine) -> Self {
        Self {
            epoch,
            engine,
            queue: VecDeque::new(),
            next_number: 0,
            away: false,
            // A row that the store kept and nobody can read any more would stay for ever.
            incomplete: true,
            dropped: 0,
        }
    }

    /// Judges; what became of alerts is queued. True if there is anything to write.
    pub(super) fn tick(&mut self, now: i64, sheets: &Sheets, clock: &Clock) -> bool {
        for change in self.engine.tick(now, sheets) {
            self.push(change, clock);
        }
        !self.queue.is_empty()
    }

    fn push(&mut self, change: Change, clock: &Clock) {
        let only_refreshed = change.bus.is_none() && change.channels.is_none() && !change.gone;
        if self.away && only_refreshed {
            // The next one says the same, or what is told will.
            return;
        }
        if self.queue.len() >= QUEUE_MAX {
            self.queue.pop_front();
            self.dropped += 1;
            self.incomplete = true;
        }
        self.next_number += 1;
        self.queue.push_back(Pending {
            number: self.next_number,
            event: change.bus.map(|told| tell::event(&change.alert, told, clock)),
            notice: change.channels.map(|told| tell::notice(&change.alert, told)),
            change,
        });
    }

    /// The first changes that wait.
    pub(super) fn first(&self, count: usize) -> Vec<Pending> {
        self.queue.iter().take(count).cloned().collect()
    }

    /// Whether nothing waits.
    pub(super) fn is_written(&self) -> bool {
        self.queue.is_empty()
    }

    /// Changes up to this number are written.
    pub(super) fn written_until(&mut self, number: u64) {
        while self.queue.front().is_some_and(|first| first.number <= number) {
            self.queue.pop_front();
        }
    }

    /// Takes the notices that wait, because the store is away.
    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        self.queue
            .iter_mut()
            .filter_map(|pending| pending.notice.take())
            .collect()
    }

    /// Changes that were dropped since the last call, and alerts for which there was no room, ever.
    pub(super) fn take_dropped(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.dropped), self.engine.refused())
    }
}

/// The mind of this monitor, if it leads or was the last to do so.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Option<Mind>>>);

impl Memory {
    /// Does something with the mind. Never waits inside.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Option<Mind>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
