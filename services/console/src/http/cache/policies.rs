//! The rules of the cache: listed, put, removed.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use weir_proto::cache::v1::policy::Subject;
use weir_proto::cache::v1::{
    CacheMode, Consistency, DeletePolicyRequest, Everything, ListPoliciesRequest, Policy, PutPolicyRequest,
};
use weir_proto::common::v1::PageRequest;

use super::super::body::{Path, Query};
use super::super::{Body, Console, Page, Paged as _, Problem, Scoped};

/// Rules that are looked through at once.
const PAGE_SIZE: u32 = 1_000;

/// Whose rules.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PoliciesQuery {
    /// Whose rules; a token's own project if nothing is said, `default` for an operator.
    #[serde(rename = "project")]
    _project: Option<String>,
}

/// Rules.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::CachePolicies)]
pub(crate) struct Policies {
    /// Those that apply first at the head.
    policies: Vec<Policy>,
    /// How to go on; null: this page was the last.
    next: Option<String>,
}

/// A rule to put. One about the same subject is replaced.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = console::NewPolicy)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPolicy {
    /// What it applies to.
    subject: NewSubject,
    /// Whether results are cached; `auto` if nothing is said.
    mode: Option<Mode>,
    /// How fresh they must be; as the pool says if nothing is said.
    consistency: Option<Level>,
    /// For `bounded`: greatest age.
    #[serde(default)]
    bound_ms: u32,
    /// How long a result lives; for `ttl` it has to be said.
    #[serde(default)]
    ttl_ms: u32,
    /// Larger results are not cached. 0: the server's setting.
    #[serde(default)]
    result_bytes_max: u64,
    /// How long an empty result lives at most. 0: like any other.
    #[serde(default)]
    negative_ttl_ms: u32,
    /// For a whole project: most bytes it may hold in one gateway's memory. 0: the server's setting.
    #[serde(default)]
    memory_bytes_max: u64,
    /// Why the rule is there.
    #[serde(default)]
    note: String,
}

/// What a rule applies to.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = console::NewPolicySubject)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum NewSubject {
    /// One shape: 16 hexadecimal digits.
    Fingerprint(String),
    /// Every statement that reads this table, as `schema.name`.
    Relation(String),
    /// Every statement of the project.
    WholeProject(Nothing),
}

/// An empty object.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = console::Nothing)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Whether results are cached.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::CacheMode)]
pub(crate) enum Mode {
    /// While measurements say that it pays.
    #[serde(alias = "unspecified")]
    Auto,
    /// Whenever it is correct to do so.
    Always,
    /// Never.
    Never,
    /// Counted as if, and always answered by PostgreSQL.
    DryRun,
}

/// How fresh a cached answer must be.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::CacheConsistency)]
pub(crate) enum Level {
    /// As the pool says.
    Unspecified,
    /// As if PostgreSQL had been asked.
    Strict,
    /// A session sees its own writes and never goes back in time.
    Session,
    /// No older than a given time.
    Bounded,
    /// Until its time to live is over, whatever happened meanwhile.
    Ttl,
}

impl NewPolicy {
    fn message(self, project: String) -> Policy {
        let mode = self.mode.map_or(CacheMode::Unspecified, |mode| match mode {
            Mode::Auto => CacheMode::Auto,
            Mode::Always => CacheMode::Always,
            Mode::Never => CacheMode::Never,
            Mode::DryRun => CacheMode::DryRun,
        });
        let consistency = self.consistency.map_or(Consistency::Unspecified, |level| match level {
            Level::Unspecified => Consistency::Unspecified,
            Level::Strict => Consistency::Strict,
            Level::Session => Consistency::Session,
            Level::Bounded => Consistency::Bounded,
            Level::Ttl => Consistency::Ttl,
        });
        Policy {
            project,
            mode: mode.into(),
            consistency: consistency.into(),
            bound_ms: self.bound_ms,
            ttl_ms: self.ttl_ms,
            result_bytes_max: self.result_bytes_max,
            negative_ttl_ms: self.negative_ttl_ms,
            memory_bytes_max: self.memory_bytes_max,
            note: self.note,
            subject: Some(match self.subject {
                NewSubject::Fingerprint(shape) => Subject::Fingerprint(shape),
                NewSubject::Relation(table) => Subject::Relation(table),
                NewSubject::WholeProject(_) => Subject::WholeProject(Everything {}),
            }),
            ..Policy::default()
        }
    }
}

/// The rules that decide what is cached.
#[utoipa::path(get, path = "/database/cache/policies", tag = "cache", params(PoliciesQuery, Page), responses((status = 200, body = Policies)))]
pub(crate) async fn list(
    State(console): State<Console>,
    scoped: Scoped,
    page: Page,
) -> Result<Json<Policies>, Problem> {
    let asked = ListPoliciesRequest {
        project: scoped.name(),
        page: page.request(),
    };
    let mut cache = console.services.cache();
    let listed = cache.list_policies(console.services.ask(asked)).await?.into_inner();
    Ok(Json(Policies {
        policies: listed.policies,
        next: listed.page.next(),
    }))
}

/// Makes a rule, or replaces the one about the same.
#[utoipa::path(put, path = "/database/cache/policies", tag = "cache", params(PoliciesQuery), request_body = NewPolicy, responses(
    (status = 200, description = "it replaces one", body = Policy),
    (status = 201, description = "it is new", body = Policy),
))]
pub(crate) async fn put(
    State(console): State<Console>,
    scoped: Scoped,
    Body(new): Body<NewPolicy>,
) -> Result<(StatusCode, Json<Policy>), Problem> {
    let asked = PutPolicyRequest {
        policy: Some(new.message(scoped.name())),
    };
    let mut cache = console.services.cache();
    let put = cache.put_policy(console.services.ask(asked)).await?.into_inner();
    let code = if put.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((code, Json(put.policy.unwrap_or_default())))
}

/// Removes a rule that was put by a call.
#[utoipa::path(delete, path = "/database/cache/policies/{id}", tag = "cache", params(("id" = String, Path, description = "the rule's id"), PoliciesQuery), responses((status = 204, description = "it is gone")))]
pub(crate) async fn remove(
    State(console): State<Console>,
    scoped: Scoped,
    Path(id): Path<String>,
    Query(_): Query<PoliciesQuery>,
) -> Result<StatusCode, Problem> {
    if scoped.caller.project.is_some() && !has(&console, scoped.name(), &id).await? {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "cache-rule-not-found",
            "there is no such rule",
        ));
    }
    let mut cache = console.services.cache();
    cache
        .delete_policy(console.services.ask(DeletePolicyRequest { id }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether a rule is of a project. What is another's is as if it were not there.
async fn has(console: &Console, project: String, id: &str) -> Result<bool, Problem> {
    let mut token = String::new();
    loop {
        let asked = ListPoliciesRequest {
            project: project.clone(),
            page: Some(PageRequest { size: PAGE_SIZE, token }),
        };
        let mut cache = console.services.cache();
        let listed = cache.list_policies(console.services.ask(asked)).await?.into_inner();
        if listed.policies.iter().any(|policy| policy.id == id) {
            return Ok(true);
        }
        let Some(next) = listed.page.next() else {
            return Ok(false);
        };
        token = next;
    }
}
