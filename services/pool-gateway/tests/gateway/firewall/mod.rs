//! The firewall, at both doors of a gateway before a real PostgreSQL.

mod calls;
mod kept;
mod learning;
mod told;
mod wire;

use futures_util::FutureExt as _;
use prost::Message as _;
use weir_bus::Subscription;
use weir_proto::common::v1::PageRequest;
use weir_proto::events::v1::SecurityViolation;
use weir_proto::gateway::v1 as api;
use weir_proto::gateway::v1::gateway_admin_service_client::GatewayAdminServiceClient;
use weir_testkit::{Database, eventually};
use weir_upstream::{ConnectOptions, Connection, Error, Target};

use crate::gateway::{Gateway, PATIENCE};

pub(super) const VIOLATIONS: &str = "weir.*.security.violation";
/// What nobody writes but one who was let write into a text.
pub(super) const INJECTED: &str = "select name from goods where id = 1; drop table goods";

/// The violations that have come.
pub(super) fn told(listener: &mut Subscription) -> Vec<SecurityViolation> {
    std::iter::from_fn(|| listener.next().now_or_never().flatten())
        .map(|message| SecurityViolation::decode(message.payload).unwrap())
        .collect()
}

/// Waits until a violation of this rule has come.
pub(super) async fn until_told(listener: &mut Subscription, rule: &str) -> SecurityViolation {
    let mut seen = Vec::new();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let next = tokio::time::timeout_at(deadline, listener.next()).await;
        let next = next.unwrap_or_else(|_| panic!("no violation of {rule} came, but {seen:?}"));
        let violation = SecurityViolation::decode(next.unwrap().payload).unwrap();
        if violation.rule == rule {
            return violation;
        }
        seen.push(violation);
    }
}

pub(super) async fn goods(database: &Database) {
    let made = "create table goods (id int primary key, name text); insert into goods values (1, 'tea'), (2, 'rice')";
    database.psql(made).await;
}

/// The operator of a gateway.
pub(super) struct Operator {
    client: GatewayAdminServiceClient<tonic::transport::Channel>,
    database: String,
}

impl Operator {
    pub(super) async fn of(gateway: &Gateway, database: &Database) -> Self {
        let url = format!("http://127.0.0.1:{}", gateway.grpc_port);
        Self {
            client: GatewayAdminServiceClient::connect(url).await.unwrap(),
            database: database.name().to_owned(),
        }
    }

    pub(super) fn scope(&self) -> Option<api::FirewallScope> {
        Some(api::FirewallScope {
            project: "default".to_owned(),
            database: self.database.clone(),
            user: "postgres".to_owned(),
        })
    }

    pub(super) async fn whole_status(&self) -> api::FirewallStatusResponse {
        let asked = api::FirewallStatusRequest {
            database: self.database.clone(),
            ..api::FirewallStatusRequest::default()
        };
        self.client.clone().firewall_status(asked).await.unwrap().into_inner()
    }

    /// The state of the test's own scope.
    pub(super) async fn status(&self) -> api::FirewallScopeStatus {
        let mut scopes = self.whole_status().await.scopes;
        scopes.retain(|found| found.scope == self.scope());
        scopes.pop().unwrap_or_default()
    }

    pub(super) async fn shapes(&self, state: api::FirewallShapeState) -> Vec<api::FirewallShape> {
        let asked = api::ListFirewallShapesRequest {
            database: self.database.clone(),
            state: state.into(),
            page: Some(PageRequest {
                size: 1_000,
                token: String::new(),
            }),
            ..api::ListFirewallShapesRequest::default()
        };
        let listed = self.client.clone().list_firewall_shapes(asked).await;
        listed.unwrap().into_inner().shapes
    }

    /// Waits until so many shapes are in this state.
    pub(super) async fn until_shapes(&self, state: api::FirewallShapeState, wanted: usize) -> Vec<api::FirewallShape> {
        eventually("the shapes of the list", PATIENCE, || async {
            let found = self.shapes(state).await;
            if found.len() == wanted {
                Ok(found)
            } else {
                Err(format!("{found:?}"))
            }
        })
        .await
    }

    pub(super) async fn approve(&self, ids: &[&str]) -> u64 {
        let asked = api::ApproveFirewallShapesRequest {
            scope: self.scope(),
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            all_queued: ids.is_empty(),
            by: "ann".to_owned(),
        };
        let approved = self.client.clone().approve_firewall_shapes(asked).await;
        approved.unwrap().into_inner().shapes
    }

    pub(super) async fn forget(&self, ids: &[&str]) -> u64 {
        let asked = api::ForgetFirewallShapesRequest {
            scope: self.scope(),
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            by: "ann".to_owned(),
            ..api::ForgetFirewallShapesRequest::default()
        };
        let forgotten = self.client.clone().forget_firewall_shapes(asked).await;
        forgotten.unwrap().into_inner().shapes
    }

    pub(super) async fn add(&self, sql: &str) -> Result<api::FirewallShape, tonic::Status> {
        let asked = api::AddFirewallShapeRequest {
            scope: self.scope(),
            sql: sql.to_owned(),
            by: "ann".to_owned(),
        };
        let added = self.client.clone().add_firewall_shape(asked).await?;
        Ok(added.into_inner().shape.unwrap())
    }

    pub(super) async fn set(&self, key: &str, value: &str) {
        let asked = api::SetSettingRequest {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        self.client.clone().set_setting(asked).await.unwrap();
    }

    pub(super) async fn set_mode(&self, mode: api::FirewallMode) {
        let asked = api::SetFirewallModeRequest {
            scope: self.scope(),
            mode: mode.into(),
            by: "ann".to_owned(),
        };
        self.client.clone().set_firewall_mode(asked).await.unwrap();
    }
}

/// A client of the PostgreSQL door.
pub(super) async fn client(gateway: &Gateway, database: &Database) -> Connection {
    try_client(gateway, database, "postgres", ConnectOptions::default())
        .await
        .unwrap()
}

pub(super) async fn try_client(
    gateway: &Gateway,
    database: &Database,
    user: &str,
    options: ConnectOptions,
) -> Result<Connection, Error> {
    let url = format!("postgres://{user}@127.0.0.1:{}/{}", gateway.wire_port, database.name());
    Connection::connect(&Target::parse(&url).unwrap(), options).await
}

/// What a statement was refused with: its code and message.
pub(super) async fn refusal(client: &mut Connection, sql: &str) -> (String, String) {
    let error = client.simple_query(sql).await.unwrap_err();
    let said = error.server().unwrap_or_else(|| panic!("{sql}: {error}"));
    (said.sqlstate.clone(), said.message.clone())
}
