//! A go-between on a TCP connection, which delays, cuts, and loses or swaps messages of NATS, as it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::nats::Messages;

/// What waits for its moment at most; then whoever sends has to wait.
const CHUNKS_MAX: usize = 4096;

/// What passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// NATS: messages from the server can be lost and swapped.
    Nats,
    /// Anything.
    Anything,
}

/// What it does to what passes.
#[derive(Debug)]
pub struct Knobs {
    delay_us: AtomicU64,
    away: AtomicBool,
    lost: AtomicU32,
    swapped: AtomicU32,
    meddled: AtomicU64,
    cuts: watch::Sender<u64>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            delay_us: AtomicU64::default(),
            away: AtomicBool::default(),
            lost: AtomicU32::default(),
            swapped: AtomicU32::default(),
            meddled: AtomicU64::default(),
            cuts: watch::channel(0).0,
        }
    }
}

impl Knobs {
    /// Everything takes so much longer in each direction.
    pub fn delay(&self, delay: Duration) {
        let us = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.delay_us.store(us, Ordering::Relaxed);
    }

    /// Breaks every connection.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Whether new connections are broken at once.
    pub fn stay_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// So many of a thousand messages about the cache are lost, so many swapped with the next.
    pub fn meddle(&self, lost: u32, swapped: u32) {
        self.lost.store(lost, Ordering::Relaxed);
        self.swapped.store(swapped, Ordering::Relaxed);
    }

    /// Messages that were lost or swapped so far.
    pub fn meddled(&self) -> u64 {
        self.meddled.load(Ordering::Relaxed)
    }

    fn moment(&self) -> Instant {
        Instant::now() + Duration::from_micros(self.delay_us.load(Ordering::Relaxed))
    }

    pub(super) fn loses(&self) -> bool {
        self.happens(&self.lost)
    }

    pub(super) fn swaps(&self) -> bool {
        self.happens(&self.swapped)
    }

    fn happens(&self, of_thousand: &AtomicU32) -> bool {
        let happens = fastrand::u32(0..1000) < of_thousand.load(Ordering::Relaxed);
        self.meddled.fetch_add(u64::from(happens), Ordering::Relaxed);
        happens
    }
}

/// It listens until it is dropped.
pub struct Middle {
    /// What it does to what passes.
    pub knobs: Arc<Knobs>,
    port: u16,
    task: JoinHandle<()>,
}

impl Middle {
    /// In front of a port of this machine.
    pub async fn before(port: u16, speaks: Speaks) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let own = listener.local_addr().expect("a listener has an address").port();
        let knobs = Arc::<Knobs>::default();
        Self {
            task: spawn(accept(listener, port, speaks, knobs.clone())),
            port: own,
            knobs,
        }
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Middle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test runs its own go-between")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(task)
}

async fn accept(listener: TcpListener, port: u16, speaks: Speaks, knobs: Arc<Knobs>) {
    // They end with this task.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if !knobs.away.load(Ordering::Relaxed) {
            connections.spawn(connection(client, port, speaks, knobs.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(client: TcpStream, port: u16, speaks: Speaks, knobs: Arc<Knobs>) {
    let mut cuts = knobs.cuts.subscribe();
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let _quick = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let messages = (speaks == Speaks::Nats).then(Messages::default);
    tokio::select! {
        () = pass(from_client, to_server, None, &knobs) => {}
        () = pass(from_server, to_client, messages, &knobs) => {}
        _ = cuts.changed() => {}
    }
}

/// Until one of the two has gone.
async fn pass(from: OwnedReadHalf, to: OwnedWriteHalf, messages: Option<Messages>, knobs: &Knobs) {
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    tokio::join!(take(from, sender, messages, knobs), hand_on(receiver, to));
}

async fn take(
    mut from: OwnedReadHalf,
    sender: mpsc::Sender<(Instant, Bytes)>,
    mut messages: Option<Messages>,
    knobs: &Knobs,
) {
    let mut buffer = BytesMut::new();
    while from.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {
        let chunk = match &mut messages {
            Some(messages) => messages.through(&mut buffer, knobs),
            None => buffer.split().freeze(),
        };
        if sender.send((knobs.moment(), chunk)).await.is_err() {
            return;
        }
    }
}

async fn hand_on(mut receiver: mpsc::Receiver<(Instant, Bytes)>, mut to: OwnedWriteHalf) {
    while let Some((moment, chunk)) = receiver.recv().await {
        sleep_until(moment).await;
        if to.write_all(&chunk).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it gets.
    async fn echo() -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(spawn(async move {
                    let (mut from, mut to) = stream.into_split();
                    drop(tokio::io::copy(&mut from, &mut to).await);
                }));
            }
        }));
        port
    }

    async fn round_trip(stream: &mut TcpStream) -> std::io::Result<[u8; 5]> {
        let mut back = [0; 5];
        stream.write_all(b"hello").await?;
        stream.read_exact(&mut back).await?;
        Ok(back)
    }

    #[tokio::test]
    async fn it_passes_delays_and_cuts() {
        let middle = Middle::before(echo().await, Speaks::Anything).await;
        let mut stream = TcpStream::connect(("127.0.0.1", middle.port())).await.unwrap();
        assert_eq!(&round_trip(&mut stream).await.unwrap(), b"hello");
        middle.knobs.delay(Duration::from_millis(50));
        let begun = Instant::now();
        assert_eq!(&round_trip(&mut stream).await.unwrap(), b"hello");
        assert!(begun.elapsed() >= Duration::from_millis(100), "{:?}", begun.elapsed());
        middle.knobs.cut();
        assert!(round_trip(&mut stream).await.is_err());
        middle.knobs.stay_away(true);
        let mut stream = TcpStream::connect(("127.0.0.1", middle.port())).await.unwrap();
        assert!(round_trip(&mut stream).await.is_err());
    }
}
