//! Results that PostgreSQL gives: what has to be known before it is asked, and what is kept of its answer.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::time::Instant;
use weir_proto::cache::v1 as api;
use weir_tags::Tag;

use super::asking::Question;
use super::entry::{Body, Entry, Serving};
use super::fault::{self, Fault};
use super::flights::Leader;
use super::key::Asker;
use super::shape::{Finding, Look, Shape, Terms, Values};
use super::sharing::Name;
use super::view::{Basis, Moment, Worth, nanos};
use super::worth::{BypassReason, FillRefusal, MissReason, Mode};
use super::{Cache, Why};
use crate::settings::Consistency;

/// A request that PostgreSQL answers, and whose result is kept then.
#[derive(Debug)]
pub(crate) struct Miss {
    key: Box<[u8]>,
    asker: Asker,
    basis: Basis,
    shape: Arc<Shape>,
    serving: Serving,
    /// How long the result lives at most, and how long if it is empty.
    lives: Option<Duration>,
    empty_ttl: Duration,
    pub(crate) bytes_max: usize,
    project_bytes_max: u64,
    reason: MissReason,
    mode: Mode,
    /// The result is there, and PostgreSQL is asked all the same.
    was_there: bool,
    asked_at: Moment,
    overhead: Duration,
    /// Others wait for the result.
    leader: Option<Leader>,
    name: Option<Name>,
}

impl Miss {
    /// The result is called so among gateways.
    pub(crate) const fn is_called(&mut self, name: Name) {
        self.name = Some(name);
    }

    /// If it is empty, it lives as long as its caller says.
    pub(crate) const fn if_empty_lives(&mut self, empty_ttl: Duration) {
        self.empty_ttl = empty_ttl;
    }
}

impl Cache {
    /// What it takes to keep the result of a request that PostgreSQL is about to answer; none where it must not be kept,
    /// or is not known yet. `ask` says what the cache service is asked if it has to be.
    pub(crate) fn miss(
        &self,
        key: &[u8],
        asker: &Asker,
        shape: &Arc<Shape>,
        values: &Values<'_>,
        why: Why,
        ask: impl FnOnce() -> Option<api::StudyRequest>,
    ) -> Option<Box<Miss>> {
        let prepared = self.prepare((key, asker, shape), values, why, ask);
        prepared.map_err(|reason| shape.account.bypass(reason)).ok()
    }

    fn prepare(
        &self,
        (key, asker, shape): (&[u8], &Asker, &Arc<Shape>),
        values: &Values<'_>,
        why: Why,
        ask: impl FnOnce() -> Option<api::StudyRequest>,
    ) -> Result<Box<Miss>, BypassReason> {
        let begun = Instant::now();
        let view = &asker.view;
        let now = view.moment(begun);
        // Before the statement is sent; what is visible by now, it will see. A database that nobody follows needs no lease.
        let (incarnation, stamp) = view.stamp().ok_or(BypassReason::NoLease)?;
        view.is_used(now);
        let verdict = match shape.verdict(view) {
            Look::Is(verdict) => verdict,
            Look::Wait => return Err(BypassReason::NotCacheable),
            Look::Ask => {
                match ask() {
                    Some(request) => self.asking.ask(Question {
                        is_dry: self.limits.is_dry,
                        shape: shape.clone(),
                        view: view.clone(),
                        request,
                    }),
                    None => shape.is_unknown(),
                }
                return Err(BypassReason::NotCacheable);
            }
        };
        let Finding::May(terms) = &verdict.finding else {
            return Err(BypassReason::NotCacheable);
        };
        // After the verdict: whoever is told to leave it alone has to hear when that is over.
        let mode = shape.account.mode(begun, key);
        if let Mode::Observe(reason) = mode {
            return Err(reason);
        }
        let level = shape.says.level.or(terms.level);
        if level.unwrap_or(self.limits.level) == Consistency::Off {
            return Err(BypassReason::Policy);
        }
        let reason = match why {
            Why::Miss(reason) => reason,
            Why::Dry => MissReason::Absent,
            // The lease alone says no: it is kept for when that is back.
            Why::Bypass(BypassReason::NoLease) => MissReason::NewerNeeded,
            Why::Bypass(reason) => return Err(reason),
        };
        let also = [Tag::project(&asker.project), Tag::shape(shape.statement.fingerprint)];
        let buckets = terms.buckets(values, &also).ok_or(BypassReason::NotCacheable)?;
        Ok(Box::new(Miss {
            key: key.into(),
            asker: asker.clone(),
            basis: Basis {
                incarnation,
                stamp,
                buckets,
            },
            shape: shape.clone(),
            serving: self.serving(terms, level, verdict.policies),
            lives: terms.lives,
            empty_ttl: terms.empty_ttl.unwrap_or(self.limits.empty_ttl),
            bytes_max: terms.bytes_max.unwrap_or(usize::MAX).min(self.limits.result_bytes_max),
            project_bytes_max: self.project_bytes_max(terms),
            reason,
            mode,
            was_there: why == Why::Dry,
            asked_at: now,
            leader: self.flights.lead(key, now, level),
            name: None,
            overhead: begun.elapsed(),
        }))
    }

