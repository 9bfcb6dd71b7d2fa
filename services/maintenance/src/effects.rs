//! What a piece of work did to the statements of its table, as the query monitor counted them.
//!
//! Asked whenever somebody wants to know, not written down: the longer ago a piece is, the more is known of the time
//! after it, up to a day.

use std::time::Duration;

use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use weir_model::Clock;
use weir_proto::common::v1::PageRequest;
use weir_proto::maintenance::v1::StatementEffect;
use weir_proto::monitor::v1::monitor_service_client::MonitorServiceClient;
use weir_proto::monitor::v1::{ListQueriesRequest, QueryStatistics};

use crate::store::PieceRow;

/// The monitor tells times apart as exactly as this at best; what a piece shares such a span with is neither before it nor
/// after it.
const GRAIN_MS: i64 = 10_000;
/// So long before a piece and after it at most.
const SPAN_MS_MAX: i64 = 24 * 3_600_000;
/// Statements that are told of.
const STATEMENTS_MAX: u32 = 20;
/// Statements among which they are looked for afterwards: others may be costlier by then.
const AFTERWARDS_MAX: u32 = 1_000;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the monitor may take for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Asks the query monitor.
#[derive(Debug, Clone)]
pub(crate) struct Effects {
    monitor: MonitorServiceClient<Channel>,
    clock: Clock,
}

/// What came of a piece for the statements of its table.
#[derive(Debug, Default)]
pub(crate) struct Effect {
    /// Figures are of so long before and after; zero: it has not ended.
    pub(crate) span_ms: i64,
    pub(crate) statements: Vec<StatementEffect>,
    /// Why figures are missing. Empty: none are.
    pub(crate) missing: String,
}

/// Where the monitor is, if that can be an address.
pub(crate) fn endpoint(url: &str) -> Result<Endpoint, tonic::transport::Error> {
    Ok(Endpoint::from_shared(url.to_owned())?.connect_timeout(CONNECT_TIMEOUT))
}

impl Effects {
    pub(crate) fn new(endpoint: &Endpoint, clock: Clock) -> Self {
        Self {
            monitor: MonitorServiceClient::new(endpoint.connect_lazy()),
            clock,
        }
    }

    /// What came of a piece of a project. An answer of the monitor that fails is a reason why figures are missing.
    pub(crate) async fn of(&self, project: &str, piece: &PieceRow) -> Effect {
        let Some((before, after)) = spans(piece, self.clock.unix_ms()) else {
            return Effect::default();
        };
        let told = async {
            let (before, missing) = self.statements(project, piece, before, STATEMENTS_MAX).await?;
            let (after, missing_after) = self.statements(project, piece, after, AFTERWARDS_MAX).await?;
            let missing = if missing.is_empty() { missing_after } else { missing };
            Ok((compared(before, &after), missing))
        };
        let (statements, missing) = told
            .await
            .unwrap_or_else(|reason: String| (Vec::new(), format!("the query monitor does not answer: {reason}")));
        Effect {
            span_ms: after.1 - after.0,
            statements,
            missing,
        }
    }

    /// The costliest statements on the table of a piece in a span of time, and why figures are missing.
    async fn statements(
        &self,
        project: &str,
        piece: &PieceRow,
        (since_unix_ms, until_unix_ms): (i64, i64),
        size: u32,
    ) -> Result<(Vec<QueryStatistics>, String), String> {
        let request = ListQueriesRequest {
            project: project.to_owned(),
            database: piece.database.clone(),
            table: piece.relation.clone(),
            since_unix_ms,
            until_unix_ms,
            page: Some(PageRequest {
                size,
                token: String::new(),
            }),
            ..ListQueriesRequest::default()
        };
        let mut monitor = self.monitor.clone();
        let answer = timeout(ANSWER_TIMEOUT, monitor.list_queries(request)).await;
        let answer = answer.map_err(|_| "it takes too long".to_owned())?;
        let listed = answer.map_err(|status| status.message().to_owned())?.into_inner();
        Ok((listed.queries, listed.missing))
    }
}

/// The time before a piece and the time after it, equally long; none while it has not ended.
fn spans(piece: &PieceRow, now_unix_ms: i64) -> Option<((i64, i64), (i64, i64))> {
    let begun = piece.started_unix_ms / GRAIN_MS * GRAIN_MS;
    let ended = (piece.ended_unix_ms? / GRAIN_MS + 1) * GRAIN_MS;
    let span = (now_unix_ms - ended).clamp(0, SPAN_MS_MAX);
    (span > 0).then_some(((begun - span, begun), (ended, ended + span)))
}

fn compared(before: Vec<QueryStatistics>, after: &[QueryStatistics]) -> Vec<StatementEffect> {
    let line = |before: QueryStatistics| {
        let after = after.iter().find(|after| after.fingerprint == before.fingerprint);
        StatementEffect {
            calls_before: before.calls,
            calls_after: after.map_or(0, |after| after.calls),
            p95_before_ms: (before.calls > 0).then_some(before.p95_ms),
            p95_after_ms: after.filter(|after| after.calls > 0).map(|after| after.p95_ms),
            fingerprint: before.fingerprint,
            text: before.text,
        }
    };
    before.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(started_unix_ms: i64, ended_unix_ms: Option<i64>) -> PieceRow {
        PieceRow {
            relation: "public.orders".to_owned(),
            started_unix_ms,
            ended_unix_ms,
            ..PieceRow::default()
        }
    }

    #[test]
    fn as_much_is_looked_at_before_as_has_passed_since_up_to_a_day() {
        let (minute, day) = (60_000, SPAN_MS_MAX);
        let begun = 100 * day;
        let (in_it, ended) = (begun + 4_000, Some(begun + minute + 4_000));
        let of = |ended, now| spans(&piece(in_it, ended), now);
        assert_eq!(of(None, begun + day), None);
        assert_eq!(of(ended, begun + minute + 9_999), None);
        assert_eq!(of(ended, begun), None, "the clock was set back");
        let from = begun + minute + 10_000;
        assert_eq!(
            of(ended, from + 1_500),
            Some(((begun - 1_500, begun), (from, from + 1_500)))
        );
        assert_eq!(
            of(ended, from + 9 * day),
            Some(((begun - day, begun), (from, from + day)))
        );
    }

    #[test]
    fn a_statement_that_came_no_more_has_nothing_after() {
        let of = |fingerprint: &str, calls, p95_ms| QueryStatistics {
            fingerprint: fingerprint.to_owned(),
            calls,
            p95_ms,
            ..QueryStatistics::default()
        };
        let compared = compared(
            vec![of("a", 10, 4.0), of("b", 1, 9.0)],
            &[of("c", 1, 1.0), of("a", 7, 2.0)],
        );
        let figures = |line: &StatementEffect| {
            (
                line.calls_before,
                line.calls_after,
                line.p95_before_ms,
                line.p95_after_ms,
            )
        };
        let found: Vec<_> = compared.iter().map(figures).collect();
        assert_eq!(found, [(10, 7, Some(4.0), Some(2.0)), (1, 0, Some(9.0), None)]);
    }
}
