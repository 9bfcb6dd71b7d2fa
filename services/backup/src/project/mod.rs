//! Projects: exports that hold one project's data and nobody else's, encrypted so that only the project reads them.
//!
//! An export is logical: definitions by pg_dump, rows as COPY writes them, all as of one moment. It is encrypted to age
//! recipients before it leaves this process; the repository's key protects what is said about it and nothing else. What
//! belongs to a project is in the settings (`scope.rs`) and in the database (`catalog.rs`).

mod catalog;
mod contents;
mod export;
mod import;
mod index;
mod keys;
mod load;
mod manifest;
mod names;
mod pack;
mod part;
mod past;
mod programs;
mod readers;
mod scope;
mod session;
mod shred;
mod stores;
mod take;
mod view;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use export::export;
pub(crate) use export::export_at;
#[cfg(test)]
pub(crate) use import::Imported;
pub(crate) use import::import;
#[cfg(test)]
pub(crate) use index::paths;
pub(crate) use index::verify;
pub(crate) use past::{Past, Standing};
pub(crate) use scope::trouble;
pub(crate) use shred::{rotate, shred};
#[cfg(test)]
pub(crate) use view::backups;
pub(crate) use view::{HeldKey, Who, annotate, backup, keys, tables};

use crate::error::Error;
use crate::keeper::Keeper;
use crate::settings::FileProject;

/// What the settings say of a project.
fn settings<'a>(keeper: &'a Keeper, project: &str) -> Result<&'a FileProject, Error> {
    let mut all = keeper.settings.projects.0.iter();
    all.find(|known| known.project == project).ok_or_else(|| Error::Field {
        field: "project",
        reason: format!("nothing in backup.projects says what belongs to {project}"),
    })
}
