//! The calls of Flight SQL to those of [`Sessions`]. Translates, decides nothing.

use std::pin::Pin;
use std::sync::Arc;

use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionBeginTransactionRequest, ActionBeginTransactionResult, ActionClosePreparedStatementRequest,
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, ActionEndTransactionRequest,
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables,
    CommandGetXdbcTypeInfo, CommandPreparedStatementQuery, CommandPreparedStatementUpdate, CommandStatementQuery,
    CommandStatementUpdate, DoPutPreparedStatementResult, EndTransaction, ProstMessageExt, TicketStatementQuery,
};
use arrow_flight::{
    Action, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse, IpcMessage, SchemaAsIpc,
    Ticket,
};
use arrow_ipc::writer::IpcWriteOptions;
use arrow_schema::{ArrowError, Schema};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use prost::Message as _;
use tonic::{Request, Response, Status, Streaming};

use super::super::asking::Checked;
use super::super::refusal::refusal;
use super::super::session::{Argument, Ask, Sessions};
use super::super::transaction::{OpenTransaction, Scope};
use super::facts::Facts;
use super::handle::{BoundRow, Handle};
use super::open::Transactions;
use super::running::{Sent, one};
use super::{caller, catalogs, kinds, parameters};
use crate::error::Error;

/// The Flight SQL door. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Flight {
    pub(super) sessions: Sessions,
    pub(super) open: Arc<Transactions>,
    facts: Arc<Facts>,
}

impl Flight {
    /// A door to these sessions.
    pub(crate) fn new(sessions: Sessions) -> Result<Self, ArrowError> {
        Ok(Self {
            sessions,
            open: Arc::default(),
            facts: Arc::new(Facts::new()?),
        })
    }

    /// Its transactions that span calls.
    pub(crate) const fn transactions(&self) -> &Arc<Transactions> {
        &self.open
    }

    fn common<T>(&self, request: &Request<T>) -> Result<Checked, Status> {
        caller::common(&self.sessions, request).map_err(told)
    }

    /// Where the rows of a statement are to be had.
    async fn info(
        &self,
        request: Request<FlightDescriptor>,
        handle: Handle,
        ticket: impl ProstMessageExt,
    ) -> Result<Response<FlightInfo>, Status> {
        let common = self.common(&request)?;
        let prepared = self.describe(common, &handle).await.map_err(told)?;
        found(&kinds::schema(prepared.columns()), ticket, request.into_inner())
    }
}

/// A statement as it is run, kept prepared for the next time.
pub(super) fn ask(common: Checked, sql: String, arguments: Vec<Argument>) -> Ask {
    Ask {
        project: common.project,
        database: common.database,
        flaw: sql
            .contains('\0')
            .then(|| Error::Request("sql and database cannot hold a zero byte".to_owned())),
        sql,
        arguments,
        timeout: common.timeout,
        application: common.application,
        traceparent: common.traceparent,
        client: common.client,
        operation: common.operation,
        prepared: true,
        min_position: common.min_position,
        consistency: None,
        empty_ttl: None,
    }
}

fn told(error: Error) -> Status {
    refusal(&error, false)
}

fn found(
    schema: &Schema,
    ticket: impl ProstMessageExt,
    descriptor: FlightDescriptor,
) -> Result<Response<FlightInfo>, Status> {
    let ticket = Ticket::new(ticket.as_any().encode_to_vec());
    let info = FlightInfo::new()
        .try_with_schema(schema)
        .map_err(FlightError::from)?
        .with_endpoint(FlightEndpoint::new().with_ticket(ticket))
        .with_descriptor(descriptor);
    Ok(Response::new(info))
}

fn ipc(schema: &Schema) -> Result<Bytes, Status> {
    let IpcMessage(bytes) = SchemaAsIpc::new(schema, &IpcWriteOptions::default())
        .try_into()
        .map_err(FlightError::from)?;
    Ok(bytes)
}

