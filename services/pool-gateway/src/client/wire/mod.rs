//! The PostgreSQL door: any driver connects to it unchanged.
//!
//! One thread accepts and deals clients out to the workers, each of which serves its share on a runtime of its own; the
//! pool is common to all. A session is one task that passes frames on as they lie and knows, of each frame that goes
//! to a server, what will answer it.

mod account;
mod admin;
mod admission;
mod clerk;
mod client_side;
mod copying;
mod crew;
mod crowd;
mod expect;
mod following;
mod guarding;
mod journal;
mod leaks;
mod link;
mod linking;
mod lobby;
mod loss;
mod outgoing;
mod paying;
mod policy;
mod pressure;
mod reader;
mod reading;
mod recalling;
mod refusal;
mod replication;
mod replies;
mod requests;
mod scaling;
mod seat;
mod session;
mod stale;
mod starvation;
mod statements;
mod stream;
mod sweep;
mod trace;
mod unlinked;
mod wall;
mod welcome;
mod witness;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use weir_bus::Bus;
use weir_config::Profile as Environment;
use weir_model::Clock;
use weir_proto::events::v1::Door as DoorKind;
use weir_runtime::{Ground, Listener, Release, Stage, StartError, TaskResult, Worker};

use super::accepting::next_caller;
use super::login::{Strangers, Verifiers};
use super::tls::Tls;
use crate::cache::Cache;
use crate::firewall::{Guard, Stranger};
use crate::handover::Kin;
use crate::metrics::Metrics;
use crate::mirror::Mirror;
use crate::pool::Pools;
use crate::shapes::Shapes;
use crate::steward::Steward;
use crate::tap::Tap;
use crate::workers::set_current_worker;
pub(crate) use account::{Account, Totals};
pub(crate) use admin::table;
use admission::Guest;
use clerk::Clerk;
pub(crate) use crew::Visit;
use crew::{Crew, Newcomer, Post, Stopwatch};
use crowd::Crowds;
pub(crate) use guarding::FAILS;
pub(crate) use refusal::Refusal as Denied;
use seat::{LEAVE, Seats};
use session::Session;
use statements::Library;
use wall::Wall;
use welcome::Welcomes;
pub(crate) use witness::Witness;

/// Users whose verifiers are remembered while they log in.
const VERIFIERS_MAX: NonZeroUsize = match NonZeroUsize::new(1_000) {
    Some(number) => number,
    None => NonZeroUsize::MIN,
};
/// How long a verifier serves for later log-ins of the same user: not at all, so that a changed password counts at
/// once. Those who log in together share a look-up all the same.
const VERIFIERS_LIVE_FOR: Duration = Duration::ZERO;
/// A silent client is asked after this time whether it is still there,
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
/// again after this time,
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
/// and sent home after so many questions.
const KEEPALIVE_TIMES: u32 = 3;

/// What a listener is told, the sockets of its clients have from the start.
fn ask_silent_clients(listener: &TcpListener) -> std::io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY);
    SockRef::from(listener).set_tcp_keepalive(&keepalive.with_retries(KEEPALIVE_TIMES))
}

/// What all sessions of the door share.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) pools: Arc<Pools>,
    pub(crate) shapes: Shapes,
    pub(crate) tap: Tap,
    mirror: Option<Arc<Mirror>>,
    pub(crate) cache: Option<Arc<Cache>>,
    pub(crate) metrics: Arc<Metrics>,
    wall: Wall,
    pub(crate) environment: Environment,
    pub(crate) tls: Option<Tls>,
    pub(crate) seats: Arc<Seats>,
    pub(crate) kin: Arc<Kin>,
    pub(crate) guard: Arc<Guard>,
    crew: Crew,
    bus: Bus,
    instance: String,
    pub(crate) witness: Arc<Witness>,
    pub(crate) steward: Arc<Steward>,
    library: Library,
    strangers: Strangers,
    verifiers: Mutex<Verifiers>,
    clerk: Clerk,
    crowds: Arc<Crowds>,
    trusted: admission::Trusted,
    welcomes: Welcomes,
}

