//! What PostgreSQL would say, the door says.

use std::time::Duration;

use weir_upstream::{ConnectOptions, TransactionStatus};

use super::faults::raw::{Raw, last_error, query, tags};
use super::{Stage, code, value};
use crate::gateway::until_running;

#[tokio::test]
async fn a_client_is_told_of_its_own_settings() {
    let stage = Stage::with_pool(2).await;
    let options = ConnectOptions {
        application_name: Some("shop".to_owned()),
        parameters: vec![("TimeZone".to_owned(), "Asia/Tokyo".to_owned())],
        ..ConnectOptions::default()
    };
    let mut client = stage.try_client(options).await.unwrap();
    assert_eq!(client.parameter("TimeZone"), Some("Asia/Tokyo"));
    assert_eq!(client.parameter("application_name"), Some("shop"));
    assert!(client.parameter("server_version").is_some() && client.process_id() != 0);
    assert_eq!(value(&mut client, "show timezone").await.as_deref(), Some("Asia/Tokyo"));
    assert_eq!(
        value(&mut client, "show application_name").await.as_deref(),
        Some("shop")
    );
    client.simple_query("set timezone = 'Europe/Rome'").await.unwrap();
    assert_eq!(client.parameter("TimeZone"), Some("Europe/Rome"));
    client.simple_query("reset timezone").await.unwrap();
    assert_eq!(value(&mut client, "show timezone").await.as_deref(), Some("Asia/Tokyo"));
}

#[tokio::test]
async fn a_name_that_is_too_long_is_cut_off_and_its_client_told() {
    let stage = Stage::with_pool(1).await;
    let named = |more: &[(&str, &str)]| ConnectOptions {
        application_name: Some("é".repeat(32)),
        parameters: more
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        ..ConnectOptions::default()
    };
    let mut client = stage.try_client(named(&[])).await.unwrap();
    let notices = client.take_notices();
    let (long, short) = ("é".repeat(32), "é".repeat(31));
    assert_eq!(notices.len(), 1);
    assert_eq!(
        (notices[0].severity.as_str(), notices[0].sqlstate.as_str()),
        ("NOTICE", "42622")
    );
    assert_eq!(
        notices[0].message,
        format!("identifier \"{long}\" will be truncated to \"{short}\"")
    );
    assert_eq!(client.parameter("application_name"), Some(short.as_str()));
    let mut silent = stage
        .try_client(named(&[("client_min_messages", "warning")]))
        .await
        .unwrap();
    assert_eq!(silent.take_notices().len(), 0);
}

#[tokio::test]
async fn what_the_options_say_comes_before_the_rest() {
    let stage = Stage::with_pool(1).await;
    let options = ConnectOptions {
        parameters: [("TimeZone", "Asia/Tokyo"), ("options", "-c timezone=Europe/Rome")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        ..ConnectOptions::default()
    };
    let client = stage.try_client(options).await.unwrap();
    assert_eq!(client.parameter("TimeZone"), Some("Asia/Tokyo"));
}

#[tokio::test]
async fn a_server_that_is_ended_has_the_last_word() {
    let stage = Stage::with_pool(1).await;
    let mut client = Raw::log_in(&stage).await;
    client.send(&query("select pg_sleep(30)")).await;
    until_running(&stage.database, "pg_sleep(30)", 1).await;
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where query = 'select pg_sleep(30)'";
    stage.database.psql(end).await;
    let said = client.until_end().await;
    assert_eq!(tags(&said), "TE");
    assert_eq!(last_error(&said), Some(("FATAL".to_owned(), "57P01".to_owned())));
}

#[tokio::test]
async fn a_query_that_listens_hears_what_it_notifies_of() {
    let stage = Stage::with_pool(1).await;
    let mut client = Raw::log_in(&stage).await;
    let mut said = async |sql: &str| {
        client.send(&query(sql)).await;
        tags(&client.until_ready().await)
    };
    assert_eq!(
        said("listen shop; notify shop, 'one'; notify shop, 'two'").await,
        "CCCAAZ"
    );
    assert_eq!(said("unlisten *; notify shop, 'three'").await, "CCZ");
    assert_eq!(
        said("do $$ begin execute 'listen shop'; perform pg_notify('shop', 'four'); end $$").await,
        "CAZ"
    );
    assert_eq!(said("notify shop, 'five'").await, "CZ");
}

#[tokio::test]
async fn a_client_that_cannot_come_in_hears_postgresqls_words() {
    let stage = Stage::with_pool(2).await;
    let wrong = |name: &str, value: &str| ConnectOptions {
        parameters: vec![(name.to_owned(), value.to_owned())],
        ..ConnectOptions::default()
    };
    let refusal = |error: weir_upstream::Error| {
        let server = error.server().unwrap();
        (server.severity.clone(), server.sqlstate.clone(), server.message.clone())
    };
    let (severity, code, message) = refusal(stage.try_client(wrong("TimeZone", "Nowhere")).await.unwrap_err());
    assert_eq!((severity.as_str(), code.as_str()), ("FATAL", "22023"));
    assert!(message.contains("TimeZone") && message.contains("Nowhere"), "{message}");
    let nowhere = ConnectOptions {
        database: Some("nowhere".to_owned()),
        ..ConnectOptions::default()
    };
    let (_, code, message) = refusal(stage.try_client(nowhere).await.unwrap_err());
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("3D000", "database \"nowhere\" does not exist")
    );
}

