//! The list in the store: beyond a restart, for other gateways, and while the store is away.

use weir_proto::gateway::v1::{FirewallMode, FirewallShapeState};
use weir_testkit::eventually;

use super::{Operator, client, goods};
use crate::gateway::{Gateway, PATIENCE, database};
use crate::wire::{code, value};

const TABLES: &str = "select count(*) from pg_tables where schemaname = 'weir_gateway' and tablename like 'firewall%'";
const SETTINGS: &[(&str, &str)] = &[
    ("firewall_store", "true"),
    ("firewall_strictness", "strict"),
    ("pool_max", "2"),
];

#[tokio::test]
async fn the_list_outlives_its_process_and_reaches_another() {
    let database = database().await;
    goods(&database).await;
    let first = Gateway::start(&database.url(), SETTINGS).await;
    let operator = Operator::of(&first, &database).await;
    let mut client_of_first = client(&first, &database).await;
    client_of_first.simple_query("select 1").await.unwrap();
    assert_eq!(database.psql(TABLES).await, "0", "nothing was to be kept yet");
    assert!(!operator.whole_status().await.kept);

    operator.set_mode(FirewallMode::Learn).await;
    client_of_first
        .simple_query("select name from goods where id = 1")
        .await
        .unwrap();
    operator.until_shapes(FirewallShapeState::Learned, 1).await;
    operator.set_mode(FirewallMode::Enforce).await;
    assert_eq!(database.psql(TABLES).await, "2");
    assert!(operator.whole_status().await.kept);

    let second = Gateway::start(&database.url(), SETTINGS).await;
    let other = Operator::of(&second, &database).await;
    let learned = other.until_shapes(FirewallShapeState::Learned, 1).await;
    assert_eq!(learned[0].text, "select name from goods where id = $1");
    let mut client_of_second = client(&second, &database).await;
    assert_eq!(
        value(&mut client_of_second, "select name from goods where id = 2")
            .await
            .as_deref(),
        Some("rice")
    );
    assert_eq!(code(&mut client_of_second, "select id from goods").await, "42501");
    assert_eq!(other.status().await.mode_from, "operator");

    // What is decided at one holds at the other, and so does what is taken back.
    let added = operator.add("select id from goods").await.unwrap();
    other.until_shapes(FirewallShapeState::Approved, 1).await;
    assert_eq!(
        value(&mut client_of_second, "select id from goods").await.as_deref(),
        Some("1")
    );
    assert_eq!(operator.forget(&[&added.id]).await, 1);
    other.until_shapes(FirewallShapeState::Approved, 0).await;
    assert_eq!(code(&mut client_of_second, "select id from goods").await, "42501");

    first.stop().await;
    second.stop().await;
    let third = Gateway::start(&database.url(), SETTINGS).await;
    let operator = Operator::of(&third, &database).await;
    let learned = operator.until_shapes(FirewallShapeState::Learned, 1).await;
    assert!(
        learned[0].count >= 2 && learned[0].first_seen_unix_ms > 0,
        "{learned:?}"
    );
    let mut client_of_third = client(&third, &database).await;
    assert_eq!(code(&mut client_of_third, "select count(*) from goods").await, "42501");
    assert_eq!(
        value(&mut client_of_third, "select name from goods where id = 1")
            .await
            .as_deref(),
        Some("tea")
    );
}

#[tokio::test]
async fn without_its_store_it_goes_on_and_says_so() {
    let database = database().await;
    goods(&database).await;
    // Somebody else's table stands where its own are to be, so that they cannot be made.
    database
        .psql("create schema weir_gateway; create table weir_gateway.firewall_shapes (a int)")
        .await;
    let settings = [SETTINGS, &[("firewall", "learn")]].concat();
    let gateway = Gateway::start(&database.url(), &settings).await;
    let operator = Operator::of(&gateway, &database).await;
    let mut client = client(&gateway, &database).await;
    client
        .simple_query("select name from goods where id = 1")
        .await
        .unwrap();
    eventually("the trouble to be told", PATIENCE, || async {
        let status = operator.whole_status().await;
        let is_said = !status.kept && status.reason.contains("firewall_shapes");
        if is_said { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await;
    operator.set_mode(FirewallMode::Enforce).await;
    assert_eq!(
        value(&mut client, "select name from goods where id = 2")
            .await
            .as_deref(),
        Some("rice")
    );
    assert_eq!(code(&mut client, "select id from goods").await, "42501");
    // When it can be kept, it is.
    database.psql("drop table weir_gateway.firewall_shapes").await;
    eventually("the list to be kept", PATIENCE, || async {
        let status = operator.whole_status().await;
        if status.kept {
            Ok(())
        } else {
            Err(format!("{status:?}"))
        }
    })
    .await;
    assert_eq!(
        database
            .psql("select text from weir_gateway.firewall_shapes where standing = 2")
            .await,
        "select name from goods where id = $1"
    );
    assert_eq!(
        database.psql("select mode from weir_gateway.firewall_modes").await,
        "enforce"
    );
}
