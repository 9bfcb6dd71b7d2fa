//! Expiry: what retention gives up, and then what nothing needs any more. The plan that is shown is the plan that is
//! carried out.

use std::collections::BTreeMap;

use serde::Serialize;
use weir_proto::backup::v1 as pb;

use super::collect::{self, Collected, How};
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::orders::ExpireOrder;
use crate::plan::retention::{self, Rules, Verdict};
use crate::repo::Repository;
use crate::repo::state::{BackupState, Position, State};
use crate::settings::{BackupSettings, FileRepository};

/// What a round of expiry would do, in each repository.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ExpiryPlan {
    pub repositories: Vec<RepositoryPlan>,
}

/// What a round would do in one repository.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RepositoryPlan {
    pub repository: String,
    /// Every backup that is not given up yet, the oldest first.
    pub verdicts: Vec<Verdict>,
    /// Log before this would go, but for what backups need. None: nothing.
    pub wal_before: Option<Position>,
    /// Bytes of that log.
    pub wal_bytes: u64,
    /// Bytes of packs that nothing would need any more.
    pub freed_bytes: u64,
}

impl ExpiryPlan {
    /// The plan in the protocol's words. A backup that is in several repositories is given up with the last of them.
    pub(crate) fn told(&self, cluster: &str) -> pb::PlanExpiryResponse {
        let mut verdicts: Vec<pb::ExpiryVerdict> = Vec::new();
        for verdict in self.repositories.iter().flat_map(|plan| &plan.verdicts) {
            match verdicts.iter_mut().find(|told| told.backup_id == verdict.id) {
                Some(told) => merge(told, verdict),
                None => verdicts.push(pb::ExpiryVerdict {
                    backup_id: verdict.id.clone(),
                    expires: verdict.expires(),
                    kept_by: verdict.kept_by.iter().map(|rule| (*rule).to_owned()).collect(),
                }),
            }
        }
        let log = self
            .repositories
            .iter()
            .filter_map(|plan| Some((plan.wal_before?, plan.wal_bytes)));
        let wal = log.map(|(before, bytes)| pb::WalExpiry {
            cluster: cluster.to_owned(),
            before: Some(pb::LogPosition {
                timeline: before.timeline,
                lsn: before.lsn,
            }),
            bytes,
        });
        pb::PlanExpiryResponse {
            verdicts,
            wal: wal.collect(),
            freed_bytes_estimate: self
                .repositories
                .iter()
                .map(|plan| plan.freed_bytes + plan.wal_bytes)
                .sum(),
        }
    }
}

fn merge(told: &mut pb::ExpiryVerdict, verdict: &Verdict) {
    told.expires &= verdict.expires();
    for rule in &verdict.kept_by {
        if !told.kept_by.iter().any(|known| known == rule) {
            told.kept_by.push((*rule).to_owned());
        }
    }
}

/// What a round of expiry did.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Expired {
    /// In each repository.
    pub repositories: BTreeMap<String, RoundEffect>,
}

/// What a round did in one repository.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct RoundEffect {
    /// Backups that were given up.
    pub expired: Vec<String>,
    /// What was collected.
    #[serde(flatten)]
    pub collected: Collected,
    /// Why nothing, or not all of it, was done. Empty: all was.
    pub trouble: String,
}

/// The rules for one repository.
pub(crate) fn rules(settings: &BackupSettings, repository: &FileRepository) -> Rules {
    let projects = settings.projects.0.iter();
    Rules {
        days: settings.retention_days,
        count: settings.retention_count,
        daily: settings.retention_daily,
        weekly: settings.retention_weekly,
        monthly: settings.retention_monthly,
        projects: projects
            .filter_map(|project| Some((project.project.clone(), project.retention_days?)))
            .collect(),
        lock_days: repository.object_lock_days,
        wal_days: settings.wal_retention_days,
    }
}

/// What a round of expiry would do now. Changes nothing.
pub(crate) async fn plan_expiry(keeper: &Keeper, order: &ExpireOrder) -> Result<ExpiryPlan, Error> {
    check_cluster(keeper, order)?;
    let mut plan = ExpiryPlan::default();
    for name in keeper.repositories.meant(&order.repository)? {
        let repository = keeper.repositories.get(name).await?;
        let rules = rules(&keeper.settings, keeper.repositories.setting(name)?);
        plan.repositories.push(plan_one(keeper, &repository, &rules).await?);
    }
    Ok(plan)
}

