//! Statements that were declared by name, and the handles under which they are sent.
//!
//! A handle follows from what it stands for, so that every gateway gives the same one. What was used least lately is
//! forgotten first.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use weir_model::Project;

use crate::error::Error;

/// As long as a name may be.
pub(crate) const NAME_BYTES_MAX: usize = 128;
/// Statements that are remembered, and their texts together.
const KEPT: NonZeroUsize = match NonZeroUsize::new(10_000) {
    Some(number) => number,
    None => NonZeroUsize::MIN,
};
const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A statement that was declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) project: Project,
    pub(crate) database: String,
    pub(crate) name: String,
    pub(crate) sql: String,
    /// The types of its parameters, 0 where they are to be inferred.
    pub(crate) types: Vec<u32>,
}

impl Declared {
    /// What it is sent by.
    pub(crate) fn handle(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for part in [self.project.as_str(), &self.database, &self.name, &self.sql] {
            hasher
                .update(&(part.len() as u64).to_be_bytes())
                .update(part.as_bytes());
        }
        for oid in &self.types {
            hasher.update(&oid.to_be_bytes());
        }
        format!("p{}", hasher.finalize().to_hex().chars().take(32).collect::<String>())
    }

    fn bytes(&self) -> usize {
        self.database.len() + self.name.len() + self.sql.len() + self.types.len() * size_of::<u32>() + size_of::<Self>()
    }

    fn place(&self) -> Place {
        (self.project.clone(), self.database.clone(), self.name.clone())
    }
}

/// Project, database and name.
type Place = (Project, String, String);

#[derive(Debug)]
struct Shelf {
    by_handle: LruCache<String, Arc<Declared>>,
    by_name: HashMap<Place, String>,
    bytes: usize,
}

/// The statements of all projects.
#[derive(Debug)]
pub(crate) struct Catalogue(Mutex<Shelf>);

impl Default for Catalogue {
    fn default() -> Self {
        Self(Mutex::new(Shelf {
            by_handle: LruCache::new(KEPT),
            by_name: HashMap::new(),
            bytes: 0,
        }))
    }
}

impl Catalogue {
    /// Declares a statement. One of the same name before it keeps its handle.
    pub(crate) fn declare(&self, declared: Declared) -> Arc<Declared> {
        let (handle, declared) = (declared.handle(), Arc::new(declared));
        self.with(|shelf| {
            shelf.by_name.insert(declared.place(), handle.clone());
            shelf.bytes += declared.bytes();
            let old = shelf.by_handle.push(handle.clone(), declared.clone());
            old.into_iter()
                .for_each(|(old_handle, old)| shelf.forget(&old_handle, &old, &handle));
            while shelf.bytes > KEPT_BYTES_MAX
                && let Some((old_handle, old)) = shelf.by_handle.pop_lru()
            {
                shelf.forget(&old_handle, &old, "");
            }
        });
        declared
    }

    /// The statement of this handle, for this project and database.
    pub(crate) fn by_handle(&self, handle: &str, project: &Project, database: &str) -> Result<Arc<Declared>, Error> {
        let found = self.with(|shelf| shelf.by_handle.get(handle).cloned());
        found
            .filter(|declared| declared.project == *project && declared.database == database)
            .ok_or(Error::StatementUnknown("handle"))
    }

    /// The statement that was declared last under this name.
    pub(crate) fn by_name(&self, project: &Project, database: &str, name: &str) -> Result<Arc<Declared>, Error> {
        let place = (project.clone(), database.to_owned(), name.to_owned());
        let found = self.with(|shelf| {
            let handle = shelf.by_name.get(&place)?;
            shelf.by_handle.get(handle).cloned()
        });
        found.ok_or(Error::StatementUnknown("name"))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Shelf) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shelf {
    /// An entry has left; `present` is a handle that has just come in its stead.
    fn forget(&mut self, handle: &str, old: &Declared, present: &str) {
        self.bytes = self.bytes.saturating_sub(old.bytes());
        let place = old.place();
        if handle != present && self.by_name.get(&place).is_some_and(|named| named == handle) {
            self.by_name.remove(&place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(name: &str, sql: String) -> Declared {
        Declared {
            project: Project::parse("shop").unwrap(),
            database: String::new(),
            name: name.to_owned(),
            sql,
            types: vec![],
        }
    }

    #[test]
    fn a_name_has_one_present_statement_and_each_handle_its_own() {
        let (catalogue, shop) = (Catalogue::default(), Project::parse("shop").unwrap());
        let first = catalogue.declare(declared("a", "select 1".to_owned()));
        assert_eq!(
            catalogue.declare(declared("a", "select 1".to_owned())).handle(),
            first.handle()
        );
        let second = catalogue.declare(declared("a", "select 2".to_owned()));
        assert_eq!(catalogue.by_name(&shop, "", "a").unwrap(), second);
        assert_eq!(catalogue.by_handle(&first.handle(), &shop, "").unwrap(), first);
        let blog = Project::parse("blog").unwrap();
        assert!(catalogue.by_handle(&first.handle(), &blog, "").is_err());
        assert!(catalogue.by_handle(&first.handle(), &shop, "other").is_err());
        assert!(catalogue.by_name(&shop, "", "b").is_err());
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let (catalogue, shop) = (Catalogue::default(), Project::parse("shop").unwrap());
        for number in 0..100 {
            catalogue.declare(declared(
                &number.to_string(),
                format!("{number}{}", "x".repeat(1 << 20)),
            ));
        }
        assert!(catalogue.by_name(&shop, "", "0").is_err());
        assert!(catalogue.by_name(&shop, "", "99").is_ok());
        let (bytes, names, handles) = catalogue.with(|shelf| (shelf.bytes, shelf.by_name.len(), shelf.by_handle.len()));
        assert!(bytes <= KEPT_BYTES_MAX && names == handles, "{bytes} {names} {handles}");
        for number in 0..20_000 {
            catalogue.declare(declared(&number.to_string(), "select 1".to_owned()));
        }
        let (bytes, names, handles) = catalogue.with(|shelf| (shelf.bytes, shelf.by_name.len(), shelf.by_handle.len()));
        assert_eq!((names, handles), (KEPT.get(), KEPT.get()));
        assert!(bytes < KEPT_BYTES_MAX, "{bytes}");
    }
}
