//! Writes down what changed and how each minute was. What cannot be written now waits, within a bound.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Change, MINUTE_MS, lock};
use crate::http::Console;
use crate::store::health::{self as rows, SampleRow};

const WRITE_EVERY: Duration = Duration::from_secs(5);
const FIRST_LOOK_WITHIN: Duration = Duration::from_secs(10);
const WRITE_WITHIN: Duration = Duration::from_secs(5);
const FORGET_EVERY_MS: i64 = 600_000;
const KEEP_MS: i64 = 7 * 24 * 3_600_000;
/// Whoever watched so lately knows since when things are as they are.
const WATCHED_MS: i64 = 5 * MINUTE_MS;

pub(super) async fn keep(console: &Console, stop: &CancellationToken) {
    if !console.tables.are_there(stop).await {
        return;
    }
    // The first look may be under way still.
    console.health.known(FIRST_LOOK_WITHIN).await;
    remember(console).await;
    let (mut forgotten_unix_ms, mut written_unix_ms) = (0, 0);
    while !stop.is_cancelled() {
        written_unix_ms = write(console, written_unix_ms).await;
        let now = console.clock.unix_ms();
        if now - forgotten_unix_ms > FORGET_EVERY_MS {
            forgotten_unix_ms = now;
            forget(console, now - KEEP_MS).await;
        }
        let woken = timeout(WRITE_EVERY, console.health.0.changed.notified());
        let _ = stop.run_until_cancelled(woken).await;
    }
    write(console, written_unix_ms).await;
}

/// Whoever was here before this process has seen when it began.
async fn remember(console: &Console) {
    let pool = console.tables.store().pool();
    let watched = console.clock.unix_ms() - WATCHED_MS;
    let Ok(Ok(last)) = timeout(WRITE_WITHIN, rows::last_changes(pool, watched)).await else {
        return;
    };
    console.health.0.picture.send_modify(|picture| {
        let mut known = (**picture).clone();
        for row in &last {
            known.remember(&row.kind, &row.part, &row.state, row.at_unix_ms);
        }
        *picture = known.into();
    });
}

/// Writes what is not written yet, and says up to which minute that is. A failed attempt is made again with the next.
async fn write(console: &Console, written_unix_ms: i64) -> i64 {
    let health = &console.health.0;
    let changes: Vec<Change> = lock(&health.waiting).iter().cloned().collect();
    let minutes = unwritten_minutes(console, written_unix_ms);
    if changes.is_empty() && minutes.is_empty() {
        return written_unix_ms;
    }
    let last = minutes.last().map_or(written_unix_ms, |last| last.minute_unix_ms);
    match timeout(
        WRITE_WITHIN,
        rows::keep(console.tables.store().pool(), &changes, &minutes),
    )
    .await
    {
        Ok(Ok(())) => {
            // Others may have joined or given way meanwhile.
            lock(&health.waiting).retain(|change| !changes.contains(change));
            lock(&health.minutes).retain(|minute, _| *minute >= last);
            last
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "health cannot be written down now");
            written_unix_ms
        }
        Err(_) => {
            tracing::debug!("health cannot be written down now: the store does not answer");
            written_unix_ms
        }
    }
}

fn unwritten_minutes(console: &Console, written_unix_ms: i64) -> Vec<SampleRow> {
    let minutes = lock(&console.health.0.minutes);
    minutes
        .range(written_unix_ms + 1..)
        .map(|(_, sample)| sample.clone())
        .collect()
}

async fn forget(console: &Console, before_unix_ms: i64) {
    let forgotten = timeout(
        WRITE_WITHIN,
        rows::forget(console.tables.store().pool(), before_unix_ms),
    )
    .await;
    if !matches!(forgotten, Ok(Ok(()))) {
        tracing::debug!("old rows of health are not forgotten now");
    }
}
