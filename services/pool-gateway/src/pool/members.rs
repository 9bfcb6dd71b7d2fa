//! The servers of one cluster: where each is, what is known of it, and which of them is the primary now.
//!
//! What callers ask of it on their way is read from single numbers, without a lock. Whoever follows another primary
//! does so between two transactions.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use weir_upstream::Target;

use super::addresses::Addresses;
use super::breaker::{Breaker, BreakerState};
use super::health::Health;
use super::roles::{Claim, Lsn, Marks, Role, primary_of};
use crate::error::Error;
use crate::metrics::Metrics;
use crate::settings::{GatewaySettings, Reads};

/// Why a member answers no reads although they may go to replicas.
const DOWN: &str = "down";
const LAG: &str = "lag";
const FAILED: &str = "failed";
/// How long a member that failed a caller is left out, however well it answers the gateway's own questions.
const LEFT_OUT_FOR: Duration = Duration::from_secs(1);

/// One server.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) index: usize,
    pub(crate) target: Target,
    /// Host and port, as metrics and people name it.
    pub(crate) name: String,
    health: Mutex<Health>,
    /// Its breaker, or another's, is in another state than before.
    turned: Arc<Notify>,
    claim: Mutex<Claim>,
    /// Whether it may answer reads.
    is_fit: AtomicBool,
    /// The moment of which it has everything that was committed before.
    fresh_as_of: AtomicU64,
    /// How far it has replayed the log.
    replayed: AtomicU64,
    /// Until when it is left out, because it failed a caller.
    left_out_until: AtomicU64,
    pub(super) load: Load,
    /// Where its connections lead.
    pub(crate) addresses: Addresses,
}

/// How busy a server is with reads.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) outstanding: AtomicUsize,
    /// A moving average of how long reads took, in microseconds.
    pub(super) latency_us: AtomicU64,
}

impl Member {
    fn new(index: usize, target: Target, settings: &GatewaySettings, turned: Arc<Notify>) -> Self {
        let breaker = Breaker::new(settings.breaker_failures, settings.breaker_recovery);
        Self {
            index,
            name: format!("{}:{}", target.host(), target.port()),
            target,
            health: Mutex::new(Health::new(breaker, Instant::now())),
            turned,
            claim: Mutex::default(),
            is_fit: AtomicBool::new(false),
            fresh_as_of: AtomicU64::new(0),
            replayed: AtomicU64::new(0),
            left_out_until: AtomicU64::new(0),
            load: Load::default(),
            addresses: Addresses::default(),
        }
    }

    /// An error where callers are to be spared the wait for a server that does not answer.
    pub(crate) fn heed_breaker(&self) -> Result<(), Error> {
        match self.with_breaker(|breaker| breaker.refuses(Instant::now())) {
            Some(retry_after) => Err(self.breaker_open(retry_after)),
            None => Ok(()),
        }
    }

    /// The error of those who are spared it.
    pub(super) fn breaker_open(&self, retry_after: Duration) -> Error {
        let upstream = self.name.clone();
        Error::BreakerOpen { upstream, retry_after }
    }

    pub(crate) fn with_breaker<T>(&self, act: impl FnOnce(&mut Breaker) -> T) -> T {
        let (done, has_turned) = self.with_health(|health| health.with_breaker(act, Instant::now));
        if has_turned {
            self.turned.notify_one();
        }
        done
    }

