//! The connection on which results are read, shared by all threads, and whether it is worth using.
//!
//! Whoever reads tells how it went. The keeper alone gives and takes connections; a verdict on one that is gone by now
//! counts for nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::breaker::Breaker;
use super::link::Link;

/// The latest answer weighs a sixteenth.
const SMOOTH: u64 = 16;

/// How a request went.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It was answered in so long.
    Good(Duration),
    /// It was answered too late, not at all, or with an error; why.
    Bad(&'static str),
    /// The connection is lost; why.
    Lost(String),
}

/// The connection of the moment, with a number that no other has.
#[derive(Clone)]
pub(super) struct Lead {
    pub(super) link: Link,
    number: u64,
}

/// Where it is found.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) breaker: Breaker,
    lead: RwLock<Option<Lead>>,
    /// Connections that there have been.
    given: AtomicU64,
    usual_ns: AtomicU64,
    /// Told when the breaker has opened.
    pub(super) trouble: Notify,
    health: watch::Sender<Result<(), String>>,
}

impl std::fmt::Debug for Lead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lead({})", self.number)
    }
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            breaker: Breaker::default(),
            lead: RwLock::default(),
            given: AtomicU64::new(0),
            usual_ns: AtomicU64::new(0),
            trouble: Notify::new(),
            health: watch::Sender::new(Err("not connected yet".to_owned())),
        }
    }

    /// The connection, if it is worth asking.
    pub(super) fn lead(&self) -> Option<Lead> {
        if !self.breaker.is_closed() {
            return None;
        }
        self.lead.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many connections there have been. Another number is another connection.
    pub(super) fn number(&self) -> u64 {
        self.given.load(Ordering::Relaxed)
    }

    /// From now on this connection is used.
    pub(super) fn gain(&self, link: Link) {
        let number = self.given.fetch_add(1, Ordering::Relaxed) + 1;
        self.set(Some(Lead { link, number }));
        self.breaker.close();
        if self.health.send_replace(Ok(())).is_err() {
            tracing::info!("redis answers; results are shared among gateways");
        }
    }

    /// From now on there is none.
    pub(super) fn lose(&self, reason: &str) {
        self.breaker.open();
        self.set(None);
        let is_news = |health: &mut Result<(), String>| {
            let is_news = health.as_ref().err().is_none_or(|known| known != reason);
            *health = Err(reason.to_owned());
            is_news
        };
        if self.health.send_if_modified(is_news) {
            tracing::warn!(
                error = reason,
                "redis is not asked until it answers again; results are not shared among gateways"
            );
        }
    }

    /// There will be none any more.
    pub(super) fn end(&self) {
        self.breaker.open();
        self.set(None);
    }

    fn set(&self, lead: Option<Lead>) {
        *self.lead.write().unwrap_or_else(PoisonError::into_inner) = lead;
    }

    /// Takes a verdict on this connection.
    pub(super) fn judge(&self, lead: &Lead, verdict: Verdict) {
        if lead.number != self.number() {
            return;
        }
        let opened = match &verdict {
            Verdict::Good(took) => {
                self.breaker.good();
                self.smooth(*took);
                false
            }
            Verdict::Bad(_) => self.breaker.bad(),
            Verdict::Lost(_) => self.breaker.open(),
        };
        if opened {
            self.trip(verdict);
        }
    }

    /// Once for each time that the breaker opens: nobody else is let through meanwhile.
    fn trip(&self, verdict: Verdict) {
        match verdict {
            Verdict::Good(_) => {}
            Verdict::Bad(reason) => self.lose(reason),
            Verdict::Lost(reason) => self.lose(&reason),
        }
        self.trouble.notify_one();
    }

    /// Lost updates among threads do no harm to an average.
    fn smooth(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let old = self.usual_ns.load(Ordering::Relaxed);
        let new = if old == 0 {
            took
        } else {
            old - old / SMOOTH + took / SMOOTH
        };
        self.usual_ns.store(new, Ordering::Relaxed);
    }

    /// How long an answer takes at present; zero before the first.
    pub(super) fn usual(&self) -> Duration {
        Duration::from_nanos(self.usual_ns.load(Ordering::Relaxed))
    }

    /// Whether Redis answers, and why not.
    pub(super) fn health(&self) -> watch::Receiver<Result<(), String>> {
        self.health.subscribe()
    }
}