/// What a door is made of.
pub(crate) struct DoorParts {
    pub(crate) pools: Arc<Pools>,
    pub(crate) shapes: Shapes,
    pub(crate) tap: Tap,
    pub(crate) mirror: Option<Arc<Mirror>>,
    pub(crate) cache: Option<Arc<Cache>>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) clock: Clock,
    pub(crate) environment: Environment,
    pub(crate) tls: Option<Tls>,
    pub(crate) bus: Bus,
    /// This process, as events name it.
    pub(crate) instance: String,
    pub(crate) steward: Arc<Steward>,
}

impl Door {
    pub(crate) fn new(parts: DoorParts) -> Result<Arc<Self>, StartError> {
        let metrics = parts.pools.common().metrics.clone();
        let workers = parts.pools.common().live().workers();
        let strangers = Strangers::random().map_err(|refusal| refusal.message(""))?;
        let seats = Arc::new(Seats::new());
        Ok(Arc::new(Self {
            witness: Arc::new(Witness::new(seats.clone())),
            pools: parts.pools,
            shapes: parts.shapes,
            tap: parts.tap,
            mirror: parts.mirror,
            cache: parts.cache,
            metrics,
            wall: Wall::new(parts.clock),
            environment: parts.environment,
            tls: parts.tls,
            crew: Crew::new(workers),
            bus: parts.bus,
            instance: parts.instance,
            seats,
            kin: Arc::default(),
            guard: parts.guard,
            steward: parts.steward,
            library: Library::new(),
            strangers,
            verifiers: Mutex::new(Verifiers::new(VERIFIERS_MAX, VERIFIERS_LIVE_FOR)),
            clerk: Clerk::default(),
            crowds: Arc::default(),
            trusted: admission::Trusted::default(),
            welcomes: Welcomes::new(),
        }))
    }

    fn statement_bytes_max(&self) -> usize {
        self.shapes.statement_bytes_max()
    }