/// The rows of parameters that a client puts. Without columns there are none to bind.
async fn put(stream: PeekableFlightDataStream, types: &[u32]) -> Result<Vec<BoundRow>, Status> {
    // A driver that binds nothing sends the statement's handle and no data.
    let data = stream.try_filter(|data| std::future::ready(!data.data_header.is_empty()));
    let mut batches = FlightRecordBatchStream::new_from_flight_data(data.map_err(FlightError::from));
    let mut rows = Vec::new();
    while let Some(batch) = batches.try_next().await? {
        rows.extend(parameters::rows(&batch, types).map_err(told)?);
        if batch.num_columns() == 0 {
            rows.clear();
        }
    }
    Ok(rows)
}

fn transaction(id: Option<Bytes>) -> Vec<u8> {
    id.map(Vec::from).unwrap_or_default()
}

#[tonic::async_trait]
impl FlightSqlService for Flight {
    type FlightService = Self;

    async fn do_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>>, Status> {
        caller::user(&self.sessions, request.metadata()).map_err(told)?;
        let bearer = caller::bearer(&self.sessions);
        let entry = bearer.parse().map_err(|_| {
            told(Error::Unauthenticated(
                "the role has no form that a header takes".to_owned(),
            ))
        })?;
        let answer = HandshakeResponse {
            protocol_version: 0,
            payload: Bytes::from(bearer),
        };
        let mut response = Response::new(futures_util::stream::iter([Ok(answer)]).boxed());
        response.metadata_mut().insert("authorization", entry);
        Ok(response as Response<Pin<Box<dyn Stream<Item = _> + Send>>>)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let handle = Handle {
            sql: query.query,
            transaction: transaction(query.transaction_id),
            ..Handle::default()
        };
        let ticket = TicketStatementQuery {
            statement_handle: handle.encode_to_vec().into(),
        };
        self.info(request, handle, ticket).await
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let handle = Handle::read(&query.prepared_statement_handle).map_err(told)?;
        self.info(request, handle, query).await
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.common(&request)?;
        found(&query.into_builder().schema(), query, request.into_inner())
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.common(&request)?;
        found(&query.clone().into_builder().schema(), query, request.into_inner())
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.common(&request)?;
        found(&query.clone().into_builder().schema(), query, request.into_inner())
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.common(&request)?;
        found(&query.into_builder().schema(), query, request.into_inner())
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.common(&request)?;
        found(&self.facts.sql.schema(), query, request.into_inner())
    }

    async fn get_flight_info_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.common(&request)?;
        found(&self.facts.types.schema(), query, request.into_inner())
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<Sent>, Status> {
        let common = self.common(&request)?;
        let handle = Handle::read(&ticket.statement_handle).map_err(told)?;
        Ok(Response::new(self.columns(common, handle).await?))
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<Sent>, Status> {
        let common = self.common(&request)?;
        let handle = Handle::read(&query.prepared_statement_handle).map_err(told)?;
        Ok(Response::new(self.columns(common, handle).await?))
    }

    async fn do_get_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<Ticket>,
    ) -> Result<Response<Sent>, Status> {
        let common = self.common(&request)?;
        Ok(Response::new(one(
            catalogs::catalogs(&self.sessions, common, query).await?
        )))
    }

