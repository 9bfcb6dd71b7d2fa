//! Pools, breakers and connections: shown and steered. They are of the whole server, so for an operator only.

mod connections;
mod sums;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tonic::Status;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_proto::common::v1::Pool;
use weir_proto::events::v1::{BreakerState, UpstreamHealth};
use weir_proto::gateway::v1::{
    PauseRequest, PoolStateRequest, ReconnectRequest, ResumeRequest, ShowRequest, ShowResponse,
};

use super::{Body, Console, Operator, Problem};
use crate::exposition;
use crate::health::{ANSWER_WITHIN, ops, reading};
use crate::live::PoolSums;

pub(crate) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(breakers))
        .routes(routes!(list))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(reconnect))
        .routes(routes!(sums::show))
        .routes(routes!(connections::list))
        .routes(routes!(connections::kill))
}

/// What a breaker lets through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::Breaker)]
pub(crate) enum Breaker {
    /// Everybody tries.
    Closed,
    /// Everybody is refused at once.
    Open,
    /// One caller tries for all.
    HalfOpen,
    /// The gateway does not say.
    #[default]
    Unspecified,
}

impl Breaker {
    fn read(word: &str) -> Self {
        match word {
            "closed" => Self::Closed,
            "open" => Self::Open,
            "half_open" => Self::HalfOpen,
            _ => Self::Unspecified,
        }
    }
}

/// A pool with what may hold it up.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = console::PoolNow)]
pub(crate) struct PoolNow {
    /// The pool.
    pub(crate) pool: Pool,
    /// Whether it hands out no connection at present; null: the gateway does not say.
    paused: Option<bool>,
    /// The breaker of its server.
    breaker: Breaker,
}

/// Every pool of the gateway.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Pools)]
pub(crate) struct Pools {
    /// By upstream, database and role.
    pools: Vec<PoolNow>,
    /// All of them together.
    together: PoolSums,
}

/// A server before which there is a breaker.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::UpstreamBreaker)]
pub(crate) struct UpstreamBreaker {
    /// The server.
    upstream: String,
    /// What its breaker lets through.
    breaker: Breaker,
    /// `primary`, `standby` or `unknown`; null: the gateway does not say.
    role: Option<String>,
    /// How far it is behind the primary; null: it is not, or that is not known.
    lag_ms: Option<u64>,
    /// Whether it takes writes; null: the gateway does not say.
    writes: Option<bool>,
    /// Whether it answers reads; null: the gateway does not say.
    reads: Option<bool>,
    /// Since when the breaker is in this state; null: the gateway does not say.
    since_unix_ms: Option<i64>,
    /// How often it has opened since the gateway was started; null: the gateway does not say.
    opened_total: Option<u64>,
    /// Why the server could last not be reached, by the error's name; null: it always could, or the gateway does not say.
    last_error: Option<String>,
    /// When that was; null with `last_error`.
    last_error_unix_ms: Option<i64>,
}

/// Breakers.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Breakers)]
pub(crate) struct Breakers {
    /// One for each server, by name.
    upstreams: Vec<UpstreamBreaker>,
}

/// Which pools are meant.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[schema(as = console::PoolsOf)]
#[serde(deny_unknown_fields)]
pub(crate) struct PoolsOf {
    /// Only those of this database; null: all.
    database: Option<String>,
}

/// What was steered.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::PoolsSteered)]
pub(crate) struct PoolsSteered {
    /// How many pools.
    pools: u32,
}

