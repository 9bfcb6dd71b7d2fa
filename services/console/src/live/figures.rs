//! The figures of a moment: what they are, and how they come of what was counted. Pure.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use weir_proto::common::v1::{Pool, Severity};
use weir_proto::monitor::v1::{Alert, TimelineSpan};

use crate::health::{Reading, Span};

/// Latencies and hits of all projects are those of so long.
const LATELY_MS: i64 = 10_000;

/// What runs at a moment, of one project or of all; what could not be found out is null.
#[derive(Debug, Clone, Default, Serialize, utoipa::ToSchema)]
#[schema(as = console::Figures)]
pub(crate) struct Figures {
    /// When they were taken.
    pub(crate) at_unix_ms: i64,
    /// Whose they are; `*`: everybody's.
    pub(crate) project: String,
    /// Statements that ended, a second.
    pub(crate) queries_per_second: Option<f64>,
    /// Those of them that failed.
    pub(crate) errors_per_second: Option<f64>,
    /// Half of the calls of the latest ten seconds took at most this many milliseconds; null: nothing ran.
    pub(crate) p50_ms: Option<f64>,
    /// 95 of 100 took at most this many.
    pub(crate) p95_ms: Option<f64>,
    /// 99 of 100 took at most this many.
    pub(crate) p99_ms: Option<f64>,
    /// Calls answered from memory, of those that could have been; null: there were none.
    pub(crate) cache_hit_ratio: Option<f64>,
    /// Server connections of all pools together; null: for the operator only, or the gateway is away.
    pub(crate) pool: Option<PoolSums>,
    /// Alerts that fire.
    pub(crate) alerts: Option<AlertFigures>,
    /// Jobs that are being done.
    pub(crate) jobs_running: Option<u64>,
}

/// Server connections of all pools together.
#[derive(Debug, Clone, Copy, Default, Serialize, utoipa::ToSchema)]
#[schema(as = console::PoolSums)]
pub(crate) struct PoolSums {
    /// Open.
    pub(crate) total: u64,
    /// Open and free.
    pub(crate) idle: u64,
    /// Lent out.
    pub(crate) active: u64,
    /// Callers who wait for one.
    pub(crate) waiting: u64,
    /// Most that may be open.
    pub(crate) max: u64,
}

/// Alerts that fire.
#[derive(Debug, Clone, Copy, Default, Serialize, utoipa::ToSchema)]
#[schema(as = console::AlertFigures)]
pub(crate) struct AlertFigures {
    /// Somebody should look now.
    pub(crate) critical: u64,
    /// Somebody should look during the day.
    pub(crate) warning: u64,
    /// Worth knowing.
    pub(crate) info: u64,
}

/// What was seen of a project before.
#[derive(Debug, Default)]
pub(super) struct Look {
    at_unix_ms: i64,
    /// Calls and errors of each span, by its beginning.
    spans: BTreeMap<i64, (u64, u64)>,
}

impl Look {
    /// The rates since the look before, and the latencies of the latest span in which something ran.
    pub(super) fn judge(&mut self, spans: &[TimelineSpan], now: i64, figures: &mut Figures) {
        let seen: BTreeMap<i64, (u64, u64)> = spans
            .iter()
            .filter_map(|span| {
                Some((
                    span.from_unix_ms,
                    span.statistics.as_ref().map(|all| (all.calls, all.errors))?,
                ))
            })
            .collect();
        let new = |pick: fn(&(u64, u64)) -> u64| -> u64 {
            let before = |from| self.spans.get(from).map(pick).unwrap_or_default();
            seen.iter()
                .map(|(from, counts)| pick(counts).saturating_sub(before(from)))
                .sum()
        };
        let seconds = (now - self.at_unix_ms) as f64 / 1_000.0;
        if self.at_unix_ms > 0 && seconds > 0.0 {
            figures.queries_per_second = Some(new(|counts| counts.0) as f64 / seconds);
            figures.errors_per_second = Some(new(|counts| counts.1) as f64 / seconds);
        }
        if let Some(latest) = spans.iter().rev().find_map(|span| span.statistics.as_ref()) {
            figures.p50_ms = Some(latest.p50_ms);
            figures.p95_ms = Some(latest.p95_ms);
            figures.p99_ms = Some(latest.p99_ms);
            let asked = latest.cache_hits + latest.cache_misses;
            figures.cache_hit_ratio = (asked > 0).then(|| latest.cache_hits as f64 / asked as f64);
        }
        (self.at_unix_ms, self.spans) = (now, seen);
    }
}

/// What the gateway counted of all projects in the latest seconds.
#[derive(Debug, Default)]
pub(super) struct Totals(VecDeque<Reading>);

impl Totals {
    /// The rates since the reading before, and the latencies and hits of the latest seconds. A gateway that began anew is
    /// read from there on.
    pub(super) fn judge(&mut self, reading: Reading, figures: &mut Figures) {
        let second = self.0.back().and_then(|before| reading.since(before));
        if second.is_none() {
            self.0.clear();
        }
        while self.0.len() > 1
            && self
                .0
                .get(1)
                .is_some_and(|one| reading.at_unix_ms - one.at_unix_ms >= LATELY_MS)
        {
            self.0.pop_front();
        }
        if let Some(second) = second {
            figures.queries_per_second = Some(second.calls_per_second());
            figures.errors_per_second = Some(second.errors / second.seconds);
        }
        if let Some(lately) = self.0.front().and_then(|first| reading.since(first)) {
            figures.take_latencies(&lately);
        }
        self.0.push_back(reading);
    }
}

