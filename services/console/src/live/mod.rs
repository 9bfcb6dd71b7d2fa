//! What happens, told to everybody who looks, as it happens.
//!
//! The bus and the figures of each second fill one ring (`feed`, `sampler`); each viewer reads it at its own pace
//! (`viewer`). Nothing is kept for a viewer but where it is, so that one who does not take what it is told costs
//! nothing and delays nobody: it is told that it has missed something.

mod feed;
mod figures;
mod ring;
mod sampler;
mod telling;
mod viewer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use tokio::sync::watch;
use uuid::Uuid;
use weir_bus::Bus;
use weir_model::{Clock, Project};
use weir_runtime::{Ground, StartError};

use crate::metrics::Metrics;

pub(crate) use figures::{AlertFigures, Figures, PoolSums};
pub(crate) use ring::{Audience, Wanted};
pub(crate) use sampler::start as take_figures;
pub(crate) use viewer::{Viewer, stream};

use ring::Ring;

/// Whose figures are looked at: of one project or of all, by an operator or by somebody of the project.
pub(crate) type Watched = (Option<Project>, bool);

/// Where what happens is told. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Inner>);

struct Inner {
    /// Numbers of one process mean nothing to another.
    epoch: String,
    ring: RwLock<Ring>,
    news: watch::Sender<u64>,
    watched: Mutex<BTreeMap<Watched, usize>>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl Hub {
    pub(crate) fn new(clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Inner {
            epoch: Uuid::now_v7().simple().to_string(),
            ring: RwLock::new(Ring::default()),
            news: watch::Sender::new(0),
            watched: Mutex::default(),
            clock,
            metrics,
        }))
    }

    /// Tells it, to be heard at the next [`Hub::wake`].
    fn tell(&self, kind: &'static str, audience: Audience, data: &serde_json::Value) {
        let mut ring = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
        let number = ring.next();
        let frame = format!("id: {}-{number}\nevent: {kind}\ndata: {data}\n\n", self.0.epoch);
        ring.push(kind, audience, Bytes::from(frame));
    }

    fn wake(&self) {
        let next = self.0.ring.read().unwrap_or_else(PoisonError::into_inner).next();
        self.0
            .news
            .send_if_modified(|known| std::mem::replace(known, next) != next);
    }

    /// Something came that nobody here can be told of any more.
    fn lost(&self) {
        let mut ring = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
        ring.forget();
    }

    fn watched(&self) -> std::sync::MutexGuard<'_, BTreeMap<Watched, usize>> {
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.0.metrics)
    }

    /// How many look.
    pub(crate) fn viewers(&self) -> usize {
        self.watched().values().sum()
    }
}

/// Hears the bus.
pub(crate) async fn start(ground: &Ground, bus: &Bus, hub: &Hub) -> Result<(), StartError> {
    feed::start(ground, bus, hub).await?;
    let (gauge, counted) = (hub.0.metrics.clone(), hub.clone());
    ground.registry.before_scrape(move || {
        // No process has more viewers than a float counts exactly.
        gauge.viewers.with([]).set(counted.viewers() as f64);
    });
    Ok(())
}
