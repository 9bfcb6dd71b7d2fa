//! Plans carried out. The only place of this service that changes anything in the user's database.

mod advice;
mod analyze;
mod child;
mod deed;
mod door;
mod freezing;
mod gates;
mod guard;
mod halt;
mod leash;
mod lines;
mod reindex;
mod repack;
mod retry;
#[cfg(test)]
mod rewrites;
mod round;
mod session;
mod shown;
mod sweep;
mod team;
mod turn;
mod upkeep;
pub(crate) mod vacuum;
mod verify;

use analyze::analyze;
use deed::Deed;
use turn::Turn;

pub(crate) use advice::{AdviceError, Adviser, Asked, Change};
pub(crate) use door::Door;
pub(crate) use guard::{Guard, Parts};
pub(crate) use halt::Halt;
pub(crate) use reindex::{Rebuilt, rebuild};
pub(crate) use repack::{Repacked, repack};
pub(crate) use round::{OPERATIONS, Operation, kinds_of};
pub(crate) use session::{Limits, Session};
pub(crate) use shown::Shown;
pub(crate) use sweep::{survey, sweep};
pub(crate) use team::{Switches, Team, Terms};
pub(crate) use verify::{Verified, verify};
