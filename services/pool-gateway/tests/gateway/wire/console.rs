//! The virtual database `weir`.

use weir_proto::common::v1::Pool;
use weir_proto::gateway::v1 as api;
use weir_proto::gateway::v1::gateway_admin_service_client::GatewayAdminServiceClient;
use weir_upstream::{ConnectOptions, Connection, Row};

use super::{Stage, code, value};
use crate::gateway::PATIENCE;

/// A client of another database.
async fn elsewhere(stage: &Stage) -> Connection {
    let elsewhere = stage.target("postgres");
    Connection::connect(&elsewhere, ConnectOptions::default())
        .await
        .unwrap()
}

#[tokio::test]
async fn it_shows_pools_and_clients_and_ends_one() {
    let stage = Stage::with_pool(1).await;
    let mut client = stage.client().await;
    client.simple_query("begin; select 1").await.unwrap();
    let mut console = stage.console().await;
    let rows = console.simple_query("SHOW CLIENTS").await.unwrap();
    let state = rows.first().unwrap().text("state").unwrap();
    assert_eq!(state, "idle in transaction");
    let rows = console.simple_query("show pools").await.unwrap();
    assert!(rows.iter().any(|row| row.text("sv_active").unwrap() == "1"), "{rows:?}");
    let config = console.simple_query("show config").await.unwrap();
    assert!(
        config
            .iter()
            .any(|row| row.get("key") == Some("gateway.pool_max") && row.get("value") == Some("1"))
    );
    console
        .simple_query(&format!("KILL {}", client.process_id()))
        .await
        .unwrap();
    assert!(client.simple_query("select 1").await.is_err());
    assert_eq!(code(&mut console, "KILL 999999").await, "42704");
    // Those of one database, and nobody else.
    let (mut client, mut other) = (stage.client().await, elsewhere(&stage).await);
    let name = stage.database.name();
    console.simple_query(&format!("KILL {name}")).await.unwrap();
    assert_eq!(code(&mut client, "select 1").await, "57P01");
    assert_eq!(value(&mut other, "select 2").await.as_deref(), Some("2"));
    assert_eq!(code(&mut console, "select 1").await, "42601");
    assert_eq!(code(&mut console, "show nothing").await, "42704");
}

#[tokio::test]
async fn pause_holds_clients_and_resume_lets_them_go_on() {
    let stage = Stage::with_pool(2).await;
    let (mut client, mut console) = (stage.client().await, stage.console().await);
    console.simple_query("PAUSE").await.unwrap();
    let mut asked = std::pin::pin!(value(&mut client, "select 9"));
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), &mut asked).await;
    assert!(early.is_err(), "a paused pool answered");
    console.simple_query("RESUME").await.unwrap();
    let answer = tokio::time::timeout(PATIENCE, asked).await.unwrap();
    assert_eq!(answer.as_deref(), Some("9"));
    assert_eq!(code(&mut console, "PAUSE nowhere").await, "3D000");
}

#[tokio::test]
async fn what_is_given_back_during_a_pause_rests_until_it_is_over() {
    const PID: &str = "select pg_backend_pid()";
    let stage = Stage::with(&[("pool_max", "1"), ("pool_min", "0"), ("idle_timeout", "1h")]).await;
    let (mut holder, mut client, mut console) = (stage.client().await, stage.client().await, stage.console().await);
    let mut other = elsewhere(&stage).await;
    holder.simple_query("begin").await.unwrap();
    let pid = value(&mut holder, PID).await;
    let name = stage.database.name();
    console.simple_query(&format!("PAUSE {name}")).await.unwrap();
    assert_eq!(
        value(&mut other, "select 2").await.as_deref(),
        Some("2"),
        "it is not paused"
    );
    let resume = async {
        stage
            .gateway
            .until_pool("one who waits", |pool| pool.waiting == 1)
            .await;
        holder.simple_query("commit").await.unwrap();
        let rests = |pool: &Pool| pool.waiting == 1 && pool.idle == 1;
        stage.gateway.until_pool("a connection at rest", rests).await;
        console.simple_query("RESUME").await.unwrap();
    };
    let (found, ()) = tokio::join!(value(&mut client, PID), resume);
    assert_eq!(found, pid, "what rested was not used");
    // Where nothing rests, who waited may open a connection.
    console.simple_query("PAUSE").await.unwrap();
    console.simple_query("RECONNECT").await.unwrap();
    stage
        .gateway
        .until_pool("no connection", |pool| pool.idle + pool.active == 0)
        .await;
    let resume = async {
        stage
            .gateway
            .until_pool("one who waits", |pool| pool.waiting == 1)
            .await;
        console.simple_query("RESUME").await.unwrap();
    };
    let (found, ()) = tokio::join!(value(&mut client, PID), resume);
    assert_ne!(found, pid, "it was to be closed");
}