impl Figures {
    fn take_latencies(&mut self, span: &Span) {
        (self.p50_ms, self.p95_ms, self.p99_ms) = (span.p50_ms, span.p95_ms, span.p99_ms);
        self.cache_hit_ratio = (span.lookups > 0.0).then(|| span.hits / span.lookups);
    }
}

impl PoolSums {
    pub(crate) fn of<'a>(pools: impl IntoIterator<Item = &'a Pool>) -> Self {
        pools.into_iter().fold(Self::default(), |sums, pool| Self {
            total: sums.total + u64::from(pool.total),
            idle: sums.idle + u64::from(pool.idle),
            active: sums.active + u64::from(pool.active),
            waiting: sums.waiting + u64::from(pool.waiting),
            max: sums.max + u64::from(pool.max),
        })
    }
}

impl std::iter::Sum for AlertFigures {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            critical: sum.critical + one.critical,
            warning: sum.warning + one.warning,
            info: sum.info + one.info,
        })
    }
}

impl AlertFigures {
    pub(crate) fn of<'a>(alerts: impl IntoIterator<Item = &'a Alert>) -> Self {
        let mut counted = Self::default();
        for alert in alerts {
            match alert.severity() {
                Severity::Critical => counted.critical += 1,
                Severity::Warning => counted.warning += 1,
                Severity::Info | Severity::Unspecified => counted.info += 1,
            }
        }
        counted
    }
}

#[cfg(test)]
mod tests {
    use weir_proto::monitor::v1::QueryStatistics;

    use super::*;

    fn span(from: i64, calls: u64, errors: u64, p95_ms: f64) -> TimelineSpan {
        TimelineSpan {
            from_unix_ms: from,
            to_unix_ms: from + 10_000,
            statistics: Some(QueryStatistics {
                calls,
                errors,
                p95_ms,
                cache_hits: calls / 2,
                cache_misses: calls / 2,
                ..QueryStatistics::default()
            }),
        }
    }

    #[test]
    fn rates_are_what_came_since_the_look_before_also_when_a_span_begins() {
        let mut look = Look::default();
        let mut judge = |spans: &[TimelineSpan], now| {
            let mut figures = Figures::default();
            look.judge(spans, now, &mut figures);
            figures
        };
        assert_eq!(judge(&[span(0, 900, 9, 1.0)], 9_000).queries_per_second, None);
        let figures = judge(&[span(0, 1_000, 10, 1.0), span(10_000, 100, 0, 2.0)], 11_000);
        assert_eq!(
            (figures.queries_per_second, figures.errors_per_second),
            (Some(100.0), Some(0.5))
        );
        assert_eq!((figures.p95_ms, figures.cache_hit_ratio), (Some(2.0), Some(0.5)));
        // A span that is not told any more takes nothing back, and nothing is no figure.
        let figures = judge(&[], 12_000);
        assert_eq!((figures.queries_per_second, figures.p95_ms), (Some(0.0), None));
    }

    fn reading(at_s: i64, calls: u32, errors: u32) -> Reading {
        let text = format!(
            "# TYPE weir_queries counter\nweir_queries_total{{project=\"shop\",outcome=\"ok\"}} {}\n\
             weir_queries_total{{project=\"bank\",outcome=\"error\"}} {errors}\n\
             # TYPE weir_query_duration_seconds histogram\nweir_query_duration_seconds_bucket{{le=\"0.01\"}} {calls}\n\
             weir_query_duration_seconds_bucket{{le=\"+Inf\"}} {calls}\n\
             # TYPE weir_cache_requests counter\nweir_cache_requests_total{{outcome=\"hit_memory\"}} {calls}\n",
            calls - errors
        );
        Reading::of(&crate::exposition::read(&text), at_s * 1_000)
    }

    #[test]
    fn of_all_projects_the_rates_are_of_a_second_and_the_latencies_of_ten() {
        let mut totals = Totals::default();
        let mut judge = |reading| {
            let mut figures = Figures::default();
            totals.judge(reading, &mut figures);
            figures
        };
        let first = judge(reading(0, 1_000, 0));
        assert_eq!((first.queries_per_second, first.p95_ms), (None, None));
        for second in 1..=8_u32 {
            judge(reading(i64::from(second), 1_000 + second * 10, second));
        }
        let figures = judge(reading(10, 1_180, 18));
        assert_eq!(
            (figures.queries_per_second, figures.errors_per_second),
            (Some(50.0), Some(5.0))
        );
        assert!(figures.p95_ms.is_some_and(|ms| ms > 0.0 && ms <= 10.0), "{figures:?}");
        assert_eq!(figures.cache_hit_ratio, Some(1.0));
        // Nothing for ten seconds is no latency, and a rate of nothing.
        let quiet = judge(reading(21, 1_180, 18));
        assert_eq!((quiet.queries_per_second, quiet.p95_ms), (Some(0.0), None));
        // A gateway that began anew says nothing at first, and nothing is counted backwards.
        assert_eq!(judge(reading(22, 5, 0)).queries_per_second, None);
        assert_eq!(judge(reading(23, 8, 0)).queries_per_second, Some(3.0));
        assert!(totals.0.len() <= 12);
    }
}
