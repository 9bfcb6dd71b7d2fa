//! `weir.gateway.v1` to calls of [`Sessions`] and back. Translates, decides nothing.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use weir_proto::common::v1::Pool;
use weir_proto::gateway::v1 as api;
use weir_proto::gateway::v1::gateway_service_server::GatewayService;
use weir_proto::gateway::v1::query_response::Part;
use weir_runtime::Stage;

use super::asking::{Common, time};
use super::batch::{BatchAsk, Batched, Together};
use super::call::Call;
use super::refusal::{Failure, refusal};
use super::replies::{Collected, Streamed};
use super::session::{Ask, Done, Sessions};
use super::steps::Steps;
use crate::error::Error;

/// Batches that may wait for a slow reader.
const BATCHES_WAITING_MAX: usize = 2;

type Answers<M> = ReceiverStream<Result<M, Status>>;

#[tonic::async_trait]
impl GatewayService for Sessions {
    type QueryStream = Answers<api::QueryResponse>;
    type TransactionStream = Answers<api::TransactionResponse>;

    async fn execute(&self, request: Request<api::ExecuteRequest>) -> Result<Response<api::ExecuteResponse>, Status> {
        let call = Call::of(&request);
        let request = request.into_inner();
        if request.want_token || !request.idempotency_key.is_empty() {
            return Ok(Response::new(self.execute_in_batch(request, call).await?));
        }
        let mut rows = Collected::new(request.max_rows, self.settings().reply_bytes_max);
        let ask = self.ask(request, call).map_err(|error| refusal(&error, false))?;
        let done = self.run(ask, &mut rows).await;
        let done = done.map_err(|error| refusal(&error, false))?;
        Ok(Response::new(answer(rows, done)))
    }