    fn with_verifiers<T>(&self, act: impl FnOnce(&mut Verifiers) -> T) -> T {
        act(&mut self.verifiers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Clients that are in, or on their way in.
    pub(crate) fn clients(&self) -> usize {
        self.crew.clients()
    }

    /// Has one of the workers serve a caller of another door.
    pub(crate) async fn host(&self, visit: Visit) {
        self.crew.host(visit).await;
    }

    /// Whose turn it is to run a call: that worker's runtime, or none where it is the present one.
    pub(crate) fn next_hand(&self) -> Option<&Handle> {
        self.crew.next_hand()
    }

    /// Passes a cancel request on to the session that it names, here or in the process before or after.
    async fn cancel(&self, process_id: i32, key: &[u8], peer: SocketAddr) {
        if self.seats.cancel(process_id, key) {
            return;
        }
        if self.kin.cancel(process_id, key).await {
            return;
        }
        let (settings, client) = (self.pools.common().live(), peer.ip().to_string());
        self.guard.cancel_failed(Stranger {
            project: &settings.default_project,
            database: "",
            user: "",
            application: "",
            client: &client,
            door: DoorKind::Wire,
        });
    }

    /// Serves clients from this listener until the shutdown. Those in a transaction finish it; the others are told. When
    /// the port is released, nobody is let in any more.
    pub(crate) fn serve(self: &Arc<Self>, ground: &Ground, listener: Listener) -> Result<(), StartError> {
        let workers = self.pools.common().live().workers();
        let (listener, release) = listener.into_parts();
        ask_silent_clients(&listener)?;
        let door = self.clone();
        ground
            .tasks
            .spawn_workers(Stage::Doors, "wire worker", workers, move |worker| {
                door.clone().work(worker)
            })?;
        let door = self.clone();
        ground
            .tasks
            .spawn(Stage::Doors, "wire door", |stop| door.accept(listener, release, stop));
        let door = self.clone();
        ground
            .tasks
            .spawn(Stage::Watch, "wire sweep", |stop| sweep::run(door, stop));
        Ok(())
    }

    /// The life of one worker.
    async fn work(self: Arc<Self>, worker: Worker) {
        set_current_worker(worker.index + 1);
        let Some((post, mut arriving)) = self.post(worker.index) else {
            return;
        };
        let (mut stopwatch, mut looks) = (Stopwatch::new(), tokio::time::interval(sweep::PERIOD));
        post.is_here();
        loop {
            tokio::select! {
                arrived = arriving.recv() => match arrived {
                    Some(newcomer) => self.take_in(&worker, newcomer, &post),
                    None => break,
                },
                _ = looks.tick() => post.was_busy(stopwatch.share()),
                () = worker.stop.cancelled() => break,
            }
        }
        worker.stop.cancelled().await;
        // Those who were on their way here are told like all others.
        arriving.close();
        while let Ok(newcomer) = arriving.try_recv() {
            self.take_in(&worker, newcomer, &post);
        }
        for seat in self.seats.all() {
            seat.wish(LEAVE);
        }
        worker.until_alone().await;
        self.crew.until_no_visits().await;
    }

    fn post(&self, index: usize) -> Option<(Arc<Post>, mpsc::Receiver<Newcomer>)> {
        let post = self.crew.post(index)?;
        Some((post.clone(), post.arriving()?))
    }

    /// To be called on the worker's own thread, whose reactor is to watch the socket.
    fn take_in(self: &Arc<Self>, worker: &Worker, newcomer: Newcomer, post: &Arc<Post>) {
        let (door, counted, stop) = (self.clone(), post.counts(&newcomer), worker.stop.clone());
        worker.spawn(async move {
            match newcomer {
                Newcomer::Visitor(visit, held) => {
                    visit.await;
                    drop(held);
                }
                Newcomer::Stranger(tcp, peer) => door.receive(tcp, peer, stop).await,
                Newcomer::Session(session) => {
                    if let Some(session) = session.move_here() {
                        door.serve_session(session).await;
                    }
                }
            }
            drop(counted);
        });
    }

    async fn receive(self: Arc<Self>, tcp: std::net::TcpStream, peer: SocketAddr, stop: CancellationToken) {
        let Ok(tcp) = TcpStream::from_std(tcp) else { return };
        let guest = tokio::select! {
            guest = Box::pin(lobby::admit(self.clone(), tcp, peer)) => guest,
            () = stop.cancelled() => None,
        };
        match guest {
            Some(Guest::Client(session)) => self.serve_session(session).await,
            // It is told to leave by its seat, as sessions are.
            Some(Guest::Replication(replication)) => replication.run().await,
            Some(Guest::Operator(console)) => tokio::select! {
                () = Box::pin(console.run()) => {}
                () = stop.cancelled() => {}
            },
            None => {}
        }
    }

    /// Serves a client until it leaves, or until another thread does.
    async fn serve_session(&self, session: Box<Session>) {
        let mut session = session;
        while let Some(moving) = session.run().await {
            let Some(stays) = Box::pin(self.crew.hand_over(moving)).await else {
                return;
            };
            session = stays;
            session.stay();
        }
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, release: Release, stop: CancellationToken) -> TaskResult {
        let held = release.hold();
        tokio::select! {
            () = self.let_in(&listener, &release) => {}
            () = stop.cancelled() => {}
        }
        drop((listener, held));
        stop.cancelled().await;
        Ok(())
    }

    async fn let_in(&self, listener: &TcpListener, release: &Release) {
        while let Some((tcp, peer)) = next_caller(listener, release).await {
            self.crew.deal(tcp, peer).await;
        }
    }
}
