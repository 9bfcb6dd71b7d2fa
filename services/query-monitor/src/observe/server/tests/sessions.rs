//! Sessions: blocking, idle transactions, who may see what.

use weir_testkit::{Postgres, PostgresOptions};

use super::*;
use crate::detect::metric;

#[tokio::test]
async fn a_chain_of_three_names_its_root_and_no_literal() {
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    database
        .psql("create table t (a int, b text); insert into t values (1, ''), (2, '')")
        .await;
    let (mut root, mut middle) = (
        session(&database.url(), "till 7").await,
        session(&database.url(), "middle").await,
    );
    let last = session(&database.url(), "last").await;
    let pids = [root.process_id(), middle.process_id(), last.process_id()];
    run(&mut root, "begin; update t set b = 'geheim' where a = 1").await;
    run(&mut middle, "begin; update t set b = 'geheim' where a = 2").await;
    let sessions = Tasks::new();
    wait_in(&sessions, middle, "update t set b = 'geheim2' where a = 1");
    wait_in(&sessions, last, "update t set b = 'geheim3' where a = 2");

    let scene = Scene::of(&database.url());
    let both = eventually("both to be seen waiting", SOON, async || {
        let chains = scene.servers.blocking(&api::ListBlockingRequest::default()).chains;
        let ours = |chain: &api::BlockingChain| chain.root.as_ref().is_some_and(|session| session.pid == pids[0]);
        chains.into_iter().find(ours).filter(|chain| chain.blocked.len() == 2)
    })
    .await;
    let session = both.root.as_ref().unwrap();
    assert_eq!(
        (
            session.role.as_str(),
            session.application.as_str(),
            session.state.as_str()
        ),
        ("postgres", "till 7", "idle in transaction")
    );
    assert!(
        session.text.ends_with("update t set b = $1 where a = $2"),
        "{}",
        session.text
    );
    let found = both.blocked.iter().map(|one| {
        let pid = one.session.as_ref().unwrap().pid;
        (pid, one.depth, one.blocked_by.clone())
    });
    let mut found: Vec<_> = found.collect();
    found.sort_by_key(|(_, depth, _)| *depth);
    assert_eq!(found, [(pids[1], 1, vec![pids[0]]), (pids[2], 2, vec![pids[1]])]);

    let reading = scene.reads(metric::BLOCKED_SECONDS, "database", database.name()).await;
    assert!(reading.value > 0.0 && reading.value < 60.0, "{reading:?}");
    for part in [
        &pids[0].to_string(),
        "postgres",
        "till 7",
        "update t set b = $1",
        "2 sessions wait",
    ] {
        assert!(reading.note.contains(part), "{part} is missing in {}", reading.note);
    }
    let everything = format!(
        "{:?} {:?}",
        scene.readings(),
        scene.servers.activity(&api::ListActivityRequest::default())
    );
    assert!(!everything.contains("geheim"), "{everything}");

    run(&mut root, "rollback").await;
    scene
        .reads_nothing(metric::BLOCKED_SECONDS, "database", database.name())
        .await;
    sessions.descend(Duration::ZERO).await;
    scene.stop().await;
}

#[tokio::test]
async fn who_waits_for_a_prepared_transaction_is_told_so() {
    let postgres = Postgres::start_with(&[("max_prepared_transactions", "2")]).await;
    let database = postgres.database().await;
    database
        .psql("create table t (a int); insert into t values (1); begin; update t set a = 2; prepare transaction 'left'")
        .await;
    let sessions = Tasks::new();
    wait_in(&sessions, session(&database.url(), "w").await, "update t set a = 3");
    let scene = Scene::of(&database.url());
    let reading = scene.reads(metric::BLOCKED_SECONDS, "database", database.name()).await;
    assert!(reading.note.contains("prepared transaction"), "{}", reading.note);
    sessions.descend(Duration::ZERO).await;
    scene.stop().await;
}

