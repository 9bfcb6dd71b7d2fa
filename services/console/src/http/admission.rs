//! What every call passes before its handler: who calls, how often, whether it may change something, and the audit.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method, StatusCode};

use super::limits::Counted;
use super::problem::Problem;
use super::{Console, audit};
use crate::auth::{Caller, Refusal, Visit};
use crate::store::audit::Asked;

/// What is asked, apart from its body.
struct Ask {
    method: Method,
    /// The method and the pattern of the path.
    action: String,
    path: String,
    peer: SocketAddr,
}

pub(crate) async fn admit(
    State(console): State<Console>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let ask = Ask::of(&request, peer);
    let caller = match admitted(&console, request.headers().clone(), peer).await {
        Ok(caller) => caller,
        Err(problem) => return refuse(&console, None, ask, problem).await,
    };
    if let Err(problem) = check(&console, &caller, &ask) {
        return refuse(&console, Some(&caller), ask, problem).await;
    }
    request.extensions_mut().insert(caller.clone());
    let changes = !reads(&ask.method);
    let asked = ask.for_audit(&console, Some(&caller));
    if changes {
        return audit::change(&console, asked, next.run(request)).await;
    }
    let response = next.run(request).await;
    if [StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED].contains(&response.status()) {
        audit::refused(&console, asked, response.status()).await;
    }
    response
}

impl Ask {
    fn of(request: &Request, peer: SocketAddr) -> Self {
        let pattern = request
            .extensions()
            .get::<MatchedPath>()
            .map_or("?", MatchedPath::as_str);
        Self {
            method: request.method().clone(),
            action: format!("{} {pattern}", request.method()),
            path: request.uri().path().to_owned(),
            peer,
        }
    }

    fn for_audit(self, console: &Console, caller: Option<&Caller>) -> Asked {
        audit::asked(console, caller, self.action, &self.path, self.peer)
    }
}

async fn admitted(console: &Console, headers: HeaderMap, peer: SocketAddr) -> Result<Caller, Problem> {
    let visit = Visit {
        headers: &headers,
        peer,
    };
    let admitted = console.gate.admit(&visit).await;
    admitted.map_err(|refusal| unknown(console, refusal, peer))
}

/// Guessing tokens is calling without one.
fn unknown(console: &Console, refusal: Refusal, peer: SocketAddr) -> Problem {
    if let Err(wait) = console.limits.check(Counted::Address(peer.ip())) {
        return too_often(wait);
    }
    let detail = match refusal {
        Refusal::StoreAway(error) => return Problem::store(&error).retry_after(5),
        Refusal::NoToken => "a token is needed: Authorization: Bearer weir_… (weir token create makes one)",
        Refusal::NotBearer => "the Authorization header is not a bearer token",
        Refusal::Unknown => "the token is not known, has expired or was revoked",
    };
    Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
}

fn check(console: &Console, caller: &Caller, ask: &Ask) -> Result<(), Problem> {
    let counted = caller.token.map_or(Counted::Address(ask.peer.ip()), Counted::Token);
    console.limits.check(counted).map_err(too_often)?;
    if reads(&ask.method) || caller.may_change() {
        return Ok(());
    }
    Err(Problem::forbidden("the token is a viewer's, which changes nothing"))
}

fn too_often(wait: u64) -> Problem {
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too-often",
        format!("too many calls: come again in {wait} s"),
    )
    .retry_after(wait)
}

async fn refuse(console: &Console, caller: Option<&Caller>, ask: Ask, problem: Problem) -> Response {
    let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::FORBIDDEN);
    audit::refused(console, ask.for_audit(console, caller), status).await;
    problem.into_response()
}

const fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
