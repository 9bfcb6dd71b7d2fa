//! Statements of Flight SQL: described, run with their rows as columns, or run for what they do.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_flight::FlightData;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use weir_runtime::Stage;
use weir_upstream::Prepared;

use super::super::asking::Checked;
use super::super::refusal::refusal;
use super::super::session::Ask;
use super::super::transaction::{OpenTransaction, Scope};
use super::handle::{BoundRow, Handle};
use super::open::Held;
use super::rows::{Columns, Rest, Uncounted};
use super::service::{Flight, ask};
use crate::error::Error;

/// Batches that may wait for a slow reader.
const BATCHES_WAITING_MAX: usize = 2;

/// What is sent to the reader of a result.
pub(crate) type Sent = std::pin::Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

impl Flight {
    /// What a statement takes and returns.
    pub(super) async fn describe(&self, common: Checked, handle: &Handle) -> Result<Arc<Prepared>, Error> {
        if handle.transaction.is_empty() {
            let ask = ask(common, handle.sql.clone(), Vec::new());
            return self.sessions.describe(ask, &handle.types).await;
        }
        let mut held = self.open.hold(&handle.transaction, &common.project).await?;
        held.transaction()?.describe(&handle.sql, &handle.types).await
    }

    /// Runs a statement; its rows come as columns.
    pub(super) async fn columns(&self, common: Checked, handle: Handle) -> Result<Sent, Status> {
        let held = match handle.transaction.as_slice() {
            [] => None,
            id => Some(
                self.open
                    .hold(id, &common.project)
                    .await
                    .map_err(|error| refusal(&error, false))?,
            ),
        };
        let arguments = handle.only_arguments().map_err(|error| refusal(&error, false))?;
        let ask = ask(common, handle.sql, arguments);
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING_MAX);
        let (announce, announced) = oneshot::channel();
        let rest = if held.is_some() { Rest::Dropped } else { Rest::Cancelled };
        let columns = Columns::new(announce, sender.clone(), rest, self.sessions.settings().reply_bytes_max);
        let (failed, failure) = oneshot::channel();
        let flight = self.clone();
        let tasks = self.sessions.pools.common().tasks.clone();
        tasks.spawn_short(Stage::Doors, "flight stream", async move {
            let ended = match held {
                Some(held) => run_in(held, ask, columns).await,
                None => tokio::select! {
                    ended = flight.run(ask, columns) => ended,
                    () = sender.closed() => return,
                },
            };
            // Nobody may be left to be told.
            if let Err(error) = ended {
                let _ = failed.send(refusal(&error, false));
            }
        });
        let Ok(schema) = announced.await else {
            return Err(failure.await.unwrap_or_else(|_| refusal(&Error::Stopping, false)));
        };
        // Behind the columns it is the stream that fails: with the last batch it is known whether it did.
        let failure = futures_util::stream::once(failure).filter_map(|failed| {
            std::future::ready(failed.ok().map(|status| Err(FlightError::Tonic(Box::new(status)))))
        });
        let sent = FlightDataEncoderBuilder::new()
            .with_schema(schema)
            .build(ReceiverStream::new(receiver).chain(failure));
        Ok(sent.map_err(Status::from).boxed())
    }

    async fn run(&self, ask: Ask, mut columns: Columns) -> Result<(), Error> {
        self.sessions.run(ask, &mut columns).await?;
        columns.flush().await
    }

    /// Runs a statement for what it does, and says how many rows that concerned.
    pub(super) async fn update(&self, common: Checked, handle: &Handle) -> Result<u64, Error> {
        let mut nothing = self.nothing();
        if handle.transaction.is_empty() {
            let ask = ask(common, handle.sql.clone(), handle.only_arguments()?);
            return Ok(self.sessions.run(ask, &mut nothing).await?.rows_affected);
        }
        let mut held = self.open.hold(&handle.transaction, &common.project).await?;
        let ask = ask(common, handle.sql.clone(), handle.only_arguments()?);
        Ok(held.transaction()?.execute(ask, &mut nothing).await?.rows_affected)
    }

    /// The same for each of many rows of parameters: all or nothing.
    pub(super) async fn update_many(
        &self,
        common: Checked,
        handle: &Handle,
        rows: Vec<BoundRow>,
    ) -> Result<u64, Error> {
        if !handle.transaction.is_empty() {
            let mut held = self.open.hold(&handle.transaction, &common.project).await?;
            return self.each(held.transaction()?, &common, handle, rows).await;
        }
        let scope = Scope {
            project: common.project.clone(),
            database: common.database.clone(),
            application: common.application.clone(),
            traceparent: common.traceparent.clone(),
            client: common.client.clone(),
        };
        let work = async {
            let mut open = OpenTransaction::begin(&self.sessions, scope, "begin").await?;
            let affected = self.each(&mut open, &common, handle, rows).await?;
            open.commit(false).await?;
            Ok(affected)
        };
        let (project, operation) = (&common.project, &common.operation);
        self.sessions.governed(project, operation, common.timeout, work).await
    }

    async fn each(
        &self,
        open: &mut OpenTransaction,
        common: &Checked,
        handle: &Handle,
        rows: Vec<BoundRow>,
    ) -> Result<u64, Error> {
        let mut affected = 0;
        for row in rows {
            let ask = ask(common.clone(), handle.sql.clone(), handle.arguments(row));
            affected += open.execute(ask, &mut self.nothing()).await?.rows_affected;
        }
        Ok(affected)
    }

    fn nothing(&self) -> Uncounted {
        Uncounted {
            row_bytes_max: self.sessions.settings().reply_bytes_max,
        }
    }
}

async fn run_in(mut held: Held, ask: Ask, mut columns: Columns) -> Result<(), Error> {
    held.transaction()?.execute(ask, &mut columns).await?;
    columns.flush().await
}

/// One batch that is known already.
pub(super) fn one(batch: RecordBatch) -> Sent {
    let schema = batch.schema();
    let batches = futures_util::stream::iter([Ok(batch)]);
    let sent = FlightDataEncoderBuilder::new().with_schema(schema).build(batches);
    sent.map_err(Status::from).boxed()
}
