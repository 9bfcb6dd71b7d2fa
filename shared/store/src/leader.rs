//! One leader among the instances of a service, for each thing that must not be done twice at a time.
//!
//! - Who holds the session's advisory lock may lead. The lock goes when its connection does, so nobody has to time out
//!   a leader that died.
//! - Each acquisition takes the next epoch from `leaders`. What a leader writes it writes behind [`Term::check`], in
//!   the same transaction: whoever was paused and comes back finds a newer epoch and is refused.
//! - Two instances never run the work at the same time: a leader looks after its lock every `check_every` and stops
//!   within `check_timeout` more; and who follows a leader that did not step down by itself waits as long first.
//!   (A process that was suspended as a whole may wake up too late to keep this; the epoch is there for it.)

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection as _, PgConnection, Row as _};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Store, StoreError, pause};

/// How closely a leader is watched. The same for every instance.
#[derive(Debug, Clone)]
pub struct LeadershipOptions {
    /// How often those who do not lead try to.
    pub retry_every: Duration,
    /// How often a leader looks after its lock.
    pub check_every: Duration,
    /// How long the server may take to answer before the lock counts as lost.
    pub check_timeout: Duration,
}

impl Default for LeadershipOptions {
    fn default() -> Self {
        let every = Duration::from_secs(2);
        Self {
            retry_every: every,
            check_every: every,
            check_timeout: every,
        }
    }
}

impl LeadershipOptions {
    /// The longest that a leader may work on after its lock is gone.
    fn notice_within(&self) -> Duration {
        self.check_every + self.check_timeout
    }
}

/// A candidate for leading one named thing of a service.
#[derive(Debug)]
pub struct Leadership {
    store: Store,
    name: String,
    /// This candidate, as `leaders` and the logs name it.
    holder: String,
    options: LeadershipOptions,
}

/// One uninterrupted time of leading.
#[derive(Debug, Clone)]
pub struct Term {
    store: Store,
    name: Arc<str>,
    epoch: i64,
}

impl Term {
    /// The number of this term; every later term of the same name has a greater one.
    pub const fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Fails if a newer term has begun. Inside a transaction it also keeps the next one from beginning before that
    /// transaction ends, so what is written behind it is written while leading.
    pub async fn check(&self, transaction: &mut PgConnection) -> Result<(), StoreError> {
        self.expect(transaction, "select epoch from leaders where name = $1 for share")
            .await
    }

    async fn expect(&self, connection: &mut PgConnection, newest: &'static str) -> Result<(), StoreError> {
        let newest = sqlx::query_scalar(newest)
            .bind(&*self.name)
            .fetch_optional(connection)
            .await;
        if newest.map_err(|error| self.store.error(error))? == Some(self.epoch) {
            return Ok(());
        }
        Err(StoreError::Superseded {
            name: self.name.to_string(),
            epoch: self.epoch,
        })
    }
}

/// The lock, the connection that holds it, and the term it began.
struct Seat {
    connection: PgConnection,
    term: Term,
    /// The one before stepped down by itself, so it does not work any more.
    handed_over: bool,
}

impl Leadership {
    /// A candidate for `name`.
    pub fn new(store: &Store, name: &str, options: LeadershipOptions) -> Self {
        let holder = format!("{}-{}", store.schema(), Uuid::now_v7());
        Self {
            store: store.clone(),
            name: name.to_owned(),
            holder,
            options,
        }
    }

    /// This candidate, as `leaders` names it once it has begun a term.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// Tries to lead until `stop`, and runs the future of `work` while it does.
    ///
    /// The future is dropped when the lock is lost. At a stop it is waited for, so it has to see `stop` itself. When it
    /// ends before, the lock is given up and tried for again, so that another instance may do better.
    pub async fn lead<F, Fut>(&self, stop: &CancellationToken, mut work: F)
    where
        F: FnMut(Term) -> Fut,
        Fut: Future<Output = ()>,
    {
        while !stop.is_cancelled() {
            match stop.run_until_cancelled(self.candidate()).await {
                Some(Ok(seat)) => self.serve(seat, stop, &mut work).await,
                Some(Err(error)) => {
                    tracing::warn!(leader.of = self.name, %error, "cannot stand for leader; trying again");
                }
                None => return,
            }
            pause(stop, self.options.retry_every).await;
        }
    }

    /// Returns once this candidate has the lock and its term.
    async fn candidate(&self) -> Result<Seat, StoreError> {
        let mut connection = self.store.dedicated(&format!("leader {}", self.name)).await?;
        while !self.in_time(self.try_lock(&mut connection)).await? {
            tokio::time::sleep(self.options.retry_every).await;
        }
        let (term, handed_over) = self.in_time(self.begin_term(&mut connection)).await?;
        Ok(Seat {
            connection,
            term,
            handed_over,
        })
    }

