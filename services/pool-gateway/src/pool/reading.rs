//! Reads on replicas: who answers the next one, and how long it takes.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::Members;
use super::members::Member;
use crate::client::micros;
use crate::route::{Candidate, Needs, choose};

/// Replicas among which one is chosen.
const CANDIDATES_MAX: usize = 16;
/// A read counts so much in the average of how long they take.
const WEIGHT: u64 = 8;

thread_local! {
    /// A number that changes with every draw; the draws need not be good, only uneven.
    static DICE: Cell<u64> = const { Cell::new(0x9e37_79b9_7f4a_7c15) };
}

/// Why a read that might leave the primary is answered there all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stays {
    /// No replica is fit.
    NoneFit,
    /// None that is fit has what the session knows already.
    NotFresh,
}

impl Stays {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NoneFit => "none_fit",
            Self::NotFresh => "not_fresh",
        }
    }
}

/// A read on a replica, from the choice to its end.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) member: Arc<Member>,
    begun: Instant,
}

impl Reading {
    fn begin(member: Arc<Member>) -> Self {
        member.load.outstanding.fetch_add(1, Ordering::Relaxed);
        Self {
            member,
            begun: Instant::now(),
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let load = &self.member.load;
        load.outstanding.fetch_sub(1, Ordering::Relaxed);
        let (took, before) = (micros(self.begun.elapsed()), load.latency_us.load(Ordering::Relaxed));
        let average = if before == 0 {
            took
        } else {
            (before * (WEIGHT - 1) + took) / WEIGHT
        };
        load.latency_us.store(average.max(1), Ordering::Relaxed);
    }
}

impl Members {
    /// The replica that answers a read with these needs.
    pub(crate) fn replica_for(&self, needs: Needs) -> Result<Reading, Stays> {
        let mut candidates = [Candidate::default(); CANDIDATES_MAX];
        let mut members = [0; CANDIDATES_MAX];
        let mut count = 0;
        let primary = self.primary_index();
        let fit = self
            .all()
            .iter()
            .filter(|member| member.index != primary && member.is_fit());
        for ((member, candidate), index) in fit.zip(&mut candidates).zip(&mut members) {
            let (outstanding, latency_us) = member.load();
            *candidate = Candidate {
                fresh_as_of: member.fresh_as_of(),
                replayed: member.replayed(),
                outstanding,
                latency_us,
            };
            *index = member.index;
            count += 1;
        }
        let candidates = candidates.get(..count).unwrap_or_default();
        let Some(chosen) = choose(candidates, needs, throw()) else {
            return Err(if count == 0 { Stays::NoneFit } else { Stays::NotFresh });
        };
        let member = members.get(chosen).and_then(|index| self.all().get(*index));
        member.cloned().map(Reading::begin).ok_or(Stays::NoneFit)
    }
}

impl Member {
    /// A server that was slow is tried again after a while: what is known of its speed fades.
    pub(super) fn fade(&self) {
        let latency_us = self.load.latency_us.load(Ordering::Relaxed);
        self.load
            .latency_us
            .store(latency_us - latency_us / 16, Ordering::Relaxed);
    }
}

/// A number that is another each time.
fn throw() -> usize {
    DICE.with(|dice| {
        let mut number = dice.get();
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        dice.set(number);
        usize::try_from(number >> 32).unwrap_or_default()
    })
}
