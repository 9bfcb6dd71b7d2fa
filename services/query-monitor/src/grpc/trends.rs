//! Forecasts and changes as they are asked for. Translates, decides nothing.

use sqlx::PgConnection;
use tonic::Response;
use uuid::Uuid;
use weir_model::{Clock, Fingerprint};
use weir_proto::monitor::v1 as api;
use weir_proto::page::Page;
use weir_proto::status::status;
use weir_store::Store;

use super::{Answer, project_of};
use crate::detect::trend::{Forecast, Point, RunsOut, TooLittleData, forecast as look_ahead, runs_out, sentence};
use crate::error::Error;
use crate::observe::trends::{Capacity, HISTORY_MS, PART_MS, exhaustible};
use crate::store::{self, ChangeRow, SeriesKey};

const DAY_MS: i64 = 86_400_000;
/// Days ahead where nobody says how many, and at most.
const DAYS_DEFAULT: u32 = 30;
const DAYS_MAX: u32 = 400;
/// Points that are answered at most; of more, some are left out.
const POINTS_MAX: usize = 500;

/// What is expected of a recorded figure.
pub(super) async fn forecast(
    store: &Store,
    clock: &Clock,
    request: api::GetForecastRequest,
) -> Answer<api::GetForecastResponse> {
    let (key, days) = asked(&request).map_err(|error| error_status(&error))?;
    let project = project_of(&request.project)?;
    let key = SeriesKey {
        project: project.as_str().to_owned(),
        ..key
    };
    let recorded = recorded(store, &key, clock.unix_ms())
        .await
        .map_err(|error| error_status(&error))?;
    let answer = tokio::task::spawn_blocking(move || answer(&recorded, &key.metric, days));
    let unfinished = |_| Error::Store("the forecast was not finished".to_owned());
    Ok(Response::new(
        answer.await.map_err(unfinished).map_err(|error| error_status(&error))?,
    ))
}

fn error_status(error: &Error) -> tonic::Status {
    status(error)
}

fn asked(request: &api::GetForecastRequest) -> Result<(SeriesKey, u32), Error> {
    let field = |field, reason: &str| {
        Err(Error::Field {
            field,
            reason: reason.to_owned(),
        })
    };
    if request.metric.is_empty() {
        return field("metric", "it is empty");
    }
    let days = if request.horizon_days == 0 {
        DAYS_DEFAULT
    } else {
        request.horizon_days
    };
    if days > DAYS_MAX {
        return field("horizon_days", "nobody sees further than 400 days");
    }
    let mut labels: Vec<_> = request
        .labels
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    labels.sort_unstable();
    Ok((SeriesKey::new(&request.metric, "", labels.into_iter()), days))
}

/// A series, and how much there is of what it counts, if that is known.
struct Recorded {
    points: Vec<Point>,
    capacity: Option<f64>,
}

async fn recorded(store: &Store, key: &SeriesKey, now: i64) -> Result<Recorded, Error> {
    let failed = |error| Error::Store(store.error(error).to_string());
    let mut connection = store.pool().acquire().await.map_err(failed)?;
    let series = store::find_series(&mut connection, key).await.map_err(failed)?;
    let series = series.ok_or_else(|| Error::Field {
        field: "metric",
        reason: "no such figure is recorded for this project with these labels (monitor.recorded)".to_owned(),
    })?;
    let points = store::read_series(&mut connection, series, now - HISTORY_MS, PART_MS)
        .await
        .map_err(failed)?;
    let capacity = capacity(&mut connection, key, now).await.map_err(failed)?;
    Ok(Recorded { points, capacity })
}

async fn capacity(connection: &mut PgConnection, key: &SeriesKey, now: i64) -> sqlx::Result<Option<f64>> {
    let of = match exhaustible(&key.metric).map(|thing| thing.capacity) {
        None => return Ok(None),
        Some(Capacity::Fixed(capacity)) => return Ok(Some(capacity)),
        Some(Capacity::Of(metric)) => SeriesKey {
            metric: metric.0.to_owned(),
            ..key.clone()
        },
    };
    match store::find_series(connection, &of).await? {
        Some(series) => store::last_of_series(connection, series, now - DAY_MS).await,
        None => Ok(None),
    }
}

