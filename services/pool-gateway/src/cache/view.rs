//! What the gateway knows of one database's log: how far it was followed, what changed last where, and since when all
//! that was acknowledged is known.
//!
//! Looked at by every read that could be answered from memory, so it is numbers without a lock. Pure but for those, and
//! for a lock held for moments by whoever brings news.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use weir_tags::{Buckets, Tag};

use super::fault::{self, Fault};

/// Samples that wait for the log to reach them. Beyond it the newest takes the place of the one before.
const SAMPLES_MAX: usize = 256;

/// A moment of this process, in nanoseconds; never 0.
pub(crate) type Moment = u64;

/// One database, as far as its log was followed.
#[derive(Debug)]
pub(crate) struct View {
    /// Tells views apart; part of the keys of results.
    pub(crate) id: u32,
    pub(crate) database: Box<str>,
    began: Instant,
    buckets: Buckets,
    /// Goes up with each epoch; results of another one are none. 0: none has been told yet.
    incarnation: AtomicU64,
    epoch: RwLock<Arc<str>>,
    applied: AtomicU64,
    visible: AtomicU64,
    /// Results stamped below this are void, by the log's word; and by the lease's, which sees what the log does not tell.
    kill: AtomicU64,
    fresh_since: AtomicU64,
    samples: Mutex<VecDeque<(Moment, u64)>>,
    /// The latest moment of which somebody waits to hear, and when the view was of use last.
    asked: AtomicU64,
    used: AtomicU64,
    /// Somebody needs news sooner than it would come by itself.
    pub(crate) wanted: Notify,
    /// It has become fresher, or nobody knows any more.
    pub(crate) moved: Notify,
    policies: AtomicU64,
    /// How fresh it was when somebody waited in vain. Until it is fresher, nobody else waits.
    stuck_at: AtomicU64,
    /// A print of roles, rights and settings, which the log does not tell of. 0: not known.
    rights: AtomicU64,
}

/// What a result is worth now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worth {
    /// It may be served.
    Valid,
    /// It never will be again.
    Void,
    /// Not yet, or not at present: the view is not as fresh as is needed.
    NotFresh,
    /// The lease has run out: nothing may be served.
    NoLease,
}

/// What makes a result void or valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Basis {
    pub(crate) incarnation: u64,
    /// Every commit up to here was visible to whoever produced it.
    pub(crate) stamp: u64,
    /// Buckets of what it depends on.
    pub(crate) buckets: Box<[u32]>,
}

/// News of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Marks {
    pub(crate) applied: u64,
    pub(crate) visible: u64,
    pub(crate) kill: u64,
    pub(crate) policies: u64,
}

impl View {
    pub(crate) fn new(id: u32, database: &str, began: Instant) -> Self {
        Self {
            id,
            database: database.into(),
            began,
            buckets: Buckets::new(),
            incarnation: AtomicU64::new(0),
            epoch: RwLock::new("".into()),
            applied: AtomicU64::new(0),
            visible: AtomicU64::new(0),
            kill: AtomicU64::new(0),
            fresh_since: AtomicU64::new(0),
            samples: Mutex::default(),
            asked: AtomicU64::new(0),
            used: AtomicU64::new(0),
            wanted: Notify::new(),
            moved: Notify::new(),
            policies: AtomicU64::new(0),
            stuck_at: AtomicU64::new(0),
            rights: AtomicU64::new(0),
        }
    }

