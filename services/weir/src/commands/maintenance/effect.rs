//! `weir maintenance effect`: what statements took before a piece of work and after it.

use std::time::Duration;

use serde_json::json;
use tonic::transport::Channel;
use weir_proto::maintenance::v1 as api;
use weir_proto::maintenance::v1::maintenance_service_client::MaintenanceServiceClient;

use super::{piece_json, relation};
use crate::connect::refusal;
use crate::terminal::{Failure, Listing, milliseconds, say, say_json, shortened};

pub(super) async fn run(
    maintenance: &mut MaintenanceServiceClient<Channel>,
    project: String,
    piece_id: String,
    as_json: bool,
) -> Result<(), Failure> {
    let request = api::GetEffectRequest { project, piece_id };
    let effect = maintenance.get_effect(request).await.map_err(refusal)?.into_inner();
    if as_json {
        let statement = |one: &api::StatementEffect| {
            json!({
                "fingerprint": one.fingerprint, "text": one.text,
                "calls_before": one.calls_before, "calls_after": one.calls_after,
                "p95_before_ms": one.p95_before_ms, "p95_after_ms": one.p95_after_ms,
            })
        };
        return say_json(&json!({
            "piece": effect.piece.as_ref().map(piece_json),
            "span_ms": effect.span_ms,
            "statements": effect.statements.iter().map(statement).collect::<Vec<_>>(),
            "missing": effect.missing,
        }));
    }
    let piece = effect.piece.unwrap_or_default();
    if effect.span_ms == 0 {
        return say(&format!("{} has not ended yet", relation(&piece.table, &piece.index)));
    }
    say(&heading(&piece, effect.span_ms))?;
    if !effect.missing.is_empty() {
        say(&format!("figures are missing: {}", effect.missing))?;
    }
    let mut listing = Listing::new(
        &["P95 BEFORE", "P95 AFTER", "CALLS BEFORE", "CALLS AFTER", "STATEMENT"],
        "no statement that names the table was counted",
    );
    for one in &effect.statements {
        listing.row([
            or_none(one.p95_before_ms),
            or_none(one.p95_after_ms),
            one.calls_before.to_string(),
            one.calls_after.to_string(),
            shortened(&one.text, 80),
        ]);
    }
    listing.say()
}

fn heading(piece: &api::Piece, span_ms: i64) -> String {
    let span = Duration::from_millis(span_ms.unsigned_abs());
    let minutes = span.as_secs() / 60;
    let span = match minutes {
        0 => format!("{} s", span.as_secs()),
        1..60 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    };
    let what = relation(&piece.table, &piece.index);
    format!("{} of {what}: {span} before it and after it", piece.kind)
}

fn or_none(ms: Option<f64>) -> String {
    ms.map_or_else(|| "-".to_owned(), milliseconds)
}