async fn plan_one(keeper: &Keeper, repository: &Repository, rules: &Rules) -> Result<RepositoryPlan, Error> {
    let mut state = repository.state().await?;
    let verdicts = retention::verdicts(&state, rules, keeper.clock.unix_ms());
    give_up(&mut state, &verdicts, keeper.clock.unix_ms());
    let log = retention::log_needs(&state, rules, keeper.clock.unix_ms());
    let freed_bytes = collect::garbage_bytes(repository, &state, &log).await?;
    let wal_bytes = collect::old_log(repository, &state, &log).await?;
    Ok(RepositoryPlan {
        repository: repository.name().to_owned(),
        verdicts,
        wal_before: log.from.filter(|_| wal_bytes.bytes() > 0),
        wal_bytes: wal_bytes.bytes(),
        freed_bytes,
    })
}

/// A round of expiry. What goes wrong in one repository keeps no other from its round.
pub(crate) async fn expire(keeper: &Keeper, order: &ExpireOrder, pace: &Pace) -> Result<Expired, Error> {
    check_cluster(keeper, order)?;
    let (mut done, mut trouble) = (Expired::default(), None);
    let names = keeper.repositories.meant(&order.repository)?;
    for name in &names {
        let mut effect = RoundEffect::default();
        if let Err(error) = expire_one(keeper, name, pace, &mut effect).await {
            if matches!(error, Error::Stopped) {
                return Err(error);
            }
            tracing::warn!(repository = *name, error = %error, "a repository could not be kept small");
            effect.trouble = error.to_string();
            trouble = Some(error);
        }
        done.repositories.insert((*name).to_owned(), effect);
    }
    match trouble {
        Some(error) if done.repositories.values().all(|effect| !effect.trouble.is_empty()) => Err(error),
        _ => Ok(done),
    }
}

async fn expire_one(keeper: &Keeper, name: &str, pace: &Pace, effect: &mut RoundEffect) -> Result<(), Error> {
    let repository = keeper.repositories.get(name).await?;
    let rules = rules(&keeper.settings, keeper.repositories.setting(name)?);
    effect.expired = give_up_now(keeper, &repository, &rules).await?;
    let how = How {
        rules,
        grace: keeper.settings.garbage_grace,
        dead_after: keeper.settings.lease_dead_after,
        now_unix_ms: keeper.clock.unix_ms(),
    };
    let collected = collect::collect(
        &repository,
        keeper.repositories.leases(),
        &how,
        pace,
        &mut effect.collected,
    )
    .await;
    keeper.repositories.remember(&repository).await;
    collected
}

/// Gives up what no rule keeps, in the state as it is when that is written.
async fn give_up_now(keeper: &Keeper, repository: &Repository, rules: &Rules) -> Result<Vec<String>, Error> {
    let now = keeper.clock.unix_ms();
    let state = repository.state().await?;
    if retention::verdicts(&state, rules, now)
        .iter()
        .all(|verdict| !verdict.expires())
    {
        return Ok(Vec::new());
    }
    let given_up = repository.change(|state| {
        let verdicts = retention::verdicts(state, rules, now);
        Ok(give_up(state, &verdicts, now))
    });
    let given_up = given_up.await?;
    for backup in &given_up {
        tracing::info!(repository = repository.name(), backup, "a backup has expired");
    }
    Ok(given_up)
}

fn give_up(state: &mut State, verdicts: &[Verdict], now_unix_ms: i64) -> Vec<String> {
    let mut given_up = Vec::new();
    for verdict in verdicts.iter().filter(|verdict| verdict.expires()) {
        if let Ok(backup) = state.backup_mut(&verdict.id) {
            backup.set_state(BackupState::Expired);
            backup.expired_unix_ms = now_unix_ms;
            given_up.push(verdict.id.clone());
        }
    }
    given_up
}

fn check_cluster(keeper: &Keeper, order: &ExpireOrder) -> Result<(), Error> {
    if order.cluster.is_empty() || order.cluster == keeper.cluster.name {
        return Ok(());
    }
    Err(Error::Field {
        field: "cluster",
        reason: format!("there is no cluster {}", order.cluster),
    })
}
