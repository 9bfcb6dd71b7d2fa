//! One bus, two ways to carry it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use weir_config::Sources;

use crate::durable::{AnyConsumer, ConsumerSpec};
use crate::memory::Memory;
use crate::nats::{self, Nats};
use crate::subject::{Pattern, check_name};
use crate::{BusSettings, Consumer, ConsumerOptions, Counts, Error, Health, Limits, Message, NatsSettings};
use crate::{StreamSpec, Subscription};

/// How services tell each other what happened. Cheap to clone; clones are one bus.
#[derive(Debug, Clone)]
pub struct Bus(Carrier);

#[derive(Debug, Clone)]
enum Carrier {
    Memory(Arc<Memory>),
    Nats(Arc<Nats>),
}

impl Bus {
    /// The bus that the settings ask for. `name` is what the connection is called in the server's lists.
    pub async fn open(sources: &Sources, name: &str) -> Result<Self, Error> {
        let settings: BusSettings = sources.section().map_err(|error| Error::Setting(error.to_string()))?;
        settings.check()?;
        match settings.nats(name).await? {
            None => Ok(Self::in_memory(settings.limits())),
            Some(nats) => Self::nats(&nats, settings.limits()).await,
        }
    }

    /// Validates the settings as [`Bus::open`] would, without a connection.
    pub fn check(sources: &Sources) -> Result<(), weir_config::Error> {
        let settings: BusSettings = sources.section()?;
        let url = settings.url.as_ref().map(|url| url.secret().expose());
        let checked = settings.check().and_then(|()| url.map_or(Ok(()), nats::check_url));
        checked.map_err(|error| weir_config::Error::Refused(error.to_string()))
    }

    /// A bus within this process. What it holds ends with the process.
    pub fn in_memory(limits: Limits) -> Self {
        Self(Carrier::Memory(Arc::new(Memory::new(limits))))
    }

    /// A bus over NATS. It fails for settings that cannot be used only: a server that is away is sought for as long as
    /// the bus lives.
    pub async fn nats(settings: &NatsSettings, limits: Limits) -> Result<Self, Error> {
        Ok(Self(Carrier::Nats(Arc::new(Nats::open(settings, limits).await?))))
    }

    /// Tells whoever listens at this moment; at most once. It answers at once: a bus that is away or whose send buffer
    /// is full refuses the message, and the caller counts it.
    pub async fn publish(&self, message: Message) -> Result<(), Error> {
        match &self.0 {
            Carrier::Memory(memory) => memory.publish(message),
            Carrier::Nats(nats) => nats.publish(message),
        }
    }

    /// Tells a stream, and returns when it has the message. The same id within the stream's duplicate window is stored
    /// once, so that a call that failed may be repeated safely. A stream that is missing is made.
    pub async fn publish_durable(
        &self,
        stream: &StreamSpec,
        id: &str,
        message: Message,
        timeout: Duration,
    ) -> Result<(), Error> {
        match &self.0 {
            Carrier::Memory(memory) => memory.publish_durable(stream, id, message),
            Carrier::Nats(nats) => nats.publish_durable(stream, id, message, timeout).await,
        }
    }

    /// Listens to the subjects of a pattern. Those that name the same group share its messages.
    ///
    /// It may be called while the server is away; messages come when it is back.
    pub async fn subscribe(&self, pattern: &str, group: Option<&str>) -> Result<Subscription, Error> {
        let pattern = Pattern::parse(pattern)?;
        if let Some(group) = group {
            check_name("group", group)?;
        }
        match &self.0 {
            Carrier::Memory(memory) => Ok(memory.subscribe(pattern, group)),
            Carrier::Nats(nats) => nats.subscribe(pattern, group).await,
        }
    }

    /// Makes a stream, or changes it to what the specification says.
    pub async fn ensure_stream(&self, stream: &StreamSpec) -> Result<(), Error> {
        match &self.0 {
            Carrier::Memory(memory) => memory.stream(stream).map(drop),
            Carrier::Nats(nats) => nats.ensure_stream(stream).await,
        }
    }

    /// Takes part in the work of a name: it sees the stream's messages on these subjects (all where there are none),
    /// from the oldest on, and each goes to one of those that share the name.
    ///
    /// It asks nothing of the server yet: stream and consumer are made when the first message is asked for.
    pub fn consumer(
        &self,
        stream: &StreamSpec,
        name: &str,
        filters: &[&str],
        options: ConsumerOptions,
    ) -> Result<Consumer, Error> {
        let spec = ConsumerSpec::new(stream, name, filters, options)?;
        Ok(Consumer(match &self.0 {
            Carrier::Memory(memory) => AnyConsumer::Memory(memory.consumer(spec)?),
            Carrier::Nats(nats) => AnyConsumer::Nats(Box::new(nats::Consumer::new(Arc::clone(nats), spec))),
        }))
    }

    /// Whether what its streams hold outlives this process.
    pub const fn is_durable(&self) -> bool {
        matches!(self.0, Carrier::Nats(_))
    }

    /// Whether the bus is reachable, and why not; it tells each change.
    pub fn connected(&self) -> watch::Receiver<Health> {
        match &self.0 {
            Carrier::Memory(memory) => memory.health(),
            Carrier::Nats(nats) => nats.health(),
        }
    }

    /// Whether durable messages can be kept, and what time it is at the server (RFC 3339) if it tells. In memory there is
    /// nothing to ask.
    pub async fn look(&self, timeout: Duration) -> Result<Option<String>, Error> {
        match &self.0 {
            Carrier::Memory(_) => Ok(None),
            Carrier::Nats(nats) => nats.look(timeout).await,
        }
    }

    /// What it counted so far.
    pub fn counts(&self) -> Counts {
        match &self.0 {
            Carrier::Memory(memory) => memory.counters().read(),
            Carrier::Nats(nats) => nats.counters().read(),
        }
    }

    /// Waits until every accepted message has left this process. Call it before the process ends.
    pub async fn flush(&self, timeout: Duration) -> Result<(), Error> {
        match &self.0 {
            Carrier::Memory(_) => Ok(()),
            Carrier::Nats(nats) => nats.flush(timeout).await,
        }
    }
}
