//! The steps of a `Transaction` call: one after the other as they come, each answered before the next is taken.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use weir_proto::gateway::v1 as api;
use weir_proto::gateway::v1::query_response::Part as QueryPart;
use weir_proto::gateway::v1::transaction_request::Step;
use weir_proto::gateway::v1::transaction_response::Part;

use super::asking::{self, Common};
use super::call::Call;
use super::grpc::summary;
use super::refusal::statement_error;
use super::replies::Streamed;
use super::session::Sessions;
use super::transaction::{OpenTransaction, Savepoint, Scope};
use crate::error::Error;

/// How long a transaction may be idle while the gateway stops.
const STOPPING_IDLE: Duration = Duration::from_secs(1);

/// Where answers go.
pub(crate) type Reader = mpsc::Sender<Result<api::TransactionResponse, Status>>;

/// The steps of one caller.
pub(crate) struct Steps {
    sessions: Sessions,
    inbound: Streaming<api::TransactionRequest>,
    reader: Reader,
    /// The gateway is about to stop.
    stopping: CancellationToken,
    number: u64,
}

impl Steps {
    pub(crate) const fn new(
        sessions: Sessions,
        inbound: Streaming<api::TransactionRequest>,
        reader: Reader,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            sessions,
            inbound,
            reader,
            stopping,
            number: 0,
        }
    }

    /// Takes steps until the transaction has ended. Dropped before, it is rolled back.
    pub(crate) async fn take_all(mut self, call: Call) -> Result<(), Error> {
        let Some(Step::Begin(begin)) = self.next().await? else {
            return Err(Error::Request("the first step of a transaction is begin".to_owned()));
        };
        let sql = begin_sql(&begin);
        let allowed = asking::time(begin.timeout_ms, call.allowed);
        let operation = begin.operation.clone();
        let common = self.sessions.common(Common {
            project: begin.project,
            database: begin.database,
            application: begin.application,
            operation: begin.operation,
            min_token: begin.min_token,
            consistency: String::new(),
            timeout: allowed,
            traceparent: call.traceparent,
            client: call.client,
        })?;
        let scope = Scope {
            project: common.project,
            database: common.database,
            application: common.application,
            traceparent: common.traceparent,
            client: common.client,
        };
        let sessions = self.sessions.clone();
        let project = scope.project.clone();
        let steps = async {
            let open = OpenTransaction::begin(&sessions, scope, &sql).await?;
            self.send(Part::Done(api::Done {})).await?;
            self.go_on(open).await
        };
        sessions.governed(&project, &operation, allowed, steps).await
    }

    async fn go_on(&mut self, mut open: OpenTransaction) -> Result<(), Error> {
        loop {
            let ended = match self.next().await? {
                Some(Step::Begin(_)) => Err(Error::Request("begin is the first step only".to_owned())),
                Some(Step::Execute(statement)) => self.execute(&mut open, statement).await,
                Some(Step::Savepoint(name)) => self.savepoint(&mut open, Savepoint::Set, &name).await,
                Some(Step::RollbackTo(name)) => self.savepoint(&mut open, Savepoint::RollBackTo, &name).await,
                Some(Step::Release(name)) => self.savepoint(&mut open, Savepoint::Release, &name).await,
                Some(Step::Commit(commit)) => {
                    let token = open.commit(commit.want_token).await?.unwrap_or_default();
                    return self.send(Part::Ended(api::Ended { committed: true, token })).await;
                }
                // One who will send nothing more, and has not asked to commit, does not want it.
                Some(Step::Rollback(_)) | None => {
                    open.roll_back().await?;
                    let ended = api::Ended {
                        committed: false,
                        token: String::new(),
                    };
                    return self.send(Part::Ended(ended)).await;
                }
            };
            self.answer(&mut open, ended).await?;
        }
    }

    /// Answers a step. An error of the step's own leaves the transaction where it is, unless it is lost with it.
    async fn answer(&self, open: &mut OpenTransaction, ended: Result<(), Error>) -> Result<(), Error> {
        match ended {
            Err(error) if open.is_lost() || matches!(error, Error::CallerGone) => Err(error),
            Err(error) => self.send(Part::Error(statement_error(&error))).await,
            Ok(()) if open.is_lost() => Err(Error::TransactionControl),
            // A statement has sent its summary already.
            Ok(()) => Ok(()),
        }
    }

    async fn savepoint(&self, open: &mut OpenTransaction, what: Savepoint, name: &str) -> Result<(), Error> {
        open.savepoint(what, name).await?;
        self.send(Part::Done(api::Done {})).await
    }

    async fn execute(&self, open: &mut OpenTransaction, statement: api::TransactionStatement) -> Result<(), Error> {
        let api::TransactionStatement {
            sql,
            parameters,
            handle,
            max_rows,
        } = statement;
        let statement = api::Statement {
            sql,
            parameters,
            handle,
        };
        let ask = self.sessions.statement(asking::within(open.scope()), statement);
        let step = self.number;
        let wrap = Box::new(move |part| api::TransactionResponse {
            step,
            part: Some(streamed(part)),
        });
        let mut rows = Streamed::new(
            max_rows,
            self.sessions.settings().reply_bytes_max,
            self.reader.clone(),
            wrap,
        );
        let done = open.execute(ask?, &mut rows).await?;
        rows.flush().await?;
        rows.send(QueryPart::Summary(summary(done, None))).await
    }

    /// The next step; `None` where the caller will send no more.
    async fn next(&mut self) -> Result<Option<Step>, Error> {
        let limit = self.sessions.settings().transaction_idle_timeout;
        let stopping = async {
            self.stopping.cancelled().await;
            tokio::time::sleep(STOPPING_IDLE).await;
        };
        let message = tokio::select! {
            message = self.inbound.message() => message,
            () = tokio::time::sleep(limit) => return Err(Error::TransactionIdle(limit)),
            () = stopping => return Err(Error::Stopping),
        };
        self.number += 1;
        match message {
            Ok(None) => Ok(None),
            Ok(Some(request)) => match request.step {
                Some(step) => Ok(Some(step)),
                None => Err(Error::Request(format!("step {} is empty", self.number))),
            },
            Err(_) => Err(Error::CallerGone),
        }
    }

    async fn send(&self, part: Part) -> Result<(), Error> {
        let response = api::TransactionResponse {
            step: self.number,
            part: Some(part),
        };
        self.reader.send(Ok(response)).await.map_err(|_| Error::CallerGone)
    }
}

fn streamed(part: QueryPart) -> Part {
    match part {
        QueryPart::Columns(columns) => Part::Columns(columns),
        QueryPart::Rows(rows) => Part::Rows(rows),
        QueryPart::Summary(summary) => Part::Summary(summary),
    }
}

fn begin_sql(begin: &api::Begin) -> String {
    let isolation = match begin.isolation() {
        api::Isolation::Unspecified => "",
        api::Isolation::ReadCommitted => " isolation level read committed",
        api::Isolation::RepeatableRead => " isolation level repeatable read",
        api::Isolation::Serializable => " isolation level serializable",
    };
    let access = if begin.read_only { " read only" } else { "" };
    let deferrable = if begin.deferrable { " deferrable" } else { "" };
    format!("begin{isolation}{access}{deferrable}")
}
