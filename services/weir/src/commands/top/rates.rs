//! What happened between two looks at counts that only grow. Pure.
//!
//! The monitor is asked for what was counted since an anchor, a moment of the last two minutes, so that an answer costs
//! little and its percentiles tell of now. Two answers with the same anchor differ by what happened between them. When
//! the anchor grows old, one look asks for both the old and the next, and the next is what later looks differ from.

use std::collections::HashMap;
use std::time::Duration;

use weir_proto::monitor::v1 as api;

use crate::text::clean;

/// Spans of the monitor are told apart to this much, so anchors lie at its multiples.
const GRAIN_MS: i64 = 10_000;
/// How far the first anchor lies back, for whoever looks only once.
const FIRST_BACK_MS: i64 = 60_000;
/// How far later ones do.
const NEXT_BACK_MS: i64 = 10_000;
/// Older than this, an anchor gives way.
const OLD_MS: i64 = 120_000;
/// How many statements are listed.
pub(super) const LISTED: u32 = 300;

/// From when on to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Anchors {
    pub(super) current_ms: i64,
    pub(super) next_ms: Option<i64>,
}

/// What was counted since an anchor.
#[derive(Debug, Clone, Default)]
pub(super) struct Look {
    pub(super) anchor_ms: i64,
    pub(super) queries: Vec<api::QueryStatistics>,
    pub(super) spans: Vec<api::TimelineSpan>,
    /// Why figures are missing.
    pub(super) missing: String,
}

/// A statement now.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Query {
    pub(super) fingerprint: String,
    pub(super) database: String,
    pub(super) text: String,
    /// What happened since the look before; none where it cannot be told.
    pub(super) lately: Option<Lately>,
    pub(super) p50_ms: f64,
    pub(super) p95_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) max_ms: f64,
    pub(super) wait_p95_ms: f64,
    pub(super) writes: bool,
    /// The part of its reads that the cache answered, since the anchor.
    pub(super) hit_ratio: Option<f64>,
}

/// What happens in a second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Lately {
    pub(super) calls: f64,
    pub(super) errors: f64,
    pub(super) rows: f64,
    /// Milliseconds of all calls together.
    pub(super) time_ms: f64,
}

/// How the project's statements fare together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Load {
    pub(super) lately: Option<Lately>,
    /// Of the last ten seconds in which something ran: p50, p95, p99.
    pub(super) percentiles_ms: Option<[f64; 3]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    calls: u64,
    errors: u64,
    rows: u64,
    total_ms: f64,
}

impl Counted {
    fn of(statistics: &api::QueryStatistics) -> Self {
        Self {
            calls: statistics.calls,
            errors: statistics.errors,
            rows: statistics.rows,
            total_ms: statistics.total_ms,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            errors: self.errors + other.errors,
            rows: self.rows + other.rows,
            total_ms: self.total_ms + other.total_ms,
        }
    }

    /// None where less is counted than before: another monitor counts, or the same from the beginning.
    fn since(self, before: Self, seconds: f64) -> Option<Lately> {
        let grown = self.calls >= before.calls && self.errors >= before.errors && self.rows >= before.rows;
        (grown && seconds > 0.0).then(|| Lately {
            calls: (self.calls - before.calls) as f64 / seconds,
            errors: (self.errors - before.errors) as f64 / seconds,
            rows: (self.rows - before.rows) as f64 / seconds,
            time_ms: (self.total_ms - before.total_ms).max(0.0) / seconds,
        })
    }
}

/// The look before.
#[derive(Debug, Clone, Default)]
pub(super) struct Looks {
    before: Option<Before>,
}

#[derive(Debug, Clone, Default)]
struct Before {
    anchor_ms: i64,
    at: Duration,
    counted: HashMap<(String, String), Counted>,
    sum: Counted,
    /// There were more statements than listed: one that is not here may have been counted for long.
    is_cut: bool,
}

impl Before {
    fn of(look: &Look, at: Duration) -> Self {
        let counted = look.queries.iter().map(|query| {
            let key = (query.fingerprint.clone(), query.database.clone());
            (key, Counted::of(query))
        });
        Self {
            anchor_ms: look.anchor_ms,
            at,
            counted: counted.collect(),
            sum: sum(look),
            is_cut: look.queries.len() >= LISTED as usize,
        }
    }

