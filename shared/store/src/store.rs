//! The pool of one service on its own schema, and the way in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{Address, Backoff, Migrations, StoreError, StoreOptions, pause};

const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_CAP: Duration = Duration::from_secs(10);

/// One service's tables. Cheap to clone; clones share the pool.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    options: StoreOptions,
    connect: PgConnectOptions,
    address: Address,
    pool: PgPool,
    migrations: Vec<Migrations>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({} at {})", self.0.options.schema, self.0.address)
    }
}

impl Store {
    /// Builds the pool. Needs a tokio runtime, but no server: a service may start, say that it is not ready, and retry.
    ///
    /// `migrations` run in this order, after the store's own tables; the service's come last.
    pub fn open(options: StoreOptions, migrations: Vec<Migrations>) -> Result<Self, StoreError> {
        let connect = options.connect()?;
        let pool = PgPoolOptions::new()
            .max_connections(options.connections_max)
            .acquire_timeout(options.acquire_timeout)
            .connect_lazy_with(connect.clone());
        let address = Address::of(&connect);
        Ok(Self(Arc::new(Inner {
            options,
            connect,
            address,
            pool,
            migrations,
        })))
    }

    /// Opens the store and migrates it: for those who cannot go on without.
    pub async fn connect(options: StoreOptions, migrations: Vec<Migrations>) -> Result<Self, StoreError> {
        let store = Self::open(options, migrations)?;
        store.migrate().await?;
        Ok(store)
    }

    /// The connections, for the service's own statements. Every one sees the service's schema only.
    pub fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    /// The service's schema.
    pub fn schema(&self) -> &'static str {
        self.0.options.schema
    }

    /// Where it is, for logs.
    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// Puts the driver's error into words that name the place.
    pub fn error(&self, error: sqlx::Error) -> StoreError {
        match error {
            sqlx::Error::PoolTimedOut => self.no_answer(self.0.options.acquire_timeout),
            other => StoreError::of(self.address(), other),
        }
    }

    fn no_answer(&self, waited: Duration) -> StoreError {
        StoreError::Timeout {
            address: self.address().clone(),
            waited,
        }
    }

    /// Whether the server answers within `limit`.
    pub async fn ping(&self, limit: Duration) -> Result<(), StoreError> {
        let answer = timeout(limit, sqlx::query("select 1").execute(self.pool())).await;
        answer
            .map_err(|_| self.no_answer(limit))?
            .map(|_| ())
            .map_err(|error| self.error(error))
    }

    /// A connection outside the pool, for what holds on to one: a lock, a listener, a migration.
    pub(crate) async fn dedicated(&self, purpose: &str) -> Result<PgConnection, StoreError> {
        let limit = self.0.options.connect_timeout;
        let options = self.dedicated_options(purpose);
        let connection = timeout(limit, options.connect()).await;
        connection
            .map_err(|_| self.no_answer(limit))?
            .map_err(|error| self.error(error))
    }

    pub(crate) fn dedicated_options(&self, purpose: &str) -> PgConnectOptions {
        self.0
            .connect
            .clone()
            .application_name(&format!("{} {purpose}", self.schema()))
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        self.0.options.connect_timeout
    }

    /// Creates the schema if it is missing and runs every migration that is. Instances may do so at the same time.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        // Not from the pool: a failed migration leaves the driver's lock behind, and only closing the session frees it.
        let mut connection = self.dedicated("migrations").await?;
        let migrated = self.migrate_on(&mut connection).await;
        // The outcome stands; a connection that does not close politely is dropped.
        let _ = connection.close().await;
        migrated
    }

    async fn migrate_on(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        // "relation exists already, skipping" is no news.
        self.run(connection, "set client_min_messages = warning").await?;
        let base = match self.has_schema(connection).await? {
            // Not asked for again: an owner of the schema need not be allowed to create others.
            true => Migrations::of_store(),
            false => Migrations::of_store().creating(self.schema()),
        };
        for set in std::iter::once(&base).chain(&self.0.migrations) {
            let refused = |error| StoreError::of_migration(self.address(), self.schema(), set.table(), error);
            set.run(connection).await.map_err(refused)?;
        }
        Ok(())
    }

    async fn run(&self, connection: &mut PgConnection, sql: &'static str) -> Result<(), StoreError> {
        let done = sqlx::query(sql).execute(connection).await;
        done.map(|_| ()).map_err(|error| self.error(error))
    }

    async fn has_schema(&self, connection: &mut PgConnection) -> Result<bool, StoreError> {
        let found = sqlx::query_scalar("select to_regnamespace($1) is not null").bind(self.schema());
        found.fetch_one(connection).await.map_err(|error| self.error(error))
    }

    /// Migrates as soon as the server lets it, and reports every attempt to `on_state` (for the readiness latch).
    ///
    /// True when migrated, false when stopped before. An error only where waiting cannot help: the tables belong to
    /// another version.
    pub async fn wait_until_migrated(
        &self,
        stop: &CancellationToken,
        mut on_state: impl FnMut(&Result<(), StoreError>),
    ) -> Result<bool, StoreError> {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_CAP);
        while let Some(attempt) = stop.run_until_cancelled(self.migrate()).await {
            on_state(&attempt);
            match attempt {
                Ok(()) => return Ok(true),
                Err(error) if error.is_final() => return Err(error),
                Err(_) => {
                    pause(stop, backoff.failed()).await;
                }
            }
        }
        Ok(false)
    }
}
