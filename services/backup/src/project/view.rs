//! What may be shown of exports and keys, and to whom: no project hears of another's.
//!
//! For whoever may not see something it is as if it were not there.

use super::import::open_in;
use super::readers;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::repo;
use crate::repo::Repository;
use crate::repo::state::{BackupEntry, BackupKind};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    /// Who may see everything.
    Operator,
    /// A project, which may see what is its own.
    Project(String),
}

/// A backup or export, and the repositories that have it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Listed {
    pub entry: BackupEntry,
    /// By name, in the order of the settings.
    pub repositories: Vec<String>,
}

/// A key, by what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldKey {
    pub id: String,
    pub project: String,
    pub recipients: Vec<String>,
    /// 0: not known, as it is not ours.
    pub created_unix_ms: i64,
    pub retired_unix_ms: i64,
    pub shredded_unix_ms: i64,
    /// Exports that need it.
    pub backups: u64,
    /// Whether its identity can be had here.
    pub at_hand: bool,
}

/// Whether somebody may see and change an entry of the catalogue.
pub(crate) fn permits(who: &Who, entry: &BackupEntry) -> bool {
    match who {
        Who::Operator => true,
        Who::Project(project) => entry.kind() == BackupKind::Project && entry.project == *project,
    }
}

async fn reachable(keeper: &Keeper) -> Vec<Repository> {
    let names: Vec<String> = keeper.repositories.names().map(str::to_owned).collect();
    let mut open = Vec::new();
    for name in names {
        match keeper.repositories.get(&name).await {
            Ok(repository) => open.push(repository),
            Err(error) => tracing::warn!(repository = name, error = %error, "a repository is not listed"),
        }
    }
    open
}

/// The catalogue of all repositories that can be reached, as far as it may be seen, the newest first.
pub(crate) async fn backups(keeper: &Keeper, who: &Who) -> Result<Vec<Listed>, Error> {
    let mut all: Vec<Listed> = Vec::new();
    for repository in reachable(keeper).await {
        for entry in repository
            .state()
            .await?
            .backups
            .into_iter()
            .filter(|entry| permits(who, entry))
        {
            let name = repository.name().to_owned();
            match all.iter_mut().find(|listed| listed.entry.id == entry.id) {
                Some(listed) => listed.repositories.push(name),
                None => all.push(Listed {
                    entry,
                    repositories: vec![name],
                }),
            }
        }
    }
    all.sort_by_key(|listed| std::cmp::Reverse((listed.entry.ended_unix_ms, listed.entry.id.clone())));
    Ok(all)
}

/// One of the catalogue, if it may be seen.
pub(crate) async fn backup(keeper: &Keeper, who: &Who, id: &str) -> Result<Listed, Error> {
    let all = backups(keeper, who).await?;
    let found = all.into_iter().find(|listed| listed.entry.id == id);
    found.ok_or_else(|| repo::Error::NoBackup(id.to_owned()).into())
}

