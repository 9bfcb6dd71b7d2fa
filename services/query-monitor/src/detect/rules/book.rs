//! All rules, layer upon layer. Pure.
//!
//! Below lies what comes with Weir, then the file, then what was put by gRPC. Within a layer, what is said for one
//! project comes after what is said for all.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;
use weir_model::Project;

use super::{Rule, RulePatch, SLOW_QUERY};
use crate::detect::Metric;

/// The rules that come with Weir.
const BUILT_IN: &str = include_str!("builtin.toml");
/// Most patches of one layer.
const PATCHES_MAX: usize = 2_000;

#[derive(Deserialize)]
struct BuiltIn {
    rules: Vec<RulePatch>,
}

/// Where the last word on a rule came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It came with Weir.
    BuiltIn,
    /// The settings file.
    File,
    /// A call.
    Grpc,
}

impl Origin {
    /// As lists show it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in",
            Self::File => "file",
            Self::Grpc => "grpc",
        }
    }
}

/// What operators said of the rules, and the setting that is a bound itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Layers {
    /// `monitor.slow_query_threshold` in milliseconds.
    pub slow_query_ms: f64,
    /// `monitor.rules`.
    pub file: Vec<RulePatch>,
    /// Those of the table.
    pub grpc: Vec<RulePatch>,
}

/// One rule as it holds for most, and as it holds for some.
#[derive(Debug)]
pub(crate) struct Family {
    general: Arc<Rule>,
    special: BTreeMap<Project, Arc<Rule>>,
    origin: Origin,
}

impl Family {
    /// As it holds for a project.
    pub(crate) fn of(&self, project: &Project) -> &Arc<Rule> {
        self.special.get(project).unwrap_or(&self.general)
    }
}

/// All rules, ready to judge by.
#[derive(Debug, Default)]
pub(crate) struct RuleBook {
    families: BTreeMap<Arc<str>, Family>,
    by_metric: HashMap<Metric, Vec<Arc<str>>>,
}

impl RuleBook {
    /// The rules of all layers. A patch that cannot be applied is the error, named; the start and every call check
    /// before, so that this is not reached by what an operator wrote.
    pub(crate) fn new(layers: &Layers) -> Result<Self, String> {
        let mut book = Self::below_grpc(layers)?;
        book.lay(&layers.grpc, Origin::Grpc)?;
        book.check_slow_query(layers.slow_query_ms)?;
        Ok(book.indexed())
    }

    /// The same for rules of the table that were good when they were put and may not be any more, because the file
    /// changed below them: what cannot be applied is left out, and said.
    pub(crate) fn lenient(layers: &Layers) -> Result<(Self, Vec<String>), String> {
        let mut book = Self::below_grpc(layers)?;
        let left_out = layers
            .grpc
            .iter()
            .filter_map(|patch| book.lay(std::slice::from_ref(patch), Origin::Grpc).err())
            .collect();
        Ok((book.indexed(), left_out))
    }

    fn below_grpc(layers: &Layers) -> Result<Self, String> {
        let built_in: BuiltIn = toml::from_str(BUILT_IN).map_err(|error| error.message().to_owned())?;
        let mut book = Self::default();
        book.lay(&built_in.rules, Origin::BuiltIn)?;
        book.lay(&[slow_query(layers.slow_query_ms)], Origin::BuiltIn)?;
        book.lay(&layers.file, Origin::File)?;
        Ok(book)
    }

    fn indexed(mut self) -> Self {
        for (name, family) in &self.families {
            let same = self.by_metric.entry(family.general.metric).or_default();
            same.push(name.clone());
        }
        self
    }

