//! Clients that replicate: backups, log and logical changes through the door, on a connection of their own.

use std::path::Path;
use std::time::Duration;

use weir_model::Secret;
use weir_testkit::{Database, Postgres, PostgresOptions, Process, eventually};
use weir_upstream::{ConnectOptions, Connection, Credentials, Error};

use super::{Stage, value};
use crate::gateway::PATIENCE;

/// A server that may be replicated by one user with a password, and a gateway before it.
async fn replicated() -> (Postgres, Database, Stage) {
    let options = PostgresOptions::new()
        .setting("wal_level", "logical")
        .user("copier", "secret");
    let options = options
        .hba("host all postgres 127.0.0.1/32 trust")
        .hba("host replication postgres 127.0.0.1/32 trust")
        .hba("host all copier 127.0.0.1/32 scram-sha-256")
        .hba("host replication copier 127.0.0.1/32 scram-sha-256");
    let server = options.start().await;
    let database = server.database().await;
    database.psql("alter role copier replication").await;
    let stage = Stage::before(&database.url(), &database, &[("pool_max", "2")]).await;
    (server, database, stage)
}

/// Runs a program of PostgreSQL's against the door to its end.
async fn run(server: &Postgres, stage: &Stage, program: &str, args: &[&str], patience: Duration) -> (bool, String) {
    let port = stage.gateway.wire_port.to_string();
    let place = ["-h", "127.0.0.1", "-p", &port, "-U", "copier"];
    let args = [&place, args].concat();
    let running = Process::start(server.bin_dir().join(program), &args, &[("PGPASSWORD", "secret")]);
    let status = running.wait_exit(patience).await;
    (status.success(), running.output())
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn client(stage: &Stage, kind: &str) -> Result<Connection, Error> {
    let options = ConnectOptions {
        user: Some("copier".to_owned()),
        credentials: Some(Credentials::Password(Secret::new("secret"))),
        parameters: vec![("replication".to_owned(), kind.to_owned())],
        ..ConnectOptions::default()
    };
    stage.try_client(options).await
}

#[tokio::test]
async fn a_base_backup_with_its_log_comes_through_the_door_whole() {
    let (server, database, stage) = replicated().await;
    database
        .psql("create table t as select generate_series(1, 100000) as a")
        .await;
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join("copy");
    let args = ["-D", path(&copy), "-X", "stream", "-c", "fast"];
    let (is_done, said) = run(&server, &stage, "pg_basebackup", &args, PATIENCE).await;
    assert!(is_done, "{said}");
    let check = Process::start(server.bin_dir().join("pg_verifybackup"), &[path(&copy)], &[]);
    assert!(check.wait_exit(PATIENCE).await.success(), "{}", check.output());
    let pool = stage.gateway.pool().await;
    assert!(
        pool.total <= 2 && pool.total == pool.idle,
        "it is no connection of the pool: {pool:?}"
    );
    stage.gateway.stop().await;
}

#[tokio::test]
async fn logical_changes_come_through_the_door() {
    let (server, database, stage) = replicated().await;
    database.psql("create table t (a int)").await;
    let own = stage.own_target();
    let name = own.database();
    let slot = ["-d", name, "-S", "changes", "-P", "test_decoding", "--create-slot"];
    let (is_done, said) = run(&server, &stage, "pg_recvlogical", &slot, PATIENCE).await;
    assert!(is_done, "{said}");
    database.psql("insert into t select generate_series(1, 20000)").await;
    let end = database.psql("select pg_current_wal_lsn()").await;
    let start = [
        "-d",
        name,
        "-S",
        "changes",
        "--start",
        "-f",
        "-",
        "--endpos",
        end.trim(),
    ];
    let (is_done, said) = run(&server, &stage, "pg_recvlogical", &start, PATIENCE).await;
    assert!(is_done, "{said}");
    let changes = said
        .lines()
        .filter(|line| line.contains("table public.t: INSERT"))
        .count();
    assert_eq!(changes, 20_000);
}

#[tokio::test]
async fn a_replicating_client_runs_sql_is_cancelled_shown_and_counted() {
    let (_server, _, stage) = replicated().await;
    let mut client = client(&stage, "database").await.unwrap();
    assert_eq!(value(&mut client, "select 6 * 7").await.as_deref(), Some("42"));
    let system = value(&mut client, "IDENTIFY_SYSTEM").await;
    assert!(system.is_some_and(|id| id.parse::<u64>().is_ok()));
    let mut console = stage.console().await;
    let shown = console.simple_query("SHOW CLIENTS").await.unwrap();
    assert!(
        shown
            .iter()
            .any(|row| row.values().flatten().any(|value| value == "copier"))
    );
    let token = client.cancel_token();
    let (ended, ()) = tokio::join!(client.simple_query("select pg_sleep(600)"), async {
        let runs = "select count(*) from pg_stat_activity where usename = 'copier' and query like '%pg_sleep%'";
        eventually("its statement to run", PATIENCE, || async {
            let count = stage.database.psql(runs).await;
            if count.trim() == "1" { Ok(()) } else { Err(count) }
        })
        .await;
        token.cancel().await.unwrap();
    });
    assert_eq!(ended.unwrap_err().server().unwrap().sqlstate, "57014");
    assert_eq!(value(&mut client, "select 1").await.as_deref(), Some("1"));
    client.close().await;
    let senders = || {
        stage
            .database
            .psql("select count(*) from pg_stat_activity where usename = 'copier'")
    };
    eventually("its connection to be gone", PATIENCE, || async {
        let left = senders().await;
        if left.trim() == "0" { Ok(()) } else { Err(left) }
    })
    .await;
}

#[tokio::test]
async fn who_may_not_replicate_hears_it_and_a_shutdown_does_not_wait() {
    let (_server, database, stage) = replicated().await;
    let code = |refused: Result<Connection, Error>| refused.unwrap_err().server().unwrap().sqlstate.clone();
    assert_eq!(code(client(&stage, "perhaps").await), "22023");
    let _ordinary = client(&stage, "off").await.unwrap();
    let _open = client(&stage, "true").await.unwrap();
    database.psql("alter role copier noreplication").await;
    assert_eq!(code(client(&stage, "true").await), "42501");
    stage.gateway.stop().await;
}
