//! Facts that are told because they were committed: the event's row is written in the transaction of the fact itself.
//!
//! A fact that was rolled back is never told, and a committed one is told at least once: [`Relay`](crate::Relay)
//! publishes it under its id, by which the stream recognises a repetition.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::PgConnection;
use sqlx::types::Json;
use weir_bus::StreamSpec;
use weir_events::Event;
use weir_events::catalogue::{self, StreamKind};

use crate::{Store, StoreError};

/// How much is still to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxDepth {
    /// Messages that wait for the bus.
    pub waiting: u64,
    /// For how long the oldest of them has waited.
    pub oldest: Duration,
    /// Messages that the bus will never take, kept for a person to look at.
    pub refused: u64,
}

/// Writes a durable event in the caller's transaction. It is told after, and only if, that one commits.
///
/// Of two events on one subject the one enqueued by the earlier transaction is told first. Where that matters, change
/// the row that they speak of before enqueueing: its lock then keeps the order of commits and the order here the same.
pub async fn enqueue(
    transaction: &mut PgConnection,
    event: &Event,
    traceparent: Option<&str>,
) -> Result<(), sqlx::Error> {
    let stream = event.kind.stream.ok_or_else(|| lossy(event))?;
    let trace = traceparent.map(|value| ("traceparent", value.to_owned()));
    let headers: BTreeMap<&str, String> = event.headers().into_iter().chain(trace).collect();
    sqlx::query("insert into outbox (id, stream, subject, headers, payload) values ($1, $2, $3, $4, $5)")
        .bind(event.id)
        .bind(stream.name)
        .bind(event.subject.to_string())
        .bind(Json(headers))
        .bind(event.payload.as_ref())
        .execute(transaction)
        .await
        .map(|_| ())
}

fn lossy(event: &Event) -> sqlx::Error {
    sqlx::Error::InvalidArgument(format!(
        "{} may be lost and is told at once, not through the outbox",
        event.kind.suffix
    ))
}

/// How much is still to be told, for a metric.
pub async fn depth(store: &Store) -> Result<OutboxDepth, StoreError> {
    let (waiting, oldest_ms, refused): (i64, i64, i64) = sqlx::query_as(
        "select count(*) filter (where refused_at is null),
                coalesce(extract(epoch from now() - min(created_at) filter (where refused_at is null)) * 1000, 0)::bigint,
                count(refused_at)
         from outbox where published_at is null",
    )
    .fetch_one(store.pool())
    .await
    .map_err(|error| store.error(error))?;
    let unsigned = |value: i64| u64::try_from(value).unwrap_or_default();
    Ok(OutboxDepth {
        waiting: unsigned(waiting),
        oldest: Duration::from_millis(unsigned(oldest_ms)),
        refused: unsigned(refused),
    })
}

/// What the bus has to know of a stream of the catalogue, for those who consume from it.
pub fn stream_spec(stream: &StreamKind) -> StreamSpec {
    StreamSpec {
        name: stream.name.to_owned(),
        subjects: stream.subjects.iter().map(|&subject| subject.to_owned()).collect(),
        max_age: stream.max_age,
        duplicate_window: stream.duplicate_window,
    }
}

pub(crate) fn stream_named(name: &str) -> Option<StreamSpec> {
    let kept = catalogue::ALL.iter().filter_map(|kind| kind.stream);
    kept.into_iter().find(|stream| stream.name == name).map(stream_spec)
}
