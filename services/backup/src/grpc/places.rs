//! Where backups are kept, and which keys they take. Never a key itself.

use weir_model::Coded as _;
use weir_proto::backup::v1 as api;

use super::Caller;
use crate::catalog::{self, Asked};
use crate::engine::wal::Log;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::project;
use crate::repo::seal::hexadecimal;
use crate::repo::state::{BackupKind, BackupState, Position, State};
use crate::repo::{FORMAT, Repository};
use crate::settings::FileRepository;

pub(super) async fn repositories(keeper: &Keeper) -> api::ListRepositoriesResponse {
    let asked = catalog::ask(keeper).await;
    let known = keeper.repositories.settings();
    let shown = known.iter().zip(&asked).map(|(file, asked)| shown(file, asked));
    api::ListRepositoriesResponse {
        repositories: shown.collect(),
    }
}

fn shown(file: &FileRepository, asked: &Asked) -> api::Repository {
    let place = api::Repository {
        name: file.name.clone(),
        url: without_credentials(&file.url),
        object_lock: file.object_lock_days > 0,
        ..api::Repository::default()
    };
    match &asked.answer {
        Ok((_, state)) => api::Repository {
            reachable: true,
            generation: state.generation,
            stored_bytes: sum(state, |entry| entry.stored_bytes),
            stored_objects: sum(state, |entry| entry.stored_objects),
            backups: listed(state).count() as u64,
            garbage_bytes: state.trash.iter().chain(&state.doomed).map(|trash| trash.bytes).sum(),
            format_version: FORMAT,
            ..place
        },
        Err(error) => api::Repository {
            trouble: format!("{error} ({})", error.slug()),
            ..place
        },
    }
}

/// How the log comes in.
pub(super) fn log(log: &Log, request: &api::GetWalStateRequest) -> api::GetWalStateResponse {
    let now = log.state();
    let position = |at: Position| api::LogPosition {
        timeline: at.timeline,
        lsn: at.lsn,
    };
    let is_meant = request.cluster.is_empty() || request.cluster == now.cluster;
    let state = is_meant.then(|| api::WalState {
        way: now.way as i32,
        cluster: now.cluster,
        reason: now.reason,
        server: now.server.map(position),
        received: now.received.map(position),
        durable: now.durable.map(position),
        lag_bytes: now.lag_bytes,
        exposure_ms: now.exposure_ms,
        exposure_p99_ms: now.exposure_p99_ms,
        slot: now.slot,
        slot_retained_bytes: now.slot_retained_bytes,
        slot_guard_bytes: now.slot_guard_bytes,
    });
    api::GetWalStateResponse {
        clusters: state.into_iter().collect(),
    }
}

/// Destroys a project's own key. Whoever asks has said twice which.
pub(super) async fn shred(
    keeper: &Keeper,
    request: api::ShredProjectRequest,
) -> Result<api::ShredProjectResponse, Error> {
    let done = project::shred(keeper, &request.project, &request.confirmation).await?;
    Ok(api::ShredProjectResponse {
        exports_shredded: done.exports,
        remaining_backup_ids: done.remaining_backup_ids,
        remaining_until_unix_ms: done.remaining_until_unix_ms,
        remarks: done.remarks,
    })
}

fn listed(state: &State) -> impl Iterator<Item = &crate::repo::state::BackupEntry> {
    let is_there = |state| !matches!(state, BackupState::Expired | BackupState::Shredded);
    state.backups.iter().filter(move |entry| is_there(entry.state()))
}

fn sum(state: &State, figure: impl Fn(&crate::repo::state::BackupEntry) -> u64) -> u64 {
    listed(state).map(figure).fold(0, u64::saturating_add)
}

/// Who writes a password into an address should not find it in an answer.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (host, path) = rest
        .split_once('/')
        .map_or((rest, None), |(host, path)| (host, Some(path)));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let path = path.map(|path| format!("/{path}")).unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

pub(super) async fn keys(keeper: &Keeper, request: api::ListKeysRequest) -> Result<api::ListKeysResponse, Error> {
    let caller = Caller::of(&request.project)?;
    let names: Vec<&str> = keeper.repositories.names().collect();
    if !request.repository.is_empty() && !names.contains(&request.repository.as_str()) {
        return Err(Error::Field {
            field: "repository",
            reason: format!(
                "there is no repository {:?}; known are {}",
                request.repository,
                names.join(", ")
            ),
        });
    }
    let mut keys: Vec<api::Key> = Vec::new();
    for Asked { name, answer } in catalog::ask(keeper).await {
        if !request.repository.is_empty() && request.repository != name {
            continue;
        }
        let (repository, state) = answer?;
        if caller == Caller::Operator {
            keys.extend(of_repository(&repository, &state));
        }
    }
    if request.repository.is_empty() {
        let held = project::keys(keeper, &super::backups::who(&caller)).await?;
        keys.extend(held.into_iter().map(of_project));
    }
    // Those in use first, then the youngest.
    keys.sort_by_key(|key| {
        (
            key.retired_unix_ms != 0 || key.shredded_unix_ms != 0,
            -key.created_unix_ms,
        )
    });
    Ok(api::ListKeysResponse { keys })
}

fn of_repository(repository: &Repository, state: &State) -> Vec<api::Key> {
    if !repository.wrapping().is_encrypted() {
        return Vec::new();
    }
    let keys = repository.keys();
    let known: Vec<_> = keys.known().collect();
    let backups = listed(state)
        .filter(|entry| entry.kind() != BackupKind::Project)
        .count() as u64;
    let key = |id: &[u8], purpose: api::KeyPurpose| api::Key {
        id: hexadecimal(id),
        repository: repository.name().to_owned(),
        purpose: purpose.into(),
        backups,
        at_hand: true,
        ..api::Key::default()
    };
    let mut all = vec![key(&keys.wrapped_by, api::KeyPurpose::Wrapping)];
    for (at, (id, created_unix_ms)) in known.iter().enumerate() {
        all.push(api::Key {
            created_unix_ms: *created_unix_ms,
            // The next one took its place.
            retired_unix_ms: known.get(at + 1).map_or(0, |(_, created)| *created),
            ..key(id, api::KeyPurpose::Repository)
        });
    }
    all
}

fn of_project(key: project::HeldKey) -> api::Key {
    api::Key {
        id: key.id,
        project: key.project,
        purpose: api::KeyPurpose::Project.into(),
        created_unix_ms: key.created_unix_ms,
        retired_unix_ms: key.retired_unix_ms,
        shredded_unix_ms: key.shredded_unix_ms,
        backups: key.backups,
        at_hand: key.at_hand,
        ..api::Key::default()
    }
}

#[cfg(test)]
mod tests {
    use super::without_credentials;

    #[test]
    fn an_address_is_shown_without_who_may_open_it() {
        for (url, shown) in [
            ("s3://bucket/a/b", "s3://bucket/a/b"),
            ("s3://key:secret@bucket/a@b", "s3://bucket/a@b"),
            ("file:///srv/backups", "file:///srv/backups"),
            ("gs://who@bucket", "gs://bucket"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }
}
