//! Restores: a backup's files, recovery settings, and a server that recovers from them.

mod batches;
mod disk;
mod facts;
mod feed;
mod fetch;
mod files;
mod guard;
mod layout;
mod moment;
mod open_files;
pub(crate) mod recovery;
mod replay;
mod run;
pub(crate) mod server;
mod survey;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub(crate) use files::files;
pub(crate) use moment::around;
pub(crate) use open_files::Owner;
pub(crate) use run::{RestorePlan, chosen, plan, restore};

use recovery::Recovery;

/// How files are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileOptions {
    /// Threads that unpack, verify and write.
    pub threads: usize,
    /// What is in the directory is reused, and only what differs is written. Otherwise it has to be empty.
    pub delta: bool,
    /// Obstacles that can be overridden are.
    pub force: bool,
    /// Where tablespaces go, by their number. Those not named go where they were.
    pub tablespaces: BTreeMap<u32, PathBuf>,
    /// Nothing but these tablespaces, into a cluster that is otherwise in place. Empty: everything.
    pub only_tablespaces: Vec<u32>,
    /// Who files are given to. None: they stay with whoever this process runs as.
    pub owner: Option<Owner>,
    /// What the server is told. None: nothing; it would then recover with what log is there.
    pub recovery: Option<Recovery>,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self {
            threads: 2,
            delta: false,
            force: false,
            tablespaces: BTreeMap::new(),
            only_tablespaces: Vec::new(),
            owner: None,
            recovery: None,
        }
    }
}

/// What was done to a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Written {
    /// Bytes of files that were written.
    pub written_bytes: u64,
    /// Bytes of files that were as they have to be.
    pub kept_bytes: u64,
    /// Bytes read from the repository.
    pub read_bytes: u64,
    /// Files and directories removed that did not belong.
    pub removed: u64,
}
