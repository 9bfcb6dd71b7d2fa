//! Messages that are kept until they are dealt with: streams, consumers, deliveries.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::subject::{Pattern, check_name};
use crate::{Error, Message, memory, nats};

/// A stream: the subjects whose messages are kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSpec {
    /// Its name, such as `WEIR_JOBS`.
    pub name: String,
    /// Patterns of the subjects that it keeps. No two streams may keep the same subject.
    pub subjects: Vec<String>,
    /// How long a message is kept, dealt with or not.
    pub max_age: Duration,
    /// For how long an id is remembered, so that a repetition is recognised.
    pub duplicate_window: Duration,
}

impl StreamSpec {
    /// Its patterns, or what is wrong with it.
    pub(crate) fn check(&self) -> Result<Vec<Pattern>, Error> {
        check_name("stream", &self.name)?;
        if self.subjects.is_empty() {
            return Err(Error::invalid("stream", &self.name, "it keeps no subject"));
        }
        Pattern::parse_all(&self.subjects)
    }

    /// Whether this message may be stored in it under this id.
    pub(crate) fn check_message(&self, id: &str, message: &Message) -> Result<(), Error> {
        message.check()?;
        if id.is_empty() || id.len() > 256 || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::invalid(
                "message id",
                id,
                "1 to 256 visible ASCII characters are expected",
            ));
        }
        if !self.check()?.iter().any(|pattern| pattern.matches(&message.subject)) {
            return Err(Error::invalid(
                "subject",
                &message.subject,
                "the stream does not keep it",
            ));
        }
        Ok(())
    }
}

/// How a consumer deals with messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerOptions {
    /// A delivery that is neither acknowledged nor extended for so long is given to somebody again.
    pub ack_wait: Duration,
    /// How often a message is given out at most; after that the consumer leaves it.
    pub max_deliver: u32,
    /// How many deliveries may be open at once, over all that share the name.
    pub max_in_flight: u32,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            ack_wait: Duration::from_secs(30),
            max_deliver: 10,
            max_in_flight: 256,
        }
    }
}

/// What a consumer of a stream is, checked.
#[derive(Debug, Clone)]
pub(crate) struct ConsumerSpec {
    pub(crate) stream: StreamSpec,
    pub(crate) name: String,
    pub(crate) filters: Vec<Pattern>,
    pub(crate) options: ConsumerOptions,
}

impl ConsumerSpec {
    pub(crate) fn new(
        stream: &StreamSpec,
        name: &str,
        filters: &[&str],
        options: ConsumerOptions,
    ) -> Result<Self, Error> {
        check_name("consumer", name)?;
        let kept = stream.check()?;
        let filters = Pattern::parse_all(filters)?;
        for filter in &filters {
            if !kept.iter().any(|pattern| pattern.contains(filter)) {
                return Err(Error::invalid(
                    "filter",
                    filter.as_str(),
                    "the stream does not keep all of it",
                ));
            }
        }
        if options.ack_wait.is_zero() || options.max_deliver == 0 || options.max_in_flight == 0 {
            return Err(Error::invalid(
                "consumer",
                name,
                "ack_wait, max_deliver and max_in_flight must not be 0",
            ));
        }
        Ok(Self {
            stream: stream.clone(),
            name: name.to_owned(),
            filters,
            options,
        })
    }

    /// Whether a message concerns it. Without filters all of the stream's do.
    pub(crate) fn wants(&self, subject: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| filter.matches(subject))
    }
}

/// One of those that share the work of a name: each message of the stream goes to one of them at a time.
#[derive(Debug)]
pub struct Consumer(pub(crate) AnyConsumer);

#[derive(Debug)]
pub(crate) enum AnyConsumer {
    Memory(memory::Consumer),
    Nats(Box<nats::Consumer>),
}

impl Consumer {
    /// Waits for the next message; `None` when told to stop. While the server is away it waits for it, and a stream or
    /// consumer that the server lost is made again. A call that is given up loses nothing.
    pub async fn next(&mut self, stop: &CancellationToken) -> Option<Delivery> {
        match &mut self.0 {
            AnyConsumer::Memory(consumer) => consumer.next(stop).await,
            AnyConsumer::Nats(consumer) => consumer.next(stop).await,
        }
    }
}

/// A message given out, until it is acknowledged or rejected. Where it is just dropped it comes again after `ack_wait`.
///
/// Every answer returns when the bus has it; where one fails it may be given again.
#[derive(Debug)]
pub struct Delivery {
    /// What is to be dealt with.
    pub message: Message,
    pub(crate) attempt: u32,
    pub(crate) ticket: AnyTicket,
}

#[derive(Debug)]
pub(crate) enum AnyTicket {
    Memory(memory::Ticket),
    Nats(nats::Ticket),
}

/// What a receiver says to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Ack,
    RetryAfter(Duration),
    InProgress,
    Reject,
}

impl Delivery {
    /// How often the message has been given out, this time included.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// It was dealt with: it does not come again.
    pub async fn ack(&self) -> Result<(), Error> {
        self.answer(Answer::Ack).await
    }

    /// It could not be dealt with: it comes again after this time, unless it has come `max_deliver` times.
    pub async fn retry_after(&self, wait: Duration) -> Result<(), Error> {
        self.answer(Answer::RetryAfter(wait)).await
    }

    /// It is being dealt with: `ack_wait` begins anew.
    pub async fn in_progress(&self) -> Result<(), Error> {
        self.answer(Answer::InProgress).await
    }

    /// It can never be dealt with: it does not come again.
    pub async fn reject(&self) -> Result<(), Error> {
        self.answer(Answer::Reject).await
    }

    async fn answer(&self, answer: Answer) -> Result<(), Error> {
        match &self.ticket {
            AnyTicket::Memory(ticket) => {
                ticket.answer(answer);
                Ok(())
            }
            AnyTicket::Nats(ticket) => ticket.answer(answer).await,
        }
    }
}
