//! What closer looks have found: looking again soon would find the same, and costs reads.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::plan::Bloat;

/// A look is good for so long.
const GOOD_FOR: Duration = Duration::from_hours(6);
/// A relation whose size has changed by more than this share is looked at again.
const CHANGED: f64 = 0.02;
/// Relations that are remembered; what is old goes first.
const MANY: usize = 10_000;

/// What was found, by database and number in its catalogue.
#[derive(Debug, Default)]
pub(crate) struct Looked(Mutex<HashMap<(String, u32), (Instant, Bloat)>>);

impl Looked {
    /// What was found lately of a relation that has this size now.
    pub(crate) fn known(&self, database: &str, oid: u32, size: u64) -> Option<Bloat> {
        let looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (when, bloat) = looked.get(&(database.to_owned(), oid))?;
        let is_same = bloat.size.abs_diff(size) as f64 <= CHANGED * size as f64;
        (is_same && when.elapsed() < GOOD_FOR).then_some(*bloat)
    }

    /// Remembers what was found now.
    pub(crate) fn found(&self, database: &str, oid: u32, bloat: Bloat) {
        let mut looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.len() >= MANY {
            looked.retain(|_, (when, _)| when.elapsed() < GOOD_FOR / 2);
        }
        if looked.len() < MANY {
            looked.insert((database.to_owned(), oid), (Instant::now(), bloat));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Method;

    #[tokio::test(start_paused = true)]
    async fn a_look_is_good_for_hours_and_for_a_relation_that_stays_as_it_is() {
        let (looked, bloat) = (
            Looked::default(),
            Bloat {
                size: 1_000,
                low: 1,
                likely: 2,
                high: 3,
                method: Method::Sample,
            },
        );
        looked.found("db", 1, bloat);
        assert_eq!(looked.known("db", 1, 1_010), Some(bloat));
        assert_eq!(looked.known("db", 1, 1_100), None, "it has grown");
        assert_eq!(
            (looked.known("db", 2, 1_000), looked.known("other", 1, 1_000)),
            (None, None)
        );
        tokio::time::advance(GOOD_FOR).await;
        assert_eq!(looked.known("db", 1, 1_000), None, "it is long ago");
    }
}
