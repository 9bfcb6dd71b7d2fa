//! The receiving end of core messages.

use std::future::poll_fn;
use std::sync::Arc;

use crate::Message;
use crate::inbox::Inbox;
use crate::memory::Membership;
use crate::nats::Intake;

/// Messages of a pattern, as they come. Dropping it ends the subscription.
///
/// It holds a bounded number of messages for a receiver that is slow; further ones are dropped and counted.
#[derive(Debug)]
pub struct Subscription {
    inbox: Arc<Inbox>,
    _source: Source,
}

/// What fills the inbox until it is dropped.
#[derive(Debug)]
#[expect(dead_code, reason = "held for its drop")]
pub(crate) enum Source {
    Memory(Membership),
    Nats(Intake),
}

impl Subscription {
    pub(crate) const fn new(inbox: Arc<Inbox>, source: Source) -> Self {
        Self { inbox, _source: source }
    }

    /// The next message; `None` when the bus is gone for good. A call that is given up loses nothing.
    pub async fn next(&mut self) -> Option<Message> {
        poll_fn(|context| self.inbox.poll_next(context)).await
    }

    /// How many messages were dropped because this receiver was slow.
    pub fn dropped(&self) -> u64 {
        self.inbox.dropped()
    }
}
