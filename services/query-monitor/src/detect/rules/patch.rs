//! What somebody says of a rule: a new one, or what is to be different in one that is there. Pure.
//!
//! One shape for the rules that come with Weir, those of the file and those by gRPC; what is not said stays as it was.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_config::Setting as _;
use weir_model::Project;

use super::level::{Bound, Direction, Severity};
use super::pattern::Pattern;
use super::{Rule, summary};
use crate::detect::{Metric, metric};

/// Longest name of a rule.
const NAME_BYTES_MAX: usize = 63;
/// Most labels that a rule looks at, and most rules that it inhibits.
const LIST_MAX: usize = 16;
/// Most figures are of the last five minutes.
const WINDOW: Duration = Duration::from_secs(300);
/// Longest waiting time of a rule.
const WAIT_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Part of a rule.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulePatch {
    /// Which rule.
    pub name: String,
    /// Only for this project. Empty: for all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub project: String,
    /// Whether it is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Which figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// What the labels of its readings look like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// `above` or `below`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// From where on it is worth knowing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<f64>,
    /// Up to where that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_clear: Option<f64>,
    /// From where on somebody should look by day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<f64>,
    /// Up to where that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning_clear: Option<f64>,
    /// From where on somebody should look now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critical: Option<f64>,
    /// Up to where that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critical_clear: Option<f64>,
    /// One severity instead of those that the rule has, from its lowest bound on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// How long it has to hold: a duration such as `5m`.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// How long it goes on afterwards.
    #[serde(default, rename = "keep_firing_for", skip_serializing_if = "Option::is_none")]
    pub keep: Option<String>,
    /// For how long its figure remembers what has passed; `5m` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// The sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The page that says what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// Rules that are not told of meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inhibits: Option<Vec<String>>,
}

impl RulePatch {
    /// The rule that this makes of one that was there, or a new one. The error is a sentence without the rule's name.
    pub(crate) fn apply(&self, base: Option<&Rule>) -> Result<Rule, String> {
        self.check_names()?;
        let mut rule = match base {
            Some(rule) => rule.clone(),
            None => self.begin()?,
        };
        if let Some(enabled) = self.enabled {
            rule.enabled = enabled;
        }
        if let Some(name) = &self.metric {
            rule.metric = known_metric(name)?;
        }
        if let Some(direction) = self.direction {
            rule.direction = direction;
        }
        self.set_words(&mut rule)?;
        self.set_levels(&mut rule)?;
        rule.hold = wait("for", self.hold.as_deref(), rule.hold)?;
        rule.window = wait("window", self.window.as_deref(), rule.window)?;
        rule.keep = wait("keep_firing_for", self.keep.as_deref(), rule.keep)?;
        Ok(rule)
    }

