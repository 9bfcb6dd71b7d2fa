//! The admin calls of gRPC to what the console does, and back. Translates, decides nothing but who may call.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tonic::{Request, Response, Status};
use weir_config::Profile as Environment;
use weir_model::Secret;
use weir_proto::gateway::v1 as api;
use weir_proto::gateway::v1::gateway_admin_service_server::GatewayAdminService;
use weir_proto::gateway::v1::kill_request::Whom;
use weir_upstream::{ConnectOptions, Connection, Credentials};

use super::firewall::Firewall;
use super::refusal::refusal;
use super::wire::{Denied, Door, table};
use crate::error::Error;

/// The admin calls.
#[derive(Debug)]
pub(crate) struct Admin(Arc<Door>);

impl Admin {
    pub(crate) const fn new(door: Arc<Door>) -> Self {
        Self(door)
    }

    /// Lets the operator in, and nobody else.
    async fn operator<T>(&self, request: Request<T>) -> Result<T, Status> {
        let is_here = request.remote_addr().is_some_and(|peer| peer.ip().is_loopback());
        let given = request.metadata().get("authorization");
        let given = given.and_then(|value| basic(value.to_str().ok()?));
        let allowed = match given {
            Some((user, password)) => self.is_own_role(&user, password).await,
            None => is_here && self.0.environment == Environment::Development,
        };
        if allowed {
            return Ok(request.into_inner());
        }
        let said = "the admin calls are for the role of database.url, with its password as authorization: Basic";
        Err(refusal(&Error::Unauthenticated(said.to_owned()), false))
    }

    /// Whether the server takes this password for the role of the URL.
    async fn is_own_role(&self, user: &str, password: Secret) -> bool {
        let common = self.0.pools.common();
        if user != common.target.user() {
            return false;
        }
        let options = ConnectOptions {
            timeout: Some(common.live().connect_timeout),
            application_name: Some("weir door".to_owned()),
            credentials: Some(Credentials::Password(password)),
            ..ConnectOptions::default()
        };
        let Ok(connection) = Box::pin(Connection::connect(&common.target, options)).await else {
            return false;
        };
        // A server that trusts everybody has said nothing of the password.
        let proved = !connection.was_trusted();
        connection.close().await;
        proved
    }
}

