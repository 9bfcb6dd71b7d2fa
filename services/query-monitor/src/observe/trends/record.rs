//! Writes chosen figures of the board down, every minute. One monitor among several does.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use weir_store::{Leadership, LeadershipOptions, StoreError, Term, pause};

use super::Trends;
use crate::detect::{Reading, Sheet};
use crate::settings::MonitorSettings;
use crate::store::{self, SeriesKey};

/// How long the store may take for one round.
const WITHIN: Duration = Duration::from_secs(30);
const HOUR_MS: i64 = 3_600_000;
/// Portions that are deleted in one round; what is left waits for the next.
const FORGET_ROUNDS: usize = 20;

/// Records while this monitor is the one to do so.
pub(super) async fn run(trends: Trends, stop: &CancellationToken) {
    let leadership = Leadership::new(&trends.store, "series", LeadershipOptions::default());
    let work = |term| {
        let (trends, stop) = (trends.clone(), stop.clone());
        async move { serve(&trends, &term, &stop).await }
    };
    leadership.lead(stop, work).await;
    show(&trends, 0);
}

async fn serve(trends: &Trends, term: &Term, stop: &CancellationToken) {
    let mut book = Book::default();
    loop {
        let settings = trends.settings();
        match timeout(WITHIN, round(trends, term, &mut book, &settings)).await {
            Ok(Ok(())) => show(trends, book.known.len()),
            Ok(Err(StoreError::Superseded { .. })) => break,
            Ok(Err(error)) => tracing::warn!(%error, "figures were not recorded"),
            Err(_) => tracing::warn!("figures were not recorded: the store takes too long"),
        }
        if !pause(stop, until_next(trends.clock.unix_ms(), settings.record_every)).await {
            break;
        }
    }
    show(trends, 0);
}

fn show(trends: &Trends, series: usize) {
    trends.metrics.series.with([]).set(series as f64);
}

/// So that rounds fall on whole minutes, whoever does them.
fn until_next(now_unix_ms: i64, every: Duration) -> Duration {
    let every_ms = millis(every).max(1);
    Duration::from_millis((every_ms - now_unix_ms.rem_euclid(every_ms)).unsigned_abs())
}

pub(super) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The numbers of the series, and until when they are tidied up.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) known: HashMap<SeriesKey, i64>,
    tidied_hour: Option<i64>,
}

/// One round: what is on the board now is written, and once an hour what is old is summed up and forgotten.
pub(super) async fn round(
    trends: &Trends,
    term: &Term,
    book: &mut Book,
    settings: &MonitorSettings,
) -> Result<(), StoreError> {
    let now = trends.clock.unix_ms();
    let failed = |error| trends.store.error(error);
    let hour = now.div_euclid(HOUR_MS);
    if book.tidied_hour != Some(hour) {
        tidy(trends, term, settings, now).await?;
        let mut connection = trends.store.pool().acquire().await.map_err(failed)?;
        book.known = store::every_series(&mut connection)
            .await
            .map_err(failed)?
            .into_iter()
            .collect();
        book.tidied_hour = Some(hour);
    }
    let figures = chosen(
        trends.board.read().values().map(AsRef::as_ref),
        &settings.recorded.0,
        now,
    );
    let mut transaction = trends.store.pool().begin().await.map_err(failed)?;
    term.check(&mut transaction).await?;
    // Numbers that this transaction gave out are known once it is committed, and no sooner.
    let mut known = book.known.clone();
    let numbered = numbered(&mut transaction, &mut known, figures, settings.series_max)
        .await
        .map_err(failed)?;
    trends.metrics.series_refused.with([]).inc_by(numbered.refused);
    let at = now - now.rem_euclid(millis(settings.record_every).max(1));
    store::record(&mut transaction, at, &numbered.figures)
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    book.known = known;
    Ok(())
}

async fn tidy(trends: &Trends, term: &Term, settings: &MonitorSettings, now: i64) -> Result<(), StoreError> {
    let failed = |error| trends.store.error(error);
    let (minutes, hours) = (
        now - millis(settings.record_keep),
        now - millis(settings.record_keep_hours),
    );
    for _ in 0..FORGET_ROUNDS {
        let mut transaction = trends.store.pool().begin().await.map_err(failed)?;
        term.check(&mut transaction).await?;
        store::roll_up(&mut transaction, now).await.map_err(failed)?;
        let more = store::forget_series(&mut transaction, minutes, hours)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        if !more {
            break;
        }
    }
    Ok(())
}

/// The figures that are to be recorded: fresh, of a chosen metric, and not of a single statement.
pub(super) fn chosen<'a>(
    sheets: impl Iterator<Item = &'a Sheet>,
    recorded: &[String],
    now_unix_ms: i64,
) -> BTreeMap<SeriesKey, f64> {
    let wanted = |reading: &&Reading| {
        reading.fingerprint.is_none()
            && reading.value.is_finite()
            && recorded.iter().any(|name| name == reading.metric.0)
    };
    let fresh = sheets.filter(|sheet| is_fresh(sheet, now_unix_ms));
    let readings = fresh.flat_map(|sheet| sheet.readings.iter().filter(wanted));
    readings.map(|reading| (key_of(reading), reading.value)).collect()
}

pub(super) fn is_fresh(sheet: &Sheet, now_unix_ms: i64) -> bool {
    sheet.taken_unix_ms.saturating_add(millis(sheet.fresh_for)) >= now_unix_ms
}

pub(super) fn key_of(reading: &Reading) -> SeriesKey {
    let labels = reading.labels.iter().map(|(name, value)| (*name, value.as_str()));
    SeriesKey::new(reading.metric.0, reading.project.as_str(), labels)
}

#[derive(Default)]
struct Numbered {
    figures: BTreeMap<i64, f64>,
    refused: u64,
}

async fn numbered(
    connection: &mut PgConnection,
    known: &mut HashMap<SeriesKey, i64>,
    figures: BTreeMap<SeriesKey, f64>,
    series_max: usize,
) -> sqlx::Result<Numbered> {
    let mut numbered = Numbered::default();
    for (key, value) in figures {
        let number = match known.get(&key) {
            Some(number) => *number,
            None if known.len() >= series_max => {
                numbered.refused += 1;
                continue;
            }
            None => {
                let number = store::begin_series(connection, &key).await?;
                known.insert(key, number);
                number
            }
        };
        numbered.figures.insert(number, value);
    }
    Ok(numbered)
}
