//! Who runs verifications in the console: one at a time, looked at while it runs, kept when it has ended.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_footing::Tables;
use weir_model::{Clock, Coded, ErrorClass};
use weir_runtime::{Ground, Stage, Tasks};

use super::{Bench, Order, Report, State};
use crate::auth::Keyring;
use crate::store::reports;

/// Why nothing was begun, or found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeskError {
    #[error("{0}")]
    Order(String),
    #[error("verification {0} runs: there is one at a time")]
    Busy(Uuid),
    #[error("there is no report {0}")]
    NotFound(Uuid),
    #[error("the console's store failed: {0}")]
    Store(#[from] sqlx::Error),
}

impl Coded for DeskError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Order(_) => ErrorClass::InvalidInput,
            Self::Busy(_) => ErrorClass::Conflict,
            Self::NotFound(_) => ErrorClass::NotFound,
            Self::Store(_) => ErrorClass::Unavailable,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::Order(_) => "request-strange",
            Self::Busy(_) => "already-running",
            Self::NotFound(_) => "not-found",
            Self::Store(_) => "console-store",
        }
    }
}

#[derive(Clone)]
struct Running {
    id: Uuid,
    report: watch::Receiver<Report>,
    stop: CancellationToken,
}

/// Runs verifications, one at a time.
#[derive(Clone)]
pub(crate) struct Desk {
    bench: Bench,
    tables: Tables,
    clock: Clock,
    tasks: Tasks,
    running: Arc<Mutex<Option<Running>>>,
}

impl Desk {
    pub(crate) fn new(ground: &Ground, bench: Bench, tables: Tables) -> Self {
        Self {
            bench,
            tables,
            clock: ground.clock.clone(),
            tasks: ground.tasks.clone(),
            running: Arc::default(),
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runs(&self, id: Uuid) -> Option<Running> {
        self.running().clone().filter(|running| running.id == id)
    }

    /// Begins one; what is told of it from now on.
    pub(crate) fn begin(&self, order: Order) -> Result<watch::Receiver<Report>, DeskError> {
        order.check().map_err(DeskError::Order)?;
        let mut running = self.running();
        if let Some(other) = running.as_ref() {
            return Err(DeskError::Busy(other.id));
        }
        let id = Uuid::now_v7();
        let (told, report) = watch::channel(self.bench.draft(id, &order));
        let stop = self.tasks.stop_token(Stage::Work).child_token();
        *running = Some(Running {
            id,
            report: report.clone(),
            stop: stop.clone(),
        });
        drop(running);
        let desk = self.clone();
        self.tasks.spawn_short(Stage::Work, "benchmark", async move {
            let pool = desk.tables.store().pool();
            let keyring = Keyring::new(pool.clone(), desk.clock.clone());
            Box::pin(desk.bench.run(&order, Some(&keyring), &told, &stop)).await;
            let ended = told.borrow().clone();
            if let Err(error) = reports::put(pool, id, &ended).await {
                tracing::warn!(%error, report = %id, "a report is lost");
            }
            *desk.running() = None;
        });
        Ok(report)
    }

    /// The one that runs, then those that have ended, the latest first.
    pub(crate) async fn list(&self) -> Result<Vec<Report>, DeskError> {
        let running = self.running().as_ref().map(|running| running.report.borrow().clone());
        let kept = reports::list(self.tables.store().pool()).await?;
        let own = running.as_ref().map(|report| report.id.clone());
        let ended = kept.into_iter().filter(|report| Some(&report.id) != own.as_ref());
        Ok(running.into_iter().chain(ended).collect())
    }

    pub(crate) async fn find(&self, id: Uuid) -> Result<Report, DeskError> {
        if let Some(running) = self.runs(id) {
            return Ok(running.report.borrow().clone());
        }
        let found = reports::find(self.tables.store().pool(), id).await?;
        found.ok_or(DeskError::NotFound(id))
    }

    /// Stops it if it runs, and forgets it otherwise.
    pub(crate) async fn end(&self, id: Uuid) -> Result<(), DeskError> {
        if let Some(running) = self.runs(id) {
            running.stop.cancel();
            return Ok(());
        }
        match reports::delete(self.tables.store().pool(), id).await? {
            true => Ok(()),
            false => Err(DeskError::NotFound(id)),
        }
    }
}

/// The report once it has ended; none: the process ends before.
pub(crate) async fn ended(mut report: watch::Receiver<Report>) -> Option<Report> {
    let ended = report.wait_for(|report| report.state != State::Running).await.ok()?;
    Some(ended.clone())
}
