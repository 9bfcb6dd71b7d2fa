//! A pool that is held by calls: they are named as sessions are.

use arrow_flight::sql::client::FlightSqlServiceClient;
use tokio::time::Instant;
use tonic::transport::Channel;
use weir_proto::gateway::v1::transaction_request::Step;
use weir_proto::gateway::v1::{Begin, ExecuteRequest, TransactionStatement};
use weir_testkit::{eventually, http_get};
use weir_upstream::Row;

use super::Stage;
use crate::gateway::{Gate, PATIENCE, request};
use crate::transaction::{COMMIT, Caller};

fn from(project: &str, application: &str) -> Begin {
    Begin {
        project: project.to_owned(),
        application: application.to_owned(),
        ..Begin::default()
    }
}

/// What one is told who waits in vain.
async fn told(stage: &Stage) -> String {
    let error = stage.client().await.simple_query("select 1").await.unwrap_err();
    let refused = error.server().unwrap();
    assert_eq!(refused.sqlstate, "53300");
    refused.message.clone()
}

/// State and application of each server.
async fn servers(stage: &Stage) -> Vec<(String, String)> {
    let rows = stage.console().await.simple_query("SHOW SERVERS").await.unwrap();
    let cell = |row: &Row, column: &str| row.get(column).unwrap().to_owned();
    let mut servers: Vec<_> = rows
        .iter()
        .map(|row| (cell(row, "state"), cell(row, "application_name")))
        .collect();
    servers.sort();
    servers
}

async fn leaks(stage: &Stage) -> u32 {
    let (_, metrics) = http_get(stage.gateway.ops_port, "/metrics").await.unwrap();
    let line = metrics.lines().find(|line| line.starts_with("weir_pool_leaks_total{"));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn transactions_of_calls_are_named_and_told_of_when_they_are_forgotten() {
    let settings = [
        ("pool_max", "3"),
        ("acquire_timeout", "1500ms"),
        ("leak_after", "1s"),
        ("transaction_idle_timeout", "1h"),
    ];
    let stage = Stage::with(&settings).await;
    let begun = Instant::now();
    let mut orders = Caller::begin(&stage.gateway, from("shop", "orders")).await;
    orders.run("select 'secret'  ||  'word'").await.unwrap();
    let channel = Channel::from_shared(format!("http://127.0.0.1:{}", stage.gateway.grpc_port)).unwrap();
    let mut flight = FlightSqlServiceClient::new(channel.connect().await.unwrap());
    let id = flight.begin_transaction().await.unwrap();
    let gate = Gate::shut(&stage.database).await;
    let call = stage.gateway.begin(ExecuteRequest {
        application: "report".to_owned(),
        ..request(Gate::PASS)
    });
    stage.gateway.until_pool("a full pool", |pool| pool.active == 3).await;

    let said = told(&stage).await;
    for part in [
        "3 of 3 servers are busy: 2 idle in transaction, 1 running statements, held longest by user postgres, \
         application orders (gRPC transaction of project shop) for ",
        "last statement: select $1 || $2; 1 wait",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said:?}");
    }
    let held: u64 = said
        .split(" for ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(held >= 1 && held <= begun.elapsed().as_secs(), "{said}");
    let refused = stage.gateway.run("select 1").await.unwrap_err();
    assert!(refused.message().contains("application orders"), "{refused:?}");
    // Both transactions that say nothing are leaks by now, and the call that runs is none. Each is told of once.
    assert_eq!(leaks(&stage).await, 2);
    let names = [
        ("active", "report"),
        ("idle in transaction", ""),
        ("idle in transaction", "orders"),
    ];
    let names = names.map(|(state, name)| (state.to_owned(), name.to_owned()));
    assert_eq!(servers(&stage).await, names);

    // One that says something and then nothing again is told of again.
    orders.run("select 2").await.unwrap();
    eventually("the next leak", PATIENCE, || async {
        let leaks = leaks(&stage).await;
        if leaks == 3 { Ok(()) } else { Err(leaks.to_string()) }
    })
    .await;
    // A step that runs is not idle.
    let step = TransactionStatement {
        sql: Gate::PASS.to_owned(),
        ..TransactionStatement::default()
    };
    orders.send(Step::Execute(step)).await;
    eventually("both at the gate", PATIENCE, || async {
        let crowd = gate.crowd(&stage.database).await;
        if crowd == 2 { Ok(()) } else { Err(crowd.to_string()) }
    })
    .await;
    let said = told(&stage).await;
    let parts = "busy: 1 idle in transaction, 2 running statements, held longest by user postgres, application orders";
    assert!(
        said.contains(parts) && said.contains("last statement: select pg_advisory_xact_lock_shared($1)"),
        "{said}"
    );

    gate.open().await;
    call.await.unwrap().unwrap();
    flight
        .end_transaction(id, arrow_flight::sql::EndTransaction::Rollback)
        .await
        .unwrap();
    while orders
        .next()
        .await
        .unwrap()
        .unwrap()
        .part
        .is_some_and(|part| !matches!(part, weir_proto::gateway::v1::transaction_response::Part::Summary(_)))
    {}
    assert!(orders.end(COMMIT).await.0);
    stage.gateway.until_pool("a quiet pool", |pool| pool.active == 0).await;
    // Nobody has them any more, whoever had them.
    let idle = ("idle".to_owned(), String::new());
    assert!(servers(&stage).await.iter().all(|server| *server == idle));
}

#[tokio::test]
async fn a_call_is_named_with_what_it_runs() {
    let stage = Stage::with(&[("pool_max", "1"), ("acquire_timeout", "1s")]).await;
    let gate = Gate::shut(&stage.database).await;
    let call = stage.gateway.begin(ExecuteRequest {
        project: "shop".to_owned(),
        application: "report".to_owned(),
        ..request(Gate::PASS)
    });
    stage.gateway.until_pool("a full pool", |pool| pool.active == 1).await;
    let said = told(&stage).await;
    for part in [
        "1 of 1 servers are busy: 1 running statements, held longest by user postgres, application report (gRPC call of \
         project shop) for ",
        "last statement: select pg_advisory_xact_lock_shared($1)",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said:?}");
    }
    gate.open().await;
    call.await.unwrap().unwrap();
    // The same server in the hands of a session is that session's alone.
    let mut client = stage.client().await;
    client.simple_query("begin; select 1").await.unwrap();
    let said = told(&stage).await;
    assert!(
        said.contains("1 idle in transaction, held longest by user postgres (client ") && !said.contains("report"),
        "{said}"
    );
}
