//! Which transactions the archived log holds, so that one can restore to just before the one that did the harm.
//!
//! Each whole segment has an index beside it, `commits/<timeline>/<segment>`, made once: its commits with what they
//! changed in which relation, its restore points, and what the next segment needs to go on. The open end, and whatever has
//! no index yet, is read in passing. Nothing in here changes what is kept of the log, and every index can be made anew
//! from it.

mod bytes;
mod digest;
mod facts;
mod find;
mod hashing;
mod history;
mod index;
mod indexer;
mod line;
mod list;
mod names;
mod page;
mod record;
mod scan;
mod tally;
#[cfg(test)]
mod tests;
mod windows;

use std::sync::Arc;

use weir_runtime::{Ground, Stage};

use crate::keeper::Keeper;

pub(crate) use find::{Commits, FoundChange, FoundCommit};
pub(crate) use list::{Listed, Query, list_of};
pub(crate) use windows::{Window, windows};

/// Starts what makes indexes. It needs nothing but a repository.
pub(crate) fn start(ground: &Ground, keeper: Arc<Keeper>) {
    ground.tasks.spawn(Stage::Flow, "commits", |stop| async move {
        indexer::Indexer::new(keeper).run(&stop).await;
        stop.cancelled().await;
        Ok(())
    });
}
