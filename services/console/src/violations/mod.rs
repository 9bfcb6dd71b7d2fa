//! Broken rules, from the durable stream into rows.
//!
//! Several consoles share one consumer, so that each event is written by one of them. An event is acknowledged when
//! its row is committed and not before; one that comes again changes nothing. While the store is away the events wait
//! where they are.

mod told;

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, Consumer, ConsumerOptions, Delivery};
use weir_events::catalogue::SECURITY;
use weir_events::gateway;
use weir_runtime::{Ground, Stage, StartError};
use weir_store::{Backoff, outbox, pause};

use crate::http::Console;
use crate::store::violations as rows;
pub(crate) use told::Violation;

/// The name under which all consoles read the stream.
const CONSUMER: &str = "console";
/// Events that are written together at most.
const BATCH_MAX: usize = 128;
/// How long an event waits for others to be written with.
const BATCH_WITHIN: Duration = Duration::from_millis(5);
/// How long the store may take to write.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// Well below the consumer's `ack_wait`, so that what waits for the store is not given to another.
const RETRY_CAP: Duration = Duration::from_secs(5);
const FORGET_EVERY: Duration = Duration::from_secs(600);
const FORGET_WITHIN: Duration = Duration::from_secs(60);

/// Writes from now on, as soon as the tables are there, and forgets what is too old or too much.
pub(crate) fn start(ground: &Ground, bus: &Bus, console: &Console) -> Result<(), StartError> {
    let every = gateway::every_security_violation();
    let options = ConsumerOptions::default();
    let consumer = bus.consumer(&outbox::stream_spec(&SECURITY), CONSUMER, &[every.as_str()], options)?;
    let writing = console.clone();
    ground.tasks.spawn(Stage::Work, "violations", |stop| async move {
        if writing.tables.are_there(&stop).await {
            follow(&writing, consumer, &stop).await;
        }
        Ok(())
    });
    let forgetting = console.clone();
    ground.tasks.spawn(Stage::Work, "old violations", |stop| async move {
        if forgetting.tables.are_there(&stop).await {
            stop.run_until_cancelled(forget(&forgetting)).await;
        }
        Ok(())
    });
    Ok(())
}

async fn follow(console: &Console, mut consumer: Consumer, stop: &CancellationToken) {
    while let Some(first) = consumer.next(stop).await {
        let mut deliveries = vec![first];
        while deliveries.len() < BATCH_MAX {
            match timeout(BATCH_WITHIN, consumer.next(stop)).await {
                Ok(Some(delivery)) => deliveries.push(delivery),
                _ => break,
            }
        }
        let (deliveries, told) = legible(console, deliveries).await;
        if let Err(error) = take_in(console, &deliveries, &told, stop).await {
            tracing::debug!(dependency = "bus", %error, "what was written was not acknowledged; it will come again");
        }
    }
}

/// Those that can be read, and what they say. The others never can be.
async fn legible(console: &Console, deliveries: Vec<Delivery>) -> (Vec<Delivery>, Vec<Violation>) {
    let (mut legible, mut said) = (Vec::new(), Vec::new());
    for delivery in deliveries {
        match told::told(&delivery.message, console.clock.unix_ms()) {
            Ok(told) => {
                legible.push(delivery);
                said.push(told);
            }
            Err(error) => {
                tracing::warn!(subject = delivery.message.subject, %error, "an event of a broken rule cannot be read");
                console.metrics.violations.with(["unreadable"]).inc();
                // One that is not heard comes again.
                let _ = delivery.reject().await;
            }
        }
    }
    (legible, said)
}

/// Writes events however long it takes, and acknowledges them.
async fn take_in(
    console: &Console,
    deliveries: &[Delivery],
    told: &[Violation],
    stop: &CancellationToken,
) -> Result<(), weir_bus::Error> {
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_CAP);
    let store = console.tables.store();
    let kept = loop {
        let written = timeout(WRITE_WITHIN, rows::keep(store.pool(), told)).await;
        match written.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(kept) => break kept,
            Err(error) => {
                tracing::warn!(error = %store.error(error), "broken rules wait for the store");
            }
        }
        for delivery in deliveries {
            delivery.in_progress().await?;
        }
        if !pause(stop, backoff.failed()).await {
            for delivery in deliveries {
                delivery.retry_after(Duration::ZERO).await?;
            }
            return Ok(());
        }
    };
    let acknowledged = acknowledge(deliveries).await;
    // What is counted does not come again, unless the bus was away: it would be kept anew where it was forgotten meanwhile.
    console.metrics.violations.with(["kept"]).inc_by(kept);
    let repeated = (told.len() as u64).saturating_sub(kept);
    console.metrics.violations.with(["repeated"]).inc_by(repeated);
    acknowledged
}

async fn acknowledge(deliveries: &[Delivery]) -> Result<(), weir_bus::Error> {
    for delivery in deliveries {
        delivery.ack().await?;
    }
    Ok(())
}

async fn forget(console: &Console) {
    let keep_ms = i64::try_from(console.settings().violations_keep.as_millis()).unwrap_or(i64::MAX);
    let most = i64::from(console.settings().violations_max);
    loop {
        let before = console.clock.unix_ms().saturating_sub(keep_ms);
        let forgotten = timeout(FORGET_WITHIN, rows::forget(console.tables.store().pool(), before, most)).await;
        if let Err(error) = forgotten.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            tracing::warn!(%error, "old violations are not forgotten now");
        }
        tokio::time::sleep(FORGET_EVERY).await;
    }
}
