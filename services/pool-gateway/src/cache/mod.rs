//! Answers from memory: results that PostgreSQL gave before and would give again.
//!
//! A result is served only while it is known that nothing it depends on has changed, as of a moment that the reader
//! chooses: `view.rs` knows how far the database's log was followed, and judges. What results depend on, the cache service
//! says (`shape.rs`, `asking.rs`); what changed, it tells (`intake.rs`); how long the log is, the primary itself is asked
//! (`lease.rs`). Whatever is not known costs a question to PostgreSQL, never a wrong answer.

mod asking;
mod entry;
pub(crate) mod fault;
mod flights;
mod intake;
mod key;
mod lease;
pub(crate) mod level2;
mod memory;
mod scoreboard;
mod shape;
mod sharing;
mod telling;
mod view;
mod views;
pub(crate) mod worth;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use weir_bus::Bus;
use weir_model::Project;
use weir_proto::cache::v1 as api;
use weir_runtime::{Ground, Stage, StartError, Tasks};
use weir_sql::Statement;
use weir_tags::Tag;

use crate::pool::Pools;
use crate::settings::{CacheUse, Consistency, GatewaySettings};
use asking::{Asking, Question};
pub(crate) use entry::{Body, Entry, Taken, Taking, Wrapping};
use fault::Fault;
pub(crate) use flights::Flight;
use flights::{Flights, Leader};
use intake::Intake;
pub(crate) use key::{Asker, Key};
use lease::Lease;
use level2::Level2;
use memory::Memory;
use shape::{Finding, Look, Shelf, Terms};
pub(crate) use shape::{Shape, Values, is_candidate, says};
use sharing::Written;
pub(crate) use sharing::{Name as SharedName, name as shared_name};
use view::nanos;
pub(crate) use view::{Basis, Moment, View, Worth};
use views::Views;
use worth::{Accounts, AccountsLimits, FillRefusal, Level, Mode, Order};
pub(crate) use worth::{BypassReason, MissReason};
/// Askers that are told apart. Beyond it, nothing more is served to new ones.
const ASKERS_MAX: usize = 100_000;
/// The pause before the bus is subscribed to again.
const SUBSCRIBE_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Everything that is answered from memory, and what it takes.
#[derive(Debug)]
pub(crate) struct Cache {
    limits: Limits,
    pools: Arc<Pools>,
    views: Arc<Views>,
    memory: Memory,
    shelf: Shelf,
    flights: Arc<Flights>,
    level2: Option<Arc<Level2>>,
    ttl_max: Duration,
    accounts: Arc<Accounts>,
    asking: Asking,
    askers: Mutex<HashMap<Name, Asker>>,
    tasks: Tasks,
}

/// Project, database and user.
type Name = (Project, Box<str>, Box<str>);

/// What the settings say, as they were at the start.
#[derive(Debug, Clone, Copy)]
struct Limits {
    is_dry: bool,
    level: Consistency,
    bound: Duration,
    wait: Duration,
    result_bytes_max: usize,
    project_bytes_max: u64,
    empty_ttl: Duration,
}

/// A request that PostgreSQL answers, and whose result is kept then.
#[derive(Debug)]
pub(crate) struct Miss {
    key: Box<[u8]>,
    asker: Asker,
    basis: Basis,
    shape: Arc<Shape>,
    level: Option<Consistency>,
    ttl: Option<Duration>,
    pub(crate) empty_ttl: Duration,
    pub(crate) bytes_max: usize,
    reason: MissReason,
    mode: Mode,
    /// The result is there, and PostgreSQL is asked all the same.
    was_there: bool,
    asked_at: Moment,
    overhead: Duration,
    /// Others wait for the result.
    leader: Option<Leader>,
    name: Option<SharedName>,
}

/// Why memory does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Miss(MissReason),
    Bypass(BypassReason),
    /// It would, if that were not to be tried only.
    Dry,
}

/// What a reader needs to be served a result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader {
    /// What it did or saw last; all that was acknowledged before has to be in what it reads.
    pub(crate) need_after: Moment,
    /// When its request came.
    pub(crate) arrived: Moment,
    pub(crate) now: Moment,
    /// How fresh it wants it, whatever others say.
    pub(crate) level: Option<Consistency>,
    /// A position of the log that has to have been followed.
    pub(crate) position: u64,
}

/// What memory says to a request.
#[derive(Debug)]
pub(crate) enum Recalled {
    Hit(Arc<Entry>),
    /// It may be one when all that was acknowledged before this moment is known.
    Soon(Moment),
    /// PostgreSQL is to be asked, for this reason.
    Miss(Why),
}

