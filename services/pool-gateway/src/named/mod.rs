//! The catalogue of named statements, as its file has it: what each is, who may call it, what it takes.
//!
//! Words only: nothing here waits or asks a database. What databases say of a statement is noted beside it, so that a new
//! catalogue begins without any of it.

mod digest;
mod expiry;
mod file;
mod resolve;
mod standing;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use weir_model::Project;

use crate::settings::Consistency;

pub(crate) use digest::Digest;
pub(crate) use expiry::{End, TIMESTAMPTZ, unix_us};
pub(crate) use file::{FILE_BYTES_MAX, read};
pub(crate) use resolve::{OfSession, OfUser, Resolve};
pub(crate) use standing::{Check, Standing, Standings};

/// A catalogue.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// By their names.
    pub(crate) statements: BTreeMap<String, Arc<Named>>,
    /// How a session is resolved, where the file says so.
    pub(crate) resolve: Option<Resolve>,
}

impl Book {
    /// The statement of this name, if the project may call it.
    pub(crate) fn find(&self, project: &Project, name: &str) -> Option<&Arc<Named>> {
        self.statements.get(name).filter(|named| named.is_for(project))
    }

    /// How the project's sessions are resolved, if it may call all of what that takes.
    pub(crate) fn resolve_for(&self, project: &Project) -> Option<&Resolve> {
        let all_for = |resolve: &&Resolve| resolve.statements().iter().all(|named| named.is_for(project));
        self.resolve.as_ref().filter(all_for)
    }
}

/// A statement with a name.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) description: String,
    /// As PostgreSQL takes it.
    pub(crate) sql: String,
    pub(crate) fingerprint: String,
    /// In the order of their numbers.
    pub(crate) parameters: Vec<Parameter>,
    /// Who may call it; none: everybody.
    pub(crate) projects: Vec<Project>,
    /// The only database that it runs in.
    pub(crate) database: Option<String>,
    pub(crate) consistency: Option<Consistency>,
    pub(crate) reads: bool,
    /// The column whose time ends a row.
    pub(crate) expires_at: Option<String>,
    /// How long an empty answer is kept at most.
    pub(crate) empty_ttl: Option<Duration>,
    /// Columns without which its answer is of no use.
    pub(crate) needs: Vec<String>,
    pub(crate) standings: Standings,
}

/// A parameter of a named statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// As the file has it; empty: PostgreSQL infers it.
    pub(crate) type_name: String,
    /// 0: PostgreSQL infers it.
    pub(crate) type_oid: u32,
    /// What is sent instead of the value.
    pub(crate) digest: Option<Digest>,
    /// Whether no error may show its value.
    pub(crate) secret: bool,
}

impl Named {
    fn is_for(&self, project: &Project) -> bool {
        self.projects.is_empty() || self.projects.contains(project)
    }

    /// The types of its parameters.
    pub(crate) fn types(&self) -> Vec<u32> {
        self.parameters.iter().map(|parameter| parameter.type_oid).collect()
    }

    /// Whether it is given what nobody may see.
    pub(crate) fn has_secrets(&self) -> bool {
        self.parameters.iter().any(|parameter| parameter.secret)
    }

    /// What is wrong with its columns, given as names and types.
    pub(crate) fn misfit<'c>(&self, columns: impl Iterator<Item = (&'c str, u32)> + Clone) -> Option<String> {
        let found = |name: &str| columns.clone().find(|(column, _)| *column == name);
        if let Some(column) = self.needs.iter().find(|name| found(name).is_none()) {
            return Some(format!(
                "its result has no column {column:?}, which the catalogue names"
            ));
        }
        let column = self.expires_at.as_deref()?;
        match found(column) {
            Some((_, TIMESTAMPTZ)) => None,
            _ => Some(format!(
                "column {column:?} is no timestamptz, and ends its rows (expires_at)"
            )),
        }
    }
}

/// The stricter of what a statement and its call ask for; none where neither does.
pub(crate) fn stricter(one: Option<Consistency>, other: Option<Consistency>) -> Option<Consistency> {
    let rank = |level: &Consistency| match level {
        Consistency::Bounded => 0,
        Consistency::Session => 1,
        Consistency::Strict => 2,
        Consistency::Off => 3,
    };
    [one, other].into_iter().flatten().max_by_key(rank)
}

#[cfg(test)]
mod tests;
