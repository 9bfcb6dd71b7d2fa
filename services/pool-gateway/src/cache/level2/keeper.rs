//! The task that connects to Redis, sees whether it answers well, and tries again when it did not.
//!
//! While it tries nobody asks, so that a Redis that is away, hangs or is slow costs no client anything. While all is well
//! it asks now and then itself, so that a Redis that fails in a quiet hour is known before the next client.

use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use weir_runtime::TaskResult;

use super::breaker::Hold;
use super::line::Line;
use super::link::{Address, Link, Links, Scout};
use super::{Shared, blob};

/// A connection with all that belongs to it (Sentinels, nodes of a cluster) is made in this time or not.
const CONNECT: Duration = Duration::from_secs(3);
/// How often it asks while all is well.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Keys that are asked for before a connection is used; random ones, so that they reach every node of a cluster. Of three
/// nodes that one is missed by all of them happens once in 10¹¹ times, and of twenty once in 27.
const PROBES: u32 = 64;

pub(super) struct Keeper {
    pub(super) shared: Arc<Shared>,
    pub(super) links: Arc<Links>,
}

impl Keeper {
    /// Keeps the line until it is told to stop.
    pub(super) async fn run(self, stop: CancellationToken) -> TaskResult {
        stop.run_until_cancelled(self.keep()).await;
        self.line().end();
        Ok(())
    }

    fn line(&self) -> &Line {
        &self.shared.line
    }

    async fn keep(&self) {
        let mut hold = Hold::default();
        loop {
            self.line().breaker.half_open();
            let lived = match self.connect().await {
                Ok((link, primary)) => self.watch(link, primary).await,
                Err(reason) => {
                    self.line().lose(&reason);
                    Duration::ZERO
                }
            };
            sleep(hold.after(lived)).await;
        }
    }

    /// A connection that answers as it should.
    async fn connect(&self) -> Result<(Link, Option<Address>), String> {
        let (link, primary) = open(&self.links).await.map_err(|error| error.to_string())?;
        // The first answer may be late: much is done for the first time.
        self.probe(&link, CONNECT).await?;
        for _ in 0..PROBES {
            self.probe(&link, self.shared.slow).await?;
        }
        Ok((link, primary))
    }

    /// Uses it as long as it is good, and says how long that was.
    async fn watch(&self, link: Link, primary: Option<Address>) -> Duration {
        let (since, mut scout) = (Instant::now(), None);
        self.line().gain(link.clone());
        while self.line().breaker.is_closed() {
            tokio::select! {
                () = self.line().trouble.notified() => {}
                () = sleep(HEARTBEAT) => {
                    self.beat(&link).await;
                    self.follow(&mut scout, primary.as_ref()).await;
                }
            }
        }
        since.elapsed()
    }

    /// Lets go of what is the primary no more. It may well answer for long, but what it is given is lost.
    async fn follow(&self, scout: &mut Option<Scout>, primary: Option<&Address>) {
        let Some(primary) = primary else { return };
        match timeout(CONNECT, self.ask(scout)).await {
            Ok(Ok(told)) if told != *primary => self.line().lose("another server is the primary now"),
            Ok(Ok(_)) => {}
            // Nobody to ask is no reason to do without the primary.
            Ok(Err(_)) | Err(_) => *scout = None,
        }
    }

    async fn ask(&self, scout: &mut Option<Scout>) -> Result<Address, RedisError> {
        if scout.is_none() {
            *scout = self.links.scout().await?;
        }
        match scout {
            Some(scout) => scout.primary().await,
            None => Err((redis::ErrorKind::InvalidClientConfig, "there is no Sentinel").into()),
        }
    }

    /// Asks for itself; twice, since once may be an accident.
    async fn beat(&self, link: &Link) {
        if self.probe(link, self.shared.slow).await.is_ok() {
            return;
        }
        if let Err(reason) = self.probe(link, self.shared.slow).await {
            self.line().lose(&reason);
        }
    }

    /// Whether an answer comes in time.
    async fn probe(&self, link: &Link, limit: Duration) -> Result<(), String> {
        let name = blob::name(&random_key());
        match timeout(limit, link.read(&name, 0)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {limit:?}")),
        }
    }
}

/// Connects, in a limited time.
pub(super) async fn open(links: &Links) -> Result<(Link, Option<Address>), RedisError> {
    let opened = timeout(CONNECT, links.connect()).await;
    opened.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
}

fn random_key() -> [u8; 32] {
    let mut key = [0; 32];
    fastrand::fill(&mut key);
    key
}
