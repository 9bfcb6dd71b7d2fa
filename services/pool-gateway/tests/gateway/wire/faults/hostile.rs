//! Statements that are meant to hurt whoever reads them: each is answered, counted once, and told without a literal.

use bytes::{BufMut as _, BytesMut};
use weir_bus::{Bus, Limits};
use weir_proto::common::v1::StatementKind;
use weir_proto::events::v1::QueryBatch;
use weir_testkit::eventually;

use super::super::{Stage, value};
use super::raw::{Raw, last_error, query};
use crate::gateway::{Gateway, PATIENCE, database, taken};

/// What no event may hold.
const MARK: &str = "swordfish";

/// A statement of any bytes in the simple protocol.
fn raw_query(sql: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u8(b'Q');
    out.put_i32(i32::try_from(sql.len() + 5).unwrap());
    out.put_slice(sql);
    out.put_u8(0);
    out
}

/// What is sent, and the code of the error that it meets.
fn statements() -> Vec<(&'static str, Vec<u8>, Option<&'static str>)> {
    let filled = |bytes: usize| MARK.repeat(bytes / MARK.len());
    let text = |text: String| text.into_bytes();
    vec![
        (
            "a megabyte",
            text(format!("select length('{}')", filled(1_040_000))),
            None,
        ),
        (
            "more than is read",
            text(format!("select length('{}')", filled(1_200_000))),
            None,
        ),
        (
            "64,000 terms",
            text(format!("select length('{MARK}'){}", "+1".repeat(64_000))),
            Some("54001"),
        ),
        (
            "64,000 conditions",
            text(format!("select 1 where '{MARK}' = ''{}", " or 1 = 2".repeat(64_000))),
            None,
        ),
        (
            "deep parentheses",
            text(format!("select {}'{MARK}'{}", "(".repeat(100_000), ")".repeat(100_000))),
            Some("42601"),
        ),
        (
            "no UTF-8",
            [b"select '", MARK.as_bytes(), b"\xff\xfe', '\xc3'"].concat(),
            Some("22021"),
        ),
        (
            "no UTF-8 and no statement",
            b"sel\xffect 'swordfish' from from".to_vec(),
            Some("22021"),
        ),
        ("an open quote", text(format!("select '{MARK}")), Some("42601")),
        ("an open comment", text(format!("select 1 /* {MARK}")), Some("42601")),
        (
            "one long operator",
            text(format!("select 1 {} '{MARK}'", "+".repeat(100_000))),
            Some("42601"),
        ),
        (
            "quotes of other rules",
            text(format!(r"select 'a\' {MARK} \'b'")),
            Some("42601"),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_statements_are_answered_counted_and_told_without_their_literals() {
    let bus = Bus::in_memory(Limits::default());
    let pattern = weir_events::gateway::every_query_executed();
    let mut events = bus.subscribe(pattern.as_str(), None).await.unwrap();
    let database = database().await;
    let gateway = Gateway::on_bus(bus, &database.url(), &[("statement_timeout", "60s")]).await;
    let stage = Stage { gateway, database };
    let statements = statements();
    let mut expected: Vec<&str> = Vec::new();
    for (name, sql, code) in &statements {
        let mut client = Raw::log_in(&stage).await;
        client.send(&raw_query(sql)).await;
        let said = client.until_ready().await;
        let met = last_error(&said).map(|(_, code)| code);
        assert_eq!(met.as_deref(), *code, "{name}");
        expected.push(code.unwrap_or_default());
        // The session goes on, on a connection that is whole.
        client.send(&query("select 7")).await;
        assert_eq!(last_error(&client.until_ready().await), None, "{name}");
        expected.push("");
    }
    // A NUL ends a text; what comes behind it is no part of any message.
    let mut client = Raw::log_in(&stage).await;
    client.send(&raw_query(b"select 'swordfish'\0; drop table t")).await;
    let said = client.until_end().await;
    assert_eq!(
        last_error(&said),
        Some(("FATAL".to_owned(), "08P01".to_owned())),
        "{said:?}"
    );
    let mut other = stage.client().await;
    assert_eq!(value(&mut other, "select 8").await.as_deref(), Some("8"));
    expected.push("");

    let mut told: Vec<QueryBatch> = Vec::new();
    eventually("an event for each statement", PATIENCE, || {
        told.extend(taken(&mut events).into_iter().map(|(_, batch)| batch));
        let count: usize = told.iter().map(|batch| batch.events.len()).sum();
        let wanted = expected.len();
        async move {
            if count >= wanted {
                Ok(())
            } else {
                Err(format!("{count} of {wanted}"))
            }
        }
    })
    .await;
    let shown = format!("{told:?}");
    assert!(!shown.contains(MARK), "{shown}");
    let told_events: Vec<_> = told.iter().flat_map(|batch| &batch.events).collect();
    let mut met: Vec<&str> = told_events.iter().map(|event| event.sqlstate.as_str()).collect();
    met.sort_unstable();
    expected.sort_unstable();
    assert_eq!(met, expected);
    // What could not be read has a shape all the same, which says so.
    let unreadable = told_events
        .iter()
        .filter(|event| event.kind() == StatementKind::Unspecified);
    let unreadable: Vec<u64> = unreadable.map(|event| event.fingerprint).collect();
    assert!(unreadable.len() >= 7, "{unreadable:?}");
    let shapes = || told.iter().flat_map(|batch| &batch.shapes);
    for fingerprint in unreadable {
        let shape = shapes().find(|shape| shape.fingerprint == fingerprint).unwrap();
        assert_eq!(
            (shape.kind(), shape.writes),
            (StatementKind::Unspecified, true),
            "{shape:?}"
        );
    }
    assert!(shapes().any(|shape| shape.text.is_empty()), "{shown}");
    assert!(shapes().all(|shape| shape.text.len() <= 8 * 1024));
}

/// A text in another encoding cannot be read here, and may set anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_statement_in_another_encoding_sets_is_nobody_elses() {
    let stage = Stage::with(&[("pool_max", "1"), ("pool_min", "0")]).await;
    let mut client = Raw::log_in(&stage).await;
    client.send(&query("set client_encoding = 'LATIN1'")).await;
    assert_eq!(last_error(&client.until_ready().await), None);
    client.send(&raw_query(b"set work_mem = '7MB'; select 'caf\xe9'")).await;
    assert_eq!(last_error(&client.until_ready().await), None);
    let mut other = stage.client().await;
    assert_eq!(
        value(&mut other, "show work_mem").await.as_deref(),
        Some("4MB"),
        "a setting leaked"
    );
    // In this one, a byte that looks like a backslash is half of a character, and the quote behind it ends the string.
    for is_told_at_the_start in [false, true] {
        let mut client = if is_told_at_the_start {
            Raw::log_in_speaking(&stage, "SJIS").await
        } else {
            Raw::log_in(&stage).await
        };
        if !is_told_at_the_start {
            client.send(&query("set client_encoding = 'SJIS'")).await;
            assert_eq!(last_error(&client.until_ready().await), None);
        }
        client
            .send(&raw_query(b"select E'\x83\x5c'; set work_mem=$$7MB$$; select '+' --'"))
            .await;
        assert_eq!(last_error(&client.until_ready().await), None);
        // It finds what it has set, and nobody else does.
        client.send(&query("select current_setting('work_mem')")).await;
        let said = format!("{:?}", client.until_ready().await);
        assert!(said.contains("7MB"), "{said}");
        drop(client);
        assert_eq!(
            value(&mut other, "show work_mem").await.as_deref(),
            Some("4MB"),
            "a setting leaked"
        );
    }
    // One that is too long to be read, of which only the beginning is there when it has to go on.
    let mut client = Raw::log_in(&stage).await;
    let long = format!("set work_mem = '8MB'; select length('{}')", MARK.repeat(400_000));
    let frame = raw_query(long.as_bytes());
    let (beginning, rest) = frame.split_at(200_000);
    client.send(beginning).await;
    stage
        .gateway
        .until_pool("the server at it", |pool| pool.active == 1)
        .await;
    client.send(rest).await;
    assert_eq!(last_error(&client.until_ready().await), None);
    assert_eq!(
        value(&mut other, "show work_mem").await.as_deref(),
        Some("4MB"),
        "a setting leaked"
    );
}
