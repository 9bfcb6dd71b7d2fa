//! Answers of the cache as people and programs read them.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use weir_proto::cache::v1 as api;
use weir_proto::cache::v1::policy::Subject;

use crate::terminal::{Failure, Listing, say, say_json, shortened};

type Followers = Result<Vec<api::Follower>, Failure>;

/// What the cache did and holds, and how far the logs are followed.
pub(super) fn status(
    statistics: &api::GetStatisticsResponse,
    followers: Followers,
    as_json: bool,
) -> Result<(), Failure> {
    if as_json {
        return say_json(&status_as_json(statistics, followers));
    }
    let headings = [
        "PROJECT", "LOOK-UPS", "HITS", "SHARED", "MISSES", "BYPASSES", "ENTRIES", "BYTES", "SAVED", "DRY RUN",
    ];
    let mut listing = Listing::new(&headings, "no gateway has told of its cache yet");
    for project in &statistics.projects {
        listing.row(project_row(project));
    }
    listing.say()?;
    if let Some(total) = &statistics.total {
        say(&reasons("misses", &total.misses_total))?;
        say(&reasons("bypasses", &total.bypasses_total))?;
        say(&reasons("results not kept", &total.fills_refused_total))?;
    }
    match followers {
        Ok(followers) => show_followers(&followers),
        Err(error) => say(&format!("what is followed is not known: {error}")),
    }
}

fn project_row(project: &api::ProjectStatistics) -> [String; 10] {
    let statistics = project.statistics.clone().unwrap_or_default();
    let hits = statistics.hits_memory_total + statistics.hits_shared_total;
    [
        project.project.clone(),
        statistics.lookups_total.to_string(),
        percent(hits, statistics.lookups_total),
        statistics.hits_shared_total.to_string(),
        statistics.misses_total.values().sum::<u64>().to_string(),
        statistics.bypasses_total.values().sum::<u64>().to_string(),
        statistics.entries_memory.to_string(),
        statistics.bytes_memory.to_string(),
        seconds(statistics.saved_us_total),
        seconds(statistics.would_have_saved_us_total),
    ]
}

fn percent(part: u64, of: u64) -> String {
    if of == 0 {
        return "-".to_owned();
    }
    format!("{:.1} %", part as f64 * 100.0 / of as f64)
}

fn seconds(micros: i64) -> String {
    format!("{:.1} s", micros as f64 / 1e6)
}

fn reasons(what: &str, counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return format!("{what}: none");
    }
    let words = counts.iter().map(|(reason, count)| format!("{reason} {count}"));
    format!("{what}: {}", words.collect::<Vec<_>>().join(", "))
}

fn show_followers(followers: &[api::Follower]) -> Result<(), Failure> {
    let headings = ["DATABASE", "SERVER", "STATE", "DDL", "LAG P50", "LAG P99", "HINDRANCE"];
    let mut listing = Listing::new(&headings, "no database is followed");
    for follower in followers {
        listing.row([
            follower.database.clone(),
            follower.upstream.clone(),
            word(follower.state().as_str_name(), "FOLLOWER_STATE_"),
            word(follower.ddl_watch().as_str_name(), "DDL_WATCH_"),
            format!("{:.2} ms", follower.lag_p50_ms),
            format!("{:.2} ms", follower.lag_p99_ms),
            follower.hindrance.clone(),
        ]);
    }
    listing.say()?;
    let headings = ["NOT CACHED", "WHY", "WHAT HELPS"];
    let mut listing = Listing::new(&headings, "every table is followed");
    let tables = followers.iter().flat_map(|follower| &follower.unfollowed);
    for table in tables {
        listing.row([table.relation.clone(), table.reason.clone(), table.advice.clone()]);
    }
    listing.say()
}

/// The name of a value of the protocol, without its prefix.
fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix)
        .unwrap_or(name)
        .to_lowercase()
        .replace('_', "-")
}

fn status_as_json(statistics: &api::GetStatisticsResponse, followers: Followers) -> Json {
    let projects = statistics.projects.iter().map(|project| {
        let mut line = statistics_as_json(&project.statistics.clone().unwrap_or_default());
        if let Some(line) = line.as_object_mut() {
            line.insert("project".to_owned(), json!(project.project));
        }
        line
    });
    let followers = match followers {
        Ok(followers) => json!(followers.iter().map(follower_as_json).collect::<Vec<_>>()),
        Err(error) => json!({ "error": error.to_string() }),
    };
    json!({
        "total": statistics_as_json(&statistics.total.clone().unwrap_or_default()),
        "projects": projects.collect::<Vec<_>>(),
        "followers": followers,
    })
}