#[tokio::test]
async fn an_idle_transaction_is_measured_from_when_it_fell_idle_and_a_transaction_from_its_beginning() {
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    let mut idle = session(&database.url(), "idler").await;
    run(&mut idle, "begin; select pg_sleep(2)").await;
    let scene = Scene::of(&database.url());
    let reading = scene
        .reads(metric::IDLE_IN_TRANSACTION_SECONDS, "database", database.name())
        .await;
    let longest = scene
        .reads(metric::LONGEST_TRANSACTION_SECONDS, "database", database.name())
        .await;
    assert!(
        longest.value >= reading.value + 1.9,
        "{} and {}",
        longest.value,
        reading.value
    );
    assert!(reading.note.contains("application idler"), "{}", reading.note);
    let server = scene.server(postgres.port());
    let counted = server
        .sessions
        .iter()
        .find(|one| one.database == database.name() && one.state == "idle in transaction");
    assert_eq!(counted.map(|one| one.count), Some(1));
    run(&mut idle, "commit").await;
    scene
        .reads_nothing(metric::IDLE_IN_TRANSACTION_SECONDS, "database", database.name())
        .await;
    scene.stop().await;
}

#[tokio::test]
async fn a_role_without_rights_sees_what_it_may_and_is_told_what_is_missing() {
    let postgres = PostgresOptions::new().user("plain", "secret").start().await;
    let database = postgres.database().await;
    let mut other = session(&database.url(), "other").await;
    run(&mut other, "begin; select 1").await;
    let url = database.url().replace("postgres@", "plain:secret@");
    let scene = Scene::of(&url);
    let server = scene.has_asked_everything(postgres.port()).await;
    let missing = server.missing.join("; ");
    for part in ["pg_read_all_stats", "pg_read_all_settings", "pg_stat_statements"] {
        assert!(missing.contains(part), "{missing}");
    }
    assert!(
        server.probes.iter().all(|probe| probe.error.is_empty()),
        "{:?}",
        server.probes
    );
    assert!(server.connections >= 1 && server.connections_max == 97, "{server:?}");
    assert!(super::database(&server, database.name()).transaction_id_age > 0);
    assert!(super::database(&server, database.name()).size_bytes > 1_000_000);
    assert!(!server.settings.is_empty() && !server.oldest_tables.is_empty());
    assert!(
        scene
            .servers
            .activity(&api::ListActivityRequest::default())
            .sessions
            .is_empty()
    );

    // With the right it sees the rest, without a restart.
    postgres.psql("postgres", "grant pg_monitor to plain").await;
    scene
        .sees(postgres.port(), "the right to be noticed", |server| {
            !server.missing.join(" ").contains("pg_read")
        })
        .await;
    scene
        .reads(metric::IDLE_IN_TRANSACTION_SECONDS, "database", database.name())
        .await;
    scene.stop().await;
}

#[tokio::test]
async fn a_server_that_has_no_room_is_not_down_but_full() {
    let postgres = PostgresOptions::new()
        .user("plain", "secret")
        .setting("max_connections", "6")
        .start()
        .await;
    let url = postgres.url("postgres").replace("postgres@", "plain:secret@");
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(session(&url, "holder").await);
    }
    let scene = Scene::of(&url);
    let upstream = format!("127.0.0.1:{}", postgres.port());
    let reading = scene.reads(metric::CONNECTIONS_RATIO, "upstream", &upstream).await;
    assert_eq!(reading.value, 1.0);
    assert!(reading.note.contains("connection"), "{}", reading.note);
    assert_eq!(scene.reads(metric::SERVER_DOWN, "upstream", &upstream).await.value, 0.0);
    assert!(!scene.server(postgres.port()).is_up);
    held.pop().unwrap().close().await;
    scene
        .sees(postgres.port(), "the monitor to get in", |server| {
            server.is_up && server.connections == 2
        })
        .await;
    scene.stop().await;
}
