//! A connection in somebody's hands.

use std::sync::Arc;

use tokio::time::Instant;
use weir_model::{Coded as _, ErrorClass};
use weir_runtime::Stage;
use weir_upstream::Connection;

use super::server::Server;
use super::unanswered::Unanswered;
use super::{Holding, Pool};
use crate::error::Error;
use crate::profile::Profile;

/// A connection until it is dropped. What the drop does depends on the state it is left in.
#[derive(Debug)]
pub(crate) struct Lease {
    server: Option<Box<Server>>,
    pool: Arc<Pool>,
    needs_reset: bool,
    /// Whether it is noted who has it.
    is_held: bool,
}

impl Lease {
    pub(super) const fn new(server: Box<Server>, pool: Arc<Pool>) -> Self {
        Self {
            server: Some(server),
            pool,
            needs_reset: false,
            is_held: false,
        }
    }

    /// The pool that it is from.
    pub(crate) const fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// The connection. `None` never happens before the drop.
    pub(crate) fn connection(&mut self) -> Option<&mut Connection> {
        self.server().map(Server::connection)
    }

    /// The connection with what is known of its session. `None` never happens before the drop.
    pub(crate) fn server(&mut self) -> Option<&mut Server> {
        self.server.as_deref_mut()
    }

    /// Somebody has it from now on.
    pub(super) fn hold(&mut self, holding: Holding) {
        if let Some(server) = &self.server {
            server.card().with_holding(|own| *own = Some(holding));
            self.is_held = true;
        }
    }

    pub(super) fn with_holding(&mut self, act: impl FnOnce(&mut Holding)) {
        if let Some(server) = &self.server {
            server.card().with_holding(|own| {
                if let Some(own) = own {
                    act(own);
                }
            });
        }
    }

    /// Takes the connection out. Nobody has it any more.
    fn part(&mut self) -> Option<Box<Server>> {
        let server = self.server.take()?;
        if std::mem::take(&mut self.is_held) {
            server.card().with_holding(|own| *own = None);
        }
        Some(server)
    }

    /// Makes the session look as its user expects it.
    pub(crate) async fn wear(&mut self, profile: &Arc<Profile>) -> Result<(), Error> {
        let limit = self.pool.common.connect_timeout();
        let worn = match self.server() {
            Some(server) => tokio::time::timeout(limit, server.wear(profile)).await,
            None => Ok(Ok(())),
        };
        let worn = worn.unwrap_or_else(|_| Err(self.pool.silent(limit)));
        if let Err(error) = &worn
            && error.class() == ErrorClass::Unavailable
        {
            self.lost();
        }
        worn
    }

    /// The server ended this connection: the idle ones have most likely gone with it, and are not worth a caller's try.
    pub(crate) fn lost(&self) {
        self.pool.distrust_idle();
    }

    /// Marks the session as changed (a `SET`, a temporary table, …): it is reset before the next caller gets it.
    pub(crate) const fn needs_reset(&mut self) {
        self.needs_reset = true;
    }

    /// Gives the connection back, as the drop does, for those who know the time.
    pub(crate) fn give_back(mut self, now: Instant) {
        if !self.needs_reset
            && let Some(server) = self.part()
        {
            give_back(&self.pool, server, now);
        }
    }

    /// Closes the connection as soon as the last of these requests runs.
    pub(crate) fn abandon(mut self, unanswered: Unanswered) {
        if let Some(server) = self.part() {
            server.close_after("abandoned", unanswered);
        }
    }

    /// Closes the connection instead of giving it back.
    pub(crate) fn discard(mut self, reason: &'static str) {
        if let Some(server) = self.part() {
            server.close(reason);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(server) = self.part() else { return };
        let now = Instant::now();
        if self.needs_reset && server.is_fit(now) {
            let pool = self.pool.clone();
            self.pool
                .common
                .tasks
                .spawn_short(Stage::Flow, "reset connection", reset(pool, server));
        } else {
            give_back(&self.pool, server, now);
        }
    }
}

async fn reset(pool: Arc<Pool>, mut server: Box<Server>) {
    let limit = pool.common.connect_timeout();
    match tokio::time::timeout(limit, server.reset()).await {
        Ok(Ok(())) => give_back(&pool, server, Instant::now()),
        _ => server.close("broken"),
    }
}

/// Hands a connection to the next caller, lets it rest, or closes it.
pub(super) fn give_back(pool: &Pool, mut server: Box<Server>, now: Instant) {
    if !server.is_fit(now) {
        let reason = server.flaw(now);
        return server.close(reason);
    }
    server.touch(now);
    if let Some((server, reason)) = pool.with_queue(|queue| queue.give_back(server)) {
        server.close(reason);
    }
}
