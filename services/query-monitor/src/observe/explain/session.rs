//! One EXPLAIN in a session of its own, which ends with it.
//!
//! It runs in a transaction that is always rolled back, and that may not write unless the order says so. Whatever ends
//! the wait for it (an answer, the time, a caller who is gone, a stop) ends the statement at the server, too.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use weir_upstream::{ConnectOptions, Connection, Limits, Parameter, Prepared, Target};

use crate::advise::Facts;
use crate::observe::explain::catalogue;
use crate::observe::explain::error::ExplainError;

/// Time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a lock: an EXPLAIN that waits in the line for a table makes others wait behind it.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// The server ends by itself what this process has forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(1);
/// The longest plan that is taken from the server.
const PLAN_BYTES_MAX: usize = 9 * 1024 * 1024;
/// From this version on PostgreSQL can notice in the middle of a statement that its client is gone. A function may catch
/// the cancelling of its statement and go on; nothing catches this.
const NOTICES_ABSENCE_SINCE: u32 = 14;
/// From this version on PostgreSQL makes a generic plan of a text with `$n` by itself.
const GENERIC_PLAN_SINCE: u32 = 16;

/// The value of a parameter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Given {
    /// As text; none is NULL.
    pub(crate) value: Option<String>,
    /// The name of its type; none lets the server infer it.
    pub(crate) type_name: Option<String>,
}

/// What is to be explained, and how.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) sql: String,
    pub(super) given: Vec<Given>,
    /// Empty: the one in the URL.
    pub(super) database: String,
    /// Whether it is run.
    pub(super) analyze: bool,
    /// Whether the transaction may write.
    pub(super) may_write: bool,
    /// Whether it is a plain query or change, which can be prepared.
    pub(super) is_plain: bool,
    /// Settings of the transaction.
    pub(super) settings: Vec<(String, String)>,
    /// What the session calls itself.
    pub(super) name: &'static str,
}

/// What has come of it.
#[derive(Debug)]
pub(super) struct Explained {
    pub(super) json: String,
    /// Made for any values of its parameters.
    pub(super) generic: bool,
    pub(super) facts: Result<Facts, ExplainError>,
}

/// Runs an order within its time, or until nobody wants the answer any more.
pub(super) async fn run(
    target: &Target,
    order: &Order,
    limit: Duration,
    gone: impl Future<Output = ()>,
) -> Result<Explained, ExplainError> {
    let mut gone = pin!(gone);
    let end = Instant::now() + limit;
    let mut connection = tokio::select! {
        connected = Connection::connect(target, options(order, limit)) => connected?,
        () = sleep_until(end) => return Err(ExplainError::Timeout(limit)),
        () = &mut gone => return Err(ExplainError::Cancelled),
    };
    let cancel = connection.cancel_token();
    let ended = tokio::select! {
        ended = explain(&mut connection, order) => Ok(ended),
        () = sleep_until(end) => Err(ExplainError::Timeout(limit)),
        () = &mut gone => Err(ExplainError::Cancelled),
    };
    if ended.is_err() {
        // A server that cannot be reached has nothing to cancel.
        let _ = cancel.cancel().await;
    }
    connection.close().await;
    ended?.map_err(|error| error.seen_from(!order.may_write, limit))
}

fn options(order: &Order, limit: Duration) -> ConnectOptions {
    let ms = |time: Duration| time.as_millis().to_string();
    let parameters = [
        ("statement_timeout", ms(limit + FORGOTTEN_AFTER)),
        ("lock_timeout", ms(LOCK_TIMEOUT)),
        ("idle_in_transaction_session_timeout", ms(limit + FORGOTTEN_AFTER)),
        // What was looked at before is what the server reads.
        ("standard_conforming_strings", "on".to_owned()),
    ];
    ConnectOptions {
        timeout: Some(limit.min(CONNECT_TIMEOUT)),
        application_name: Some(order.name.to_owned()),
        database: Some(order.database.clone()).filter(|name| !name.is_empty()),
        parameters: parameters.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        ..ConnectOptions::default()
    }
}

async fn explain(connection: &mut Connection, order: &Order) -> Result<Explained, ExplainError> {
    if version(connection) >= NOTICES_ABSENCE_SINCE {
        // A server that cannot do it on its platform says so, and is asked all the same.
        let _ = connection
            .simple_query("set client_connection_check_interval = 1000")
            .await;
    }
    let mode = if order.may_write { "read write" } else { "read only" };
    connection.simple_query(&format!("begin {mode}")).await?;
    for (name, value) in &order.settings {
        set(connection, name, value).await?;
    }
    let memory = catalogue::memory(connection).await;
    let (json, generic) = plan(connection, order).await?;
    // What a run has changed is gone, and its locks with it, before the catalogue is asked.
    connection.simple_query("rollback").await?;
    let facts = match memory {
        Ok(memory) => catalogue::facts(connection, memory, &json).await,
        Err(error) => Err(error),
    };
    Ok(Explained { json, generic, facts })
}