/// The tables of an export with their rows and bytes: `schema.name` each. None where its key is not at hand, or it is not whole.
pub(crate) async fn tables(keeper: &Keeper, who: &Who, id: &str) -> Result<Vec<(String, u64, u64)>, Error> {
    let listed = backup(keeper, who, id).await?;
    let name = listed.repositories.first().map(String::as_str).unwrap_or_default();
    let repository = keeper.repositories.get(name).await?;
    let opened = match open_in(keeper, &repository, &listed.entry, "").await {
        Ok(opened) => opened,
        Err(
            Error::Refused { .. }
            | Error::Field { .. }
            | Error::File { .. }
            | Error::Repository(repo::Error::Missing { .. }),
        ) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let tables = opened.manifest.tables.iter().map(|table| {
        let bytes = table.slices.iter().map(|slice| slice.bytes).sum();
        (table.name.to_string(), table.rows, bytes)
    });
    Ok(tables.collect())
}

/// Changes the note and the protection of one of the catalogue, in every repository that has it.
pub(crate) async fn annotate(
    keeper: &Keeper,
    who: &Who,
    id: &str,
    note: Option<&str>,
    keep: Option<bool>,
) -> Result<Listed, Error> {
    let listed = backup(keeper, who, id).await?;
    for name in &listed.repositories {
        let repository = keeper.repositories.get(name).await?;
        let changed = repository.change(|state| {
            let entry = state.backup_mut(id)?;
            if !permits(who, entry) {
                return Err(repo::Error::NoBackup(id.to_owned()));
            }
            if let Some(note) = note {
                note.clone_into(&mut entry.note);
            }
            entry.keep = keep.unwrap_or(entry.keep);
            Ok(())
        });
        changed.await?;
    }
    backup(keeper, who, id).await
}

/// Keys of projects, as far as they may be seen: those in use first.
pub(crate) async fn keys(keeper: &Keeper, who: &Who) -> Result<Vec<HeldKey>, Error> {
    let sees = |project: &str| match who {
        Who::Operator => true,
        Who::Project(own) => own == project,
    };
    let mut keys: Vec<HeldKey> = Vec::new();
    for repository in reachable(keeper).await {
        let state = repository.state().await?;
        for key in state.project_keys.iter().filter(|key| sees(&key.project)) {
            let known = keys
                .iter_mut()
                .find(|known| known.id == key.id && known.project == key.project);
            match known {
                Some(known) => known.shredded_unix_ms = known.shredded_unix_ms.max(key.shredded_unix_ms),
                None => keys.push(made(key)),
            }
        }
    }
    let projects = keeper
        .settings
        .projects
        .0
        .iter()
        .filter(|project| sees(&project.project) && !project.recipients.is_empty());
    keys.extend(projects.filter_map(own));
    let exports = backups(keeper, who).await?;
    for listed in exports
        .iter()
        .filter(|listed| listed.entry.kind() == BackupKind::Project)
    {
        let (id, project) = (&listed.entry.key_id, &listed.entry.project);
        let at = keys.iter().position(|key| key.id == *id && key.project == *project);
        let at = at.unwrap_or_else(|| {
            keys.push(earlier(&listed.entry));
            keys.len() - 1
        });
        if let Some(key) = keys.get_mut(at) {
            key.backups += 1;
        }
    }
    keys.sort_by_key(|key| (key.project.clone(), key.shredded_unix_ms != 0, key.retired_unix_ms != 0));
    Ok(keys)
}

fn made(key: &repo::state::ProjectKey) -> HeldKey {
    HeldKey {
        id: key.id.clone(),
        project: key.project.clone(),
        recipients: key.recipient.split(' ').map(str::to_owned).collect(),
        created_unix_ms: key.created_unix_ms,
        retired_unix_ms: key.retired_unix_ms,
        shredded_unix_ms: key.shredded_unix_ms,
        backups: 0,
        at_hand: key.shredded_unix_ms == 0,
    }
}

/// The key of a project that names its recipients.
fn own(project: &crate::settings::FileProject) -> Option<HeldKey> {
    let recipients = readers::Readers::of(&project.recipients).ok()?.texts();
    let identities = project
        .identity_file
        .as_ref()
        .and_then(|file| readers::Identities::from_file(file).ok());
    Some(HeldKey {
        id: readers::key_id(&recipients),
        project: project.project.clone(),
        at_hand: identities.is_some_and(|identities| identities.fit(&recipients)),
        recipients,
        created_unix_ms: 0,
        retired_unix_ms: 0,
        shredded_unix_ms: 0,
        backups: 0,
    })
}

/// A key that only the exports tell of: recipients that the settings named before.
fn earlier(entry: &BackupEntry) -> HeldKey {
    HeldKey {
        id: entry.key_id.clone(),
        project: entry.project.clone(),
        recipients: Vec::new(),
        created_unix_ms: 0,
        retired_unix_ms: entry.ended_unix_ms,
        shredded_unix_ms: 0,
        backups: 0,
        at_hand: false,
    }
}