fn statistics_as_json(statistics: &api::Statistics) -> Json {
    json!({
        "lookups": statistics.lookups_total,
        "hits_memory": statistics.hits_memory_total,
        "hits_shared": statistics.hits_shared_total,
        "misses": statistics.misses_total,
        "bypasses": statistics.bypasses_total,
        "fills": statistics.fills_total,
        "fills_refused": statistics.fills_refused_total,
        "evictions": statistics.evictions_total,
        "invalidations": statistics.invalidations_total,
        "entries_memory": statistics.entries_memory,
        "bytes_memory": statistics.bytes_memory,
        "entries_shared": statistics.entries_shared,
        "bytes_shared": statistics.bytes_shared,
        "saved_us": statistics.saved_us_total,
        "would_have_saved_us": statistics.would_have_saved_us_total,
        "bypass_ms": statistics.bypass_ms_total,
    })
}

fn follower_as_json(follower: &api::Follower) -> Json {
    let unfollowed = follower
        .unfollowed
        .iter()
        .map(|table| json!({ "relation": table.relation, "reason": table.reason, "advice": table.advice }));
    json!({
        "upstream": follower.upstream,
        "database": follower.database,
        "state": word(follower.state().as_str_name(), "FOLLOWER_STATE_"),
        "hindrance": follower.hindrance,
        "leader": follower.leader,
        "epoch": follower.epoch,
        "sequence": follower.sequence,
        "applied_lsn": follower.applied_lsn,
        "visible_lsn": follower.visible_lsn,
        "kill_lsn": follower.kill_lsn,
        "lag_p50_ms": follower.lag_p50_ms,
        "lag_p99_ms": follower.lag_p99_ms,
        "slot": follower.slot,
        "retained_wal_bytes": follower.retained_wal_bytes,
        "ddl_watch": word(follower.ddl_watch().as_str_name(), "DDL_WATCH_"),
        "unfollowed": unfollowed.collect::<Vec<_>>(),
    })
}

/// Shapes with what caching them costs and brings.
pub(super) fn shapes(shapes: &[api::Shape], as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say_json(&json!({ "shapes": shapes.iter().map(shape_as_json).collect::<Vec<_>>() }));
    }
    let headings = [
        "FINGERPRINT",
        "DATABASE",
        "NOW",
        "SAVED/S",
        "LOOK-UPS",
        "HITS",
        "MISS",
        "HIT",
        "ADDED",
        "STATEMENT",
    ];
    let mut listing = Listing::new(&headings, "no gateway has told of a shape yet");
    for shape in shapes {
        let benefit = shape.benefit.unwrap_or_default();
        listing.row([
            shape.fingerprint.clone(),
            shape.database.clone(),
            shape.decision.as_ref().map(mode_of).unwrap_or_default(),
            micros(benefit.saved_us_per_second),
            benefit.lookups.to_string(),
            format!("{:.1} %", benefit.hit_ratio * 100.0),
            micros(benefit.miss_us),
            micros(benefit.hit_us),
            micros(benefit.overhead_us),
            shortened(&shape.text, 60),
        ]);
    }
    listing.say()
}

pub(in crate::commands) fn mode_of(decision: &api::Decision) -> String {
    word(decision.mode().as_str_name(), "CACHE_MODE_")
}

fn micros(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{:.1} s", value / 1e6),
        size if size >= 1e3 => format!("{:.1} ms", value / 1e3),
        _ => format!("{value:.1} µs"),
    }
}

pub(in crate::commands) fn shape_as_json(shape: &api::Shape) -> Json {
    json!({
        "fingerprint": shape.fingerprint,
        "query": shape.text,
        "project": shape.project,
        "database": shape.database,
        "decision": shape.decision.as_ref().map(decision_as_json),
        "benefit": shape.benefit.as_ref().map(benefit_as_json),
        "entries_memory": shape.entries_memory,
        "entries_shared": shape.entries_shared,
        "bytes": shape.bytes,
    })
}

fn decision_as_json(decision: &api::Decision) -> Json {
    json!({ "mode": mode_of(decision), "reason": decision.reason, "policy_id": decision.policy_id })
}

