//! One finding, and the list of all that can be found. Pure.

use serde::Serialize;

use super::facts::Facts;
use super::measures::Measures;
use super::plan::{Node, Plan};
use super::{estimates, indexes, loops, memory, scans, statistics, whole};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warning,
}

/// Something about a plan that is worth a person's time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Finding {
    /// Its name, for machines and for the guide.
    pub(crate) slug: &'static str,
    /// How much it matters.
    pub(crate) severity: Severity,
    /// The node; none where it is about the whole plan.
    pub(crate) node: Option<usize>,
    /// What was found.
    pub(crate) text: String,
    /// What can be done about it.
    pub(crate) hint: String,
    /// The figures that it rests on.
    pub(crate) figures: Vec<(&'static str, f64)>,
}

impl Finding {
    /// Of a node.
    pub(crate) fn of(slug: &'static str, severity: Severity, node: &Node, text: String, hint: String) -> Self {
        Self {
            node: Some(node.id),
            ..Self::whole(slug, severity, text, hint)
        }
    }

    /// Of the whole plan.
    pub(crate) const fn whole(slug: &'static str, severity: Severity, text: String, hint: String) -> Self {
        Self {
            slug,
            severity,
            node: None,
            text,
            hint,
            figures: Vec::new(),
        }
    }

    /// With the figures that it rests on.
    pub(crate) fn figures<const N: usize>(mut self, figures: [(&'static str, f64); N]) -> Self {
        self.figures.extend(figures);
        self
    }
}

/// What findings are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) measures: &'a Measures,
    pub(crate) facts: &'a Facts,
}

impl Case<'_> {
    /// The share of the execution that a time is; none where there was no execution, or no time taken.
    pub(crate) fn share(&self, ms: f64) -> Option<f64> {
        self.plan
            .nodes
            .first()
            .and_then(|root| self.measures.measured_ms(root))?;
        let whole = self.plan.execution_ms.filter(|whole| *whole > 0.0)?;
        Some(ms / whole)
    }
}

/// Everything that is to be said about a plan: the weighty first, and from the top of the plan down.
pub(crate) fn judge(plan: &Plan, measures: &Measures, facts: &Facts) -> Vec<Finding> {
    let case = Case { plan, measures, facts };
    let mut findings = Vec::new();
    for find in [
        estimates::find,
        scans::find,
        indexes::find,
        loops::find,
        memory::find,
        statistics::find,
        whole::find,
    ] {
        findings.extend(find(&case));
    }
    findings.sort_by_key(|finding| (finding.severity == Severity::Info, finding.node));
    findings
}