/// User and password of an authorization.
fn basic(authorization: &str) -> Option<(String, Secret)> {
    let (scheme, code) = authorization.split_once(' ')?;
    let text = String::from_utf8(STANDARD.decode(code.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    scheme
        .eq_ignore_ascii_case("basic")
        .then(|| (user.to_owned(), Secret::new(password)))
}

fn denied(denied: Denied) -> Status {
    refusal(&Error::Request(denied.message), false)
}

fn named(database: &str) -> Option<&str> {
    (!database.is_empty()).then_some(database)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[tonic::async_trait]
impl GatewayAdminService for Admin {
    async fn show(&self, request: Request<api::ShowRequest>) -> Result<Response<api::ShowResponse>, Status> {
        let asked = self.operator(request).await?;
        let shown = table(&self.0, &asked.table.to_ascii_lowercase()).map_err(denied)?;
        Ok(Response::new(api::ShowResponse {
            columns: shown.columns.into_iter().map(str::to_owned).collect(),
            rows: shown.rows.into_iter().map(|values| api::ShownRow { values }).collect(),
        }))
    }

    async fn pause(&self, request: Request<api::PauseRequest>) -> Result<Response<api::PauseResponse>, Status> {
        let asked = self.operator(request).await?;
        let pools = count(self.0.pause(named(&asked.database)).map_err(denied)?);
        Ok(Response::new(api::PauseResponse { pools }))
    }

    async fn resume(&self, request: Request<api::ResumeRequest>) -> Result<Response<api::ResumeResponse>, Status> {
        let asked = self.operator(request).await?;
        let pools = count(self.0.resume(named(&asked.database)).map_err(denied)?);
        Ok(Response::new(api::ResumeResponse { pools }))
    }

    async fn reconnect(
        &self,
        request: Request<api::ReconnectRequest>,
    ) -> Result<Response<api::ReconnectResponse>, Status> {
        let asked = self.operator(request).await?;
        let pools = count(self.0.reconnect(named(&asked.database)).map_err(denied)?);
        Ok(Response::new(api::ReconnectResponse { pools }))
    }

    async fn kill(&self, request: Request<api::KillRequest>) -> Result<Response<api::KillResponse>, Status> {
        let clients = match self.operator(request).await?.whom {
            Some(Whom::Client(id)) => self.0.kill(id).map(|()| 1).map_err(denied)?,
            Some(Whom::Database(database)) => count(self.0.kill_database(&database)),
            None => return Err(refusal(&Error::Request("say whom to end".to_owned()), false)),
        };
        Ok(Response::new(api::KillResponse { clients }))
    }

    async fn reload(&self, request: Request<api::ReloadRequest>) -> Result<Response<api::ReloadResponse>, Status> {
        self.operator(request).await?;
        self.0.reload().map_err(denied)?;
        Ok(Response::new(api::ReloadResponse {}))
    }

    async fn get_settings(
        &self,
        request: Request<api::GetSettingsRequest>,
    ) -> Result<Response<api::GetSettingsResponse>, Status> {
        self.operator(request).await?;
        let settings = self.0.steward.all().into_iter().map(|in_force| api::SettingInForce {
            key: in_force.setting.key,
            value: in_force.setting.value.unwrap_or_default(),
            origin: in_force.setting.origin.to_string(),
            changeable: in_force.changes,
        });
        Ok(Response::new(api::GetSettingsResponse {
            settings: settings.collect(),
        }))
    }

    async fn set_setting(
        &self,
        request: Request<api::SetSettingRequest>,
    ) -> Result<Response<api::SetSettingResponse>, Status> {
        let asked = self.operator(request).await?;
        self.0.set(&asked.key, &asked.value).map_err(denied)?;
        Ok(Response::new(api::SetSettingResponse {}))
    }

    async fn firewall_status(
        &self,
        request: Request<api::FirewallStatusRequest>,
    ) -> Result<Response<api::FirewallStatusResponse>, Status> {
        let asked = self.operator(request).await?;
        Firewall::of(&self.0).status(&asked).map(Response::new)
    }

    async fn list_firewall_shapes(
        &self,
        request: Request<api::ListFirewallShapesRequest>,
    ) -> Result<Response<api::ListFirewallShapesResponse>, Status> {
        let asked = self.operator(request).await?;
        Firewall::of(&self.0).shapes(&asked).map(Response::new)
    }

    async fn approve_firewall_shapes(
        &self,
        request: Request<api::ApproveFirewallShapesRequest>,
    ) -> Result<Response<api::ApproveFirewallShapesResponse>, Status> {
        let asked = self.operator(request).await?;
        Firewall::of(&self.0).approve(asked).await.map(Response::new)
    }

    async fn forget_firewall_shapes(
        &self,
        request: Request<api::ForgetFirewallShapesRequest>,
    ) -> Result<Response<api::ForgetFirewallShapesResponse>, Status> {
        let asked = self.operator(request).await?;
        Firewall::of(&self.0).forget(asked).await.map(Response::new)
    }

    async fn add_firewall_shape(
        &self,
        request: Request<api::AddFirewallShapeRequest>,
    ) -> Result<Response<api::AddFirewallShapeResponse>, Status> {
        let asked = self.operator(request).await?;
        Firewall::of(&self.0).add(asked).await.map(Response::new)
    }

    async fn set_firewall_mode(
        &self,
        request: Request<api::SetFirewallModeRequest>,
    ) -> Result<Response<api::SetFirewallModeResponse>, Status> {
        let asked = self.operator(request).await?;
        Firewall::of(&self.0).set_mode(asked).await.map(Response::new)
    }
}