    /// Whether its name and its project can be any.
    pub(crate) fn check_names(&self) -> Result<(), String> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if self.name.is_empty() || self.name.len() > NAME_BYTES_MAX || !self.name.bytes().all(fits) {
            return Err(format!("name: 1 to {NAME_BYTES_MAX} of a-z, 0-9 and '-' are a name"));
        }
        if !self.project.is_empty() {
            Project::parse(&self.project).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// A rule that is new has to say what it looks at.
    fn begin(&self) -> Result<Rule, String> {
        if !self.project.is_empty() {
            return Err("there is no such rule that could be different for one project".to_owned());
        }
        let name = self
            .metric
            .as_ref()
            .ok_or("there is no such rule, and a new one needs a metric")?;
        Ok(Rule {
            name: self.name.as_str().into(),
            enabled: true,
            metric: known_metric(name)?,
            labels: BTreeMap::new(),
            direction: self.direction.unwrap_or(Direction::Above),
            levels: super::Levels::default(),
            hold: Duration::ZERO,
            keep: Duration::ZERO,
            window: WINDOW,
            summary: format!("{name} is at {{value}}: {{note}}"),
            runbook: String::new(),
            inhibits: Vec::new(),
        })
    }

    fn set_words(&self, rule: &mut Rule) -> Result<(), String> {
        if let Some(labels) = &self.labels {
            bounded("labels", labels.len())?;
            let pattern = |(name, text): (&String, &String)| Ok((name.clone(), Pattern::parse(text)?));
            rule.labels = labels.iter().map(pattern).collect::<Result<_, String>>()?;
        }
        if let Some(inhibits) = &self.inhibits {
            bounded("inhibits", inhibits.len())?;
            rule.inhibits = inhibits
                .iter()
                .map(|text| Pattern::parse(text))
                .collect::<Result<_, _>>()?;
        }
        if let Some(text) = &self.summary {
            summary::check(text)?;
            rule.summary.clone_from(text);
        }
        if let Some(runbook) = &self.runbook {
            bounded("runbook", runbook.len() / 32)?;
            rule.runbook.clone_from(runbook);
        }
        Ok(())
    }

    fn set_levels(&self, rule: &mut Rule) -> Result<(), String> {
        let said = [
            (Severity::Info, self.info, self.info_clear),
            (Severity::Warning, self.warning, self.warning_clear),
            (Severity::Critical, self.critical, self.critical_clear),
        ];
        for (severity, raise, clear) in said {
            let before = rule.levels.of(severity);
            if let Some(bound) = changed(before, raise, clear, severity)? {
                rule.levels.set(severity, Some(bound));
            }
        }
        if let Some(only) = self.severity {
            let lowest = rule.levels.used().next().map(|(_, bound)| bound);
            rule.levels = super::Levels::default();
            rule.levels.set(only, lowest);
        }
        check_order(rule)
    }
}

fn bounded(field: &str, count: usize) -> Result<(), String> {
    if count > LIST_MAX {
        return Err(format!("{field}: too long"));
    }
    Ok(())
}

fn known_metric(name: &str) -> Result<Metric, String> {
    metric::named(name).ok_or_else(|| {
        let names: Vec<&str> = metric::ALL.iter().map(|metric| metric.0).collect();
        format!("metric {name:?} is not one of {}", names.join(", "))
    })
}

/// A bound with what was said of it. A raised bound alone keeps the distance to where it clears.
fn changed(
    before: Option<Bound>,
    raise: Option<f64>,
    clear: Option<f64>,
    severity: Severity,
) -> Result<Option<Bound>, String> {
    let bound = match (before, raise, clear) {
        (_, None, None) => return Ok(None),
        (None, None, Some(_)) => {
            return Err(format!("{0}_clear without {0}", severity.as_str()));
        }
        (Some(bound), None, Some(clear)) => Bound { clear, ..bound },
        (_, Some(raise), Some(clear)) => Bound { raise, clear },
        (None, Some(raise), None) => Bound { raise, clear: raise },
        (Some(bound), Some(raise), None) if bound.raise == 0.0 => Bound { raise, clear: raise },
        (Some(bound), Some(raise), None) => Bound {
            raise,
            clear: bound.clear / bound.raise * raise,
        },
    };
    if bound.raise.is_finite() && bound.clear.is_finite() {
        return Ok(Some(bound));
    }
    Err(format!("{} is not a number to compare with", severity.as_str()))
}

/// A condition must clear on the good side of where it begins, and what is worse must be further out.
fn check_order(rule: &Rule) -> Result<(), String> {
    let worse = |one: f64, other: f64| rule.direction.reaches(one, other);
    let mut lower: Option<(Severity, Bound)> = None;
    for (severity, bound) in rule.levels.used() {
        let name = severity.as_str();
        if !worse(bound.raise, bound.clear) {
            return Err(format!(
                "{name}_clear lies beyond {name}: it would end and begin at once"
            ));
        }
        if let Some((before, least)) = lower
            && (bound.raise == least.raise || !worse(bound.raise, least.raise))
        {
            return Err(format!("{name} is not further out than {}", before.as_str()));
        }
        lower = Some((severity, bound));
    }
    if lower.is_none() {
        return Err("it has no bound: set warning or critical".to_owned());
    }
    Ok(())
}

fn wait(field: &str, text: Option<&str>, before: Duration) -> Result<Duration, String> {
    let Some(text) = text else { return Ok(before) };
    let time = Duration::read(text).map_err(|reason| format!("{field}: {reason}"))?;
    if time > WAIT_MAX {
        return Err(format!("{field} is longer than 30 days"));
    }
    Ok(time)
}
