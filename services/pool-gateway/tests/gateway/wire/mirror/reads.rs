//! What arrives at the mirror of what clients read: with its parameters, in order, under its settings.

use bytes::BytesMut;
use weir_pgwire::frontend::{self, Bind, BindValue, Subject};
use weir_upstream::{Command, Parameter, Source};

use super::{Mirrored, NOTE, note};
use crate::wire::faults::raw::{Raw, tags};
use crate::wire::value;

#[tokio::test]
async fn reads_arrive_with_their_parameters_and_in_order() {
    let mirrored = Mirrored::noting(&[]).await;
    let mut client = mirrored.client().await;
    for what in ["a", "b", "c"] {
        note(&mut client, what).await;
    }
    let simple = "select note('d') /* weir:replica */";
    assert_eq!(value(&mut client, simple).await.as_deref(), Some("d"));
    let prepared = client.prepare(NOTE, &[]).await.unwrap();
    for what in ["e", "f", "g"] {
        let parameters = [Parameter::text(what)];
        let command = Command {
            source: Source::Named(prepared.name()),
            parameters: &parameters,
            formats: &[],
        };
        client.run(&command).await.unwrap().finish().await.unwrap();
    }
    // To prepare something is nothing that could be compared.
    mirrored.until_fate("skipped", "nothing", 1).await;
    mirrored.until_ran(7).await;
    assert_eq!(mirrored.seen().await, "a b c d e f g");
    assert_eq!(mirrored.requests("same").await, 7.0);
    for by in ["server", "mirror"] {
        let series = format!("weir_mirror_duration_seconds_count{{by=\"{by}\",kind=\"select\"}}");
        assert_eq!(mirrored.metric(&series).await, 7.0, "{by}");
    }
    assert_eq!(mirrored.metric("weir_mirror_wait_seconds_count").await, 7.0);
    mirrored.stage.gateway.stop().await;
}

#[tokio::test]
async fn long_values_arrive_as_a_whole() {
    let mirrored = Mirrored::noting(&[]).await;
    let mut client = mirrored.client().await;
    note(&mut client, &"x".repeat(300_000)).await;
    note(&mut client, "y").await;
    mirrored.until_ran(2).await;
    let lengths = "select string_agg(length(what)::text || right(what, 1), ' ' order by id) from seen";
    assert_eq!(mirrored.shadow.psql(lengths).await, "300000x 1y");
}

#[tokio::test]
async fn sessions_have_their_settings_on_the_mirror_and_nothing_of_each_others() {
    let mirrored = Mirrored::noting(&[("mirror_connections", "1")]).await;
    let (mut one, mut other) = (mirrored.client().await, mirrored.client().await);
    one.simple_query("set app.tenant = 'red'").await.unwrap();
    note(&mut one, "1").await;
    mirrored.until_ran(1).await;
    note(&mut other, "2").await;
    mirrored.until_ran(2).await;
    note(&mut one, "3").await;
    mirrored.until_ran(3).await;
    // Made in a transaction, for it alone or for good.
    other.simple_query("begin").await.unwrap();
    other.simple_query("set local app.tenant = 'green'").await.unwrap();
    note(&mut other, "4").await;
    other.simple_query("commit").await.unwrap();
    mirrored.until_ran(4).await;
    one.simple_query("begin").await.unwrap();
    one.simple_query("set app.tenant = 'blue'").await.unwrap();
    note(&mut one, "5").await;
    one.simple_query("commit").await.unwrap();
    mirrored.until_ran(5).await;
    note(&mut other, "6").await;
    mirrored.until_ran(6).await;
    note(&mut one, "7").await;
    mirrored.until_ran(7).await;
    let found = "select string_agg(what || coalesce(nullif(tenant, ''), '-'), ' ' order by id) from seen";
    assert_eq!(mirrored.shadow.psql(found).await, "1red 2- 3red 4green 5blue 6- 7blue");
    assert_eq!(mirrored.shadow.psql("select count(distinct pid) from seen").await, "1");
    // A setting that the mirror does not have costs the transaction, and nothing else.
    let role = format!("only_here_{}", mirrored.stage.database.name());
    one.simple_query(&format!("set role {}", "postgres")).await.unwrap();
    note(&mut one, "8").await;
    mirrored.until_ran(8).await;
    let there = format!("create role {role}");
    mirrored.stage.database.psql(&there).await;
    one.simple_query(&format!("set role {role}")).await.unwrap();
    mirrored
        .stage
        .database
        .psql(&format!("grant usage on schema public to {role}"))
        .await;
    note(&mut one, "9").await;
    // The mirror's table is not this role's.
    mirrored.until_ran(9).await;
    assert_eq!(mirrored.errors("ok", "42501").await, 1.0);
}

