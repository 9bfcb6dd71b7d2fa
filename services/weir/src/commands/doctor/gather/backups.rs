//! What the monitor says of its channels, and the backup service of its repositories.

use weir_proto::backup::v1 as api;
use weir_proto::common::v1::PageRequest;
use weir_proto::monitor::v1::ListChannelsRequest;

use super::{Asker, Wishes};
use crate::commands::doctor::facts::{Backups, Channel, Known, Log, Repository};
use crate::connect::{Services, refusal};
use crate::terminal::Failure;

pub(super) async fn channels(asker: &Asker) -> Known<Vec<Channel>> {
    let asked = async {
        let mut monitor = Services(&asker.sources).monitor().await?;
        let told = monitor.list_channels(ListChannelsRequest {}).await.map_err(refusal)?;
        Ok::<_, Failure>(told.into_inner().channels)
    };
    let channels = asker.within(asked).await?;
    let channel = |told: weir_proto::monitor::v1::AlertChannel| Channel {
        name: told.name,
        pending: told.pending,
        last_success_unix_ms: told.last_success_unix_ms,
        last_error_unix_ms: told.last_error_unix_ms,
        last_error: told.last_error,
    };
    Ok(channels.into_iter().map(channel).collect())
}

pub(super) async fn look(asker: &Asker, wishes: &Wishes) -> Known<Backups> {
    let exposure_max_ms = u64::try_from(wishes.backup.wal_exposure_max.as_millis()).unwrap_or(u64::MAX);
    asker.within(ask(asker, exposure_max_ms)).await
}

async fn ask(asker: &Asker, exposure_max_ms: u64) -> Result<Backups, Failure> {
    let mut service = Services(&asker.sources).backup().await?;
    let told = service
        .list_repositories(api::ListRepositoriesRequest {})
        .await
        .map_err(refusal)?;
    let repositories = told.into_inner().repositories.into_iter().map(repository).collect();
    let mut backups = Backups {
        repositories,
        ..Backups::default()
    };
    // The rest needs a repository that can be read; without one its list says why.
    if let Err(error) = history(&mut service, &mut backups, exposure_max_ms).await {
        backups.trouble = error.to_string();
    }
    Ok(backups)
}

type Client = api::backup_service_client::BackupServiceClient<tonic::transport::Channel>;

async fn history(service: &mut Client, backups: &mut Backups, exposure_max_ms: u64) -> Result<(), Failure> {
    let newest = Some(PageRequest {
        size: 100,
        token: String::new(),
    });
    let request = api::ListBackupsRequest {
        page: newest.clone(),
        ..api::ListBackupsRequest::default()
    };
    let listed = service
        .list_backups(request)
        .await
        .map_err(refusal)?
        .into_inner()
        .backups;
    let whole = listed.iter().filter(|backup| backup.kind() != api::BackupKind::Project);
    backups.last_ms = whole.map(|backup| backup.ended_unix_ms).max();
    let request = api::ListProofsRequest {
        page: newest,
        ..api::ListProofsRequest::default()
    };
    let proofs = service.list_proofs(request).await.map_err(refusal)?.into_inner().proofs;
    let ended = proofs.iter().filter(|proof| proof.ended_unix_ms > 0);
    let latest = ended.clone().max_by_key(|proof| proof.ended_unix_ms);
    let failed = latest.filter(|proof| proof.state() == api::ProofState::Failed);
    backups.proof_failed = failed.map(|proof| format!("{} of backup {}: {}", proof.id, proof.backup_id, proof.reason));
    let proven = ended.filter(|proof| proof.state() == api::ProofState::Proven);
    backups.proven_ms = proven.map(|proof| proof.ended_unix_ms).max();
    let request = api::GetWalStateRequest::default();
    let clusters = service
        .get_wal_state(request)
        .await
        .map_err(refusal)?
        .into_inner()
        .clusters;
    backups.log = clusters.into_iter().map(|state| log(state, exposure_max_ms)).collect();
    Ok(())
}

fn repository(told: api::Repository) -> Repository {
    Repository {
        name: told.name,
        reachable: told.reachable,
        trouble: told.trouble,
        backups: told.backups,
    }
}

fn log(told: api::WalState, exposure_max_ms: u64) -> Log {
    Log {
        is_off: told.way() == api::WalWay::Off,
        cluster: told.cluster,
        reason: told.reason,
        exposure_ms: told.exposure_ms,
        exposure_max_ms,
    }
}
