//! Messages out.

use std::error::Error as _;
use std::time::Duration;

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::{self, message::PublishMessage};
use async_nats::{PublishErrorKind as CoreErrorKind, client};
use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::sync::OwnedSemaphorePermit;

use super::Nats;
use super::connect::MESSAGE_OVERHEAD_BYTES;
use super::headers::{outgoing, outgoing_durable};
use super::stream::said;
use crate::{Error, Message, StreamSpec};

/// How long a word of the stream is waited for before the message is sent again.
const WORD_TIMEOUT: Duration = Duration::from_secs(2);

/// A payload that holds its share of the send buffer until the client has written it.
struct Weighed {
    payload: Bytes,
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Weighed {
    fn as_ref(&self) -> &[u8] {
        &self.payload
    }
}

impl Nats {
    /// Hands a message to the client, at once or not at all.
    pub(crate) fn publish(&self, message: Message) -> Result<(), Error> {
        self.counters().publication(self.try_publish(message))
    }

    fn try_publish(&self, message: Message) -> Result<(), Error> {
        message.check()?;
        self.check_connected()?;
        let share = self.share(&message)?;
        let Message {
            subject,
            headers,
            payload,
        } = message;
        let payload = Bytes::from_owner(Weighed { payload, _share: share });
        let sending = self
            .client
            .publish_with_headers(subject.clone(), outgoing(&headers), payload);
        match tokio::task::unconstrained(sending).now_or_never() {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(self.core_error(subject, &error)),
            None => Err(full()),
        }
    }

    /// Its share of the send buffer. A message larger than the whole buffer takes all of it.
    fn share(&self, message: &Message) -> Result<OwnedSemaphorePermit, Error> {
        let bytes = (message.size_bytes() + MESSAGE_OVERHEAD_BYTES).min(self.limits.send_buffer_bytes);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.room.clone().try_acquire_many_owned(bytes).map_err(|_| full())
    }

    fn core_error(&self, subject: String, error: &client::PublishError) -> Error {
        match error.kind() {
            CoreErrorKind::MaxPayloadExceeded => self.too_large(subject),
            CoreErrorKind::Send => Error::unavailable("the connection was closed"),
            CoreErrorKind::InvalidSubject => Error::invalid("subject", &subject, "the client refuses it"),
        }
    }

    fn too_large(&self, subject: String) -> Error {
        Error::TooLarge {
            subject,
            limit_bytes: self.client.max_payload(),
        }
    }

    /// Waits until the stream has the message, or has had one with this id.
    pub(crate) async fn publish_durable(
        &self,
        stream: &StreamSpec,
        id: &str,
        message: Message,
        waited: Duration,
    ) -> Result<(), Error> {
        let outcome = match stream.check_message(id, &message) {
            Ok(()) => {
                self.answered("a durable message", waited, self.store(stream, id, message, waited))
                    .await
            }
            Err(error) => Err(error),
        };
        self.counters().publication(outcome)
    }

    /// The server says that there is no stream only where nobody at all listens to the subject. Where somebody does, a
    /// message that finds no stream is gone without a word: so the stream is looked for before the first message over a connection,
    /// and whenever a word does not come. The same id may be sent again.
    async fn store(&self, stream: &StreamSpec, id: &str, message: Message, waited: Duration) -> Result<(), Error> {
        self.check_connected()?;
        if self.is_first_for(&stream.name) {
            // Whether it may be looked at or made is another right than that to fill it. Boxed, because it is large and rare.
            let _ = Box::pin(self.ensure_stream(stream)).await;
        }
        let mut was_missing = false;
        loop {
            let outcome = self.store_once(stream, id, &message).await;
            match outcome.map_err(|error| (error.kind(), error)) {
                Ok(()) => return Ok(()),
                Err((PublishErrorKind::TimedOut, _)) => {}
                Err((PublishErrorKind::StreamNotFound, _)) if !was_missing => was_missing = true,
                Err((_, error)) => return Err(self.store_error(message.subject, waited, &error)),
            }
            Box::pin(self.ensure_stream(stream)).await?;
        }
    }

    async fn store_once(&self, stream: &StreamSpec, id: &str, message: &Message) -> Result<(), PublishError> {
        let mut context = self.jetstream.clone();
        context.set_timeout(WORD_TIMEOUT);
        let headers = outgoing_durable(&message.headers, &stream.name, id);
        let publish = PublishMessage::build()
            .payload(message.payload.clone())
            .headers(headers);
        context
            .send_publish(message.subject.clone(), publish)
            .await?
            .await
            .map(drop)
    }

    fn store_error(&self, subject: String, waited: Duration, error: &PublishError) -> Error {
        match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => self.too_large(subject),
            PublishErrorKind::TimedOut => Error::Timeout {
                what: "a durable message",
                waited,
            },
            PublishErrorKind::BrokenPipe => Error::unavailable("the connection was closed"),
            PublishErrorKind::MaxAckPending => full(),
            PublishErrorKind::StreamNotFound
            | PublishErrorKind::WrongLastMessageId
            | PublishErrorKind::WrongLastSequence
            | PublishErrorKind::Other => {
                let refusal = error
                    .source()
                    .and_then(|source| source.downcast_ref::<jetstream::Error>());
                said(format!("a message on {subject}"), refusal, error)
            }
        }
    }
}

fn full() -> Error {
    Error::Full {
        buffer: "send buffer",
        setting: "bus.send_buffer_bytes",
    }
}
