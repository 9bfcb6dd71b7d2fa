//! The bus of one process: no server, the same behaviour.
//!
//! Everything happens in the caller's task: a publication puts the message where it belongs before it returns, and a
//! delivery that was not answered comes again when somebody asks for the next one.

mod hub;
mod queue;
mod stream;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::counters::Counters;
use crate::durable::{Answer, AnyTicket, ConsumerSpec};
use crate::inbox::Inbox;
use crate::subject::Pattern;
use crate::subscription::Source;
use crate::{Delivery, Error, Health, Limits, Message, StreamSpec, Subscription};

use hub::Hub;
pub(crate) use hub::Membership;
use stream::{Stream, Taken};

/// The largest message, which is what a NATS server takes unless told otherwise.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// The streams and the subscriptions of one process.
#[derive(Debug)]
pub(crate) struct Memory {
    limits: Limits,
    counters: Arc<Counters>,
    hub: Arc<Hub>,
    streams: Mutex<BTreeMap<String, Arc<Stream>>>,
    health: watch::Sender<Health>,
}

impl Memory {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            counters: Arc::default(),
            hub: Arc::default(),
            streams: Mutex::default(),
            health: watch::Sender::new(Health::Up),
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Gives a message to the subscriptions; a stream that keeps its subject keeps it too, as on a server.
    pub(crate) fn publish(&self, message: Message) -> Result<(), Error> {
        self.counters.publication(self.try_publish(message))
    }

    fn try_publish(&self, message: Message) -> Result<(), Error> {
        message.check()?;
        check_size(&message)?;
        let message = message.into_received();
        let keeper = self
            .streams()
            .values()
            .find(|stream| stream.keeps(&message.subject))
            .cloned();
        if let Some(stream) = keeper {
            stream.store(None, message.clone())?;
        }
        self.hub.deliver(&message);
        Ok(())
    }

    /// Stores a message once for its id, and gives it to the subscriptions.
    pub(crate) fn publish_durable(&self, spec: &StreamSpec, id: &str, message: Message) -> Result<(), Error> {
        self.counters.publication(self.try_publish_durable(spec, id, message))
    }

    fn try_publish_durable(&self, spec: &StreamSpec, id: &str, message: Message) -> Result<(), Error> {
        spec.check_message(id, &message)?;
        check_size(&message)?;
        let message = message.into_received();
        self.stream(spec)?.store(Some(id), message.clone())?;
        self.hub.deliver(&message);
        Ok(())
    }

    pub(crate) fn subscribe(&self, pattern: Pattern, group: Option<&str>) -> Subscription {
        let inbox = Arc::new(Inbox::new(&self.limits, Arc::clone(&self.counters)));
        let membership = Hub::join(&self.hub, pattern, group, Arc::clone(&inbox));
        Subscription::new(inbox, Source::Memory(membership))
    }

    pub(crate) fn consumer(&self, spec: ConsumerSpec) -> Result<Consumer, Error> {
        let stream = self.stream(&spec.stream)?;
        let name = spec.name.clone();
        stream.open(spec);
        Ok(Consumer { stream, name })
    }

    /// The stream of a specification, made or changed where needed.
    pub(crate) fn stream(&self, spec: &StreamSpec) -> Result<Arc<Stream>, Error> {
        let patterns = spec.check()?;
        let mut streams = self.streams();
        let other = streams
            .values()
            .find(|stream| stream.name() != spec.name && stream.overlaps(&patterns));
        if let Some(other) = other {
            let reason = format!("its subjects overlap those of stream {}", other.name());
            return Err(Error::Refused {
                what: format!("stream {}", spec.name),
                reason,
            });
        }
        let fresh = || Arc::new(Stream::new(&spec.name, self.limits.stream_messages));
        let stream = Arc::clone(streams.entry(spec.name.clone()).or_insert_with(fresh));
        stream.adopt(spec, patterns);
        Ok(stream)
    }

    fn streams(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Stream>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_size(message: &Message) -> Result<(), Error> {
    if message.size_bytes() > MESSAGE_BYTES_MAX {
        return Err(Error::TooLarge {
            subject: message.subject.clone(),
            limit_bytes: MESSAGE_BYTES_MAX,
        });
    }
    Ok(())
}

/// One of those that share a queue of a stream.
#[derive(Debug)]
pub(crate) struct Consumer {
    stream: Arc<Stream>,
    name: String,
}

impl Consumer {
    pub(crate) async fn next(&mut self, stop: &CancellationToken) -> Option<Delivery> {
        let Taken {
            sequence,
            attempt,
            message,
        } = stop.run_until_cancelled(self.stream.take(&self.name)).await?;
        let ticket = Ticket {
            stream: Arc::clone(&self.stream),
            name: self.name.clone(),
            sequence,
            attempt,
        };
        Some(Delivery {
            message,
            attempt,
            ticket: AnyTicket::Memory(ticket),
        })
    }
}

/// The right to answer one delivery.
#[derive(Debug)]
pub(crate) struct Ticket {
    stream: Arc<Stream>,
    name: String,
    sequence: u64,
    attempt: u32,
}

impl Ticket {
    pub(crate) fn answer(&self, answer: Answer) {
        self.stream.answer(&self.name, self.sequence, self.attempt, answer);
    }
}

#[cfg(test)]
mod tests;
