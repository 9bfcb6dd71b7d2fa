//! The repositories kept small, safe and provably intact.
//!
//! Everything here may be cut off anywhere and done again: what a step relies on it reads anew, and what it changes it
//! changes by one new generation of the state.

mod collect;
mod copy;
mod expire;
pub(crate) mod leases;
mod mend;
mod rotate;
mod verify;

use std::sync::Arc;

use weir_runtime::{Ground, Stage};

use crate::keeper::Keeper;

pub(crate) use copy::{Copied, copy};
pub(crate) use expire::{ExpiryPlan, expire, plan_expiry};
pub(crate) use mend::{Mended, mend};
pub(crate) use rotate::{Rotated, rotate};
pub(crate) use verify::{Damage, VerifyReport, verify};

/// Looks after the repositories for as long as the service runs, and shows how they stand.
pub(crate) fn start(ground: &Ground, keeper: &Arc<Keeper>) {
    let (repositories, metrics) = (keeper.repositories.clone(), Arc::clone(&keeper.metrics));
    ground.registry.before_scrape(move || {
        for (name, standing) in repositories.standings() {
            metrics
                .repository_up
                .with([name])
                .set(f64::from(u8::from(standing.is_up())));
        }
    });
    let repositories = keeper.repositories.clone();
    ground.tasks.spawn(Stage::Work, "repositories", |stop| async move {
        repositories.watch(stop).await;
        Ok(())
    });
}

#[cfg(test)]
mod tests;
