//! What changes data reaches the mirror when it is asked for, as whole transactions, and never what leaves the database.

use weir_testkit::eventually;
use weir_upstream::{Command, Connection, Parameter};

use super::{Mirrored, note};
use crate::gateway::PATIENCE;
use crate::wire::{code, extended, value};

const TABLE: &str = "create table t (id serial primary key, a int, transaction xid8 default pg_current_xact_id())";

impl Mirrored {
    /// The same table on both.
    async fn with_table(settings: &[(&str, &str)]) -> Self {
        let mirrored = Self::noting(settings).await;
        mirrored.stage.database.psql(TABLE).await;
        mirrored.shadow.psql(TABLE).await;
        mirrored
    }

    async fn rows(&self) -> String {
        let rows = "select coalesce(string_agg(a::text, ' ' order by id), '') from t";
        self.shadow.psql(rows).await
    }
}

async fn insert(client: &mut Connection, value: &str) {
    let parameters = [Parameter::text(value)];
    let command = Command::text("insert into t (a) values ($1)", &parameters);
    client.run(&command).await.unwrap().finish().await.unwrap();
}

#[tokio::test]
async fn what_writes_is_left_out_as_a_whole_transaction() {
    let mirrored = Mirrored::with_table(&[]).await;
    let mut client = mirrored.client().await;
    insert(&mut client, "1").await;
    client.simple_query("begin").await.unwrap();
    note(&mut client, "a").await;
    insert(&mut client, "2").await;
    note(&mut client, "b").await;
    client.simple_query("commit").await.unwrap();
    client.simple_query("begin").await.unwrap();
    note(&mut client, "c").await;
    note(&mut client, "d").await;
    client.simple_query("commit").await.unwrap();
    mirrored.until_ran(1).await;
    assert_eq!(mirrored.transactions("skipped", "not_a_read").await, 2.0);
    assert_eq!(
        (mirrored.seen().await.as_str(), mirrored.rows().await.as_str()),
        ("c d", "")
    );
    assert_eq!(
        mirrored
            .shadow
            .psql("select count(distinct transaction) from seen")
            .await,
        "1"
    );
}

