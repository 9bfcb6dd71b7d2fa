//! Callers: what they ask, what they get, and what is told of it.

mod accepting;
mod admin;
mod again;
mod asking;
mod batch;
mod batches;
mod call;
mod callers;
mod catalogue;
mod causal;
mod declaring;
mod decode;
mod encode;
mod firewall;
mod flight;
mod grpc;
mod idempotency;
mod login;
mod named;
mod operations;
mod packing;
mod reading;
mod recalling;
mod recording;
mod refusal;
mod repeats;
mod replies;
mod retry;
mod session;
mod steps;
mod tls;
mod transaction;
mod types;
mod wire;

pub(crate) use admin::Admin;
pub(crate) use asking::type_oid;
pub(crate) use callers::serve_callers;
pub(crate) use causal::Writes;
pub(crate) use flight::{Flight, Transactions};
pub(crate) use named::start as keep_statements;
pub(crate) use recording::{kind_code, micros, shape};
pub(crate) use session::{Sessions, look};
pub(crate) use wire::{Door, DoorParts, Witness};

use crate::settings::GatewaySettings;

/// How the PostgreSQL door encrypts, if the settings say that it does.
pub(crate) fn tls(settings: &GatewaySettings) -> Result<Option<tls::Tls>, weir_config::Error> {
    tls::Tls::load(
        settings.tls_certificate.as_deref(),
        settings.tls_key.as_deref(),
        settings.tls_client_authority.as_deref(),
    )
}
