//! Weir's own tables: the pool, the migrations, the one leader among instances, the outbox.
//!
//! A service opens one [`Store`] on its own schema and puts its SQL in its own `store/` module; nothing here knows a
//! service's tables, and nothing here touches the database that Weir stands in front of. Nothing here spawns a task:
//! what runs for long is a future that ends when its token is cancelled.
//!
//! Times are told by the database, never by the instance, so that instances with different clocks agree.

mod address;
mod error;
mod leader;
mod migrations;
mod options;
pub mod outbox;
mod pause;
mod relay;
mod store;
mod wakes;

pub use address::Address;
pub use error::StoreError;
pub use leader::{Leadership, LeadershipOptions, Term};
pub use migrations::{KnownMigration, Migrations};
pub use options::{StoreOptions, StoreSettings};
pub use outbox::OutboxDepth;
pub use pause::{Backoff, pause};
pub use relay::{Relay, RelayOptions};
pub use store::Store;
pub use wakes::Wakes;

#[cfg(test)]
mod tests;
