//! Maintenance of one database, a client of it, and what it tells.

use std::time::Duration;

use serde_json::Value as Json;
use sqlx::{Connection as _, PgConnection};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use uuid::Uuid;
use weir_bus::{Bus, Consumer, ConsumerOptions, Limits, Message};
use weir_config::Sources;
use weir_events::jobs::{self, Report};
use weir_events::{Event, catalogue};
use weir_model::{Clock, Project};

use weir_proto::events::v1::{JobFailed, JobRequested};
use weir_proto::maintenance::v1 as api;
use weir_proto::maintenance::v1::maintenance_service_client::MaintenanceServiceClient;
use weir_runtime::{Ground, Outcome, Tasks};
use weir_store::outbox;
use weir_testkit::{Database, Postgres, eventually, free_port, http_get};

pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Maintenance of one database, a client of it, and what it tells.
pub(crate) struct Maintenance {
    pub(crate) tasks: Tasks,
    pub(crate) bus: Bus,
    pub(crate) reports: Consumer,
    pub(crate) client: MaintenanceServiceClient<Channel>,
}

impl Maintenance {
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        let (port, ops_port) = (free_port(), free_port());
        let listen = [
            ("WEIR_MAINTENANCE__GRPC_LISTEN", format!("127.0.0.1:{port}")),
            ("WEIR_MAINTENANCE__OPS_LISTEN", format!("127.0.0.1:{ops_port}")),
            ("WEIR_MAINTENANCE__HEARTBEAT_DEAD_AFTER", "2s".to_owned()),
        ];
        let listen = listen.map(|(name, value)| (name.to_owned(), value));
        let url = settings.iter().find(|(name, _)| *name == "DATABASE_URL");
        let database = url.and_then(|(_, url)| url.rsplit('/').next()).unwrap();
        let places = format!(r#"[{{ database = "{database}", project = "shop" }}]"#);
        let places = ("WEIR_MAINTENANCE__DATABASES".to_owned(), places);
        let settings = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings: Vec<_> = settings.collect();
        let is_said = settings.iter().any(|(name, _)| *name == places.0);
        let settings = (!is_said).then_some(places).into_iter().chain(settings);
        let sources = Sources::load(None, listen.into_iter().chain(settings)).unwrap();
        let (_, reloaded) = watch::channel(sources.clone());
        let (tasks, bus) = (Tasks::new(), Bus::in_memory(Limits::default()));
        let stream = outbox::stream_spec(&catalogue::JOBS);
        let reports = jobs::every_report();
        let reports: Vec<&str> = reports.iter().map(|pattern| pattern.as_str()).collect();
        let reports = bus
            .consumer(&stream, "listener", &reports, ConsumerOptions::default())
            .unwrap();
        let ground = Ground::new(sources, reloaded, tasks.clone(), Clock::system());
        Box::pin(weir_maintenance::start(ground, bus.clone())).await.unwrap();
        eventually("maintenance to be ready", SOON, || async {
            let (status, body) = http_get(ops_port, "/readyz").await.map_err(|error| error.to_string())?;
            (status == 200).then_some(()).ok_or(body)
        })
        .await;
        let client = MaintenanceServiceClient::connect(format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        Self {
            tasks,
            bus,
            reports,
            client,
        }
    }

    /// Its own tables beside the user's, as it is by default.
    pub(crate) async fn of(database: &Database) -> Self {
        Self::start(&[("DATABASE_URL", &database.url())]).await
    }

    /// Tells of a request, under an event id of its own each time.
    pub(crate) async fn request(&self, request: &JobRequested) {
        let event: Event = jobs::requested(&shop(), request, &Clock::system());
        let message = Message {
            subject: event.subject.to_string(),
            headers: Vec::new(),
            payload: event.payload,
        };
        let stream = outbox::stream_spec(&catalogue::JOBS);
        let id = event.id.to_string();
        self.bus.publish_durable(&stream, &id, message, SOON).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Report {
        let next = tokio::time::timeout(SOON, self.reports.next(&CancellationToken::new())).await;
        let Ok(Some(delivery)) = next else {
            panic!("nothing was reported");
        };
        delivery.ack().await.unwrap();
        let read = jobs::report(&delivery.message.subject, &delivery.message.payload).unwrap();
        let (project, report) = read.unwrap();
        assert_eq!(project, shop());
        report
    }

    /// The next report that is no progress.
    pub(crate) async fn next_step(&mut self) -> Report {
        loop {
            match self.next().await {
                Report::Progress(_) => {}
                step => return step,
            }
        }
    }

    /// Requests a job and returns what it says it changed.
    pub(crate) async fn effect_of(&mut self, request: &JobRequested) -> Json {
        self.request(request).await;
        self.effect(&request.job_id).await
    }

    pub(crate) async fn effect(&mut self, job_id: &str) -> Json {
        loop {
            match self.next_step().await {
                Report::Succeeded(done) => {
                    assert_eq!(done.job_id, job_id);
                    return serde_json::from_str(&done.effect_json).unwrap();
                }
                Report::Failed(failed) => panic!("{failed:?}"),
                _ => {}
            }
        }
    }

    pub(crate) async fn failure_of(&mut self, request: &JobRequested) -> JobFailed {
        self.request(request).await;
        loop {
            match self.next_step().await {
                Report::Failed(failed) => return failed,
                Report::Succeeded(done) => panic!("{done:?}"),
                _ => {}
            }
        }
    }

    pub(crate) async fn plan(&self, table: &str) -> Vec<api::Candidate> {
        let request = api::PlanRequest {
            project: "shop".to_owned(),
            operation: "analyze".to_owned(),
            table: table.to_owned(),
            ..api::PlanRequest::default()
        };
        self.client.clone().plan(request).await.unwrap().into_inner().candidates
    }

    pub(crate) async fn job(&self, id: &str) -> api::Job {
        let request = api::GetJobRequest {
            id: id.to_owned(),
            project: "shop".to_owned(),
        };
        self.client
            .clone()
            .get_job(request)
            .await
            .unwrap()
            .into_inner()
            .job
            .unwrap()
    }

    pub(crate) async fn stop(self) {
        assert_eq!(self.tasks.descend(SOON).await, Outcome::Clean);
    }
}

pub(crate) fn shop() -> Project {
    Project::parse("shop").unwrap()
}

pub(crate) fn analyze(parameters: &str) -> JobRequested {
    job("analyze", parameters)
}

/// A request that an operator made.
pub(crate) fn job(operation: &str, parameters: &str) -> JobRequested {
    JobRequested {
        job_id: Uuid::now_v7().to_string(),
        project: "shop".to_owned(),
        operation: operation.to_owned(),
        parameters_json: parameters.to_owned(),
        requested_by: "operator".to_owned(),
        ..JobRequested::default()
    }
}

/// A database with tables that changed by so many rows. A session's statistics are there when it has ended.
pub(crate) async fn changed(database: &Database, tables: &[(&str, u32)]) {
    for (table, rows) in tables {
        let insert = format!("create table {table} (id int); insert into {table} select generate_series(1, {rows})");
        database.psql(&insert).await;
    }
}

pub(crate) async fn database_with(tables: &[(&str, u32)]) -> Database {
    let database = Postgres::shared().await.database().await;
    changed(&database, tables).await;
    database
}

/// Names of the tables that were ever analysed.
pub(crate) async fn analysed(database: &Database) -> String {
    database
        .psql(
            "select string_agg(relname, ',' order by relname) from pg_stat_user_tables where last_analyze is not null",
        )
        .await
}

pub(crate) fn tables_of(effect: &Json, list: &str) -> Vec<String> {
    let entries = effect[list].as_array().unwrap();
    entries
        .iter()
        .map(|entry| entry["table"].as_str().unwrap().to_owned())
        .collect()
}

/// Holds a table alone until the session is closed.
pub(crate) async fn hold(database: &Database, table: &str) -> PgConnection {
    let mut holder = PgConnection::connect(&database.url()).await.unwrap();
    for statement in [
        "begin".to_owned(),
        format!("lock table {table} in access exclusive mode"),
    ] {
        let statement = sqlx::AssertSqlSafe(statement);
        sqlx::raw_sql(statement).execute(&mut holder).await.unwrap();
    }
    holder
}
