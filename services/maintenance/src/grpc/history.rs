//! What was done, and how well it was foretold, as it is told.

use tonic::Status;
use uuid::Uuid;
use weir_proto::maintenance::v1 as api;
use weir_proto::page::Page;
use weir_proto::status::status;

use super::{parsed, project_of};
use crate::effects::{Effect, Effects};
use crate::error::Error;
use crate::store::{Calibration, PieceRow, Pieces};

/// A page of a project's pieces.
pub(super) async fn list(pieces: &Pieces, request: api::ListPiecesRequest) -> Result<api::ListPiecesResponse, Status> {
    let project = project_of(&request.project)?;
    let job_id = if request.job_id.is_empty() {
        None
    } else {
        Some(parsed(&request.job_id)?)
    };
    let page = Page::of(request.page.as_ref()).map_err(|error| status(&error))?;
    let before = page.after::<i64, Uuid>().map_err(|error| status(&error))?;
    let rows = pieces.list(project.as_str(), job_id, before, page.size).await;
    let rows = rows.map_err(|error| status(&Error::from(error)))?;
    let page = Some(page.answer(&rows, |row| (row.started_unix_ms, row.id)));
    Ok(api::ListPiecesResponse {
        pieces: rows.into_iter().map(piece).collect(),
        page,
    })
}

/// What a piece did to the statements of its table.
pub(super) async fn effect(
    pieces: &Pieces,
    effects: &Effects,
    request: api::GetEffectRequest,
) -> Result<api::GetEffectResponse, Status> {
    let project = project_of(&request.project)?;
    let found = pieces.get(project.as_str(), parsed(&request.piece_id)?).await;
    let row = found
        .map_err(Error::from)
        .and_then(|found| found.ok_or(Error::NoPiece(request.piece_id)))
        .map_err(|error| status(&error))?;
    let Effect {
        span_ms,
        statements,
        missing,
    } = effects.of(project.as_str(), &row).await;
    Ok(api::GetEffectResponse {
        piece: Some(piece(row)),
        span_ms,
        statements,
        missing,
    })
}

/// How well a project's work was foretold.
pub(super) async fn calibration(
    pieces: &Pieces,
    request: api::GetCalibrationRequest,
) -> Result<api::GetCalibrationResponse, Status> {
    let project = project_of(&request.project)?;
    let kinds = pieces.calibration(project.as_str()).await;
    let kinds = kinds.map_err(|error| status(&Error::from(error)))?;
    Ok(api::GetCalibrationResponse {
        kinds: kinds.into_iter().map(calibration_of).collect(),
    })
}

fn piece(row: PieceRow) -> api::Piece {
    api::Piece {
        id: row.id.to_string(),
        job_id: row.job_id.to_string(),
        kind: row.kind,
        database: row.database,
        table: row.relation,
        index: row.index_name,
        outcome: row.outcome,
        reason: row.reason,
        started_unix_ms: row.started_unix_ms,
        ended_unix_ms: row.ended_unix_ms.unwrap_or_default(),
        expected: Some(api::Expectation {
            reclaim_low_bytes: count(row.reclaim_low),
            reclaim_likely_bytes: count(row.reclaim_likely),
            reclaim_high_bytes: count(row.reclaim_high),
            cost_bytes: count(row.cost_bytes),
            takes_ms: count(row.predicted_ms),
            ..api::Expectation::default()
        }),
        bytes_before: row.bytes_before.map(count),
        bytes_after: row.bytes_after.map(count),
        p95_before_ms: row.p95_before_ms,
        p95_during_ms: row.p95_during_ms,
    }
}

fn calibration_of(kind: Calibration) -> api::Calibration {
    api::Calibration {
        kind: kind.kind,
        pieces: count(kind.pieces),
        within: count(kind.within),
        expected_bytes: count(kind.expected_bytes),
        reclaimed_bytes: kind.reclaimed_bytes,
        time_ratio: kind.time_ratio.unwrap_or_default(),
    }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
