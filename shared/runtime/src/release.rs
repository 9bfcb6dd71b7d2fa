//! Ports that this process leaves to another one while it lives on for those who are in.
//!
//! A release is told once, to all doors that share it. From then on nobody is let in here, and nobody is sent away:
//! whoever is in the queue of the shared socket is served by the other process. Callers whose calls need not come by the
//! same connection are asked to come by another one, which is the other process's, when that loses them nothing.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// When the doors of this process are somebody else's. Cheap to clone; clones share everything.
#[derive(Debug, Clone, Default)]
pub struct Release {
    told: CancellationToken,
    moved: CancellationToken,
    held: TaskTracker,
}

impl Release {
    /// From now on another process lets callers in.
    pub fn tell(&self) {
        self.told.cancel();
        self.held.close();
    }

    /// Whether that is so.
    pub fn is_told(&self) -> bool {
        self.told.is_cancelled()
    }

    /// Waits until that is so.
    pub async fn told(&self) {
        self.told.cancelled().await;
    }

    /// The same, for whoever outlives what is borrowed.
    pub(crate) fn told_owned(&self) -> WaitForCancellationFutureOwned {
        self.told.clone().cancelled_owned()
    }

    /// From now on no call depends on one before it: they may come to the other process.
    pub fn move_calls(&self) {
        self.moved.cancel();
    }

    /// Waits until that is so.
    pub(crate) async fn moved(&self) {
        self.moved.cancelled().await;
    }

    /// Returns when the process stops, or calls may come to another one.
    pub async fn ends(self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.moved() => {}
        }
    }

    /// A door has callers to serve, for as long as what is returned lives.
    pub fn hold(&self) -> TaskTrackerToken {
        self.held.token()
    }

    /// Waits, once it is told, until no door has.
    pub async fn until_empty(&self) {
        self.held.wait().await;
    }
}

/// A bound port, and when it is to be left to another process.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    release: Release,
}

impl Listener {
    /// A port that is left to another process when `release` is told.
    pub const fn new(tcp: TcpListener, release: Release) -> Self {
        Self { tcp, release }
    }

    /// When to leave it.
    pub const fn release(&self) -> &Release {
        &self.release
    }

    /// The socket, and when to drop it.
    pub fn into_parts(self) -> (TcpListener, Release) {
        (self.tcp, self.release)
    }
}

/// A port that stays this process's own.
impl From<TcpListener> for Listener {
    fn from(tcp: TcpListener) -> Self {
        Self::new(tcp, Release::default())
    }
}

/// The same for a door that goes on to serve those who are in: it is dropped at the release, and lets nobody in any more.
#[derive(Debug)]
pub(crate) struct Porter {
    tcp: Option<TcpListener>,
    address: SocketAddr,
    release: Release,
}

impl Porter {
    pub(crate) fn new(listener: Listener) -> std::io::Result<Self> {
        Ok(Self {
            address: listener.tcp.local_addr()?,
            tcp: Some(listener.tcp),
            release: listener.release,
        })
    }
}

impl axum::serve::Listener for Porter {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        if let Some(tcp) = &mut self.tcp {
            tokio::select! {
                accepted = axum::serve::Listener::accept(tcp) => return accepted,
                () = self.release.told() => {}
            }
        }
        self.tcp = None;
        std::future::pending().await
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::watch;
    use tonic::transport::Channel;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_check_response::ServingStatus;
    use tonic_health::pb::health_client::HealthClient;
    use weir_config::Sources;
    use weir_model::Clock;

    use super::*;
    use crate::{Ground, GrpcDoor, Outcome, Tasks, bind, serve_ops};

    const GRACE: Duration = Duration::from_secs(10);

    fn ground() -> Ground {
        let sources = Sources::load(None, []).unwrap();
        let (_, reloads) = watch::channel(sources.clone());
        Ground::new(sources, reloads, Tasks::new(), Clock::system())
    }

