//! Clients of the PostgreSQL door, and the connections that they are served on.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use tonic::Code;
use weir_proto::gateway::v1::KillRequest;
use weir_proto::gateway::v1::kill_request::Whom;

use super::super::body::Path;
use super::super::{Console, Operator, Page, Problem};
use super::{Row, Table, show as show_table};

/// Server connections that are shown; pools have fewer.
const SERVERS_MAX: usize = 5_000;

/// Who is connected, and on what.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Connections)]
pub(crate) struct Connections {
    /// Clients by id.
    clients: Vec<Client>,
    /// Connections to PostgreSQL, on the first page only.
    servers: Vec<ServerConnection>,
    /// Clients in all.
    clients_total: usize,
    /// Connections to PostgreSQL in all.
    servers_total: usize,
    /// How to go on with the clients; null: this page was the last.
    next: Option<String>,
}

/// A client of the PostgreSQL door.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Client)]
pub(crate) struct Client {
    /// Identifies it, until it leaves.
    id: i64,
    /// Its role.
    role: String,
    /// Its database.
    database: String,
    /// `idle`, `waiting`, `active` or `idle in transaction`.
    state: String,
    /// For how long.
    state_ms: u64,
    /// Where from.
    address: String,
    /// The name of its program; may be empty.
    application: String,
    /// Its project.
    project: String,
    /// How connections are shared: `session`, `transaction` or `statement`.
    mode: String,
    /// The connection that it has; null: none.
    server: Option<u64>,
}

/// A connection to PostgreSQL.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::ServerConnection)]
pub(crate) struct ServerConnection {
    /// Identifies it, until it is closed.
    id: u64,
    /// Its role.
    role: String,
    /// Its database.
    database: String,
    /// `idle`, `active`, `idle in transaction` or `kept` (for a client that holds on to it).
    state: String,
    /// The server.
    upstream: String,
    /// The id of PostgreSQL's process.
    process_id: Option<i64>,
    /// How old it is.
    age_s: u64,
    /// The client that has it; null: none of the PostgreSQL door.
    client: Option<i64>,
    /// For how long it is held; null: it is not.
    held_ms: Option<u64>,
    /// The name of the program that has it; may be empty.
    application: String,
    /// Statements that are prepared on it.
    prepared_statements: u64,
}

/// Who is connected to the PostgreSQL door, and on which connections they are served.
#[utoipa::path(get, path = "/database/connections", tag = "pools", params(Page), responses((status = 200, body = Connections)))]
pub(crate) async fn list(
    State(console): State<Console>,
    Operator(_): Operator,
    page: Page,
) -> Result<Json<Connections>, Problem> {
    let after = match page.token() {
        "" => None,
        token => Some(
            token
                .parse::<i64>()
                .map_err(|_| Problem::strange("page: it is not one of this list"))?,
        ),
    };
    let (clients, servers) = tokio::try_join!(show_table(&console, "clients"), show_table(&console, "servers"))?;
    let (clients, servers) = (Table::of(clients).0, Table::of(servers).0);
    let (clients_total, servers_total) = (clients.len(), servers.len());
    let limit = usize::try_from(page.limit()).unwrap_or(usize::MAX);
    let mut clients: Vec<Client> = clients.iter().map(client).collect();
    clients.retain(|client| after.is_none_or(|after| client.id > after));
    clients.sort_by_key(|client| client.id);
    let has_more = clients.len() > limit;
    clients.truncate(limit);
    let servers = servers.iter().filter(|_| after.is_none()).take(SERVERS_MAX);
    Ok(Json(Connections {
        next: clients.last().filter(|_| has_more).map(|last| last.id.to_string()),
        clients,
        servers: servers.map(server).collect(),
        clients_total,
        servers_total,
    }))
}

fn client(row: &Row) -> Client {
    Client {
        id: row.text("id").parse().unwrap_or_default(),
        role: row.text("user").to_owned(),
        database: row.text("database").to_owned(),
        state: row.text("state").to_owned(),
        state_ms: row.count("state_ms"),
        address: row.text("addr").to_owned(),
        application: row.text("application_name").to_owned(),
        project: row.text("project").to_owned(),
        mode: row.text("pool_mode").to_owned(),
        server: row.number("server"),
    }
}

fn server(row: &Row) -> ServerConnection {
    ServerConnection {
        id: row.count("id"),
        role: row.text("user").to_owned(),
        database: row.text("database").to_owned(),
        state: row.text("state").to_owned(),
        upstream: row.text("addr").to_owned(),
        process_id: row.text("remote_pid").parse().ok(),
        age_s: row.count("age_s"),
        client: row.text("client").parse().ok(),
        held_ms: row.number("held_ms"),
        application: row.text("application_name").to_owned(),
        prepared_statements: row.count("prepared_statements"),
    }
}

/// Ends one client of the PostgreSQL door. What it was doing is cancelled.
#[utoipa::path(delete, path = "/database/connections/{id}", tag = "pools", params(("id" = i32, Path, description = "the client's id, as the list has it")), responses((status = 204, description = "it is being ended")))]
pub(crate) async fn kill(
    State(console): State<Console>,
    Operator(_): Operator,
    Path(id): Path<i32>,
) -> Result<StatusCode, Problem> {
    let mut gateway = console.services.gateway_admin();
    let asked = KillRequest {
        whom: Some(Whom::Client(id)),
    };
    match gateway.kill(console.services.ask_as_operator(asked)).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        // There is nothing else that an id can be refused for.
        Err(status) if status.code() == Code::InvalidArgument => Err(Problem::not_found(status.message())),
        Err(status) => Err(status.into()),
    }
}
