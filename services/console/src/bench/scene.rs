//! The tables that are asked for: made, and removed.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use weir_proto::cache::v1::{CacheMode, DeletePolicyRequest, Policy, PutPolicyRequest, policy::Subject};
use weir_proto::common::v1::PageRequest;
use weir_proto::gateway::v1::PoolStateRequest;
use weir_proto::monitor::v1::ListQueriesRequest;
use weir_upstream::{ConnectOptions, Connection, Target};

use crate::services::Services;

/// How long statements that ran may take to be counted.
const COUNTED_WITHIN: Duration = Duration::from_secs(8);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A schema of two tables alike: results of one are never kept, those of the other always.
#[derive(Debug)]
pub(super) struct Scene {
    direct: Target,
    services: Services,
    schema: String,
    policies: std::sync::Mutex<Vec<String>>,
}

impl Scene {
    pub(super) const fn new(direct: Target, services: Services, schema: String) -> Self {
        Self {
            direct,
            services,
            schema,
            policies: std::sync::Mutex::new(Vec::new()),
        }
    }

    pub(super) fn table(&self, is_cached: bool) -> String {
        format!("{}.{}", self.schema, if is_cached { "items_cached" } else { "items" })
    }

    async fn ask(&self, sql: &str) -> Result<(), String> {
        let made = Connection::connect(&self.direct, ConnectOptions::default()).await;
        let mut connection = made.map_err(|error| format!("PostgreSQL cannot be reached: {error}"))?;
        let answered = connection
            .simple_query(sql)
            .await
            .map(drop)
            .map_err(|error| error.to_string());
        connection.close().await;
        answered
    }

    /// Makes it; the version of the server.
    pub(super) async fn make(&self, rows: u64) -> Result<String, String> {
        let made = Connection::connect(&self.direct, ConnectOptions::default()).await;
        let mut connection = made.map_err(|error| format!("PostgreSQL cannot be reached: {error}"))?;
        let version = connection.parameter("server_version").unwrap_or_default().to_owned();
        let table = |name: &str| {
            format!(
                "create table {0}.{name} (id bigint primary key, note text not null, amount integer not null);
                 insert into {0}.{name} select n, 'item ' || n, n % 1000 from generate_series(1, {rows}) n;
                 analyze {0}.{name};",
                self.schema
            )
        };
        let sql = format!(
            "create schema {}; {} {}",
            self.schema,
            table("items"),
            table("items_cached")
        );
        let answered = connection.simple_query(&sql).await;
        connection.close().await;
        answered.map_err(|error| format!("the tables cannot be made: {error}"))?;
        // Without the cache service there is no cache to be ruled.
        for (is_cached, mode) in [(false, CacheMode::Never), (true, CacheMode::Always)] {
            self.rule(is_cached, mode).await;
        }
        Ok(version)
    }

    async fn rule(&self, is_cached: bool, mode: CacheMode) {
        let policy = Policy {
            subject: Some(Subject::Relation(self.table(is_cached))),
            mode: mode.into(),
            note: "the benchmark's, for as long as it runs".to_owned(),
            ..Policy::default()
        };
        let asked = self.services.ask(PutPolicyRequest { policy: Some(policy) });
        match self.services.cache().put_policy(asked).await {
            Ok(put) => self.policies().extend(put.into_inner().policy.map(|policy| policy.id)),
            Err(status) => tracing::warn!(%status, "the cache is measured as it is ruled"),
        }
    }

    fn policies(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.policies.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) async fn remove(&self) -> Result<(), String> {
        let policies = std::mem::take(&mut *self.policies());
        for id in policies {
            let asked = DeletePolicyRequest { id };
            if let Err(status) = self.services.cache().delete_policy(self.services.ask(asked)).await {
                tracing::warn!(%status, "a rule of the benchmark's stays");
            }
        }
        let dropped = self
            .ask(&format!("drop schema if exists {} cascade", self.schema))
            .await;
        dropped.map_err(|error| format!("schema {} stays: {error}", self.schema))
    }

    /// Connections that the gateway has opened to this database so far; nothing where there is none to be asked.
    pub(super) async fn connections_opened(&self, is_pooled: bool) -> Option<u64> {
        if !is_pooled {
            return None;
        }
        let asked = self.services.ask(PoolStateRequest::default());
        let told = self.services.gateway().pool_state(asked).await.ok()?.into_inner();
        let own = told.pools.iter().filter(|pool| pool.database == self.direct.database());
        Some(own.map(|pool| pool.opened_total).sum())
    }

    /// Answers from memory, of those that could be, as the monitor has counted them.
    pub(super) async fn hit_ratio(&self, since_unix_ms: i64, calls: u64) -> Option<f64> {
        let begun = Instant::now();
        loop {
            let (counted, hits, misses) = self.counted(since_unix_ms).await?;
            if counted >= calls || begun.elapsed() > COUNTED_WITHIN {
                return (hits + misses > 0).then(|| hits as f64 / (hits + misses) as f64);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn counted(&self, since_unix_ms: i64) -> Option<(u64, u64, u64)> {
        let asked = ListQueriesRequest {
            search: self.table(true),
            since_unix_ms,
            page: Some(PageRequest {
                size: 100,
                token: String::new(),
            }),
            ..ListQueriesRequest::default()
        };
        let told = self
            .services
            .monitor()
            .list_queries(self.services.ask(asked))
            .await
            .ok()?
            .into_inner();
        let sums = told.queries.iter().fold((0, 0, 0), |(calls, hits, misses), query| {
            (
                calls + query.calls,
                hits + query.cache_hits,
                misses + query.cache_misses,
            )
        });
        Some(sums)
    }
}
