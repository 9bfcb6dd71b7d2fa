//! What moves bytes: base backups, the log, restores.

pub(crate) mod base;
pub(crate) mod commits;
pub(crate) mod pace;
pub(crate) mod progress;
pub(crate) mod restore;
pub(crate) mod wal;
