//! All pools of the gateway: found by database and role, shown, adjusted.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;
use weir_runtime::{Dependency, TaskResult};

use super::{Common, Family, Member, Pool, PoolKey, PoolState, upkeep};
use crate::budget::Budgets;
use crate::error::Error;
use crate::settings::GatewaySettings;

/// All pools of the gateway.
#[derive(Debug)]
pub(crate) struct Pools {
    common: Arc<Common>,
    pools: Mutex<HashMap<PoolKey, Arc<Pool>>>,
    /// What projects may spend, whichever pool they use.
    pub(crate) budgets: Budgets,
}

impl Pools {
    /// No pool yet but that of the URL's own database and role.
    pub(crate) fn new(common: Common) -> Arc<Self> {
        let pools = Arc::new(Self {
            budgets: Budgets::new(common.metrics.clone()),
            common: Arc::new(common),
            pools: Mutex::default(),
        });
        // One pool fits always: the limit is at least one.
        let _ = pools.get("");
        pools
    }

    /// The pool of a database for the URL's own role; of the URL's own database where none is named.
    pub(crate) fn get(&self, database: &str) -> Result<Arc<Pool>, Error> {
        self.of(database, self.common.target.user())
    }

    /// The pool of a database for a role, on the primary.
    pub(crate) fn of(&self, database: &str, user: &str) -> Result<Arc<Pool>, Error> {
        let database = if database.is_empty() {
            self.common.target.database()
        } else {
            database
        };
        self.on(self.common.members.primary(), database, user)
    }

    /// The pool of the same database and role on another server.
    pub(crate) fn sibling(&self, pool: &Pool, member: &Arc<Member>) -> Result<Arc<Pool>, Error> {
        self.on(member, &pool.key.database, &pool.key.user)
    }

    fn on(&self, member: &Arc<Member>, database: &str, user: &str) -> Result<Arc<Pool>, Error> {
        let key = PoolKey {
            database: database.to_owned(),
            user: user.to_owned(),
            member: member.index,
        };
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(&key) {
            return Ok(pool.clone());
        }
        let max = self.common.live().pools_max.max(1);
        if pools.keys().filter(|other| other.member == key.member).count() >= max {
            let database = key.database;
            return Err(Error::TooManyPools { database, max });
        }
        let kin = pools
            .iter()
            .find(|(other, _)| other.database == key.database && other.user == key.user);
        let family: Arc<Family> = kin.map(|(_, pool)| pool.family.clone()).unwrap_or_default();
        let pool = Arc::new(Pool::new(key.clone(), self.common.clone(), member.clone(), family));
        pools.insert(key, pool.clone());
        Ok(pool)
    }

    /// A member ended the gateway's own connection: the idle ones have most likely gone with it.
    pub(super) fn distrust(&self, member: &Member) {
        let own = self.all().into_iter().filter(|pool| pool.member.index == member.index);
        own.for_each(|pool| pool.distrust_idle());
    }

    /// A member is no longer the primary.
    pub(super) fn leave(&self, member: &Member) {
        for pool in self.all() {
            if pool.member.index == member.index {
                pool.leave();
            }
        }
    }

    /// Forgets a pool that has no connection and no caller, such as one for a database that does not exist.
    pub(super) fn forget_if_empty(&self, key: &PoolKey) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = |pool: &Arc<Pool>| Arc::strong_count(pool) == 1 && pool.with_queue(|queue| queue.is_empty());
        if !self.is_own(key) && pools.get(key).is_some_and(unused) {
            pools.remove(key);
        }
    }

    /// Whether it is the pool of the URL's own database and role on the primary.
    pub(super) fn is_own(&self, key: &PoolKey) -> bool {
        key.member == self.common.members.primary_index()
            && key.database == self.common.target.database()
            && key.user == self.common.target.user()
    }

    /// Every pool.
    pub(crate) fn all(&self) -> Vec<Arc<Pool>> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Arc<Pool>> = pools.values().cloned().collect();
        all.sort_by(|a, b| a.key.cmp(&b.key));
        all
    }

    /// The database that callers get who name none.
    pub(crate) fn own_database(&self) -> String {
        self.common.target.database().to_owned()
    }

    /// What the pools have in common.
    pub(crate) fn common(&self) -> &Arc<Common> {
        &self.common
    }

    /// Takes over changed settings, in every pool.
    pub(crate) fn adjust(&self, settings: GatewaySettings) {
        let settings = Arc::new(settings);
        self.common.set_live(settings.clone());
        for pool in self.all() {
            pool.adjust(&settings);
        }
    }

    /// Lets connections go that nobody uses, whatever the settings keep: another process has its own by now.
    pub(crate) fn keep_none_idle(&self) {
        let mut settings = GatewaySettings::clone(&self.common.live());
        settings.pool_min = Some(0);
        self.adjust(settings);
    }

    /// Sets the gauges that mirror the pools. Those of a database's roles are shown as one.
    pub(crate) fn show(&self) {
        let mut databases: BTreeMap<String, (PoolState, usize)> = BTreeMap::new();
        for pool in self.all() {
            let (sum, max) = databases.entry(pool.key.database.clone()).or_default();
            let state = pool.state();
            sum.idle += state.idle;
            sum.active += state.active;
            sum.waiting += state.waiting;
            *max = max.saturating_add(pool.bounds().max);
        }
        for (database, (state, max)) in databases {
            self.show_database(&database, &state, max);
        }
        self.common.members.show();
        self.budgets.show();
    }

    fn show_database(&self, database: &str, state: &PoolState, max: usize) {
        let metrics = &self.common.metrics;
        let set = |name, value: usize| {
            metrics.pool_size.with([database, name]).set(ratio_part(value));
        };
        set("idle", state.idle);
        set("active", state.active);
        set("waiting", state.waiting);
        set("total", state.idle + state.active);
        let utilization = ratio_part(state.active) / ratio_part(max.max(1));
        metrics.pool_utilization_ratio.with([database]).set(utilization);
    }

    /// Keeps the pools in shape until told to stop, then closes them.
    pub(crate) async fn upkeep(self: Arc<Self>, upstream: Dependency, stop: CancellationToken) -> TaskResult {
        upkeep::run(&self, &upstream, &stop).await;
        Ok(())
    }
}

/// Pool sizes are small; a float holds them exactly.
fn ratio_part(value: usize) -> f64 {
    f64::from(u32::try_from(value).unwrap_or(u32::MAX))
}
