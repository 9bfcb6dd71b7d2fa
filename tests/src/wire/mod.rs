//! A raw client of the PostgreSQL protocol: it sends what it is told to send, byte by byte if need be, and shows every
//! frame that comes back. It never repairs anything, so that a test sees what really happened.

mod address;
mod connection;
mod fault;
mod scram;

pub use address::Address;
pub use connection::{CancelKey, Connection, Received};
pub use fault::{Fault, ServerError};
