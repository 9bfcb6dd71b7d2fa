//! Advice and changes to messages, and back. Translates, decides nothing.

use tonic::Response;
use uuid::Uuid;
use weir_proto::maintenance::v1 as api;
use weir_proto::page::Page;
use weir_proto::status::status;

use super::{Answer, parsed, project_of};
use crate::act::{AdviceError, Adviser, Asked, Change};
use crate::advise::{Activation, Advice, Confidence, Impact, Scope, State};
use crate::error::Error;

/// A name of a person that is longer is cut off.
const BY_MAX: usize = 200;

pub(super) async fn list(adviser: &Adviser, request: api::ListAdviceRequest) -> Answer<api::ListAdviceResponse> {
    let asked = Asked::of(project_of(&request.project)?, request.without_server);
    let report = adviser.list(&asked).await.map_err(|error| status(&error))?;
    let wanted = |advice: &Advice| request.kinds.is_empty() || request.kinds.iter().any(|kind| kind == advice.kind);
    let left = report.left.into_iter().map(|left| api::AdviceLeft {
        what: left.what,
        reason: left.reason,
    });
    Ok(Response::new(api::ListAdviceResponse {
        advice: report.advice.into_iter().filter(wanted).map(advice_of).collect(),
        left: left.collect(),
        more: u32::try_from(report.more).unwrap_or(u32::MAX),
    }))
}

pub(super) async fn apply(adviser: &Adviser, request: api::ApplyAdviceRequest) -> Answer<api::ApplyAdviceResponse> {
    let asked = Asked::of(project_of(&request.project)?, request.without_server);
    if request.id.contains('\0') {
        // No text in PostgreSQL has it.
        return Err(status(&Error::from(AdviceError::NoAdvice(
            request.id.replace('\0', "?"),
        ))));
    }
    let by: String = request
        .by
        .chars()
        .filter(|letter| !letter.is_control())
        .take(BY_MAX)
        .collect();
    let by = if by.is_empty() { "operator" } else { &by };
    let change = adviser.apply(&asked, &request.id, by).await;
    let change = change.map_err(|error| status(&error))?;
    Ok(Response::new(api::ApplyAdviceResponse {
        change: Some(change_of(change)),
    }))
}

pub(super) async fn revert(adviser: &Adviser, request: api::RevertAdviceRequest) -> Answer<api::RevertAdviceResponse> {
    let asked = Asked::of(project_of(&request.project)?, request.without_server);
    let change = adviser.revert(&asked, parsed(&request.change_id)?).await;
    let change = change.map_err(|error| status(&error))?;
    Ok(Response::new(api::RevertAdviceResponse {
        change: Some(change_of(change)),
    }))
}

pub(super) async fn changes(adviser: &Adviser, request: api::ListChangesRequest) -> Answer<api::ListChangesResponse> {
    let asked = Asked::of(project_of(&request.project)?, request.without_server);
    let page = Page::of(request.page.as_ref()).map_err(|error| status(&error))?;
    let before = page.after::<Uuid, Uuid>().map_err(|error| status(&error))?;
    let changes = adviser.changes(&asked, before.map(|(_, id)| id), page.size).await;
    let changes = changes.map_err(|error: Error| status(&error))?;
    let page = Some(page.answer(&changes, |change| (change.id, change.id)));
    Ok(Response::new(api::ListChangesResponse {
        changes: changes.into_iter().map(change_of).collect(),
        page,
    }))
}

fn advice_of(advice: Advice) -> api::Advice {
    let (id, applicable) = (advice.id(), advice.is_applicable());
    let table = advice.object.table.map(|table| table.to_string());
    let proposal = advice.proposal.as_ref();
    let activation = proposal.map_or(api::AdviceActivation::Unspecified, |proposal| {
        match proposal.activation {
            Activation::Immediate => api::AdviceActivation::Immediate,
            Activation::Reload => api::AdviceActivation::Reload,
            Activation::Restart => api::AdviceActivation::Restart,
        }
    });
    api::Advice {
        id,
        kind: advice.kind.to_owned(),
        scope: scope_of(advice.object.scope).into(),
        database: advice.object.database,
        table: table.unwrap_or_default(),
        part: advice.object.part,
        impact: impact_of(advice.impact).into(),
        confidence: confidence_of(advice.confidence).into(),
        summary: advice.summary,
        reason: advice.reason,
        setting: proposal.map(|proposal| proposal.option.clone()).unwrap_or_default(),
        current: proposal.and_then(|proposal| proposal.current.clone()),
        proposed: proposal.and_then(|proposal| proposal.proposed.clone()),
        activation: activation.into(),
        applicable,
        by_hand: advice.by_hand,
        statement: advice.statement,
    }
}

const fn scope_of(scope: Scope) -> api::AdviceScope {
    match scope {
        Scope::Server => api::AdviceScope::Server,
        Scope::Database => api::AdviceScope::Database,
        Scope::Table => api::AdviceScope::Table,
    }
}

const fn impact_of(impact: Impact) -> api::AdviceImpact {
    match impact {
        Impact::Danger => api::AdviceImpact::Danger,
        Impact::High => api::AdviceImpact::High,
        Impact::Medium => api::AdviceImpact::Medium,
        Impact::Low => api::AdviceImpact::Low,
    }
}

const fn confidence_of(confidence: Confidence) -> api::AdviceConfidence {
    match confidence {
        Confidence::Measured => api::AdviceConfidence::Measured,
        Confidence::Derived => api::AdviceConfidence::Derived,
        Confidence::Guessed => api::AdviceConfidence::Guessed,
    }
}

fn change_of(change: Change) -> api::Change {
    let state = State::read(&change.state).map_or(api::ChangeState::Unspecified, |state| match state {
        State::Applying => api::ChangeState::Applying,
        State::Applied => api::ChangeState::Applied,
        State::PendingRestart => api::ChangeState::PendingRestart,
        State::Reverting => api::ChangeState::Reverting,
        State::Reverted => api::ChangeState::Reverted,
        State::Superseded => api::ChangeState::Superseded,
        State::Failed => api::ChangeState::Failed,
    });
    let table = if change.database.is_empty() {
        String::new()
    } else {
        format!("{}.{}", change.table_schema, change.table_name)
    };
    api::Change {
        id: change.id.to_string(),
        project: change.project,
        advice_id: change.advice_id,
        kind: change.kind,
        database: change.database,
        table,
        setting: change.option,
        old_value: change.old_value,
        new_value: change.new_value,
        was_in_force: change.old_shown,
        state: state.into(),
        note: change.note,
        by: change.requested_by,
        reason: change.reason,
        begun_unix_ms: change.begun_unix_ms,
        ended_unix_ms: change.ended_unix_ms.unwrap_or_default(),
    }
}
