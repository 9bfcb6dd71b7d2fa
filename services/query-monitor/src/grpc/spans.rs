//! How statements fared over time: timelines and heat-maps. Translates, decides nothing.

use tonic::{Request, Response, Status};
use weir_model::{Fingerprint, Project};
use weir_proto::monitor::v1 as api;
use weir_proto::status::status;

use super::queries::{fingerprint_of, line_of};
use super::{Answer, Desk, project_of, text_of};
use crate::aggregate::{BOUNDS_US, Cell, Key, Level, Shape, WHOLE, heat_rows};
use crate::error::Error;

/// Columns of a heat-map if nobody says.
const COLUMNS: u32 = 120;
/// A stretch begins and ends within columns, and no screen shows more than the most.
const COLUMNS_BOUNDS: std::ops::RangeInclusive<u32> = 3..=1_000;

/// Whose figures are asked for.
struct Line {
    project: Project,
    database: String,
    fingerprint: Fingerprint,
}

impl Line {
    fn of(project: &str, fingerprint: &str, database: String) -> Result<Self, Status> {
        let named = fingerprint;
        let fingerprint = fingerprint_of(named).map_err(|error| status(&error))?;
        if fingerprint == WHOLE && !named.is_empty() {
            let (what, name) = ("shape", named.to_owned());
            return Err(status(&Error::NotFound { what, name }));
        }
        let database = text_of("database", database)?;
        Ok(Self {
            project: project_of(project)?,
            // Everything together is counted without a database.
            database: if fingerprint == WHOLE { String::new() } else { database },
            fingerprint,
        })
    }
}

impl Desk {
    pub(super) async fn timeline(&self, request: Request<api::GetTimelineRequest>) -> Answer<api::GetTimelineResponse> {
        let request = request.into_inner();
        let line = Line::of(&request.project, &request.fingerprint, request.database)?;
        let points = columns("points", request.points)?;
        let period = self
            .keeper
            .timeline_period(request.since_unix_ms, request.until_unix_ms);
        let asked = (line.database.as_str(), line.fingerprint);
        let spans = match points {
            None => self.keeper.spans(&line.project, asked, period, Level::Days).await,
            Some(most) => {
                let columns = self.keeper.columns(period, most);
                self.keeper.in_columns(&line.project, asked, period, columns).await
            }
        };
        let key = Key {
            project: line.project,
            database: line.database,
            fingerprint: line.fingerprint,
        };
        let span = |(from, (width, cell)): (i64, (i64, Cell))| api::TimelineSpan {
            from_unix_ms: from,
            to_unix_ms: from + width,
            statistics: Some(line_of(&key, &cell, &Shape::default())),
        };
        Ok(Response::new(api::GetTimelineResponse {
            spans: spans.found.into_iter().map(span).collect(),
            missing: spans.missing,
        }))
    }

    pub(super) async fn heatmap(&self, request: Request<api::GetHeatmapRequest>) -> Answer<api::GetHeatmapResponse> {
        let request = request.into_inner();
        let line = Line::of(&request.project, &request.fingerprint, request.database)?;
        let most = columns("columns", request.columns)?.unwrap_or(COLUMNS);
        let period = self
            .keeper
            .timeline_period(request.since_unix_ms, request.until_unix_ms);
        let columns = self.keeper.columns(period, most);
        let asked = (line.database.as_str(), line.fingerprint);
        let spans = self.keeper.in_columns(&line.project, asked, period, columns).await;
        let span = |(from, (width, cell)): (i64, (i64, Cell))| api::HeatmapSpan {
            from_unix_ms: from,
            to_unix_ms: from + width,
            counts: heat_rows(&cell.latency.total),
        };
        Ok(Response::new(api::GetHeatmapResponse {
            bounds_ms: BOUNDS_US.iter().map(|bound| *bound as f64 / 1e3).collect(),
            spans: spans.found.into_iter().map(span).collect(),
            missing: spans.missing,
        }))
    }
}

fn columns(field: &'static str, wanted: u32) -> Result<Option<u32>, Status> {
    match wanted {
        0 => Ok(None),
        wanted if COLUMNS_BOUNDS.contains(&wanted) => Ok(Some(wanted)),
        _ => {
            let reason = "3 to 1000 are made".to_owned();
            Err(status(&Error::Field { field, reason }))
        }
    }
}
