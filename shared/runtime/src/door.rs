//! Doors: sockets are bound first and served later, and every gRPC door has health and reflection.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tonic::service::RoutesBuilder;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use weir_config::{Error as ConfigError, Origin, Profile};

use crate::ground::{Ground, StartError};
use crate::tasks::Stage;

/// A port that cannot be had. One line that names the setting.
#[derive(Debug, thiserror::Error)]
#[error("setting {setting}: cannot listen on {address}: {reason}")]
struct BindError {
    setting: &'static str,
    address: SocketAddr,
    reason: String,
}

/// Binds a listener, so that the port is taken before anything is built. `setting` is named when it cannot be.
pub async fn bind(ground: &Ground, setting: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    if ground.sources.profile() == Profile::Production && !address.ip().is_loopback() {
        let reason = format!("{address} would be a plaintext listener beyond loopback, which production refuses");
        return Err(Box::new(ConfigError::invalid(setting, Origin::File, reason)));
    }
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| {
        let reason = match error.kind() {
            std::io::ErrorKind::AddrInUse => "the port is in use".to_owned(),
            _ => error.to_string(),
        };
        BindError {
            setting,
            address,
            reason,
        }
        .into()
    })
}

/// A gRPC listener of one service.
pub struct GrpcDoor {
    listener: TcpListener,
    name: &'static str,
}

impl GrpcDoor {
    /// A door on a bound listener; `name` is the full name of the gRPC service whose health it reports.
    pub const fn new(listener: TcpListener, name: &'static str) -> Self {
        Self { listener, name }
    }

    /// Serves until the shutdown; in-flight calls finish. `add` adds the services.
    pub fn serve(self, ground: &Ground, add: impl FnOnce(&mut RoutesBuilder)) -> Result<(), StartError> {
        let (health, health_service) = tonic_health::server::health_reporter();
        let mut routes = RoutesBuilder::default();
        add(&mut routes);
        routes.add_service(health_service);
        routes.add_service(reflection().build_v1()?);
        routes.add_service(reflection().build_v1alpha()?);
        let incoming = TcpIncoming::from(self.listener).with_nodelay(Some(true));
        ground.tasks.spawn(Stage::Doors, "grpc door", |stop| async move {
            let server = Server::builder()
                .trace_fn(weir_telemetry::grpc_span)
                .add_routes(routes.routes());
            server
                .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
                .await?;
            Ok(())
        });
        let (mut ready, name) = (ground.readiness.watch(), self.name);
        ground.tasks.spawn(Stage::Watch, "grpc health", |stop| async move {
            loop {
                let status = if *ready.borrow_and_update() {
                    ServingStatus::Serving
                } else {
                    ServingStatus::NotServing
                };
                health.set_service_status("", status).await;
                health.set_service_status(name, status).await;
                tokio::select! {
                    changed = ready.changed() => changed?,
                    () = stop.cancelled() => return Ok(()),
                }
            }
        });
        Ok(())
    }
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(weir_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
