//! What a backup would read and store now.

use std::time::Duration;

use tokio::time::timeout;
use weir_model::Coded;
use weir_proto::backup::v1 as api;

use crate::act::{Order as _, Refusal, switched_off};
use crate::care;
use crate::catalog;
use crate::engine::base;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::orders::{BackupOrder, ExpireOrder, Kind, Packing};
use crate::repo::state::{BackupEntry, BackupKind, State};
use crate::settings::SourceChoice;

/// The server has this long to say how large it is.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn backup(keeper: &Keeper, request: api::PlanBackupRequest) -> Result<api::PlanBackupResponse, Error> {
    plan(keeper, &order(request.order.unwrap_or_default())?).await
}

/// What retention would do now.
pub(super) async fn expiry(keeper: &Keeper, request: api::PlanExpiryRequest) -> Result<api::PlanExpiryResponse, Error> {
    let asked = request.order.unwrap_or_default();
    let order = ExpireOrder {
        cluster: asked.cluster,
        repository: asked.repository,
    };
    order.check(&keeper.settings)?;
    let plan = care::plan_expiry(keeper, &order).await?;
    Ok(plan.told(&keeper.cluster.name))
}

/// The order of a request, as a job would have it.
fn order(order: api::BackupOrder) -> Result<BackupOrder, Error> {
    let kind = match order.kind() {
        api::BackupKind::Unspecified => Kind::Unspecified,
        api::BackupKind::Full => Kind::Full,
        api::BackupKind::Incremental => Kind::Incremental,
        api::BackupKind::Differential => Kind::Differential,
        api::BackupKind::Project => {
            return Err(Error::Field {
                field: "kind",
                reason: "a project's data is exported by an ExportOrder".to_owned(),
            });
        }
    };
    let compression = match order.compression() {
        api::Compression::Unspecified => Packing::Unspecified,
        api::Compression::Zstd => Packing::Zstd,
        api::Compression::Lz4 => Packing::Lz4,
        api::Compression::Gzip => Packing::Gzip,
        api::Compression::None => Packing::None,
    };
    Ok(BackupOrder {
        kind,
        cluster: order.cluster,
        repositories: order.repositories,
        compression,
        bytes_per_second_max: order.bytes_per_second_max,
        checkpoint_now: order.checkpoint_now,
        note: order.note,
    })
}

/// What an order comes to as things stand.
pub(crate) async fn plan(keeper: &Keeper, order: &BackupOrder) -> Result<api::PlanBackupResponse, Error> {
    order.check(&keeper.settings)?;
    let mut obstacles = Vec::new();
    let wanted = |name: &str| order.repositories.is_empty() || order.repositories.iter().any(|known| known == name);
    let mut state = None::<State>;
    let mut trouble = None;
    for asked in catalog::ask(keeper)
        .await
        .into_iter()
        .filter(|asked| wanted(&asked.name))
    {
        match asked.answer {
            Ok((_, found)) => state = state.or(Some(found)),
            Err(error) => trouble = trouble.or(Some(error)),
        }
    }
    if state.is_none() {
        obstacles.push(trouble.map_or_else(no_repository, |error| obstacle(&error)));
    }
    if !keeper.settings.enabled {
        obstacles.push(obstacle(&switched_off()));
    }
    let state = state.unwrap_or_default();
    let (kind, basis, reason) = choice(order.kind, &state);
    let asked = timeout(ANSWER_WITHIN, size(keeper)).await;
    let read_bytes = match asked.unwrap_or_else(|_| Err(silent())) {
        Ok(bytes) => bytes,
        Err(error) => {
            obstacles.push(obstacle(&error));
            0
        }
    };
    let way = match keeper.cluster.data_directory {
        Some(_) => api::BackupWay::Local,
        None => api::BackupWay::Protocol,
    };
    let before = state.of_cluster().rfind(|entry| entry.kind() == kind);
    Ok(api::PlanBackupResponse {
        kind: kind as i32,
        reason: reason.to_owned(),
        based_on_id: basis.unwrap_or_default(),
        source: source(keeper),
        way: way.into(),
        read_bytes,
        stored_bytes_estimate: before.map_or(0, |entry| scaled(entry, entry.stored_bytes, read_bytes)),
        duration_ms_estimate: before.map_or(0, |entry| scaled(entry, took_ms(entry), read_bytes)),
        obstacles,
    })
}