    /// A moment as a number.
    pub(crate) fn moment(&self, at: Instant) -> Moment {
        u64::try_from(at.duration_since(self.began).as_nanos()).unwrap_or(u64::MAX) + 1
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Moment {
        self.moment(Instant::now())
    }

    /// The epoch that is followed; empty before the first.
    pub(crate) fn epoch(&self) -> Arc<str> {
        self.epoch.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnation.load(Ordering::Acquire)
    }

    /// What a result that is asked for from now on may be stamped with; none while nothing is followed.
    pub(crate) fn stamp(&self) -> Option<(u64, u64)> {
        let incarnation = self.incarnation();
        let stamp = if fault::is(Fault::StampByApplied) {
            self.applied()
        } else {
            self.visible.load(Ordering::Acquire)
        };
        // The number before belongs to the epoch before, if that changed in between.
        (incarnation > 0 && stamp > 0 && incarnation == self.incarnation()).then_some((incarnation, stamp))
    }

    /// Results and verdicts that know less than this are void.
    pub(crate) fn kill(&self) -> u64 {
        if fault::is(Fault::KillIgnored) {
            return 0;
        }
        self.kill.load(Ordering::Acquire)
    }

    /// The number of the rules that are in force.
    pub(crate) fn policies(&self) -> u64 {
        self.policies.load(Ordering::Acquire)
    }

    pub(crate) fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// Every commit up to here is known to be visible.
    pub(crate) fn visible(&self) -> u64 {
        self.visible.load(Ordering::Acquire)
    }

    /// All that was acknowledged before this moment is known.
    pub(crate) fn fresh_since(&self) -> Moment {
        self.fresh_since.load(Ordering::Acquire)
    }

    /// What a result is worth for somebody who needs all that was acknowledged before `need`, at `now`.
    pub(crate) fn judge(&self, basis: &Basis, need: Moment, now: Moment, bound: Duration) -> Worth {
        // First how far is known, then what is known: what changed up to there is in the buckets by then.
        let fresh_since = self.fresh_since();
        let is_void = basis.stamp < self.kill()
            || basis
                .buckets
                .iter()
                .any(|bucket| self.buckets.get(*bucket as usize) > basis.stamp);
        // Buckets that were emptied for another epoch say nothing: whoever sees one of them sees the epoch too.
        fence(Ordering::Acquire);
        let is_other = self.incarnation.load(Ordering::Relaxed) != basis.incarnation && !fault::is(Fault::EpochIgnored);
        if is_void || is_other {
            return Worth::Void;
        }
        if fresh_since == 0 || now.saturating_sub(fresh_since) > nanos(bound) {
            return Worth::NoLease;
        }
        if fresh_since < need {
            return Worth::NotFresh;
        }
        Worth::Valid
    }

    /// Another epoch begins: nothing of before counts.
    pub(crate) fn begins(&self, epoch: &str) {
        if fault::is(Fault::EpochIgnored) && self.incarnation() > 0 {
            *self.epoch.write().unwrap_or_else(PoisonError::into_inner) = epoch.into();
            return;
        }
        self.incarnation.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::Release);
        self.doubt();
        self.visible.store(0, Ordering::Release);
        self.applied.store(0, Ordering::Release);
        self.kill.store(0, Ordering::Release);
        self.buckets.clear();
        *self.epoch.write().unwrap_or_else(PoisonError::into_inner) = epoch.into();
        self.incarnation.fetch_add(1, Ordering::Release);
    }

    /// Somebody changed something here.
    pub(crate) fn raise(&self, tag: Tag, commit_lsn: u64) {
        self.buckets.raise(tag.bucket(), commit_lsn);
    }

    pub(crate) fn raise_bucket(&self, bucket: usize, commit_lsn: u64) {
        self.buckets.raise(bucket, commit_lsn);
    }

    /// All changes up to there have been raised.
    pub(crate) fn reaches(&self, marks: Marks) {
        self.kills(marks.kill);
        self.policies.fetch_max(marks.policies, Ordering::AcqRel);
        self.applied.fetch_max(marks.applied, Ordering::AcqRel);
        self.visible.fetch_max(marks.visible, Ordering::AcqRel);
        self.settle();
    }

    /// What knows less than this is void.
    pub(crate) fn kills(&self, lsn: u64) {
        self.kill.fetch_max(lsn, Ordering::AcqRel);
    }

    /// Roles, rights and settings have this print, or another than they had, in a log that is this long: what is stamped
    /// with less may have been read under other rights.
    pub(crate) fn rights_are(&self, print: u64, lsn: u64) {
        let before = self.rights.swap(print, Ordering::AcqRel);
        if before != 0 && before != print {
            self.kills(lsn);
        }
    }

    /// The print of roles, rights and settings.
    pub(crate) fn rights(&self) -> u64 {
        self.rights.load(Ordering::Acquire)
    }

    /// The log was this long at some time after `sent`.
    pub(crate) fn sampled(&self, sent: Moment, lsn: u64) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() >= SAMPLES_MAX {
            samples.pop_back();
        }
        samples.push_back((sent, lsn));
        drop(samples);
        self.settle();
    }

    /// Nobody knows how long the log is, or whose log it is.
    pub(crate) fn doubt(&self) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.clear();
        self.fresh_since.store(0, Ordering::Release);
        drop(samples);
        self.moved.notify_waiters();
    }

    /// Takes note of the samples that were reached.
    fn settle(&self) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let applied = self.applied.load(Ordering::Acquire);
        let mut fresh = 0;
        // Each later one was sent later, and the log only grows.
        while let Some((sent, _)) = samples.front().copied().filter(|(_, lsn)| *lsn <= applied) {
            samples.pop_front();
            fresh = sent;
        }
        if fresh > 0 {
            self.fresh_since.fetch_max(fresh, Ordering::AcqRel);
            drop(samples);
            self.moved.notify_waiters();
        }
    }

    /// Somebody waited in vain for it to become fresher.
    pub(crate) fn is_stuck_at(&self, fresh_since: Moment) {
        self.stuck_at.store(fresh_since, Ordering::Relaxed);
    }

    /// Whether it has not become fresher since somebody waited in vain.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck_at.load(Ordering::Relaxed) == self.fresh_since()
    }

    /// Waits until all is known that was acknowledged before a moment.
    pub(crate) async fn until_fresh(&self, moment: Moment) {
        loop {
            let moved = self.moved.notified();
            if self.fresh_since() >= moment {
                return;
            }
            moved.await;
        }
    }

    /// Somebody uses it, and needs all that was acknowledged before `need`.
    pub(crate) fn want(&self, need: Moment, now: Moment) {
        self.used.fetch_max(now, Ordering::Relaxed);
        if self.asked.fetch_max(need, Ordering::AcqRel) < need {
            self.wanted.notify_one();
        }
    }

    /// The same for somebody who is content with the lease.
    pub(crate) fn is_used(&self, now: Moment) {
        let used = self.used.load(Ordering::Relaxed);
        // Every millisecond is often enough, and spares the others the line of the cache.
        if now.saturating_sub(used) > 1_000_000 {
            self.used.fetch_max(now, Ordering::Relaxed);
        }
    }

    /// The latest moment that somebody asked for.
    pub(crate) fn asked(&self) -> Moment {
        self.asked.load(Ordering::Acquire)
    }

    /// When it was of use last.
    pub(crate) fn used(&self) -> Moment {
        self.used.load(Ordering::Relaxed)
    }
}