#[tokio::test]
async fn what_writes_is_mirrored_where_it_is_asked_for() {
    let mirrored = Mirrored::with_table(&[("mirror_reads_only", "false")]).await;
    let mut client = mirrored.client().await;
    insert(&mut client, "1").await;
    client.simple_query("begin isolation level serializable").await.unwrap();
    insert(&mut client, "2").await;
    insert(&mut client, "3").await;
    client.simple_query("commit").await.unwrap();
    client.simple_query("begin").await.unwrap();
    insert(&mut client, "4").await;
    client.simple_query("rollback").await.unwrap();
    extended(&mut client, "begin").await.unwrap();
    extended(&mut client, "update t set a = a + 10 where a > 1")
        .await
        .unwrap();
    extended(&mut client, "commit").await.unwrap();
    mirrored.until_ran(4).await;
    assert_eq!(mirrored.rows().await, "1 12 13");
    let transactions = "select count(distinct transaction) from t";
    assert_eq!(mirrored.shadow.psql(transactions).await, "2");
    assert_eq!(
        (mirrored.requests("other").await, mirrored.requests("rows").await),
        (0.0, 0.0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_done_in_order_over_several_connections() {
    let mirrored = Mirrored::with_table(&[("mirror_reads_only", "false"), ("mirror_connections", "6")]).await;
    let table = "create table h (id serial, who int, n int, pid int)";
    let insert = "insert into h (who, n, pid) values ($1::int, $2::int, pg_backend_pid())";
    mirrored.stage.database.psql(table).await;
    mirrored.shadow.psql(table).await;
    let clients = (0..5).map(async |who: u32| {
        let (mut client, who) = (mirrored.client().await, who.to_string());
        for number in 0..60 {
            let number = number.to_string();
            let parameters = [Parameter::text(&who), Parameter::text(&number)];
            let command = Command::text(insert, &parameters);
            client.run(&command).await.unwrap().finish().await.unwrap();
        }
    });
    futures_util::future::join_all(clients).await;
    mirrored.until_ran(300).await;
    let disorder =
        "select count(*) from (select n, row_number() over (partition by who order by id) - 1 as at from h) each
        where n <> at";
    assert_eq!(mirrored.shadow.psql(disorder).await, "0");
    assert_ne!(mirrored.shadow.psql("select count(distinct pid) from h").await, "1");
}

#[tokio::test]
async fn what_is_broken_off_is_not_done() {
    let mirrored = Mirrored::with_table(&[("mirror_reads_only", "false")]).await;
    let mut client = mirrored.client().await;
    client.simple_query("begin").await.unwrap();
    insert(&mut client, "1").await;
    drop(client);
    mirrored.until_fate("skipped", "unfinished", 1).await;
    eventually("nothing to be held", PATIENCE, || async {
        let held = mirrored.metric("weir_mirror_queue_bytes").await;
        if held == 0.0 { Ok(()) } else { Err(held) }
    })
    .await;
    insert(&mut mirrored.client().await, "2").await;
    mirrored.until_ran(1).await;
    assert_eq!(mirrored.rows().await, "2");
}

#[tokio::test]
async fn what_the_mirror_cannot_follow_is_undone_there() {
    let mirrored = Mirrored::with_table(&[("mirror_reads_only", "false")]).await;
    mirrored.stage.database.psql("create table here (a int)").await;
    let mut client = mirrored.client().await;
    client.simple_query("begin").await.unwrap();
    insert(&mut client, "1").await;
    client.simple_query("insert into here values (1)").await.unwrap();
    insert(&mut client, "2").await;
    client.simple_query("commit").await.unwrap();
    mirrored.until_fate("dropped", "diverged", 1).await;
    assert_eq!(mirrored.errors("ok", "42P01").await, 1.0);
    // The other way round: what the server undid must not be done there.
    mirrored.shadow.psql("create table there (a int)").await;
    client.simple_query("begin").await.unwrap();
    insert(&mut client, "3").await;
    assert_eq!(code(&mut client, "insert into there values (1)").await, "42P01");
    client.simple_query("commit").await.unwrap();
    mirrored.until_fate("dropped", "diverged", 2).await;
    insert(&mut client, "4").await;
    mirrored.until_ran(1).await;
    assert_eq!(mirrored.rows().await, "4");
}

#[tokio::test]
async fn nothing_leaves_the_mirrors_database() {
    let mirrored = Mirrored::with_table(&[("mirror_reads_only", "false"), ("mirror_connections", "1")]).await;
    let mut client = mirrored.client().await;
    let role = format!("wide_{}", mirrored.shadow.name());
    for statement in [
        "notify news".to_owned(),
        "select pg_notify('news', 'x')".to_owned(),
        format!("create role {role}"),
        format!("begin; insert into t (a) values (1); drop role {role}; commit"),
    ] {
        client.simple_query(&statement).await.unwrap();
    }
    mirrored.until_fate("skipped", "outside", 4).await;
    client.simple_query("begin").await.unwrap();
    insert(&mut client, "2").await;
    client.simple_query("notify news").await.unwrap();
    client.simple_query("commit").await.unwrap();
    mirrored.until_fate("skipped", "outside", 5).await;
    client.simple_query("copy (select 1) to stdout").await.unwrap_err();
    client.simple_query("copy t (a) from stdin").await.unwrap_err();
    mirrored.until_fate("skipped", "copy", 2).await;
    client.simple_query("begin").await.unwrap();
    insert(&mut client, "3").await;
    client.simple_query("create temp table mine (a int)").await.unwrap();
    client.simple_query("commit").await.unwrap();
    // What needs a session from here on is not to be had there.
    insert(&mut client, "4").await;
    mirrored.until_fate("skipped", "session", 2).await;
    client.simple_query("discard all").await.unwrap();
    insert(&mut client, "5").await;
    mirrored.until_ran(1).await;
    assert_eq!(mirrored.rows().await, "5");
    assert_eq!(value(&mut client, "select count(*) from t").await.as_deref(), Some("5"));
}