#[tokio::test]
async fn requests_in_one_breath_are_told_apart() {
    let mirrored = Mirrored::noting(&[("mirror_connections", "1")]).await;
    let mut client = Raw::log_in(&mirrored.stage).await;
    let mut out = BytesMut::new();
    let query = |out: &mut BytesMut, sql: &str| frontend::query(out, sql).unwrap();
    query(&mut out, "select note('a') /* weir:replica */");
    query(&mut out, "begin");
    query(&mut out, "select note('b') /* weir:replica */");
    // One name and the unnamed statement, each for two texts, and two values of one statement.
    for (name, text) in [("s", NOTE), ("", "select note('c' || $1) /* weir:replica */")] {
        frontend::parse(&mut out, name, text, std::iter::empty()).unwrap();
        for value in ["d", "e"] {
            bind(&mut out, name, value);
        }
        frontend::close(&mut out, Subject::Statement(name)).unwrap();
    }
    frontend::parse(
        &mut out,
        "s",
        "select note('f' || $1) /* weir:replica */",
        std::iter::empty(),
    )
    .unwrap();
    bind(&mut out, "s", "g");
    frontend::sync(&mut out);
    query(&mut out, "commit");
    query(&mut out, "insert into nowhere values (1)");
    query(&mut out, "select note('h') /* weir:replica */");
    client.send(&out).await;
    let mut said = String::new();
    for _ in 0..7 {
        said.push_str(&tags(&client.until_ready().await));
    }
    assert_eq!(said.matches('E').count(), 1, "{said}");
    mirrored.until_ran(3).await;
    mirrored.until_fate("skipped", "not_a_read", 1).await;
    assert_eq!(mirrored.seen().await, "a b d e cd ce fg h");
    let transactions = "select string_agg(n::text, ' ' order by id) from (
        select min(id) as id, count(*) as n from seen group by transaction) each";
    assert_eq!(mirrored.shadow.psql(transactions).await, "1 6 1");
    assert_eq!(
        (mirrored.requests("same").await, mirrored.requests("other").await),
        (4.0, 0.0)
    );
}

fn bind(out: &mut BytesMut, statement: &str, value: &str) {
    let what = Bind {
        portal: "",
        statement,
        result_formats: &[],
    };
    let value = BindValue {
        bytes: Some(value.as_bytes()),
        format: weir_pgwire::Format::Text,
    };
    frontend::bind(out, &what, [value].into_iter()).unwrap();
    frontend::execute(out, "", 0).unwrap();
}

#[tokio::test]
async fn rows_that_are_fetched_in_parts_are_fetched_so_there_too() {
    let mirrored = Mirrored::noting(&[("mirror_reads_only", "false")]).await;
    let mut client = Raw::log_in(&mirrored.stage).await;
    let mut out = BytesMut::new();
    frontend::query(&mut out, "begin").unwrap();
    frontend::parse(
        &mut out,
        "",
        "select note(i::text) from generate_series(1, 5) i",
        std::iter::empty(),
    )
    .unwrap();
    let what = Bind {
        portal: "p",
        statement: "",
        result_formats: &[],
    };
    frontend::bind(&mut out, &what, std::iter::empty()).unwrap();
    frontend::execute(&mut out, "p", 2).unwrap();
    frontend::sync(&mut out);
    frontend::execute(&mut out, "p", 2).unwrap();
    frontend::sync(&mut out);
    frontend::query(&mut out, "commit").unwrap();
    client.send(&out).await;
    for _ in 0..4 {
        client.until_ready().await;
    }
    mirrored.until_ran(1).await;
    assert_eq!(mirrored.seen().await, "1 2 3 4");
}

#[tokio::test]
async fn a_mirror_is_not_mirrored_nor_is_another_database() {
    let mirrored = Mirrored::noting(&[]).await;
    note(&mut mirrored.named("weir mirror").await, "a").await;
    let other = mirrored.stage.database.name().to_owned() + "_other";
    mirrored.stage.database.psql(&format!("create database {other}")).await;
    let target = mirrored.stage.target(&other);
    let mut client = weir_upstream::Connection::connect(&target, weir_upstream::ConnectOptions::default())
        .await
        .unwrap();
    assert_eq!(value(&mut client, "select 7").await.as_deref(), Some("7"));
    note(&mut mirrored.client().await, "b").await;
    mirrored.until_ran(1).await;
    assert_eq!(mirrored.seen().await, "b");
    drop(client);
}
