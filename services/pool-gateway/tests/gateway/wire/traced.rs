//! Whose trace a statement belongs to.

use tonic::IntoRequest as _;
use weir_bus::{Bus, Limits};
use weir_upstream::ConnectOptions;

use super::{Stage, extended, value};
use crate::gateway::{Gateway, database, events, request, taken};

fn trace(span: u32) -> String {
    format!("00-0af7651916cd43dd8448eb211c80319c-{span:016x}-01")
}

fn comment(span: u32) -> String {
    format!("/*app='a%2Cb',traceparent='{}'*/", trace(span))
}

#[tokio::test]
async fn an_event_has_the_trace_of_its_comment_or_of_the_programs_name() {
    let database = database().await;
    let bus = Bus::in_memory(Limits::default());
    let mut listener = bus.subscribe("weir.*.query.executed", None).await.unwrap();
    let gateway = Gateway::on_bus(bus, &database.url(), &[("pool_max", "1"), ("pool_min", "0")]).await;
    let stage = Stage { gateway, database };
    let options = ConnectOptions {
        application_name: Some(format!("shop;traceparent={}", trace(1))),
        ..ConnectOptions::default()
    };
    let mut client = stage.try_client(options).await.unwrap();

    value(&mut client, "select 1").await;
    value(&mut client, &format!("select 1 {}", comment(2))).await;
    for span in 3..6 {
        let sql = format!("select 1 + 1 {}", comment(span));
        assert_eq!(extended(&mut client, &sql).await.unwrap().as_deref(), Some("2"));
    }
    let known = "select string_agg(statement, ';') from pg_prepared_statements";
    let kept = value(&mut client, known).await;
    assert_eq!(kept.as_deref(), Some("select 1 + 1 /*app='a%2Cb'*/"));
    client.simple_query(&format!("{} begin", comment(6))).await.unwrap();
    client.simple_query("commit").await.unwrap();
    let renamed = format!("set application_name = 'shop {}'", trace(7));
    client.simple_query(&renamed).await.unwrap();
    value(&mut client, "select 2").await;
    client.close().await;
    stage.gateway.stop().await;

    let batches = taken(&mut listener);
    let told: Vec<_> = events(&batches)
        .into_iter()
        .map(|event| (event.application.as_str(), event.traceparent.clone()))
        .collect();
    let expected = [1, 2, 3, 4, 5, 1, 6, 1, 1, 7].map(|span| ("shop", trace(span)));
    assert_eq!(told, expected);
}

#[tokio::test]
async fn an_event_of_a_call_has_the_trace_of_its_metadata_or_of_the_texts_comment() {
    let database = database().await;
    let bus = Bus::in_memory(Limits::default());
    let mut listener = bus.subscribe("weir.*.query.executed", None).await.unwrap();
    let gateway = Gateway::on_bus(bus, &database.url(), &[("pool_max", "1")]).await;
    let with_metadata = |sql: &str, given: String| {
        let mut asked = request(sql).into_request();
        asked.metadata_mut().insert("traceparent", given.parse().unwrap());
        asked
    };
    let commented = format!("select 1 {}", comment(2));
    gateway.execute(with_metadata("select 1", trace(1))).await.unwrap();
    gateway.run(&commented).await.unwrap();
    gateway.execute(with_metadata(&commented, trace(3))).await.unwrap();
    let no_trace = with_metadata("select 1", "select 'secret'".to_owned());
    gateway.execute(no_trace).await.unwrap();
    gateway.stop().await;

    let batches = taken(&mut listener);
    let told: Vec<_> = events(&batches)
        .into_iter()
        .map(|event| event.traceparent.clone())
        .collect();
    assert_eq!(told, [trace(1), trace(2), trace(3), String::new()]);
}
