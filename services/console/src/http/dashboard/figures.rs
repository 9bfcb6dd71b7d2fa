//! Figures of a moment and of the last hour. Pure.

use serde::Serialize;
use weir_proto::common::v1::JobState;
use weir_proto::monitor::v1::TimelineSpan;
use weir_proto::scheduler::v1::Run;

use super::gather::Whose;
use crate::health::Span;
use crate::live::Figures;

/// What ran longer ago is not what runs now.
const NOW_MS: i64 = 30_000;

/// A point of the last hour.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = console::DashboardPoint)]
pub(crate) struct Point {
    /// When its span ended.
    at_unix_ms: i64,
    /// Statements in a second.
    queries_per_second: f64,
    /// Statements in a second that failed.
    errors_per_second: f64,
    /// Half of them took at most so long; null: nothing ran.
    p50_ms: Option<f64>,
    /// 95 of 100 took at most so long; null: nothing ran.
    p95_ms: Option<f64>,
    /// 99 of 100 took at most so long; null: nothing ran.
    p99_ms: Option<f64>,
    /// The part of look-ups that memory answered, 0 to 1; null: there were none.
    cache_hit_ratio: Option<f64>,
    /// Connections in use at its end; null for a token of a project, and where it is not known.
    pool_active: Option<u32>,
    /// Callers that waited for one at its end; null as with the one before.
    pool_waiting: Option<u32>,
}

/// What ran in a span of time, whoever told it.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    pub(crate) to_unix_ms: i64,
    pub(crate) seconds: f64,
    pub(crate) calls: f64,
    pub(crate) errors: f64,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p95_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) hits: f64,
    pub(crate) lookups: f64,
    pub(crate) hit_ratio: Option<f64>,
    pub(crate) active: Option<u32>,
    pub(crate) waiting: Option<u32>,
}

impl Ran {
    /// As the monitor has it; the gateway's own readings say how full the pools were.
    pub(crate) fn of(span: &TimelineSpan, readings: &[Span]) -> Option<Self> {
        let statistics = span.statistics.as_ref()?;
        let (calls, hits) = (statistics.calls as f64, statistics.cache_hits as f64);
        let lookups = hits + statistics.cache_misses as f64;
        let quantile = |ms: f64| (calls > 0.0).then_some(ms);
        let reading = readings
            .iter()
            .rev()
            .find(|reading| reading.from_unix_ms <= span.to_unix_ms);
        Some(Self {
            to_unix_ms: span.to_unix_ms,
            seconds: ((span.to_unix_ms - span.from_unix_ms) as f64 / 1000.0).max(1.0),
            calls,
            errors: statistics.errors as f64,
            p50_ms: quantile(statistics.p50_ms),
            p95_ms: quantile(statistics.p95_ms),
            p99_ms: quantile(statistics.p99_ms),
            hits,
            lookups,
            hit_ratio: (lookups > 0.0).then(|| hits / lookups),
            active: reading.map(|reading| reading.active),
            waiting: reading.map(|reading| reading.waiting),
        })
    }

    /// Of all projects, as the gateway counts it.
    pub(crate) fn of_all(span: &Span) -> Self {
        Self {
            to_unix_ms: span.to_unix_ms,
            seconds: span.seconds,
            calls: span.calls,
            errors: span.errors,
            p50_ms: span.p50_ms,
            p95_ms: span.p95_ms,
            p99_ms: span.p99_ms,
            hits: span.hits,
            lookups: span.lookups,
            hit_ratio: (span.lookups > 0.0).then(|| span.hits / span.lookups),
            active: Some(span.active),
            waiting: Some(span.waiting),
        }
    }
}

impl Point {
    pub(super) fn of(ran: &Ran, sees_all: bool) -> Self {
        Self {
            at_unix_ms: ran.to_unix_ms,
            queries_per_second: ran.calls / ran.seconds,
            errors_per_second: ran.errors / ran.seconds,
            p50_ms: ran.p50_ms,
            p95_ms: ran.p95_ms,
            p99_ms: ran.p99_ms,
            cache_hit_ratio: ran.hit_ratio,
            pool_active: ran.active.filter(|_| sees_all),
            pool_waiting: ran.waiting.filter(|_| sees_all),
        }
    }
}

/// The latest span that has ended; where nothing ran lately, that.
pub(super) fn figures_of(whose: &Whose, ran: &[Ran], now_unix_ms: i64) -> Figures {
    let latest = ran.iter().rev().find(|ran| ran.to_unix_ms <= now_unix_ms);
    let latest = latest.filter(|ran| now_unix_ms - ran.to_unix_ms < NOW_MS);
    Figures {
        at_unix_ms: latest.map_or(now_unix_ms, |ran| ran.to_unix_ms),
        project: whose.name(),
        queries_per_second: Some(latest.map_or(0.0, |ran| ran.calls / ran.seconds)),
        errors_per_second: Some(latest.map_or(0.0, |ran| ran.errors / ran.seconds)),
        p50_ms: latest.and_then(|ran| ran.p50_ms),
        p95_ms: latest.and_then(|ran| ran.p95_ms),
        p99_ms: latest.and_then(|ran| ran.p99_ms),
        cache_hit_ratio: latest.and_then(|ran| ran.hit_ratio),
        ..Figures::default()
    }
}

pub(super) fn running(jobs: &[Run]) -> u64 {
    jobs.iter().filter(|job| job.state() == JobState::Running).count() as u64
}

#[cfg(test)]
mod tests {
    use weir_proto::monitor::v1::QueryStatistics;

    use super::*;

    fn ran(from_s: i64, calls: u64) -> Ran {
        let span = TimelineSpan {
            from_unix_ms: from_s * 1000,
            to_unix_ms: (from_s + 10) * 1000,
            statistics: Some(QueryStatistics {
                calls,
                errors: 1,
                p95_ms: 7.0,
                cache_hits: 3,
                cache_misses: 1,
                ..QueryStatistics::default()
            }),
        };
        Ran::of(&span, &[]).unwrap()
    }

    #[test]
    fn figures_are_of_the_latest_span_that_has_ended_and_old_ones_are_none() {
        let spans = [ran(0, 100), ran(10, 50), ran(20, 70)];
        let whose = Whose::project("shop");
        let figures = figures_of(&whose, &spans, 25_000);
        assert_eq!(
            (figures.at_unix_ms, figures.queries_per_second, figures.p95_ms),
            (20_000, Some(5.0), Some(7.0))
        );
        assert_eq!(figures.cache_hit_ratio, Some(0.75));
        let later = figures_of(&whose, &spans, 90_000);
        assert_eq!((later.queries_per_second, later.p95_ms), (Some(0.0), None));
    }

    #[test]
    fn a_project_does_not_see_the_pools_of_all() {
        let mut span = ran(0, 1);
        span.active = Some(3);
        assert_eq!(
            (Point::of(&span, false).pool_active, Point::of(&span, true).pool_active),
            (None, Some(3))
        );
    }
}
