//! Answers to deliveries, each confirmed by the server.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, AckKind};
use async_nats::{Request, RequestErrorKind, Subject};
use bytes::Bytes;

use super::headers::incoming;
use super::{ANSWER_TIMEOUT, Nats};
use crate::durable::{Answer, AnyTicket};
use crate::{Delivery, Error};

/// The server counts in nanoseconds and 63 bits; this is long beyond the age of any message.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The right to answer one delivery.
#[derive(Debug)]
pub(crate) struct Ticket {
    nats: Arc<Nats>,
    answer_to: Subject,
}

/// A message of a stream with its ticket.
pub(super) fn delivery(nats: &Arc<Nats>, received: jetstream::Message) -> Result<Delivery, Error> {
    let attempt = received
        .info()
        .map_err(|error| Error::unavailable(error.to_string()))?
        .delivered;
    let message = received.message;
    let answer_to = message
        .reply
        .clone()
        .ok_or_else(|| Error::unavailable("a delivery without a place to answer to"))?;
    Ok(Delivery {
        attempt: u32::try_from(attempt).unwrap_or(u32::MAX),
        message: incoming(message),
        ticket: AnyTicket::Nats(Ticket {
            nats: Arc::clone(nats),
            answer_to,
        }),
    })
}

impl Ticket {
    /// Tells the server, and waits until it says that it heard.
    pub(crate) async fn answer(&self, answer: Answer) -> Result<(), Error> {
        let kind = match answer {
            Answer::Ack => AckKind::Ack,
            Answer::RetryAfter(wait) => AckKind::Nak(Some(wait.min(RETRY_WAIT_MAX))),
            Answer::InProgress => AckKind::Progress,
            Answer::Reject => AckKind::Term,
        };
        self.nats.check_connected()?;
        self.nats
            .answered("an answer to a delivery", ANSWER_TIMEOUT, self.tell(kind.into()))
            .await
    }

    async fn tell(&self, words: Bytes) -> Result<(), Error> {
        let request = Request::new().payload(words);
        match self.nats.client.send_request(self.answer_to.clone(), request).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => Err(Error::unavailable(
                "the consumer is gone from the server; the message comes again",
            )),
            Err(error) => Err(Error::unavailable(error.to_string())),
        }
    }
}
