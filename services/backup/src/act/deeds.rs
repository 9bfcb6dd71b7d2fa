//! What does the work of the operations that follow a backup: restored, proven, exported, given up, keys made anew.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::operation::{Asked, Deed};
use super::{Refusal, proof_outcome, switched_off, taken};
use crate::care;
use crate::engine::pace::Pace;
use crate::engine::restore;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::orders::{ExpireOrder, ExportOrder, ImportOrder, ProofOrder, RestoreOrder, RotateKeysOrder, VerifyOrder};
use crate::project;
use crate::prove;

/// `restore`.
pub(super) struct Restore(pub(super) Arc<Keeper>);

impl Deed for Restore {
    type Order = RestoreOrder;

    async fn plan(&self, _: &Asked<'_>, order: &RestoreOrder) -> Result<Json, Error> {
        let plan = restore::plan(&self.0, order).await?;
        let obstacles = plan
            .obstacles
            .iter()
            .map(|one| json!({ "slug": one.slug, "detail": one.detail, "can_be_forced": one.can_be_forced }));
        Ok(json!({
            "backup_id": plan.choice.backup.as_ref().map(|backup| backup.id.as_str()),
            "repository": plan.repository.name(),
            "read_bytes": plan.read_bytes,
            "write_bytes": plan.write_bytes,
            "kept_bytes": plan.kept_bytes,
            "duration_ms_estimate": plan.duration_ms,
            "obstacles": obstacles.collect::<Vec<_>>(),
        }))
    }

    async fn run(&self, _: &Asked<'_>, order: &RestoreOrder, pace: &Pace) -> Result<Json, Error> {
        let restored = restore::restore(&self.0, order, pace).await?;
        effect(&restored)
    }
}

/// `prove`.
pub(super) struct Prove(pub(super) Arc<Keeper>);

impl Deed for Prove {
    type Order = ProofOrder;

    async fn plan(&self, _: &Asked<'_>, order: &ProofOrder) -> Result<Json, Error> {
        let (repository, backup) = prove::chosen(&self.0, order).await?;
        Ok(json!({ "backup_id": backup, "repository": repository }))
    }

    async fn run(&self, asked: &Asked<'_>, order: &ProofOrder, pace: &Pace) -> Result<Json, Error> {
        let proof = prove::prove(&self.0, asked.id, order, pace).await?;
        proof_outcome(&proof)
    }
}

/// `export`.
pub(super) struct Export(pub(super) Arc<Keeper>);

impl Deed for Export {
    type Order = ExportOrder;

    const YIELDS: bool = true;

    fn most(&self, _: &ExportOrder) -> u64 {
        self.0.settings.bytes_per_second_max
    }

    async fn plan(&self, _: &Asked<'_>, order: &ExportOrder) -> Result<Json, Error> {
        Ok(json!({ "project": order.project, "repositories": order.repositories }))
    }

    async fn run(&self, asked: &Asked<'_>, order: &ExportOrder, pace: &Pace) -> Result<Json, Error> {
        let keeper = &self.0;
        if !keeper.settings.enabled {
            return Err(switched_off());
        }
        let past = prove::Beside;
        let entry = project::export_at(keeper, asked.id, order, pace, Some(&past)).await?;
        Ok(taken(keeper, &entry, &super::works::holders(keeper, &entry.id).await))
    }
}

/// `import`.
pub(super) struct Import(pub(super) Arc<Keeper>);

impl Deed for Import {
    type Order = ImportOrder;

    async fn plan(&self, _: &Asked<'_>, order: &ImportOrder) -> Result<Json, Error> {
        Ok(json!({ "backup_id": order.backup_id, "database": order.database, "schema": order.schema }))
    }

    async fn run(&self, asked: &Asked<'_>, order: &ImportOrder, pace: &Pace) -> Result<Json, Error> {
        let who = match asked.project {
            project if *project == weir_model::Project::default() => project::Who::Operator,
            project => project::Who::Project(project.to_string()),
        };
        // For whoever may not see it, it is not there.
        project::backup(&self.0, &who, &order.backup_id).await?;
        let imported = project::import(&self.0, asked.id, order, pace).await?;
        effect(&imported)
    }
}

/// `expire`.
pub(super) struct Expire(pub(super) Arc<Keeper>);

impl Deed for Expire {
    type Order = ExpireOrder;

    async fn plan(&self, _: &Asked<'_>, order: &ExpireOrder) -> Result<Json, Error> {
        let plan = care::plan_expiry(&self.0, order).await?;
        let told = plan.told(&self.0.cluster.name);
        let verdicts = told.verdicts.iter().map(
            |verdict| json!({ "backup_id": verdict.backup_id, "expires": verdict.expires, "kept_by": verdict.kept_by }),
        );
        Ok(json!({
            "verdicts": verdicts.collect::<Vec<_>>(),
            "freed_bytes_estimate": told.freed_bytes_estimate,
        }))
    }

    async fn run(&self, _: &Asked<'_>, order: &ExpireOrder, pace: &Pace) -> Result<Json, Error> {
        let expired = care::expire(&self.0, order, pace).await?;
        effect(&expired)
    }
}

/// `verify-backups`: every object is read and authenticated, and mended from another repository where that is asked for.
pub(super) struct Verify(pub(super) Arc<Keeper>);

impl Deed for Verify {
    type Order = VerifyOrder;

    async fn plan(&self, _: &Asked<'_>, order: &VerifyOrder) -> Result<Json, Error> {
        Ok(json!({ "repositories": self.0.repositories.meant(&order.repository)?, "mend": order.mend }))
    }

    async fn run(&self, _: &Asked<'_>, order: &VerifyOrder, pace: &Pace) -> Result<Json, Error> {
        let (mut told, mut damaged) = (serde_json::Map::new(), Vec::new());
        for name in self.0.repositories.meant(&order.repository)? {
            let mended = match order.mend {
                true => Some(care::mend(&self.0, name, pace).await?),
                false => None,
            };
            let report = care::verify(&self.0.repositories.get(name).await?, pace).await?;
            damaged.extend(
                report
                    .damage
                    .iter()
                    .map(|one| format!("{name}: {}: {}", one.path, one.reason)),
            );
            told.insert(
                name.to_owned(),
                json!({ "report": effect(&report)?, "mended": effect(&mended)? }),
            );
        }
        match damaged.first() {
            None => Ok(Json::Object(told)),
            Some(first) => Err(Refusal::Damaged.because(format!("{} objects are damaged; {first}", damaged.len()))),
        }
    }
}

/// `rotate-keys`.
pub(super) struct RotateKeys(pub(super) Arc<Keeper>);

impl Deed for RotateKeys {
    type Order = RotateKeysOrder;

    async fn plan(&self, _: &Asked<'_>, order: &RotateKeysOrder) -> Result<Json, Error> {
        Ok(json!({ "repository": order.repository, "project": order.project }))
    }

    async fn run(&self, _: &Asked<'_>, order: &RotateKeysOrder, _: &Pace) -> Result<Json, Error> {
        if order.project.is_empty() {
            return effect(&care::rotate(&self.0, order).await?);
        }
        let rotated = project::rotate(&self.0, &order.project).await?;
        Ok(json!({
            "project": order.project,
            "key_id": rotated.key_id,
            "recipients": rotated.recipients,
            "retired": rotated.retired,
        }))
    }
}

/// What was done, as the record of a job has it.
fn effect(done: &impl serde::Serialize) -> Result<Json, Error> {
    serde_json::to_value(done).map_err(|error| Error::Refused {
        slug: "backup-defect",
        reason: format!("what was done cannot be written down: {error}"),
    })
}
