//! What Prometheus and Grafana ask for exists: each metric that `deploy/prometheus` and `deploy/grafana` name is declared,
//! with the labels by which it is asked, and each page that an alert leads to is there.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts;

const REFERENCE: &str = "docs/reference/metrics.md";
const RULES: &str = "deploy/prometheus/rules.yaml";
const DASHBOARD: &str = "deploy/grafana/weir.json";

/// What whoever scrapes adds, and what a histogram has of its own.
const GIVEN: [&str; 3] = ["service", "job", "le"];
/// The prefixes of our metrics. Those of recording rules have a colon.
const OURS: [&str; 2] = ["weir_", "db_"];

/// The metrics and their labels, from the tables of the reference.
fn declared(reference: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for line in reference.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, ..] = cells.as_slice() else {
            continue;
        };
        let name = name.trim_matches('`');
        if !OURS.iter().any(|ours| name.starts_with(ours)) {
            continue;
        }
        let labels = labels.split(',').map(|label| label.trim().trim_matches('`').to_owned());
        let parts: &[&str] = if *kind == "histogram" {
            &["_bucket", "_sum", "_count"]
        } else {
            &[""]
        };
        for part in parts {
            let known = found.entry(format!("{name}{part}")).or_default();
            known.extend(labels.clone().filter(|label| !label.is_empty()));
        }
    }
    found
}

/// Every word of an expression that can be a name, outside of quotes.
fn words(expression: &str) -> Vec<&str> {
    let outside = expression.split('"').step_by(2);
    let split = outside.flat_map(|part| part.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')));
    split.filter(|word| !word.is_empty()).collect()
}

/// What is wrong with one expression.
fn wrong(place: &str, expression: &str, declared: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut labels = BTreeSet::new();
    let words = words(expression);
    for word in words
        .iter()
        .filter(|word| OURS.iter().any(|ours| word.starts_with(ours)))
    {
        match declared.get(*word) {
            Some(known) => labels.extend(known.iter().map(String::as_str)),
            None => complaints.push(format!("{place} asks for {word}, which no service has")),
        }
    }
    labels.extend(GIVEN);
    for label in asked_labels(expression) {
        // Figures that a rule records have the labels by which the rule sums them up.
        let is_recorded = words.iter().any(|word| word.contains(':'));
        if !is_recorded && !labels.contains(label.as_str()) {
            complaints.push(format!("{place} asks by {label}, a label that none of its metrics has"));
        }
    }
    complaints
}

/// The labels in `by (…)` and in `{label="…"}`.
fn asked_labels(expression: &str) -> Vec<String> {
    let grouped = expression
        .split("by (")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let grouped = grouped
        .flat_map(|list| list.split(','))
        .map(|label| label.trim().to_owned());
    let chosen = expression.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let chosen = chosen.flat_map(|list| {
        let outside: Vec<&str> = list.split('"').step_by(2).collect();
        outside
            .into_iter()
            .map(|part| {
                part.trim_matches([',', ' '])
                    .trim_end_matches(['=', '~', '!'])
                    .to_owned()
            })
            .collect::<Vec<_>>()
    });
    grouped.chain(chosen).filter(|label| !label.is_empty()).collect()
}

/// Every text under the key, wherever it is.
fn texts(value: &serde_json::Value, key: &str, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                if let (true, Some(text)) = (name == key, value.as_str()) {
                    found.push(text.to_owned());
                }
                texts(value, key, found);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| texts(item, key, found)),
        _ => {}
    }
}

fn found(value: &serde_json::Value, key: &str) -> Vec<String> {
    let mut all = Vec::new();
    texts(value, key, &mut all);
    all
}

#[test]
fn rules_and_dashboard_ask_for_what_there_is() {
    let declared = declared(&facts::text(REFERENCE).unwrap_or_default());
    let rules: serde_json::Value =
        serde_saphyr::from_str(&facts::text(RULES).unwrap_or_default()).expect("the rules are YAML");
    let dashboard: serde_json::Value =
        serde_json::from_str(&facts::text(DASHBOARD).unwrap_or_default()).expect("the dashboard is JSON");
    let mut complaints = Vec::new();
    for (place, all) in [(RULES, found(&rules, "expr")), (DASHBOARD, found(&dashboard, "expr"))] {
        assert!(all.len() > 10, "{place} has no expressions");
        complaints.extend(all.iter().flat_map(|expression| wrong(place, expression, &declared)));
    }
    for page in found(&rules, "runbook") {
        if facts::text(&page).is_none() {
            complaints.push(format!("{RULES} leads to {page}, which does not exist"));
        }
    }
    crate::assert_none(&complaints);
}

#[test]
fn what_is_not_there_is_found() {
    let declared = declared(
        "| `weir_a_total` | counter | `project` | x |\n| `weir_b_seconds` | histogram |  | y |\n| metric | kind | labels | meaning |\n",
    );
    let check = |expression: &str| wrong("here", expression, &declared);
    let fine = [
        "sum by (project) (rate(weir_a_total{project=~\"a|b\", service=\"x\"}[5m]))",
        "histogram_quantile(0.9, sum by (le) (rate(weir_b_seconds_bucket[5m])))",
        "weir:recorded:ratio5m{anything=\"x\"} > 0",
    ];
    for expression in fine {
        crate::assert_none(&check(expression));
    }
    crate::assert_caught(&check("sum(weir_c)"), &["weir_c"]);
    crate::assert_caught(&check("rate(weir_b_seconds[5m])"), &["weir_b_seconds"]);
    crate::assert_caught(&check("sum by (user) (weir_a_total)"), &["user"]);
    crate::assert_caught(&check("weir_a_total{outcome!=\"ok\"}"), &["outcome"]);
}
