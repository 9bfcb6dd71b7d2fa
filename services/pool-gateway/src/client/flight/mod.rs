//! Arrow Flight SQL: the same statements on the same pools, with results as columns.
//!
//! PostgreSQL is asked for its binary format, and each value goes from the socket's buffer straight into its column.

mod caller;
mod catalogs;
mod columns;
mod facts;
mod handle;
mod kinds;
mod open;
mod parameters;
mod rows;
mod running;
mod service;

pub(crate) use open::Transactions;
pub(crate) use service::Flight;