fn benefit_as_json(benefit: &api::Benefit) -> Json {
    json!({
        "lookups": benefit.lookups,
        "hit_ratio": benefit.hit_ratio,
        "miss_us": benefit.miss_us,
        "hit_us": benefit.hit_us,
        "overhead_us": benefit.overhead_us,
        "saved_us_per_second": benefit.saved_us_per_second,
        "result_bytes": benefit.result_bytes,
    })
}

/// Rules, those that apply first at the head.
pub(super) fn rules(policies: &[api::Policy], as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say_json(&json!({ "rules": policies.iter().map(rule_as_json).collect::<Vec<_>>() }));
    }
    let headings = ["ID", "ABOUT", "MODE", "CONSISTENCY", "LIMITS", "FROM", "NOTE"];
    let mut listing = Listing::new(&headings, "no rules");
    for policy in policies {
        listing.row([
            policy.id.clone(),
            about(policy.subject.as_ref()),
            word(policy.mode().as_str_name(), "CACHE_MODE_"),
            word(policy.consistency().as_str_name(), "CONSISTENCY_").replace("unspecified", "default"),
            limits(policy),
            word(policy.origin().as_str_name(), "POLICY_ORIGIN_"),
            shortened(&policy.note, 60),
        ]);
    }
    listing.say()
}

fn about(subject: Option<&Subject>) -> String {
    match subject {
        Some(Subject::Fingerprint(fingerprint)) => format!("shape {fingerprint}"),
        Some(Subject::Relation(relation)) => format!("table {relation}"),
        Some(Subject::WholeProject(_)) => "project".to_owned(),
        None => String::new(),
    }
}

/// What the rule limits, as `name=value`.
fn limits(policy: &api::Policy) -> String {
    let all = [
        ("bound_ms", u64::from(policy.bound_ms)),
        ("ttl_ms", u64::from(policy.ttl_ms)),
        ("empty_ttl_ms", u64::from(policy.negative_ttl_ms)),
        ("result_bytes_max", policy.result_bytes_max),
        ("memory_bytes_max", policy.memory_bytes_max),
    ];
    let set = all.into_iter().filter(|(_, value)| *value > 0);
    set.map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join(" ")
}

pub(in crate::commands) fn rule_as_json(policy: &api::Policy) -> Json {
    json!({
        "id": policy.id,
        "project": policy.project,
        "about": about(policy.subject.as_ref()),
        "mode": word(policy.mode().as_str_name(), "CACHE_MODE_"),
        "consistency": word(policy.consistency().as_str_name(), "CONSISTENCY_"),
        "bound_ms": policy.bound_ms,
        "ttl_ms": policy.ttl_ms,
        "empty_ttl_ms": policy.negative_ttl_ms,
        "result_bytes_max": policy.result_bytes_max,
        "memory_bytes_max": policy.memory_bytes_max,
        "origin": word(policy.origin().as_str_name(), "POLICY_ORIGIN_"),
        "note": policy.note,
    })
}

/// Where an order stands.
pub(super) fn receipts(receipts: &[api::Receipt], as_json: bool) -> Result<(), Failure> {
    if as_json {
        let lines = receipts.iter().map(|receipt| {
            json!({
                "upstream": receipt.upstream,
                "database": receipt.database,
                "epoch": receipt.epoch,
                "sequence": receipt.sequence,
            })
        });
        return say_json(&json!({ "receipts": lines.collect::<Vec<_>>() }));
    }
    let mut listing = Listing::new(&["DATABASE", "SERVER", "MESSAGE", "EPOCH"], "no database is concerned");
    for receipt in receipts {
        listing.row([
            receipt.database.clone(),
            receipt.upstream.clone(),
            receipt.sequence.to_string(),
            receipt.epoch.clone(),
        ]);
    }
    listing.say()
}

/// What the cache thinks of a statement.
pub(super) fn explanation(answer: &api::ExplainResponse, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say_json(&explanation_as_json(answer));
    }
    for line in explained(answer) {
        say(&line)?;
    }
    Ok(())
}

