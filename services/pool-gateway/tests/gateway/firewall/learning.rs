//! What the list learns, what it never does, and what is let through then.

use weir_proto::gateway::v1::{FirewallMode, FirewallShapeState};

use super::{INJECTED, Operator, client, goods, refusal};
use crate::gateway::{Gateway, database};
use crate::wire::{code, value};

const LEARN: &[(&str, &str)] = &[
    ("firewall", "learn"),
    ("firewall_strictness", "strict"),
    ("pool_max", "2"),
];
const KNOWN: &str = "select name from goods where name like 'te'";

#[tokio::test]
async fn what_was_learned_passes_and_nothing_else_does() {
    let database = database().await;
    goods(&database).await;
    let gateway = Gateway::start(&database.url(), LEARN).await;
    let operator = Operator::of(&gateway, &database).await;
    let mut client = client(&gateway, &database).await;
    for sql in [
        KNOWN,
        "select name from goods where id = 1",
        "begin; commit",
        INJECTED_HARMLESSLY,
    ] {
        // That one of them is dangerous does not stop it here.
        client.simple_query(sql).await.unwrap();
    }
    assert_eq!(code(&mut client, "select nothing from nowhere").await, "42P01");
    assert_eq!(code(&mut client, "selekt").await, "42601");
    let learned = operator.shapes(FirewallShapeState::Learned).await;
    let mut texts: Vec<_> = learned.iter().map(|shape| shape.text.as_str()).collect();
    texts.sort_unstable();
    assert_eq!(
        texts,
        [
            "select name from goods where id = $1",
            "select name from goods where name like $1"
        ]
    );
    let queued = operator.shapes(FirewallShapeState::Queued).await;
    assert!(
        queued.iter().any(|shape| shape.score >= 50 && !shape.rules.is_empty()),
        "{queued:?}"
    );
    let before = operator.status().await;
    operator.set("firewall", "enforce").await;
    // With what is never learned: the mode takes a moment, and until then what is tried is learned.
    super::wire::until_refused(&mut client, INJECTED_HARMLESSLY, true).await;

    // Known, whatever its values are; but not what looks hostile in them, nor what another arm makes of it.
    assert_eq!(
        value(&mut client, "select name from goods where id = 2")
            .await
            .as_deref(),
        Some("rice")
    );
    assert_eq!(
        value(&mut client, "SELECT name FROM goods WHERE name LIKE 'ri%'")
            .await
            .as_deref(),
        Some("rice")
    );
    let (sqlstate, message) = refusal(&mut client, "select name from goods where id = 1 or 1=1").await;
    assert_eq!(sqlstate, "42501", "{message}");
    let (sqlstate, message) = refusal(&mut client, "select id from goods where name = 'x'").await;
    assert!(sqlstate == "42501" && message.contains("unknown-shape"), "{message}");
    // A transaction may be begun and ended, whatever is on the list.
    client.simple_query("begin").await.unwrap();
    client.simple_query("rollback").await.unwrap();
    let status = operator.status().await;
    assert_eq!(status.effective_mode(), FirewallMode::Enforce);
    assert!(
        status.blocked >= 3 && status.would_block > before.would_block,
        "{status:?}"
    );

    // What was refused waits for a person, who lets it through.
    let queued = operator.shapes(FirewallShapeState::Queued).await;
    let wanted = queued
        .iter()
        .find(|shape| shape.text.starts_with("select id from goods"))
        .unwrap();
    assert_eq!(operator.approve(&[&wanted.id]).await, 1);
    assert_eq!(
        value(&mut client, "select id from goods where name = 'tea'")
            .await
            .as_deref(),
        Some("1")
    );
    let approved = operator.shapes(FirewallShapeState::Approved).await;
    assert_eq!(
        (approved[0].approved_by.as_str(), approved[0].approved_score),
        ("ann", 0)
    );
    assert_eq!(operator.forget(&[&wanted.id]).await, 1);
    assert_eq!(
        code(&mut client, "select id from goods where name = 'tea'").await,
        "42501"
    );
    // One that nobody has sent yet.
    assert_eq!(code(&mut client, "select count(*) from goods").await, "42501");
    operator.add("select count(*) from goods").await.unwrap();
    assert_eq!(
        value(&mut client, "select count(*) from goods").await.as_deref(),
        Some("2")
    );
    assert!(operator.add("selekt").await.is_err());
}

/// Dangerous by its looks, and does nothing.
const INJECTED_HARMLESSLY: &str = "select name from goods where id = 0; delete from goods where id = 0";

