//! Who writes and who is silent, by what was seen and not by what clocks say. Pure.
//!
//! A lease counts its renewals. One whose count did not move while so much time went by here is silent, whatever time
//! its holder's clock or ours has: a clock that jumps ends nobody's lease.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::repo::state::Lease;

/// What was seen of leases.
#[derive(Debug, Default)]
pub(crate) struct Watched(HashMap<(Uuid, String), Beat>);

#[derive(Debug, Clone)]
struct Beat {
    /// Which attempt says so.
    attempt: String,
    /// What the lease says of itself.
    beats: u64,
    renewed_unix_ms: i64,
    /// Since when it says so, here.
    since: Instant,
}

impl Watched {
    /// Takes down the leases of a repository as they are now. Those that are gone are forgotten.
    pub(crate) fn observe(&mut self, repository: Uuid, leases: &[Lease], now: Instant) {
        self.0
            .retain(|(of, id), _| *of != repository || leases.iter().any(|lease| lease.id == *id));
        for lease in leases {
            let fresh = Beat {
                attempt: lease.attempt.clone(),
                beats: lease.beats,
                renewed_unix_ms: lease.renewed_unix_ms,
                since: now,
            };
            let known = self
                .0
                .entry((repository, lease.id.clone()))
                .or_insert_with(|| fresh.clone());
            if !known.is_of(lease) {
                *known = fresh;
            }
        }
    }

    /// The leases that were silent for so long.
    pub(crate) fn silent(&self, repository: Uuid, leases: &[Lease], now: Instant, after: Duration) -> Vec<Lease> {
        let is_silent = |lease: &&Lease| {
            let known = self.0.get(&(repository, lease.id.clone()));
            known.is_some_and(|beat| beat.is_of(lease) && now.saturating_duration_since(beat.since) >= after)
        };
        leases.iter().filter(is_silent).cloned().collect()
    }
}

impl Beat {
    fn is_of(&self, lease: &Lease) -> bool {
        self.attempt == lease.attempt && (self.beats, self.renewed_unix_ms) == (lease.beats, lease.renewed_unix_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(beats: u64, renewed_unix_ms: i64) -> Lease {
        Lease {
            id: "one".to_owned(),
            beats,
            renewed_unix_ms,
            ..Lease::default()
        }
    }

    #[tokio::test]
    async fn only_what_did_not_move_while_it_was_watched_is_silent() {
        let (mut watched, repository, start) = (Watched::default(), Uuid::nil(), Instant::now());
        let (minute, after) = (Duration::from_secs(60), Duration::from_secs(600));
        // A clock of long ago, or of next year, says nothing.
        for (at, beats, renewed) in [(0, 0, 0), (9, 1, i64::MAX), (18, 2, 5)] {
            let now = start + minute * at;
            watched.observe(repository, &[lease(beats, renewed)], now);
            assert_eq!(watched.silent(repository, &[lease(beats, renewed)], now, after), vec![]);
        }
        let later = start + minute * 28;
        assert_eq!(
            watched.silent(repository, &[lease(2, 5)], later, after),
            vec![lease(2, 5)]
        );
        assert_eq!(
            watched.silent(repository, &[lease(3, 5)], later, after),
            vec![],
            "it moved since"
        );
        assert_eq!(
            watched.silent(Uuid::max(), &[lease(2, 5)], later, after),
            vec![],
            "another's"
        );
        watched.observe(repository, &[], later);
        watched.observe(repository, &[lease(2, 5)], later);
        assert_eq!(
            watched.silent(repository, &[lease(2, 5)], later, after),
            vec![],
            "one that began anew"
        );
    }
}
