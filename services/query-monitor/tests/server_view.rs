//! The servers' own view as callers get it: over gRPC, and on the ops port.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use tokio::sync::watch;
use tonic::transport::Channel;
use weir_bus::{Bus, Limits};
use weir_config::Sources;
use weir_model::Clock;
use weir_proto::monitor::v1 as api;
use weir_proto::monitor::v1::monitor_service_client::MonitorServiceClient;
use weir_runtime::{Ground, Outcome, Tasks};
use weir_testkit::{Postgres, eventually, free_port, http_get};
use weir_upstream::{ConnectOptions, Connection, Target};

const SOON: Duration = Duration::from_secs(20);

async fn start(database_url: &str, ops_port: u16) -> (Tasks, MonitorServiceClient<Channel>) {
    let port = free_port();
    let settings = [
        ("DATABASE_URL", database_url.to_owned()),
        ("WEIR_MONITOR__GRPC_LISTEN", format!("127.0.0.1:{port}")),
        ("WEIR_MONITOR__OPS_LISTEN", format!("127.0.0.1:{ops_port}")),
    ];
    let sources = Sources::load(None, settings.map(|(name, value)| (name.to_owned(), value))).unwrap();
    let (_, reloaded) = watch::channel(sources.clone());
    let tasks = Tasks::new();
    let ground = Ground::new(sources, reloaded, tasks.clone(), Clock::system());
    let bus = Bus::in_memory(Limits::default());
    Box::pin(weir_query_monitor::start(ground, bus)).await.unwrap();
    let client = MonitorServiceClient::connect(format!("http://127.0.0.1:{port}"))
        .await
        .unwrap();
    (tasks, client)
}

#[tokio::test]
async fn servers_sessions_and_chains_are_told_to_who_asks() {
    let postgres = Postgres::start().await;
    let database = postgres.database().await;
    database.psql("create table t (a int); insert into t values (1)").await;
    let target = Target::parse(&database.url()).unwrap();
    let open = || Connection::connect(&target, ConnectOptions::default());
    let (mut holder, mut waiter) = (open().await.unwrap(), open().await.unwrap());
    holder.simple_query("begin; update t set a = 4711").await.unwrap();
    let (held, waits) = (holder.process_id(), waiter.process_id());
    let others = Tasks::new();
    others.spawn_short(weir_runtime::Stage::Doors, "waiter", async move {
        let _ = waiter.simple_query("update t set a = 4712").await;
    });

    let ops_port = free_port();
    let (tasks, mut client) = start(&database.url(), ops_port).await;
    let name = format!("127.0.0.1:{}", postgres.port());
    let chain = eventually("the chain", SOON, async || {
        let request = api::ListBlockingRequest { upstream: name.clone() };
        let chains = client
            .list_blocking(request)
            .await
            .map_err(|error| error.to_string())?
            .into_inner()
            .chains;
        chains.into_iter().next().ok_or("none yet".to_owned())
    })
    .await;
    assert_eq!(chain.root.as_ref().unwrap().pid, held);
    assert_eq!(chain.blocked[0].session.as_ref().unwrap().pid, waits);
    let activity = |database: &str, upstream: &str| api::ListActivityRequest {
        upstream: upstream.to_owned(),
        database: database.to_owned(),
    };
    let sessions = client
        .list_activity(activity(database.name(), ""))
        .await
        .unwrap()
        .into_inner()
        .sessions;
    // The monitor's own store is in the same database, and may be at work.
    let ours = |session: &&api::ServerSession| [held, waits].contains(&session.pid);
    let sessions: Vec<&api::ServerSession> = sessions.iter().filter(ours).collect();
    let pids: Vec<i32> = sessions.iter().map(|session| session.pid).collect();
    assert_eq!(pids, [held, waits], "the oldest transaction first");
    assert!(sessions[0].text.ends_with("update t set a = $1"), "{:?}", sessions[0]);
    for request in [activity("other", ""), activity("", "elsewhere:1")] {
        assert!(
            client
                .list_activity(request)
                .await
                .unwrap()
                .into_inner()
                .sessions
                .is_empty()
        );
    }

    let told = client
        .get_server(api::GetServerRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(told.servers.len(), 1);
    let server = &told.servers[0];
    assert!(server.is_up && server.upstream == name && !server.version.is_empty());
    let activity = server.probes.iter().find(|probe| probe.name == "activity").unwrap();
    assert!(
        activity.took_ms > 0.0 && activity.answered_unix_ms > 0 && activity.every_seconds == 5.0,
        "{activity:?}"
    );
    let elsewhere = api::GetServerRequest {
        upstream: "elsewhere:1".to_owned(),
    };
    assert!(
        client
            .get_server(elsewhere)
            .await
            .unwrap()
            .into_inner()
            .servers
            .is_empty()
    );

    let (_, metrics) = http_get(ops_port, "/metrics").await.unwrap();
    for line in [
        format!("weir_server_up{{upstream=\"{name}\"}} 1"),
        format!("weir_server_sessions{{upstream=\"{name}\",state=\"active\",wait_event_type=\"Lock\"}} 1"),
        format!(
            "weir_server_blocked_seconds{{upstream=\"{name}\",database=\"{}\"}}",
            database.name()
        ),
    ] {
        assert!(metrics.contains(&line), "{line} is missing in {metrics}");
    }
    holder.simple_query("rollback").await.unwrap();
    let gone = format!(
        "weir_server_blocked_seconds{{upstream=\"{name}\",database=\"{}\"}} 0.0\n",
        database.name()
    );
    eventually("nobody to be shown as blocked", SOON, async || {
        let (_, metrics) = http_get(ops_port, "/metrics")
            .await
            .map_err(|error| error.to_string())?;
        if metrics.contains(&gone) { Ok(()) } else { Err(metrics) }
    })
    .await;
    others.descend(Duration::ZERO).await;
    assert_eq!(tasks.descend(Duration::from_secs(10)).await, Outcome::Clean);
}