    fn of_query(&self, query: &api::QueryStatistics) -> Option<Counted> {
        let key = (query.fingerprint.clone(), query.database.clone());
        let known = self.counted.get(&key).copied();
        known.or_else(|| (!self.is_cut).then(Counted::default))
    }
}

fn sum(look: &Look) -> Counted {
    let spans = look.spans.iter().filter_map(|span| span.statistics.as_ref());
    spans.map(Counted::of).fold(Counted::default(), Counted::plus)
}

impl Looks {
    /// From when on to ask now.
    pub(super) fn anchors(&self, now_ms: i64) -> Anchors {
        let back = |ms: i64| (now_ms - ms).div_euclid(GRAIN_MS) * GRAIN_MS;
        match &self.before {
            // A clock that was set back makes an anchor that lies ahead.
            Some(before) if before.anchor_ms <= now_ms => Anchors {
                current_ms: before.anchor_ms,
                next_ms: (now_ms - before.anchor_ms > OLD_MS).then(|| back(NEXT_BACK_MS)),
            },
            _ => Anchors {
                current_ms: back(FIRST_BACK_MS),
                next_ms: None,
            },
        }
    }

    /// Takes a look, `at` after the start, at `now_ms`, with what the next one differs from.
    pub(super) fn take(&mut self, look: &Look, next: Option<&Look>, at: Duration, now_ms: i64) -> (Vec<Query>, Load) {
        let before = self.before.take().filter(|before| before.anchor_ms == look.anchor_ms);
        // The first look tells the average since the anchor.
        let (before, seconds) = match before {
            Some(before) => {
                let seconds = at.saturating_sub(before.at).as_secs_f64();
                (before, seconds)
            }
            None => (Before::default(), (now_ms - look.anchor_ms) as f64 / 1e3),
        };
        let lately = |query: &api::QueryStatistics| Counted::of(query).since(before.of_query(query)?, seconds);
        let queries = look.queries.iter().map(|query| shown(query, lately(query))).collect();
        let load = Load {
            lately: sum(look).since(before.sum, seconds),
            percentiles_ms: percentiles(&look.spans, now_ms),
        };
        self.before = Some(Before::of(next.unwrap_or(look), at));
        (queries, load)
    }
}

fn shown(query: &api::QueryStatistics, lately: Option<Lately>) -> Query {
    let asked = query.cache_hits + query.cache_misses;
    Query {
        fingerprint: clean(&query.fingerprint),
        database: clean(&query.database),
        text: clean(&query.text),
        lately,
        p50_ms: query.p50_ms,
        p95_ms: query.p95_ms,
        p99_ms: query.p99_ms,
        max_ms: query.max_ms,
        wait_p95_ms: query.wait_p95_ms,
        writes: query.writes,
        hit_ratio: (asked > 0).then(|| query.cache_hits as f64 / asked as f64),
    }
}

