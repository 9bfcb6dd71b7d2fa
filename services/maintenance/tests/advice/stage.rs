//! Maintenance of one database, whose clock is ahead of the server's: counters that a test made look old.

use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tonic::transport::Channel;
use tonic::{Code, Status};
use weir_bus::{Bus, Limits};
use weir_config::Sources;
use weir_model::Clock;
use weir_proto::maintenance::v1 as api;
use weir_proto::maintenance::v1::maintenance_service_client::MaintenanceServiceClient;
use weir_runtime::{Ground, Outcome, Tasks};
use weir_testkit::{Database, Postgres, eventually, free_port, http_get};

const SOON: Duration = Duration::from_secs(30);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// A server of its own, that each test may change as a whole.
pub(crate) async fn server(settings: &[(&str, &str)]) -> (Postgres, Database) {
    // Values that no rule finds fault with, so that a test sees what it is about.
    let quiet = [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("autovacuum_naptime", "1min"),
        ("track_io_timing", "on"),
        ("idle_in_transaction_session_timeout", "1h"),
    ];
    let all: Vec<(&str, &str)> = quiet.into_iter().chain(settings.iter().copied()).collect();
    let postgres = Postgres::start_with(&all).await;
    let database = postgres.database().await;
    count_anew(&database).await;
    (postgres, database)
}

/// A database of the shared server.
pub(crate) async fn database(sql: &str) -> Database {
    let database = Postgres::shared().await.database().await;
    count_anew(&database).await;
    database.psql(sql).await;
    database
}

/// A server is copied from one that was made earlier, and its counters with it.
async fn count_anew(database: &Database) {
    let counters =
        "select pg_stat_reset_shared(name) from unnest(array['bgwriter', 'archiver', 'wal', 'checkpointer']) name
        where name <> 'checkpointer' or current_setting('server_version_num')::int >= 170000";
    database.psql(counters).await;
}

pub(crate) struct Stage {
    tasks: Tasks,
    pub(crate) client: MaintenanceServiceClient<Channel>,
    pub(crate) clock: Clock,
}

impl Stage {
    /// With a clock that is so far ahead.
    pub(crate) async fn start(url: &str, store: &str, ahead: Duration, settings: &[(&str, &str)]) -> Self {
        let (port, ops_port) = (free_port(), free_port());
        let fixed = [
            ("DATABASE_URL", url.to_owned()),
            ("WEIR_STORE__URL", store.to_owned()),
            ("WEIR_MAINTENANCE__GRPC_LISTEN", format!("127.0.0.1:{port}")),
            ("WEIR_MAINTENANCE__OPS_LISTEN", format!("127.0.0.1:{ops_port}")),
        ];
        let fixed = fixed.map(|(name, value)| (name.to_owned(), value));
        let settings = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let sources = Sources::load(None, fixed.into_iter().chain(settings)).unwrap();
        let (_, reloaded) = watch::channel(sources.clone());
        let (tasks, bus) = (Tasks::new(), Bus::in_memory(Limits::default()));
        let clock = Clock::manual(now() + ahead);
        let ground = Ground::new(sources, reloaded, tasks.clone(), clock.clone());
        Box::pin(weir_maintenance::start(ground, bus)).await.unwrap();
        eventually("maintenance to be ready", SOON, || async {
            let (status, body) = http_get(ops_port, "/readyz").await.map_err(|error| error.to_string())?;
            (status == 200).then_some(()).ok_or(body)
        })
        .await;
        let client = MaintenanceServiceClient::connect(format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        Self { tasks, client, clock }
    }

    /// Its own tables in another database of the shared cluster, a machine of 4 GB with 8 cores and an SSD.
    pub(crate) async fn of(database: &Database, ahead: Duration) -> Self {
        let store = Postgres::shared().await.database().await;
        let machine = [
            ("WEIR_MAINTENANCE__SERVER_MEMORY_BYTES", "4294967296"),
            ("WEIR_MAINTENANCE__SERVER_CORES", "8"),
            ("WEIR_MAINTENANCE__SERVER_STORAGE", "ssd"),
        ];
        Self::start(&database.url(), &store.url(), ahead, &machine).await
    }

    pub(crate) async fn list(&self) -> api::ListAdviceResponse {
        self.list_of("").await
    }

    pub(crate) async fn list_of(&self, project: &str) -> api::ListAdviceResponse {
        let request = api::ListAdviceRequest {
            project: project.to_owned(),
            ..api::ListAdviceRequest::default()
        };
        self.client.clone().list_advice(request).await.unwrap().into_inner()
    }

    pub(crate) async fn ids(&self) -> Vec<String> {
        self.list().await.advice.into_iter().map(|advice| advice.id).collect()
    }

    pub(crate) async fn find(&self, id: &str) -> Option<api::Advice> {
        self.list().await.advice.into_iter().find(|advice| advice.id == id)
    }

    /// Advice that must be there.
    pub(crate) async fn advice(&self, id: &str) -> api::Advice {
        let list = self.list().await;
        let ids: Vec<&String> = list.advice.iter().map(|advice| &advice.id).collect();
        let left: Vec<_> = list
            .left
            .iter()
            .map(|left| format!("{}: {}", left.what, left.reason))
            .collect();
        let found = list.advice.iter().find(|advice| advice.id == id);
        found
            .unwrap_or_else(|| panic!("no {id} in {ids:?}; left: {left:#?}"))
            .clone()
    }

    pub(crate) async fn left(&self, what: &str) -> Option<String> {
        let left = self.list().await.left;
        left.into_iter().find(|left| left.what == what).map(|left| left.reason)
    }

    pub(crate) async fn try_apply(&self, id: &str) -> Result<api::Change, Status> {
        let request = api::ApplyAdviceRequest {
            project: String::new(),
            id: id.to_owned(),
            by: "ann".to_owned(),
            ..api::ApplyAdviceRequest::default()
        };
        let reply = self.client.clone().apply_advice(request).await?;
        Ok(reply.into_inner().change.unwrap())
    }

    pub(crate) async fn apply(&self, id: &str) -> api::Change {
        self.advice(id).await;
        self.try_apply(id).await.unwrap()
    }

    pub(crate) async fn try_revert(&self, change_id: &str) -> Result<api::Change, Status> {
        let request = api::RevertAdviceRequest {
            project: String::new(),
            change_id: change_id.to_owned(),
            ..api::RevertAdviceRequest::default()
        };
        let reply = self.client.clone().revert_advice(request).await?;
        Ok(reply.into_inner().change.unwrap())
    }

    pub(crate) async fn changes(&self) -> Vec<api::Change> {
        let request = api::ListChangesRequest::default();
        self.client
            .clone()
            .list_changes(request)
            .await
            .unwrap()
            .into_inner()
            .changes
    }

    pub(crate) async fn state(&self, id: &str) -> api::ChangeState {
        let changes = self.changes().await;
        changes.iter().find(|change| change.id == id).unwrap().state()
    }

    pub(crate) async fn stop(self) {
        assert_eq!(self.tasks.descend(SOON).await, Outcome::Clean);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the server's counters are stamped by the machine's clock"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// What a refusal says, with its slug.
pub(crate) fn refused(outcome: Result<api::Change, Status>) -> (Code, String, String) {
    let status = outcome.unwrap_err();
    let slug = status
        .metadata()
        .get("weir-error")
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    (status.code(), slug, status.message().to_owned())
}
