//! `weir.gateway.v1` to calls of [`Sessions`] and back. Translates, decides nothing.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};
use weir_model::Project;
use weir_proto::common::v1::Pool;
use weir_proto::gateway::v1 as api;
use weir_proto::gateway::v1::gateway_service_server::GatewayService;
use weir_proto::gateway::v1::query_response::Part;
use weir_runtime::Stage;

use super::encode::encode;
use super::replies::{Collected, Streamed};
use super::session::{Argument, Ask, Done, Sessions};
use super::types;
use crate::error::Error;

/// Batches that may wait for a slow reader.
const BATCHES_WAITING_MAX: usize = 2;

/// Names in PostgreSQL are no longer.
const DATABASE_BYTES_MAX: usize = 63;
/// The answer leaves so much before the caller's deadline, or a tenth of it, that it arrives: a caller who hears that
/// the statement was cancelled knows more than one who stopped listening.
const ANSWER_MARGIN: Duration = Duration::from_millis(100);

/// The metadata entry that carries PostgreSQL's own code.
const SQLSTATE: &str = "weir-sqlstate";

type QueryStream = ReceiverStream<Result<api::QueryResponse, Status>>;

#[tonic::async_trait]
impl GatewayService for Sessions {
    type QueryStream = QueryStream;

    async fn execute(&self, request: Request<api::ExecuteRequest>) -> Result<Response<api::ExecuteResponse>, Status> {
        let allowed = deadline(request.metadata());
        let request = request.into_inner();
        let mut rows = Collected::new(request.max_rows, self.settings.reply_bytes_max);
        let ask = self.ask(request, allowed).map_err(|error| refusal(&error))?;
        let done = self.run(ask, &mut rows).await.map_err(|error| refusal(&error))?;
        Ok(Response::new(api::ExecuteResponse {
            columns: rows.header,
            rows: rows.rows,
            rows_affected: done.rows_affected,
            command_tag: done.command_tag.clone(),
            timing: Some(timing(&done)),
            fingerprint: done.fingerprint,
            truncated: done.truncated,
        }))
    }