/// An explanation in sentences.
fn explained(answer: &api::ExplainResponse) -> Vec<String> {
    let mut lines = vec![format!("shape {}", answer.fingerprint)];
    lines.push(if answer.cacheable {
        "its results may be cached".to_owned()
    } else {
        "its results are not cached:".to_owned()
    });
    let refusals = answer.refusals.iter();
    lines.extend(refusals.map(|refusal| format!("  {}: {}", refusal.rule.replace('_', " "), refusal.detail)));
    if !answer.tags.is_empty() {
        lines.push("they change with:".to_owned());
        lines.extend(answer.tags.iter().map(|tag| format!("  {}", dependency(tag))));
    }
    if answer.cacheable && answer.consistency() != api::Consistency::Unspecified {
        let level = word(answer.consistency().as_str_name(), "CONSISTENCY_");
        lines.push(format!("consistency: {level}"));
    }
    if let Some(decision) = &answer.decision {
        lines.push(format!("now: {}; {}", mode_of(decision), decision.reason));
    }
    lines.push(match &answer.benefit {
        Some(benefit) => format!(
            "saves {} in a second, over {} look-ups",
            micros(benefit.saved_us_per_second),
            benefit.lookups
        ),
        None => "nothing was measured of it yet".to_owned(),
    });
    lines
}

fn dependency(tag: &api::Tag) -> String {
    let what = if tag.columns.is_empty() {
        format!("any row of {}", tag.relation)
    } else {
        format!("rows of {} with one value of {}", tag.relation, tag.columns.join(", "))
    };
    match tag.imprecise_reason.as_str() {
        "" => what,
        reason => format!("{what} (because of: {})", reason.replace('_', " ")),
    }
}

fn explanation_as_json(answer: &api::ExplainResponse) -> Json {
    let refusals = answer.refusals.iter();
    let refusals = refusals.map(|refusal| json!({ "rule": refusal.rule, "detail": refusal.detail }));
    let tags = answer.tags.iter().map(
        |tag| json!({ "relation": tag.relation, "columns": tag.columns, "imprecise_reason": tag.imprecise_reason }),
    );
    json!({
        "fingerprint": answer.fingerprint,
        "cacheable": answer.cacheable,
        "refusals": refusals.collect::<Vec<_>>(),
        "tags": tags.collect::<Vec<_>>(),
        "consistency": word(answer.consistency().as_str_name(), "CONSISTENCY_"),
        "decision": answer.decision.as_ref().map(decision_as_json),
        "benefit": answer.benefit.as_ref().map(benefit_as_json),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_is_told_in_sentences() {
        let refused = api::ExplainResponse {
            fingerprint: "00ab00ab00ab00ab".to_owned(),
            refusals: vec![api::Refusal {
                rule: "volatile_function".to_owned(),
                detail: "random() gives another answer each time".to_owned(),
            }],
            ..api::ExplainResponse::default()
        };
        let lines = explained(&refused);
        assert_eq!(lines[1], "its results are not cached:");
        assert_eq!(lines[2], "  volatile function: random() gives another answer each time");
        let cacheable = api::ExplainResponse {
            cacheable: true,
            tags: vec![
                api::Tag {
                    relation: "public.users".to_owned(),
                    columns: vec!["id".to_owned()],
                    ..api::Tag::default()
                },
                api::Tag {
                    relation: "public.roles".to_owned(),
                    imprecise_reason: "outer_join".to_owned(),
                    ..api::Tag::default()
                },
            ],
            decision: Some(api::Decision {
                mode: api::CacheMode::Auto.into(),
                reason: "90.0 % of look-ups hit".to_owned(),
                policy_id: String::new(),
            }),
            ..api::ExplainResponse::default()
        };
        let text = explained(&cacheable).join("\n");
        for line in [
            "its results may be cached",
            "  rows of public.users with one value of id",
            "  any row of public.roles (because of: outer join)",
            "now: auto; 90.0 % of look-ups hit",
            "nothing was measured of it yet",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }

    #[test]
    fn figures_and_names_are_short() {
        assert_eq!(micros(-1.25), "-1.2 µs");
        assert_eq!((micros(1_500.0).as_str(), micros(2.5e6).as_str()), ("1.5 ms", "2.5 s"));
        assert_eq!((percent(1, 3).as_str(), percent(0, 0).as_str()), ("33.3 %", "-"));
        assert_eq!(word("CACHE_MODE_DRY_RUN", "CACHE_MODE_"), "dry-run");
        assert_eq!(
            reasons("misses", &[("absent".to_owned(), 3)].into()),
            "misses: absent 3"
        );
    }
}
