//! Answers about followed databases: what studies need, the list, the whole state for a gateway, orders by hand.

use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_stream::{Stream, iter};
use tonic::Status;
use uuid::Uuid;
use weir_model::Fingerprint;
use weir_proto::cache::v1 as api;
use weir_proto::cache::v1::invalidate_request::Target as What;
use weir_runtime::Ground;
use weir_tags::BUCKETS;
use weir_upstream::{ConnectOptions, Connection};

use super::orders::{is_known, project_of, written};
use super::state::{Log, State};
use super::{Followed, Followers, Known};
use crate::metrics::Metrics;

/// Buckets in one message.
const PART_BUCKETS: usize = 8_192;
/// Every state of a follower, for its gauge.
const STATES: [(api::FollowerState, &str); 5] = [
    (api::FollowerState::Standby, "standby"),
    (api::FollowerState::Starting, "starting"),
    (api::FollowerState::Following, "following"),
    (api::FollowerState::Lagging, "lagging"),
    (api::FollowerState::Blocked, "blocked"),
];

/// The whole state of a database, part by part.
pub(crate) type StateStream = Pin<Box<dyn Stream<Item = Result<api::FetchStateResponse, Status>> + Send>>;

impl Known {
    fn is(&self, upstream: &str, database: &str) -> bool {
        let is_server = upstream.is_empty() || self.servers.iter().any(|server| server == upstream);
        is_server && (database.is_empty() || *self.database == *database)
    }

    /// The log, if it is followed here.
    fn log(&self, known: &State) -> Result<Log, Status> {
        let name = &self.database;
        known.log.clone().ok_or_else(|| match known.state {
            api::FollowerState::Standby => {
                Status::unavailable(format!("database {name} is followed by {}, not here", known.leader))
            }
            _ if known.hindrance.is_empty() => Status::unavailable(format!("database {name} is not followed yet")),
            _ => Status::unavailable(format!("database {name} is not followed: {}", known.hindrance)),
        })
    }
}

impl Followers {
    fn find(&self, upstream: &str, database: &str) -> Result<&Known, Status> {
        let found = self.followers.iter().find(|known| known.is(upstream, database));
        found.ok_or_else(|| {
            Status::not_found(format!(
                "database {database:?} of server {upstream:?} is not followed; see cache.databases"
            ))
        })
    }

    /// A database's follower, as far as studies need it. Empty names stand for the first database there is.
    pub(crate) fn of(&self, upstream: &str, database: &str) -> Result<Followed, Status> {
        let follower = self.find(upstream, database)?;
        let known = follower.shared.lock();
        let log = follower.log(&known)?;
        Ok(Followed {
            epoch: log.epoch.to_string(),
            visible_lsn: log.at.visible_lsn,
            target: log.target,
            tables: known.catalogue.tables.clone(),
            untold: known.catalogue.untold.clone(),
        })
    }

    pub(crate) fn list(&self, request: &api::ListFollowersRequest) -> Result<api::ListFollowersResponse, Status> {
        let wanted = self.followers.iter().filter(|known| known.is(&request.upstream, ""));
        Ok(api::ListFollowersResponse {
            followers: wanted.map(listed).collect(),
        })
    }

    /// The whole state of a database.
    pub(crate) fn state(&self, request: &api::FetchStateRequest) -> Result<StateStream, Status> {
        let follower = self.find(&request.upstream, &request.database)?;
        let log = follower.log(&follower.shared.lock())?;
        let header = api::StateHeader {
            epoch: log.epoch.to_string(),
            sequence: log.sequence,
            applied_lsn: log.at.applied_lsn,
            visible_lsn: log.at.visible_lsn,
            kill_lsn: log.at.kill_lsn,
            horizon_lsn: log.horizon_lsn,
            bucket_count: u32::try_from(BUCKETS).unwrap_or(u32::MAX),
        };
        let header = std::iter::once(api::fetch_state_response::Part::Header(header));
        // The buckets belong to this log alone. What is raised in them meanwhile is told once more by messages.
        let parts = Parts { log, next: 0 };
        let parts = header.chain(parts.map(api::fetch_state_response::Part::Buckets));
        Ok(Box::pin(iter(
            parts.map(|part| Ok(api::FetchStateResponse { part: Some(part) })),
        )))
    }

    pub(crate) async fn invalidate(&self, request: api::InvalidateRequest) -> Result<api::InvalidateResponse, Status> {
        check(&request)?;
        let concerned = self.followers.iter();
        let concerned: Vec<&Known> = concerned
            .filter(|known| known.is(&request.upstream, &request.database))
            .collect();
        if concerned.is_empty() {
            self.find(&request.upstream, &request.database)?;
        }
        let mut receipts = Vec::new();
        for follower in self.having(&concerned, &request)? {
            receipts.push(order(follower, &request, self.invalidate_timeout).await?);
        }
        Ok(api::InvalidateResponse { receipts })
    }

    /// Of the databases concerned, those that have what is meant.
    fn having<'k>(&self, concerned: &[&'k Known], request: &api::InvalidateRequest) -> Result<Vec<&'k Known>, Status> {
        let Some(What::Tag(tag)) = &request.target else {
            return Ok(concerned.to_vec());
        };
        for follower in concerned {
            let known = follower.shared.lock();
            follower.log(&known)?;
        }
        let has = |follower: &&&Known| is_known(&tag.relation, &follower.shared.lock().catalogue);
        let having: Vec<&Known> = concerned.iter().filter(has).copied().collect();
        if having.is_empty() {
            return Err(Status::not_found(format!(
                "there is no table {:?}; write it as schema.name",
                tag.relation
            )));
        }
        Ok(having)
    }
}

/// The buckets that are not zero, some at a time.
struct Parts {
    log: Log,
    next: usize,
}

