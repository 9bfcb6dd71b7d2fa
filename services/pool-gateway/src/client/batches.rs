//! `Batch`, and `Execute` where it wants a token or has an idempotency key: to a [`BatchAsk`] and back.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use prost::Message as _;
use tokio::time::Instant;
use weir_proto::gateway::v1 as api;
use weir_proto::gateway::v1::statement_result::Outcome;

use super::asking::{Checked, Common, time};
use super::batch::{BatchAsk, Batched, Outcomes, Together};
use super::call::Call;
use super::grpc::answer;
use super::idempotency::Key;
use super::refusal::{Failure, statement_error};
use super::replies::Collected;
use super::session::{Ask, Done, Sessions};
use crate::error::Error;

/// What a request of either call means for its key: the same statement in another call has another answer.
const EXECUTE: u8 = b'e';
const BATCH: u8 = b'b';

impl Sessions {
    /// Runs one statement as a batch of its own.
    pub(super) async fn execute_in_batch(
        &self,
        request: api::ExecuteRequest,
        call: Call,
    ) -> Result<api::ExecuteResponse, Failure> {
        let common = self.common(Common {
            project: request.project,
            database: request.database,
            application: request.application,
            operation: request.operation,
            min_token: request.min_token,
            consistency: String::new(),
            timeout: time(request.timeout_ms, call.allowed),
            traceparent: call.traceparent,
            client: call.client,
        })?;
        let statements = vec![api::Statement {
            sql: request.sql,
            parameters: request.parameters,
            handle: request.handle,
        }];
        let (asks, key) = self.asks(&common, statements, EXECUTE, request.max_rows, request.idempotency_key)?;
        let ask = asks.into_iter().next().ok_or_else(nothing)?;
        self.answer_one(ask, key, request.max_rows, request.want_token).await
    }

    /// The same for a statement that is ready to be run.
    pub(super) async fn answer_one(
        &self,
        ask: Ask,
        key: Option<Key>,
        max_rows: u64,
        want_token: bool,
    ) -> Result<api::ExecuteResponse, Failure> {
        let together = if key.is_some() { Together::All } else { Together::Each };
        let batch = BatchAsk {
            asks: vec![ask],
            together,
            want_token,
            key,
        };
        let mut rows = [Collected::new(max_rows, self.settings().reply_bytes_max)];
        let keep = |rows: &mut [Collected], outcomes: &Outcomes| match (rows, outcomes.as_slice()) {
            ([rows], [Ok(done)]) => {
                let answered = answer(rows.clone(), done.clone());
                api::ExecuteResponse {
                    timing: None,
                    ..answered
                }
                .encode_to_vec()
            }
            _ => Vec::new(),
        };
        let batched = self.batch(batch, &mut rows, keep).await;
        let (answered, token, replayed) = match batched.map_err(|failure| Failure { index: None, ..failure })? {
            Batched::Ran { outcomes, token, .. } => {
                let [rows] = rows;
                let done = outcomes.into_iter().next().ok_or_else(nothing)??;
                (answer(rows, done), token, false)
            }
            Batched::Replayed { answer, token } => (decoded::<api::ExecuteResponse>(&answer)?, token, true),
        };
        Ok(api::ExecuteResponse {
            token: token.unwrap_or_default(),
            replayed,
            ..answered
        })
    }

