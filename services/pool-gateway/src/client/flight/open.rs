//! Transactions that stay open between calls, by their id.
//!
//! Each has a watcher that rolls it back when it was idle for too long, or when the gateway stops. Their number has the
//! bound of the pools: each holds a connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_model::Project;
use weir_runtime::Stage;

use super::super::session::Sessions;
use super::super::transaction::OpenTransaction;
use crate::error::Error;

/// How long one may be idle while the gateway stops.
const STOPPING_IDLE: Duration = Duration::from_secs(1);

/// One transaction; empty once it has ended.
#[derive(Debug)]
pub(crate) struct Slot {
    open: Option<OpenTransaction>,
    used_at: Instant,
}

/// A transaction in the hands of one call, while others wait.
#[derive(Debug)]
pub(crate) struct Held(OwnedMutexGuard<Slot>);

impl Held {
    /// The transaction.
    pub(crate) fn transaction(&mut self) -> Result<&mut OpenTransaction, Error> {
        self.0.open.as_mut().ok_or(Error::TransactionUnknown)
    }

    /// Takes it out, to end it.
    pub(crate) fn take(&mut self) -> Result<OpenTransaction, Error> {
        self.0.open.take().ok_or(Error::TransactionUnknown)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.used_at = Instant::now();
    }
}

type Slots = HashMap<Uuid, Arc<Turn<Slot>>>;

/// The transactions that are open.
#[derive(Debug, Default)]
pub(crate) struct Transactions(Mutex<Slots>);

impl Transactions {
    /// Keeps a transaction, and returns its id.
    pub(crate) fn keep(self: &Arc<Self>, sessions: &Sessions, open: OpenTransaction) -> Uuid {
        let id = Uuid::now_v7();
        let slot = Arc::new(Turn::new(Slot {
            open: Some(open),
            used_at: Instant::now(),
        }));
        self.with(|slots| slots.insert(id, slot.clone()));
        let idle = sessions.settings().transaction_idle_timeout;
        let tasks = &sessions.pools.common().tasks;
        let stopping = tasks.stop_token(Stage::Doors);
        let transactions = self.clone();
        tasks.spawn_short(Stage::Doors, "idle transaction", async move {
            if let Some(open) = outlast(&slot, idle, &stopping).await {
                tracing::info!(idle = ?idle, "an idle transaction is rolled back");
                // Where this fails, the drop has closed the connection.
                let _ = open.roll_back().await;
            }
            transactions.with(|slots| slots.remove(&id));
        });
        id
    }

    /// Whether there are any. One that a call has in its hands counts.
    pub(crate) fn are_open(&self) -> bool {
        let is_open = |slot: &Arc<Turn<Slot>>| slot.try_lock().map_or(true, |slot| slot.open.is_some());
        self.with(|slots| slots.values().any(is_open))
    }

    /// The transaction of this id and project, as soon as no other call has it.
    pub(crate) async fn hold(&self, id: &[u8], project: &Project) -> Result<Held, Error> {
        let id = Uuid::from_slice(id).map_err(|_| Error::TransactionUnknown)?;
        let slot = self
            .with(|slots| slots.get(&id).cloned())
            .ok_or(Error::TransactionUnknown)?;
        let mut held = Held(slot.lock_owned().await);
        if held.transaction()?.scope().project != *project {
            return Err(Error::TransactionUnknown);
        }
        Ok(held)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Slots) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Waits until the transaction has ended, or takes it when it was idle too long.
async fn outlast(slot: &Turn<Slot>, idle: Duration, stopping: &CancellationToken) -> Option<OpenTransaction> {
    let mut wake_at = Instant::now() + idle;
    loop {
        let limit = tokio::select! {
            () = tokio::time::sleep_until(wake_at) => idle,
            () = stopping.cancelled() => {
                tokio::time::sleep(STOPPING_IDLE).await;
                STOPPING_IDLE
            }
        };
        // Whoever has it is not idle.
        let mut slot = slot.lock().await;
        slot.open.as_ref()?;
        if slot.used_at.elapsed() >= limit {
            return slot.open.take();
        }
        wake_at = slot.used_at + limit;
    }
}