#[tokio::test]
async fn a_transaction_takes_no_connection_before_its_first_statement() {
    let stage = Stage::with_pool(1).await;
    let (mut waiting, mut other) = (stage.client().await, stage.client().await);
    waiting.simple_query("begin").await.unwrap();
    assert_eq!(waiting.transaction_status(), TransactionStatus::InTransaction);
    assert_eq!(value(&mut other, "select 1").await.as_deref(), Some("1"));
    assert_eq!(value(&mut waiting, "select 2").await.as_deref(), Some("2"));
    assert_eq!(waiting.transaction_status(), TransactionStatus::InTransaction);
    waiting.simple_query("commit").await.unwrap();
    assert_eq!(waiting.transaction_status(), TransactionStatus::Idle);
    // With options it is begun before its first statement is sent.
    waiting
        .simple_query("begin isolation level serializable")
        .await
        .unwrap();
    assert_eq!(
        value(&mut waiting, "show transaction_isolation").await.as_deref(),
        Some("serializable")
    );
    waiting.simple_query("rollback").await.unwrap();
}

#[tokio::test]
async fn errors_keep_their_form_and_the_transaction_its_state() {
    let stage = Stage::with_pool(1).await;
    let mut client = stage.client().await;
    assert_eq!(code(&mut client, "select * from nowhere").await, "42P01");
    client.simple_query("begin").await.unwrap();
    assert_eq!(code(&mut client, "select 1/0").await, "22012");
    assert_eq!(client.transaction_status(), TransactionStatus::Failed);
    assert_eq!(code(&mut client, "select 1").await, "25P02");
    client.simple_query("rollback").await.unwrap();
    assert_eq!(value(&mut client, "select 3").await.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_cancel_reaches_its_own_statement_and_no_other() {
    let stage = Stage::with_pool(2).await;
    let (mut slow, mut other) = (stage.client().await, stage.client().await);
    let cancel = slow.cancel_token();
    let run = async { code(&mut slow, "select pg_sleep(30)").await };
    let ask = async {
        until_running(&stage.database, "pg_sleep(30)", 1).await;
        let bystander = value(&mut other, "select pg_sleep(0.2)::text");
        let (asked, bystander) = tokio::join!(cancel.cancel(), bystander);
        asked.unwrap();
        bystander
    };
    let (code, bystander) = tokio::join!(run, ask);
    assert_eq!((code.as_str(), bystander.as_deref()), ("57014", Some("")));
    // One that comes too late does nothing.
    slow.cancel_token().cancel().await.unwrap();
    for _ in 0..20 {
        assert_eq!(value(&mut slow, "select 1").await.as_deref(), Some("1"));
        assert_eq!(value(&mut other, "select 1").await.as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn a_statement_that_runs_too_long_is_cancelled_in_postgresqls_words() {
    let stage = Stage::with(&[("statement_timeout", "300ms"), ("pool_max", "1")]).await;
    let mut client = stage.client().await;
    let error = client.simple_query("select pg_sleep(30)").await.unwrap_err();
    let server = error.server().unwrap();
    assert_eq!(server.sqlstate, "57014");
    assert_eq!(server.message, "canceling statement due to statement timeout");
    assert_eq!(value(&mut client, "select 1").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_full_pool_is_an_error_with_a_hint() {
    let stage = Stage::with(&[("pool_max", "1"), ("pool_min", "0"), ("acquire_timeout", "200ms")]).await;
    let (mut holder, mut other) = (stage.client().await, stage.client().await);
    holder.simple_query("begin; select 1").await.unwrap();
    let error = other.simple_query("select 1").await.unwrap_err();
    let server = error.server().unwrap();
    assert_eq!(server.sqlstate, "53300");
    assert!(
        server.hint.is_some() && server.message.contains("1 of 1 servers are busy"),
        "{}",
        server.message
    );
    holder.simple_query("commit").await.unwrap();
    assert_eq!(value(&mut other, "select 2").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_session_keeps_its_connection_in_session_mode() {
    let stage = Stage::with(&[("pool_max", "3"), ("pool_min", "0"), ("pool_mode", "session")]).await;
    let (mut one, mut other) = (stage.client().await, stage.client().await);
    let pid = value(&mut one, "select pg_backend_pid()").await;
    for _ in 0..3 {
        assert_ne!(value(&mut other, "select pg_backend_pid()").await, pid);
        assert_eq!(value(&mut one, "select pg_backend_pid()").await, pid);
    }
}

#[tokio::test]
async fn one_who_holds_a_transaction_and_says_nothing_is_disconnected() {
    let stage = Stage::with(&[("pool_max", "1"), ("idle_in_transaction_timeout", "300ms")]).await;
    let mut idle = stage.client().await;
    idle.simple_query("begin; select 1").await.unwrap();
    let mut other = stage.client().await;
    assert_eq!(value(&mut other, "select 1").await.as_deref(), Some("1"));
    tokio::time::timeout(Duration::from_secs(5), async { while idle.ping().await.is_ok() {} })
        .await
        .unwrap();
}
