//! Who holds the connections of a pool: for those who wait in vain, for the log, for people who look.
//!
//! What a session ran last it says itself, when it is asked to; the sweep asks those who hold a connection for long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::account::{Ledger, Sums};
use super::seat::{Doing, Seat, Seats};
use super::starvation::{Figures, Holder, Place, why};
use crate::error::Error;
use crate::pool::{Holding, Pool, PoolKey};

/// The log says why a pool is starved no more often than this.
const LOGGED_EVERY: Duration = Duration::from_secs(10);
/// Those who give up in the same moment hear the same.
const HOLDS_FOR: Duration = Duration::from_millis(300);

/// Knows who holds what.
#[derive(Debug)]
pub(crate) struct Witness {
    seats: Arc<Seats>,
    pub(crate) ledger: Ledger,
    said: Mutex<HashMap<PoolKey, Said>>,
}

/// What was said of a pool.
#[derive(Debug)]
struct Said {
    why: String,
    at: Instant,
    logged: Option<Instant>,
}

impl Witness {
    pub(super) fn new(seats: Arc<Seats>) -> Self {
        Self {
            seats,
            ledger: Ledger::new(),
            said: Mutex::default(),
        }
    }

    /// What has been done in each pool since the start.
    pub(crate) fn sums(&self) -> Sums {
        self.seats.sums(&self.ledger)
    }

    /// Those who hold a connection of this pool: calls, and sessions of its database and role.
    fn holders(&self, pool: &Pool) -> Vec<Holder> {
        let key = &pool.key;
        let calls = pool.holdings().into_iter();
        let mut holders: Vec<Holder> = calls.map(|holding| as_holder(pool, &holding)).collect();
        self.seats.each(|seat| {
            if seat.who.database == key.database && seat.who.user == key.user {
                holders.extend(seat.as_holder());
            }
        });
        holders
    }

    /// Why one who wants a connection of this pool waits.
    pub(crate) fn why(&self, pool: &Pool) -> String {
        let (state, max) = (pool.state(), pool.bounds().max);
        let figures = Figures {
            active: state.active,
            max,
            waiting: state.waiting,
            paused: state.paused,
        };
        why(figures, &self.holders(pool))
    }

    /// The same error; where the pool was starved, with the reason.
    pub(crate) fn explain(&self, pool: &Pool, error: Error) -> Error {
        match error {
            Error::PoolTimeout { database, waited, .. } => Error::PoolTimeout {
                database,
                waited,
                why: self.testify(pool),
            },
            other => other,
        }
    }

    /// Says why, and now and then says it to the log.
    fn testify(&self, pool: &Pool) -> String {
        let now = Instant::now();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = said
            .get(&pool.key)
            .filter(|said| now.duration_since(said.at) < HOLDS_FOR);
        if let Some(said) = fresh {
            return said.why.clone();
        }
        let why = self.why(pool);
        let logged = said.get(&pool.key).and_then(|said| said.logged);
        let is_due = logged.is_none_or(|at| now.duration_since(at) >= LOGGED_EVERY);
        if is_due {
            tracing::warn!(
                pool.database = pool.key.database,
                pool.user = pool.key.user,
                reason = why,
                "clients waited too long for a connection"
            );
        }
        said.insert(
            pool.key.clone(),
            Said {
                why: why.clone(),
                at: now,
                logged: if is_due { Some(now) } else { logged },
            },
        );
        why
    }
}

/// A call as one who holds a connection.
pub(super) fn as_holder(pool: &Pool, holding: &Holding) -> Holder {
    let project = holding.origin.project.to_string();
    Holder {
        doing: if holding.is_idle() {
            Doing::Holding
        } else {
            Doing::Active
        },
        held_ms: u64::try_from(holding.since.elapsed().as_millis()).unwrap_or(u64::MAX),
        user: pool.key.user.clone(),
        application: holding.origin.application(),
        place: if holding.is_transaction {
            Place::Transaction(project)
        } else {
            Place::Call(project)
        },
        statement: holding.statement.text.clone(),
    }
}

impl Seat {
    /// The session as one who holds a connection, if it does.
    pub(super) fn as_holder(&self) -> Option<Holder> {
        let held_ms = self.held_ms()?;
        let doing = match self.doing().0 {
            // It waits for something else than a connection.
            Doing::Waiting => Doing::Idle,
            doing => doing,
        };
        Some(Holder {
            doing,
            held_ms,
            user: self.who.user.clone(),
            application: self.who.application.clone(),
            place: Place::Client(self.who.peer.clone()),
            statement: self.last_statement(),
        })
    }
}