impl Cache {
    /// Starts what it takes; none where nothing is to be answered from memory.
    pub(crate) fn open(
        ground: &Ground,
        pools: &Arc<Pools>,
        bus: &Bus,
        instance: String,
    ) -> Result<Option<Arc<Self>>, StartError> {
        let settings = pools.common().live();
        if settings.cache == CacheUse::Off {
            return Ok(None);
        }
        let service = asking::service(&settings.cache_url).map_err(|error| {
            format!(
                "setting gateway.cache_url: {:?} is no address: {error}",
                settings.cache_url
            )
        })?;
        let views = Arc::new(Views::new());
        let accounts = Arc::new(Accounts::new(AccountsLimits::default()));
        let intake = Intake {
            views: views.clone(),
            service: service.clone(),
            places: intake::Places::default(),
        };
        let (bus, heard) = (bus.clone(), bus.clone());
        ground.tasks.spawn(Stage::Flow, "cache intake", |stop| async move {
            loop {
                match intake::subscribe(&heard).await {
                    Ok(subscription) => return intake.run(subscription, stop).await,
                    Err(error) => tracing::warn!(error = %error, "what becomes invalid cannot be heard"),
                }
                let pause = tokio::time::sleep(SUBSCRIBE_AGAIN_AFTER);
                if stop.run_until_cancelled(pause).await.is_none() {
                    return Ok(());
                }
            }
        });
        let cache = Arc::new(Self {
            limits: Limits::of(&settings),
            pools: pools.clone(),
            views,
            memory: Memory::new(settings.cache_bytes_max),
            shelf: Shelf::new(),
            flights: Arc::default(),
            level2: Level2::start(ground, &settings, &pools.common().metrics)?,
            ttl_max: settings.cache_redis_ttl,
            accounts: accounts.clone(),
            asking: Asking::start(&ground.tasks, service),
            askers: Mutex::default(),
            tasks: ground.tasks.clone(),
        });
        scoreboard::show(&ground.registry, accounts.clone(), pools.common().metrics.clone());
        telling::start(ground, accounts, bus, instance);
        Ok(Some(cache))
    }
    /// Who asks; none where there are too many.
    pub(crate) fn asker(&self, project: &Project, database: &str, user: &str) -> Option<Asker> {
        let mut askers = self.askers.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (project.clone(), Box::from(database), Box::from(user));
        if let Some(asker) = askers.get(&name) {
            return Some(asker.clone());
        }
        if askers.len() >= ASKERS_MAX {
            return None;
        }
        let number = u32::try_from(askers.len()).ok()?;
        let named = (project, self.memory.budgets().number(project));
        let others = self.accounts.others(project, Instant::now());
        let asker = Asker::new(self.view(database)?, named, user, number, others);
        askers.insert(name, asker.clone());
        Some(asker)
    }

    fn view(&self, database: &str) -> Option<Arc<View>> {
        let (view, is_new) = self.views.of(database)?;
        if is_new {
            let lease = Lease {
                view: view.clone(),
                pools: self.pools.clone(),
                accounts: self.accounts.clone(),
                bound: self.limits.bound,
            };
            self.tasks.spawn(Stage::Flow, "cache lease", |stop| lease.run(stop));
        }
        Some(view)
    }

    /// Waits until memory is fresh enough for a reader, but not for long.
    pub(crate) async fn freshen(&self, view: &View, moment: Moment) {
        let before = view.fresh_since();
        if timeout(self.limits.wait, view.until_fresh(moment)).await.is_err() {
            view.is_stuck_at(before);
        }
    }

