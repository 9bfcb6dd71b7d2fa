//! Reads of gRPC calls on replicas, in causal order.
//!
//! A call that brings a token is answered by whoever has replayed the log up to there. Calls without one belong to no
//! session, so all calls of a project count as one: what one of them may have written, the next one finds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::timeout;
use weir_model::Project;
use weir_proto::events::v1::CacheOutcome;
use weir_sql::Statement;

use super::recording::Recording;
use super::session::{Ask, Done, Rows, Sessions};
use crate::error::Error;
use crate::handover::Kin;
use crate::pool::{Common, Reading};
use crate::route::{self, Needs};

/// Projects of which it is remembered when they wrote last.
const PROJECTS_MAX: usize = 10_000;

/// When each project may have written last through this gateway's calls, or through those of the process before.
#[derive(Debug)]
pub(crate) struct Writes {
    common: Arc<Common>,
    kin: Arc<Kin>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    projects: HashMap<Project, u64>,
    /// Of those that are not known by name.
    others: u64,
}

impl Writes {
    /// None where there is one server only.
    pub(crate) fn new(common: &Arc<Common>, kin: &Arc<Kin>) -> Option<Arc<Self>> {
        let writes = Self {
            common: common.clone(),
            kin: kin.clone(),
            known: Mutex::default(),
        };
        common.members.are_several().then(|| Arc::new(writes))
    }

    /// A statement has ended.
    pub(crate) fn note(&self, project: &Project, statement: &Statement) {
        if statement.anywhere && statement.deeds.is_empty() {
            return;
        }
        let now = self.common.members.now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.projects.len() >= PROJECTS_MAX && !known.projects.contains_key(project) {
            known.projects.clear();
            known.others = now;
        }
        known.projects.insert(project.clone(), now);
    }

    fn last(&self, project: &Project) -> u64 {
        let before = self.kin.calls_wrote_until(self.common.members.now());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let own = known.projects.get(project).copied().unwrap_or(known.others);
        own.max(before)
    }
}

impl Sessions {
    /// Runs a statement on a replica, where it may be answered by one. None: the primary is to be asked, and nothing
    /// of an answer has gone on.
    pub(super) async fn try_replica(
        &self,
        ask: &Ask,
        statement: &Statement,
        rows: &mut impl Rows,
        recording: &mut Recording,
    ) -> Option<Result<Done, Error>> {
        let reading = self.replica_for(ask, statement, rows)?;
        let common = self.pools.common();
        recording.is_answered_by(self.origin(ask, &reading.member.name));
        recording.cache = CacheOutcome::Unspecified;
        let ended = self.read_on(&reading, ask, statement, rows, recording).await;
        let again = match &ended {
            Ok(_) => false,
            Err(error) => rows.is_untouched() && may_ask_again(error),
        };
        if !again {
            return Some(ended);
        }
        if ended.is_err_and(|error| error.is_without_server()) {
            common.members.leave_out(&reading.member);
        }
        common.metrics.reads_routed.with(["primary", "sent_again"]).inc();
        recording.is_answered_by(self.origin(ask, &common.members.primary().name));
        None
    }

    fn replica_for(&self, ask: &Ask, statement: &Statement, rows: &impl Rows) -> Option<Reading> {
        let writes = self.writes.as_ref()?;
        let common = self.pools.common();
        let leaves = route::may_leave(statement, route::hint(ask.sql.as_bytes()));
        if !leaves || !common.members.serve_reads() || !rows.is_untouched() {
            return None;
        }
        let needs = match ask.min_position {
            Some(position) => Needs {
                position,
                ..Needs::default()
            },
            None => Needs {
                after: writes.last(&ask.project),
                ..Needs::default()
            },
        };
        let (target, reason, reading) = match common.members.replica_for(needs) {
            Ok(reading) => ("replica", "fit", Some(reading)),
            Err(stays) => ("primary", stays.as_str(), None),
        };
        common.metrics.reads_routed.with([target, reason]).inc();
        reading
    }

    async fn read_on(
        &self,
        reading: &Reading,
        ask: &Ask,
        statement: &Statement,
        rows: &mut impl Rows,
        recording: &mut Recording,
    ) -> Result<Done, Error> {
        let primary = self.pools.get(&ask.database)?;
        let pool = self.pools.sibling(&primary, &reading.member)?;
        recording.waiting();
        let leased = self.ready_lease(&pool, &ask.project, recording.terms.weight).await;
        recording.waited();
        let mut lease = leased?;
        lease.held_by(recording.origin().clone(), recording.statement().clone());
        let limit = recording.terms.statement_timeout;
        let ended = timeout(limit, self.query(ask, statement, rows, recording, &mut lease)).await;
        ended.unwrap_or(Err(Error::StatementTimeout(limit)))
    }
}

/// Whether the primary may have an answer where a replica had this one.
fn may_ask_again(error: &Error) -> bool {
    match error {
        Error::PoolTimeout { .. } | Error::QueueFull { .. } | Error::TooManyPools { .. } => true,
        Error::Upstream(upstream) if upstream.server().is_some() => {
            let sqlstate = upstream.server().map(|server| server.sqlstate.as_bytes());
            sqlstate.and_then(<[u8]>::first_chunk).is_some_and(route::may_ask_again)
        }
        _ => error.is_without_server(),
    }
}