    async fn serve<F, Fut>(&self, mut seat: Seat, stop: &CancellationToken, work: &mut F)
    where
        F: FnMut(Term) -> Fut,
        Fut: Future<Output = ()>,
    {
        if !seat.handed_over && !self.outwait(&mut seat, stop).await {
            // Not stepped down from: whoever follows has to wait for the one before as this one did.
            return;
        }
        let epoch = seat.term.epoch;
        tracing::info!(leader.of = self.name, leader.epoch = epoch, "leading");
        let lost = {
            let work = pin!(work(seat.term.clone()));
            tokio::select! {
                biased;
                error = self.watch(&mut seat) => Some(error),
                () = work => None,
            }
        };
        match lost {
            Some(error) => tracing::warn!(leader.of = self.name, leader.epoch = epoch, %error, "no longer leading"),
            None => self.step_down(seat).await,
        }
    }

    /// Waits until the leader before must have noticed that its lock is gone. False if there is nothing to lead by then.
    async fn outwait(&self, seat: &mut Seat, stop: &CancellationToken) -> bool {
        pause(stop, self.options.notice_within()).await && self.holds(seat).await.is_ok()
    }

    /// Returns when the lock can no longer be counted on.
    async fn watch(&self, seat: &mut Seat) -> StoreError {
        loop {
            // Counted from the question: the answer tells of a moment after it, however late it comes.
            let asked_at = Instant::now();
            if let Err(error) = self.holds(seat).await {
                return error;
            }
            sleep_until(asked_at + self.options.check_every).await;
        }
    }

    /// Whether the lock is still there. The session holds it as long as it lives; that it answers proves that it lives.
    async fn holds(&self, seat: &mut Seat) -> Result<(), StoreError> {
        let newest = "select epoch from leaders where name = $1";
        self.in_time(seat.term.expect(&mut seat.connection, newest)).await
    }

    async fn step_down(&self, mut seat: Seat) {
        match self.in_time(self.end_term(&mut seat)).await {
            Ok(()) => tracing::info!(leader.of = self.name, leader.epoch = seat.term.epoch, "stepped down"),
            // Nothing hangs on it: whoever follows waits a little longer.
            Err(error) => tracing::debug!(leader.of = self.name, %error, "could not step down in order"),
        }
        // Frees the lock in any case.
        let _ = timeout(self.options.check_timeout, seat.connection.close()).await;
    }

    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let waited = self.options.check_timeout;
        let no_answer = |_| StoreError::Timeout {
            address: self.store.address().clone(),
            waited,
        };
        timeout(waited, answer).await.map_err(no_answer)?
    }

    async fn try_lock(&self, connection: &mut PgConnection) -> Result<bool, StoreError> {
        // Advisory locks belong to the database; the schema in the key keeps services apart.
        let locked = sqlx::query_scalar("select pg_try_advisory_lock(hashtextextended($1, 0))").bind(format!(
            "weir leader {}.{}",
            self.store.schema(),
            self.name
        ));
        locked
            .fetch_one(connection)
            .await
            .map_err(|error| self.store.error(error))
    }

    async fn begin_term(&self, connection: &mut PgConnection) -> Result<(Term, bool), StoreError> {
        let row = sqlx::query(
            "with before as (select released_at is not null as released from leaders where name = $1)
             insert into leaders as held (name, epoch, holder, acquired_at) values ($1, 1, $2, now())
             on conflict (name) do update
             set epoch = held.epoch + 1, holder = excluded.holder, acquired_at = now(), released_at = null
             returning epoch, coalesce((select released from before), true)",
        )
        .bind(&self.name)
        .bind(&self.holder)
        .fetch_one(connection)
        .await;
        let read = |row: sqlx::postgres::PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
        let (epoch, handed_over) = row.and_then(read).map_err(|error| self.store.error(error))?;
        let term = Term {
            store: self.store.clone(),
            name: self.name.as_str().into(),
            epoch,
        };
        Ok((term, handed_over))
    }

    async fn end_term(&self, seat: &mut Seat) -> Result<(), StoreError> {
        let ended = sqlx::query("update leaders set released_at = now() where name = $1 and epoch = $2")
            .bind(&self.name)
            .bind(seat.term.epoch)
            .execute(&mut seat.connection);
        ended.await.map(|_| ()).map_err(|error| self.store.error(error))
    }
}
