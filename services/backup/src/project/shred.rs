//! The end of a project's keys: another in its place, or none.

use std::collections::BTreeSet;

use super::keys;
use super::{index, settings};
use crate::error::Error;
use crate::keeper::Keeper;
use crate::repo::Repository;
use crate::repo::state::{BackupEntry, BackupKind, BackupState, State};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// What can no longer be read, and what still can.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Shredded {
    /// Exports that nobody can read again here.
    pub exports: u64,
    /// Keys that were destroyed, by id.
    pub keys: Vec<String>,
    /// Backups of the whole cluster that still hold the project's rows.
    pub remaining_backup_ids: Vec<String>,
    /// When the last of them goes, as things stand. 0: none remains, or one stays without end.
    pub remaining_until_unix_ms: i64,
    /// What else is to be known, in sentences.
    pub remarks: Vec<String>,
}

/// Whose exports are encrypted to whom from now on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rotated {
    /// The key that encrypts now.
    pub key_id: String,
    pub recipients: Vec<String>,
    /// Keys that encrypt nothing any more, and still read what they encrypted.
    pub retired: Vec<String>,
}

async fn all(keeper: &Keeper) -> Result<Vec<Repository>, Error> {
    let names: Vec<String> = keeper.repositories.names().map(str::to_owned).collect();
    let mut open = Vec::new();
    for name in names {
        let repository = keeper.repositories.get(&name).await?;
        // It may have been open for long, and be away now.
        repository.state().await?;
        open.push(repository);
    }
    if open.is_empty() {
        open.push(keeper.repositories.first().await?);
    }
    Ok(open)
}

/// Has a project's exports encrypted to other keys from now on: to a new one where one is made for it, to its recipients
/// otherwise. What is stored stays readable by those who could read it.
pub(crate) async fn rotate(keeper: &Keeper, project: &str) -> Result<Rotated, Error> {
    let known = settings(keeper, project)?;
    let repositories = all(keeper).await?;
    let mut retired = BTreeSet::new();
    for repository in &repositories {
        retired.extend(keys::retire(repository, project).await?);
    }
    let current = keys::current(known, &repositories).await?;
    Ok(Rotated {
        recipients: current.readers.texts(),
        key_id: current.key_id,
        retired: retired.into_iter().collect(),
    })
}

/// Destroys a project's keys and removes its exports, in every repository. What is under way for it is not listed any
/// more. May be called again after it was cut off.
pub(crate) async fn shred(keeper: &Keeper, project: &str, confirmation: &str) -> Result<Shredded, Error> {
    if confirmation != project || project.is_empty() {
        return Err(Error::Field {
            field: "confirmation",
            reason: "it is not the project's name; nothing was destroyed".to_owned(),
        });
    }
    // A key of which one copy cannot be reached is not destroyed; then nothing is done at all.
    let repositories = all(keeper).await?;
    let (mut exports, mut destroyed) = (BTreeSet::new(), BTreeSet::new());
    for repository in &repositories {
        let (ids, keys) = repository
            .change(|state| Ok(mark(state, project, repository.clock().unix_ms())))
            .await?;
        exports.extend(ids);
        destroyed.extend(keys);
    }
    let mut remarks = Vec::new();
    for (repository, file) in repositories.iter().zip(keeper.repositories.settings()) {
        remove(repository, project).await?;
        if file.object_lock_days > 0 {
            remarks.push(format!(
                "repository {} holds objects for {} days whatever anybody does: until then whoever has its key may still get at removed ones",
                file.name, file.object_lock_days
            ));
        }
    }
    remarks.extend(standing_remarks(keeper, project));
    let (remaining_backup_ids, remaining_until_unix_ms) = remaining(keeper, &repositories).await?;
    Ok(Shredded {
        exports: exports.len() as u64,
        keys: destroyed.into_iter().collect(),
        remaining_backup_ids,
        remaining_until_unix_ms,
        remarks,
    })
}

/// Writes down that a project's keys and exports are gone; says which. Pure.
fn mark(state: &mut State, project: &str, now: i64) -> (Vec<String>, Vec<String>) {
    // What is being written could be read with a key that is about to go: it loses its lease.
    let holder = format!("export {project} ");
    state.leases.retain(|lease| !lease.holder.starts_with(&holder));
    let keys = state
        .project_keys
        .iter_mut()
        .filter(|key| key.project == project && key.shredded_unix_ms == 0);
    let keys = keys.map(|key| {
        key.shredded_unix_ms = now;
        key.id.clone()
    });
    let keys = keys.collect();
    let exports = state.backups.iter_mut().filter(|entry| is_export(entry, project));
    let ids = exports
        .filter(|entry| entry.state() != BackupState::Shredded)
        .map(|entry| {
            entry.set_state(BackupState::Shredded);
            entry.id.clone()
        });
    (ids.collect(), keys)
}

