//! Carries the outbox to the bus: in order, at least once, for as long as it takes.
//!
//! - One instance relays at a time, so events leave in the order of the table. When two overlap (the one before has not
//!   yet noticed that it lost its lock), both publish in that order and under the same ids, and the stream keeps the
//!   first of each.
//! - An event is marked only after the stream has acknowledged it. Whoever dies in between leaves it to be published
//!   again under its id. A repetition later than the stream's duplicate window is stored twice: consumers go by the id.
//! - While the bus is away nothing is marked and nothing is lost; it is tried again with growing pauses.
//! - What the bus will never take (too large, a stream that does not exist) stands in nobody's way: it is set aside, and
//!   tried again now and then in case somebody has changed the bus.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::types::Json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_bus::{Bus, Message};

use crate::outbox::stream_named;
use crate::{Backoff, Leadership, LeadershipOptions, Store, StoreError, Wakes, pause};

const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_CAP: Duration = Duration::from_secs(10);
const REFUSED_AGAIN_AFTER_SECONDS: f64 = 3600.0;

/// How a relay works.
#[derive(Debug, Clone)]
pub struct RelayOptions {
    /// Events that are read, published and marked together.
    pub batch: u32,
    /// How often to look for events that nobody told of.
    pub poll_every: Duration,
    /// How long the bus may take to acknowledge one.
    pub publish_timeout: Duration,
    /// How long published events are kept, for a person to look at.
    pub keep_published: Duration,
    /// Publish once more, when the process starts, what is still kept: for a bus that forgets with the process.
    pub repeat_at_start: bool,
    /// How the one relay among the instances is chosen.
    pub leadership: LeadershipOptions,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            batch: 100,
            poll_every: Duration::from_secs(5),
            publish_timeout: Duration::from_secs(5),
            keep_published: Duration::from_secs(3600),
            repeat_at_start: false,
            leadership: LeadershipOptions::default(),
        }
    }
}

/// Carries one store's outbox to the bus.
#[derive(Debug)]
pub struct Relay {
    store: Store,
    bus: Bus,
    options: RelayOptions,
    wakes: Wakes,
    leadership: Leadership,
}

/// An event on its way out.
#[derive(Debug, sqlx::FromRow)]
struct Outgoing {
    id: Uuid,
    stream: String,
    subject: String,
    headers: Json<BTreeMap<String, String>>,
    payload: Vec<u8>,
}

impl Outgoing {
    fn message(self) -> Message {
        let headers = self.headers.0.into_iter().collect();
        Message {
            subject: self.subject,
            headers,
            payload: self.payload.into(),
        }
    }
}

/// How one look at the table went.
#[derive(Debug, PartialEq, Eq)]
enum Round {
    /// There may be more.
    Full,
    /// Nothing is left to do.
    Empty,
    /// The bus is away, or has no room.
    Away(weir_bus::Error),
}

impl Relay {
    /// The relay of a store. Any number of instances may run one.
    pub fn new(store: &Store, bus: &Bus, options: RelayOptions) -> Self {
        let leadership = Leadership::new(store, "outbox", options.leadership.clone());
        Self {
            store: store.clone(),
            bus: bus.clone(),
            options,
            wakes: Wakes::of(store, "outbox"),
            leadership,
        }
    }

