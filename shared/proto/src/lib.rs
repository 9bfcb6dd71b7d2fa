//! Generated protocol code, one module for each package under `proto/`.
//!
//! A service asks for its own `<room>-server` and for the `<room>-client` of each service it calls, so that Cargo.toml
//! says who calls whom. What is written by hand is small, and the same in every service: [`status`], how an error becomes
//! a gRPC status, and [`page`], how lists are paged.

mod discreet;
#[cfg(feature = "json")]
mod json;
pub mod page;
mod row_batch;
pub mod status;

pub use row_batch::RowBatch;

/// Every file, message and service, for reflection and for the contract test. Without the comments.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.binpb"));

macro_rules! generated {
    ($room:ident) => {
        include!(concat!(env!("OUT_DIR"), "/weir.", stringify!($room), ".v1.rs"));
    };
}

/// A package of messages.
macro_rules! messages {
    ($(#[doc = $doc:literal])+ $room:ident) => {
        $(#[doc = $doc])+
        pub mod $room {
            /// The first version.
            pub mod v1 {
                generated!($room);
            }
        }
    };
}

/// A package of messages with a service, whose client and server are features.
macro_rules! service {
    ($(#[doc = $doc:literal])+ $room:ident, $client:literal, $server:literal) => {
        $(#[doc = $doc])+
        pub mod $room {
            /// The first version.
            #[cfg_attr(
                any(feature = $client, feature = $server),
                expect(clippy::allow_attributes_without_reason, reason = "tonic writes its own")
            )]
            #[cfg_attr(feature = $server, expect(clippy::allow_attributes, reason = "tonic writes its own"))]
            pub mod v1 {
                generated!($room);
            }
        }
    };
}

messages! {
    /// Words that several rooms use.
    common
}
messages! {
    /// What Weir tells on the bus.
    events
}
service! {
    /// The data path.
    gateway, "gateway-client", "gateway-server"
}
service! {
    /// Query statistics and alerts.
    monitor, "monitor-client", "monitor-server"
}
service! {
    /// The result cache: statistics, policy, invalidation.
    cache, "cache-client", "cache-server"
}
service! {
    /// Schedules and runs.
    scheduler, "scheduler-client", "scheduler-server"
}
service! {
    /// Upkeep of the user's tables.
    maintenance, "maintenance-client", "maintenance-server"
}
service! {
    /// Backups, write-ahead log, restore and proof.
    backup, "backup-client", "backup-server"
}
