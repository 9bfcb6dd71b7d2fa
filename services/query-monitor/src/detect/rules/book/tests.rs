//! What layers make of rules.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::detect::rules::Severity;
use crate::detect::rules::level::Bound;
use crate::detect::{Labels, metric};

fn patches(text: &str) -> Vec<RulePatch> {
    toml::from_str::<BuiltIn>(text).unwrap().rules
}

fn layers(file: &str, grpc: &str) -> Layers {
    let parsed = |text: &str| if text.is_empty() { Vec::new() } else { patches(text) };
    Layers {
        slow_query_ms: 1_000.0,
        file: parsed(file),
        grpc: parsed(grpc),
    }
}

fn bound(book: &RuleBook, rule: &str, project: &str, severity: Severity) -> Option<Bound> {
    let rule = book.rule(rule, &Project::parse(project).unwrap()).unwrap();
    rule.levels.of(severity)
}

#[test]
fn every_built_in_rule_stands_and_has_its_runbook() {
    let book = RuleBook::new(&layers("", "")).unwrap();
    let rules: Vec<_> = book.list().collect();
    assert_eq!(rules.len(), 28);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (_, rule, origin) in rules {
        assert_eq!(origin, Origin::BuiltIn);
        assert_eq!(rule.runbook, format!("docs/runbooks/{}.md", rule.name));
        let page = std::fs::read_to_string(root.join(&rule.runbook)).unwrap_or_default();
        assert!(
            page.starts_with(&format!("# Alert `{}`", rule.name)) && page.lines().count() >= 12,
            "{} says too little",
            rule.runbook
        );
    }
    let judged = |metric: &Metric| book.about(*metric).next().is_some();
    let idle: Vec<_> = metric::ALL.into_iter().filter(|metric| !judged(metric)).collect();
    assert_eq!(
        idle,
        [metric::CACHE_HIT_RATIO, metric::POOL_WAITING],
        "no rule looks at these"
    );
}

#[test]
fn layers_override_by_name_and_keep_what_they_do_not_say() {
    let file = r#"
        [[rules]]
        name = "pool-utilization"
        project = "shop"
        warning = 0.6
        [[rules]]
        name = "pool-utilization"
        warning = 0.7
        for = "2m"
        [[rules]]
        name = "latency-p95"
        severity = "critical"
        [[rules]]
        name = "queue"
        metric = "pool.waiting"
        warning = 5
    "#;
    let grpc = r#"
        [[rules]]
        name = "pool-utilization"
        critical = 0.95
        critical_clear = 0.94
        [[rules]]
        name = "latency-p95"
        project = "blog"
        enabled = false
    "#;
    let book = RuleBook::new(&layers(file, grpc)).unwrap();
    let pool = |project, severity| bound(&book, "pool-utilization", project, severity).unwrap().raise;
    assert_eq!(
        [
            pool("shop", Severity::Warning),
            pool("blog", Severity::Warning),
            pool("shop", Severity::Critical),
            pool("blog", Severity::Critical),
        ],
        [0.6, 0.7, 0.95, 0.95]
    );
    let blog = Project::parse("blog").unwrap();
    assert_eq!(
        book.rule("pool-utilization", &blog).unwrap().hold,
        Duration::from_secs(120)
    );
    assert!(!book.rule("latency-p95", &blog).unwrap().enabled);
    assert!(book.rule("latency-p95", &Project::default()).unwrap().enabled);
    let latency = |severity| bound(&book, "latency-p95", "default", severity);
    assert_eq!(
        (latency(Severity::Warning), latency(Severity::Critical).unwrap().raise),
        (None, 100.0)
    );
    assert_eq!(book.about(metric::POOL_WAITING).count(), 1);
    let origin = |name: &str| book.list().find(|(_, rule, _)| &*rule.name == name).unwrap().2;
    assert_eq!(
        [origin("latency-p95"), origin("queue"), origin("pool-wait")],
        [Origin::Grpc, Origin::File, Origin::BuiltIn]
    );
}

#[test]
fn a_raised_bound_takes_its_clearing_with_it() {
    let book = RuleBook::new(&layers("[[rules]]\nname = \"latency-p95\"\nwarning = 200\n", "")).unwrap();
    let bound = bound(&book, "latency-p95", "default", Severity::Warning).unwrap();
    assert_eq!((bound.raise, bound.clear), (200.0, 170.0));
}

#[test]
fn a_rule_that_cannot_be_is_named_with_its_reason() {
    for (rule, word) in [
        ("name = \"Bad\"", "are a name"),
        ("name = \"latency-p95\"\nproject = \"A\"", "project"),
        ("name = \"unknown\"\nwarning = 1", "needs a metric"),
        ("name = \"unknown\"\nproject = \"shop\"\nwarning = 1", "no such rule"),
        ("name = \"own\"\nmetric = \"query.p96_ms\"\nwarning = 1", "query.p95_ms"),
        ("name = \"own\"\nmetric = \"query.p95_ms\"", "no bound"),
        ("name = \"latency-p95\"\nwarning_clear = 101", "beyond"),
        ("name = \"buffer-hit-ratio\"\nwarning_clear = 0.8", "beyond"),
        ("name = \"pool-wait\"\ncritical = 100", "further out"),
        ("name = \"pool-wait\"\nwarning = nan", "not a number"),
        ("name = \"pool-wait\"\ninfo_clear = 1", "info_clear without info"),
        ("name = \"pool-wait\"\nfor = \"soon\"", "for:"),
        ("name = \"pool-wait\"\nfor = \"99d\"", "30 days"),
        ("name = \"pool-wait\"\nsummary = \"{\"", "summary"),
        ("name = \"slow-query\"\nwarning = 500", "slow_query_threshold"),
        (
            "name = \"slow-query\"\nproject = \"shop\"\nwarning = 500",
            "slow_query_threshold",
        ),
        (
            "name = \"pool-wait\"\nproject = \"shop\"\nmetric = \"query.p95_ms\"",
            "the same for every project",
        ),
    ] {
        let error = check(&layers(&format!("[[rules]]\n{rule}\n"), "")).unwrap_err();
        assert!(error.contains(word) && error.starts_with("rule "), "{rule}: {error}");
    }
}

#[test]
fn labels_decide_which_rule_a_failed_job_is_of() {
    let book = RuleBook::new(&layers("", "")).unwrap();
    let rules = |operation: &str| -> Vec<String> {
        let labels = Labels::from([("operation", operation.to_owned())]);
        let rules = book.about(metric::JOB_FAILURES_IN_ROW);
        let rules = rules.map(|family| family.of(&Project::default()));
        rules
            .filter(|rule| rule.is_about(&labels))
            .map(|rule| rule.name.to_string())
            .collect()
    };
    for operation in ["backup", "backup-full", "export", "expire", "rotate-keys"] {
        assert_eq!(rules(operation), ["backup-failed"], "{operation}");
    }
    for operation in ["prove", "verify-backups", "test-recovery", "restore-test"] {
        assert_eq!(rules(operation), ["restore-test-failed"], "{operation}");
    }
    assert_eq!(rules("wal-check"), ["wal-exposed"]);
    // Whoever orders one by hand waits for it.
    for operation in ["restore", "import"] {
        assert_eq!(rules(operation), [] as [&str; 0], "{operation}");
    }
    assert_eq!(rules("analyze"), ["maintenance-failed"]);
}
