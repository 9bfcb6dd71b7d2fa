//! A network of the test's own between the gateway and its server, which can do what networks do.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use weir_testkit::{Database, eventually, free_port};

use super::super::Stage;
use crate::gateway::{PATIENCE, database};

/// How the network is.
#[derive(Debug, Clone, Copy, Default)]
struct Weather {
    /// Nothing passes; nothing is lost either.
    stalls: bool,
    /// Nobody listens.
    refuses: bool,
    /// Of connections with a lower number nothing is ever heard again.
    silent_below: u64,
    /// Connections with a lower number were reset.
    reset_below: u64,
    /// The number of the next connection.
    next: u64,
}

/// The network.
pub(super) struct Proxy {
    port: u16,
    weather: watch::Sender<Weather>,
    /// Ends with it.
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// To the server of this database.
    pub(super) async fn before(database: &Database) -> Self {
        let (server, port) = (server_of(database), free_port());
        let (weather, _) = watch::channel(Weather::default());
        let listener = listen(port).await;
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, server, weather.clone()));
        Self {
            port,
            weather,
            _tasks: tasks,
        }
    }

    /// A fresh database, and a gateway that reaches it through a network of the test's own.
    pub(super) async fn with_stage(settings: &[(&str, &str)]) -> (Self, Stage) {
        let database = database().await;
        let proxy = Self::before(&database).await;
        let stage = Stage::before(&proxy.url(&database), &database, settings).await;
        (proxy, stage)
    }

    /// The address of the database through it.
    pub(super) fn url(&self, database: &Database) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{}", self.port, database.name())
    }

    /// Nothing passes from now on, or all that was held back does.
    pub(super) fn stall(&self, stalls: bool) {
        self.weather.send_modify(|weather| weather.stalls = stalls);
    }

    /// Nobody listens from now on, and all connections are reset; or somebody does again.
    pub(super) fn refuse(&self, refuses: bool) {
        self.weather.send_modify(|weather| {
            weather.refuses = refuses;
            weather.reset_below = weather.next;
        });
    }

    /// Resets all connections.
    pub(super) fn reset(&self) {
        self.weather.send_modify(|weather| weather.reset_below = weather.next);
    }

    /// All connections are dead from now on, and neither side is told.
    pub(super) fn silence(&self) {
        self.weather.send_modify(|weather| weather.silent_below = weather.next);
    }
}

fn server_of(database: &Database) -> SocketAddr {
    let url = database.url();
    let place = url.split('@').nth(1).unwrap().split('/').next().unwrap();
    place.parse().unwrap()
}

async fn listen(port: u16) -> TcpListener {
    // The connections of the last listener may still be on their way out.
    eventually("the port", PATIENCE, move || TcpListener::bind(("127.0.0.1", port))).await
}

async fn accept(listener: TcpListener, server: SocketAddr, weather: watch::Sender<Weather>) {
    let mut listener = Some(listener);
    let (mut pipes, mut changes) = (JoinSet::new(), weather.subscribe());
    let port = listener.as_ref().unwrap().local_addr().unwrap().port();
    loop {
        let refuses = changes.borrow_and_update().refuses;
        if refuses {
            listener = None;
        } else if listener.is_none() {
            listener = Some(listen(port).await);
        }
        let arrival = async {
            match &listener {
                Some(listener) => listener.accept().await.unwrap().0,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            near = arrival => drop(pipes.spawn(connect(near, server, weather.clone()))),
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

async fn connect(near: TcpStream, server: SocketAddr, weather: watch::Sender<Weather>) {
    let (mut number, mut is_late) = (0, false);
    weather.send_modify(|weather| {
        (number, is_late) = (weather.next, weather.refuses);
        weather.next += 1;
    });
    if is_late {
        return;
    }
    let Ok(far) = TcpStream::connect(server).await else {
        return;
    };
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let there = carry(near_in, far_out, number, weather.subscribe());
    let back = carry(far_in, near_out, number, weather.subscribe());
    tokio::join!(there, back);
}

/// Carries bytes one way until there are no more.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, number: u64, mut weather: watch::Receiver<Weather>) {
    let mut resets = weather.clone();
    let passes = async {
        let mut room = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut room).await {
            flows(&mut weather, number).await;
            if to.write_all(&room[..count]).await.is_err() {
                break;
            }
        }
        flows(&mut weather, number).await;
        let _ = to.shutdown().await;
    };
    let was_reset = tokio::select! {
        () = passes => false,
        _ = resets.wait_for(|weather| number < weather.reset_below) => true,
    };
    if was_reset {
        // The last half that goes takes the socket with it.
        let _ = from.as_ref().set_zero_linger();
        let _ = to.as_ref().set_zero_linger();
        to.forget();
    }
}

/// Waits until bytes may pass; for ever, where the connection is dead. Of one that was reset nothing passes any more,
/// though its end may be a moment away.
async fn flows(weather: &mut watch::Receiver<Weather>, number: u64) {
    let open = |weather: &Weather| !weather.stalls && number >= weather.silent_below.max(weather.reset_below);
    if weather.wait_for(open).await.is_err() {
        std::future::pending::<()>().await;
    }
}
