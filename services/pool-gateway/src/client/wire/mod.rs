//! The PostgreSQL door: any driver connects to it unchanged.
//!
//! One thread accepts and deals clients out to the workers, each of which serves its share on a runtime of its own; the
//! pool is common to all. A session is one task that passes frames on as they lie and knows, of each frame that goes
//! to a server, what will answer it.

mod admin;
mod admission;
mod client_side;
mod expect;
mod journal;
mod link;
mod linking;
mod lobby;
mod refusal;
mod replies;
mod requests;
mod seat;
mod session;
mod statements;
mod stream;
mod sweep;
mod unlinked;
mod welcome;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use weir_config::{Profile as Environment, Sources};
use weir_model::Clock;
use weir_runtime::{Ground, Stage, StartError, TaskResult, Worker};

use super::login::{Strangers, Verifiers};
use super::tls::Tls;
use crate::metrics::Metrics;
use crate::pool::Pools;
use crate::shapes::Shapes;
use crate::tap::Tap;
use crate::workers::set_current_worker;
use admission::Guest;
use seat::{LEAVE, Seats};
use statements::Library;
use welcome::Welcomes;

/// Users whose verifiers are remembered while they log in.
const VERIFIERS_MAX: NonZeroUsize = match NonZeroUsize::new(1_000) {
    Some(number) => number,
    None => NonZeroUsize::MIN,
};
/// How long a verifier serves for later log-ins of the same user: not at all, so that a changed password counts at
/// once. Those who log in together share a look-up all the same.
const VERIFIERS_LIVE_FOR: Duration = Duration::ZERO;
/// Clients that may wait for a worker to take them.
const ARRIVALS_MAX: usize = 1_024;
/// How long accepting rests when the process has no more file handles.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// What all sessions of the door share.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) pools: Arc<Pools>,
    pub(crate) shapes: Shapes,
    pub(crate) tap: Tap,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    pub(crate) environment: Environment,
    pub(crate) tls: Option<Tls>,
    pub(crate) seats: Seats,
    sources: watch::Receiver<Sources>,
    library: Library,
    strangers: Strangers,
    verifiers: Mutex<Verifiers>,
    trusted: admission::Trusted,
    welcomes: Welcomes,
}

/// What a door is made of.
pub(crate) struct DoorParts {
    pub(crate) pools: Arc<Pools>,
    pub(crate) shapes: Shapes,
    pub(crate) tap: Tap,
    pub(crate) clock: Clock,
    pub(crate) environment: Environment,
    pub(crate) tls: Option<Tls>,
    /// The settings as they are after each reload.
    pub(crate) sources: watch::Receiver<Sources>,
}

impl Door {
    pub(crate) fn new(parts: DoorParts) -> Result<Arc<Self>, StartError> {
        let metrics = parts.pools.common().metrics.clone();
        let strangers = Strangers::random().map_err(|refusal| refusal.message(""))?;
        Ok(Arc::new(Self {
            pools: parts.pools,
            shapes: parts.shapes,
            tap: parts.tap,
            metrics,
            clock: parts.clock,
            environment: parts.environment,
            tls: parts.tls,
            seats: Seats::new(),
            sources: parts.sources,
            library: Library::new(),
            strangers,
            verifiers: Mutex::new(Verifiers::new(VERIFIERS_MAX, VERIFIERS_LIVE_FOR)),
            trusted: admission::Trusted::default(),
            welcomes: Welcomes::new(),
        }))
    }

    /// Reads the settings file again, and takes it over as a whole or not at all.
    fn reload(&self) -> Result<(), weir_config::Error> {
        let sources = self.sources.borrow().reload()?;
        let (settings, _) = crate::settings::check(&sources)?;
        self.pools.adjust(settings);
        Ok(())
    }

    fn statement_bytes_max(&self) -> usize {
        self.shapes.statement_bytes_max()
    }

