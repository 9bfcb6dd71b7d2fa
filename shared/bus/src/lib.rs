//! Publish and subscribe: NATS with JetStream, or in memory for one process.
//!
//! The bus carries subjects, headers and bytes; it knows no event and no trace. Core messages are lossy and never make
//! the publisher wait; durable ones are kept until a consumer has dealt with them. Every buffer has a bound, every loss
//! is counted, and no task is spawned here. One suite, `tests/conformance.rs`, holds both carriers to the same behaviour.

mod bus;
mod counters;
mod durable;
mod error;
mod health;
mod inbox;
mod limits;
mod memory;
mod message;
mod nats;
mod settings;
mod subject;
mod subscription;

pub use bus::Bus;
pub use counters::Counts;
pub use durable::{Consumer, ConsumerOptions, Delivery, StreamSpec};
pub use error::Error;
pub use health::Health;
pub use limits::Limits;
pub use message::Message;
pub use settings::{BusSettings, NatsSettings};
pub use subscription::Subscription;
