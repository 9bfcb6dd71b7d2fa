//! The repositories kept small, safe and provably intact.
//!
//! Everything here may be cut off anywhere and done again: what a step relies on it reads anew, and what it changes it
//! changes by one new generation of the state.

pub(crate) mod collect;
pub(crate) mod copy;
pub(crate) mod expire;
pub(crate) mod leases;
pub(crate) mod mend;
pub(crate) mod rotate;
pub(crate) mod verify;

use std::sync::Arc;

use weir_runtime::{Ground, Stage};

use crate::keeper::Keeper;

pub(crate) use copy::copy;
pub(crate) use expire::{expire, plan_expiry};
pub(crate) use mend::mend;
pub(crate) use rotate::rotate;
pub(crate) use verify::verify;

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
