//! News of a table: by NOTIFY where it gets through, by the clock where it does not.
//!
//! A notification is a hint and may be lost (a connection breaks, a proxy swallows it); so whoever waits also polls.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{Backoff, Store, StoreError, pause};

const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_CAP: Duration = Duration::from_secs(15);

/// The news of one table of one store. A trigger tells (`weir_tell`); whoever works the rows off listens and waits.
#[derive(Debug)]
pub struct Wakes {
    store: Store,
    table: &'static str,
    news: Notify,
}

impl Wakes {
    /// The news of `table`.
    pub fn of(store: &Store, table: &'static str) -> Self {
        Self {
            store: store.clone(),
            table,
            news: Notify::new(),
        }
    }

    /// Waits for news, or for `at_most`, or for the stop.
    pub async fn wait(&self, stop: &CancellationToken, at_most: Duration) {
        let woken = timeout(at_most, self.news.notified());
        // Whichever came first, the table is looked at again.
        let _ = stop.run_until_cancelled(woken).await;
    }

    /// Wakes one waiter in this process, as if news had come.
    pub fn wake(&self) {
        self.news.notify_one();
    }

    /// Listens until the stop, connecting again as often as needed. Run it beside those who wait.
    pub async fn listen(&self, stop: &CancellationToken) {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_CAP);
        while let Some(Err(error)) = stop.run_until_cancelled(self.listen_once(&mut backoff)).await {
            tracing::debug!(dependency = "store", table = self.table, %error, "not listening for news; polling goes on");
            pause(stop, backoff.failed()).await;
        }
    }

    async fn listen_once(&self, backoff: &mut Backoff) -> Result<(), StoreError> {
        let mut listener = self.listener().await.map_err(|error| self.store.error(error))?;
        backoff.reset();
        loop {
            // What was told before this connection listened is not repeated: look at the table now.
            self.wake();
            let heard = listener.try_recv().await.map_err(|error| self.store.error(error))?;
            if heard.is_none() {
                tracing::debug!(
                    dependency = "store",
                    table = self.table,
                    "listening again after a lost connection"
                );
            }
        }
    }

    async fn listener(&self) -> Result<PgListener, sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.pool()).await?;
        // Channels belong to the database; the schema in the name keeps services apart.
        listener
            .listen(&format!("{}.{}", self.store.schema(), self.table))
            .await?;
        Ok(listener)
    }

    /// A pool of one, as the driver wants it for reconnecting; the store's own is not to be drained by listeners.
    fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(self.store.connect_timeout())
            .connect_lazy_with(self.store.dedicated_options("listener"))
    }
}
