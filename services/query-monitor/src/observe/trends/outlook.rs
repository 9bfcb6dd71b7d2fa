//! When disks and transaction ids run out, on the board for the rules.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use weir_store::{StoreError, pause};

use super::Trends;
use super::record::{is_fresh, key_of};
use crate::detect::trend::{Point, RunsOut, Unit, runs_out, sentence};
use crate::detect::{Metric, Reading, metric};
use crate::store;

/// The source of these readings.
const SOURCE: &str = "trend";
/// How long one round may take.
const WITHIN: Duration = Duration::from_secs(60);
/// Series that are forecast at most.
const SERIES_MAX: usize = 100;
/// How far back a series is looked at: what is older says little of tomorrow.
pub(crate) const HISTORY_MS: i64 = 60 * 86_400_000;
/// How finely it is read where it was recorded by minutes.
pub(crate) const PART_MS: i64 = 600_000;
/// As far as anybody looks ahead, and what is told where nothing runs out.
const HORIZON_DAYS: f64 = 400.0;

/// How much there is of something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Capacity {
    /// Always the same.
    Fixed(f64),
    /// As this metric says, which has the same labels.
    Of(Metric),
}

/// Something that runs out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exhaustible {
    /// How much of it is gone.
    pub used: Metric,
    /// How much of it there is.
    pub capacity: Capacity,
    /// Where the days that are left are told.
    pub tells: Metric,
    /// What it is counted in.
    pub unit: Unit,
    /// What becomes of it, in a word.
    pub end: &'static str,
}

/// Bytes that are in use on a disk; labels `upstream`, `disk`.
pub(crate) const DISK_USED_BYTES: Metric = Metric("host.disk_used_bytes");
/// Bytes that a disk has, whether in use or not; the same labels.
pub(crate) const DISK_TOTAL_BYTES: Metric = Metric("host.disk_total_bytes");

/// All that runs out.
pub(crate) const EXHAUSTIBLE: [Exhaustible; 2] = [
    Exhaustible {
        used: DISK_USED_BYTES,
        capacity: Capacity::Of(DISK_TOTAL_BYTES),
        tells: metric::DISK_FULL_DAYS,
        unit: Unit::Bytes,
        end: "full",
    },
    Exhaustible {
        used: metric::WRAPAROUND_RATIO,
        capacity: Capacity::Fixed(1.0),
        tells: metric::WRAPAROUND_DAYS,
        unit: Unit::Ratio,
        end: "used up",
    },
];

/// What a metric's running out means, if it can.
pub(crate) fn exhaustible(metric: &str) -> Option<&'static Exhaustible> {
    EXHAUSTIBLE.iter().find(|thing| thing.used.0 == metric)
}

/// Forecasts until told to stop.
pub(super) async fn run(trends: Trends, stop: &CancellationToken) {
    loop {
        let every = trends.settings().forecast_every;
        match stop.run_until_cancelled(timeout(WITHIN, round(&trends))).await {
            Some(Ok(Ok(readings))) => trends.board.put(SOURCE, readings, 3 * every),
            Some(Ok(Err(error))) => tracing::warn!(%error, "nothing was forecast"),
            Some(Err(_)) => tracing::warn!("nothing was forecast: the store takes too long"),
            None => return,
        }
        if !pause(stop, every).await {
            return;
        }
    }
}

/// Looks at each thing on the board that runs out.
pub(super) async fn round(trends: &Trends) -> Result<Vec<Reading>, StoreError> {
    let now = trends.clock.unix_ms();
    let sheets = trends.board.read();
    let fresh: Vec<&Reading> = sheets
        .values()
        .filter(|sheet| is_fresh(sheet, now))
        .flat_map(|sheet| &sheet.readings)
        .collect();
    let found = fresh.iter().filter_map(|reading| with_capacity(reading, &fresh));
    let mut told = Vec::new();
    for (thing, reading, capacity) in found.take(SERIES_MAX) {
        let points = history(trends, reading, now).await?;
        let outlook = looked_ahead(points, capacity).await;
        told.extend(told_of(thing, reading, &outlook));
    }
    Ok(told)
}

fn with_capacity<'a>(reading: &'a Reading, all: &[&Reading]) -> Option<(&'static Exhaustible, &'a Reading, f64)> {
    let thing = exhaustible(reading.metric.0)?;
    let capacity = match thing.capacity {
        Capacity::Fixed(capacity) => capacity,
        Capacity::Of(metric) => {
            let same = |other: &&&Reading| {
                other.metric == metric && other.project == reading.project && other.labels == reading.labels
            };
            all.iter().find(same)?.value
        }
    };
    (capacity.is_finite() && capacity > 0.0).then_some((thing, reading, capacity))
}

async fn history(trends: &Trends, reading: &Reading, now: i64) -> Result<Vec<Point>, StoreError> {
    let failed = |error| trends.store.error(error);
    let mut connection = trends.store.pool().acquire().await.map_err(failed)?;
    let found = store::find_series(&mut connection, &key_of(reading))
        .await
        .map_err(failed)?;
    let Some(series) = found else {
        return Ok(Vec::new());
    };
    store::read_series(&mut connection, series, now - HISTORY_MS, PART_MS)
        .await
        .map_err(failed)
}

/// The arithmetic takes milliseconds, beside what else the process does.
async fn looked_ahead(points: Vec<Point>, capacity: f64) -> Option<RunsOut> {
    tokio::task::spawn_blocking(move || runs_out(&points, capacity, HORIZON_DAYS))
        .await
        .ok()
}

/// The reading: the likely days, with the interval in its note. Where nothing runs out, as many days as anybody looks
/// ahead, so that an alert of before is resolved; where the data says nothing, no reading.
fn told_of(thing: &Exhaustible, reading: &Reading, outlook: &Option<RunsOut>) -> Option<Reading> {
    let outlook = outlook.as_ref()?;
    let days = match outlook {
        RunsOut::In { days, .. } => *days,
        RunsOut::NotWithin { .. } | RunsOut::NoTrend => HORIZON_DAYS,
        RunsOut::TooLittleData(_) => return None,
    };
    let mut told = Reading::new(thing.tells, reading.project.clone(), reading.labels.clone(), days);
    told.note = sentence(outlook, thing.end, thing.unit);
    Some(told)
}