/// Of the last span that has ended, or of the one that has not, where nothing ran before.
fn percentiles(spans: &[api::TimelineSpan], now_ms: i64) -> Option<[f64; 3]> {
    let ran = |span: &&api::TimelineSpan| span.statistics.as_ref().is_some_and(|told| told.calls > 0);
    // What ran long ago is not what statements take now.
    let recent = |span: &&api::TimelineSpan| span.to_unix_ms > now_ms - 3 * GRAIN_MS;
    let ended = spans
        .iter()
        .rev()
        .filter(recent)
        .find(|span| span.to_unix_ms <= now_ms && ran(span));
    let span = ended.or_else(|| spans.iter().rev().filter(recent).find(ran))?;
    let told = span.statistics.as_ref()?;
    Some([told.p50_ms, told.p95_ms, told.p99_ms])
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_790_000_007_000;

    fn counted(name: &str, calls: u64, total_ms: f64) -> api::QueryStatistics {
        api::QueryStatistics {
            fingerprint: name.to_owned(),
            calls,
            errors: calls / 10,
            total_ms,
            p95_ms: 5.0,
            ..api::QueryStatistics::default()
        }
    }

    fn look(anchor_ms: i64, queries: Vec<api::QueryStatistics>) -> Look {
        let span = |statistics: &api::QueryStatistics| api::TimelineSpan {
            from_unix_ms: anchor_ms,
            to_unix_ms: NOW_MS,
            statistics: Some(statistics.clone()),
        };
        Look {
            anchor_ms,
            spans: queries.iter().map(span).collect(),
            queries,
            missing: String::new(),
        }
    }

    fn per_second(queries: &[Query]) -> Vec<Option<f64>> {
        queries
            .iter()
            .map(|query| query.lately.map(|lately| lately.calls))
            .collect()
    }

    #[test]
    fn the_first_look_tells_the_average_and_later_ones_the_difference() {
        let mut looks = Looks::default();
        let anchor = looks.anchors(NOW_MS).current_ms;
        assert_eq!((anchor % 10_000, NOW_MS - anchor), (0, 67_000));
        let (queries, load) = looks.take(
            &look(anchor, vec![counted("a", 670, 67.0)]),
            None,
            Duration::ZERO,
            NOW_MS,
        );
        assert_eq!(per_second(&queries), [Some(10.0)]);
        assert_eq!(load.percentiles_ms, Some([0.0, 5.0, 0.0]));
        let later = look(anchor, vec![counted("a", 690, 69.0), counted("b", 4, 1.0)]);
        let (queries, load) = looks.take(&later, None, Duration::from_secs(2), NOW_MS + 2_000);
        assert_eq!(per_second(&queries), [Some(10.0), Some(2.0)]);
        let all = load.lately.unwrap();
        assert_eq!((all.calls, all.errors, all.time_ms), (12.0, 1.0, 1.5));
    }

    #[test]
    fn an_old_anchor_gives_way_without_a_gap() {
        let mut looks = Looks::default();
        let first = looks.anchors(NOW_MS).current_ms;
        looks.take(&look(first, vec![counted("a", 100, 1.0)]), None, Duration::ZERO, NOW_MS);
        let now_ms = NOW_MS + 60_000;
        let anchors = looks.anchors(now_ms);
        let next = anchors.next_ms.unwrap();
        assert_eq!((anchors.current_ms, next % 10_000), (first, 0));
        let (old, new) = (
            look(first, vec![counted("a", 160, 2.0)]),
            look(next, vec![counted("a", 7, 0.1)]),
        );
        let (queries, _) = looks.take(&old, Some(&new), Duration::from_secs(60), now_ms);
        assert_eq!(per_second(&queries), [Some(1.0)]);
        assert_eq!(looks.anchors(now_ms).current_ms, next);
        let (queries, _) = looks.take(
            &look(next, vec![counted("a", 11, 0.2)]),
            None,
            Duration::from_secs(62),
            now_ms + 2_000,
        );
        assert_eq!(per_second(&queries), [Some(2.0)]);
    }

    #[test]
    fn what_cannot_be_told_is_not_told() {
        let mut looks = Looks::default();
        let anchor = looks.anchors(NOW_MS).current_ms;
        let many = (0..LISTED)
            .map(|number| counted(&number.to_string(), 10, 1.0))
            .collect();
        looks.take(&look(anchor, many), None, Duration::ZERO, NOW_MS);
        let restarted = vec![counted("0", 3, 0.1), counted("new", 10_000, 1.0)];
        let (queries, load) = looks.take(&look(anchor, restarted), None, Duration::from_secs(2), NOW_MS);
        assert_eq!(
            (per_second(&queries), load.lately.map(|lately| lately.calls)),
            (vec![None, None], Some(3_501.5))
        );
        // A clock that was set back.
        looks.take(&look(anchor, Vec::new()), None, Duration::ZERO, NOW_MS);
        assert!(looks.anchors(NOW_MS - 1_000_000).current_ms < NOW_MS - 1_000_000);
    }

    #[test]
    fn percentiles_are_those_of_the_last_seconds() {
        let span = |to_unix_ms, calls, p95_ms| api::TimelineSpan {
            from_unix_ms: to_unix_ms - 10_000,
            to_unix_ms,
            statistics: Some(api::QueryStatistics {
                calls,
                p95_ms,
                ..api::QueryStatistics::default()
            }),
        };
        let p95 = |spans: &[api::TimelineSpan]| percentiles(spans, NOW_MS).map(|[_, p95, _]| p95);
        let (ended, under_way) = (span(NOW_MS - 1_000, 5, 2.0), span(NOW_MS + 9_000, 1, 3.0));
        assert_eq!(p95(&[ended, under_way.clone()]), Some(2.0));
        assert_eq!(p95(&[span(NOW_MS - 1_000, 0, 2.0), under_way]), Some(3.0));
        assert_eq!(p95(&[span(NOW_MS - 40_000, 5, 2.0)]), None);
    }
}
