//! Orders carried out: what every operation has in common, whatever does its work.

mod after;
mod deeds;
mod log_check;
mod operation;
mod order;
mod refusal;
mod transfer;
mod works;

pub(crate) use after::{Aftermath, proof_outcome, taken, word_of};
pub(crate) use log_check::{LogFacts, Probe, watch as watch_log};
pub(crate) use order::{Order, note};
pub(crate) use refusal::{Refusal, switched_off};
pub(crate) use transfer::Transfer;
pub(crate) use works::works;

#[cfg(test)]
pub(crate) mod tests;
