//! Where backups are kept: objects that are made once and never changed, and one state that says what they mean.
//!
//! Nothing here knows PostgreSQL but for the names of its segments. `docs/reference/repository-format.md` says what
//! lies where.

pub(crate) mod chunk;
pub(crate) mod codec;
pub(crate) mod directory;
pub(crate) mod disk;
mod error;
pub(crate) mod intake;
pub(crate) mod keys;
pub(crate) mod manifest;
pub(crate) mod pack;
pub(crate) mod reader;
mod repository;
pub(crate) mod seal;
mod shelf;
pub(crate) mod shelves;
pub(crate) mod state;
pub(crate) mod wal;

#[cfg(test)]
pub(crate) mod faulty;
#[cfg(test)]
mod kills;
#[cfg(test)]
pub(crate) mod shaky;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use error::Error;
pub(crate) use repository::{FORMAT, Repository, Seen, check_format, generation_path};
pub(crate) use shelf::{Listed, Put, Removal, Shelf};
