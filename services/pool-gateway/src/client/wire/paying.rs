//! A session whose project has a budget: it pays before it is given a server, and what it cost is settled afterwards.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::client_side::ClientSide;
use super::expect::Ongoing;
use super::link::Link;
use super::linking::Waited;
use super::seat::Doing;
use super::session::Session;
use crate::budget::Cost;
use crate::tap::Outcome;

impl ClientSide {
    /// Whether what comes next is paid for. One who has to wait for that, or is refused, does so where waiting is
    /// possible.
    pub(super) fn has_paid(&self) -> bool {
        let Some(purse) = &self.purse else { return true };
        let patience = self.pool.common.live().acquire_timeout;
        matches!(purse.pay(patience), Ok(None))
    }

    /// A statement has ended.
    pub(super) fn settle_bill(&self, ongoing: &Ongoing, server_us: u64, outcome: Outcome) {
        let Some(purse) = &self.purse else { return };
        if outcome == Outcome::Refused {
            return purse.give_back();
        }
        let rows = ongoing.tagged_rows.unwrap_or(ongoing.rows);
        let bytes = ongoing.bytes_in.saturating_add(ongoing.bytes_out);
        purse.settle(Cost::of(rows, bytes, server_us));
    }
}

impl Session {
    /// Whether the session has a server, and has to pay before it uses it again.
    pub(super) fn must_pay(&self) -> bool {
        let is_at_rest = |link: &Link| link.is_at_rest();
        self.me.purse.is_some() && self.link.as_deref().is_some_and(is_at_rest) && !self.me.has_paid()
    }

    /// Waits until what comes next is paid for. `None`: it is; else, how the wait ended.
    pub(super) async fn pay(&mut self) -> Option<Waited> {
        let purse = self.me.purse.as_ref()?;
        let patience = self.me.pool.common.live().acquire_timeout;
        let from = match purse.pay(patience) {
            Ok(from) => from?,
            Err(error) => return Some(Waited::For(Err(error))),
        };
        self.me.does(Doing::Waiting);
        let mut sleep = pin!(tokio::time::sleep_until(from));
        let ended = poll_fn(|cx| {
            if sleep.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            self.me.poll_interruption(cx).map(Some)
        })
        .await;
        if let (Some(_), Some(purse)) = (&ended, &self.me.purse) {
            purse.give_back();
        }
        ended
    }
}