impl Iterator for Parts {
    type Item = api::StateBuckets;

    fn next(&mut self) -> Option<api::StateBuckets> {
        let mut part = api::StateBuckets::default();
        while self.next < BUCKETS && part.numbers.len() < PART_BUCKETS {
            let lsn = self.log.buckets.get(self.next);
            if lsn > 0 {
                part.numbers.push(u32::try_from(self.next).unwrap_or(u32::MAX));
                part.commit_lsns.push(lsn);
            }
            self.next += 1;
        }
        (!part.numbers.is_empty()).then_some(part)
    }
}

fn check(request: &api::InvalidateRequest) -> Result<(), Status> {
    if project_of(&request.project).is_none() {
        return Err(Status::invalid_argument(format!("{:?} is no project", request.project)));
    }
    match &request.target {
        None => Err(Status::invalid_argument(
            "nothing is named; for everything set `everything`",
        )),
        Some(What::Tag(tag)) if tag.columns.len() != tag.values.len() => {
            Err(Status::invalid_argument("a key needs a value for each of its columns"))
        }
        Some(What::Fingerprint(fingerprint)) => match fingerprint.parse::<Fingerprint>() {
            Ok(_) => Ok(()),
            Err(error) => Err(Status::invalid_argument(error.to_string())),
        },
        Some(_) => Ok(()),
    }
}

/// Writes an order into the log, and waits until it came back and was told.
async fn order(follower: &Known, request: &api::InvalidateRequest, limit: Duration) -> Result<api::Receipt, Status> {
    let log = follower.log(&follower.shared.lock())?;
    let id = Uuid::now_v7().into_bytes();
    let (tell, told) = oneshot::channel();
    follower
        .waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(id, tell);
    let given = async {
        write(follower, &log, &written(id, request)).await?;
        told.await
            .map_err(|_| Status::unavailable("the log was lost; order again"))
    };
    let given = timeout(limit, given).await;
    follower
        .waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&id);
    let (epoch, sequence) = given.map_err(|_| {
        Status::deadline_exceeded(format!(
            "the order did not come back within {limit:?}; it may still be carried out"
        ))
    })??;
    Ok(api::Receipt {
        upstream: follower.upstream.to_string(),
        database: follower.database.to_string(),
        epoch: epoch.to_string(),
        sequence,
    })
}

async fn write(follower: &Known, log: &Log, content: &[u8]) -> Result<(), Status> {
    let options = ConnectOptions {
        timeout: Some(follower.connect_timeout),
        application_name: Some(follower.instance.to_string()),
        // The log has it at once only if it is flushed.
        parameters: vec![("synchronous_commit".to_owned(), "local".to_owned())],
        ..ConnectOptions::default()
    };
    let unavailable = |error: weir_upstream::Error| Status::unavailable(error.to_string());
    let mut connection = Connection::connect(&log.target, options).await.map_err(unavailable)?;
    let hex: String = content.iter().map(|byte| format!("{byte:02x}")).collect();
    let sql = format!("select pg_catalog.pg_logical_emit_message(true, 'weir.invalidate', '\\x{hex}'::bytea)");
    connection.simple_query(&sql).await.map_err(unavailable)?;
    connection.close().await;
    Ok(())
}

fn listed(follower: &Known) -> api::Follower {
    let known = follower.shared.lock();
    let log = known.log.as_ref();
    let at = log.map(|log| log.at).unwrap_or_default();
    let catalogue = &known.catalogue;
    let unix_s = follower.clock.unix_ms().unsigned_abs() / 1_000;
    let mut unfollowed: Vec<api::UnfollowedTable> = catalogue
        .untold
        .iter()
        .map(|(oid, (reason, advice))| api::UnfollowedTable {
            relation: catalogue.name(*oid).to_string(),
            reason: reason.clone(),
            advice: advice.clone(),
        })
        .collect();
    unfollowed.sort_by(|one, other| one.relation.cmp(&other.relation));
    api::Follower {
        upstream: follower.upstream.to_string(),
        database: follower.database.to_string(),
        state: known.state.into(),
        hindrance: known.hindrance.clone(),
        leader: known.leader.clone(),
        epoch: log.map(|log| log.epoch.to_string()).unwrap_or_default(),
        sequence: log.map_or(0, |log| log.sequence),
        applied_lsn: at.applied_lsn,
        visible_lsn: at.visible_lsn,
        kill_lsn: at.kill_lsn,
        lag_p50_ms: known.lags.quantile_ms(0.5, unix_s),
        lag_p99_ms: known.lags.quantile_ms(0.99, unix_s),
        slot: known.slot.clone(),
        retained_wal_bytes: known.retained_wal_bytes,
        ddl_watch: known.ddl_watch.into(),
        unfollowed,
    }
}

/// Mirrors the state of each follower into gauges.
pub(super) fn show(ground: &Ground, followers: &Arc<Followers>, metrics: &Arc<Metrics>) {
    let (followers, metrics) = (followers.clone(), metrics.clone());
    ground.registry.before_scrape(move || {
        for follower in &followers.followers {
            let known = follower.shared.lock();
            let database = &*follower.database;
            for (state, name) in STATES {
                let is = f64::from(u8::from(state == known.state));
                metrics.follower_state.with([database, name]).set(is);
            }
            let at = known.log.as_ref().map(|log| log.at).unwrap_or_default();
            metrics
                .unseen_bytes
                .with([database])
                .set(at.applied_lsn.saturating_sub(at.visible_lsn) as f64);
            metrics.unseen_commits.with([database]).set(known.pending as f64);
            metrics
                .retained_wal_bytes
                .with([database])
                .set(known.retained_wal_bytes as f64);
        }
    });
}
