//! Plans carried out. The only place of this service that changes anything in the user's database.

mod analyze;
mod deed;
mod freezing;
mod guard;
mod halt;
mod round;
mod session;
mod team;
mod turn;
pub(crate) mod vacuum;

use analyze::analyze;
use deed::Deed;
use turn::Turn;

pub(crate) use guard::{Guard, Parts};
pub(crate) use halt::Halt;
pub(crate) use round::{OPERATIONS, Operation, kinds_of};
pub(crate) use session::{Limits, Session};
pub(crate) use team::{Switches, Team};
