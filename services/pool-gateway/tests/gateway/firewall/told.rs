//! What is told: once, counted, and without what nobody may read.

use weir_bus::{Bus, Limits};
use weir_proto::events::v1::ViolationAction;
use weir_proto::gateway::v1::ExecuteRequest;
use weir_testkit::{eventually, http_get};
use weir_upstream::{ConnectOptions, Credentials};

use super::{INJECTED, Operator, VIOLATIONS, client, goods, told, try_client, until_told};
use crate::gateway::{Gateway, PATIENCE, assert_refused, database, request};

#[tokio::test]
async fn what_repeats_is_told_at_once_and_then_together() {
    let (database, bus) = (database().await, Bus::in_memory(Limits::default()));
    goods(&database).await;
    let mut listener = bus.subscribe(VIOLATIONS, None).await.unwrap();
    let gateway = Gateway::on_bus(bus, &database.url(), &[("pool_max", "2"), ("firewall", "enforce")]).await;
    let operator = Operator::of(&gateway, &database).await;
    let mut client = client(&gateway, &database).await;
    for number in 0..10 {
        let sql = format!("select name from goods where id = {number}; drop table goods");
        assert!(client.simple_query(&sql).await.is_err());
    }
    client.simple_query("select name from goods").await.unwrap();
    assert_eq!(operator.status().await.blocked, 10);
    let metrics = http_get(gateway.ops_port, "/metrics").await.unwrap().1;
    let line = "weir_security_violations_total{rule=\"stacked-statements\",action=\"blocked\"} 10";
    assert!(metrics.contains(line), "{metrics}");
    gateway.stop().await;
    let violations = told(&mut listener);
    let counts: Vec<_> = violations.iter().map(|violation| violation.count).collect();
    assert_eq!(counts, [1, 9], "{violations:?}");
    assert!(
        violations
            .iter()
            .all(|violation| violation.action() == ViolationAction::Blocked)
    );
    for violation in violations {
        let shown = format!("{violation:?}");
        assert!(!shown.contains("goods"), "{shown}");
    }
}

#[tokio::test]
async fn what_is_only_told_runs_and_what_looks_harmless_is_not_told() {
    let (database, bus) = (database().await, Bus::in_memory(Limits::default()));
    goods(&database).await;
    let mut listener = bus.subscribe(VIOLATIONS, None).await.unwrap();
    let gateway = Gateway::on_bus(bus, &database.url(), &[("pool_max", "2")]).await;
    let operator = Operator::of(&gateway, &database).await;
    let mut client = client(&gateway, &database).await;
    for sql in [
        "select name from goods",
        "select 1",
        "begin",
        "commit",
        "set search_path = public",
    ] {
        client.simple_query(sql).await.unwrap();
    }
    client.simple_query(INJECTED).await.unwrap();
    gateway.run("select 2").await.unwrap();
    let status = operator.status().await;
    assert_eq!((status.reported, status.blocked, status.would_block), (1, 0, 1));
    gateway.stop().await;
    let violations = told(&mut listener);
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert_eq!(violations[0].action(), ViolationAction::Reported);
}

#[tokio::test]
async fn a_project_that_is_not_ones_own_is_told() {
    let (database, bus) = (database().await, Bus::in_memory(Limits::default()));
    let mut listener = bus.subscribe(VIOLATIONS, None).await.unwrap();
    let settings = [("rules", ": project=shop"), ("pool_max", "2")];
    let gateway = Gateway::on_bus(bus, &database.url(), &settings).await;
    let asked = ExecuteRequest {
        project: "bank".to_owned(),
        ..request("select 1")
    };
    assert_refused(
        gateway.execute(asked).await,
        tonic::Code::PermissionDenied,
        "project-fixed",
    );
    let violation = until_told(&mut listener, "project-not-allowed").await;
    assert_eq!(
        (violation.project.as_str(), violation.client.as_str()),
        ("shop", "127.0.0.1")
    );
    let options = ConnectOptions {
        parameters: vec![("options".to_owned(), "-c weir.project=bank".to_owned())],
        ..ConnectOptions::default()
    };
    assert!(try_client(&gateway, &database, "postgres", options).await.is_err());
    // The same within a minute is counted, and told later.
    eventually("the metric", PATIENCE, || async {
        let metrics = http_get(gateway.ops_port, "/metrics").await.unwrap().1;
        let line = "weir_security_violations_total{rule=\"project-not-allowed\",action=\"blocked\"} 2";
        if metrics.contains(line) { Ok(()) } else { Err(metrics) }
    })
    .await;
}

#[tokio::test]
async fn log_ins_that_fail_in_a_row_are_told() {
    let (database, bus) = (database().await, Bus::in_memory(Limits::default()));
    let mut listener = bus.subscribe(VIOLATIONS, None).await.unwrap();
    let gateway = Gateway::on_bus(bus, &database.url(), &[("pool_max", "2")]).await;
    for number in 0..10 {
        let options = ConnectOptions {
            credentials: Some(Credentials::Password(weir_model::Secret::new("guessed"))),
            ..ConnectOptions::default()
        };
        let user = format!("nobody_{number}");
        assert!(try_client(&gateway, &database, &user, options).await.is_err());
    }
    let violation = until_told(&mut listener, "login-failures").await;
    assert_eq!(
        (violation.client.as_str(), violation.fingerprint.as_str()),
        ("127.0.0.1", "")
    );
    eventually("the metric", PATIENCE, || async {
        let metrics = http_get(gateway.ops_port, "/metrics").await.unwrap().1;
        let line = "weir_security_violations_total{rule=\"login-failures\",action=\"blocked\"} 1";
        if metrics.contains(line) { Ok(()) } else { Err(metrics) }
    })
    .await;
}
