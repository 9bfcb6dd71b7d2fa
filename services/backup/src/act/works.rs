//! What does the work of each operation.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use weir_jobs::Works;

use super::deeds::{Expire, Export, Import, Prove, Restore, RotateKeys, Verify};
use super::log_check::LogCheck;
use super::operation::{Asked, Deed, Operation};
use super::{Aftermath, switched_off, taken};
use crate::care;
use crate::engine::base;
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::orders::BackupOrder;
use crate::relief::Relief;
use crate::repo::state::BackupEntry;

/// Everything that jobs can ask for.
pub(crate) fn works(keeper: &Arc<Keeper>, relief: &Relief) -> Works {
    Works::builder()
        .with(operation(keeper, relief, TakeBackup(keeper.clone())))
        .with(operation(keeper, relief, Restore(keeper.clone())))
        .with(operation(keeper, relief, Prove(keeper.clone())))
        .with(operation(keeper, relief, Export(keeper.clone())))
        .with(operation(keeper, relief, Import(keeper.clone())))
        .with(operation(keeper, relief, Expire(keeper.clone())))
        .with(operation(keeper, relief, RotateKeys(keeper.clone())))
        .with(operation(keeper, relief, Verify(keeper.clone())))
        .with(operation(keeper, relief, LogCheck))
        .build()
}

fn operation<D: Deed>(keeper: &Arc<Keeper>, relief: &Relief, deed: D) -> Operation<D> {
    Operation::new(keeper.clone(), relief.clone(), deed)
}

/// `backup`: taken into the first repository, and copied into the others.
struct TakeBackup(Arc<Keeper>);

impl Deed for TakeBackup {
    type Order = BackupOrder;

    const YIELDS: bool = true;

    fn most(&self, order: &BackupOrder) -> u64 {
        match order.bytes_per_second_max {
            0 => self.0.settings.bytes_per_second_max,
            most => most,
        }
    }

    async fn plan(&self, _: &Asked<'_>, order: &BackupOrder) -> Result<Json, Error> {
        let plan = crate::grpc::plan(&self.0, order).await?;
        let obstacles = plan
            .obstacles
            .iter()
            .map(|one| json!({ "slug": one.slug, "detail": one.detail }));
        Ok(json!({
            "kind": super::word_of(plan.kind.try_into().unwrap_or_default()),
            "reason": plan.reason,
            "based_on_id": plan.based_on_id,
            "read_bytes": plan.read_bytes,
            "stored_bytes_estimate": plan.stored_bytes_estimate,
            "duration_ms_estimate": plan.duration_ms_estimate,
            "obstacles": obstacles.collect::<Vec<_>>(),
        }))
    }

    async fn run(&self, asked: &Asked<'_>, order: &BackupOrder, pace: &Pace) -> Result<Json, Error> {
        let keeper = &self.0;
        if !keeper.settings.enabled {
            return Err(switched_off());
        }
        // An earlier attempt may have come as far as that.
        let entry = match listed(keeper, &asked.id.to_string()).await {
            Some(entry) => entry,
            None => base::back_up(keeper, asked.id, order, pace).await?,
        };
        let first = holders(keeper, &entry.id).await;
        copied(keeper, order, &entry, &first, pace).await?;
        let effect = taken(keeper, &entry, &holders(keeper, &entry.id).await);
        Aftermath(keeper.clone()).of_backup(&entry).await?;
        Ok(effect)
    }
}

/// Copies a backup into every other repository that is to have it. One that is away gets it with a later attempt.
async fn copied(
    keeper: &Keeper,
    order: &BackupOrder,
    entry: &BackupEntry,
    holders: &[String],
    pace: &Pace,
) -> Result<(), Error> {
    let Some(from) = holders.first() else {
        return Ok(());
    };
    let mut trouble = None;
    for name in keeper.repositories.names() {
        let is_meant = order.repositories.is_empty() || order.repositories.iter().any(|wanted| wanted == name);
        if !is_meant || holders.iter().any(|holder| holder == name) {
            continue;
        }
        if let Err(error) = care::copy(keeper, from, name, &entry.id, pace).await {
            tracing::warn!(repository = name, backup.id = entry.id, error = %error, "a backup was not copied");
            trouble = Some(error);
        }
    }
    trouble.map_or(Ok(()), Err)
}

/// A backup that a repository lists already.
async fn listed(keeper: &Keeper, id: &str) -> Option<BackupEntry> {
    let asked = crate::catalog::ask(keeper).await;
    let states = asked.iter().filter_map(|asked| asked.answer.as_ref().ok());
    states.into_iter().find_map(|(_, state)| state.backup(id).ok().cloned())
}

/// The repositories that have a backup whole.
pub(super) async fn holders(keeper: &Keeper, id: &str) -> Vec<String> {
    let asked = crate::catalog::ask(keeper).await.into_iter();
    let holding = asked.filter(|asked| asked.answer.as_ref().is_ok_and(|(_, state)| state.backup(id).is_ok()));
    holding.map(|asked| asked.name).collect()
}