    async fn do_get_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<Ticket>,
    ) -> Result<Response<Sent>, Status> {
        let common = self.common(&request)?;
        Ok(Response::new(one(
            catalogs::schemas(&self.sessions, common, query).await?
        )))
    }

    async fn do_get_tables(&self, query: CommandGetTables, request: Request<Ticket>) -> Result<Response<Sent>, Status> {
        let common = self.common(&request)?;
        Ok(Response::new(one(
            catalogs::tables(&self.sessions, common, query).await?
        )))
    }

    async fn do_get_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<Ticket>,
    ) -> Result<Response<Sent>, Status> {
        self.common(&request)?;
        Ok(Response::new(one(catalogs::table_types(query)?)))
    }

    async fn do_get_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<Ticket>,
    ) -> Result<Response<Sent>, Status> {
        self.common(&request)?;
        let batch = query.into_builder(&self.facts.sql).build();
        Ok(Response::new(one(batch?)))
    }

    async fn do_get_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        request: Request<Ticket>,
    ) -> Result<Response<Sent>, Status> {
        self.common(&request)?;
        let batch = query.into_builder(&self.facts.types).build();
        Ok(Response::new(one(batch?)))
    }

    async fn do_put_statement_update(
        &self,
        command: CommandStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        let common = self.common(&request)?;
        let handle = Handle {
            sql: command.query,
            transaction: transaction(command.transaction_id),
            ..Handle::default()
        };
        let affected = self.update(common, &handle).await.map_err(told)?;
        Ok(i64::try_from(affected).unwrap_or(i64::MAX))
    }

    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        self.common(&request)?;
        let mut handle = Handle::read(&query.prepared_statement_handle).map_err(told)?;
        handle.rows = put(request.into_inner(), &handle.types).await?;
        Ok(DoPutPreparedStatementResult {
            prepared_statement_handle: Some(handle.encode_to_vec().into()),
        })
    }

    async fn do_put_prepared_statement_update(
        &self,
        query: CommandPreparedStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        let common = self.common(&request)?;
        let mut handle = Handle::read(&query.prepared_statement_handle).map_err(told)?;
        let put = put(request.into_inner(), &handle.types).await?;
        // Some drivers bind before, some put the rows here.
        let rows = if put.is_empty() {
            std::mem::take(&mut handle.rows)
        } else {
            put
        };
        let affected = if rows.is_empty() {
            self.update(common, &handle).await
        } else {
            self.update_many(common, &handle, rows).await
        };
        Ok(i64::try_from(affected.map_err(told)?).unwrap_or(i64::MAX))
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let common = self.common(&request)?;
        let mut handle = Handle {
            sql: query.query,
            transaction: transaction(query.transaction_id),
            ..Handle::default()
        };
        let prepared = self.describe(common, &handle).await.map_err(told)?;
        handle.types = prepared.parameters().to_vec();
        Ok(ActionCreatePreparedStatementResult {
            dataset_schema: ipc(&kinds::schema(prepared.columns()))?,
            parameter_schema: ipc(&kinds::parameters(prepared.parameters()))?,
            prepared_statement_handle: handle.encode_to_vec().into(),
        })
    }

    /// All that is known of it is with the client.
    async fn do_action_close_prepared_statement(
        &self,
        _query: ActionClosePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<(), Status> {
        self.common(&request).map(|_| ())
    }

    async fn do_action_begin_transaction(
        &self,
        _query: ActionBeginTransactionRequest,
        request: Request<Action>,
    ) -> Result<ActionBeginTransactionResult, Status> {
        let common = self.common(&request)?;
        let scope = Scope {
            project: common.project.clone(),
            database: common.database,
            application: common.application,
            traceparent: common.traceparent,
            client: common.client,
        };
        let begun = OpenTransaction::begin(&self.sessions, scope, "begin");
        let begun = self.sessions.governed(&common.project, "", common.timeout, begun).await;
        let id = self.open.keep(&self.sessions, begun.map_err(told)?);
        Ok(ActionBeginTransactionResult {
            transaction_id: Bytes::copy_from_slice(id.as_bytes()),
        })
    }

    async fn do_action_end_transaction(
        &self,
        query: ActionEndTransactionRequest,
        request: Request<Action>,
    ) -> Result<(), Status> {
        let common = self.common(&request)?;
        let mut held = self
            .open
            .hold(&query.transaction_id, &common.project)
            .await
            .map_err(told)?;
        let ended = match query.action() {
            EndTransaction::Commit => held.take().map_err(told)?.commit(false).await.map(|_| ()),
            EndTransaction::Rollback => held.take().map_err(told)?.roll_back().await,
            EndTransaction::Unspecified => Err(Error::Request("a transaction is committed or rolled back".to_owned())),
        };
        ended.map_err(told)
    }
}
