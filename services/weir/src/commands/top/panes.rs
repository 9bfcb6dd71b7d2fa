//! One pane a file: which columns it has, and what stands in them. Pure.

pub(super) mod alerts;
pub(super) mod jobs;
pub(super) mod pools;
pub(super) mod queries;
pub(super) mod sessions;
