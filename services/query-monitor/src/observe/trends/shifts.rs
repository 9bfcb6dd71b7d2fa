//! Searches the latencies of the heaviest shapes for changes of level. One monitor among several does.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_footing::Tables;
use weir_model::{Fingerprint, Project};
use weir_runtime::{Ground, Stage};
use weir_store::{Leadership, LeadershipOptions, StoreError, Term, pause};

use super::Trends;
use super::record::millis;
use crate::detect::trend::{Change, ChangeOptions, Point, changes, median};
use crate::store::{self, ChangeRow};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// How far back a round looks.
const LOOK_BACK_MS: i64 = 6 * HOUR_MS;
/// Calls that a point stands for at least; minutes with fewer are taken together.
const CALLS_MIN: u64 = 5;
/// A change that was found before is found again about here.
const SAME_WITHIN_MS: i64 = 10 * MINUTE_MS;
/// Days before, at whose same time the same change is looked for: what happens every day is none.
const DAYS_BEFORE: i64 = 7;
/// So many of those days must have been like it.
const DAYS_ALIKE: usize = 2;
/// How far apart levels may lie that are alike.
const ALIKE_WITHIN: f64 = 1.15;
/// How long one round may take.
const WITHIN: Duration = Duration::from_secs(240);

/// One shape of statement, where it runs and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    pub project: Project,
    pub database: String,
    pub fingerprint: Fingerprint,
}

/// How a shape did for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ShapePoint {
    /// When the while began, in milliseconds since 1970.
    pub at_unix_ms: i64,
    /// Calls that ended.
    pub calls: u64,
    /// Milliseconds of a call: the same figure in every point, a mean or a percentile.
    pub ms: f64,
}

/// Where the latencies of shapes are kept.
pub(crate) trait Shapes: Send + Sync + 'static {
    /// The shapes that took most time of late, the heaviest first.
    fn heaviest(&self, count: usize) -> impl Future<Output = Result<Vec<Shape>, StoreError>> + Send;

    /// One shape between two moments, by minutes, in the order of time; whiles without calls may be left out.
    fn latencies(
        &self,
        shape: &Shape,
        from_unix_ms: i64,
        to_unix_ms: i64,
    ) -> impl Future<Output = Result<Vec<ShapePoint>, StoreError>> + Send;
}

/// Starts the search.
pub(crate) fn start_changes(ground: &Ground, tables: &Tables, trends: Trends, shapes: impl Shapes) {
    let tables = tables.clone();
    ground
        .tasks
        .spawn(Stage::Work, "search for changes", |stop| async move {
            if tables.are_there(&stop).await {
                run(trends, shapes, &stop).await;
            }
            Ok(())
        });
}

async fn run(trends: Trends, shapes: impl Shapes, stop: &CancellationToken) {
    let leadership = Leadership::new(&trends.store, "changes", LeadershipOptions::default());
    let (trends, shapes) = (&trends, &shapes);
    leadership.lead(stop, |term| serve(trends, shapes, term, stop)).await;
}

async fn serve(trends: &Trends, shapes: &impl Shapes, term: Term, stop: &CancellationToken) {
    loop {
        let round = timeout(WITHIN, round(trends, shapes, &term));
        match stop.run_until_cancelled(round).await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(StoreError::Superseded { .. }))) | None => return,
            Some(Ok(Err(error))) => tracing::warn!(%error, "changes were not searched for"),
            Some(Err(_)) => tracing::warn!("the search for changes takes too long; monitor.changes_shapes bounds it"),
        }
        if !pause(stop, trends.settings().changes_every).await {
            return;
        }
    }
}

/// Searches each of the heaviest shapes once, and forgets what is old.
pub(super) async fn round(trends: &Trends, shapes: &impl Shapes, term: &Term) -> Result<(), StoreError> {
    let settings = trends.settings();
    let now = trends.clock.unix_ms();
    for shape in shapes.heaviest(settings.changes_shapes).await? {
        let found = search(shapes, &shape, now).await?;
        if !found.is_empty() {
            note(trends, term, &shape, &found, now).await?;
        }
    }
    let failed = |error| trends.store.error(error);
    let mut transaction = trends.store.pool().begin().await.map_err(failed)?;
    term.check(&mut transaction).await?;
    let before = now - millis(settings.record_keep_hours);
    store::forget_changes(&mut transaction, before).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

async fn search(shapes: &impl Shapes, shape: &Shape, now: i64) -> Result<Vec<Change>, StoreError> {
    let points = gathered(&shapes.latencies(shape, now - LOOK_BACK_MS, now).await?);
    let search = move || changes(&points, ChangeOptions::default());
    let found = tokio::task::spawn_blocking(search).await.unwrap_or_default();
    let mut told = Vec::new();
    for change in found {
        if !is_usual(shapes, shape, &change).await? {
            told.push(change);
        }
    }
    Ok(told)
}

/// Points that stand for enough calls to compare: the mean of those taken together, weighted by their calls.
pub(super) fn gathered(points: &[ShapePoint]) -> Vec<Point> {
    let (mut gathered, mut calls, mut total_ms) = (Vec::new(), 0, 0.0);
    for point in points.iter().filter(|point| point.calls > 0) {
        calls += point.calls;
        total_ms += point.ms * point.calls as f64;
        if calls >= CALLS_MIN {
            gathered.push(Point::new(point.at_unix_ms, total_ms / calls as f64));
            (calls, total_ms) = (0, 0.0);
        }
    }
    gathered
}

/// Whether the same happens at this time of day on other days.
async fn is_usual(shapes: &impl Shapes, shape: &Shape, change: &Change) -> Result<bool, StoreError> {
    let mut alike = 0;
    for days in 1..=DAYS_BEFORE {
        let at = change.at_unix_ms - days * DAY_MS;
        let points = gathered(&shapes.latencies(shape, at - HOUR_MS, at + HOUR_MS).await?);
        alike += usize::from(is_like(change, at, &points));
        if alike >= DAYS_ALIKE {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_like(change: &Change, at_unix_ms: i64, points: &[Point]) -> bool {
    let (before, after) = points.split_at(points.partition_point(|point| point.at_unix_ms < at_unix_ms));
    let level = |points: &[Point]| median(&points.iter().map(|point| point.value).collect::<Vec<_>>());
    let alike = |level: f64, other: f64| (level / other).ln().abs() <= ALIKE_WITHIN.ln();
    alike(level(before), change.before) && alike(level(after), change.after)
}

async fn note(trends: &Trends, term: &Term, shape: &Shape, found: &[Change], now: i64) -> Result<(), StoreError> {
    let failed = |error| trends.store.error(error);
    let mut transaction = trends.store.pool().begin().await.map_err(failed)?;
    term.check(&mut transaction).await?;
    let mut news = Vec::new();
    for change in found {
        let row = row_of(shape, change, now);
        if store::note_change(&mut transaction, &row, SAME_WITHIN_MS)
            .await
            .map_err(failed)?
        {
            news.push(if change.factor > 1.0 { "slower" } else { "faster" });
        }
    }
    transaction.commit().await.map_err(failed)?;
    for direction in news {
        trends.metrics.changes_found.with([direction]).inc();
    }
    Ok(())
}

fn row_of(shape: &Shape, change: &Change, now: i64) -> ChangeRow {
    ChangeRow {
        id: Uuid::now_v7(),
        project: shape.project.as_str().to_owned(),
        database: shape.database.clone(),
        fingerprint: shape.fingerprint.get().cast_signed(),
        at_unix_ms: change.at_unix_ms,
        before_ms: change.before,
        after_ms: change.after,
        found_unix_ms: now,
    }
}