    /// What memory has for a request.
    pub(crate) fn recall(&self, key: &[u8], asker: &Asker, reader: Reader, wrapping: Wrapping) -> Recalled {
        let view = &asker.view;
        let Some(entry) = self.memory.get(key) else {
            return Recalled::Miss(Why::Miss(MissReason::Absent));
        };
        if reader.now >= entry.ends_at {
            self.memory.forget(key, &entry);
            return Recalled::Miss(Why::Miss(MissReason::Expired));
        }
        if !entry.body.suits(wrapping) {
            return Recalled::Miss(Why::Miss(MissReason::Absent));
        }
        match entry.shape.account.mode(Instant::now()) {
            Mode::Serve => {}
            Mode::DryRun => return Recalled::Miss(Why::Dry),
            Mode::Observe(reason) => return Recalled::Miss(Why::Bypass(reason)),
        }
        if entry.is_ttl && reader.level.is_none() {
            return Recalled::Hit(entry);
        }
        let need = match reader.level.or(entry.level).unwrap_or(self.limits.level) {
            Consistency::Strict => reader.arrived.max(reader.need_after),
            Consistency::Session => reader.need_after,
            Consistency::Bounded => 0,
            Consistency::Off => return Recalled::Miss(Why::Bypass(BypassReason::Policy)),
        };

        if view.applied() < reader.position {
            return Recalled::Miss(Why::Miss(MissReason::NewerNeeded));
        }
        let need = if fault::is(Fault::NoFloor) {
            0
        } else {
            need.max(entry.complete_at)
        };
        match view.judge(&entry.basis, need, reader.now, self.limits.bound) {
            Worth::Valid => {
                view.is_used(reader.now);
                Recalled::Hit(entry)
            }
            Worth::Void => {
                self.memory.forget(key, &entry);
                self.unshare(&entry);
                Recalled::Miss(Why::Miss(MissReason::Invalidated))
            }
            Worth::NotFresh => {
                view.want(need, reader.now);
                if view.is_stuck() {
                    return Recalled::Miss(Why::Miss(MissReason::NewerNeeded));
                }
                Recalled::Soon(need)
            }
            Worth::NoLease => {
                view.want(reader.now, reader.now);
                Recalled::Miss(Why::Bypass(BypassReason::NoLease))
            }
        }
    }

    /// A result of this key that is on its way and will do for this reader.
    pub(crate) fn flight(&self, key: &[u8], asker: &Asker, reader: Reader) -> Option<Arc<Flight>> {
        let flight = self.flights.of(key).filter(|_| !self.limits.is_dry)?;
        let need = match reader.level.or(flight.level).unwrap_or(self.limits.level) {
            Consistency::Strict => reader.arrived,
            Consistency::Off => return None,
            // How fresh others want it does not matter: who asked after this reader's last word has seen all he has.
            Consistency::Session | Consistency::Bounded => 0,
        };
        asker.view.is_used(reader.now);
        let will_do = fault::is(Fault::OldLeader) || flight.sent >= need.max(reader.need_after);
        will_do.then_some(flight)
    }

    /// The shape of this key, which is that of a statement with this text.
    pub(crate) fn shape(&self, key: &[u8], asker: &Asker, statement: &Arc<Statement>, sql: &[u8]) -> Arc<Shape> {
        self.shelf.find(key, || {
            let named = (statement.fingerprint, statement.text.as_deref().unwrap_or_default());
            let database = &asker.view.database;
            let account = self.accounts.of(&asker.project, database, named, Instant::now());
            if self.limits.is_dry {
                account.ordered(Order::DryRun, "");
            }
            Shape::new(statement.clone(), says(sql), account)
        })
    }

    /// A result was served, which took so long.
    pub(crate) fn served(&self, entry: &Entry, view: &View, since: Instant) {
        let is_foreign = entry.is_foreign.load(Ordering::Relaxed) && entry.is_foreign.swap(false, Ordering::Relaxed);
        let level = if is_foreign { Level::Shared } else { Level::Memory };
        entry.shape.account.hit(level, since.elapsed());
        if let Some(level2) = &self.level2
            && let Some(name) = entry.name
            && !entry.is_shared.load(Ordering::Relaxed)
        {
            self.share(level2, name, entry, view);
        }
    }

    /// Shares a result with other gateways. It has been served, so all that it contains has been followed by now.
    fn share(&self, level2: &Level2, name: SharedName, entry: &Entry, view: &View) {
        let epoch = view.epoch();
        let (upper, rights) = (view.applied(), view.rights());
        let is_ours = view.incarnation() == entry.basis.incarnation;
        if entry.is_shared.swap(true, Ordering::Relaxed) || entry.body.count == 0 || !is_ours {
            return;
        }
        let written = Written {
            epoch: epoch.to_string(),
            stamp: entry.basis.stamp,
            upper,
            rights,
            buckets: entry.basis.buckets.clone(),
            level: entry.level,
            body: entry.body.clone(),
        };
        level2.put(name, written.write(), self.ttl_max);
    }

    /// Nobody can use a result any more: its room is given back.
    fn unshare(&self, entry: &Entry) {
        if let (Some(level2), Some(name)) = (&self.level2, entry.name)
            && entry.is_shared.load(Ordering::Relaxed)
        {
            level2.forget(name);
        }
    }

    /// Whether other gateways may have a result of this shape, and asking them is quicker than PostgreSQL.
    pub(crate) fn may_be_shared(&self, shape: &Shape, view: &View) -> bool {
        let Some(level2) = &self.level2 else { return false };
        level2.is_there() && shape.may_be_kept(view) && shape.cost() >= level2.usual_wait()
    }

