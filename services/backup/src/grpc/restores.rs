//! Plans of restores, and the files of backups.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _, stream};
use tonic::Status;
use weir_proto::backup::v1 as api;

use super::words::{self, position};
use super::{Caller, backups, commits};
use crate::engine::restore::recovery::End;
use crate::engine::restore::{RestorePlan, around, plan};
use crate::error::Error;
use crate::keeper::Keeper;
use crate::orders::{Consistent, LogPosition, RestoreOrder, RestoreTarget, Then};
use crate::plan::restore::Obstacle;
use crate::repo::manifest::{EntryKind, FileEntry, Manifest};
use crate::repo::state::{BackupEntry, BackupKind};
use crate::repo::{self, Repository};

/// So many commits are told of that a restore would lose.
const MISSING_MAX: usize = 20;
/// So many files are told of in one message.
const FILES_AT_ONCE: usize = 500;

/// What a restore would do.
pub(super) async fn plan_restore(
    keeper: &Keeper,
    request: api::PlanRestoreRequest,
) -> Result<api::PlanRestoreResponse, Error> {
    let order = order_of(request.order.unwrap_or_default());
    let plan = plan(keeper, &order).await?;
    let backup = match &plan.choice.backup {
        Some(entry) => Some(backups::find(keeper, &Caller::Operator, &entry.id).await?),
        None => None,
    };
    let around = around(&plan.repository, order.target.timeline, plan.choice.to.lsn, MISSING_MAX).await;
    let (last, missing) = around.unwrap_or_default();
    Ok(api::PlanRestoreResponse {
        backup: backup.map(|listed| words::backup(&listed, &keeper.settings)),
        last_commit: last.map(commits::commit),
        first_missing: missing.into_iter().map(commits::commit).collect(),
        ..answer(&plan)
    })
}

/// The files that a restore of a backup would write, by path.
pub(super) async fn list_files(
    keeper: &Keeper,
    request: api::ListFilesRequest,
) -> Result<impl Stream<Item = Result<api::ListFilesResponse, Status>> + Send + 'static + use<>, Error> {
    let (repository, entry) = find(keeper, &request.id).await?;
    let manifest = Arc::new(repository.manifest(&entry).await?);
    let listed = listed(&manifest, &request.prefix);
    let names = names(&manifest);
    let parts: Vec<Vec<u32>> = listed.chunks(FILES_AT_ONCE).map(<[u32]>::to_vec).collect();
    let told = move |part: Vec<u32>| {
        let files = part.iter().filter_map(|number| manifest.files.get(*number as usize));
        Ok(api::ListFilesResponse {
            files: files.map(|entry| file(entry, &names)).collect(),
        })
    };
    Ok(stream::iter(parts).map(told))
}

/// A backup of the cluster in the first repository that has it.
async fn find(keeper: &Keeper, id: &str) -> Result<(Repository, BackupEntry), Error> {
    let listed = backups::find(keeper, &Caller::Operator, id).await?;
    let name = listed.repositories.first().map(String::as_str).unwrap_or_default();
    match listed.entry.kind() {
        BackupKind::Project => Err(repo::Error::NoBackup(id.to_owned()).into()),
        _ => Ok((keeper.repositories.get(name).await?, listed.entry)),
    }
}

/// Files whose path begins so, by path; each by its place in the manifest.
fn listed(manifest: &Manifest, prefix: &str) -> Vec<u32> {
    let files = manifest.files.iter().enumerate();
    let wanted = files.filter(|(_, entry)| entry.kind() == EntryKind::File && entry.path.starts_with(prefix));
    let mut wanted: Vec<(&str, u32)> = wanted
        .filter_map(|(number, entry)| Some((entry.path.as_str(), u32::try_from(number).ok()?)))
        .collect();
    wanted.sort_unstable();
    wanted.into_iter().map(|(_, number)| number).collect()
}

/// Names of relations, by the number of their database and of their file.
type Names = HashMap<(u32, u32), String>;

fn names(manifest: &Manifest) -> Names {
    let relations = manifest.relations.iter();
    let named = relations.map(|relation| {
        let name = format!("{}.{}", relation.database, relation.name);
        ((relation.database_oid, relation.filenode), name)
    });
    named.collect()
}

fn file(entry: &FileEntry, names: &Names) -> api::BackupFile {
    let table = relation_of(&entry.path).and_then(|relation| names.get(&relation).cloned());
    let checksum = entry.crc32c.to_le_bytes().map(|byte| format!("{byte:02x}")).concat();
    api::BackupFile {
        path: entry.path.clone(),
        bytes: entry.bytes,
        modified_unix_ms: entry.modified_unix_ms,
        mode: entry.mode,
        checksum: if entry.crc32c == 0 {
            String::new()
        } else {
            format!("crc32c:{checksum}")
        },
        table: table.unwrap_or_default(),
    }
}

/// The database and the file number of a relation's file: `base/5/16384.1`, `pg_tblspc/16400/PG_15_1/5/16384_fsm`.
fn relation_of(path: &str) -> Option<(u32, u32)> {
    let parts: Vec<&str> = path.split('/').collect();
    let (database, name) = match parts.as_slice() {
        ["base", database, name] | ["pg_tblspc", _, _, database, name] => (database.parse().ok()?, name),
        ["global", name] => (0, name),
        _ => return None,
    };
    let end = name.find(['.', '_']).unwrap_or(name.len());
    Some((database, name.get(..end)?.parse().ok()?))
}

