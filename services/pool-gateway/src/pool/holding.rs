//! Who has a connection that no session of the PostgreSQL door has: a call, or a transaction of calls.
//!
//! It is noted where it costs least, at the connection, and read only by those who ask who holds a pool.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use weir_sql::Statement;

use super::Lease;
use crate::tap::Origin;

/// One who has a connection.
#[derive(Debug, Clone)]
pub(crate) struct Holding {
    /// Whose call it is.
    pub(crate) origin: Arc<Origin>,
    /// What runs, or ran last.
    pub(crate) statement: Arc<Statement>,
    /// Whether it is kept from statement to statement.
    pub(crate) is_transaction: bool,
    /// Since when it has the connection.
    pub(crate) since: Instant,
    /// Since when nothing runs.
    idle_since: Option<Instant>,
    /// It was told of as forgotten since then.
    is_told: bool,
}

impl Holding {
    /// Whether it has the connection and runs nothing.
    pub(crate) const fn is_idle(&self) -> bool {
        self.idle_since.is_some()
    }

    /// For how long nothing has run.
    pub(crate) fn idle_for(&self) -> Duration {
        self.idle_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// The holding, where nothing has run for so long and nobody was told.
    pub(super) fn is_forgotten_first(&mut self, idle: Duration) -> Option<Self> {
        let is_first = self.is_idle() && !self.is_told && self.idle_for() >= idle;
        self.is_told |= is_first;
        is_first.then(|| self.clone())
    }
}

impl Lease {
    /// A call has the connection, and runs this on it.
    pub(crate) fn held_by(&mut self, origin: Arc<Origin>, statement: Arc<Statement>) {
        self.hold(Holding {
            origin,
            statement,
            is_transaction: false,
            since: Instant::now(),
            idle_since: None,
            is_told: false,
        });
    }

    /// The call keeps it for what comes next.
    pub(crate) fn is_for_transaction(&mut self) {
        self.with_holding(|holding| holding.is_transaction = true);
    }

    /// The call runs this on it now.
    pub(crate) fn runs(&mut self, statement: Arc<Statement>) {
        self.with_holding(|holding| {
            holding.idle_since = None;
            holding.statement = statement;
        });
    }

    /// The call runs nothing on it for now.
    pub(crate) fn rests(&mut self) {
        self.with_holding(|holding| {
            holding.idle_since = Some(Instant::now());
            holding.is_told = false;
        });
    }
}
