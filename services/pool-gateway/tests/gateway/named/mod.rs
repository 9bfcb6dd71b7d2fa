//! The catalogue of named statements, and what is asked by it.

mod calls;
mod catalogue;
mod cut;
mod demo;
mod secrets;
mod sessions;

use std::collections::BTreeMap;
use std::path::PathBuf;

use tempfile::TempDir;
use tonic::Status;
use weir_bus::{Bus, Limits};
use weir_model::Clock;
use weir_proto::common::v1::Value;
use weir_proto::common::v1::value::Kind;
use weir_proto::gateway::v1 as api;
use weir_testkit::{Database, eventually};

use crate::gateway::{Answer, Gateway, PATIENCE, database};

/// A gateway with a catalogue that the test can change.
pub(super) struct Scene {
    pub(super) gateway: Gateway,
    pub(super) database: Database,
    pub(super) path: PathBuf,
    _directory: TempDir,
}

impl Scene {
    /// A database made by this SQL, and a gateway with this catalogue.
    pub(super) async fn set(sql: &str, catalogue: &str) -> Self {
        Self::with(sql, catalogue, Clock::system(), Bus::in_memory(Limits::default()), &[]).await
    }

    pub(super) async fn with(sql: &str, catalogue: &str, clock: Clock, bus: Bus, settings: &[(&str, &str)]) -> Self {
        let database = database().await;
        database.psql(sql).await;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("statements.toml");
        std::fs::write(&path, catalogue).unwrap();
        let mut settings = settings.to_vec();
        settings.push(("statements_file", path.to_str().unwrap()));
        let gateway = Gateway::by_clock(clock, bus, &database.url(), &settings).await;
        Self {
            gateway,
            database,
            path,
            _directory: directory,
        }
    }

    /// Calls a statement.
    pub(super) async fn call(&self, request: api::CallStatementRequest) -> Answer {
        let called = self.gateway.client.clone().call_statement(request).await;
        called.map(tonic::Response::into_inner)
    }

    /// The statements that a project may call.
    pub(super) async fn list(&self, project: &str) -> api::ListStatementsResponse {
        let asked = api::ListStatementsRequest {
            project: project.to_owned(),
            page: None,
        };
        let listed = self.gateway.client.clone().list_statements(asked).await;
        listed.unwrap().into_inner()
    }

    /// Waits until the first database of a statement says this of it.
    pub(super) async fn until(&self, name: &str, wanted: api::StatementState) -> api::StatementCheck {
        eventually("the state of a statement", PATIENCE, || async {
            let listed = self.list("").await;
            let found = listed.statements.iter().find(|named| named.name == name);
            match found.and_then(|named| named.checks.first()) {
                Some(check) if check.state() == wanted => Ok(check.clone()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    /// Asks whose a token is.
    pub(super) async fn resolve(&self, token: &str) -> Result<api::ResolveSessionResponse, Status> {
        let asked = api::ResolveSessionRequest {
            token: token.to_owned(),
            ..api::ResolveSessionRequest::default()
        };
        self.resolve_as(asked).await
    }

    pub(super) async fn resolve_as(
        &self,
        request: api::ResolveSessionRequest,
    ) -> Result<api::ResolveSessionResponse, Status> {
        let resolved = self.gateway.client.clone().resolve_session(request).await;
        resolved.map(tonic::Response::into_inner)
    }
}

pub(super) fn value(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

pub(super) fn text(text: &str) -> Value {
    value(Kind::Text(text.to_owned()))
}

/// A call with parameters by name.
pub(super) fn named<const N: usize>(name: &str, parameters: [(&str, Value); N]) -> api::CallStatementRequest {
    api::CallStatementRequest {
        name: name.to_owned(),
        parameters: BTreeMap::from(parameters.map(|(name, value)| (name.to_owned(), value))),
        ..api::CallStatementRequest::default()
    }
}

/// A call with parameters in their order.
pub(super) fn in_order<const N: usize>(name: &str, parameters: [Value; N]) -> api::CallStatementRequest {
    api::CallStatementRequest {
        name: name.to_owned(),
        positional: parameters.into(),
        ..api::CallStatementRequest::default()
    }
}

/// What a column holds, row by row.
pub(super) fn column(answer: &api::ExecuteResponse, name: &str) -> Vec<Kind> {
    let place = answer.columns.iter().position(|column| column.name == name).unwrap();
    answer
        .rows
        .iter()
        .map(|row| row.values[place].kind.clone().unwrap())
        .collect()
}
