//! Pure. Rules about what is cached and how, and which of them applies to a statement.
//!
//! A rule about a shape goes before one about a table it reads, and that before one about its whole project; the first
//! found holds as a whole. Of several tables the most cautious rule holds. Where the settings file and a call speak of
//! the same subject, the file does. A project's budgets of bytes hold whatever rule applies to a statement.

mod book;
mod rule;
#[cfg(test)]
mod tests;
mod words;
mod written;

pub(crate) use book::Book;
pub(crate) use rule::{InvalidRule, Origin, Rule, Subject};
pub(crate) use words::{from_api, to_api};
pub(crate) use written::WrittenRule;
pub(crate) use written::project_of;
