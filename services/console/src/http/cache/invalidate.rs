//! Makes results invalid by hand.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value as Given;
use weir_proto::cache::v1::invalidate_request::Target;
use weir_proto::cache::v1::{Everything, InvalidateRequest, InvalidateResponse, Tag};
use weir_proto::common::v1::Value;
use weir_proto::common::v1::value::Kind;

use super::super::{Body, Console, Problem, Scoped};
use super::policies::PoliciesQuery;

/// What to make invalid. Exactly one of the last four is said.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = console::Invalidation)]
#[serde(deny_unknown_fields)]
pub(crate) struct Invalidation {
    /// Only in databases of this server.
    #[serde(default)]
    upstream: String,
    /// Only in this database.
    #[serde(default)]
    database: String,
    /// With `table`: only results that depend on this key, its columns with their values.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    key: BTreeMap<String, Given>,
    /// Results that depend on this table, as `schema.name`.
    table: Option<String>,
    /// Results of one shape: 16 hexadecimal digits.
    fingerprint: Option<String>,
    /// Every result of the project. What a token of a project may order.
    #[serde(default)]
    project_results: bool,
    /// Every result of the databases meant, of whatever project.
    #[serde(default)]
    everything: bool,
}

impl Invalidation {
    fn target(self) -> Result<Target, Problem> {
        if !self.key.is_empty() && self.table.is_none() {
            return Err(Problem::strange("key: it says something with a table only"));
        }
        let table = self.table.map(|relation| tag(relation, self.key)).transpose()?;
        let said = [
            table.map(Target::Tag),
            self.fingerprint.map(Target::Fingerprint),
            self.project_results.then_some(Target::ProjectResults(Everything {})),
            self.everything.then_some(Target::Everything(Everything {})),
        ];
        let mut said = said.into_iter().flatten();
        match (said.next(), said.next()) {
            (Some(target), None) => Ok(target),
            _ => Err(Problem::strange(
                "say exactly one of table, fingerprint, project_results and everything",
            )),
        }
    }
}

fn tag(relation: String, key: BTreeMap<String, Given>) -> Result<Tag, Problem> {
    let (columns, values): (Vec<String>, Vec<Given>) = key.into_iter().unzip();
    let values = columns.iter().zip(values).map(|(column, value)| {
        let kind = match value {
            Given::String(text) => Kind::Text(text),
            Given::Bool(value) => Kind::Bool(value),
            Given::Number(number) if number.is_i64() => Kind::Int64(number.as_i64().unwrap_or_default()),
            _ => {
                return Err(Problem::strange(format!(
                    "key.{column}: it takes a text, a whole number or a boolean"
                )));
            }
        };
        Ok(Value { kind: Some(kind) })
    });
    Ok(Tag {
        relation,
        values: values.collect::<Result<_, _>>()?,
        columns,
        imprecise_reason: String::new(),
    })
}

/// Makes results invalid. The answer comes when the order is on its way to every gateway.
#[utoipa::path(post, path = "/database/cache/invalidate", tag = "cache", params(PoliciesQuery), request_body = Invalidation, responses((status = 200, body = InvalidateResponse)))]
pub(crate) async fn order(
    State(console): State<Console>,
    scoped: Scoped,
    Body(order): Body<Invalidation>,
) -> Result<Json<InvalidateResponse>, Problem> {
    let (upstream, database) = (order.upstream.clone(), order.database.clone());
    let target = order.target()?;
    // A table and a shape are everybody's.
    if scoped.caller.project.is_some() && !matches!(target, Target::ProjectResults(_)) {
        return Err(Problem::forbidden(
            "results of others would be made invalid too: a token of a project may order project_results",
        ));
    }
    let asked = InvalidateRequest {
        project: scoped.name(),
        upstream,
        database,
        target: Some(target),
    };
    let mut cache = console.services.cache();
    let done = cache.invalidate(console.services.ask(asked)).await?;
    Ok(Json(done.into_inner()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Result<Target, Problem> {
        serde_json::from_str::<Invalidation>(text).unwrap().target()
    }

    #[test]
    fn exactly_one_thing_is_meant() {
        assert!(matches!(target(r#"{"everything":true}"#), Ok(Target::Everything(_))));
        let Ok(Target::Tag(tag)) = target(r#"{"table":"public.t","key":{"id":7,"name":"x"}}"#) else {
            panic!("no tag")
        };
        assert_eq!(tag.columns, ["id", "name"]);
        assert_eq!(tag.values[0].kind, Some(Kind::Int64(7)));
        for wrong in [
            "{}",
            r#"{"everything":true,"project_results":true}"#,
            r#"{"fingerprint":"0","table":"t"}"#,
            r#"{"fingerprint":"0","key":{"id":1}}"#,
            r#"{"table":"t","key":{"id":1.5}}"#,
            r#"{"table":"t","key":{"id":null}}"#,
        ] {
            assert_eq!(target(wrong).unwrap_err().status(), 400, "{wrong}");
        }
    }
}
