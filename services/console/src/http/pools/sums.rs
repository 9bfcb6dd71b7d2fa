//! What was done on pooled connections.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::super::{Console, Operator, Problem};
use super::{Row, Table, show as show_table};

/// What was done on pooled connections.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::PoolMetrics)]
pub(crate) struct PoolMetrics {
    /// By database and role.
    pools: Vec<PoolFigures>,
    /// By database, on average over the last minute.
    lately: Vec<DatabaseLately>,
}

/// What was done in one pool since the gateway was started.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::PoolUse)]
pub(crate) struct PoolFigures {
    /// The database.
    database: String,
    /// The role.
    role: String,
    /// How connections are shared: `session`, `transaction` or `statement`.
    mode: String,
    /// Clients of the PostgreSQL door that have a connection.
    clients_active: u64,
    /// Callers that wait for one.
    waiting: u64,
    /// Connections lent out.
    active: u64,
    /// Connections open and free.
    idle: u64,
    /// Most connections that it may have.
    max: u64,
    /// Connections lent out as a part of the most, 0 to 1.
    utilization: f64,
    /// How long the caller has waited who waits longest.
    longest_wait_ms: f64,
    /// Why callers wait; empty: nobody does.
    reason: String,
    /// Transactions.
    transactions_total: u64,
    /// Statements.
    statements_total: u64,
    /// Bytes that came from clients.
    bytes_in_total: u64,
    /// Bytes that went to them.
    bytes_out_total: u64,
    /// The time that callers waited for connections, all told.
    wait_ms_total: f64,
    /// Connections opened.
    opened_total: u64,
    /// Connections closed.
    closed_total: u64,
}

/// What is done in one database.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::DatabaseLately)]
pub(crate) struct DatabaseLately {
    /// The database.
    database: String,
    /// Transactions in a second.
    transactions_per_second: u64,
    /// Statements in a second.
    statements_per_second: u64,
    /// Bytes from clients in a second.
    bytes_in_per_second: u64,
    /// Bytes to clients in a second.
    bytes_out_per_second: u64,
    /// How long a transaction takes.
    transaction_ms: f64,
    /// How long a statement takes at the server.
    statement_ms: f64,
    /// How long a transaction waits for its connection.
    wait_ms: f64,
}

/// What was done on pooled connections: since the gateway was started, and lately.
#[utoipa::path(get, path = "/database/connections/metrics", tag = "pools", responses((status = 200, body = PoolMetrics)))]
pub(crate) async fn show(State(console): State<Console>, Operator(_): Operator) -> Result<Json<PoolMetrics>, Problem> {
    let (pools, totals, stats) = tokio::try_join!(
        show_table(&console, "pools"),
        show_table(&console, "totals"),
        show_table(&console, "stats")
    )?;
    let totals = Table::of(totals);
    let pools = Table::of(pools).0.into_iter().map(|pool| {
        let of_pool =
            |row: &&Row| row.text("database") == pool.text("database") && row.text("user") == pool.text("user");
        figures(&pool, totals.0.iter().find(of_pool))
    });
    Ok(Json(PoolMetrics {
        pools: pools.collect(),
        lately: Table::of(stats).0.iter().map(lately).collect(),
    }))
}

fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

fn figures(pool: &Row, totals: Option<&Row>) -> PoolFigures {
    let total = |column: &str| totals.map_or(0, |row| row.count(column));
    let (active, max) = (pool.count("sv_active"), pool.count("pool_max"));
    PoolFigures {
        database: pool.text("database").to_owned(),
        role: pool.text("user").to_owned(),
        mode: pool.text("pool_mode").to_owned(),
        clients_active: pool.count("cl_active"),
        waiting: pool.count("cl_waiting"),
        active,
        idle: pool.count("sv_idle"),
        max,
        utilization: active as f64 / max.max(1) as f64,
        longest_wait_ms: pool.count("maxwait") as f64 * 1000.0 + ms(pool.count("maxwait_us")),
        reason: pool.text("reason").to_owned(),
        transactions_total: total("xact_count"),
        statements_total: total("query_count"),
        bytes_in_total: total("received"),
        bytes_out_total: total("sent"),
        wait_ms_total: ms(total("wait_time")),
        opened_total: total("servers_opened"),
        closed_total: total("servers_closed"),
    }
}

fn lately(row: &Row) -> DatabaseLately {
    DatabaseLately {
        database: row.text("database").to_owned(),
        transactions_per_second: row.count("avg_xact_count"),
        statements_per_second: row.count("avg_query_count"),
        bytes_in_per_second: row.count("avg_recv"),
        bytes_out_per_second: row.count("avg_sent"),
        transaction_ms: ms(row.count("avg_xact_time")),
        statement_ms: ms(row.count("avg_query_time")),
        wait_ms: ms(row.count("avg_wait_time")),
    }
}
