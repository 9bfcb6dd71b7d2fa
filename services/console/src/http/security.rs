//! Broken rules and the firewall: who tried what, what the gateway lets through, and what waits for a person.
//!
//! A token of a project sees what is its project's. What is let through is for the operator of the whole server to say:
//! whoever can send a project's statements may hold a token of it, and would judge its own.

mod firewall;
mod overview;
mod violations;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Console;

pub(crate) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(violations::list))
        .routes(routes!(overview::show))
        .routes(routes!(firewall::show))
        .routes(routes!(firewall::shapes, firewall::add))
        .routes(routes!(firewall::approve))
        .routes(routes!(firewall::forget))
        .routes(routes!(firewall::set_mode))
}