fn cell<'r>(rows: &'r [Row], column: &str) -> &'r str {
    rows.first().unwrap().get(column).unwrap()
}

#[tokio::test]
async fn each_server_is_shown_with_the_client_that_has_it() {
    let stage = Stage::with_pool(2).await;
    let (mut client, mut console) = (stage.client().await, stage.console().await);
    client.simple_query("begin").await.unwrap();
    let pid = value(&mut client, "select pg_backend_pid()").await.unwrap();
    let servers = console.simple_query("SHOW SERVERS").await.unwrap();
    let own: Vec<Row> = servers
        .into_iter()
        .filter(|row| row.get("remote_pid") == Some(&pid))
        .collect();
    assert_eq!(cell(&own, "state"), "idle in transaction");
    assert_eq!(cell(&own, "client"), client.process_id().to_string());
    assert!(cell(&own, "held_ms").parse::<u64>().unwrap() < 20_000);
    client.simple_query("commit").await.unwrap();
    let servers = console.simple_query("SHOW SERVERS").await.unwrap();
    assert!(
        servers
            .iter()
            .all(|row| row.get("state") == Some("idle") && row.get("client") == Some("")),
        "{servers:?}"
    );
    let lists = console.simple_query("SHOW LISTS").await.unwrap();
    let clients = lists.iter().find(|row| row.get("list") == Some("clients")).unwrap();
    assert_eq!(clients.get("items"), Some("1"));
    for table in [
        "users",
        "mem",
        "rules",
        "budgets",
        "totals",
        "databases",
        "version",
        "help",
    ] {
        console.simple_query(&format!("SHOW {table}")).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_done_is_counted_by_database() {
    let stage = Stage::with_pool(2).await;
    let mut console = stage.console().await;
    let mut gone = stage.client().await;
    gone.simple_query("select repeat('x', 1000)").await.unwrap();
    gone.close().await;
    let mut client = stage.client().await;
    client.simple_query("begin; select 1; commit").await.unwrap();
    client.simple_query("begin").await.unwrap();
    client.simple_query("select pg_sleep(0.05)").await.unwrap();
    client.simple_query("commit").await.unwrap();
    stage.gateway.run("select 1").await.unwrap();
    let figure = |rows: &[Row], column: &str| cell(rows, column).parse::<u64>().unwrap();
    let stats = console.simple_query("SHOW STATS").await.unwrap();
    let counts = ["total_xact_count", "total_query_count"].map(|column| figure(&stats, column));
    assert_eq!(counts, [4, 6], "{stats:?}");
    assert!(figure(&stats, "total_sent") >= 1_000 && figure(&stats, "total_received") > 0);
    assert!(figure(&stats, "total_xact_time") >= 50_000 && figure(&stats, "total_query_time") >= 50_000);
    assert!(figure(&stats, "avg_xact_time") >= 10_000);
}

#[tokio::test]
async fn settings_are_set_until_the_next_reload_by_either_door() {
    let stage = Stage::with_pool(2).await;
    let mut console = stage.console().await;
    console.simple_query("SET pool_max = 5").await.unwrap();
    assert_eq!(stage.gateway.pool().await.max, 5);
    let notices = console.take_notices();
    assert!(notices[0].message.contains("until the next RELOAD"), "{notices:?}");
    for (wrong, said) in [
        ("SET pool_mx = 5", "no such setting"),
        ("SET pool_max = many", "whole number"),
        ("SET wire_listen = '127.0.0.1:1'", "at the start only"),
        ("SET rules = 'user=a : x=1'", "rule 1"),
    ] {
        let error = console.simple_query(wrong).await.unwrap_err();
        let message = error.server().unwrap().message.clone();
        assert!(message.contains(said), "{wrong}: {message}");
    }
    let config = console.simple_query("SHOW CONFIG").await.unwrap();
    let own = config
        .iter()
        .find(|row| row.get("key") == Some("gateway.pool_max"))
        .unwrap();
    let shown = ["value", "origin", "changeable"].map(|column| own.get(column).unwrap());
    assert_eq!(shown, ["5", "set while running", "yes"]);
    console.simple_query("RELOAD").await.unwrap();
    assert_eq!(stage.gateway.pool().await.max, 2);

    let address = format!("http://127.0.0.1:{}", stage.gateway.grpc_port);
    let mut admin = GatewayAdminServiceClient::connect(address).await.unwrap();
    let (key, value) = ("gateway.reply_bytes_max".to_owned(), "1000".to_owned());
    let asked = api::SetSettingRequest { key, value };
    admin.set_setting(asked).await.unwrap();
    let large = || stage.gateway.run("select repeat('x', 2000)");
    crate::gateway::assert_refused(large().await, tonic::Code::ResourceExhausted, "reply-too-large");
    let settings = admin
        .get_settings(api::GetSettingsRequest {})
        .await
        .unwrap()
        .into_inner()
        .settings;
    let own = settings
        .iter()
        .find(|one| one.key == "gateway.reply_bytes_max")
        .unwrap();
    assert_eq!((own.value.as_str(), own.changeable), ("1000", true));
    admin.reload(api::ReloadRequest {}).await.unwrap();
    large().await.unwrap();
}

#[tokio::test]
async fn grpc_shows_and_steers_as_the_console_does_and_only_for_the_operator() {
    let stage = Stage::with_pool(2).await;
    let mut client = stage.client().await;
    client.simple_query("select 1").await.unwrap();
    let address = format!("http://127.0.0.1:{}", stage.gateway.grpc_port);
    let mut admin = GatewayAdminServiceClient::connect(address).await.unwrap();
    let show = |table: &str| api::ShowRequest {
        table: table.to_owned(),
    };
    let shown = admin.show(show("clients")).await.unwrap().into_inner();
    assert_eq!((shown.columns[0].as_str(), shown.rows.len()), ("id", 1));
    assert_eq!(shown.rows[0].values[0], client.process_id().to_string());
    assert!(admin.show(show("nothing")).await.is_err());
    let database = shown.rows[0].values[2].clone();
    let paused = admin
        .pause(api::PauseRequest {
            database: database.clone(),
        })
        .await
        .unwrap();
    assert_eq!(paused.into_inner().pools, 1);
    let shown = admin.show(show("pools")).await.unwrap().into_inner();
    let at = shown.columns.iter().position(|name| name == "paused").unwrap();
    assert_eq!(shown.rows[0].values[at], "1");
    admin.resume(api::ResumeRequest::default()).await.unwrap();
    let nowhere = api::ReconnectRequest {
        database: "nowhere".to_owned(),
    };
    assert!(admin.reconnect(nowhere).await.is_err());
    let whom = Some(api::kill_request::Whom::Database(database));
    assert_eq!(
        admin
            .kill(api::KillRequest { whom })
            .await
            .unwrap()
            .into_inner()
            .clients,
        1
    );
    assert!(client.simple_query("select 1").await.is_err());

    // Somebody who says who he is has to prove it, here too.
    let mut stranger = tonic::Request::new(show("pools"));
    let basic = "Basic cG9zdGdyZXM6Z3Vlc3M=".parse().unwrap();
    stranger.metadata_mut().insert("authorization", basic);
    let refused = admin.show(stranger).await;
    crate::gateway::assert_refused(refused, tonic::Code::Unauthenticated, "caller-unauthenticated");
}
