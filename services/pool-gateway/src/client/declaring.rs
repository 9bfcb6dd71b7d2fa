//! `Prepare`: a statement is declared, and described by the server that will run it.

use std::sync::Arc;

use tokio::time::{Instant, timeout};
use weir_proto::gateway::v1 as api;
use weir_upstream::Prepared;

use super::asking::{Common, type_oid};
use super::call::Call;
use super::catalogue::{Declared, NAME_BYTES_MAX};
use super::session::{Ask, Sessions};
use super::types;
use crate::error::Error;

impl Sessions {
    /// Declares a statement, or finds the one of that name, and says what it takes and returns.
    pub(super) async fn declare(
        &self,
        request: api::PrepareRequest,
        call: Call,
    ) -> Result<api::PrepareResponse, Error> {
        let common = self.common(Common {
            project: request.project,
            database: request.database,
            timeout: call.allowed,
            traceparent: call.traceparent,
            client: call.client,
            ..Common::default()
        })?;
        let name = request.name;
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(Error::Request(format!("name has 1 to {NAME_BYTES_MAX} bytes")));
        }
        let declared = if request.sql.is_empty() {
            let known = self.catalogue.by_name(&common.project, &common.database, &name)?;
            Declared::clone(&known)
        } else {
            Declared {
                project: common.project.clone(),
                database: common.database.clone(),
                name,
                sql: request.sql,
                types: parameter_types(&request.parameter_types)?,
            }
        };
        let ask = self.statement(
            common,
            api::Statement {
                sql: declared.sql.clone(),
                ..api::Statement::default()
            },
        )?;
        let fingerprint = self.fingerprint(&declared.sql).await;
        let prepared = self.describe(ask, &declared.types).await?;
        // What PostgreSQL refuses is not in the catalogue.
        let declared = self.catalogue.declare(declared);
        Ok(api::PrepareResponse {
            handle: declared.handle(),
            parameters: prepared.parameters().iter().map(|oid| parameter(*oid)).collect(),
            columns: columns(&prepared),
            fingerprint,
        })
    }

    async fn fingerprint(&self, sql: &str) -> String {
        let statement = match self.shapes.at_once(sql) {
            Some(statement) => statement,
            None => self.shapes.read(sql).await,
        };
        statement.fingerprint.to_string()
    }

    /// What a statement takes and returns, as the server says.
    pub(super) async fn describe(&self, mut ask: Ask, types: &[u32]) -> Result<Arc<Prepared>, Error> {
        let shown = self
            .shapes
            .at_once(&ask.sql)
            .unwrap_or_else(|| self.shapes.unread(&ask.sql));
        let mut recording = self.recording(&ask, Instant::now(), shown);
        if self.shapes.is_long(&ask.sql) && !recording.statement().parsed {
            recording.is_of(self.shapes.read(&ask.sql).await);
        }
        let ended = match self.flaw(&mut ask).or_else(|| recording.may_run().err()) {
            Some(error) => Err(error),
            None => {
                let limit = recording.terms.statement_timeout;
                let work = async {
                    let mut lease = self.lease(&ask.project, &ask.database, &mut recording).await?;
                    let connection = lease.connection().ok_or(Error::Stopping)?;
                    recording.sent();
                    let prepared = timeout(limit, connection.prepare(&ask.sql, types)).await;
                    recording.answered();
                    Ok(prepared.map_err(|_| Error::StatementTimeout(limit))??)
                };
                self.governed(&ask.project, &ask.operation, ask.timeout, work).await
            }
        };
        match &ended {
            Ok(_) => recording.succeeded(),
            Err(error) => recording.failed(error),
        }
        ended
    }
}

fn parameter_types(names: &[String]) -> Result<Vec<u32>, Error> {
    let oids = names.iter().enumerate().map(|(index, name)| match name.as_str() {
        "" => Ok(0),
        name => type_oid(name).map_err(|reason| Error::Parameter {
            position: index + 1,
            reason,
        }),
    });
    oids.collect()
}

fn parameter(type_oid: u32) -> api::ParameterType {
    api::ParameterType {
        type_oid,
        type_name: types::name_of(type_oid),
    }
}

fn columns(prepared: &Prepared) -> Vec<api::Column> {
    let column = |column: &weir_upstream::Column| api::Column {
        name: column.name.clone(),
        type_oid: column.type_oid,
        type_name: types::name_of(column.type_oid),
    };
    prepared.columns().iter().map(column).collect()
}
