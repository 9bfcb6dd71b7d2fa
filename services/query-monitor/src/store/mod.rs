//! SQL on the monitor's own tables, and nothing else.

mod alerts;
mod plans;

pub(crate) use alerts::{AlertRow, count_by_state, forget_resolved, list_alerts, resolve_quiet, sight};
pub(crate) use plans::{NewPlan, PlanRow, PlansWanted, forget_plans, keep_plan, latest_plan, list_plans};
