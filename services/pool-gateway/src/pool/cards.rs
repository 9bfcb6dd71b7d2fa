//! What is known of each server connection, whoever has it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::{Holding, Pool};

/// The number of the connection that was opened last.
static LAST_NUMBER: AtomicU64 = AtomicU64::new(0);

/// One connection, as it is shown.
#[derive(Debug)]
pub(crate) struct Card {
    /// Its number among all of this process.
    pub(crate) number: u64,
    /// The server's process.
    pub(crate) process_id: i32,
    pub(crate) opened: Instant,
    prepared: AtomicUsize,
    profile: AtomicU64,
    /// The call that has it. Nobody but its own call waits for this lock, unless somebody looks who holds a pool.
    holding: Mutex<Option<Holding>>,
}

impl Card {
    /// The call that has it, if one does.
    pub(crate) fn holding(&self) -> Option<Holding> {
        self.with_holding(|holding| holding.clone())
    }

    pub(super) fn with_holding<T>(&self, act: impl FnOnce(&mut Option<Holding>) -> T) -> T {
        act(&mut self.holding.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The statements that were prepared on it when it was last given back.
    pub(crate) fn prepared(&self) -> usize {
        self.prepared.load(Ordering::Relaxed)
    }

    /// The number of the profile that it wore then.
    pub(crate) fn profile(&self) -> u64 {
        self.profile.load(Ordering::Relaxed)
    }

    /// It is given back like this.
    pub(super) fn note(&self, prepared: usize, profile: u64) {
        self.prepared.store(prepared, Ordering::Relaxed);
        self.profile.store(profile, Ordering::Relaxed);
    }
}

/// The connections of one pool.
#[derive(Debug, Default)]
pub(super) struct Cards(Mutex<Vec<Weak<Card>>>);

impl Cards {
    /// A connection has been opened.
    pub(super) fn make(&self, process_id: i32) -> Arc<Card> {
        let card = Arc::new(Card {
            number: LAST_NUMBER.fetch_add(1, Ordering::Relaxed) + 1,
            process_id,
            opened: Instant::now(),
            prepared: AtomicUsize::new(0),
            profile: AtomicU64::new(0),
            holding: Mutex::default(),
        });
        let mut cards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cards.retain(|card| card.strong_count() > 0);
        cards.push(Arc::downgrade(&card));
        card
    }

    fn all(&self) -> Vec<Arc<Card>> {
        let cards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cards.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Pool {
    /// Every connection, and whether it rests.
    pub(crate) fn servers(&self) -> Vec<(Arc<Card>, bool)> {
        let resting = self.with_queue(|queue| queue.resting());
        let all = self.cards.all().into_iter();
        all.map(|card| {
            let rests = resting.contains(&card.number);
            (card, rests)
        })
        .collect()
    }

    /// The calls that have a connection.
    pub(crate) fn holdings(&self) -> Vec<Holding> {
        self.cards.all().iter().filter_map(|card| card.holding()).collect()
    }

    /// The transactions of calls in which nothing has been asked for so long, each once for each time.
    pub(crate) fn forgotten(&self, idle: Duration) -> Vec<Holding> {
        let forgotten = |card: &Arc<Card>| card.with_holding(|holding| holding.as_mut()?.is_forgotten_first(idle));
        self.cards.all().iter().filter_map(forgotten).collect()
    }
}
