//! A mirror that is frozen, refuses or is gone: clients notice nothing, what is dropped is counted, and memory has a bound.

use std::time::Duration;

use tokio::time::timeout;
use weir_testkit::{Postgres, eventually, free_port};

use super::{Mirrored, NOTES, note};
use crate::gateway::{PATIENCE, database};

/// Nobody waits longer for an answer, however busy the machine is.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// What may be held for the mirror in these tests.
const HELD_BYTES_MAX: u32 = 200_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_mirror_holds_nobody_up_and_costs_bounded_memory() {
    let server = Postgres::start().await;
    let shadow = server.database().await;
    let held = HELD_BYTES_MAX.to_string();
    let settings = [
        ("mirror_queue_bytes_max", held.as_str()),
        ("mirror_connections", "2"),
        ("mirror_statement_timeout", "500ms"),
        ("connect_timeout", "1s"),
        ("breaker_recovery", "200ms"),
    ];
    let mirrored = Mirrored::with_shadow(&shadow.url(), &shadow, &settings).await;
    shadow.psql(NOTES).await;
    let mut client = mirrored.client().await;
    note(&mut client, "before").await;
    mirrored.until_ran(1).await;
    server.pause();
    let value = "x".repeat(10_000);
    for number in 0..60 {
        let noted = timeout(ANSWER_WITHIN, note(&mut client, &value)).await;
        noted.expect("it is held up");
        if number % 20 == 0 {
            let bytes = mirrored.metric("weir_mirror_queue_bytes").await;
            assert!(bytes <= f64::from(HELD_BYTES_MAX), "{bytes} bytes are held");
        }
    }
    // Who waits for the mirror's answers never has more than one on the way.
    assert!(mirrored.transactions("dropped", "full").await + mirrored.transactions("dropped", "away").await > 0.0);
    eventually("the mirror to be given up", PATIENCE, || async {
        let away = mirrored.metric("weir_mirror_away").await;
        if away == 1.0 { Ok(()) } else { Err(away) }
    })
    .await;
    // One may have been on its way, or just about to be.
    eventually("all of it to be told as dropped", PATIENCE, || async {
        let mut dropped = 0.0;
        for reason in ["full", "away", "lost"] {
            dropped += mirrored.transactions("dropped", reason).await;
        }
        if dropped == 60.0 { Ok(()) } else { Err(dropped) }
    })
    .await;
    server.resume();
    eventually("the mirror to be used again", PATIENCE, || async {
        note(&mut mirrored.client().await, "after").await;
        let after = shadow.psql("select count(*) from seen where what = 'after'").await;
        let away = mirrored.metric("weir_mirror_away").await;
        if after == "0" || away != 0.0 {
            Err(format!("{after} notes, away {away}"))
        } else {
            Ok(())
        }
    })
    .await;
    mirrored.stage.gateway.stop().await;
}

#[tokio::test]
async fn a_full_queue_drops_whole_transactions() {
    let mirrored = Mirrored::start(&[
        ("mirror_queue_max", "3"),
        ("mirror_connections", "1"),
        ("mirror_queue_bytes_max", "30000"),
    ])
    .await;
    let waits = "create table seen (what text); create function note(what text) returns text language sql as
        'select pg_advisory_xact_lock_shared(4711); insert into seen values (what) returning what'";
    mirrored.shadow.psql(waits).await;
    let gate = crate::gateway::Gate::shut(&mirrored.shadow).await;
    let mut client = mirrored.client().await;
    for number in 0..10 {
        note(&mut client, &number.to_string()).await;
        if number == 0 {
            eventually("the first to run", PATIENCE, || async {
                if gate.crowd(&mirrored.shadow).await == 1 {
                    Ok(())
                } else {
                    Err("none")
                }
            })
            .await;
        }
    }
    assert_eq!(mirrored.transactions("dropped", "full").await, 6.0);
    assert_eq!(mirrored.metric("weir_mirror_queue").await, 3.0);
    gate.open().await;
    mirrored.until_ran(4).await;
    eventually("nothing to be held", PATIENCE, || async {
        let held = mirrored.metric("weir_mirror_queue_bytes").await;
        if held == 0.0 { Ok(()) } else { Err(held) }
    })
    .await;
    // One whose first half fits and whose second half does not.
    client.simple_query("begin").await.unwrap();
    note(&mut client, &"a".repeat(10_000)).await;
    note(&mut client, &"b".repeat(20_000)).await;
    note(&mut client, "c").await;
    client.simple_query("commit").await.unwrap();
    assert_eq!(mirrored.transactions("dropped", "full").await, 7.0);
    note(&mut client, "d").await;
    mirrored.until_ran(5).await;
    let seen = "select string_agg(what, ' ' order by what) from seen";
    assert_eq!(mirrored.shadow.psql(seen).await, "0 1 2 3 d");
}