/// A setting for the transaction, as data and not as text of a statement.
async fn set(connection: &mut Connection, name: &str, value: &str) -> Result<(), ExplainError> {
    let parameters = [Parameter::text(name), Parameter::text(value)];
    one_text(connection, "select pg_catalog.set_config($1, $2, true)", &parameters).await?;
    Ok(())
}

/// The plan as JSON, and whether it is a generic one.
async fn plan(connection: &mut Connection, order: &Order) -> Result<(String, bool), ExplainError> {
    let types = types(connection, &order.given).await?;
    let prepared = connection.prepare(&order.sql, &types).await?;
    let (wanted, given) = (prepared.parameters().len(), order.given.len());
    let generic = wanted > 0 && given == 0;
    let json = if generic {
        if order.analyze {
            let reason = format!("the statement has {wanted} parameters; to run it, all of them are needed");
            return Err(field("parameters", reason));
        }
        generic_plan(connection, order, &prepared).await?
    } else if wanted == given {
        let parameters: Vec<Parameter<'_>> = prepared.parameters().iter().zip(&order.given).map(parameter).collect();
        let sql = format!("explain ({}) {}", flags(order), order.sql);
        one_text(connection, &sql, &parameters).await?
    } else {
        let reason = format!("the statement has {wanted} parameters, and {given} are given");
        return Err(field("parameters", reason));
    };
    let nothing = || ExplainError::Plan(crate::advise::PlanError::Form("the server sent none".to_owned()));
    Ok((json.ok_or_else(nothing)?, generic))
}

fn parameter<'g>((type_oid, given): (&u32, &'g Given)) -> Parameter<'g> {
    let parameter = given.value.as_deref().map_or(Parameter::null(), Parameter::text);
    parameter.of_type(*type_oid)
}

const fn flags(order: &Order) -> &'static str {
    if order.analyze {
        "analyze, buffers, verbose, settings, format json"
    } else {
        "verbose, settings, format json"
    }
}

/// A plan for any values. Before version 16 a prepared statement is explained instead, whose values, all NULL, it is
/// told not to look at.
async fn generic_plan(
    connection: &mut Connection,
    order: &Order,
    prepared: &Prepared,
) -> Result<Option<String>, ExplainError> {
    if version(connection) >= GENERIC_PLAN_SINCE {
        let sql = format!("explain (generic_plan, {}) {}", flags(order), order.sql);
        // With the extended protocol the parameters would be the session's, and would want values. The server has taken
        // the text for one statement already, when it prepared it.
        let rows = connection.simple_query(&sql).await?;
        let first = rows.first().and_then(|row| row.values().next().flatten());
        return Ok(first.map(str::to_owned));
    }
    if !order.is_plain {
        let reason = "this PostgreSQL has no generic plan for such a statement; give its parameters".to_owned();
        return Err(field("parameters", reason));
    }
    set(connection, "plan_cache_mode", "force_generic_plan").await?;
    let nulls = vec!["null"; prepared.parameters().len()].join(", ");
    let sql = format!("explain ({}) execute {}({nulls})", flags(order), prepared.name());
    one_text(connection, &sql, &[]).await
}

/// The number before the first point of `15.4 (Debian …)`; 0 where there is none.
fn version(connection: &Connection) -> u32 {
    let text = connection.parameter("server_version").unwrap_or_default();
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}

/// The types of parameters by their names; 0 lets the server infer one.
async fn types(connection: &mut Connection, given: &[Given]) -> Result<Vec<u32>, ExplainError> {
    let mut types = Vec::with_capacity(given.len());
    for (at, given) in given.iter().enumerate() {
        types.push(match &given.type_name {
            None => 0,
            Some(name) => type_oid(connection, name).await?.ok_or_else(|| {
                field(
                    "parameters",
                    format!("parameter {} has a type that does not exist: {name}", at + 1),
                )
            })?,
        });
    }
    // One too many would be a parameter whose type nothing tells; so it is one that the statement does not have.
    let named = types.iter().rposition(|oid| *oid != 0).map_or(0, |last| last + 1);
    types.truncate(named);
    Ok(types)
}

async fn type_oid(connection: &mut Connection, name: &str) -> Result<Option<u32>, ExplainError> {
    let sql = "select pg_catalog.to_regtype($1)::pg_catalog.oid";
    let found = one_text(connection, sql, &[Parameter::text(name)]).await?;
    Ok(found.and_then(|oid| oid.parse().ok()))
}

/// The first value of a statement's first row; none where that is NULL, or where there is no row.
pub(super) async fn one_text(
    connection: &mut Connection,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<Option<String>, ExplainError> {
    let limits = Limits {
        row_bytes_max: PLAN_BYTES_MAX,
        reply_bytes_max: PLAN_BYTES_MAX,
    };
    let mut rows = connection.query(sql, parameters).await?.limited(limits);
    let mut first = None;
    while let Some(batch) = rows.next_batch().await? {
        let value = batch.rows().next().and_then(|row| row.values().next().flatten());
        let text = value.map(|value| String::from_utf8_lossy(value).into_owned());
        first = first.or(text);
    }
    Ok(first)
}

fn field(field: &'static str, reason: String) -> ExplainError {
    ExplainError::Field { field, reason }
}
