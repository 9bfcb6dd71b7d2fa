//! Connections of gRPC callers, each served by one of the threads that serve the PostgreSQL door.
//!
//! A call then finds the connections of the pool where it runs, and nothing of it wanders from core to core. Where one
//! thread is not enough, calls are run by all who serve in turn, those of a single connection too
//! (`docs/decisions/0013-grpc-on-the-workers.md`).

use std::convert::Infallible;
use std::net::TcpStream;
use std::pin::{Pin, pin};
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::server::NamedService as _;
use tonic::service::Routes;
use tonic::transport::server::{Connected as _, TcpConnectInfo};
use tracing::Instrument as _;
use weir_proto::gateway::v1::gateway_service_server::GatewayServiceServer;
use weir_runtime::{Ground, OpenDoor, Release, Stage};

use super::accepting::next_caller;
use super::call::CallerAt;
use super::session::Sessions;
use super::wire::Door;

/// What a caller may send before it is asked for more: of one call, and of all calls of a connection.
const WINDOW_BYTES: u32 = 1024 * 1024;

/// Serves gRPC's callers until the shutdown, or until calls may move after the release of the port; in-flight calls
/// finish.
pub(crate) fn serve_callers(ground: &Ground, door: &Arc<Door>, open: OpenDoor, sessions: Sessions) {
    let OpenDoor { tcp, release, routes } = open;
    let desk = Desk {
        calls: GatewayServiceServer::new(sessions),
        others: routes,
    };
    let door = door.clone();
    ground.tasks.spawn(Stage::Doors, "grpc door", |stop| async move {
        let held = release.hold();
        let let_in = async {
            while let Some((tcp, _)) = next_caller(&tcp, &release).await {
                let hands = Hands(door.clone());
                // A caller on the way to its thread counts as one who is in.
                let (desk, release, stop, held) = (desk.clone(), release.clone(), stop.clone(), release.hold());
                let visit = async move {
                    serve(tcp, hands, desk, release, stop).await;
                    drop(held);
                };
                door.host(Box::pin(visit)).await;
            }
        };
        tokio::select! {
            () = let_in => {}
            () = stop.cancelled() => {}
        }
        drop((tcp, held));
        stop.cancelled().await;
        Ok(())
    });
}

/// Serves one connection, on the thread that polls this.
async fn serve(tcp: TcpStream, hands: Hands, desk: Desk, release: Release, stop: CancellationToken) {
    let Ok(tcp) = tokio::net::TcpStream::from_std(tcp) else {
        return;
    };
    let mut http = http2::Builder::new(hands);
    http.timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        // The line of the pool has a bound, and says more when it is full.
        .max_concurrent_streams(None);
    let caller = tcp.connect_info();
    let place = caller.remote_addr().map(|peer| peer.ip().to_string());
    let desk = At {
        place: CallerAt(place.unwrap_or_default().into()),
        caller,
        desk,
    };
    let mut connection = pin!(http.serve_connection(TokioIo::new(tcp), desk));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = release.ends(stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "a caller's connection ended");
    }
}

/// Runs calls where there is time for them.
#[derive(Clone)]
struct Hands(Arc<Door>);

impl<F> Executor<F> for Hands
where
    F: Future<Output: Send> + Send + 'static,
{
    #[expect(
        clippy::disallowed_methods,
        reason = "the connection waits for its calls, and the door for its connections"
    )]
    fn execute(&self, call: F) {
        match self.0.next_hand() {
            Some(runtime) => runtime.spawn(call),
            None => tokio::spawn(call),
        };
    }
}

/// Which service a call is for. That of the queries is asked first, and not looked for.
#[derive(Clone)]
struct Desk {
    calls: GatewayServiceServer<Sessions>,
    others: Routes,
}

/// The desk as one caller sees it.
struct At {
    caller: TcpConnectInfo,
    place: CallerAt,
    desk: Desk,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl hyper::service::Service<Request<Incoming>> for At {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        if weir_telemetry::exports_spans() {
            let span = weir_telemetry::grpc_span(&request);
            return Box::pin(self.answer(request).instrument(span));
        }
        self.answer(request)
    }
}

impl At {
    fn answer(&self, mut request: Request<Incoming>) -> Answer {
        request.extensions_mut().insert(self.place.clone());
        if is_for_queries(request.uri().path()) {
            self.desk.calls.clone().call(request)
        } else {
            let (mut request, mut others) = (request.map(Body::new), self.desk.others.clone());
            // What an operator may do depends on where the call comes from.
            request.extensions_mut().insert(self.caller.clone());
            Box::pin(async move { others.call(request).await })
        }
    }
}

fn is_for_queries(path: &str) -> bool {
    let service = GatewayServiceServer::<Sessions>::NAME;
    let rest = path.strip_prefix('/').and_then(|path| path.strip_prefix(service));
    rest.is_some_and(|method| method.starts_with('/'))
}