fn order_of(order: api::RestoreOrder) -> RestoreOrder {
    let then = match order.then() {
        api::RestoreAction::Unspecified => Then::Unspecified,
        api::RestoreAction::Stop => Then::Stop,
        api::RestoreAction::Pause => Then::Pause,
        api::RestoreAction::Promote => Then::Promote,
        api::RestoreAction::Standby => Then::Standby,
    };
    let places = order.tablespaces.into_iter();
    RestoreOrder {
        then,
        cluster: order.cluster,
        target: target_of(order.target.unwrap_or_default()),
        backup_id: order.backup_id,
        directory: PathBuf::from(order.directory),
        delta: order.delta,
        tablespaces: places.map(|(oid, place)| (oid, PathBuf::from(place))).collect(),
        only_tablespaces: order.only_tablespaces,
        force: order.force,
        repository: order.repository,
    }
}

fn target_of(target: api::RestoreTarget) -> RestoreTarget {
    use api::restore_target::Moment;
    let mut made = RestoreTarget {
        before: target.before,
        timeline: target.timeline,
        ..RestoreTarget::default()
    };
    match target.moment {
        Some(Moment::TimeUnixMs(time)) => made.time_unix_ms = Some(time),
        Some(Moment::Position(at)) => {
            made.position = Some(LogPosition {
                timeline: at.timeline,
                lsn: at.lsn,
            });
        }
        Some(Moment::RestorePoint(name)) => made.restore_point = Some(name),
        Some(Moment::Xid(xid)) => made.xid = Some(xid),
        Some(Moment::Consistent(_)) => made.consistent = Some(Consistent {}),
        None => {}
    }
    made
}

fn answer(plan: &RestorePlan) -> api::PlanRestoreResponse {
    let choice = &plan.choice;
    let backup = choice.backup.as_ref();
    // Where recovery stops at something that is not looked up, the log that it may need is all there is.
    let to = backup.map(|_| position(choice.to));
    api::PlanRestoreResponse {
        wal_from: backup.map(|_| position(choice.from)),
        wal_to: if choice.end == End::Consistent {
            backup.and_then(|backup| backup.stop).map(position)
        } else {
            to
        },
        read_bytes: plan.read_bytes,
        write_bytes: plan.write_bytes,
        kept_bytes: plan.kept_bytes,
        duration_ms_estimate: plan.duration_ms,
        obstacles: plan.obstacles.iter().map(obstacle).collect(),
        ..api::PlanRestoreResponse::default()
    }
}

fn obstacle(obstacle: &Obstacle) -> api::Obstacle {
    api::Obstacle {
        slug: obstacle.slug.to_owned(),
        detail: obstacle.detail.clone(),
        can_be_forced: obstacle.can_be_forced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::manifest::Relation;

    #[test]
    fn files_are_listed_by_path_with_their_tables() {
        let entry = |path: &str, kind| {
            let mut entry = FileEntry {
                path: path.to_owned(),
                bytes: 9,
                crc32c: 0x0102_0304,
                ..FileEntry::default()
            };
            entry.set_kind(kind);
            entry
        };
        let manifest = Manifest {
            files: vec![
                entry("base", EntryKind::Directory),
                entry("base/5/200.1", EntryKind::File),
                entry("base/5/100_fsm", EntryKind::File),
                entry("pg_tblspc/7/PG_15_1/5/200", EntryKind::File),
                entry("global/300", EntryKind::File),
            ],
            relations: vec![Relation {
                database: "app".to_owned(),
                database_oid: 5,
                name: "public.t".to_owned(),
                filenode: 200,
                ..Relation::default()
            }],
            ..Manifest::default()
        };
        let names = names(&manifest);
        let told: Vec<(String, String)> = listed(&manifest, "")
            .into_iter()
            .map(|number| file(&manifest.files[number as usize], &names))
            .map(|file| (file.path, file.table))
            .collect();
        let told: Vec<(&str, &str)> = told
            .iter()
            .map(|(path, table)| (path.as_str(), table.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("base/5/100_fsm", ""),
                ("base/5/200.1", "app.public.t"),
                ("global/300", ""),
                ("pg_tblspc/7/PG_15_1/5/200", "app.public.t"),
            ]
        );
        assert_eq!(listed(&manifest, "base/").len(), 2);
        assert_eq!(file(&manifest.files[1], &names).checksum, "crc32c:04030201");
    }

    #[test]
    fn an_order_is_taken_over_whole() {
        let order = api::RestoreOrder {
            cluster: "main".to_owned(),
            target: Some(api::RestoreTarget {
                moment: Some(api::restore_target::Moment::Xid(900)),
                before: true,
                timeline: 3,
            }),
            backup_id: "b".to_owned(),
            directory: "/d".to_owned(),
            delta: true,
            tablespaces: [(16400, "/t".to_owned())].into(),
            only_tablespaces: vec![16400],
            then: api::RestoreAction::Promote.into(),
            force: true,
            repository: "near".to_owned(),
        };
        let taken = order_of(order);
        let expected = RestoreOrder {
            cluster: "main".to_owned(),
            target: RestoreTarget {
                xid: Some(900),
                before: true,
                timeline: 3,
                ..RestoreTarget::default()
            },
            backup_id: "b".to_owned(),
            directory: "/d".into(),
            delta: true,
            tablespaces: [(16400, "/t".into())].into(),
            only_tablespaces: vec![16400],
            then: Then::Promote,
            force: true,
            repository: "near".to_owned(),
        };
        assert_eq!(taken, expected);
    }
}
