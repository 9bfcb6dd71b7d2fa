//! Statistics and events to findings. Pure: it decides, others act.

mod alert;
mod burn;
mod engine;
mod inhibit;
mod outcomes;
mod poisson;
mod reading;
mod rules;
mod silence;
mod slow;

pub(crate) use alert::{Alert, Key, Phase};
pub(crate) use burn::Objective;
pub(crate) use burn::Objectives;
pub(crate) use engine::{Change, Engine, Sheets, Told};
pub(crate) use outcomes::{Incident, Outcomes, ProjectOutcomes, WINDOWS};
pub(crate) use reading::{Labels, Metric, Reading, Sheet, metric};
pub(crate) use rules::RulePatch;
pub(crate) use rules::{
    Direction, Layers, Origin as RuleOrigin, Pattern, Rule, RuleBook, Severity, check as check_rules,
};
pub(crate) use silence::{Silence, matchers};
pub(crate) use slow::{SlowLately, SlowQueries};