/// A span as a number of nanoseconds.
pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(1);

    fn view() -> View {
        let view = View::new(1, "db", Instant::now());
        view.begins("a/1/1/x");
        view.reaches(Marks {
            applied: 100,
            visible: 90,
            ..Marks::default()
        });
        view
    }

    fn basis(view: &View, tags: &[Tag]) -> Basis {
        let (incarnation, stamp) = view.stamp().unwrap();
        Basis {
            incarnation,
            stamp,
            buckets: tags.iter().map(|tag| u32::try_from(tag.bucket()).unwrap()).collect(),
        }
    }

    #[test]
    fn a_result_is_valid_until_something_it_depends_on_changes() {
        let view = view();
        let (mine, other) = (Tag::table(1), Tag::table(2));
        let basis = basis(&view, &[mine]);
        view.sampled(10, 100);
        assert_eq!(view.judge(&basis, 10, 20, BOUND), Worth::Valid);
        view.raise(other, 110);
        view.raise(mine, 90);
        assert_eq!(
            view.judge(&basis, 10, 20, BOUND),
            Worth::Valid,
            "it has seen that commit"
        );
        view.raise(mine, 95);
        assert_eq!(view.judge(&basis, 10, 20, BOUND), Worth::Void, "applied is not visible");
    }

    #[test]
    fn who_needs_more_than_is_known_gets_nothing_and_the_lease_ends() {
        let view = view();
        let basis = basis(&view, &[]);
        assert_eq!(
            view.judge(&basis, 1, 20, BOUND),
            Worth::NoLease,
            "nobody has asked how long the log is"
        );
        view.sampled(10, 100);
        view.sampled(15, 101);
        assert_eq!(view.judge(&basis, 10, 20, BOUND), Worth::Valid);
        assert_eq!(view.judge(&basis, 11, 20, BOUND), Worth::NotFresh);
        view.reaches(Marks {
            applied: 101,
            ..Marks::default()
        });
        assert_eq!(view.judge(&basis, 15, 20, BOUND), Worth::Valid);
        assert_eq!(view.judge(&basis, 15, 16 + nanos(BOUND), BOUND), Worth::NoLease);
        view.doubt();
        assert_eq!(view.judge(&basis, 1, 20, BOUND), Worth::NoLease);
    }

    #[test]
    fn other_rights_make_void_what_was_read_under_those_before() {
        let view = view();
        let basis = basis(&view, &[]);
        view.sampled(10, 100);
        view.rights_are(7, 95);
        view.rights_are(7, 99);
        assert_eq!(view.judge(&basis, 10, 20, BOUND), Worth::Valid, "they are as they were");
        view.rights_are(8, 99);
        assert_eq!(view.judge(&basis, 10, 20, BOUND), Worth::Void);
    }

    #[test]
    fn what_is_killed_or_of_another_epoch_is_void() {
        let view = view();
        let old = basis(&view, &[]);
        view.sampled(10, 100);
        view.kills(91);
        assert_eq!(view.judge(&old, 1, 20, BOUND), Worth::Void);
        view.begins("a/1/2/y");
        assert_eq!(view.stamp(), None);
        view.reaches(Marks {
            applied: 50,
            visible: 90,
            ..Marks::default()
        });
        view.sampled(30, 40);
        assert_eq!(view.judge(&old, 1, 40, BOUND), Worth::Void);
        assert_eq!(view.judge(&basis(&view, &[]), 1, 40, BOUND), Worth::Valid);
    }
}
