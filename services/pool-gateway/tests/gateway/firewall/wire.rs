//! The PostgreSQL door: what is refused, what its client hears, and that all goes on afterwards.

use weir_bus::{Bus, Limits};
use weir_proto::events::v1::{Door, ViolationAction};
use weir_proto::gateway::v1::FirewallMode;
use weir_upstream::{Command, ConnectOptions, Connection, Piece, Source, TransactionStatus};

use super::{INJECTED, Operator, VIOLATIONS, client, goods, refusal, try_client, until_told};
use crate::gateway::{Gateway, PATIENCE, database};
use crate::wire::{code, extended, value};

/// Dangerous by its looks, and does nothing.
const HARMLESS: &str = "select name from goods where id = 3; select 1; delete from goods where id = 3";
const ENFORCE: &[(&str, &str)] = &[("firewall", "enforce"), ("pool_max", "2")];

#[tokio::test]
async fn a_dangerous_query_is_refused_and_the_session_goes_on() {
    let (database, bus) = (database().await, Bus::in_memory(Limits::default()));
    goods(&database).await;
    let mut listener = bus.subscribe(VIOLATIONS, None).await.unwrap();
    let gateway = Gateway::on_bus(bus, &database.url(), ENFORCE).await;
    let mut client = client(&gateway, &database).await;
    let error = client.simple_query(INJECTED).await.unwrap_err();
    let said = error.server().unwrap();
    assert_eq!((said.sqlstate.as_str(), said.severity.as_str()), ("42501", "ERROR"));
    assert!(said.message.contains("stacked-statements"), "{said:?}");
    assert!(said.hint.as_deref().unwrap().contains("firewall.md"), "{said:?}");
    assert!(!said.message.contains("goods"), "{said:?}");
    assert_eq!(client.transaction_status(), TransactionStatus::Idle);
    assert_eq!(
        value(&mut client, "select name from goods where id = 2")
            .await
            .as_deref(),
        Some("rice")
    );
    // By the extended protocol it fails where it is parsed.
    let refused = extended(&mut client, INJECTED).await.unwrap_err();
    assert_eq!(refused.server().unwrap().sqlstate, "42501");
    assert_eq!(
        extended(&mut client, "select name from goods")
            .await
            .unwrap()
            .as_deref(),
        Some("tea")
    );
    assert_eq!(database.psql("select count(*) from goods").await, "2");
    let violation = until_told(&mut listener, "stacked-statements").await;
    assert_eq!(
        (violation.action(), violation.door()),
        (ViolationAction::Blocked, Door::Wire)
    );
    assert_eq!(
        (violation.client.as_str(), violation.user.as_str()),
        ("127.0.0.1", "postgres")
    );
    assert!(
        violation.score >= 50 && violation.count == 1 && violation.fingerprint.len() == 16,
        "{violation:?}"
    );
    let shown = format!("{violation:?}");
    assert!(!shown.contains("drop table"), "{shown}");
}

#[tokio::test]
async fn in_a_transaction_it_fails_as_with_any_error() {
    let database = database().await;
    goods(&database).await;
    let gateway = Gateway::start(&database.url(), ENFORCE).await;
    let mut client = client(&gateway, &database).await;
    // Once before any statement of it has gone to a server, and once after.
    for first in ["begin", "begin; update goods set name = 'x' where id = 1"] {
        client.simple_query(first).await.unwrap();
        assert_eq!(code(&mut client, INJECTED).await, "42501", "{first}");
        assert_eq!(client.transaction_status(), TransactionStatus::Failed);
        assert_eq!(code(&mut client, "select 1").await, "25P02");
        client.simple_query("commit").await.unwrap();
        assert_eq!(client.transaction_status(), TransactionStatus::Idle);
    }
    client.simple_query("begin; savepoint a").await.unwrap();
    assert_eq!(code(&mut client, INJECTED).await, "42501");
    client
        .simple_query("rollback to a; update goods set name = 'y' where id = 1; commit")
        .await
        .unwrap();
    assert_eq!(
        database
            .psql("select string_agg(name, ' ' order by id) from goods")
            .await,
        "y rice"
    );
}

#[tokio::test]
async fn a_pipeline_goes_on_behind_its_sync() {
    let database = database().await;
    goods(&database).await;
    let gateway = Gateway::start(&database.url(), ENFORCE).await;
    let mut client = client(&gateway, &database).await;
    let mut pipeline = client.pipeline().unwrap();
    // One batch with the statement in the middle, and one behind it.
    for sql in ["update goods set name = 'gone' where id = 1", INJECTED, "select 7"] {
        pipeline.push(&Command::text(sql, &[])).unwrap();
    }
    pipeline.sync();
    pipeline
        .push(&Command::text("select name from goods where id = 1", &[]))
        .unwrap();
    pipeline.sync();
    let mut heard = Vec::new();
    while let Some(piece) = pipeline.next().await.unwrap() {
        match piece {
            Piece::Done(done) => heard.push(done.tag),
            Piece::Failed(error) => heard.push(error.sqlstate),
            Piece::Ready(_) => heard.push("ready".to_owned()),
            Piece::Rows(batch) => {
                let row = batch.rows().next().unwrap();
                let bytes = row.values().next().flatten().unwrap();
                heard.push(String::from_utf8_lossy(bytes).into_owned());
            }
            Piece::Columns(_) => {}
        }
    }
    assert_eq!(heard, ["UPDATE 1", "42501", "ready", "tea", "SELECT 1", "ready"]);
}

