//! The bounded buffer between whoever brings messages and the receiver of a subscription.
//!
//! It never waits for the receiver: what does not fit is dropped and counted, one by one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::counters::Counters;
use crate::{Limits, Message};

#[derive(Debug)]
pub(crate) struct Inbox {
    held: Mutex<Held>,
    dropped: AtomicU64,
    counters: Arc<Counters>,
    messages_max: usize,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Held {
    queue: VecDeque<Message>,
    bytes: usize,
    receiver: Option<Waker>,
    closed: bool,
}

impl Inbox {
    pub(crate) fn new(limits: &Limits, counters: Arc<Counters>) -> Self {
        Self {
            held: Mutex::default(),
            dropped: AtomicU64::new(0),
            counters,
            messages_max: limits.subscription_messages,
            bytes_max: limits.subscription_bytes,
        }
    }

    /// Puts a message in, or counts it as dropped. An empty inbox takes any message, so that none is too large for ever.
    pub(crate) fn push(&self, message: Message) {
        let size_bytes = message.size_bytes();
        let mut held = self.held();
        let fits = held.queue.len() < self.messages_max && held.bytes + size_bytes <= self.bytes_max;
        if !fits && !held.queue.is_empty() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.counters.dropped();
            return;
        }
        held.bytes += size_bytes;
        held.queue.push_back(message);
        wake(held);
    }

    /// No more messages will come; those inside can still be taken.
    pub(crate) fn close(&self) {
        let mut held = self.held();
        held.closed = true;
        wake(held);
    }

    /// The next message; `None` when the inbox is closed and empty.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut held = self.held();
        if let Some(message) = held.queue.pop_front() {
            held.bytes -= message.size_bytes();
            return Poll::Ready(Some(message));
        }
        if held.closed {
            return Poll::Ready(None);
        }
        held.receiver = Some(context.waker().clone());
        Poll::Pending
    }

    /// How many messages were dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the receiver after the lock is gone, because the receiver may run at once on this very thread.
fn wake(mut held: MutexGuard<'_, Held>) {
    let receiver = held.receiver.take();
    drop(held);
    if let Some(receiver) = receiver {
        receiver.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn inbox(messages_max: usize, bytes_max: usize) -> Inbox {
        let limits = Limits {
            subscription_messages: messages_max,
            subscription_bytes: bytes_max,
            ..Limits::default()
        };
        Inbox::new(&limits, Arc::default())
    }

    async fn taken(inbox: &Inbox) -> Vec<String> {
        let mut subjects = Vec::new();
        while let Some(message) = poll_fn(|context| inbox.poll_next(context)).await {
            subjects.push(message.subject);
        }
        subjects
    }

    #[tokio::test]
    async fn what_does_not_fit_is_dropped_and_counted() {
        let inbox = inbox(2, 1000);
        for subject in ["a", "b", "c", "d"] {
            inbox.push(Message::new(subject, ""));
        }
        inbox.close();
        assert_eq!(taken(&inbox).await, ["a", "b"]);
        assert_eq!((inbox.dropped(), inbox.counters.read().dropped_total), (2, 2));
    }

    #[tokio::test]
    async fn bytes_bound_it_as_well_and_come_free_again() {
        let inbox = inbox(100, 25);
        let message = || Message::new("a", vec![0; 9]);
        for _ in 0..3 {
            inbox.push(message());
        }
        assert_eq!(inbox.dropped(), 1);
        assert!(poll_fn(|context| inbox.poll_next(context)).await.is_some());
        inbox.push(message());
        inbox.close();
        assert_eq!(taken(&inbox).await.len(), 2);
        assert_eq!(inbox.dropped(), 1);
    }

    #[tokio::test]
    async fn an_empty_inbox_takes_a_message_of_any_size() {
        let inbox = inbox(1, 10);
        inbox.push(Message::new("a", vec![0; 50]));
        inbox.close();
        assert_eq!(taken(&inbox).await, ["a"]);
    }
}
