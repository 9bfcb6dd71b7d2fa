//! Facts to a plan. Pure: it says what is to be done and why, and touches nothing.

pub(crate) mod ages;
mod analyze;
mod bloat;
mod candidate;
mod checks;
mod draft;
mod earlier;
pub(crate) mod estimate;
pub(crate) mod facts;
pub(crate) mod freeze;
pub(crate) mod gates;
mod guard;
mod kind;
pub(crate) mod leftovers;
mod order;
mod pace;
pub(crate) mod rate;
pub(crate) mod repack;
pub(crate) mod rewrites;
mod traffic;
mod vacuum;
mod worth;

pub(crate) use analyze::analyze;
pub(crate) use bloat::{Bloat, Method};
pub(crate) use candidate::{Candidate, Expected, Urgency};
pub(crate) use checks::plan_checks;
pub(crate) use draft::{Rules, Survey, Wanted, draft};
pub(crate) use earlier::{Earlier, History, Piece};
pub(crate) use facts::{IndexFacts, Subject, TableFacts, TableName};
pub(crate) use guard::{GuardRule, Late, Replica, Streaks, Waiting, blocks};
pub(crate) use kind::Kind;
pub(crate) use order::{Room, order};
pub(crate) use pace::{Ended, Pace, PieceOutcome, pace};
pub(crate) use traffic::{Traffic, Users};
pub(crate) use vacuum::vacuum;
pub(crate) use worth::{Worth, reindex, reorganize};
