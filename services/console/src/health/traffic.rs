//! What ran lately, from what the gateway has counted: how much, how much of it failed, how long it took. Pure.

use std::collections::VecDeque;

use crate::exposition::{Family, family};

/// A reading is kept each so often.
const EVERY_MS: i64 = 10_000;
/// Readings are kept for so long.
const KEPT_MS: i64 = 3_600_000;
/// What is judged by is the last minute.
const LATELY_MS: i64 = 60_000;
/// What it is held against has to be as long.
const BASE_MS: i64 = 600_000;
/// With fewer calls nothing is said.
const CALLS_MIN: f64 = 20.0;
const ERRORS_MAX: f64 = 0.05;
const SLOWER_MAX: f64 = 3.0;
/// What is as quick as this is not slow, whatever it was before.
const QUICK_MS: f64 = 50.0;

/// What the gateway has counted up to one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Reading {
    pub(crate) at_unix_ms: i64,
    calls: f64,
    errors: f64,
    /// Calls that took at most so many seconds.
    buckets: Vec<(f64, f64)>,
    hits: f64,
    lookups: f64,
    /// Connections in use, and callers that wait for one.
    active: f64,
    waiting: f64,
}

impl Reading {
    pub(crate) fn of(families: &[Family], at_unix_ms: i64) -> Self {
        let sum = |name: &str, label: &str, values: &[&str]| -> f64 {
            let samples = family(families, name).filter(|sample| sample.name.ends_with("_total"));
            let wanted = samples.filter(|sample| {
                values.is_empty()
                    || sample
                        .label(label)
                        .is_some_and(|value| values.contains(&value.as_str()))
            });
            wanted.filter_map(|sample| sample.value()).sum()
        };
        let buckets = family(families, "weir_query_duration_seconds")
            .filter(|sample| sample.name.ends_with("_bucket"))
            .filter_map(|sample| Some((sample.label("le")?.parse().ok()?, sample.value()?)));
        let size = |state: &str| -> f64 {
            let samples = family(families, "db_pool_size");
            let wanted = samples.filter(|sample| sample.label("state").as_deref() == Some(state));
            wanted.filter_map(|sample| sample.value()).sum()
        };
        Self {
            at_unix_ms,
            active: size("active"),
            waiting: size("waiting"),
            calls: sum("weir_queries", "", &[]),
            errors: sum("weir_queries", "outcome", &["error", "refused"]),
            buckets: buckets.collect(),
            hits: sum("weir_cache_requests", "outcome", &["hit_memory", "hit_shared"]),
            lookups: sum("weir_cache_requests", "outcome", &["hit_memory", "hit_shared", "miss"]),
        }
    }

    /// What was counted since an earlier reading. None: the gateway began anew in between.
    pub(crate) fn since(&self, earlier: &Self) -> Option<Span> {
        let seconds = (self.at_unix_ms - earlier.at_unix_ms) as f64 / 1000.0;
        let calls = self.calls - earlier.calls;
        if calls < 0.0 || seconds <= 0.0 || self.buckets.len() != earlier.buckets.len() {
            return None;
        }
        let pairs = self.buckets.iter().zip(&earlier.buckets);
        let buckets: Vec<(f64, f64)> = pairs.map(|((le, now), (_, then))| (*le, now - then)).collect();
        let lookups = self.lookups - earlier.lookups;
        Some(Span {
            from_unix_ms: earlier.at_unix_ms,
            to_unix_ms: self.at_unix_ms,
            seconds,
            calls,
            errors: (self.errors - earlier.errors).max(0.0),
            p50_ms: quantile_ms(&buckets, 0.50),
            p95_ms: quantile_ms(&buckets, 0.95),
            p99_ms: quantile_ms(&buckets, 0.99),
            active: self.active as u32,
            waiting: self.waiting as u32,
            hits: self.hits - earlier.hits,
            lookups,
        })
    }
}

/// What ran in a span of time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Span {
    pub(crate) from_unix_ms: i64,
    pub(crate) to_unix_ms: i64,
    pub(crate) seconds: f64,
    pub(crate) calls: f64,
    pub(crate) errors: f64,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p95_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    /// Statements that were answered from memory, and those for which that was tried.
    pub(crate) hits: f64,
    pub(crate) lookups: f64,
    /// Connections in use at its end.
    pub(crate) active: u32,
    /// Callers that waited for one at its end.
    pub(crate) waiting: u32,
}

impl Span {
    pub(crate) fn calls_per_second(&self) -> f64 {
        self.calls / self.seconds
    }

    pub(crate) fn error_ratio(&self) -> Option<f64> {
        (self.calls > 0.0).then(|| self.errors / self.calls)
    }
}

/// Within a bucket, as if durations lay evenly in it.
fn quantile_ms(buckets: &[(f64, f64)], share: f64) -> Option<f64> {
    let all = buckets.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
    let rank = all * share;
    let (mut from, mut below) = (0.0, 0.0);
    for (le, count) in buckets {
        if *count >= rank {
            let inside = count - below;
            let part = if inside > 0.0 { (rank - below) / inside } else { 1.0 };
            // Nothing is known of how long the longest took.
            let to = if le.is_finite() { *le } else { from };
            return Some((from + (to - from) * part) * 1000.0);
        }
        (from, below) = (*le, *count);
    }
    None
}

/// Readings of the last hour.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traffic {
    readings: VecDeque<Reading>,
    newest: Option<Reading>,
}

