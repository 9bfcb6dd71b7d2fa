//! What is known of a statement, as people and programs read it.

use serde_json::{Value as Json, json};
use weir_proto::monitor::v1 as monitor;

use super::Known;
use super::chart::{Point, bars};
use crate::commands::explain;
use crate::commands::{advice, alerts, cache, queries};
use crate::terminal::{Failure, milliseconds, moment, say, say_json, shortened};

/// Columns of the charts.
const WIDTH: usize = 60;

pub(super) fn json(known: &Known) -> Result<(), Failure> {
    say_json(&json!({
        "statistics": known.statistics.iter().map(queries::as_json).collect::<Vec<_>>(),
        "timeline": known.timeline.spans.iter().map(span_json).collect::<Vec<_>>(),
        "missing": known.timeline.missing,
        "changes": known.changes.iter().map(change_json).collect::<Vec<_>>(),
        "plans": known.plans.iter().map(plan_json).collect::<Vec<_>>(),
        "alerts": known.alerts.iter().map(alerts::as_json).collect::<Vec<_>>(),
        "advice": or_error(&known.advice, |advice| advice.iter().map(advice::advice_json).collect()),
        "cache": or_error(&known.cached, |shapes| shapes.iter().map(cache::shape_as_json).collect()),
        "cache_rules": or_error(&known.rules, |rules| rules.iter().map(cache::rule_as_json).collect()),
    }))
}