    async fn query(
        &self,
        request: Request<api::QueryRequest>,
    ) -> Result<Response<Answers<api::QueryResponse>>, Status> {
        let call = Call::of(&request);
        let request = as_execute(request.into_inner());
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING_MAX);
        let wrap = Box::new(|part| api::QueryResponse { part: Some(part) });
        let rows = Streamed::new(request.max_rows, self.settings().reply_bytes_max, sender.clone(), wrap);
        let want_token = request.want_token;
        let ask = self.ask(request, call).map_err(|error| refusal(&error, false))?;
        let sessions = self.clone();
        let tasks = self.pools.common().tasks.clone();
        tasks.spawn_short(Stage::Doors, "query stream", async move {
            // A reader that goes away ends the run, and with it the statement.
            let ended = tokio::select! {
                ended = stream(&sessions, ask, want_token, rows) => ended,
                () = sender.closed() => return,
            };
            if let Err(failure) = ended {
                // Nobody is left to be told when this fails.
                let _ = sender.send(Err(refusal(&failure.error, false))).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn batch(&self, request: Request<api::BatchRequest>) -> Result<Response<api::BatchResponse>, Status> {
        let call = Call::of(&request);
        Ok(Response::new(self.answer_batch(request.into_inner(), call).await?))
    }

    async fn transaction(
        &self,
        request: Request<Streaming<api::TransactionRequest>>,
    ) -> Result<Response<Answers<api::TransactionResponse>>, Status> {
        let call = Call::of(&request);
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING_MAX);
        let tasks = self.pools.common().tasks.clone();
        let stopping = tasks.stop_token(Stage::Doors);
        let steps = Steps::new(self.clone(), request.into_inner(), sender.clone(), stopping);
        tasks.spawn_short(Stage::Doors, "transaction", async move {
            let ended = tokio::select! {
                ended = steps.take_all(call) => ended,
                () = sender.closed() => return,
            };
            if let Err(error) = ended {
                let _ = sender.send(Err(refusal(&error, false))).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn prepare(&self, request: Request<api::PrepareRequest>) -> Result<Response<api::PrepareResponse>, Status> {
        let call = Call::of(&request);
        let prepared = self.declare(request.into_inner(), call).await;
        Ok(Response::new(prepared.map_err(|error| refusal(&error, false))?))
    }

    async fn cancel(&self, request: Request<api::CancelRequest>) -> Result<Response<api::CancelResponse>, Status> {
        let api::CancelRequest { project, operation } = request.into_inner();
        let common = Common {
            project,
            operation,
            ..Common::default()
        };
        let common = self.common(common).map_err(|error| refusal(&error, false))?;
        if common.operation.is_empty() {
            let error = Error::Request("operation is empty; it says which calls to cancel".to_owned());
            return Err(refusal(&error, false));
        }
        let cancelled = self.operations.cancel(&common.project, &common.operation);
        Ok(Response::new(api::CancelResponse {
            cancelled: count(cancelled),
        }))
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
        let mut upstreams = crate::states::upstreams(&self.pools, self.clock.unix_ms());
        upstreams.retain(|health| request.upstream.is_empty() || request.upstream == health.upstream);
        Ok(Response::new(api::PoolStateResponse { pools, upstreams }))
    }

    async fn call_statement(
        &self,
        request: Request<api::CallStatementRequest>,
    ) -> Result<Response<api::ExecuteResponse>, Status> {
        let call = Call::of(&request);
        Ok(Response::new(
            Self::call_statement(self, request.into_inner(), call).await?,
        ))
    }

    async fn list_statements(
        &self,
        request: Request<api::ListStatementsRequest>,
    ) -> Result<Response<api::ListStatementsResponse>, Status> {
        Ok(Response::new(Self::list_statements(self, request.into_inner())?))
    }

    async fn resolve_session(
        &self,
        request: Request<api::ResolveSessionRequest>,
    ) -> Result<Response<api::ResolveSessionResponse>, Status> {
        let call = Call::of(&request);
        let resolved = Self::resolve_session(self, request.into_inner(), call).await;
        Ok(Response::new(resolved.map_err(|error| refusal(&error, false))?))
    }
}

async fn stream(
    sessions: &Sessions,
    ask: Ask,
    want_token: bool,
    mut rows: Streamed<api::QueryResponse>,
) -> Result<(), Failure> {
    let (done, token) = if want_token {
        sessions.run_with_token(ask, &mut rows).await?
    } else {
        (sessions.run(ask, &mut rows).await?, None)
    };
    rows.flush().await?;
    rows.send(Part::Summary(summary(done, token))).await?;
    Ok(())
}

impl Sessions {
    fn ask(&self, request: api::ExecuteRequest, call: Call) -> Result<Ask, Error> {
        let common = self.common(Common {
            project: request.project,
            database: request.database,
            application: request.application,
            operation: request.operation,
            min_token: request.min_token,
            consistency: request.consistency,
            timeout: time(request.timeout_ms, call.allowed),
            traceparent: call.traceparent,
            client: call.client,
        })?;
        let statement = api::Statement {
            sql: request.sql,
            parameters: request.parameters,
            handle: request.handle,
        };
        self.statement(common, statement)
    }

    /// Runs a statement by itself, and says where in the log it ends.
    async fn run_with_token(
        &self,
        ask: Ask,
        rows: &mut Streamed<api::QueryResponse>,
    ) -> Result<(Done, Option<String>), Failure> {
        let batch = BatchAsk {
            asks: vec![ask],
            together: Together::Each,
            want_token: true,
            key: None,
        };
        let batched = self.batch(batch, std::slice::from_mut(rows), |_, _| Vec::new()).await;
        match batched.map_err(|failure| Failure { index: None, ..failure })? {
            Batched::Ran {
                mut outcomes, token, ..
            } => match outcomes.pop() {
                Some(outcome) => Ok((outcome?, token)),
                None => Err(Error::StatementUnknown("name").into()),
            },
            Batched::Replayed { .. } => Err(Error::IdempotencyMismatch.into()),
        }
    }

    fn pool_states(&self) -> Vec<Pool> {
        self.pools.all().iter().map(|pool| pool.facts()).collect()
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
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
        handle: request.handle,
        operation: request.operation,
        want_token: request.want_token,
        min_token: request.min_token,
        consistency: request.consistency,
        idempotency_key: String::new(),
    }
}

/// The answer that has all rows.
pub(super) fn answer(rows: Collected, done: Done) -> api::ExecuteResponse {
    api::ExecuteResponse {
        columns: rows.header,
        rows: rows.rows,
        rows_affected: done.rows_affected,
        timing: Some(timing(&done)),
        command_tag: done.command_tag,
        fingerprint: done.fingerprint,
        truncated: done.truncated,
        token: String::new(),
        replayed: false,
    }
}

/// The end of a stream of rows.
pub(super) fn summary(done: Done, token: Option<String>) -> api::Summary {
    api::Summary {
        rows_affected: done.rows_affected,
        timing: Some(timing(&done)),
        command_tag: done.command_tag,
        fingerprint: done.fingerprint,
        truncated: done.truncated,
        token: token.unwrap_or_default(),
    }
}

const fn timing(done: &Done) -> api::Timing {
    api::Timing {
        queue_wait_us: done.queue_wait_us,
        server_us: done.server_us,
        total_us: done.total_us,
    }
}
