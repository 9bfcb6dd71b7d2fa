//! Follows the log of each database, and tells gateways what commits made invalid.
//!
//! One instance leads for each database; it reads the log through a slot that goes with its connection, so that nothing
//! is kept for it when it dies. What it loses it never makes up for: a new log is a new epoch, and begins with nothing.

mod answers;
mod catalogue;
mod core;
mod decode;
mod eyes;
mod follower;
mod keeping;
mod lags;
mod lost;
mod managing;
mod news;
mod opening;
mod orders;
mod rows;
mod server;
mod state;
mod tables;
#[cfg(test)]
mod tests;
mod visible;
mod watching;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use weir_bus::Bus;
use weir_footing::Tables;
use weir_model::Clock;
use weir_runtime::{Ground, Stage, StartError};
use weir_upstream::Target;

use crate::metrics::Metrics;
use crate::settings::CacheSettings;
use follower::Follower;
use managing::Manager;
use opening::Way;
use state::Shared;
use watching::{Around, Waiting};

/// Every database that is followed.
#[derive(Debug)]
pub(crate) struct Followers {
    followers: Vec<Known>,
    policy: watch::Sender<u64>,
    invalidate_timeout: Duration,
}

/// One database that is followed, as those see it who ask.
#[derive(Debug)]
struct Known {
    upstream: Arc<str>,
    /// Names of all servers of the cluster.
    servers: Vec<String>,
    database: Arc<str>,
    shared: Arc<Shared>,
    waiting: Arc<Waiting>,
    connect_timeout: Duration,
    instance: Arc<str>,
    clock: Clock,
}

impl Followers {
    /// Starts to follow.
    pub(crate) fn start(
        ground: &Ground,
        bus: &Bus,
        _tables: &Tables,
        settings: &CacheSettings,
        target: &Target,
        metrics: &Arc<Metrics>,
    ) -> Result<Arc<Self>, StartError> {
        let (policy, generation) = watch::channel(0);
        let (servers, instance) = (settings.targets(target)?, follower::instance());
        let mut followers = Vec::new();
        for database in settings.followed(target) {
            let here: Vec<Target> = servers.iter().map(|server| server.in_database(&database)).collect();
            let known = Known {
                upstream: name_of(target).into(),
                servers: servers.iter().map(name_of).collect(),
                database: database.as_str().into(),
                shared: Arc::default(),
                waiting: Arc::default(),
                connect_timeout: settings.connect_timeout,
                instance: instance.clone(),
                clock: ground.clock.clone(),
            };
            let around = Around {
                bus: bus.clone(),
                clock: ground.clock.clone(),
                metrics: metrics.clone(),
                shared: known.shared.clone(),
                waiting: known.waiting.clone(),
                policy: generation.clone(),
                database: known.database.clone(),
                upstream: known.upstream.clone(),
                tags_max: settings.transaction_tags_max,
            };
            let way = Way {
                target: target.in_database(&database),
                connect_timeout: settings.connect_timeout,
                manager: Manager {
                    may_change: settings.manage,
                    publication: settings.publication.clone(),
                },
                instance: instance.clone(),
            };
            let follower = Follower {
                around,
                way,
                servers: here,
                retry_max: settings.retry_max,
            };
            ground.tasks.spawn(Stage::Work, "follower", |stop| follower.run(stop));
            followers.push(known);
        }
        let followers = Arc::new(Self {
            followers,
            policy,
            invalidate_timeout: settings.invalidate_timeout,
        });
        answers::show(ground, &followers, metrics);
        Ok(followers)
    }

    /// Rules have changed: gateways are told at once. It only goes up.
    pub(crate) fn set_policy_generation(&self, generation: u64) {
        self.policy.send_if_modified(|known| {
            let is_new = generation > *known;
            *known = generation.max(*known);
            is_new
        });
    }
}

/// A server's name, as gateways say it.
fn name_of(target: &Target) -> String {
    format!("{}:{}", target.host(), target.port())
}

/// What a study has to know of the follower of its database.
#[derive(Debug, Clone)]
pub(crate) struct Followed {
    /// The epoch now.
    pub(crate) epoch: String,
    /// Every commit up to here was visible before the question was asked.
    pub(crate) visible_lsn: u64,
    /// Where the database is.
    pub(crate) target: Target,
    /// The tables whose changes are told, by number; what is not in it cannot be cached.
    pub(crate) tables: Arc<std::collections::HashMap<u32, Told>>,
    /// Why a table is not told, by number, with advice.
    pub(crate) untold: Arc<std::collections::HashMap<u32, (String, String)>>,
}

/// How changes of a table are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// `schema.name`.
    pub(crate) name: String,
    /// Columns by which changes of rows are told with [`weir_tags::Tag::row`]: old and new value of each are in the log.
    pub(crate) columns: Vec<String>,
}
