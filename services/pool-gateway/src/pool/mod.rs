//! Server connections, shared: one pool for each database and role of each server of the cluster.
//!
//! A freed connection goes straight to the caller whose turn it is; otherwise it rests on top of the idle ones, so
//! that those below grow old and are closed. No connection is handed on unless its protocol state is known.

mod addresses;
mod aside;
mod autoscale;
mod breaker;
mod cards;
mod facts;
mod health;
mod holding;
mod lease;
mod line;
mod members;
mod names;
mod pools;
mod pressure;
mod queue;
mod reading;
mod roles;
mod server;
mod unanswered;
mod upkeep;
mod watch;

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use weir_model::{Coded as _, ErrorClass, Project};
use weir_runtime::Tasks;
use weir_telemetry::Histogram;
use weir_upstream::{ConnectOptions, Credentials, Target};

pub(crate) use addresses::Address;
pub(crate) use autoscale::{Controller, Seen};
pub(crate) use breaker::{Breaker, BreakerState};
use cards::Cards;
use facts::Waited;
pub(crate) use health::Health;
pub(crate) use holding::Holding;
pub(crate) use lease::Lease;
pub(crate) use members::{Member, Members};
pub(crate) use pools::Pools;
pub(crate) use pressure::{Change, Pressure};
use queue::{Caller, Grant, Next, Queue, Turn};
pub(crate) use reading::Reading;
pub(crate) use roles::Lsn;
use server::Place;
pub(crate) use server::{Server, Standing};
pub(crate) use unanswered::Unanswered;

use crate::error::Error;
use crate::metrics::Metrics;
use crate::profile::{Profile, Profiles};
use crate::settings::{Bounds, GatewaySettings};
use crate::workers::current_worker;

/// PostgreSQL's code for a server with as many connections as it may have.
const SERVER_FULL: &str = "53300";

/// What every pool of this gateway has in common.
#[derive(Debug)]
pub(crate) struct Common {
    /// As the URL says: whoever asks, and the database of those who name none.
    pub(crate) target: Target,
    pub(crate) members: Members,
    settings: RwLock<Arc<GatewaySettings>>,
    pub(crate) tasks: Tasks,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) profiles: Profiles,
    /// Threads that serve clients, the common runtime included.
    pub(crate) workers: usize,
}

impl Common {
    /// The servers of the cluster, that of the URL first; none without any.
    pub(crate) fn new(
        targets: Vec<Target>,
        settings: GatewaySettings,
        tasks: Tasks,
        metrics: Arc<Metrics>,
    ) -> Option<Self> {
        let workers = settings.workers() + 1;
        Some(Self {
            target: targets.first()?.clone(),
            members: Members::new(targets, &settings, metrics.clone())?,
            settings: RwLock::new(Arc::new(settings)),
            tasks,
            metrics,
            profiles: Profiles::new(),
            workers,
        })
    }

    /// The settings in force.
    pub(crate) fn live(&self) -> Arc<GatewaySettings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Other settings from now on.
    fn set_live(&self, settings: Arc<GatewaySettings>) {
        self.members.set_limits(&settings);
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    fn connect_timeout(&self) -> Duration {
        self.live().connect_timeout
    }
}

/// Whose connections: those of a database and a role, on whichever server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub(crate) database: String,
    pub(crate) user: String,
}

/// What tells pools apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PoolKey {
    pub(crate) database: String,
    pub(crate) user: String,
    /// The number of the server.
    pub(crate) member: usize,
}

impl PoolKey {
    /// Whose it is, on whichever server.
    pub(crate) fn owner(&self) -> Owner {
        Owner {
            database: self.database.clone(),
            user: self.user.clone(),
        }
    }
}

/// What the pools of one database and role have in common on all servers.
#[derive(Debug, Default)]
struct Family {
    /// What the role logs in with; none for the role of the URL.
    credentials: Mutex<Option<Credentials>>,
    /// Goes up when somebody changes definitions, so that statements prepared before are prepared anew.
    definitions: AtomicU64,
}

/// The state of one pool, for metrics and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PoolState {
    pub(crate) idle: usize,
    pub(crate) active: usize,
    pub(crate) waiting: usize,
    pub(crate) opened_total: u64,
    pub(crate) closed_total: u64,
    pub(crate) paused: bool,
    pub(crate) longest_wait: Duration,
}