fn silent() -> Error {
    let reason = format!("the server did not say within {ANSWER_WITHIN:?} how large its databases are");
    Refusal::ServerSilent.because(reason)
}

fn no_repository() -> api::Obstacle {
    obstacle(&Refusal::NoRepository.because("no repository is set: add one to backup.repositories"))
}

fn obstacle(error: &impl Coded) -> api::Obstacle {
    api::Obstacle {
        slug: error.slug().to_owned(),
        detail: error.to_string(),
        can_be_forced: false,
    }
}

/// What sort it would be, upon which, and why.
fn choice(wanted: Kind, state: &State) -> (BackupKind, Option<String>, &'static str) {
    let (kind, basis) = base::basis(state, wanted);
    let why = match (wanted, &basis) {
        (Kind::Unspecified, Some(_)) => "there is one to build upon",
        (Kind::Full, _) | (_, Some(_)) => "it was asked for",
        _ => "there is none yet to build upon",
    };
    (kind, basis, why)
}

/// How large the cluster is.
async fn size(keeper: &Keeper) -> Result<u64, Error> {
    let mut connection = keeper.cluster.ask("weir-backup/plan").await?;
    let rows = connection
        .simple_query("select sum(pg_database_size(oid))::bigint as bytes from pg_database where datallowconn")
        .await?;
    connection.close().await;
    let bytes = rows.first().and_then(|row| row.get("bytes")?.parse().ok());
    Ok(bytes.unwrap_or_default())
}

fn source(keeper: &Keeper) -> String {
    let cluster = &keeper.cluster;
    let is_primary = cluster.source == SourceChoice::Primary || cluster.standbys.is_empty();
    if is_primary { "primary" } else { "standby" }.to_owned()
}

fn took_ms(entry: &BackupEntry) -> u64 {
    entry.ended_unix_ms.abs_diff(entry.started_unix_ms)
}

/// A figure of an earlier backup, for a cluster of this size.
fn scaled(entry: &BackupEntry, figure: u64, read_bytes: u64) -> u64 {
    if entry.source_bytes == 0 || read_bytes == 0 {
        return figure;
    }
    (figure as f64 * (read_bytes as f64 / entry.source_bytes as f64)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::state::BackupState;

    fn entry(id: &str, kind: BackupKind, state: BackupState) -> BackupEntry {
        let mut entry = BackupEntry {
            id: id.to_owned(),
            source_bytes: 1_000,
            ..BackupEntry::default()
        };
        entry.set_kind(kind);
        entry.set_state(state);
        entry
    }

    #[test]
    fn an_increment_builds_upon_the_last_that_is_good_and_a_differential_upon_a_full_one() {
        let mut state = State::default();
        let chosen = |wanted, state: &State| {
            let (kind, basis, reason) = choice(wanted, state);
            (kind, basis.unwrap_or_default(), reason)
        };
        let none = "there is none yet to build upon";
        assert_eq!(
            chosen(Kind::Unspecified, &state),
            (BackupKind::Full, String::new(), none)
        );
        state.backups = vec![
            entry("a", BackupKind::Full, BackupState::Proven),
            entry("b", BackupKind::Incremental, BackupState::Unproven),
            entry("c", BackupKind::Incremental, BackupState::Failed),
            entry("d", BackupKind::Full, BackupState::Expired),
            entry("e", BackupKind::Project, BackupState::Unproven),
        ];
        assert_eq!(chosen(Kind::Incremental, &state).1, "b");
        assert_eq!(chosen(Kind::Differential, &state).1, "a");
        assert_eq!(chosen(Kind::Full, &state).1, "");
    }

    #[test]
    fn estimates_grow_with_the_cluster() {
        let full = entry("a", BackupKind::Full, BackupState::Proven);
        assert_eq!((scaled(&full, 200, 2_000), scaled(&full, 200, 0)), (400, 200));
    }
}