    /// Relays until `stop`. What is not published by then is published after the next start.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut repeat = self.options.repeat_at_start;
        let lead = self
            .leadership
            .lead(stop, |_term| self.relay(stop, std::mem::take(&mut repeat)));
        // Boxed: a task that runs this should not be as large as all that it may do.
        tokio::join!(Box::pin(lead), Box::pin(self.wakes.listen(stop)));
    }

    /// While this instance leads.
    async fn relay(&self, stop: &CancellationToken, mut repeat: bool) {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_CAP);
        let mut away = false;
        while !stop.is_cancelled() {
            let round = if repeat {
                self.unmark_published().await
            } else {
                self.round().await
            };
            match round {
                Ok(Round::Away(error)) => {
                    // Once, not at every try.
                    if !std::mem::replace(&mut away, true) {
                        tracing::warn!(dependency = "bus", %error, "events wait in the outbox");
                    }
                    pause(stop, backoff.failed()).await;
                }
                Ok(round) => {
                    repeat = false;
                    backoff.reset();
                    if std::mem::take(&mut away) {
                        tracing::info!(dependency = "bus", "events leave the outbox again");
                    }
                    if round == Round::Empty {
                        self.wakes.wait(stop, self.options.poll_every).await;
                    }
                }
                Err(error) => {
                    tracing::warn!(dependency = "store", %error, "cannot relay the outbox; trying again");
                    pause(stop, backoff.failed()).await;
                }
            }
        }
    }

    /// Publishes the next events in order, and marks them.
    async fn round(&self) -> Result<Round, StoreError> {
        let waiting = self.waiting().await?;
        if waiting.is_empty() {
            self.forget_published().await?;
            return Ok(Round::Empty);
        }
        let full = waiting.len() >= self.options.batch as usize;
        let mut published = Vec::with_capacity(waiting.len());
        let mut away = None;
        for outgoing in waiting {
            let id = outgoing.id;
            match self.publish(outgoing).await {
                Ok(()) => published.push(id),
                Err(error) if error.is_retryable() => {
                    away = Some((id, error));
                    break;
                }
                Err(error) => self.set_aside(id, &error).await?,
            }
        }
        self.mark(&published).await?;
        match away {
            Some((id, error)) => self.note_away(id, error).await,
            None if full => Ok(Round::Full),
            None => Ok(Round::Empty),
        }
    }

    async fn publish(&self, outgoing: Outgoing) -> Result<(), weir_bus::Error> {
        let stream = stream_named(&outgoing.stream).ok_or_else(|| unknown_stream(&outgoing.stream))?;
        let id = outgoing.id.to_string();
        self.bus
            .publish_durable(&stream, &id, outgoing.message(), self.options.publish_timeout)
            .await
    }

    async fn waiting(&self) -> Result<Vec<Outgoing>, StoreError> {
        sqlx::query_as(
            "select id, stream, subject, headers, payload from outbox
             where published_at is null and (refused_at is null or refused_at < now() - $2 * interval '1 second')
             order by seq limit $1",
        )
        .bind(i64::from(self.options.batch))
        .bind(REFUSED_AGAIN_AFTER_SECONDS)
        .fetch_all(self.store.pool())
        .await
        .map_err(|error| self.store.error(error))
    }

    async fn mark(&self, published: &[Uuid]) -> Result<(), StoreError> {
        let mark = "update outbox set published_at = now(), refused_at = null, error = null, attempts = attempts + 1
                    where id = any($1)";
        let marked = sqlx::query(mark).bind(published).execute(self.store.pool()).await;
        marked.map(|_| ()).map_err(|error| self.store.error(error))
    }

    async fn note_away(&self, id: Uuid, error: weir_bus::Error) -> Result<Round, StoreError> {
        let note = "update outbox set attempts = attempts + 1, error = $2 where id = $1";
        let noted = sqlx::query(note)
            .bind(id)
            .bind(error.to_string())
            .execute(self.store.pool())
            .await;
        noted
            .map(|_| Round::Away(error))
            .map_err(|error| self.store.error(error))
    }

    async fn set_aside(&self, id: Uuid, error: &weir_bus::Error) -> Result<(), StoreError> {
        tracing::error!(dependency = "bus", event.id = %id, %error, "the bus does not take an event; it is set aside");
        let aside = "update outbox set refused_at = now(), attempts = attempts + 1, error = $2 where id = $1";
        let aside = sqlx::query(aside)
            .bind(id)
            .bind(error.to_string())
            .execute(self.store.pool())
            .await;
        aside.map(|_| ()).map_err(|error| self.store.error(error))
    }

    async fn unmark_published(&self) -> Result<Round, StoreError> {
        let unmark = "update outbox set published_at = null where published_at is not null";
        let unmarked = sqlx::query(unmark).execute(self.store.pool()).await;
        unmarked.map(|_| Round::Full).map_err(|error| self.store.error(error))
    }

    async fn forget_published(&self) -> Result<(), StoreError> {
        let old = "delete from outbox where id in (
                       select id from outbox where published_at < now() - $1 * interval '1 second' limit 1000)";
        let forgotten = sqlx::query(old)
            .bind(self.options.keep_published.as_secs_f64())
            .execute(self.store.pool())
            .await;
        forgotten.map(|_| ()).map_err(|error| self.store.error(error))
    }
}

fn unknown_stream(name: &str) -> weir_bus::Error {
    weir_bus::Error::Invalid {
        what: "stream",
        value: name.to_owned(),
        reason: "this version of weir has no such stream",
    }
}
