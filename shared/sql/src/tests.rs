//! Tests of the whole crate through its door: one table a rule, properties over built statements, hostile input.

mod characteristics;
mod deeds;
mod effect;
mod hostile;
mod identity;
mod skeleton;
mod text;
mod trace;

use crate::{Limits, Statement, analyse};

fn statement(sql: &str) -> Statement {
    analyse(sql, Limits::default())
}