    /// How results are served by these rules.
    pub(super) fn serving(&self, terms: &Terms, level: Option<Consistency>, policies: u64) -> Serving {
        Serving {
            level,
            bound: terms.bound.unwrap_or(self.limits.bound).min(self.limits.bound),
            is_ttl: terms.is_ttl,
            policies,
        }
    }

    /// What results of the project may hold by these rules.
    pub(super) fn project_bytes_max(&self, terms: &Terms) -> u64 {
        let limit = self.limits.project_bytes_max;
        terms.project_bytes_max.map_or(limit, |max| max.min(limit))
    }

    /// Keeps a result that PostgreSQL has given.
    pub(crate) fn keep(&self, mut miss: Miss, body: Body) {
        if fault::is(Fault::StampByLsn) {
            miss.basis.stamp = miss.basis.stamp.max(miss.asker.view.applied());
        }
        let view = &miss.asker.view;
        let begun = Instant::now();
        let now = view.moment(begun);
        let account = miss.shape.account.clone();
        let server = Duration::from_nanos(now.saturating_sub(miss.asked_at));
        miss.shape.costs(server);
        if miss.was_there {
            return account.would_hit(miss.overhead, server);
        }
        let is_ttl = miss.serving.is_ttl;
        let of_empty = (body.count == 0 && !is_ttl).then_some(miss.empty_ttl);
        let lives = [miss.lives, of_empty].into_iter().flatten().min();
        let entry = Entry {
            complete_at: now,
            ends_at: lives.map_or(u64::MAX, |lives| now.saturating_add(nanos(lives))),
            serving: miss.serving,
            basis: miss.basis,
            shape: miss.shape,
            body,
            key_bytes: miss.key.len(),
            name: miss.name.filter(|_| lives.is_none()),
            is_shared: AtomicBool::new(false),
            is_foreign: AtomicBool::new(false),
            was_used: AtomicBool::new(false),
            project: miss.asker.project_number,
        };
        // Void already: somebody wrote while it was read.
        let is_void = !is_ttl && view.judge(&entry.basis, 0, now, self.limits.bound) == Worth::Void;
        let bytes = entry.bytes();
        let kept = if is_void {
            Err(FillRefusal::Overtaken)
        } else {
            let entry = Arc::new(entry);
            if let Some(leader) = &miss.leader {
                leader.lands(Some(&entry));
            }
            self.memory.put(&miss.key, entry, miss.project_bytes_max)
        };
        match kept {
            Ok(()) => account.filled(bytes),
            Err(reason) => account.refused(reason),
        }
        let overhead = miss.overhead + begun.elapsed();
        match miss.mode {
            Mode::DryRun => account.would_miss(server, overhead),
            _ => account.miss(miss.reason, server, overhead),
        }
    }

    /// A result is larger than what is kept.
    pub(crate) fn too_large(&self, miss: &Miss) {
        let server = Duration::from_nanos(miss.asker.view.now().saturating_sub(miss.asked_at));
        miss.shape.account.refused(FillRefusal::TooLarge);
        miss.shape.account.miss(miss.reason, server, miss.overhead);
    }
}
