//! The catalogue: backups listed, shown and annotated.

use std::collections::HashMap;

use weir_proto::backup::v1 as api;
use weir_proto::page::Page;

use super::{Caller, id_of, strange, words};
use crate::act;
use crate::catalog::{self, Listed, place};
use crate::error::Error;
use crate::keeper::Keeper;
use crate::project;
use crate::repo;
use crate::repo::manifest::{EntryKind, Manifest, Relation};
use crate::repo::state::{BackupKind, BackupState};

/// Tables that are shown of a backup, the largest first.
const TABLES_MAX: usize = 10_000;

pub(super) async fn list(keeper: &Keeper, request: api::ListBackupsRequest) -> Result<api::ListBackupsResponse, Error> {
    let caller = Caller::of(&request.project)?;
    let page = Page::of(request.page.as_ref()).map_err(strange)?;
    let after = page.after::<i64, String>().map_err(strange)?;
    let mut listed = catalog::backups(keeper).await?;
    listed.retain(|backup| is_wanted(backup, &request, &caller));
    if let Some((ended, id)) = &after {
        listed.retain(|backup| place(&backup.entry) < (*ended, id.as_str()));
    }
    listed.truncate(page.size as usize);
    let next = page.answer(&listed, |backup| (backup.entry.ended_unix_ms, backup.entry.id.clone()));
    let backups = listed.iter().map(|backup| words::backup(backup, &keeper.settings));
    Ok(api::ListBackupsResponse {
        backups: backups.collect(),
        page: Some(next),
    })
}

fn is_wanted(backup: &Listed, request: &api::ListBackupsRequest, caller: &Caller) -> bool {
    let entry = &backup.entry;
    let is_of_state = if request.states.is_empty() {
        !matches!(entry.state(), BackupState::Expired | BackupState::Shredded)
    } else {
        request.states.contains(&entry.state)
    };
    caller.sees(&entry.project)
        && (request.cluster.is_empty() || request.cluster == backup.cluster)
        && (request.kinds.is_empty() || request.kinds.contains(&entry.kind))
        && is_of_state
        && entry.ended_unix_ms >= request.since_unix_ms
}

/// A backup that the caller may see. Whoever knows the id of another's learns nothing by it.
pub(super) async fn find(keeper: &Keeper, caller: &Caller, id: &str) -> Result<Listed, Error> {
    let id = id_of(id)?.to_string();
    let listed = catalog::backups(keeper).await?;
    let found = listed.into_iter().find(|backup| backup.entry.id == id);
    let own = found.filter(|backup| caller.sees(&backup.entry.project));
    own.ok_or(Error::Repository(repo::Error::NoBackup(id)))
}

pub(super) async fn get(keeper: &Keeper, request: api::GetBackupRequest) -> Result<api::GetBackupResponse, Error> {
    let caller = Caller::of(&request.project)?;
    let listed = find(keeper, &caller, &request.id).await?;
    let proofs = listed
        .proofs
        .iter()
        .map(|(repository, proof)| words::proof(repository, proof));
    Ok(api::GetBackupResponse {
        proofs: proofs.collect(),
        tables: tables(keeper, &listed).await?,
        backup: Some(words::backup(&listed, &keeper.settings)),
    })
}

/// What it holds of each table, by its manifest. One that was given up may have none any more.
async fn tables(keeper: &Keeper, listed: &Listed) -> Result<Vec<api::TableContent>, Error> {
    let is_whole = matches!(
        listed.entry.state(),
        BackupState::Unproven | BackupState::Proven | BackupState::Failed
    );
    if !is_whole {
        return Ok(Vec::new());
    }
    if listed.entry.kind() == BackupKind::Project {
        return of_export(keeper, &listed.entry.id).await;
    }
    let mut trouble = None;
    for name in &listed.repositories {
        match in_repository(keeper, name, listed).await {
            Ok(tables) => return Ok(tables),
            Err(error) => trouble = Some(error),
        }
    }
    trouble.map_or_else(|| Ok(Vec::new()), Err)
}

/// With the numbers of rows that a proof counted, or else by the sizes of files.
async fn in_repository(keeper: &Keeper, name: &str, listed: &Listed) -> Result<Vec<api::TableContent>, Error> {
    let repository = keeper.repositories.get(name).await?;
    let counted = super::proofs::tables(&repository, &repository.state().await?, &listed.entry.id).await?;
    if !counted.is_empty() {
        return Ok(counted);
    }
    Ok(contents(&repository.manifest(&listed.entry).await?))
}