#[tokio::test]
async fn a_mirror_that_refuses_costs_nothing_but_counts() {
    let shadow = database().await;
    let nobody = format!("postgres://postgres@127.0.0.1:{}/nobody", free_port());
    let nowhere = shadow.url() + "_that_does_not_exist";
    for url in [nobody, nowhere] {
        let mirrored = Mirrored::with_shadow(&url, &shadow, &[("breaker_recovery", "1h")]).await;
        let mut client = mirrored.client().await;
        note(&mut client, "first").await;
        mirrored.until_fate("dropped", "away", 1).await;
        for _ in 0..20 {
            note(&mut client, "a").await;
        }
        assert_eq!(mirrored.transactions("dropped", "away").await, 21.0);
        assert_eq!(mirrored.metric("weir_mirror_queue_bytes").await, 0.0);
        assert_eq!(mirrored.metric("weir_mirror_away").await, 1.0);
        mirrored.stage.gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_that_was_restarted_is_used_again() {
    let mut server = Postgres::start().await;
    let shadow = server.database().await;
    let mirrored = Mirrored::with_shadow(&shadow.url(), &shadow, &[("breaker_recovery", "100ms")]).await;
    shadow.psql(NOTES).await;
    let mut client = mirrored.client().await;
    note(&mut client, "before").await;
    mirrored.until_ran(1).await;
    server.stop().await;
    eventually("the mirror to be away", PATIENCE, || async {
        note(&mut mirrored.client().await, "meanwhile").await;
        let away = mirrored.metric("weir_mirror_away").await;
        if away == 1.0 { Ok(()) } else { Err(away) }
    })
    .await;
    server.start_again().await;
    eventually("the mirror to be back", PATIENCE, || async {
        note(&mut mirrored.client().await, "after").await;
        let away = mirrored.metric("weir_mirror_away").await;
        if away == 0.0 { Ok(()) } else { Err(away) }
    })
    .await;
    eventually("what was sent after", PATIENCE, || async {
        let seen = mirrored.seen().await;
        if seen.ends_with("after") { Ok(()) } else { Err(seen) }
    })
    .await;
}

#[tokio::test]
async fn the_gateway_stops_while_the_mirror_works() {
    // The statement would not end by itself.
    let mirrored = Mirrored::start(&[("mirror_connections", "1"), ("mirror_statement_timeout", "10m")]).await;
    let slow = "create function note(what text) returns text language sql as
        'select what from (select pg_sleep(600)) slept'";
    mirrored.shadow.psql(slow).await;
    let mut client = mirrored.client().await;
    note(&mut client, "a").await;
    note(&mut client, "b").await;
    let running = "select count(*) from pg_stat_activity where datname = current_database()
        and application_name = 'weir mirror' and state = 'active'";
    let until = async |wanted: &str| {
        eventually("so many statements on the mirror", PATIENCE, || async {
            let found = mirrored.shadow.psql(running).await;
            if found == wanted { Ok(()) } else { Err(found) }
        })
        .await;
    };
    until("1").await;
    client.close().await;
    mirrored.stage.gateway.stop().await;
    until("0").await;
}
