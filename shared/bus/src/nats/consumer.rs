//! A durable pull consumer that is asked for one message at a time, so that all who share it get their part.
//!
//! It trusts nothing over a loss of the connection: stream and consumer are looked for again, and made where they are
//! missing, and a request that the server may have forgotten is sent anew.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull::{Batch, Config};
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer};
use async_nats::jetstream::stream::ConsumerErrorKind;
use futures_util::StreamExt as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::delivery::delivery;
use super::stream::said;
use super::{ANSWER_TIMEOUT, Nats};
use crate::durable::ConsumerSpec;
use crate::{Delivery, Error, Health};

/// How long the server keeps one request open before it is sent again. Short, because NATS 2.9 does not wake a request
/// for a consumer whose filter was changed, until it is sent again or the server restarts.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LAST: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Consumer {
    health: watch::Receiver<Health>,
    pull: Pull,
}

impl Consumer {
    pub(crate) fn new(nats: Arc<Nats>, spec: ConsumerSpec) -> Self {
        Self {
            health: nats.health(),
            pull: Pull {
                nats,
                spec,
                bound: None,
                request: None,
                failures: 0,
            },
        }
    }

    pub(crate) async fn next(&mut self, stop: &CancellationToken) -> Option<Delivery> {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                // What was asked of the server before is void: it may have been another one.
                Ok(()) = self.health.changed() => self.pull.forget(),
                delivery = self.pull.next() => return Some(delivery),
            }
        }
    }
}

/// A position in the conversation with the server. A call that is given up goes on with the next one.
struct Pull {
    nats: Arc<Nats>,
    spec: ConsumerSpec,
    bound: Option<PullConsumer>,
    request: Option<Batch>,
    failures: u32,
}

impl std::fmt::Debug for Pull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pull")
            .field("spec", &self.spec)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

impl Pull {
    async fn next(&mut self) -> Delivery {
        loop {
            match self.step().await {
                Ok(None) => {}
                Ok(Some(delivery)) => return delivery,
                Err(error) => self.recover(&error).await,
            }
        }
    }

    fn forget(&mut self) {
        self.bound = None;
        self.request = None;
    }

    /// Waits a little, longer each time, and begins from the beginning.
    async fn recover(&mut self, error: &Error) {
        self.forget();
        let (stream, consumer) = (&self.spec.stream.name, &self.spec.name);
        if self.failures == 0 {
            tracing::warn!(bus.stream = stream, bus.consumer = consumer, error = %error, "a consumer waits for the bus");
        }
        let pause = PAUSE_FIRST.saturating_mul(1 << self.failures.min(16)).min(PAUSE_LAST);
        self.failures = self.failures.saturating_add(1);
        tokio::time::sleep(pause).await;
    }

    /// One answer of the server; `None` when its time ran out, or when it does not concern us.
    async fn step(&mut self) -> Result<Option<Delivery>, Error> {
        let request = match &mut self.request {
            Some(request) => request,
            None => {
                let request = self.ask().await?;
                self.request.insert(request)
            }
        };
        let answer = request.next().await;
        // One message a request: whatever came, this one is over.
        self.request = None;
        match answer {
            None => Ok(None),
            Some(Ok(message)) => self.receive(message).await,
            Some(Err(error)) => Err(Error::unavailable(error.to_string())),
        }
    }

    async fn ask(&mut self) -> Result<Batch, Error> {
        let consumer = match &self.bound {
            Some(consumer) => consumer,
            None => {
                let consumer = self.bind().await?;
                self.failures = 0;
                self.bound.insert(consumer)
            }
        };
        let asking = consumer.batch().max_messages(1).expires(REQUEST_TIMEOUT).messages();
        let waited = ANSWER_TIMEOUT;
        match tokio::time::timeout(waited, asking).await {
            Ok(asked) => asked.map_err(|error| Error::unavailable(error.to_string())),
            Err(_) => Err(Error::Timeout {
                what: "a request for messages",
                waited,
            }),
        }
    }

    /// The consumer at the server, made or changed where needed.
    async fn bind(&self) -> Result<PullConsumer, Error> {
        self.nats.ensure_stream(&self.spec.stream).await?;
        let name = || format!("consumer {} of stream {}", self.spec.name, self.spec.stream.name);
        let made = async {
            let making = self
                .nats
                .jetstream
                .create_consumer_on_stream(config(&self.spec), &self.spec.stream.name);
            making.await.map_err(|error| match error.kind() {
                ConsumerErrorKind::JetStream(refusal) => said(name(), Some(&refusal), &error),
                _ => said(name(), None, &error),
            })
        };
        self.nats.answered("a consumer", ANSWER_TIMEOUT, made).await
    }

    async fn receive(&self, message: jetstream::Message) -> Result<Option<Delivery>, Error> {
        let delivery = delivery(&self.nats, message)?;
        if self.spec.wants(&delivery.message.subject) {
            return Ok(Some(delivery));
        }
        delivery.ack().await?;
        Ok(None)
    }
}

/// The consumer as the server knows it. Servers before 2.10 filter by one pattern at most; more are sorted out here.
fn config(spec: &ConsumerSpec) -> Config {
    let filter_subject = match spec.filters.as_slice() {
        [only] => only.as_str().to_owned(),
        _ => String::new(),
    };
    Config {
        durable_name: Some(spec.name.clone()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: spec.options.ack_wait,
        max_deliver: i64::from(spec.options.max_deliver),
        max_ack_pending: i64::from(spec.options.max_in_flight),
        filter_subject,
        ..Config::default()
    }
}