async fn of_export(keeper: &Keeper, id: &str) -> Result<Vec<api::TableContent>, Error> {
    let tables = project::tables(keeper, &project::Who::Operator, id).await?;
    let content = |(table, rows, bytes)| api::TableContent {
        database: String::new(),
        table,
        rows: Some(rows),
        bytes,
    };
    Ok(tables.into_iter().map(content).collect())
}

fn contents(manifest: &Manifest) -> Vec<api::TableContent> {
    let mut sizes: HashMap<(&str, &str), u64> = HashMap::new();
    for file in manifest.files.iter().filter(|file| file.kind() == EntryKind::File) {
        if let Some(place) = main_fork(&file.path) {
            *sizes.entry(place).or_default() += file.bytes;
        }
    }
    let is_table = |relation: &&Relation| matches!(relation.kind.as_str(), "r" | "m");
    let content = |relation: &Relation| {
        let (database, file) = (relation.database_oid.to_string(), relation.filenode.to_string());
        api::TableContent {
            database: relation.database.clone(),
            table: relation.name.clone(),
            rows: None,
            bytes: sizes
                .get(&(database.as_str(), file.as_str()))
                .copied()
                .unwrap_or_default(),
        }
    };
    let mut tables: Vec<_> = manifest.relations.iter().filter(is_table).map(content).collect();
    tables.sort_by(|one, other| {
        (other.bytes, &one.database, &one.table).cmp(&(one.bytes, &other.database, &other.table))
    });
    tables.truncate(TABLES_MAX);
    tables
}

/// Of a file with rows of a relation, the directory of the database and the relation's file: `base/5/16384.1` is a part
/// of 16384 in 5. Free space and visibility are no rows.
fn main_fork(path: &str) -> Option<(&str, &str)> {
    let (directory, file) = path.rsplit_once('/')?;
    let database = directory.rsplit_once('/')?.1;
    let name = file.split_once('.').map_or(file, |(name, _)| name);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(database) && is_number(name)).then_some((database, name))
}

/// The same in the words of projects.
pub(super) fn who(caller: &Caller) -> project::Who {
    match caller {
        Caller::Operator => project::Who::Operator,
        Caller::Project(own) => project::Who::Project(own.to_string()),
    }
}

pub(super) async fn annotate(
    keeper: &Keeper,
    request: api::AnnotateBackupRequest,
) -> Result<api::AnnotateBackupResponse, Error> {
    let caller = Caller::of(&request.project)?;
    act::note(request.note.as_deref().unwrap_or_default())?;
    let id = id_of(&request.id)?.to_string();
    project::annotate(keeper, &who(&caller), &id, request.note.as_deref(), request.keep).await?;
    let listed = find(keeper, &caller, &request.id).await?;
    Ok(api::AnnotateBackupResponse {
        backup: Some(words::backup(&listed, &keeper.settings)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::manifest::FileEntry;

    #[test]
    fn a_tables_bytes_are_those_of_all_parts_of_its_main_fork() {
        let file = |path: &str, bytes| FileEntry {
            path: path.to_owned(),
            bytes,
            ..FileEntry::default()
        };
        let relation = |name: &str, filenode, kind: &str| Relation {
            database: "shop".to_owned(),
            database_oid: 5,
            name: name.to_owned(),
            filenode,
            kind: kind.to_owned(),
            ..Relation::default()
        };
        let manifest = Manifest {
            files: vec![
                file("base/5/16384", 100),
                file("base/5/16384.1", 50),
                file("base/5/16384_fsm", 7),
                file("base/6/16384", 1_000),
                file("pg_tblspc/16390/PG_15_202209061/5/16400", 500),
                file("global/1262", 9),
                file("PG_VERSION", 3),
            ],
            relations: vec![
                relation("public.orders", 16_384, "r"),
                relation("public.orders_pkey", 16_385, "i"),
                relation("public.far", 16_400, "r"),
            ],
            ..Manifest::default()
        };
        let found: Vec<_> = contents(&manifest)
            .into_iter()
            .map(|table| (table.table, table.bytes))
            .collect();
        assert_eq!(
            found,
            [("public.far".to_owned(), 500), ("public.orders".to_owned(), 150)]
        );
    }
}
