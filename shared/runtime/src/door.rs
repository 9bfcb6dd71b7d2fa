//! Doors: sockets are bound first and served later, and every gRPC door has health and reflection.
//!
//! A socket may have been bound by another process, and may be left to a further one while this process lives: see
//! [`Release`]. How it gets from one to the other is not decided here.

use std::net::SocketAddr;

use futures_util::{StreamExt as _, stream};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use weir_config::{Error as ConfigError, Origin, Profile};

use crate::ground::{Ground, StartError};
use crate::release::{Listener, Release};
use crate::tasks::{Stage, TaskResult};

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
    check_place(ground, setting, address)?;
    bind_encrypted(setting, address).await
}

/// The same for a door that encrypts from the first byte, which may be anywhere.
pub async fn bind_encrypted(setting: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
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

/// Takes a listener that another process has bound, by the same rules. `None`: it is not at this address.
pub fn adopt(
    ground: &Ground,
    setting: &'static str,
    address: SocketAddr,
    listener: std::net::TcpListener,
) -> Result<Option<TcpListener>, StartError> {
    check_place(ground, setting, address)?;
    if listener.local_addr()? != address {
        return Ok(None);
    }
    listener.set_nonblocking(true)?;
    Ok(Some(TcpListener::from_std(listener)?))
}

fn check_place(ground: &Ground, setting: &'static str, address: SocketAddr) -> Result<(), ConfigError> {
    if ground.sources.profile() == Profile::Production && !address.ip().is_loopback() {
        let reason = format!("{address} would be a plaintext listener beyond loopback, which production refuses");
        return Err(ConfigError::invalid(setting, Origin::File, reason));
    }
    Ok(())
}

/// A gRPC listener of one service.
pub struct GrpcDoor {
    listener: Listener,
    name: &'static str,
}

/// A gRPC door whose connections are served by somebody else: see [`GrpcDoor::open`].
pub struct OpenDoor {
    /// Where callers come in.
    pub tcp: TcpListener,
    /// When nobody is to be let in any more, and when those who are in are to go.
    pub release: Release,
    /// Health, reflection, and what was added.
    pub routes: Routes,
}

impl GrpcDoor {
    /// A door on a bound listener; `name` is the full name of the gRPC service whose health it reports.
    pub fn new(listener: impl Into<Listener>, name: &'static str) -> Self {
        Self {
            listener: listener.into(),
            name,
        }
    }

    /// Serves until the shutdown, or until calls may move after the release of its port; in-flight calls finish. `add` adds the services.
    pub fn serve(self, ground: &Ground, add: impl FnOnce(&mut RoutesBuilder)) -> Result<(), StartError> {
        let OpenDoor { tcp, release, routes } = self.open(ground, add)?;
        let (tcp, held) = (TcpIncoming::from(tcp).with_nodelay(Some(true)), release.hold());
        // Without its port, and until its callers move, the door serves those who are in.
        let incoming = tcp.take_until(release.told_owned()).chain(stream::pending());
        ground.tasks.spawn(Stage::Doors, "grpc door", |stop| async move {
            let server = Server::builder().trace_fn(weir_telemetry::grpc_span).add_routes(routes);
            let ends = release.ends(stop.clone());
            server.serve_with_incoming_shutdown(incoming, ends).await?;
            drop(held);
            stop.cancelled().await;
            Ok(())
        });
        Ok(())
    }

    /// Shows the service's health, and leaves it to the caller to let connections in and to serve them.
    pub fn open(self, ground: &Ground, add: impl FnOnce(&mut RoutesBuilder)) -> Result<OpenDoor, StartError> {
        let (health, health_service) = tonic_health::server::health_reporter();
        let mut routes = RoutesBuilder::default();
        add(&mut routes);
        routes.add_service(health_service);
        routes.add_service(reflection().build_v1()?);
        routes.add_service(reflection().build_v1alpha()?);
        let (tcp, release) = self.listener.into_parts();
        let (ready, released) = (ground.readiness.watch(), release.clone());
        ground.tasks.spawn(Stage::Watch, "grpc health", move |stop| {
            show_health(health, self.name, ready, released, stop)
        });
        Ok(OpenDoor {
            tcp,
            release,
            routes: routes.routes().prepare(),
        })
    }
}

async fn show_health(
    mut health: HealthReporter,
    name: &'static str,
    mut ready: watch::Receiver<bool>,
    release: Release,
    stop: CancellationToken,
) -> TaskResult {
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
            () = release.moved() => break,
            () = stop.cancelled() => return Ok(()),
        }
    }
    // Those who watch would hold the door open for as long as they like; they watch the next process instead.
    for name in ["", name] {
        health.set_service_status(name, ServingStatus::NotServing).await;
        health.clear_service_status(name).await;
    }
    stop.cancelled().await;
    Ok(())
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(weir_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