    /// Runs many statements.
    pub(super) async fn answer_batch(
        &self,
        request: api::BatchRequest,
        call: Call,
    ) -> Result<api::BatchResponse, Failure> {
        let begun = Instant::now();
        let together = match (request.transaction, request.savepoints) {
            (false, true) => return Err(Error::Request("savepoints need a transaction".to_owned()).into()),
            (false, false) => Together::Each,
            (true, false) => Together::All,
            (true, true) => Together::Savepoints,
        };
        if together == Together::Each && !request.idempotency_key.is_empty() {
            let reason = "each statement is committed by itself; set transaction";
            return Err(Error::IdempotencyUnavailable(reason.to_owned()).into());
        }
        let common = self.common(Common {
            project: request.project,
            database: request.database,
            application: request.application,
            operation: request.operation,
            min_token: request.min_token,
            consistency: String::new(),
            timeout: time(request.timeout_ms, call.allowed),
            traceparent: call.traceparent,
            client: call.client,
        })?;
        let (max_rows, kind) = (request.max_rows, BATCH + u8::from(request.savepoints));
        let (asks, key) = self.asks(&common, request.statements, kind, max_rows, request.idempotency_key)?;
        let bytes_max = self.settings().reply_bytes_max;
        let bytes_left = Arc::new(AtomicUsize::new(bytes_max));
        let mut rows: Vec<Collected> = asks
            .iter()
            .map(|_| Collected::sharing(max_rows, bytes_max, bytes_left.clone()))
            .collect();
        let batch = BatchAsk {
            asks,
            together,
            want_token: request.want_token,
            key,
        };
        let keep = |rows: &mut [Collected], outcomes: &Outcomes| {
            let results = rows.iter().zip(outcomes).map(|(rows, outcome)| match outcome {
                Ok(done) => result(Ok((rows.clone(), done.clone()))),
                Err(error) => result(Err(error)),
            });
            let results = results.collect();
            api::BatchResponse {
                results,
                ..api::BatchResponse::default()
            }
            .encode_to_vec()
        };
        let batched = self.batch(batch, &mut rows, keep).await?;
        let (answered, token, replayed) = match batched {
            Batched::Ran {
                outcomes,
                token,
                queue_wait_us,
            } => {
                let results = rows.into_iter().zip(outcomes).map(|(rows, outcome)| match outcome {
                    Ok(done) => result(Ok((rows, done))),
                    Err(error) => result(Err(&error)),
                });
                let answered = api::BatchResponse {
                    results: results.collect(),
                    queue_wait_us,
                    ..api::BatchResponse::default()
                };
                (answered, token, false)
            }
            Batched::Replayed { answer, token } => (decoded::<api::BatchResponse>(&answer)?, token, true),
        };
        Ok(api::BatchResponse {
            token: token.unwrap_or_default(),
            replayed,
            total_us: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
            ..answered
        })
    }

    /// The statements of a batch within its limits, and the key that stands for them.
    fn asks(
        &self,
        common: &Checked,
        statements: Vec<api::Statement>,
        kind: u8,
        max_rows: u64,
        key: String,
    ) -> Result<(Vec<Ask>, Option<Key>), Failure> {
        let too_large = |count, what, max, setting| Error::BatchTooLarge {
            count,
            what,
            max,
            setting,
        };
        let (count, max) = (statements.len(), self.settings().batch_statements_max);
        if count > max {
            return Err(too_large(count, "statements", max, "gateway.batch_statements_max").into());
        }
        let bytes: usize = statements.iter().map(api::Statement::encoded_len).sum();
        let max = self.settings().batch_bytes_max;
        if bytes > max && count > 1 {
            return Err(too_large(bytes, "bytes", max, "gateway.batch_bytes_max").into());
        }
        let key = match key.as_str() {
            "" => None,
            _ => {
                let mut request = vec![kind];
                request.extend_from_slice(&max_rows.to_be_bytes());
                statements
                    .iter()
                    .for_each(|statement| request.extend(statement.encode_length_delimited_to_vec()));
                Some(Key::new(common.project.clone(), key, &request)?)
            }
        };
        let asks = statements.into_iter().enumerate().map(|(index, statement)| {
            self.statement(common.clone(), statement).map_err(|error| Failure {
                index: Some(index),
                ..Failure::from(error)
            })
        });
        Ok((asks.collect::<Result<_, _>>()?, key))
    }
}

fn result(ended: Result<(Collected, Done), &Error>) -> api::StatementResult {
    let outcome = match ended {
        Ok((rows, done)) => Outcome::Answer(api::StatementAnswer {
            columns: rows.header,
            rows: rows.rows,
            rows_affected: done.rows_affected,
            command_tag: done.command_tag,
            fingerprint: done.fingerprint,
            truncated: done.truncated,
        }),
        Err(error) => Outcome::Error(statement_error(error)),
    };
    api::StatementResult { outcome: Some(outcome) }
}

fn decoded<M: prost::Message + Default>(answer: &[u8]) -> Result<M, Error> {
    M::decode(answer).map_err(|error| Error::IdempotencyUnavailable(format!("what was kept cannot be read: {error}")))
}

fn nothing() -> Error {
    Error::Request("the batch had no statement".to_owned())
}
