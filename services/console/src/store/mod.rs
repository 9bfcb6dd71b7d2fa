//! Rows of the console's own tables.

pub(crate) mod audit;
pub(crate) mod health;
pub(crate) mod reports;
pub(crate) mod violations;
