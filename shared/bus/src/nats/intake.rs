//! Carries what a NATS subscription receives into an inbox, on the thread that received it.
//!
//! The client drops messages when nobody takes them, and does not count them reliably. So they are taken at once, without
//! a task of our own: whoever wakes this intake (the client, with every message) also empties the subscription.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::task::{Context, Poll, Wake, Waker};

use async_nats::Subscriber;
use futures_util::StreamExt as _;

use super::headers::incoming;
use crate::inbox::Inbox;

/// Keeps an inbox filled until it is dropped.
#[derive(Debug)]
pub(crate) struct Intake(Arc<Pump>);

#[derive(Debug)]
struct Pump {
    inbox: Arc<Inbox>,
    subscriber: Mutex<Option<Subscriber>>,
    /// Somebody woke the pump. Whoever held the subscriber looks here after letting go of it.
    again: AtomicBool,
    over: AtomicBool,
}

impl Intake {
    pub(super) fn start(subscriber: Subscriber, inbox: Arc<Inbox>) -> Self {
        let subscriber = Mutex::new(Some(subscriber));
        let pump = Pump {
            inbox,
            subscriber,
            again: AtomicBool::new(false),
            over: AtomicBool::new(false),
        };
        let pump = Arc::new(pump);
        pump.run();
        Self(pump)
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        // The subscriber remembers its waker, which is the pump, which holds the subscriber: only this opens the circle.
        self.0.over.store(true, Ordering::SeqCst);
        self.0.run();
    }
}

impl Wake for Pump {
    fn wake(self: Arc<Self>) {
        self.run();
    }
}

impl Pump {
    /// Empties the subscription, or leaves that to the thread that is at it.
    fn run(self: &Arc<Self>) {
        self.again.store(true, Ordering::SeqCst);
        while self.again.load(Ordering::SeqCst) {
            let mut subscriber = match self.subscriber.try_lock() {
                Ok(subscriber) => subscriber,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            self.again.store(false, Ordering::SeqCst);
            self.empty(&mut subscriber);
        }
    }

    fn empty(self: &Arc<Self>, subscriber: &mut Option<Subscriber>) {
        if self.over.load(Ordering::SeqCst) {
            drop(subscriber.take());
        }
        let waker = Waker::from(Arc::clone(self));
        let mut context = Context::from_waker(&waker);
        while let Some(open) = subscriber.as_mut() {
            // Not a task of its own: the budget of the one that it runs in is not its concern.
            match pin!(tokio::task::unconstrained(open.next())).poll(&mut context) {
                Poll::Ready(Some(message)) => self.inbox.push(incoming(message)),
                Poll::Ready(None) => {
                    *subscriber = None;
                    self.inbox.close();
                }
                Poll::Pending => return,
            }
        }
    }
}