    fn lay(&mut self, patches: &[RulePatch], origin: Origin) -> Result<(), String> {
        if patches.len() > PATCHES_MAX {
            return Err(format!("there are more than {PATCHES_MAX} rules"));
        }
        let (general, special): (Vec<_>, Vec<_>) = patches.iter().partition(|patch| patch.project.is_empty());
        for patch in general.into_iter().chain(special) {
            let named = |reason| format!("rule {:?}: {reason}", patch.name.chars().take(64).collect::<String>());
            self.apply(patch, origin).map_err(named)?;
        }
        Ok(())
    }

    fn apply(&mut self, patch: &RulePatch, origin: Origin) -> Result<(), String> {
        let name: Arc<str> = patch.name.as_str().into();
        if patch.project.is_empty() {
            return self.apply_to_all(name, patch, origin);
        }
        let project = Project::parse(&patch.project).map_err(|error| error.to_string())?;
        let Some(family) = self.families.get_mut(&name) else {
            return patch.apply(None).map(|_| ());
        };
        if patch
            .metric
            .as_ref()
            .is_some_and(|metric| *metric != family.general.metric.0)
        {
            return Err("the metric is the same for every project".to_owned());
        }
        let rule = Arc::new(patch.apply(Some(family.of(&project)))?);
        family.special.insert(project, rule);
        family.origin = origin;
        Ok(())
    }

    fn apply_to_all(&mut self, name: Arc<str>, patch: &RulePatch, origin: Origin) -> Result<(), String> {
        let Some(family) = self.families.get_mut(&name) else {
            let family = Family {
                general: Arc::new(patch.apply(None)?),
                special: BTreeMap::new(),
                origin,
            };
            self.families.insert(name, family);
            return Ok(());
        };
        family.general = Arc::new(patch.apply(Some(&family.general))?);
        // What an earlier layer said for one project is below what this one says for all.
        for rule in family.special.values_mut() {
            *rule = Arc::new(patch.apply(Some(rule))?);
        }
        family.origin = origin;
        Ok(())
    }

    /// Statements below the setting are not looked at, so a rule that wants to hear of them would wait for ever.
    fn check_slow_query(&self, slow_query_ms: f64) -> Result<(), String> {
        let Some(family) = self.families.get(SLOW_QUERY) else {
            return Ok(());
        };
        let rules = std::iter::once(&family.general).chain(family.special.values());
        let lowest = rules.flat_map(|rule| rule.levels.used().map(|(_, bound)| bound.raise).collect::<Vec<_>>());
        if lowest.into_iter().any(|bound| bound < slow_query_ms) {
            return Err(format!(
                "rule {SLOW_QUERY:?}: nothing faster than monitor.slow_query_threshold ({slow_query_ms} ms) is looked at"
            ));
        }
        Ok(())
    }

    /// The rules that look at a metric.
    pub(crate) fn about(&self, metric: Metric) -> impl Iterator<Item = &Family> {
        let names = self.by_metric.get(&metric).into_iter().flatten();
        names.filter_map(|name| self.families.get(name))
    }

    /// A rule as it holds for a project.
    pub(crate) fn rule(&self, name: &str, project: &Project) -> Option<&Arc<Rule>> {
        self.families.get(name).map(|family| family.of(project))
    }

    /// Every rule as it holds in general, then as it holds for some projects, with where the last word came from.
    pub(crate) fn list(&self) -> impl Iterator<Item = (Option<&Project>, &Rule, Origin)> {
        self.families.values().flat_map(|family| {
            let general = std::iter::once((None, &*family.general, family.origin));
            let special = family.special.iter();
            general.chain(special.map(|(project, rule)| (Some(project), &**rule, family.origin)))
        })
    }
}

fn slow_query(threshold_ms: f64) -> RulePatch {
    RulePatch {
        name: SLOW_QUERY.to_owned(),
        warning: Some(threshold_ms),
        ..RulePatch::default()
    }
}

/// Whether the layers make a book; the error is a sentence that names the rule.
pub(crate) fn check(layers: &Layers) -> Result<(), String> {
    RuleBook::new(layers).map(|_| ())
}

#[cfg(test)]
mod tests;
