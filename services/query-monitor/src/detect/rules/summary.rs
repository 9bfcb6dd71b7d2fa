//! The sentence that an alert says. Pure.

use std::collections::BTreeMap;

use weir_model::{Fingerprint, Project};

use crate::detect::Metric;

/// Longest sentence.
const CHARACTERS_MAX: usize = 400;

/// What a sentence can speak of.
pub(crate) struct Facts<'a> {
    pub metric: Metric,
    pub project: &'a Project,
    pub labels: &'a BTreeMap<String, String>,
    pub fingerprint: Option<Fingerprint>,
    pub value: f64,
    pub threshold: f64,
    pub note: &'a str,
}

/// Why a template cannot be; `{name}` stands for a fact or a label.
pub(crate) fn check(template: &str) -> Result<(), String> {
    if template.chars().count() > CHARACTERS_MAX {
        return Err(format!("summary is longer than {CHARACTERS_MAX} characters"));
    }
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or("summary has a { without its }")?;
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if before.contains('}') || name.is_empty() || !name.bytes().all(fits) {
            return Err(format!("summary: {{{name}}} is not the name of a fact or a label"));
        }
        rest = after;
    }
    if rest.contains('}') {
        return Err("summary has a } without its {".to_owned());
    }
    Ok(())
}

/// The sentence. A label that is not there is `-`; a `: {note}` at the end is left out where nothing was noted.
pub(crate) fn render(template: &str, facts: &Facts<'_>) -> String {
    let template = match template.strip_suffix(": {note}") {
        Some(head) if facts.note.is_empty() => head,
        _ => template,
    };
    let (mut text, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            break;
        };
        text.push_str(&fact(name, facts));
        rest = after;
    }
    text.push_str(rest);
    text.chars().take(CHARACTERS_MAX).collect()
}

fn fact(name: &str, facts: &Facts<'_>) -> String {
    match name {
        "value" => figure(facts.metric, facts.value),
        "threshold" => figure(facts.metric, facts.threshold),
        "project" => facts.project.to_string(),
        "note" => facts.note.to_owned(),
        "fingerprint" => facts.fingerprint.map(|print| print.to_string()).unwrap_or_default(),
        label => facts.labels.get(label).cloned().unwrap_or_else(|| "-".to_owned()),
    }
}

/// A figure in the unit that its metric's name ends in.
fn figure(metric: Metric, value: f64) -> String {
    let unit = metric.0.rsplit('_').next().unwrap_or_default();
    match unit {
        "ms" => format!("{value:.0} ms"),
        "ratio" | "fall" => format!("{:.1} %", value * 100.0),
        "seconds" => format!("{value:.0} s"),
        "days" => format!("{value:.1} days"),
        "hours" => format!("{value:.1} h"),
        "burn" => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::metric;

    #[test]
    fn facts_stand_where_the_template_names_them() {
        let labels = BTreeMap::from([("database".to_owned(), "db".to_owned())]);
        let mut facts = Facts {
            metric: metric::POOL_UTILIZATION,
            project: &Project::default(),
            labels: &labels,
            fingerprint: Some(Fingerprint::new(10)),
            value: 0.934,
            threshold: 0.9,
            note: "",
        };
        let template = "{value} of {database} on {upstream}, from {threshold} on: {note}";
        assert_eq!(render(template, &facts), "93.4 % of db on -, from 90.0 % on");
        facts.note = "{value} is no template here";
        assert_eq!(
            render("{project} {fingerprint}: {note}", &facts),
            "default 000000000000000a: {value} is no template here"
        );
    }

    #[test]
    fn a_broken_template_is_named() {
        assert!(check("{value} in {database_2}").is_ok());
        for bad in ["{value", "value}", "{}", "{a b}", "{a}}", &"x".repeat(401)] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
