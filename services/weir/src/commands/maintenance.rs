//! `weir maintenance`: what would be done and why, what was done, and how well it was foretold.

mod effect;
mod wraparound;

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};
use tonic::transport::Channel;
use weir_config::Sources;
use weir_model::size_in_words;
use weir_proto::common::v1::PageRequest;
use weir_proto::maintenance::v1 as api;
use weir_proto::maintenance::v1::maintenance_service_client::MaintenanceServiceClient;

use crate::connect::{Services, refusal};
use crate::terminal::{Failure, Listing, moment, say_json, shortened};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    /// The project. Without it: default.
    #[arg(long, default_value = "", global = true)]
    project: String,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the plan of an operation without carrying it out.
    Plan {
        /// The operation: auto for all kinds of work, or one of them.
        #[arg(default_value = "auto")]
        operation: String,
        /// Only this table, as schema.name, with * for any characters.
        #[arg(long, default_value = "")]
        table: String,
        /// Only this index.
        #[arg(long, default_value = "")]
        index: String,
        /// Print what is left, too.
        #[arg(long)]
        all: bool,
    },
    /// List what was done, the latest first.
    History {
        /// Only the pieces of this job.
        #[arg(long, default_value = "")]
        job: String,
        /// How many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Show what a piece of work did to the statements of its table: what they took before and after.
    Effect {
        /// The piece, as `history` shows it.
        piece: String,
    },
    /// Show how well work was foretold, kind by kind.
    Calibration,
    /// Show how old the oldest rows are, when that matters, and what would be frozen.
    Wraparound(wraparound::Arguments),
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let mut maintenance = Services(&sources).maintenance().await?;
    let Arguments { action, project, json } = arguments;
    match action {
        Action::Plan {
            operation,
            table,
            index,
            all,
        } => {
            let request = api::PlanRequest {
                project,
                operation,
                table,
                index,
            };
            plan(&mut maintenance, request, all, json).await
        }
        Action::History { job, limit } => history(&mut maintenance, project, job, limit, json).await,
        Action::Effect { piece } => effect::run(&mut maintenance, project, piece, json).await,
        Action::Calibration => calibration(&mut maintenance, project, json).await,
        Action::Wraparound(arguments) => wraparound::run(&mut maintenance, arguments, project, json).await,
    }
}

async fn plan(
    maintenance: &mut MaintenanceServiceClient<Channel>,
    request: api::PlanRequest,
    all: bool,
    as_json: bool,
) -> Result<(), Failure> {
    let reply = maintenance.plan(request).await.map_err(refusal)?;
    let mut candidates = reply.into_inner().candidates;
    if as_json {
        return say_json(&json!({ "candidates": candidates.iter().map(candidate_json).collect::<Vec<_>>() }));
    }
    candidates.retain(|candidate| all || candidate.selected);
    let mut listing = Listing::new(
        &["RELATION", "ACTION", "GIVES", "TAKES", "REASON"],
        "nothing is due; --all shows what was looked at and why it is left",
    );
    for candidate in &candidates {
        let expected = candidate.expected.unwrap_or_default();
        let action = if candidate.selected {
            candidate.action.clone()
        } else {
            format!("no {}", candidate.kind)
        };
        listing.row([
            relation(&candidate.table, &candidate.index),
            action,
            size_in_words(expected.reclaim_likely_bytes),
            seconds(expected.takes_ms),
            candidate.reason.clone(),
        ]);
    }
    listing.say()
}

fn candidate_json(candidate: &api::Candidate) -> Json {
    let expected = candidate.expected.unwrap_or_default();
    json!({
        "database": candidate.database,
        "table": candidate.table,
        "index": candidate.index,
        "kind": candidate.kind,
        "action": candidate.action,
        "selected": candidate.selected,
        "emergency": candidate.emergency,
        "reason": candidate.reason,
        "expected": expected_json(&expected),
    })
}

fn expected_json(expected: &api::Expectation) -> Json {
    json!({
        "reclaim_low_bytes": expected.reclaim_low_bytes,
        "reclaim_likely_bytes": expected.reclaim_likely_bytes,
        "reclaim_high_bytes": expected.reclaim_high_bytes,
        "saved_reads_per_day_bytes": expected.saved_reads_per_day_bytes,
        "cost_bytes": expected.cost_bytes,
        "takes_ms": expected.takes_ms,
        "score": expected.score,
    })
}