    async fn query(&self, request: Request<api::QueryRequest>) -> Result<Response<QueryStream>, Status> {
        let allowed = deadline(request.metadata());
        let request = as_execute(request.into_inner());
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING_MAX);
        let rows = Streamed::new(request.max_rows, self.settings.reply_bytes_max, sender.clone());
        let ask = self.ask(request, allowed).map_err(|error| refusal(&error))?;
        let sessions = self.clone();
        let tasks = self.pools.common().tasks.clone();
        tasks.spawn_short(Stage::Doors, "query stream", async move {
            // A reader that goes away ends the run, and with it the statement.
            let ended = tokio::select! {
                ended = stream(&sessions, ask, rows) => ended,
                () = sender.closed() => return,
            };
            if let Err(error) = ended {
                // Nobody is left to be told when this fails.
                let _ = sender.send(Err(refusal(&error))).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn pool_state(
        &self,
        request: Request<api::PoolStateRequest>,
    ) -> Result<Response<api::PoolStateResponse>, Status> {
        let request = request.into_inner();
        let mut pools = self.pool_states();
        pools.retain(|pool| {
            let wanted = |wish: &str, own: &str| wish.is_empty() || wish == own;
            wanted(&request.upstream, &pool.upstream) && wanted(&request.database, &pool.database)
        });
        Ok(Response::new(api::PoolStateResponse { pools }))
    }
}

async fn stream(sessions: &Sessions, ask: Ask, mut rows: Streamed) -> Result<(), Error> {
    let done = sessions.run(ask, &mut rows).await?;
    rows.flush().await?;
    let summary = api::Summary {
        rows_affected: done.rows_affected,
        command_tag: done.command_tag.clone(),
        timing: Some(timing(&done)),
        fingerprint: done.fingerprint,
        truncated: done.truncated,
    };
    rows.send(Part::Summary(summary)).await
}

impl Sessions {
    fn ask(&self, request: api::ExecuteRequest, allowed: Option<Duration>) -> Result<Ask, Error> {
        let project = match request.project.as_str() {
            "" => self.settings.default_project.clone(),
            name => Project::parse(name).map_err(|error| Error::Request(error.to_string()))?,
        };
        if request.sql.contains('\0') || request.database.contains('\0') {
            return Err(Error::Request("sql and database cannot hold a zero byte".to_owned()));
        }
        if request.database.len() > DATABASE_BYTES_MAX {
            let reason = format!(
                "database has {} bytes; PostgreSQL's names have at most {DATABASE_BYTES_MAX}",
                request.database.len()
            );
            return Err(Error::Request(reason));
        }
        let asked = (request.timeout_ms > 0).then(|| Duration::from_millis(u64::from(request.timeout_ms)));
        let arguments = request
            .parameters
            .iter()
            .enumerate()
            .map(|(index, given)| argument(index + 1, given));
        let (arguments, flaw) = match arguments.collect() {
            Ok(arguments) => (arguments, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        Ok(Ask {
            project,
            database: request.database,
            arguments,
            flaw,
            sql: request.sql,
            timeout: [asked, allowed].into_iter().flatten().min(),
            application: request.application,
            traceparent: weir_telemetry::traceparent().unwrap_or_default(),
        })
    }

    fn pool_states(&self) -> Vec<Pool> {
        let bounds = self.settings.bounds();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let mut pools: Vec<Pool> = self
            .pools
            .all()
            .into_iter()
            .map(|(database, pool)| {
                let state = pool.state();
                Pool {
                    upstream: self.upstream.clone(),
                    database,
                    role: self.user.clone(),
                    total: count(state.idle + state.active),
                    idle: count(state.idle),
                    active: count(state.active),
                    waiting: count(state.waiting),
                    max: count(bounds.max),
                    min: count(bounds.min),
                    opened_total: state.opened_total,
                    closed_total: state.closed_total,
                }
            })
            .collect();
        pools.sort_by(|left, right| left.database.cmp(&right.database));
        pools
    }
}

fn as_execute(request: api::QueryRequest) -> api::ExecuteRequest {
    api::ExecuteRequest {
        project: request.project,
        database: request.database,
        sql: request.sql,
        parameters: request.parameters,
        timeout_ms: request.timeout_ms,
        max_rows: request.max_rows,
        application: request.application,
    }
}

fn argument(position: usize, given: &api::Parameter) -> Result<Argument, Error> {
    let wrong = |reason| Error::Parameter { position, reason };
    let text = encode(given.value.as_ref()).map_err(wrong)?;
    let type_oid = match given.type_name.as_str() {
        "" => 0,
        name => types::oid_of(name).ok_or_else(|| {
            wrong(format!(
                "type {name:?} is not a built-in one; leave it out, and PostgreSQL infers it"
            ))
        })?,
    };
    Ok(Argument { text, type_oid })
}

const fn timing(done: &Done) -> api::Timing {
    api::Timing {
        queue_wait_us: done.queue_wait_us,
        server_us: done.server_us,
        total_us: done.total_us,
    }
}

/// The status that tells a caller of an error, with PostgreSQL's own code where it has one.
fn refusal(error: &Error) -> Status {
    let mut status = weir_proto::status::status(error);
    let sqlstate = match error {
        Error::Upstream(error) => error.server().and_then(|server| server.sqlstate.parse().ok()),
        _ => None,
    };
    if let Some(sqlstate) = sqlstate {
        status.metadata_mut().insert(SQLSTATE, sqlstate);
    }
    status
}

/// What is left of the caller's own deadline (`grpc-timeout`).
fn deadline(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok()?;
    let left = match unit {
        "H" => Some(Duration::from_secs(number.saturating_mul(3_600))),
        "M" => Some(Duration::from_secs(number.saturating_mul(60))),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }?;
    Some(left - ANSWER_MARGIN.min(left / 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_deadline_is_read_in_every_unit() {
        let read = |text: &'static str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().unwrap());
            deadline(&metadata)
        };
        assert_eq!(read("2S"), Some(Duration::from_millis(1_900)));
        assert_eq!(read("1500m"), Some(Duration::from_millis(1_400)));
        assert_eq!(read("100m"), Some(Duration::from_millis(90)));
        assert_eq!(read("1H"), Some(Duration::from_millis(3_599_900)));
        assert_eq!(read("x"), None);
        assert_eq!(read(""), None);
        assert_eq!(deadline(&MetadataMap::new()), None);
    }
}