    /// A bound port, and the same socket as another process has it.
    async fn port(ground: &Ground, release: &Release) -> (Listener, TcpListener, SocketAddr) {
        let tcp = bind(ground, "test.listen", "127.0.0.1:0".parse().unwrap())
            .await
            .unwrap();
        let (address, tcp) = (tcp.local_addr().unwrap(), tcp.into_std().unwrap());
        let other = TcpListener::from_std(tcp.try_clone().unwrap()).unwrap();
        let own = TcpListener::from_std(tcp).unwrap();
        (Listener::new(own, release.clone()), other, address)
    }

    /// Asks on a connection that could be kept, and says whether it can.
    async fn is_kept(stream: &mut TcpStream) -> bool {
        stream
            .write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .unwrap();
        let mut reply = Vec::new();
        while !reply.ends_with(b"alive\n") {
            assert_ne!(
                stream.read_buf(&mut reply).await.unwrap(),
                0,
                "closed without an answer"
            );
        }
        let reply = String::from_utf8(reply).unwrap().to_lowercase();
        assert!(reply.starts_with("http/1.1 200"), "{reply}");
        !reply.contains("connection: close")
    }

    /// Sees that who comes now is in the queue for the other process, however often the door here gets its turn.
    async fn only_other_lets_in(other: &TcpListener, address: SocketAddr) {
        let late = TcpStream::connect(address).await.unwrap();
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        let (_, peer) = tokio::time::timeout(GRACE, other.accept()).await.unwrap().unwrap();
        assert_eq!(peer, late.local_addr().unwrap());
    }

    #[tokio::test]
    async fn the_ops_door_answers_those_who_are_in_once_more_and_lets_nobody_in() {
        let (ground, release) = (ground(), Release::default());
        let (own, other, address) = port(&ground, &release).await;
        serve_ops(&ground, own);
        let mut asked = TcpStream::connect(address).await.unwrap();
        assert!(is_kept(&mut asked).await);
        let mut silent = TcpStream::connect(address).await.unwrap();
        // Whoever came before one who was answered is in.
        assert!(is_kept(&mut TcpStream::connect(address).await.unwrap()).await);
        release.tell();
        assert!(!is_kept(&mut asked).await && !is_kept(&mut silent).await);
        only_other_lets_in(&other, address).await;
        assert_eq!(ground.tasks.descend(GRACE).await, Outcome::Clean);
    }

    #[tokio::test]
    async fn the_grpc_door_is_empty_when_its_calls_are_answered_and_nobody_watches_it_for_ever() {
        let (ground, release) = (ground(), Release::default());
        let (own, other, address) = port(&ground, &release).await;
        GrpcDoor::new(own, "test.Service").serve(&ground, |_| {}).unwrap();
        let channel = Channel::from_shared(format!("http://{address}"))
            .unwrap()
            .connect()
            .await
            .unwrap();
        let request = HealthCheckRequest::default();
        let mut watched = HealthClient::new(channel.clone())
            .watch(request)
            .await
            .unwrap()
            .into_inner();
        let first = watched.message().await.unwrap().unwrap();
        assert_eq!(first.status(), ServingStatus::Serving);
        release.tell();
        // Those who are in may call until they are asked to come anew.
        let asked = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
        assert_eq!(asked.unwrap().into_inner().status(), ServingStatus::Serving);
        only_other_lets_in(&other, address).await;
        release.move_calls();
        let rest = async {
            let mut last = first.status();
            while let Some(next) = watched.message().await.unwrap() {
                last = next.status();
            }
            last
        };
        assert_eq!(
            tokio::time::timeout(GRACE, rest).await.unwrap(),
            ServingStatus::NotServing
        );
        tokio::time::timeout(GRACE, release.until_empty()).await.unwrap();
        assert_eq!(ground.tasks.descend(GRACE).await, Outcome::Clean);
    }
}
