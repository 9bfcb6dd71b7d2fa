//! Settings: one file, the environment, the established names, and where each value came from.
//!
//! A service declares a section with [`section!`]: each field's doc comment is its reference text, its default is
//! written as a user would write it. [`Sources`] is the only reader of the process environment in the workspace.
//! Nothing here is global: a section is a plain value that is handed to whoever needs it.

mod database;
mod error;
mod field;
mod redacted_url;
mod reference;
mod section;
mod setting;
mod sources;
mod tables;
mod texts;

pub use database::DatabaseSettings;
pub use error::Error;
pub use field::{Alias, DefaultValue, Effective, Field, Origin, computed, unset};
pub use redacted_url::RedactedUrl;
pub use reference::{example, reference};
pub use section::{Section, SectionInfo};
pub use setting::Setting;
pub use sources::{Profile, Sources, nearest};
pub use tables::Tables;
pub use texts::Texts;

/// Every section that a `weir.toml` may hold. A service reads its own; the rest is left to those who own it.
pub const SECTIONS: &[&str] = &[
    "telemetry",
    "runtime",
    "database",
    "bus",
    "store",
    "gateway",
    "monitor",
    "cache",
    "scheduler",
    "maintenance",
    "backup",
    "console",
];

#[doc(hidden)]
pub use section::joined;

/// The form of the file, for kinds of settings that read it themselves.
pub use toml;

#[cfg(test)]
mod tests;