fn is_export(entry: &BackupEntry, project: &str) -> bool {
    entry.kind() == BackupKind::Project && entry.project == project
}

/// Removes the objects of what was written down as gone.
async fn remove(repository: &Repository, project: &str) -> Result<(), Error> {
    let state = repository.state().await?;
    let live: Vec<String> = state
        .project_keys
        .iter()
        .filter(|key| key.project == project && key.shredded_unix_ms == 0)
        .map(|key| format!("{}/{}", keys::folder(project), key.id))
        .collect();
    let mut paths: Vec<String> = repository
        .shelf()
        .list(&keys::folder(project))
        .await?
        .into_iter()
        .map(|key| key.path)
        .collect();
    paths.retain(|path| !live.contains(path));
    let shredded = state
        .backups
        .iter()
        .filter(|entry| is_export(entry, project) && entry.state() == BackupState::Shredded);
    // What is destroyed must not be back after a loss of power.
    let mut folders = vec![keys::folder(project)];
    for entry in shredded {
        let objects = repository.shelf().list(&index::folder(&entry.id)).await?;
        if !objects.is_empty() {
            folders.push(index::folder(&entry.id));
        }
        paths.extend(objects.into_iter().map(|object| object.path));
    }
    for path in paths {
        repository.shelf().delete(&path).await?;
    }
    for folder in folders {
        repository.shelf().settle(&folder).await?;
    }
    Ok(())
}

fn standing_remarks(keeper: &Keeper, project: &str) -> Vec<String> {
    let mut remarks = vec![
        "the live database is not touched: rows that are still in it will be in the next backup of the cluster"
            .to_owned(),
        "the write-ahead log holds the rows' history as long as the log is kept".to_owned(),
    ];
    if let Some(known) = keeper.settings.projects.0.iter().find(|known| known.project == project) {
        if !known.recipients.is_empty() {
            remarks.push(
                "the project's recipients keep their identities elsewhere: whoever copied exports and has one still reads the copies"
                    .to_owned(),
            );
        }
        remarks.push(format!(
            "{project} is still in backup.projects: the next export is encrypted to a new key, and kept"
        ));
    }
    remarks
}

/// Backups of the cluster that hold what the project had, and when the last of them goes.
async fn remaining(keeper: &Keeper, repositories: &[Repository]) -> Result<(Vec<String>, i64), Error> {
    let (mut ids, mut until) = (BTreeSet::new(), Some(0_i64));
    let kept_ms = i64::from(keeper.settings.retention_days) * DAY_MS;
    for repository in repositories {
        for entry in repository.state().await?.of_cluster() {
            ids.insert(entry.id.clone());
            let ends = (kept_ms > 0 && !entry.keep).then(|| entry.ended_unix_ms.saturating_add(kept_ms));
            until = until.zip(ends).map(|(until, ends)| until.max(ends));
        }
    }
    Ok((ids.into_iter().collect(), until.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::state::{Lease, ProjectKey};

    #[test]
    fn only_what_is_the_projects_is_marked() {
        let entry = |id: &str, project: &str, kind| {
            let mut entry = BackupEntry {
                id: id.to_owned(),
                project: project.to_owned(),
                ..BackupEntry::default()
            };
            entry.set_kind(kind);
            entry.set_state(BackupState::Unproven);
            entry
        };
        let key = |project: &str| ProjectKey {
            project: project.to_owned(),
            id: format!("key of {project}"),
            ..ProjectKey::default()
        };
        let lease = |holder: &str| Lease {
            id: holder.to_owned(),
            holder: holder.to_owned(),
            ..Lease::default()
        };
        let mut state = State {
            backups: vec![
                entry("1", "a", BackupKind::Project),
                entry("2", "ab", BackupKind::Project),
                entry("3", "", BackupKind::Full),
            ],
            project_keys: vec![key("a"), key("ab")],
            leases: vec![lease("export a 1"), lease("export ab 2"), lease("backup")],
            ..State::default()
        };
        assert_eq!(
            mark(&mut state, "a", 5),
            (vec!["1".to_owned()], vec!["key of a".to_owned()])
        );
        let states: Vec<_> = state.backups.iter().map(BackupEntry::state).collect();
        assert_eq!(
            states,
            [BackupState::Shredded, BackupState::Unproven, BackupState::Unproven]
        );
        assert_eq!(state.leases.len(), 2);
        assert_eq!(state.project_keys[1].shredded_unix_ms, 0);
        assert_eq!(mark(&mut state, "a", 6), (vec![], vec![]), "a second time");
        assert_eq!(state.project_keys[0].shredded_unix_ms, 5);
    }
}
