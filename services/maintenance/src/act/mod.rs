//! Plans carried out. The only place of this service that changes anything in the user's database.

mod analyze;
mod guard;
mod halt;
mod session;

pub(crate) use analyze::{Analyze, OPERATION};
pub(crate) use guard::Guard;
pub(crate) use halt::Halt;
pub(crate) use session::{Limits, Session};
