//! EXPLAIN on the user's PostgreSQL: asked for by a caller, or captured of slow statements.

mod analysis;
mod capture;
mod catalogue;
mod error;
mod session;
mod setup;

pub(crate) use analysis::{Analysis, Ask, Explainer};
pub(crate) use capture::Captures;
pub(crate) use session::Given;
pub(crate) use setup::{check, start};
