//! Plans carried out. The only place of this service that changes anything in the user's database.

mod analyze;

pub(crate) use analyze::{Analyze, OPERATION};