    fn with_verifiers<T>(&self, act: impl FnOnce(&mut Verifiers) -> T) -> T {
        act(&mut self.verifiers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Serves clients from this listener until the shutdown. Those in a transaction finish it; the others are told.
    pub(crate) fn serve(self: &Arc<Self>, ground: &Ground, listener: TcpListener) -> Result<(), StartError> {
        let workers = self.pools.common().live().workers();
        let mut lines = Vec::with_capacity(workers);
        let mut arrivals = Vec::with_capacity(workers);
        for _ in 0..workers {
            let (line, arriving) = mpsc::channel(ARRIVALS_MAX);
            let load = Arc::new(AtomicUsize::new(0));
            lines.push(Line {
                line,
                load: load.clone(),
            });
            arrivals.push(Mutex::new(Some(Arriving { arriving, load })));
        }
        let door = self.clone();
        ground
            .tasks
            .spawn_workers(Stage::Doors, "wire worker", workers, move |worker| {
                let arrivals = arrivals.get(worker.index).and_then(|slot| slot.lock().ok()?.take());
                door.clone().work(worker, arrivals)
            })?;
        ground
            .tasks
            .spawn(Stage::Doors, "wire door", |stop| accept(listener, lines, stop));
        let door = self.clone();
        ground
            .tasks
            .spawn(Stage::Watch, "wire sweep", |stop| sweep::run(door, stop));
        Ok(())
    }

    /// The life of one worker.
    async fn work(self: Arc<Self>, worker: Worker, arrivals: Option<Arriving>) {
        set_current_worker(worker.index + 1);
        let Some(Arriving { mut arriving, load }) = arrivals else {
            return;
        };
        loop {
            tokio::select! {
                arrived = arriving.recv() => match arrived {
                    Some((tcp, peer)) => self.take_in(&worker, tcp, peer, load.clone()),
                    None => break,
                },
                () = worker.stop.cancelled() => break,
            }
        }
        worker.stop.cancelled().await;
        for seat in self.seats.all() {
            seat.wish(LEAVE);
        }
        worker.until_alone().await;
    }

    fn take_in(self: &Arc<Self>, worker: &Worker, tcp: std::net::TcpStream, peer: SocketAddr, load: Arc<AtomicUsize>) {
        let door = self.clone();
        // The loop that takes clients in is the worker's own, and so is the reactor that watches the socket.
        let Ok(tcp) = TcpStream::from_std(tcp) else { return };
        load.fetch_add(1, Ordering::Relaxed);
        let stop = worker.stop.clone();
        worker.spawn(async move {
            let guest = tokio::select! {
                guest = Box::pin(lobby::admit(door, tcp, peer)) => guest,
                () = stop.cancelled() => None,
            };
            match guest {
                Some(Guest::Client(session)) => session.run().await,
                Some(Guest::Operator(console)) => tokio::select! {
                    () = Box::pin(console.run()) => {}
                    () = stop.cancelled() => {}
                },
                None => {}
            }
            load.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// The way to one worker.
struct Line {
    line: mpsc::Sender<(std::net::TcpStream, SocketAddr)>,
    load: Arc<AtomicUsize>,
}

/// A worker's end of it.
struct Arriving {
    arriving: mpsc::Receiver<(std::net::TcpStream, SocketAddr)>,
    load: Arc<AtomicUsize>,
}

/// Accepts clients and gives each to the worker that has the fewest.
async fn accept(listener: TcpListener, lines: Vec<Line>, stop: CancellationToken) -> TaskResult {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return Ok(()),
        };
        match accepted {
            Ok((tcp, peer)) => deal(tcp, peer, &lines).await,
            // Out of file handles, or the client has gone again: the door stays open.
            Err(error) => {
                tracing::warn!(error = %error, "a client could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
}

async fn deal(tcp: TcpStream, peer: SocketAddr, lines: &[Line]) {
    // Without it every second small answer would wait for an acknowledgement.
    let ready = tcp.set_nodelay(true).and_then(|()| tcp.into_std());
    let Ok(tcp) = ready else { return };
    let load = |line: &&Line| {
        let queued = line.line.max_capacity() - line.line.capacity();
        line.load.load(Ordering::Relaxed) + queued
    };
    if let Some(line) = lines.iter().min_by_key(load) {
        // A worker that is gone takes nobody; the client sees its connection closed.
        let _ = line.line.send((tcp, peer)).await;
    }
}