#[tokio::test]
async fn a_dangerous_shape_passes_only_when_a_person_has_approved_it_at_its_score() {
    let database = database().await;
    goods(&database).await;
    let gateway = Gateway::start(&database.url(), &[("firewall", "enforce"), ("pool_max", "2")]).await;
    let operator = Operator::of(&gateway, &database).await;
    let mut client = client(&gateway, &database).await;
    assert_eq!(code(&mut client, INJECTED_HARMLESSLY).await, "42501");
    let queued = operator.shapes(FirewallShapeState::Queued).await;
    assert_eq!(queued.len(), 1);
    operator.approve(&[]).await;
    client.simple_query(INJECTED_HARMLESSLY).await.unwrap();
    // The same shape does not make another one known.
    assert_eq!(code(&mut client, INJECTED).await, "42501");
}

#[tokio::test]
async fn nothing_is_learned_of_a_client_that_looks_for_a_hole() {
    let database = database().await;
    goods(&database).await;
    let gateway = Gateway::start(&database.url(), LEARN).await;
    let operator = Operator::of(&gateway, &database).await;
    let mut client = client(&gateway, &database).await;
    client.simple_query("select 1").await.unwrap();
    for number in 0..5 {
        assert_eq!(
            code(&mut client, &format!("select a{number} from goods")).await,
            "42703"
        );
    }
    client.simple_query("select name from goods").await.unwrap();
    let learned = operator.shapes(FirewallShapeState::Learned).await;
    assert_eq!(
        learned.iter().map(|shape| shape.text.as_str()).collect::<Vec<_>>(),
        ["select $1"]
    );
}

#[tokio::test]
async fn an_empty_list_does_not_refuse_everything() {
    let database = database().await;
    goods(&database).await;
    let settings = [
        ("firewall", "enforce"),
        ("firewall_strictness", "strict"),
        ("pool_max", "2"),
    ];
    let gateway = Gateway::start(&database.url(), &settings).await;
    let operator = Operator::of(&gateway, &database).await;
    let mut client = client(&gateway, &database).await;
    assert_eq!(
        value(&mut client, "select name from goods where id = 1")
            .await
            .as_deref(),
        Some("tea")
    );
    let status = operator.status().await;
    assert_eq!(
        (status.mode(), status.effective_mode()),
        (FirewallMode::Enforce, FirewallMode::Monitor)
    );
    assert!(status.reason.contains("nothing is on its list"), "{status:?}");
    // What is dangerous needs no list to be refused.
    assert_eq!(code(&mut client, INJECTED).await, "42501");
    operator.add("select 1").await.unwrap();
    assert_eq!(code(&mut client, "select name from goods where id = 1").await, "42501");
}

#[tokio::test]
async fn a_list_that_refuses_too_much_is_given_up_until_the_mode_is_set_again() {
    let database = database().await;
    goods(&database).await;
    let settings = [
        ("firewall", "enforce"),
        ("firewall_strictness", "strict"),
        ("pool_max", "2"),
    ];
    let gateway = Gateway::start(&database.url(), &settings).await;
    let operator = Operator::of(&gateway, &database).await;
    operator.add("select 1").await.unwrap();
    let mut client = client(&gateway, &database).await;
    // Attacks do not count, however many.
    for _ in 0..30 {
        assert_eq!(code(&mut client, INJECTED).await, "42501");
    }
    assert_eq!(operator.status().await.relaxed_unix_ms, 0);
    for _ in 0..20 {
        assert_eq!(code(&mut client, "select name from goods").await, "42501");
    }
    client.simple_query("select name from goods").await.unwrap();
    let status = operator.status().await;
    assert!(
        status.relaxed_unix_ms > 0 && status.effective_mode() == FirewallMode::Monitor,
        "{status:?}"
    );
    assert_eq!(
        code(&mut client, INJECTED).await,
        "42501",
        "what is dangerous is refused all the same"
    );
    operator.set_mode(FirewallMode::Enforce).await;
    assert_eq!(code(&mut client, "select name from goods").await, "42501");
}

#[tokio::test]
async fn many_shapes_do_not_grow_without_end() {
    let database = database().await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "2")]).await;
    let operator = Operator::of(&gateway, &database).await;
    let mut client = client(&gateway, &database).await;
    // Many texts in one request, and many shapes in all; each is one that nobody knows.
    for number in 0..11_000 {
        client.simple_query(&format!("select 1 as a{number}")).await.unwrap();
    }
    let status = operator.status().await;
    assert_eq!((status.queued, status.overflowed), (10_000, 1_000));
    assert_eq!(status.statements, 11_000);
}