fn or_error<T>(part: &Result<T, Failure>, shown: impl Fn(&T) -> Json) -> Json {
    match part {
        Ok(part) => shown(part),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

fn span_json(span: &monitor::TimelineSpan) -> Json {
    let statistics = span.statistics.clone().unwrap_or_default();
    json!({
        "from_unix_ms": span.from_unix_ms,
        "to_unix_ms": span.to_unix_ms,
        "calls": statistics.calls,
        "errors": statistics.errors,
        "rows": statistics.rows,
        "p50_ms": statistics.p50_ms,
        "p95_ms": statistics.p95_ms,
        "p99_ms": statistics.p99_ms,
        "max_ms": statistics.max_ms,
        "total_ms": statistics.total_ms,
        "wait_ms": statistics.wait_ms,
        "cache_hits": statistics.cache_hits,
    })
}

fn change_json(change: &monitor::QueryChange) -> Json {
    json!({
        "id": change.id,
        "database": change.database,
        "at_unix_ms": change.at_unix_ms,
        "before_ms": change.before_ms,
        "after_ms": change.after_ms,
        "factor": change.factor,
    })
}

fn plan_json(plan: &monitor::CapturedPlan) -> Json {
    json!({
        "database": plan.database,
        "plan_shape": plan.plan_shape,
        "first_captured_unix_ms": plan.first_captured_unix_ms,
        "captured_unix_ms": plan.captured_unix_ms,
        "captures": plan.captures,
        "plan": serde_json::from_str::<Json>(&plan.plan_json).unwrap_or(Json::Null),
        "findings": plan.findings.iter().map(explain::finding_json).collect::<Vec<_>>(),
    })
}

pub(super) fn people(known: &Known) -> Result<(), Failure> {
    if let Some(first) = known.statistics.first() {
        say(&format!("{}  {}", first.fingerprint, queries::kind(first)))?;
        say(if first.text.is_empty() {
            "its text is not known"
        } else {
            &first.text
        })?;
    }
    known.statistics.iter().try_for_each(figures)?;
    timeline(&known.timeline.spans)?;
    if !known.timeline.missing.is_empty() {
        say(&format!("not everything is in it: {}", known.timeline.missing))?;
    }
    changes(&known.changes)?;
    plans(&known.plans)?;
    for alert in &known.alerts {
        say(&format!(
            "alert     {}  {} {}: {}",
            moment(alert.since_unix_ms),
            alerts::word(alert),
            alert.rule,
            alert.summary
        ))?;
    }
    advices(known)?;
    cached(known)
}

fn figures(query: &monitor::QueryStatistics) -> Result<(), Failure> {
    say(&format!(
        "\non {}: {} calls, {} failed, {} slow, {} rows; last {}",
        query.database,
        query.calls,
        query.errors,
        query.slow_calls,
        query.rows,
        moment(query.last_seen_unix_ms)
    ))?;
    say(&format!(
        "latency   p50 {}, p95 {}, p99 {}, longest {}, all calls {}",
        milliseconds(query.p50_ms),
        milliseconds(query.p95_ms),
        milliseconds(query.p99_ms),
        milliseconds(query.max_ms),
        milliseconds(query.total_ms)
    ))?;
    say(&format!(
        "of it     server {}, waiting for a connection {}, waiting for the client {}",
        milliseconds(query.server_ms),
        milliseconds(query.wait_ms),
        milliseconds(query.drain_ms)
    ))?;
    if query.errors_by_class.is_empty() {
        return Ok(());
    }
    let classes = query
        .errors_by_class
        .iter()
        .map(|(class, count)| format!("{class} {count}"));
    say(&format!(
        "errors    by class of SQLSTATE: {}",
        classes.collect::<Vec<_>>().join(", ")
    ))
}

fn timeline(spans: &[monitor::TimelineSpan]) -> Result<(), Failure> {
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
        return Ok(());
    };
    let (from_ms, to_ms) = (first.from_unix_ms, last.to_unix_ms);
    let points = |value: fn(&monitor::QueryStatistics, f64) -> f64| -> Vec<Point> {
        let point = |span: &monitor::TimelineSpan| {
            let seconds = (span.to_unix_ms - span.from_unix_ms).max(1) as f64 / 1e3;
            Some(Point {
                from_ms: span.from_unix_ms,
                value: value(span.statistics.as_ref()?, seconds),
            })
        };
        spans.iter().filter_map(point).collect()
    };
    let (p95, p95_top) = bars(&points(|statistics, _| statistics.p95_ms), from_ms, to_ms, WIDTH);
    let (calls, calls_top) = bars(
        &points(|statistics, seconds| statistics.calls as f64 / seconds),
        from_ms,
        to_ms,
        WIDTH,
    );
    say(&format!("\np95       {p95}  up to {}", milliseconds(p95_top)))?;
    say(&format!("calls     {calls}  up to {calls_top:.1} a second"))?;
    say(&format!("          {} to {}", moment(from_ms), moment(to_ms)))
}

fn changes(changes: &[monitor::QueryChange]) -> Result<(), Failure> {
    changes.iter().try_for_each(|change| {
        say(&format!(
            "changed   {}  from {} to {} ({:.1} times)",
            moment(change.at_unix_ms),
            milliseconds(change.before_ms),
            milliseconds(change.after_ms),
            change.factor
        ))
    })
}

fn plans(plans: &[monitor::CapturedPlan]) -> Result<(), Failure> {
    for (number, plan) in plans.iter().enumerate() {
        say(&format!(
            "\nplan      {} on {}, seen {} times, last {}",
            plan.plan_shape,
            plan.database,
            plan.captures,
            moment(plan.captured_unix_ms)
        ))?;
        plan.findings.iter().try_for_each(explain::say_finding)?;
        // The present plan whole; of earlier ones that they were is enough.
        if number == 0 {
            say(plan.plan_text.trim_end())?;
        }
    }
    Ok(())
}

fn advices(known: &Known) -> Result<(), Failure> {
    match &known.advice {
        Err(error) => say(&format!("advice    not known: {error}")),
        Ok(advices) => advices.iter().try_for_each(|advice| {
            say(&format!(
                "advice    {}: {} ({})",
                advice.id,
                advice.summary,
                shortened(&advice.reason, 100)
            ))
        }),
    }
}

fn cached(known: &Known) -> Result<(), Failure> {
    match &known.cached {
        Err(error) => say(&format!("cache     not known: {error}"))?,
        Ok(shapes) if shapes.is_empty() => say("cache     nothing is known of it")?,
        Ok(shapes) => shapes.iter().try_for_each(|shape| {
            let decision = shape.decision.clone().unwrap_or_default();
            say(&format!("cache     {}: {}", cache::mode_of(&decision), decision.reason))
        })?,
    }
    match &known.rules {
        Ok(rules) => rules
            .iter()
            .try_for_each(|rule| say(&format!("rule      {} {}", rule.id, rule.note))),
        Err(_) => Ok(()),
    }
}
