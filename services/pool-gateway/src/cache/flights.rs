//! Results that are on their way: who wants one that somebody has asked for already waits for it, if that will do.
//!
//! It will do where the question was sent after all that the waiting reader needs: a result that was asked for earlier
//! may be older than what he has written or seen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::entry::Entry;
use super::view::Moment;
use crate::settings::Consistency;

/// Longest wait for somebody else's result; then PostgreSQL is asked all the same.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(5);
/// Results on their way that others may wait for.
const FLIGHTS_MAX: usize = 10_000;

/// Every result that is on its way.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<Box<[u8]>, Arc<Flight>>>);

/// One result on its way.
#[derive(Debug)]
pub(crate) struct Flight {
    /// When it was asked for.
    pub(crate) sent: Moment,
    /// How fresh its statement's answers have to be, where that is not as the settings say.
    pub(crate) level: Option<Consistency>,
    landed: OnceLock<Option<Arc<Entry>>>,
    over: Notify,
}

/// Whoever asks for a result. Dropped without one, those who wait ask themselves.
#[derive(Debug)]
pub(crate) struct Leader {
    flights: Arc<Flights>,
    key: Box<[u8]>,
    flight: Arc<Flight>,
}

impl Flights {
    /// A result that is on its way.
    pub(crate) fn of(&self, key: &[u8]) -> Option<Arc<Flight>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(key).cloned()
    }

    /// Somebody asks for a result now. None: somebody else does, or too many do.
    pub(crate) fn lead(self: &Arc<Self>, key: &[u8], sent: Moment, level: Option<Consistency>) -> Option<Leader> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(key).is_some();
        if known || all.len() >= FLIGHTS_MAX {
            return None;
        }
        let flight = Arc::new(Flight {
            sent,
            level,
            landed: OnceLock::new(),
            over: Notify::new(),
        });
        all.insert(key.into(), flight.clone());
        Some(Leader {
            flights: self.clone(),
            key: key.into(),
            flight,
        })
    }
}

impl Leader {
    /// The result is there.
    pub(crate) fn lands(&self, entry: Option<&Arc<Entry>>) {
        // The first word counts.
        let _ = self.flight.landed.set(entry.cloned());
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        let mut all = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&self.key);
        drop(all);
        let _ = self.flight.landed.set(None);
        self.flight.over.notify_waiters();
    }
}

impl Flight {
    /// What came of it, if it is over.
    pub(crate) fn result(&self) -> Option<&Arc<Entry>> {
        self.landed.get().and_then(Option::as_ref)
    }

    /// Waits for its end, but not for ever.
    pub(crate) async fn until_over(&self) {
        let over = async {
            loop {
                let told = self.over.notified();
                if self.landed.get().is_some() {
                    return;
                }
                told.await;
            }
        };
        // Whoever has waited so long asks himself.
        let _ = tokio::time::timeout(WAIT_MAX, over).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_asks_and_nobody_waits_for_one_who_left() {
        let flights = Arc::new(Flights::default());
        let leader = flights.lead(b"k", 10, None).unwrap();
        assert!(flights.lead(b"k", 11, None).is_none(), "one at a time");
        let flight = flights.of(b"k").unwrap();
        drop(leader);
        flight.until_over().await;
        assert!(flight.result().is_none() && flights.of(b"k").is_none());
        assert!(flights.lead(b"k", 12, None).is_some());
    }
}
