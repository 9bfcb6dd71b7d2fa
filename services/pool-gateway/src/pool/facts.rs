//! A pool as Weir's protocols show it, and what is counted of it for them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use weir_model::Project;
use weir_proto::common::v1 as api;

use super::Pool;
use crate::client::micros;
use crate::rules;

/// One who was served sooner has not waited.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// Those who had to wait for a connection of a pool.
#[derive(Debug, Default)]
pub(super) struct Waited {
    count: AtomicU64,
    us: AtomicU64,
}

impl Waited {
    pub(super) fn note(&self, waited: Duration) {
        if waited >= WAIT_MIN {
            self.count.fetch_add(1, Ordering::Relaxed);
            self.us.fetch_add(micros(waited), Ordering::Relaxed);
        }
    }
}

impl Pool {
    /// Its figures now.
    pub(crate) fn facts(&self) -> api::Pool {
        let (state, bounds) = (self.state(), self.bounds());
        api::Pool {
            upstream: self.member.name.clone(),
            database: self.key.database.clone(),
            role: self.key.user.clone(),
            total: count(state.idle + state.active),
            idle: count(state.idle),
            active: count(state.active),
            waiting: count(state.waiting),
            max: count(bounds.max),
            min: count(bounds.min),
            opened_total: state.opened_total,
            closed_total: state.closed_total,
        }
    }

    /// Connections that are lent out, and how many there may be. Cheap enough to be asked often.
    pub(crate) fn in_use(&self) -> (usize, usize) {
        self.with_queue(|queue| queue.in_use())
    }

    /// Callers that had to wait and wait no more, and how long all of them together, in microseconds.
    pub(crate) fn waits(&self) -> (u64, u64) {
        let Waited { count, us } = &self.waited;
        (count.load(Ordering::Relaxed), us.load(Ordering::Relaxed))
    }

    /// Its project, as far as the rules know it by its database and user.
    pub(crate) fn project(&self) -> Project {
        let settings = self.common.live();
        let caller = rules::Caller {
            database: &self.key.database,
            user: &self.key.user,
            application: "",
            project: None,
        };
        let project = settings.project_of(caller, None);
        project.unwrap_or_else(|_| settings.default_project.clone())
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