/// What is to be said of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    Fine,
    /// Too little ran to say anything.
    Quiet,
    Bad(String),
}

impl Traffic {
    pub(crate) fn add(&mut self, reading: Reading) {
        let now = reading.at_unix_ms;
        let is_due = self
            .readings
            .back()
            .is_none_or(|last| now - last.at_unix_ms >= EVERY_MS);
        if is_due {
            self.readings.push_back(reading.clone());
        }
        while self
            .readings
            .front()
            .is_some_and(|first| now - first.at_unix_ms > KEPT_MS)
        {
            self.readings.pop_front();
        }
        self.newest = Some(reading);
    }

    /// What ran since so long ago, or since the earliest reading after that.
    pub(crate) fn last(&self, span_ms: i64) -> Option<Span> {
        let newest = self.newest.as_ref()?;
        let earlier = self
            .readings
            .iter()
            .find(|reading| newest.at_unix_ms - reading.at_unix_ms <= span_ms + EVERY_MS / 2)?;
        newest.since(earlier)
    }

    pub(crate) fn lately(&self) -> Option<Span> {
        self.last(LATELY_MS)
    }

    /// Span by span, the oldest first.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let later = self.readings.iter().skip(1);
        self.readings
            .iter()
            .zip(later)
            .filter_map(|(earlier, later)| later.since(earlier))
            .collect()
    }

    /// What ran before the last minute.
    fn base(&self) -> Option<Span> {
        let first = self.readings.front()?;
        let newest = self.newest.as_ref()?;
        let last = self
            .readings
            .iter()
            .rev()
            .find(|reading| newest.at_unix_ms - reading.at_unix_ms >= LATELY_MS)?;
        let base = last.since(first)?;
        (base.to_unix_ms - base.from_unix_ms >= BASE_MS && base.calls >= CALLS_MIN).then_some(base)
    }

    /// How the last minute is, held against the hour before.
    pub(crate) fn judge(&self) -> Verdict {
        let Some(lately) = self.lately().filter(|span| span.calls >= CALLS_MIN) else {
            return Verdict::Quiet;
        };
        let ratio = lately.errors / lately.calls;
        if ratio > ERRORS_MAX {
            return Verdict::Bad(format!("{:.1} % of the calls of the last minute failed", ratio * 100.0));
        }
        let usual = self.base().and_then(|base| base.p95_ms);
        match (lately.p95_ms, usual) {
            (Some(now), Some(usual)) if now > QUICK_MS && now > usual * SLOWER_MAX => Verdict::Bad(format!(
                "95 of 100 calls of the last minute took up to {now:.0} ms, of the hour before {usual:.0} ms"
            )),
            _ => Verdict::Fine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::read;

    fn reading(at_s: i64, calls: u32, errors: u32, slow: u32) -> Reading {
        let quick = calls - slow;
        let text = format!(
            "# TYPE weir_queries counter\nweir_queries_total{{project=\"a\",outcome=\"ok\"}} {}\nweir_queries_total{{project=\"a\",outcome=\"error\"}} {errors}\n\
             # TYPE weir_query_duration_seconds histogram\nweir_query_duration_seconds_bucket{{le=\"0.01\"}} {quick}\n\
             weir_query_duration_seconds_bucket{{le=\"0.5\"}} {calls}\nweir_query_duration_seconds_bucket{{le=\"+Inf\"}} {calls}\n\
             # TYPE weir_cache_requests counter\nweir_cache_requests_total{{outcome=\"hit_memory\"}} {calls}\nweir_cache_requests_total{{outcome=\"miss\"}} {calls}\n",
            calls - errors
        );
        Reading::of(&read(&text), at_s * 1000)
    }

    #[test]
    fn errors_and_slowness_are_told_and_little_is_not_judged() {
        let mut traffic = Traffic::default();
        assert_eq!(traffic.judge(), Verdict::Quiet);
        for step in 0..120 {
            traffic.add(reading(i64::from(step) * 10, step * 10, 0, 0));
        }
        assert_eq!(traffic.judge(), Verdict::Fine);
        let lately = traffic.lately().unwrap();
        assert!((lately.calls_per_second() - 1.0).abs() < 0.01, "{lately:?}");
        assert_eq!(lately.hits / lately.lookups, 0.5);
        assert!(lately.p95_ms.unwrap() < 10.0);
        let mut failing = traffic.clone();
        failing.add(reading(1_240, 1_250, 40, 0));
        assert!(
            matches!(failing.judge(), Verdict::Bad(why) if why.contains("failed")),
            "{:?}",
            failing.lately()
        );
        traffic.add(reading(1_240, 1_250, 0, 50));
        assert!(
            matches!(traffic.judge(), Verdict::Bad(why) if why.contains("took up to")),
            "{:?}",
            traffic.lately()
        );
    }

    #[test]
    fn a_gateway_that_began_anew_is_not_counted_backwards() {
        let mut traffic = Traffic::default();
        traffic.add(reading(0, 100, 0, 0));
        traffic.add(reading(10, 5, 0, 0));
        traffic.add(reading(20, 25, 0, 0));
        let spans = traffic.spans();
        assert_eq!(spans.len(), 1);
        assert_eq!(spans[0].calls, 20.0);
    }

    #[test]
    fn readings_are_bounded() {
        let mut traffic = Traffic::default();
        for second in 0..8_000 {
            traffic.add(reading(second, 1, 0, 0));
        }
        assert!(traffic.readings.len() <= 361, "{}", traffic.readings.len());
    }
}
