//! Pure. A verdict in the words of the protocol.

use weir_proto::cache::v1 as api;
use weir_proto::cache::v1::dependency::Value;

use super::fixed::Term;
use super::judge::{Dependency, On};
use super::one::Verdict;
use crate::follow::Followed;

/// The answer to a gateway.
pub(super) fn study(followed: &Followed, verdict: &Verdict) -> api::StudyResponse {
    let cacheable = verdict.refusals.is_empty();
    let dependencies = verdict.dependencies.iter().filter(|_| cacheable);
    let parameters = if verdict.any_literals {
        Vec::new()
    } else {
        verdict.dated.clone()
    };
    let literals = verdict.dated.iter().filter(|_| verdict.any_literals);
    api::StudyResponse {
        epoch: followed.epoch.clone(),
        studied_lsn: followed.visible_lsn,
        cacheable,
        refusals: verdict.refusals.clone(),
        dependencies: dependencies
            .map(|known| dependency(known, verdict.any_literals))
            .collect(),
        any_literals: verdict.any_literals,
        dated_parameters: parameters,
        dated_literals: literals.map(|number| number.saturating_sub(1)).collect(),
        parameter_types: if verdict.any_literals {
            Vec::new()
        } else {
            verdict.parameters.clone()
        },
        policy: None,
        policy_generation: 0,
    }
}

fn dependency(known: &Dependency, literals: bool) -> api::Dependency {
    let whole = api::Dependency {
        relation_oid: known.relation,
        relation: known.name.clone(),
        ..api::Dependency::default()
    };
    match &known.on {
        On::Table(_) => whole,
        On::Row {
            column,
            type_oid,
            term,
            cells,
        } => api::Dependency {
            column: column.clone(),
            type_oid: *type_oid,
            cells: cells.clone().map(|columns| api::Cells { columns }),
            value: Some(match term {
                Term::Parameter(number) if literals => Value::Literal(number.saturating_sub(1)),
                Term::Parameter(number) => Value::Parameter(*number),
                Term::Constant(value) => Value::Constant(value.bytes().to_vec().into()),
            }),
            ..whole
        },
    }
}
