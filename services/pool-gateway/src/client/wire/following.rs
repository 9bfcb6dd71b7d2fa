//! A session and its primary: another server may be it from one transaction to the next.
//!
//! What is under way on a server that is not the primary any more is ended, because it might be answered there and lost.
//! Whoever has nothing under way notices nothing but the wait.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::client_side::ClientSide;
use super::linking::Waited;
use super::session::Session;
use crate::error::Error;

/// How long a session waits before it looks again whether there is a primary.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

impl ClientSide {
    /// Has the session use the pool of the present primary.
    pub(super) fn follow_primary(&mut self) {
        if !self.pool.is_primary() {
            self.change_primary();
        }
    }

    #[cold]
    fn change_primary(&mut self) {
        let members = &self.pool.common.members;
        // Where the new one has too many pools already, the old one says that it is not the primary.
        let Ok(pool) = self.door.pools.sibling(&self.pool, members.primary()) else {
            return;
        };
        self.origin = self.origin_at(&pool);
        self.pool = pool;
    }

    /// What the client called itself when it came.
    pub(super) fn application(&self) -> &str {
        &self.seat.who.application
    }

    /// Whether a replica was to answer, which cannot: then the primary is asked.
    pub(super) fn gives_up_replica(&mut self, error: &Error) -> bool {
        let given_up = self.reader.as_mut().and_then(|reader| reader.give_up());
        let Some(member) = given_up else { return false };
        if error.is_without_server() {
            self.pool.common.members.leave_out(&member);
        }
        let routed = self.pool.common.metrics.reads_routed.with(["primary", "sent_again"]);
        routed.inc();
        true
    }
}

/// What a session does that found no server.
pub(super) enum Look {
    Again,
    Enough,
    Cancelled,
}

impl Session {
    /// Whether it is worth while to look for a server again after this error. Waits a moment if so.
    pub(super) async fn look_on(&mut self, error: &Error, begun: Instant) -> Look {
        let common = &self.me.pool.common;
        if !common.members.are_several() || !error.is_without_server() {
            return Look::Enough;
        }
        let settings = common.live();
        if begun.elapsed() >= settings.failover_wait.min(settings.acquire_timeout) {
            return Look::Enough;
        }
        let mut pause = pin!(tokio::time::sleep(LOOK_AGAIN_AFTER));
        let interrupted = poll_fn(|cx| {
            if pause.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            self.me.poll_interruption(cx).map(Some)
        })
        .await;
        match interrupted {
            None => Look::Again,
            Some(Waited::Cancelled) => Look::Cancelled,
            Some(Waited::ClientGone) => {
                self.me.ends = true;
                Look::Enough
            }
            Some(Waited::For(_)) => Look::Enough,
        }
    }

    /// Parts from a server that is not the primary any more.
    pub(super) fn leave_old_primary(&mut self) {
        let Some(link) = &self.link else { return };
        if link.reading.is_none() && !link.lease.pool().is_primary() {
            self.server_lost("it is not the primary any more");
        }
    }
}
