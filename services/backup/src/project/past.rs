//! A server that stands at a moment of the past, beside the live cluster: where an export of an earlier moment reads.

use std::path::Path;

use futures_util::future::BoxFuture;
use weir_upstream::Target;

use crate::engine::pace::Pace;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::orders::RestoreTarget;

/// Whoever can have the cluster stand at a moment of the past.
pub(crate) trait Past: Send + Sync {
    /// Restores the cluster beside the live one, has it recover to the moment, and returns when it takes queries.
    fn open<'a>(
        &'a self,
        keeper: &'a Keeper,
        moment: &'a RestoreTarget,
        pace: &'a Pace,
    ) -> BoxFuture<'a, Result<Box<dyn Standing>, Error>>;
}

/// A server that stands at a moment of the past. It is stopped and removed on drop.
pub(crate) trait Standing: Send + Sync {
    /// How it is reached, in any database.
    fn target(&self) -> &Target;

    /// Where its programs are, if not where those of the cluster are.
    fn programs(&self) -> Option<&Path> {
        None
    }
}