    /// Whether results are shared among gateways at all.
    pub(crate) const fn shares(&self) -> bool {
        self.level2.is_some()
    }

    /// Asks for a result that another gateway may have, and keeps it in memory.
    pub(crate) async fn fetch(&self, name: SharedName, key: &[u8], asker: &Asker, shape: &Arc<Shape>) {
        let Some(level2) = &self.level2 else { return };
        let view = &asker.view;
        let incarnation = view.incarnation();
        let Some(written) = level2.get(&name).await.and_then(Written::read) else {
            return;
        };
        // What it contains beyond what is followed here may be newer than what a reader is served next.
        let is_ours = *written.epoch == *view.epoch() && written.rights == view.rights();
        if !is_ours || view.applied() < written.upper {
            return;
        }
        let entry = Entry {
            basis: Basis {
                incarnation,
                stamp: written.stamp,
                buckets: written.buckets,
            },
            complete_at: 0,
            ends_at: u64::MAX,
            is_ttl: false,
            level: written.level,
            shape: shape.clone(),
            body: written.body,
            key_bytes: key.len(),
            name: Some(name),
            is_shared: AtomicBool::new(true),
            is_foreign: AtomicBool::new(true),
            project: asker.project_number,
        };
        let bytes = entry.bytes();
        if self
            .memory
            .put(key, Arc::new(entry), self.limits.project_bytes_max)
            .is_ok()
        {
            shape.account.filled(bytes);
        }
    }
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
        view.is_used(now);
        // Before the statement is sent; what is visible by now, it will see.
        let (incarnation, stamp) = view.stamp().ok_or(BypassReason::NoLease)?;
        let mode = shape.account.mode(begun);
        if let Mode::Observe(reason) = mode {
            return Err(reason);
        }
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
            level,
            ttl: terms.ttl,
            empty_ttl: terms.empty_ttl.unwrap_or(self.limits.empty_ttl),
            bytes_max: self.bytes_max(terms),
            reason,
            mode,
            was_there: why == Why::Dry,
            asked_at: now,
            leader: self.flights.lead(key, now, level),
            name: None,
            overhead: begun.elapsed(),
        }))
    }

    fn bytes_max(&self, terms: &Terms) -> usize {
        terms.bytes_max.unwrap_or(usize::MAX).min(self.limits.result_bytes_max)
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
        let lives = match (miss.ttl, body.count) {
            (Some(ttl), _) => Some(ttl),
            (None, 0) => Some(miss.empty_ttl),
            _ => None,
        };
        let entry = Entry {
            complete_at: now,
            ends_at: lives.map_or(u64::MAX, |lives| now.saturating_add(nanos(lives))),
            is_ttl: miss.ttl.is_some(),
            level: miss.level,
            basis: miss.basis,
            shape: miss.shape,
            body,
            key_bytes: miss.key.len(),
            name: miss.name.filter(|_| miss.ttl.is_none()),
            is_shared: AtomicBool::new(false),
            is_foreign: AtomicBool::new(false),
            project: miss.asker.project_number,
        };
        // Void already: somebody wrote while it was read.
        let is_void = !entry.is_ttl && view.judge(&entry.basis, 0, now, self.limits.bound) == Worth::Void;
        let bytes = entry.bytes();
        let kept = if is_void {
            Err(FillRefusal::Overtaken)
        } else {
            let entry = Arc::new(entry);
            if let Some(leader) = &miss.leader {
                leader.lands(Some(&entry));
            }
            self.memory.put(&miss.key, entry, self.limits.project_bytes_max)
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

    /// A result is called so among gateways.
    pub(crate) const fn is_called(miss: &mut Miss, name: SharedName) {
        miss.name = Some(name);
    }

    /// A result is larger than what is kept.
    pub(crate) fn too_large(&self, miss: &Miss) {
        let server = Duration::from_nanos(miss.asker.view.now().saturating_sub(miss.asked_at));
        miss.shape.account.refused(FillRefusal::TooLarge);
        miss.shape.account.miss(miss.reason, server, miss.overhead);
    }
}

impl Limits {
    fn of(settings: &GatewaySettings) -> Self {
        let share = settings.cache_project_share.clamp(0.0, 1.0);
        Self {
            is_dry: settings.cache == CacheUse::DryRun,
            level: settings.cache_consistency,
            bound: settings.cache_bound,
            wait: settings.cache_wait,
            result_bytes_max: settings.cache_result_bytes_max,
            project_bytes_max: (settings.cache_bytes_max as f64 * share) as u64,
            empty_ttl: settings.cache_empty_ttl,
        }
    }
}
