//! Alerts that explain others: nobody has to be told that statements are slow while their server is down. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;
use weir_model::Project;

use super::alert::Alert;
use super::rules::Rule;

/// Beyond what the figure of an alert remembers, so long after its end another still explains it.
const LINGER_MS: i64 = 60_000;
/// Alerts that ended are remembered so long, and so many of them.
const REMEMBER_MS: i64 = 24 * 3_600_000;
const REMEMBERED_MAX: usize = 1_000;

/// An alert that explains others.
#[derive(Debug, Clone)]
pub(crate) struct Inhibitor {
    id: Uuid,
    rule: Arc<Rule>,
    project: Project,
    labels: BTreeMap<String, String>,
}

/// Those that explain others now, and those that did so until lately.
#[derive(Debug, Default)]
pub(crate) struct Inhibitors {
    present: Vec<Inhibitor>,
    /// With the time of their end.
    ended: Vec<(i64, Inhibitor)>,
    /// Upstreams that readings speak of, by source.
    upstreams: BTreeMap<&'static str, BTreeSet<String>>,
    /// Whether these are several.
    several: bool,
}

impl Inhibitors {
    /// Begins a round: those that are present are told anew.
    pub(crate) fn begin(&mut self, now: i64) {
        self.present.clear();
        self.ended.retain(|(ended, _)| now - ended < REMEMBER_MS);
    }

    /// An alert that is there, pending or firing.
    pub(crate) fn present(&mut self, alert: &Alert, rule: &Arc<Rule>) {
        if !rule.inhibits.is_empty() {
            self.present.push(Inhibitor::of(alert, rule));
        }
    }

    /// One that has just ended.
    pub(crate) fn ended(&mut self, alert: &Alert, rule: &Arc<Rule>, now: i64) {
        if !rule.inhibits.is_empty() {
            if self.ended.len() >= REMEMBERED_MAX {
                self.ended.remove(0);
            }
            self.ended.push((now, Inhibitor::of(alert, rule)));
        }
    }

    /// Upstreams that a sheet speaks of.
    pub(crate) fn set_upstreams(&mut self, source: &'static str, upstreams: BTreeSet<String>) {
        self.upstreams.insert(source, upstreams);
        self.several = self.upstreams.values().flatten().collect::<BTreeSet<_>>().len() > 1;
    }

    /// Whether nobody inhibits anything.
    pub(crate) const fn are_none(&self) -> bool {
        self.present.is_empty() && self.ended.is_empty()
    }

    /// Which alert explains this one.
    pub(crate) fn of(&self, alert: &Alert, rule: &Rule, now: i64) -> Option<Uuid> {
        let window = i64::try_from(rule.window.as_millis()).unwrap_or(i64::MAX);
        let lately = self
            .ended
            .iter()
            .filter(|(ended, _)| now - ended < window.saturating_add(LINGER_MS));
        let mut all = self.present.iter().chain(lately.map(|(_, inhibitor)| inhibitor));
        all.find(|inhibitor| self.explains(inhibitor, alert))
            .map(|inhibitor| inhibitor.id)
    }

    fn explains(&self, inhibitor: &Inhibitor, alert: &Alert) -> bool {
        // What is the whole server's is told of the default project.
        let near = inhibitor.project == alert.project || inhibitor.project == Project::default();
        near && inhibitor.id != alert.id && inhibitor.rule.inhibits(&alert.rule) && self.same_place(inhibitor, alert)
    }

    /// Labels that both have are the same. What names no upstream may be of any; it is of that of the inhibitor for
    /// certain only where there is no other.
    fn same_place(&self, inhibitor: &Inhibitor, alert: &Alert) -> bool {
        let differs = |(name, label): (&String, &String)| alert.labels.get(name).is_some_and(|other| other != label);
        if inhibitor.labels.iter().any(differs) {
            return false;
        }
        let elsewhere = inhibitor.labels.contains_key("upstream") && !alert.labels.contains_key("upstream");
        !elsewhere || !self.several
    }
}

impl Inhibitor {
    fn of(alert: &Alert, rule: &Arc<Rule>) -> Self {
        Self {
            id: alert.id,
            rule: rule.clone(),
            project: alert.project.clone(),
            labels: alert.labels.clone(),
        }
    }
}