/// The circuit breaker of each server, with its role.
#[utoipa::path(get, path = "/database/circuit-breaker", tag = "pools", responses((status = 200, body = Breakers)))]
pub(crate) async fn breakers(State(console): State<Console>, Operator(_): Operator) -> Result<Json<Breakers>, Problem> {
    let (found, shown) = tokio::join!(histories(&console), show(&console, "upstreams"));
    // Who may look at the table is asked of PostgreSQL itself, which a breaker may keep from answering.
    let shown = shown.map(Table::of).unwrap_or_default();
    let upstreams = found?.into_iter().map(|(upstream, history)| {
        let row = shown.0.iter().find(|row| row.text("upstream") == upstream);
        let said = |column: &str| {
            row.map(|row| row.text(column).to_owned())
                .filter(|text| !text.is_empty())
        };
        let has_erred = !history.last_error.is_empty();
        UpstreamBreaker {
            breaker: history.breaker,
            since_unix_ms: history.is_told.then_some(history.since_unix_ms),
            opened_total: history.is_told.then_some(history.opened_total),
            last_error_unix_ms: has_erred.then_some(history.last_error_unix_ms),
            last_error: has_erred.then_some(history.last_error),
            role: said("role"),
            lag_ms: row.and_then(|row| row.number("lag_ms")),
            writes: said("writes").map(|word| word == "yes"),
            reads: said("reads").map(|word| word == "yes"),
            upstream,
        }
    });
    Ok(Json(Breakers {
        upstreams: upstreams.collect(),
    }))
}

/// Every pool as it is now.
#[utoipa::path(get, path = "/database/connection-pool", tag = "pools", responses((status = 200, body = Pools)))]
pub(crate) async fn list(State(console): State<Console>, Operator(_): Operator) -> Result<Json<Pools>, Problem> {
    let pools = pools_now(&console, console.services.call_timeout).await?;
    Ok(Json(Pools {
        together: PoolSums::of(pools.iter().map(|now| &now.pool)),
        pools,
    }))
}

/// Has pools hand out no connection; callers wait.
#[utoipa::path(post, path = "/database/connection-pool/pause", tag = "pools", request_body = PoolsOf, responses((status = 200, body = PoolsSteered)))]
pub(crate) async fn pause(
    State(console): State<Console>,
    Operator(_): Operator,
    Body(of): Body<PoolsOf>,
) -> Result<Json<PoolsSteered>, Problem> {
    let database = of.database.unwrap_or_default();
    let mut gateway = console.services.gateway_admin();
    let paused = gateway
        .pause(console.services.ask_as_operator(PauseRequest { database }))
        .await?;
    Ok(steered(paused.into_inner().pools))
}

/// Has pools go on.
#[utoipa::path(post, path = "/database/connection-pool/resume", tag = "pools", request_body = PoolsOf, responses((status = 200, body = PoolsSteered)))]
pub(crate) async fn resume(
    State(console): State<Console>,
    Operator(_): Operator,
    Body(of): Body<PoolsOf>,
) -> Result<Json<PoolsSteered>, Problem> {
    let database = of.database.unwrap_or_default();
    let mut gateway = console.services.gateway_admin();
    let resumed = gateway
        .resume(console.services.ask_as_operator(ResumeRequest { database }))
        .await?;
    Ok(steered(resumed.into_inner().pools))
}

/// Closes idle connections of pools, so that the next callers get new ones.
#[utoipa::path(post, path = "/database/connection-pool/reconnect", tag = "pools", request_body = PoolsOf, responses((status = 200, body = PoolsSteered)))]
pub(crate) async fn reconnect(
    State(console): State<Console>,
    Operator(_): Operator,
    Body(of): Body<PoolsOf>,
) -> Result<Json<PoolsSteered>, Problem> {
    let database = of.database.unwrap_or_default();
    let mut gateway = console.services.gateway_admin();
    let done = gateway
        .reconnect(console.services.ask_as_operator(ReconnectRequest { database }))
        .await?;
    Ok(steered(done.into_inner().pools))
}

const fn steered(pools: u32) -> Json<PoolsSteered> {
    Json(PoolsSteered { pools })
}

/// The breakers as the gateway counts them, which it does whether or not PostgreSQL is there.
async fn breakers_now(console: &Console) -> Result<BTreeMap<String, Breaker>, Status> {
    let [gateway, ..] = &console.services.peers;
    let text = ops::metrics(&gateway.ops, ANSWER_WITHIN)
        .await
        .map_err(|_| Status::unavailable(""))?;
    let found = reading::breakers(&exposition::read(&text)).into_iter();
    Ok(found.map(|(upstream, word)| (upstream, Breaker::read(&word))).collect())
}

