//! The bus over NATS: core messages lossy and at once, durable ones through JetStream.
//!
//! It needs nothing newer than NATS 2.9. While the server is away nothing is buffered: core publications are refused,
//! durable ones fail, and subscriptions and consumers go on when it is back.

mod connect;
mod consumer;
mod delivery;
mod headers;
mod intake;
mod publish;
mod stream;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, jetstream};
use bytes::Bytes;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::counters::Counters;
use crate::inbox::Inbox;
use crate::subject::Pattern;
use crate::subscription::Source;
use crate::{Error, Health, Limits, NatsSettings, Subscription};

use connect::Monitor;
pub(crate) use connect::check_url;
pub(crate) use consumer::Consumer;
pub(crate) use delivery::Ticket;
pub(crate) use intake::Intake;

/// Longest wait for an answer of the server where the caller names none.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a new subscription may take to be known at the server. It works all the same when that is not seen.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection that keeps itself.
#[derive(Debug)]
pub(crate) struct Nats {
    client: Client,
    jetstream: jetstream::Context,
    limits: Limits,
    /// Bytes that may still be given to the client. Every message on its way holds its share.
    room: Arc<Semaphore>,
    monitor: Arc<Monitor>,
    /// Streams that were looked for, each over which connection.
    looked_for: Mutex<HashMap<String, u64>>,
}

impl Nats {
    /// Opens the bus. The server may be away: it is sought in the background for as long as the bus lives.
    pub(crate) async fn open(settings: &NatsSettings, mut limits: Limits) -> Result<Self, Error> {
        limits.send_buffer_bytes = limits.send_buffer_bytes.clamp(1, Semaphore::MAX_PERMITS);
        let addresses = connect::addresses(settings.url.expose())?;
        let monitor = Arc::new(Monitor::new(&settings.name));
        let client = connect::connect(settings, addresses, &limits, &monitor).await?;
        let jetstream = jetstream::ContextBuilder::new()
            .timeout(ANSWER_TIMEOUT)
            .build(client.clone());
        let room = Arc::new(Semaphore::new(limits.send_buffer_bytes));
        Ok(Self {
            client,
            jetstream,
            limits,
            room,
            monitor,
            looked_for: Mutex::default(),
        })
    }

    pub(crate) fn counters(&self) -> &Counters {
        self.monitor.counters()
    }

    pub(crate) fn health(&self) -> watch::Receiver<Health> {
        self.monitor.health()
    }

    /// Whether a stream has not been looked for over this connection. From now on it has.
    fn is_first_for(&self, stream: &str) -> bool {
        let connection = self.monitor.connections();
        let mut known = self.looked_for.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(stream) == Some(&connection) {
            return false;
        }
        known.insert(stream.to_owned(), connection);
        true
    }

    /// An error unless the connection stands.
    fn check_connected(&self) -> Result<(), Error> {
        match self.client.connection_state() {
            State::Connected => Ok(()),
            State::Pending | State::Disconnected => Err(self.monitor.away()),
        }
    }

    /// Waits for an answer, but not beyond the moment at which the connection is lost: then it would never come.
    async fn answered<T>(
        &self,
        what: &'static str,
        waited: Duration,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            outcome = timeout(waited, answer) => outcome.unwrap_or(Err(Error::Timeout { what, waited })),
            () = self.monitor.lost() => Err(self.monitor.away()),
        }
    }

    pub(crate) async fn subscribe(&self, pattern: Pattern, group: Option<&str>) -> Result<Subscription, Error> {
        let asked = async {
            match group {
                None => self.client.subscribe(pattern.as_str().to_owned()).await,
                Some(group) => {
                    self.client
                        .queue_subscribe(pattern.as_str().to_owned(), group.to_owned())
                        .await
                }
            }
        };
        let waited = SUBSCRIBE_TIMEOUT;
        let subscriber = timeout(waited, asked)
            .await
            .map_err(|_| Error::Timeout {
                what: "a subscription",
                waited,
            })?
            .map_err(|error| Error::Refused {
                what: "a subscription".to_owned(),
                reason: error.to_string(),
            })?;
        let inbox = Arc::new(Inbox::new(&self.limits, self.monitor.shared_counters()));
        let intake = Intake::start(subscriber, Arc::clone(&inbox));
        self.see_subscription().await;
        Ok(Subscription::new(inbox, Source::Nats(intake)))
    }

    /// Asks the server for anything: since it answers in order, it then knows of the subscription too.
    async fn see_subscription(&self) {
        if self.check_connected().is_err() {
            return;
        }
        if timeout(SUBSCRIBE_TIMEOUT, self.jetstream.query_account())
            .await
            .is_err()
        {
            tracing::debug!(
                bus.name = self.monitor.name(),
                "a new subscription was not seen at the server in time"
            );
        }
    }

    /// Whether durable messages can be kept, and what time it is at the server (RFC 3339), where it tells: from
    /// version 2.10 on, as soon as there is a stream.
    pub(crate) async fn look(&self, waited: Duration) -> Result<Option<String>, Error> {
        let what = "a question about its streams";
        let refused = |reason: String| Error::Refused {
            what: what.to_owned(),
            reason,
        };
        let asked = async {
            let listed = self.client.request("$JS.API.STREAM.LIST", Bytes::new()).await;
            // A server without JetStream has nobody who answers.
            let listed = listed.map_err(|error| refused(error.to_string()))?.payload;
            let listed = String::from_utf8_lossy(&listed);
            match text_behind("\"description\":\"", &listed) {
                Some(error) if listed.contains("\"error\":") => Err(refused(error.to_owned())),
                _ => Ok(text_behind("\"ts\":\"", &listed).map(str::to_owned)),
            }
        };
        self.answered(what, waited, asked).await
    }

    pub(crate) async fn flush(&self, waited: Duration) -> Result<(), Error> {
        match timeout(waited, self.client.flush()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Error::unavailable(error.to_string())),
            Err(_) => {
                self.check_connected()?;
                Err(Error::Timeout {
                    what: "a flush",
                    waited,
                })
            }
        }
    }
}

/// The text that stands last behind a mark of an answer, up to its quotation mark.
fn text_behind<'a>(mark: &str, answer: &'a str) -> Option<&'a str> {
    let (_, behind) = answer.rsplit_once(mark)?;
    behind.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_found_where_it_is_told() {
        let list = r#"{"total":1,"streams":[{"config":{"name":"x"},"ts":"2026-11-30T14:45:00.5Z"}]}"#;
        let mark = "\"ts\":\"";
        assert_eq!(text_behind(mark, list), Some("2026-11-30T14:45:00.5Z"));
        assert_eq!(text_behind(mark, r#"{"total":0,"streams":[]}"#), None);
    }
}
