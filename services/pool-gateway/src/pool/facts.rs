//! A pool as Weir's protocols show it.

use weir_proto::common::v1 as api;

use super::Pool;

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
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