/// A breaker with its history, if the gateway tells it.
#[derive(Debug, Default)]
struct History {
    breaker: Breaker,
    is_told: bool,
    since_unix_ms: i64,
    opened_total: u64,
    last_error: String,
    last_error_unix_ms: i64,
}

/// The breakers with their histories; without, where the gateway is of a version that does not tell them.
async fn histories(console: &Console) -> Result<BTreeMap<String, History>, Status> {
    let mut gateway = console.services.gateway();
    let asked = gateway.pool_state(console.services.ask_within(PoolStateRequest::default(), ANSWER_WITHIN));
    let told = asked
        .await
        .map(|answer| answer.into_inner().upstreams)
        .unwrap_or_default();
    if told.is_empty() {
        let found = breakers_now(console).await?.into_iter();
        let alone = |breaker| History {
            breaker,
            ..History::default()
        };
        return Ok(found.map(|(upstream, breaker)| (upstream, alone(breaker))).collect());
    }
    Ok(told
        .into_iter()
        .map(|health| (health.upstream.clone(), History::of(health)))
        .collect())
}

impl History {
    fn of(told: UpstreamHealth) -> Self {
        Self {
            breaker: match told.breaker() {
                BreakerState::Closed => Breaker::Closed,
                BreakerState::Open => Breaker::Open,
                BreakerState::HalfOpen => Breaker::HalfOpen,
                BreakerState::Unspecified => Breaker::Unspecified,
            },
            is_told: true,
            since_unix_ms: told.since_unix_ms,
            opened_total: told.opened_total,
            last_error: told.last_error,
            last_error_unix_ms: told.last_error_unix_ms,
        }
    }
}

/// Every pool with its breaker; whether it is paused, where the gateway lets the console look.
pub(super) async fn pools_now(console: &Console, within: Duration) -> Result<Vec<PoolNow>, Status> {
    let mut gateway = console.services.gateway();
    let asked = gateway.pool_state(console.services.ask_within(PoolStateRequest::default(), within));
    let (answer, breakers, shown) = tokio::join!(asked, breakers_now(console), show(console, "pools"));
    let breakers = breakers.unwrap_or_default();
    let shown = shown.map(Table::of).ok();
    let pools = answer?.into_inner().pools.into_iter().map(|pool| {
        let of_pool = |row: &&Row| row.text("database") == pool.database && row.text("user") == pool.role;
        let row = shown.as_ref().and_then(|table| table.0.iter().find(of_pool));
        PoolNow {
            paused: row.map(|row| row.number("paused") == Some(1)),
            breaker: breakers.get(&pool.upstream).copied().unwrap_or_default(),
            pool,
        }
    });
    Ok(pools.collect())
}

/// A table of the gateway's console.
async fn show(console: &Console, table: &str) -> Result<ShowResponse, Status> {
    let asked = ShowRequest {
        table: table.to_owned(),
    };
    let mut gateway = console.services.gateway_admin();
    let shown = gateway.show(console.services.ask_as_operator(asked)).await?;
    Ok(shown.into_inner())
}

/// A table whose cells are known by their columns.
#[derive(Debug, Default)]
struct Table(Vec<Row>);

#[derive(Debug)]
struct Row(BTreeMap<String, String>);

impl Table {
    fn of(shown: ShowResponse) -> Self {
        let rows = shown.rows.into_iter();
        Self(
            rows.map(|row| Row(shown.columns.iter().cloned().zip(row.values).collect()))
                .collect(),
        )
    }
}

impl Row {
    fn text(&self, column: &str) -> &str {
        self.0.get(column).map(String::as_str).unwrap_or_default()
    }

    /// None where the cell is empty or no number.
    fn number(&self, column: &str) -> Option<u64> {
        self.text(column).parse().ok()
    }

    fn count(&self, column: &str) -> u64 {
        self.number(column).unwrap_or_default()
    }
}