#[tokio::test]
async fn what_was_prepared_before_is_refused_when_it_is_run() {
    let database = database().await;
    goods(&database).await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "2")]).await;
    let operator = Operator::of(&gateway, &database).await;
    let mut client = client(&gateway, &database).await;
    client.simple_query("prepare early as select 1").await.unwrap();
    let sql = "select name from goods where id = 1 union select rolname::text from pg_authid";
    let prepared = client.prepare(sql, &[]).await.unwrap();
    operator.set("firewall", "enforce").await;
    until_refused(&mut client, HARMLESS, true).await;
    let command = Command {
        source: Source::Named(prepared.name()),
        parameters: &[],
        formats: &[],
    };
    let refused = match client.run(&command).await {
        Ok(rows) => rows.finish().await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(refused.server().unwrap().sqlstate, "42501");
    assert_eq!(value(&mut client, "execute early").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn what_is_forbidden_is_so_for_roles_that_are_no_superusers() {
    let database = database().await;
    goods(&database).await;
    let role = format!("{}_plain", database.name());
    database
        .psql(&format!("create role {role} login; alter table goods owner to {role}"))
        .await;
    let gateway = Gateway::start(&database.url(), &[("firewall", "enforce"), ("pool_max", "2")]).await;
    let operator = Operator::of(&gateway, &database).await;
    let grant = "grant select on goods to public";
    let mut plain = try_client(&gateway, &database, &role, ConnectOptions::default())
        .await
        .unwrap();
    let (code, message) = refusal(&mut plain, grant).await;
    assert_eq!(code, "42501");
    assert!(message.contains("privilege-change"), "{message}");
    client(&gateway, &database).await.simple_query(grant).await.unwrap();
    operator
        .set("rules", &format!("user={role} : firewall_forbidden=false"))
        .await;
    until_refused(&mut plain, grant, false).await;
    drop(plain);
    gateway.stop().await;
    database
        .psql(&format!(
            "alter table goods owner to postgres; drop owned by {role}; drop role {role}"
        ))
        .await;
}

#[tokio::test]
async fn a_mode_changes_while_sessions_are_open() {
    let database = database().await;
    goods(&database).await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "2")]).await;
    let operator = Operator::of(&gateway, &database).await;
    let mut client = client(&gateway, &database).await;
    let harmful = HARMLESS;
    client.simple_query(harmful).await.unwrap();
    assert_eq!(operator.status().await.blocked, 0);
    let name = database.name();
    for (rules, refuses) in [
        (format!("database={name} : firewall=enforce"), true),
        (format!("database={name} application=other : firewall=enforce"), false),
        (format!("database={name} user=postgres : firewall=enforce"), true),
        (String::new(), false),
    ] {
        operator.set("rules", &rules).await;
        until_refused(&mut client, harmful, refuses).await;
    }
    operator.set("firewall", "enforce").await;
    until_refused(&mut client, harmful, true).await;
    // What an operator sets goes before the settings.
    operator.set_mode(FirewallMode::Monitor).await;
    until_refused(&mut client, harmful, false).await;
    let status = operator.status().await;
    assert_eq!(
        (status.mode(), status.mode_from.as_str()),
        (FirewallMode::Monitor, "operator")
    );
    operator.set_mode(FirewallMode::Unspecified).await;
    until_refused(&mut client, harmful, true).await;
    assert_eq!(operator.status().await.mode_from, "settings");
}

/// Sends a statement until it is refused, or no longer.
pub(super) async fn until_refused(client: &mut Connection, sql: &str, refuses: bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while client.simple_query(sql).await.is_err() != refuses {
        assert!(
            tokio::time::Instant::now() < deadline,
            "it is {refuses} that it should be refused"
        );
    }
}

#[tokio::test]
async fn a_text_that_is_too_long_to_be_read_does_not_get_past() {
    let database = database().await;
    goods(&database).await;
    let settings = [
        ("firewall", "enforce"),
        ("statement_bytes_max", "20000"),
        ("pool_max", "1"),
    ];
    let gateway = Gateway::start(&database.url(), &settings).await;
    let mut client = client(&gateway, &database).await;
    let padding = " ".repeat(300_000);
    for sql in [
        format!("select 1;{padding}drop table goods"),
        format!("select 1 {padding}"),
    ] {
        for begins in [None, Some("begin; select 1")] {
            if let Some(begin) = begins {
                client.simple_query(begin).await.unwrap();
            }
            assert_eq!(code(&mut client, &sql).await, "42501");
            client.simple_query("rollback").await.unwrap();
            assert_eq!(value(&mut client, "select 5").await.as_deref(), Some("5"));
        }
    }
    // What is long and can be read is read.
    let numbers = ["1"; 9_000].join(",");
    let long = format!("select id from goods where id in ({numbers})");
    assert_eq!(value(&mut client, &long).await.as_deref(), Some("1"));
    let long = format!("select id from goods where id in ({numbers}); drop table goods");
    assert_eq!(code(&mut client, &long).await, "42501");
    assert_eq!(database.psql("select count(*) from goods").await, "2");
}
