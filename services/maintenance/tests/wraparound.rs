//! What maintenance answers when it is asked how old the oldest rows are.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use tokio::sync::watch;
use tonic::transport::Channel;
use weir_bus::{Bus, Limits};
use weir_config::Sources;
use weir_model::Clock;
use weir_proto::maintenance::v1 as api;
use weir_proto::maintenance::v1::maintenance_service_client::MaintenanceServiceClient;
use weir_runtime::{Ground, Outcome, Tasks};
use weir_testkit::{Database, Postgres, eventually, free_port, http_get};

const SOON: Duration = Duration::from_secs(30);

struct Maintenance {
    tasks: Tasks,
    client: MaintenanceServiceClient<Channel>,
    ops_port: u16,
}

impl Maintenance {
    async fn of(database: &Database) -> Self {
        let (port, ops_port) = (free_port(), free_port());
        let settings = [
            ("DATABASE_URL", database.url()),
            ("WEIR_MAINTENANCE__GRPC_LISTEN", format!("127.0.0.1:{port}")),
            ("WEIR_MAINTENANCE__OPS_LISTEN", format!("127.0.0.1:{ops_port}")),
            ("WEIR_MAINTENANCE__AGES_EVERY", "200ms".to_owned()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value));
        let sources = Sources::load(None, settings).unwrap();
        let (_, reloaded) = watch::channel(sources.clone());
        let tasks = Tasks::new();
        let ground = Ground::new(sources, reloaded, tasks.clone(), Clock::system());
        Box::pin(weir_maintenance::start(ground, Bus::in_memory(Limits::default())))
            .await
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let client = eventually("maintenance to answer", SOON, async || {
            MaintenanceServiceClient::connect(url.clone()).await
        })
        .await;
        Self {
            tasks,
            client,
            ops_port,
        }
    }

    async fn answer(&self, project: &str) -> Result<Vec<api::WraparoundDatabase>, tonic::Status> {
        let request = api::GetWraparoundRequest {
            project: project.to_owned(),
            tables_max: 3,
        };
        let answer = self.client.clone().get_wraparound(request).await?;
        Ok(answer.into_inner().databases)
    }
}

fn limit<'a>(ids: &'a api::WraparoundIds, name: &str) -> &'a api::WraparoundLimit {
    ids.limits.iter().find(|limit| limit.limit == name).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ages_paces_limits_and_the_plan_are_told() {
    let database = Postgres::shared().await.database().await;
    database
        .psql("create table due (id int) with (autovacuum_freeze_max_age = 100000); create table fine (id int)")
        .await;
    let maintenance = Maintenance::of(&database).await;
    database
        .psql("do $$ begin for i in 1..85000 loop perform pg_current_xact_id(); commit; end loop; end $$")
        .await;
    let seen = eventually("a table that is due", SOON, async || {
        let databases = maintenance.answer("").await.map_err(|error| error.to_string())?;
        let first = databases.into_iter().next().ok_or("no database")?;
        let is_due = first
            .tables
            .first()
            .is_some_and(|table| table.table == "public.due" && table.age >= 85_000);
        if is_due {
            Ok(first)
        } else {
            Err(format!("{:?}", first.tables))
        }
    })
    .await;
    assert_eq!(
        (seen.database.as_str(), seen.away.as_str(), seen.tables.len()),
        (database.name(), "", 3)
    );
    let ids = seen.transactions.as_ref().unwrap();
    assert!(ids.per_second.unwrap() > 0.0 && ids.basis == "recent", "{ids:?}");
    assert_eq!(
        (
            limit(ids, "xid_autovacuum").age,
            limit(ids, "xid_failsafe").age,
            limit(ids, "xid_stop").age
        ),
        (200_000_000, 1_600_000_000, 2_144_483_648)
    );
    let (table, soon) = (&seen.tables[0], limit(ids, "xid_autovacuum").eta_seconds.unwrap());
    assert_eq!(
        (table.ids.as_str(), table.limit, table.urgency.as_str()),
        ("xid", 100_000, "due")
    );
    assert!(
        table.selected && table.reason.contains("at or beyond 80 %"),
        "{table:?}"
    );
    // The database is as near to its limit as its first table.
    assert_eq!(table.eta_seconds, Some(soon));
    assert!(soon < limit(ids, "xid_stop").eta_seconds.unwrap());
    let (_, metrics) = http_get(maintenance.ops_port, "/metrics").await.unwrap();
    let gauge = format!(
        "weir_wraparound_eta_seconds{{database=\"{}\",limit=\"xid_autovacuum\"}}",
        database.name()
    );
    assert!(metrics.contains(&gauge), "{metrics}");
    let refused = maintenance.answer("no project!").await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
    assert_eq!(maintenance.tasks.descend(SOON).await, Outcome::Clean);
}
