//! The repositories of the settings: opened when they are first needed, and looked at again after trouble.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::path::Path;
use tokio::sync::Mutex;
use weir_model::Clock;

use crate::error::Error;
use crate::repo::keys::Wrapping;
use crate::repo::{self, Repository, Shelf};
use crate::settings::{BackupSettings, FileRepository};

/// The repositories of the settings, in their order. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Repositories(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    cluster: String,
    encryption: bool,
    all: Vec<FileRepository>,
    open: Mutex<BTreeMap<String, Repository>>,
    clock: Clock,
}

impl Repositories {
    /// Those of the settings.
    pub(crate) fn of(settings: &BackupSettings, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            cluster: settings.cluster.clone(),
            encryption: settings.encryption,
            all: settings.repositories.0.clone(),
            open: Mutex::default(),
            clock,
        }))
    }

    /// Their names, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.all.iter().map(|repository| repository.name.as_str())
    }

    /// What the settings say of each, in order.
    pub(crate) fn settings(&self) -> &[FileRepository] {
        &self.0.all
    }

    /// The repository of this name; made where there is none yet.
    pub(crate) async fn get(&self, name: &str) -> Result<Repository, Error> {
        let mut open = self.0.open.lock().await;
        if let Some(repository) = open.get(name) {
            return Ok(repository.clone());
        }
        let found = self.0.all.iter().find(|repository| repository.name == name);
        let file = found.ok_or_else(|| Error::Field {
            field: "repository",
            reason: format!("there is no repository {name}"),
        })?;
        let repository = self.open(file).await?;
        open.insert(name.to_owned(), repository.clone());
        Ok(repository)
    }

    /// The same, but nothing is made where there is none.
    pub(crate) async fn find(&self, name: &str) -> Result<Repository, Error> {
        let file = self.0.all.iter().find(|repository| repository.name == name);
        let file = file.ok_or_else(|| Error::Field {
            field: "repository",
            reason: format!("there is no repository {name}"),
        })?;
        let found = Repository::find(shelf(file)?, self.wrapping(file)?, self.0.clock.clone(), None).await?;
        found.ok_or_else(|| Error::Refused {
            slug: "backup-no-repository",
            reason: format!("there is no repository at {}", file.url),
        })
    }

    /// The first that can be used now; an error that says why none can.
    pub(crate) async fn first(&self) -> Result<Repository, Error> {
        let mut trouble = Error::Refused {
            slug: "backup-no-repository",
            reason: "no repository is set: add one to backup.repositories".to_owned(),
        };
        for file in &self.0.all {
            match self.get(&file.name).await {
                Ok(repository) => return Ok(repository),
                Err(error) => trouble = error,
            }
        }
        Err(trouble)
    }

    async fn open(&self, file: &FileRepository) -> Result<Repository, Error> {
        let (wrapping, shelf) = (self.wrapping(file)?, shelf(file)?);
        Ok(Repository::open(shelf, wrapping, &self.0.cluster, self.0.clock.clone(), None).await?)
    }
}

impl Repositories {
    /// Has a repository of a test stand for the one of this name.
    #[cfg(test)]
    pub(crate) async fn stand_in(&self, name: &str, repository: Repository) {
        self.0.open.lock().await.insert(name.to_owned(), repository);
    }

    fn wrapping(&self, file: &FileRepository) -> Result<Wrapping, Error> {
        if !self.0.encryption {
            return Ok(Wrapping::open_to_all());
        }
        let keys: Vec<_> = file.key_file.iter().chain(&file.old_key_files).collect();
        Ok(Wrapping::from_files(&file.name, &keys)?)
    }
}

/// The store that the settings name.
fn shelf(file: &FileRepository) -> Result<Shelf, Error> {
    let unknown = |reason: &str| Error::Field {
        field: "backup.repositories",
        reason: format!("{}: {reason}", file.url),
    };
    let Some(directory) = file.url.strip_prefix("file://") else {
        return Err(unknown("only file:// is known"));
    };
    std::fs::create_dir_all(directory).map_err(|error| Error::file(std::path::Path::new(directory), error))?;
    let store = LocalFileSystem::new_with_prefix(directory).map_err(|error| repo::Error::Store {
        repository: file.name.clone(),
        reason: error.to_string(),
    })?;
    Ok(Shelf::new(
        Arc::new(store.with_fsync(true)),
        Path::default(),
        &file.name,
        true,
    ))
}
