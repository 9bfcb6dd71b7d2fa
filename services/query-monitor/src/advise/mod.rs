//! What a plan says, in words. Pure.
//!
//! A plan comes in as PostgreSQL's JSON and is read into a list of typed nodes; what the catalogue knows of its tables
//! comes beside it. Findings are made of both. Nothing here asks a server: who ran the statement, and how, is
//! `observe/explain/`.

mod differs;
mod estimates;
mod facts;
mod finding;
mod indexes;
mod loops;
mod measures;
mod memory;
mod pacing;
mod plan;
mod read;
mod scans;
mod shape;
mod statement;
mod statistics;
mod text;
mod whole;
mod words;

pub(crate) use differs::changed;
pub(crate) use facts::{Facts, Table};
pub(crate) use finding::{Finding, Severity, judge};
pub(crate) use measures::Measures;
pub(crate) use pacing::{Pace, Pacer};
pub(crate) use plan::{Node, Plan};
pub(crate) use read::{PlanError, minified, read};
pub(crate) use shape::shape;
pub(crate) use statement::{Capturable, Explainable, capturable, explainable};
pub(crate) use text::text;

#[cfg(test)]
mod tests;