async fn history(
    maintenance: &mut MaintenanceServiceClient<Channel>,
    project: String,
    job_id: String,
    limit: u32,
    as_json: bool,
) -> Result<(), Failure> {
    let page = Some(PageRequest {
        size: limit,
        token: String::new(),
    });
    let request = api::ListPiecesRequest { project, job_id, page };
    let reply = maintenance.list_pieces(request).await.map_err(refusal)?;
    let pieces = reply.into_inner().pieces;
    if as_json {
        return say_json(&json!({ "pieces": pieces.iter().map(piece_json).collect::<Vec<_>>() }));
    }
    let mut listing = Listing::new(
        &[
            "BEGUN",
            "RELATION",
            "KIND",
            "OUTCOME",
            "EXPECTED",
            "CAME BACK",
            "PIECE",
            "REASON",
        ],
        "nothing was done yet",
    );
    for piece in &pieces {
        let expected = piece.expected.unwrap_or_default();
        let gained = gained(piece).map_or_else(|| "-".to_owned(), signed_bytes);
        listing.row([
            moment(piece.started_unix_ms),
            relation(&piece.table, &piece.index),
            piece.kind.clone(),
            piece.outcome.clone(),
            size_in_words(expected.reclaim_likely_bytes),
            gained,
            piece.id.clone(),
            shortened(&piece.reason, 60),
        ]);
    }
    listing.say()
}

/// Bytes that came back, where that was measured.
fn gained(piece: &api::Piece) -> Option<i64> {
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    Some(signed(piece.bytes_before?) - signed(piece.bytes_after?))
}

fn piece_json(piece: &api::Piece) -> Json {
    json!({
        "id": piece.id,
        "job_id": piece.job_id,
        "kind": piece.kind,
        "database": piece.database,
        "table": piece.table,
        "index": piece.index,
        "outcome": piece.outcome,
        "reason": piece.reason,
        "started_unix_ms": piece.started_unix_ms,
        "ended_unix_ms": piece.ended_unix_ms,
        "expected": piece.expected.as_ref().map(expected_json),
        "bytes_before": piece.bytes_before,
        "bytes_after": piece.bytes_after,
        "p95_before_ms": piece.p95_before_ms,
        "p95_during_ms": piece.p95_during_ms,
    })
}

async fn calibration(
    maintenance: &mut MaintenanceServiceClient<Channel>,
    project: String,
    as_json: bool,
) -> Result<(), Failure> {
    let request = api::GetCalibrationRequest { project };
    let reply = maintenance.get_calibration(request).await.map_err(refusal)?;
    let kinds = reply.into_inner().kinds;
    if as_json {
        let kinds: Vec<Json> = kinds
            .iter()
            .map(|kind| {
                json!({
                    "kind": kind.kind, "pieces": kind.pieces, "within": kind.within,
                    "expected_bytes": kind.expected_bytes, "reclaimed_bytes": kind.reclaimed_bytes,
                    "time_ratio": kind.time_ratio,
                })
            })
            .collect();
        return say_json(&json!({ "kinds": kinds }));
    }
    let mut listing = Listing::new(
        &[
            "KIND",
            "MEASURED",
            "WITHIN BOUNDS",
            "EXPECTED",
            "CAME BACK",
            "TIME TO EXPECTED",
        ],
        "nothing was done yet",
    );
    for kind in &kinds {
        listing.row([
            kind.kind.clone(),
            kind.pieces.to_string(),
            kind.within.to_string(),
            size_in_words(kind.expected_bytes),
            signed_bytes(kind.reclaimed_bytes),
            format!("{:.2}", kind.time_ratio),
        ]);
    }
    listing.say()
}

fn relation(table: &str, index: &str) -> String {
    if index.is_empty() {
        table.to_owned()
    } else {
        format!("{table} ({index})")
    }
}

fn seconds(ms: u64) -> String {
    if ms < 10_000 {
        format!("{:.1} s", ms as f64 / 1_000.0)
    } else {
        format!("{} s", ms / 1_000)
    }
}

fn signed_bytes(count: i64) -> String {
    let sign = if count < 0 { "-" } else { "" };
    format!("{sign}{}", size_in_words(count.unsigned_abs()))
}