fn answer(recorded: &Recorded, metric: &str, days: u32) -> api::GetForecastResponse {
    let mut answer = match look_ahead(&recorded.points, i64::from(days) * DAY_MS) {
        Ok(seen) => answer_of(&seen),
        Err(reason) => too_little(reason),
    };
    answer.runs_out = exhaustible(metric).zip(recorded.capacity).map(|(thing, capacity)| {
        let outlook = runs_out(&recorded.points, capacity, f64::from(days));
        runs_out_of(&outlook, sentence(&outlook, thing.end, thing.unit))
    });
    answer
}

fn too_little(reason: TooLittleData) -> api::GetForecastResponse {
    api::GetForecastResponse {
        reason: reason.to_string(),
        ..api::GetForecastResponse::default()
    }
}

fn answer_of(seen: &Forecast) -> api::GetForecastResponse {
    let steps = seen.likely.iter().zip(seen.low.iter().zip(&seen.high)).zip(1..);
    let points = steps.map(|((likely, (low, high)), step)| api::ForecastPoint {
        at_unix_ms: seen.from_unix_ms + seen.step_ms * (step - 1),
        likely: *likely,
        low: *low,
        high: *high,
    });
    api::GetForecastResponse {
        reason: String::new(),
        watched_days: seen.watched_ms as f64 / DAY_MS as f64,
        level: seen.level,
        per_day: seen.per_day,
        trend_told: seen.told,
        seasons_hours: seen
            .seasons_hours
            .iter()
            .filter_map(|hours| u32::try_from(*hours).ok())
            .collect(),
        points: points.step_by(seen.likely.len().div_ceil(POINTS_MAX).max(1)).collect(),
        runs_out: None,
    }
}

fn runs_out_of(outlook: &RunsOut, note: String) -> api::RunsOut {
    match outlook {
        RunsOut::In { days, low, high, .. } => api::RunsOut {
            note,
            expected: true,
            days: *days,
            low_days: *low,
            high_days: high.unwrap_or_default(),
        },
        RunsOut::NotWithin { .. } | RunsOut::NoTrend | RunsOut::TooLittleData(_) => api::RunsOut {
            note,
            ..api::RunsOut::default()
        },
    }
}

/// The changes of a project.
pub(super) async fn changes(store: &Store, request: api::ListChangesRequest) -> Answer<api::ListChangesResponse> {
    let project = project_of(&request.project)?;
    let page = Page::of(request.page.as_ref()).map_err(|error| status(&error))?;
    let after = page.after::<i64, Uuid>().map_err(|error| status(&error))?;
    let failed = |error| status(&Error::Store(store.error(error).to_string()));
    let mut connection = store.pool().acquire().await.map_err(failed)?;
    let rows = store::list_changes(
        &mut connection,
        project.as_str(),
        request.since_unix_ms,
        after,
        page.size,
    );
    let rows = rows.await.map_err(failed)?;
    let page = Some(page.answer(&rows, |row| (row.at_unix_ms, row.id)));
    Ok(Response::new(api::ListChangesResponse {
        changes: rows.into_iter().map(change_of).collect(),
        page,
    }))
}

fn change_of(row: ChangeRow) -> api::QueryChange {
    api::QueryChange {
        id: row.id.to_string(),
        fingerprint: Fingerprint::new(row.fingerprint.cast_unsigned()).to_string(),
        database: row.database,
        at_unix_ms: row.at_unix_ms,
        before_ms: row.before_ms,
        after_ms: row.after_ms,
        factor: row.after_ms / row.before_ms,
        found_unix_ms: row.found_unix_ms,
    }
}