/// The connections to one database as one role.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) key: PoolKey,
    pub(crate) common: Arc<Common>,
    /// The server that its connections lead to.
    pub(crate) member: Arc<Member>,
    queue: Mutex<Queue>,
    family: Arc<Family>,
    cards: Cards,
    /// The user's functions that may change their session, as of an age of the definitions.
    suspects: Mutex<Option<(u64, HashSet<Box<str>>)>>,
    waits: Histogram,
    waited: Waited,
}

impl Pool {
    fn new(key: PoolKey, common: Arc<Common>, member: Arc<Member>, family: Arc<Family>) -> Self {
        let settings = common.live();
        let bounds = settings.bounds_of(&key.database, &key.user);
        let queue = Queue::new(bounds, settings.waiting_max, common.workers);
        let waits = common.metrics.pool_wait_seconds.with([&key.database]);
        Self {
            key,
            common,
            waits,
            waited: Waited::default(),
            member,
            queue: Mutex::new(queue),
            family,
            cards: Cards::default(),
            suspects: Mutex::default(),
        }
    }

    /// Whether one of these functions may change its session; none where nobody has looked since the definitions
    /// changed.
    pub(crate) fn suspects(&self, definitions: u64, calls: &[Box<str>]) -> Option<bool> {
        let suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, names) = suspects.as_ref().filter(|(age, _)| *age == definitions)?;
        let bare = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
        Some(calls.iter().any(|call| names.contains(bare(call).as_str())))
    }

    /// Somebody has looked which functions may change their session.
    pub(crate) fn remember_suspects(&self, definitions: u64, names: HashSet<Box<str>>) {
        *self.suspects.lock().unwrap_or_else(PoisonError::into_inner) = Some((definitions, names));
    }

    /// The bounds in force.
    pub(crate) fn bounds(&self) -> Bounds {
        self.with_queue(|queue| queue.bounds())
    }

    /// The bounds that the settings give it.
    pub(crate) fn configured(&self) -> Bounds {
        self.with_queue(|queue| queue.configured())
    }

    /// Has no more connections than this, or as many as the settings say.
    pub(crate) fn limit(self: &Arc<Self>, limit: Option<usize>) {
        self.with_queue(|queue| queue.set_limit(limit));
        self.use_room();
    }

    /// The state now.
    pub(crate) fn state(&self) -> PoolState {
        self.with_queue(|queue| queue.state())
    }

    fn with_queue<T>(&self, act: impl FnOnce(&mut Queue) -> T) -> T {
        act(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The role logs in with this from now on.
    pub(crate) fn trust(&self, credentials: Credentials) {
        *self.family.credentials.lock().unwrap_or_else(PoisonError::into_inner) = Some(credentials);
    }

    /// Who logs in upstream.
    fn identity(&self) -> ConnectOptions {
        let credentials = self.family.credentials.lock();
        let credentials = credentials.unwrap_or_else(PoisonError::into_inner).clone();
        ConnectOptions {
            user: (self.key.user != self.common.target.user()).then(|| self.key.user.clone()),
            credentials,
            ..ConnectOptions::default()
        }
    }

    /// How old the definitions are that statements are parsed under; never 0.
    pub(crate) fn definitions(&self) -> u64 {
        self.family.definitions.load(Ordering::Acquire) + 1
    }

    /// Somebody changed definitions.
    pub(crate) fn definitions_changed(&self) {
        self.family.definitions.fetch_add(1, Ordering::AcqRel);
    }

    /// Takes a place in the line, for those who wait without a task of their own.
    pub(crate) fn line_up(
        self: &Arc<Self>,
        project: &Project,
        weight: f64,
        profile: &Profile,
        now: Instant,
    ) -> LinedUp {
        let caller = Caller {
            project,
            weight,
            worker: current_worker(),
            profile: profile.id(),
            now,
        };
        match self.with_queue(|queue| queue.next(Turn::Behind(caller))) {
            Next::Idle(server) => match self.fit(server, now) {
                Some(server) => LinedUp::Served(Lease::new(server, self.clone())),
                None => LinedUp::Otherwise,
            },
            Next::Wait(granted) => LinedUp::Waiting(Ticket {
                granted,
                pool: self.clone(),
                since: now,
            }),
            Next::Open => LinedUp::MayOpen(Right(Place::counted(self.clone()))),
            // Whoever asks the long way hears why.
            Next::Full { .. } | Next::Stopping => LinedUp::Otherwise,
        }
    }

    /// Takes a connection: an idle one, a new one, or the next that is freed.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        project: &Project,
        weight: f64,
        profile: &Profile,
        timeout: Duration,
    ) -> Result<Lease, Error> {
        let begun = Instant::now();
        let caller = Caller {
            project,
            weight,
            worker: current_worker(),
            profile: profile.id(),
            now: begun,
        };
        let server = tokio::time::timeout(timeout, self.next_server(Turn::Behind(caller))).await;
        self.waited(begun.elapsed());
        match server {
            Ok(server) => Ok(Lease::new(server?, self.clone())),
            Err(_) => Err(self.timed_out(timeout)),
        }
    }

    /// An idle connection where it is needed, if it is worth using.
    fn fit(&self, server: Box<Server>, now: Instant) -> Option<Box<Server>> {
        let mut server = server;
        let is_fit = server.is_fit(now) && server.connection().is_quiet(&mut Context::from_waker(Waker::noop()));
        if !is_fit {
            let reason = server.flaw(now);
            // Its place is given back when it is closed.
            server.close(reason);
            return None;
        }
        server.here()
    }

    async fn next_server(self: &Arc<Self>, turn: Turn<'_>) -> Result<Box<Server>, Error> {
        loop {
            let found = match self.with_queue(|queue| queue.next(turn)) {
                Next::Idle(server) => Ok(self.fit(server, Instant::now())),
                Next::Open => self.open(Place::counted(self.clone()), turn).await.map(Some),
                Next::Wait(granted) => self.granted(granted, turn).await,
                Next::Full { waiting } => Err(self.queue_full(waiting)),
                Next::Stopping => Err(Error::Stopping),
            };
            match found {
                Ok(Some(server)) => return Ok(server),
                Ok(None) => {}
                // From now on the line is for what there is.
                Err(error) if self.may_share(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// One of the connections that there are, in time.
    async fn wait_for_another(self: &Arc<Self>, turn: Turn<'_>) -> Result<Box<Server>, Error> {
        let limit = self.common.live().acquire_timeout;
        let server = tokio::time::timeout(limit, self.next_server(turn)).await;
        server.unwrap_or_else(|_| Err(self.timed_out(limit)))
    }

    /// Whether the server has no room for another connection, and the pool has some that can be waited for.
    fn may_share(&self, error: &Error) -> bool {
        let is_full = matches!(error, Error::Upstream(upstream) if upstream.server().is_some_and(|said| said.sqlstate == SERVER_FULL));
        is_full && self.with_queue(Queue::server_is_full)
    }

    fn queue_full(&self, waiting: usize) -> Error {
        let database = self.key.database.clone();
        Error::QueueFull { database, waiting }
    }

    /// Opens a connection, unless the breaker says that this is in vain. The upkeep always may try.
    async fn open(self: &Arc<Self>, place: Place, turn: Turn<'_>) -> Result<Box<Server>, Error> {
        if matches!(turn, Turn::Behind(_)) {
            let admitted = self.member.with_breaker(|breaker| breaker.admit(Instant::now()));
            admitted.map_err(|retry_after| self.member.breaker_open(retry_after))?;
        }
        let opened = Server::open(self, place).await;
        match (turn, &opened) {
            (Turn::Behind(_), Err(error)) => self.failed_to_open(error),
            (Turn::Behind(_), Ok(_)) => self.member.with_breaker(Breaker::succeeded),
            (Turn::Before { .. }, _) => {}
        }
        opened
    }

    /// `None`: what was granted was lost on the way here.
    async fn granted(
        self: &Arc<Self>,
        granted: oneshot::Receiver<Grant>,
        turn: Turn<'_>,
    ) -> Result<Option<Box<Server>>, Error> {
        let mut ticket = Ticket {
            granted,
            pool: self.clone(),
            since: Instant::now(),
        };
        match (&mut ticket.granted).await {
            Ok(Grant::Server(server)) => Ok(server.here()),
            Ok(Grant::Place(place)) => self.open(place, turn).await.map(Some),
            Err(_) if self.is_primary() => Err(Error::Stopping),
            Err(_) => Err(self.left()),
        }
    }

    /// A connection could not be opened for a caller.
    fn failed_to_open(&self, error: &Error) {
        if error.class() == ErrorClass::Unavailable {
            self.common.members.failed_to_open(&self.member, error.slug());
        }
    }

    /// Whether its server is the primary.
    pub(crate) fn is_primary(&self) -> bool {
        self.member.index == self.common.members.primary_index()
    }

    /// Why those who waited for a server wait no more that is not to be used any longer.
    pub(crate) fn left(&self) -> Error {
        Error::PrimaryMoved {
            from: self.member.name.clone(),
        }
    }

    /// Its server is no longer the primary: its idle connections are closed, and who waits for one looks elsewhere.
    fn leave(&self) {
        self.with_queue(Queue::dismiss);
        for server in self.with_queue(Queue::take_idle) {
            server.close("moved");
        }
    }

    /// The server has said nothing for so long.
    pub(crate) fn silent(&self, after: Duration) -> Error {
        let place = self.member.name.clone();
        Error::from(weir_upstream::Error::Timeout { place, after })
    }

    /// Closes all idle connections. The next callers open new ones.
    pub(crate) fn distrust_idle(&self) {
        for server in self.with_queue(Queue::take_idle) {
            server.close("broken");
        }
    }

    /// Hands out no connection until [`Pool::resume`]; callers wait, as long as they may.
    pub(crate) fn pause(&self) {
        self.with_queue(Queue::pause);
    }

    /// Goes on.
    pub(crate) fn resume(self: &Arc<Self>) {
        for server in self.with_queue(Queue::resume) {
            lease::give_back(self, server, Instant::now());
        }
        self.use_room();
    }

    /// Lets those who wait open connections, as far as there is room.
    fn use_room(self: &Arc<Self>) {
        let worker = current_worker();
        while let Some(heir) = self.with_queue(|queue| queue.place_for_waiter(worker)) {
            // One who has gone drops the place, and it goes to the next.
            let _ = heir.send(Grant::Place(Place::counted(self.clone())));
        }
    }

    /// Takes over changed settings.
    fn adjust(self: &Arc<Self>, settings: &GatewaySettings) {
        let bounds = settings.bounds_of(&self.key.database, &self.key.user);
        self.with_queue(|queue| queue.set_bounds(bounds, settings.waiting_max));
        self.use_room();
    }

    /// How long one waited who waits no more.
    pub(crate) fn waited(&self, waited: Duration) {
        self.waits.observe(waited.as_secs_f64());
        self.waited.note(waited);
    }

    /// Why one who has waited so long got nothing.
    pub(crate) fn timed_out(&self, waited: Duration) -> Error {
        let state = self.state();
        Error::PoolTimeout {
            database: self.key.database.clone(),
            waited,
            why: format!(
                "{} of {} servers are busy; {} wait",
                state.active,
                self.bounds().max,
                state.waiting
            ),
        }
    }
}

/// What came of lining up.
pub(crate) enum LinedUp {
    /// A connection was idle after all.
    Served(Lease),
    /// Somebody has to give one back first.
    Waiting(Ticket),
    /// A new connection may be opened.
    MayOpen(Right),
    /// Neither; [`Pool::acquire`] says why.
    Otherwise,
}

/// The right to open one connection. Dropped, it goes to the next.
#[derive(Debug)]
pub(crate) struct Right(Place);

impl Right {
    /// Opens a connection.
    pub(crate) async fn open(self) -> Result<Lease, Error> {
        let pool = self.0.pool().ok_or(Error::Stopping)?;
        let baseline = pool.common.profiles.baseline();
        let caller = Caller {
            project: &Project::default(),
            weight: 1.0,
            worker: current_worker(),
            profile: baseline.id(),
            now: Instant::now(),
        };
        let turn = Turn::Behind(caller);
        let opened = match pool.open(self.0, turn).await {
            Err(error) if pool.may_share(&error) => pool.wait_for_another(turn).await,
            opened => opened,
        };
        Ok(Lease::new(opened?, pool))
    }
}

/// A place in the line. One who leaves it passes on what came in the same moment.
#[derive(Debug)]
pub(crate) struct Ticket {
    granted: oneshot::Receiver<Grant>,
    pool: Arc<Pool>,
    since: Instant,
}

/// What one who waited is given.
pub(crate) enum Served {
    Lease(Lease),
    MayOpen(Right),
    /// What was granted was lost on the way, or the pool stops; one may ask again.
    Nothing,
}

impl Ticket {
    /// Since when it waits.
    pub(crate) const fn since(&self) -> Instant {
        self.since
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Served> {
        let granted = std::task::ready!(Pin::new(&mut self.granted).poll(cx));
        Poll::Ready(match granted {
            Ok(Grant::Server(server)) => match server.here() {
                Some(server) => Served::Lease(Lease::new(server, self.pool.clone())),
                None => Served::Nothing,
            },
            Ok(Grant::Place(place)) => Served::MayOpen(Right(place)),
            Err(_) => Served::Nothing,
        })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.granted.close();
        if let Ok(Grant::Server(server)) = self.granted.try_recv() {
            lease::give_back(&self.pool, server, Instant::now());
        }
    }
}
