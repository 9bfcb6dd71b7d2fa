//! Answers from memory: results that PostgreSQL gave before and would give again.
//!
//! A result is served only while it is known that nothing it depends on has changed, as of a moment that the reader
//! chooses: `view.rs` knows how far the database's log was followed, and judges. What results depend on, the cache service
//! says (`shape.rs`, `asking.rs`); what changed, it tells (`intake.rs`); how long the log is, the primary itself is asked
//! (`lease.rs`). Whatever is not known costs a question to PostgreSQL, never a wrong answer.

mod asking;
mod budgets;
mod entry;
mod exchanging;
pub(crate) mod fault;
mod filling;
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
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use weir_bus::Bus;
use weir_model::Project;
use weir_runtime::{Ground, Stage, StartError, Tasks};
use weir_sql::Statement;

use crate::pool::Pools;
use crate::settings::{CacheUse, Consistency, GatewaySettings};
use asking::Asking;
pub(crate) use entry::{Body, Entry, Taken, Taking, Wrapping};
use fault::Fault;
pub(crate) use filling::Miss;
pub(crate) use flights::Flight;
use flights::Flights;
use intake::Intake;
pub(crate) use key::{Asker, Key};
use lease::Lease;
use level2::Level2;
use memory::Memory;
use shape::Shelf;
pub(crate) use shape::{Shape, Values, is_candidate, says};
pub(crate) use sharing::{Name as SharedName, name as shared_name};
use view::Worth;
pub(crate) use view::{Moment, View};
use views::Views;
use worth::{Accounts, AccountsLimits, Level, Mode, Order};
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
        // Other rules may say anything else of it.
        if entry.serving.policies < view.policies() {
            self.memory.forget(key, &entry);
            return Recalled::Miss(Why::Miss(MissReason::Expired));
        }
        if reader.now >= entry.ends_at {
            self.memory.forget(key, &entry);
            return Recalled::Miss(Why::Miss(MissReason::Expired));
        }
        if !entry.body.suits(wrapping) {
            return Recalled::Miss(Why::Miss(MissReason::Absent));
        }
        match entry.shape.account.mode(Instant::now(), key) {
            Mode::Serve => {}
            Mode::DryRun => return Recalled::Miss(Why::Dry),
            Mode::Observe(reason) => return Recalled::Miss(Why::Bypass(reason)),
        }
        if entry.serving.is_ttl && reader.level.is_none() {
            return Recalled::Hit(entry);
        }
        let need = match reader.level.or(entry.serving.level).unwrap_or(self.limits.level) {
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
        match view.judge(&entry.basis, need, reader.now, entry.serving.bound) {
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
        if !entry.was_used.load(Ordering::Relaxed) {
            entry.was_used.store(true, Ordering::Relaxed);
        }
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
