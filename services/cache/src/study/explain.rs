//! The same study in words, for people.

use tonic::Status;
use weir_proto::cache::v1 as api;
use weir_proto::common::v1 as common;
use weir_proto::common::v1::value::Kind;
use weir_sql::{Limits, Literal};
use weir_tags::{Canonical, Family};

use super::fixed::Term;
use super::judge::{Dependency, On};
use super::session::{Stop, identifier};
use super::{Room, desk};
use crate::follow::Followed;

impl Room {
    /// What the cache thinks of a statement. Rules and what was measured are for others to add.
    pub(super) async fn explain(
        &self,
        followed: &Followed,
        request: &api::ExplainRequest,
    ) -> Result<api::ExplainResponse, Status> {
        let role = match request.role.as_str() {
            "" => followed.target.user(),
            given => given,
        };
        let path: Vec<String> = request.search_path.iter().map(|schema| identifier(schema)).collect();
        let mut question = api::StudyRequest {
            database: request.database.clone(),
            project: request.project.clone(),
            role: role.to_owned(),
            search_path: path.join(", "),
            sql: request.sql.clone(),
            utf8: true,
            ..api::StudyRequest::default()
        };
        question.parameter_types = self.types(followed, &question, &request.parameter_types).await?;
        let verdict = self.verdict(followed, &question).await?;
        let literals = weir_sql::literals(&request.sql)
            .filter(|_| verdict.any_literals)
            .unwrap_or_default();
        Ok(api::ExplainResponse {
            fingerprint: weir_sql::analyse(&request.sql, Limits::default())
                .fingerprint
                .to_string(),
            cacheable: verdict.refusals.is_empty(),
            refusals: verdict.refusals,
            tags: verdict.dependencies.iter().map(|known| tag(known, &literals)).collect(),
            ..api::ExplainResponse::default()
        })
    }

    /// The numbers of types by their names.
    async fn types(
        &self,
        followed: &Followed,
        question: &api::StudyRequest,
        names: &[String],
    ) -> Result<Vec<u32>, Status> {
        if names.iter().all(String::is_empty) {
            return Ok(Vec::new());
        }
        let mut taken = self.desks.take("", &question.database, &followed.target).await?;
        let types = taken.session.types(&question.search_path, names).await;
        taken.give_back().await;
        types.map_err(|stop| match stop {
            Stop::Refused(refusal) => Status::invalid_argument(refusal.detail),
            Stop::Failed(error) => desk::failed(&error),
        })
    }
}

fn tag(known: &Dependency, literals: &[Literal<'_>]) -> api::Tag {
    let whole = api::Tag {
        relation: known.name.clone(),
        ..api::Tag::default()
    };
    match &known.on {
        On::Table(reason) => api::Tag {
            imprecise_reason: (*reason).to_owned(),
            ..whole
        },
        On::Row {
            column, type_oid, term, ..
        } => api::Tag {
            columns: vec![column.clone()],
            values: value(*type_oid, term, literals).into_iter().collect(),
            ..whole
        },
    }
}

/// The value, where the statement itself has it.
fn value(type_oid: u32, term: &Term, literals: &[Literal<'_>]) -> Option<common::Value> {
    let family = Family::of_type(type_oid)?;
    let canonical = match term {
        Term::Constant(value) => value.clone(),
        Term::Parameter(number) => {
            let literal = literals.get(usize::try_from(*number).ok()?.checked_sub(1)?)?;
            family.from_text(literal.value.as_bytes())?
        }
    };
    let kind = Some(kind(family, &canonical)?);
    Some(common::Value { kind })
}

fn kind(family: Family, value: &Canonical) -> Option<Kind> {
    let bytes = value.bytes();
    Some(match family {
        Family::Integer => Kind::Int64(i64::from_be_bytes(bytes.try_into().ok()?)),
        Family::Text => Kind::Text(String::from_utf8_lossy(bytes).into_owned()),
        Family::Boolean => Kind::Bool(bytes == [1]),
        Family::Bytes => Kind::Bytes(bytes.to_vec().into()),
        Family::Uuid => Kind::Typed(common::TypedText {
            type_name: "uuid".to_owned(),
            text: uuid::Uuid::from_slice(bytes).ok()?.to_string(),
        }),
    })
}
