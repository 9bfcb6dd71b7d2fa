//! Channels as they run: a real store, and small receivers that do what receivers do.

mod alertmanager;
mod attempts;
mod desk;
mod encryption;
mod groups;
mod harness;
mod instances;
mod links;
mod mail;
mod outages;
mod pace;
mod receiver;
mod settings;

pub(crate) use harness::{NOON, firing, resolved};
pub(crate) use links::links;