    fn with_health<T>(&self, act: impl FnOnce(&mut Health) -> T) -> T {
        act(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is known of its health.
    pub(crate) fn health(&self) -> Health {
        self.with_health(|health| health.clone())
    }

    /// It could not be reached, for the reason of this name.
    pub(super) fn erred(&self, slug: &'static str) {
        self.with_health(|health| health.erred(slug, Instant::now()));
    }

    fn with_claim<T>(&self, act: impl FnOnce(&mut Claim) -> T) -> T {
        act(&mut self.claim.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What it said of itself last.
    pub(crate) fn claim(&self) -> Claim {
        self.with_claim(|claim| *claim)
    }

    /// Reads that run on it, and how long they took lately, in microseconds.
    pub(crate) fn load(&self) -> (usize, u64) {
        let Load {
            outstanding,
            latency_us,
        } = &self.load;
        (outstanding.load(Ordering::Relaxed), latency_us.load(Ordering::Relaxed))
    }

    /// Whether it may answer reads at all.
    pub(crate) fn is_fit(&self) -> bool {
        self.is_fit.load(Ordering::Relaxed)
    }

    /// The moment of which it has everything that was committed before.
    pub(crate) fn fresh_as_of(&self) -> u64 {
        self.fresh_as_of.load(Ordering::Acquire)
    }

    /// How far it has replayed the log.
    pub(crate) fn replayed(&self) -> Lsn {
        Lsn(self.replayed.load(Ordering::Acquire))
    }
}

/// All servers of a cluster; there is one at least.
#[derive(Debug)]
pub(crate) struct Members {
    all: Box<[Arc<Member>]>,
    first: Arc<Member>,
    primary: AtomicUsize,
    /// The highest time line that a primary was on.
    timeline: AtomicU64,
    marks: Mutex<Marks>,
    serves_reads: AtomicBool,
    begun: Instant,
    /// Somebody has reason to believe that something changed.
    pub(super) doubted: Notify,
    /// Another member is the primary.
    pub(crate) moved: Notify,
    /// A breaker is in another state than before.
    pub(crate) turned: Arc<Notify>,
    metrics: Arc<Metrics>,
}

impl Members {
    pub(super) fn new(targets: Vec<Target>, settings: &GatewaySettings, metrics: Arc<Metrics>) -> Option<Self> {
        let (members, turned) = (targets.into_iter().enumerate(), Arc::<Notify>::default());
        let all: Box<[Arc<Member>]> = members
            .map(|(index, target)| Arc::new(Member::new(index, target, settings, turned.clone())))
            .collect();
        let first = all.first()?.clone();
        Some(Self {
            all,
            first,
            primary: AtomicUsize::new(0),
            timeline: AtomicU64::new(0),
            marks: Mutex::default(),
            serves_reads: AtomicBool::new(settings.reads == Reads::Replicas),
            begun: Instant::now(),
            doubted: Notify::new(),
            moved: Notify::new(),
            turned,
            metrics,
        })
    }

    pub(crate) fn all(&self) -> &[Arc<Member>] {
        &self.all
    }

    /// Whether there is another server than the first.
    pub(crate) fn are_several(&self) -> bool {
        self.all.len() > 1
    }

    /// The number of the present primary.
    pub(crate) fn primary_index(&self) -> usize {
        self.primary.load(Ordering::Relaxed)
    }

    /// The present primary.
    pub(crate) fn primary(&self) -> &Arc<Member> {
        self.all.get(self.primary_index()).unwrap_or(&self.first)
    }

    /// Those that can be asked what is the same on all: the primary, then the replicas that are fit.
    pub(crate) fn readable(&self) -> impl Iterator<Item = &Arc<Member>> {
        let primary = self.primary();
        let replicas = self
            .all
            .iter()
            .filter(|member| member.index != primary.index && member.is_fit());
        std::iter::once(primary).chain(replicas)
    }

    /// Whether replicas answer reads, as the settings say.
    pub(crate) fn serve_reads(&self) -> bool {
        self.serves_reads.load(Ordering::Relaxed)
    }

    /// Microseconds since the start; never 0.
    pub(crate) fn now(&self) -> u64 {
        crate::client::micros(self.begun.elapsed()) + 1
    }

    /// Something is not as it was thought to be: everybody is asked at once.
    pub(crate) fn doubt(&self) {
        self.doubted.notify_waiters();
    }

    /// A connection could not be opened for a caller, for the reason of this name.
    pub(crate) fn failed_to_open(&self, member: &Member, slug: &'static str) {
        member.erred(slug);
        member.with_breaker(|breaker| breaker.failed(Instant::now()));
        self.doubt();
    }

    /// A replica failed a caller: it is left out for a while.
    pub(crate) fn leave_out(&self, member: &Member) {
        let until = self.now() + crate::client::micros(LEFT_OUT_FOR);
        member.left_out_until.store(until, Ordering::Relaxed);
        self.judge_fitness(member, Some(FAILED));
        self.doubt();
    }

    pub(super) fn set_limits(&self, settings: &GatewaySettings) {
        self.serves_reads
            .store(settings.reads == Reads::Replicas, Ordering::Relaxed);
        for member in &self.all {
            member.with_breaker(|breaker| breaker.set_limits(settings.breaker_failures, settings.breaker_recovery));
        }
    }

    fn with_marks<T>(&self, act: impl FnOnce(&mut Marks) -> T) -> T {
        act(&mut self.marks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes note of what a member said when it was asked at this moment; none where it did not answer. Returns the
    /// one that was the primary until now, if another one is from now on.
    pub(super) fn heed(
        &self,
        member: &Member,
        asked_at: u64,
        said: Option<Claim>,
        lag_max: Duration,
    ) -> Option<Arc<Member>> {
        let now = self.now();
        let claim = member.with_claim(|claim| {
            let said = said.unwrap_or_default();
            let since = if said.role == claim.role { claim.since } else { now };
            *claim = Claim { since, ..said };
            *claim
        });
        let moved = self.follow();
        match claim.role {
            Role::Primary if member.index == self.primary_index() => {
                self.with_marks(|marks| marks.note(asked_at, claim.timeline, claim.lsn));
            }
            Role::Standby => {
                member.replayed.store(claim.lsn.0, Ordering::Release);
                // Under the lock, so that what was true of another primary's log is not told of this one's.
                self.with_marks(|marks| {
                    let fresh = marks.fresh_as_of(&claim).unwrap_or(0);
                    member.fresh_as_of.store(fresh, Ordering::Release);
                });
            }
            _ => {}
        }
        let reason = match (claim.role, self.lag(member)) {
            (Role::Standby, Some(lag)) if lag <= lag_max => None,
            (Role::Standby, _) => Some(LAG),
            _ => Some(DOWN),
        };
        self.judge_fitness(member, reason);
        moved
    }

    /// Whether a member may answer reads from now on; `reason`: why not.
    fn judge_fitness(&self, member: &Member, reason: Option<&'static str>) {
        let is_left_out = member.left_out_until.load(Ordering::Relaxed) > self.now();
        let reason = reason.or(is_left_out.then_some(FAILED));
        let was_fit = member.is_fit.swap(reason.is_none(), Ordering::Relaxed);
        if let Some(reason) = reason.filter(|_| was_fit) {
            self.metrics.replica_bans.with([&member.name, reason]).inc();
        }
    }

    /// Follows another primary, where there is one.
    fn follow(&self) -> Option<Arc<Member>> {
        // Under one lock, so that two who were asked at once do not lead to two primaries.
        self.with_marks(|marks| {
            let claims: Vec<Claim> = self.all.iter().map(|member| member.claim()).collect();
            let (present, highest) = (self.primary_index(), self.timeline.load(Ordering::Relaxed));
            let next = primary_of(present, u32::try_from(highest).unwrap_or(u32::MAX), &claims);
            let claim = claims.get(next)?;
            self.timeline.fetch_max(u64::from(claim.timeline), Ordering::Relaxed);
            if next == present {
                return None;
            }
            *marks = Marks::default();
            for member in &self.all {
                member.fresh_as_of.store(0, Ordering::Release);
                member.is_fit.store(false, Ordering::Relaxed);
            }
            self.primary.store(next, Ordering::Relaxed);
            self.all.get(present).cloned()
        })
    }

    /// How far a standby is behind; none where that is not known.
    pub(crate) fn lag(&self, member: &Member) -> Option<Duration> {
        let fresh = member.fresh_as_of();
        let newest = self.with_marks(|marks| marks.newest());
        (fresh > 0).then(|| Duration::from_micros(newest.saturating_sub(fresh)))
    }

    /// Sets the gauges that mirror the members.
    pub(super) fn show(&self) {
        for member in &self.all {
            let claim = member.claim();
            let flag = |is_set: bool| if is_set { 1.0 } else { 0.0 };
            let state = member.with_breaker(|breaker| breaker.state());
            for each in BreakerState::ALL {
                let gauge = self.metrics.breaker_state.with([&member.name, each.as_str()]);
                gauge.set(flag(each == state));
            }
            if !self.are_several() {
                continue;
            }
            for each in Role::ALL {
                let gauge = self.metrics.upstream_role.with([&member.name, each.as_str()]);
                gauge.set(flag(each == claim.role));
            }
            if member.index != self.primary_index() {
                let lag = self.lag(member).map_or(f64::NAN, |lag| lag.as_secs_f64());
                self.metrics.replica_lag_seconds.with([&member.name]).set(lag);
            }
            let banned = member.index != self.primary_index() && !member.is_fit();
            self.metrics.replica_banned.with([&member.name]).set(flag(banned));
        }
    }
}
