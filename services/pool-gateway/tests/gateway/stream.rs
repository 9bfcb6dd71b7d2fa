//! Results that are larger than memory should be.

use tonic::{Code, Streaming};
use weir_proto::common::v1::value::Kind;
use weir_proto::gateway::v1::query_response::Part;
use weir_proto::gateway::v1::{ExecuteRequest, QueryRequest, QueryResponse};

use crate::gateway::{Gateway, assert_refused, database, request, until_made_no_more, until_running};

async fn query(gateway: &Gateway, sql: &str, max_rows: u64) -> Streaming<QueryResponse> {
    let asked = QueryRequest {
        sql: sql.to_owned(),
        max_rows,
        ..QueryRequest::default()
    };
    gateway.client.clone().query(asked).await.unwrap().into_inner()
}

async fn part(stream: &mut Streaming<QueryResponse>) -> Option<Part> {
    stream.message().await.unwrap().map(|message| message.part.unwrap())
}

#[tokio::test]
async fn many_rows_come_whole_in_order_and_in_small_messages() {
    let gateway = Gateway::start(&database().await.url(), &[("pool_max", "1")]).await;
    let mut stream = query(
        &gateway,
        "select a, repeat('x', a % 100) from generate_series(1, 200000) a",
        0,
    )
    .await;
    let Some(Part::Columns(header)) = part(&mut stream).await else {
        panic!("no columns")
    };
    assert_eq!(header.columns.len(), 2);
    let mut next = 1;
    let summary = loop {
        match part(&mut stream).await.unwrap() {
            Part::Rows(batch) => {
                assert!(prost::Message::encoded_len(&batch) < 70_000, "a message is too large");
                for row in batch.rows {
                    assert_eq!(row.values[0].kind, Some(Kind::Int64(next)));
                    next += 1;
                }
            }
            Part::Summary(summary) => break summary,
            Part::Columns(_) => panic!("columns twice"),
        }
    };
    assert_eq!(
        (next, summary.rows_affected, summary.command_tag.as_str()),
        (200_001, 200_000, "SELECT 200000")
    );
    assert!(part(&mut stream).await.is_none());

    let mut cut = query(&gateway, "select generate_series(1, 5000)", 3).await;
    let (mut rows, mut truncated) = (0, false);
    while let Some(part) = part(&mut cut).await {
        match part {
            Part::Rows(batch) => rows += batch.rows.len(),
            Part::Summary(summary) => truncated = summary.truncated,
            Part::Columns(_) => {}
        }
    }
    assert_eq!((rows, truncated), (3, true));
}

#[tokio::test]
async fn a_slow_reader_slows_the_server_and_one_who_goes_away_stops_it() {
    let database = database().await;
    database.psql("create sequence made").await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1")]).await;
    let endless = "select repeat('x', 1000), nextval('made'), generate_series(1, 100000000)";
    let mut stream = query(&gateway, endless, 0).await;
    part(&mut stream).await.unwrap();
    let rows = until_made_no_more(&database).await;
    assert!(rows < 30_000, "{rows} rows of a thousand bytes are held somewhere");
    // It goes on for who reads on.
    for _ in 0..50 {
        assert!(matches!(part(&mut stream).await, Some(Part::Rows(_))));
    }
    drop(stream);
    until_running(&database, "generate_series", 0).await;
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn a_reply_that_is_too_large_is_refused_and_nothing_is_held_up() {
    let database = database().await;
    let settings = [("pool_max", "1"), ("reply_bytes_max", "1000000")];
    let gateway = Gateway::start(&database.url(), &settings).await;
    for sql in [
        "select repeat('x', 1000), generate_series(1, 100000000)",
        "select from (select generate_series(1, 100000000)) s",
        "select null::int from (select generate_series(1, 100000000)) s",
        "select array_fill(true, array[600000])",
        "select repeat('x', 100000000)",
    ] {
        let refused = gateway.run(sql).await;
        let status = assert_refused(refused, Code::ResourceExhausted, "reply-too-large");
        assert!(status.message().contains("gateway.reply_bytes_max"), "{status:?}");
        until_running(&database, "repeat", 0).await;
        assert_eq!(gateway.value("select 1").await, Kind::Int64(1));
    }
    let mut stream = query(&gateway, "select repeat('x', 100000000)", 0).await;
    let ended = loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            ended => break ended,
        }
    };
    assert_refused(ended, Code::ResourceExhausted, "reply-too-large");
    // What just fits arrives with a client that takes the usual 4 MiB.
    let fits = ExecuteRequest {
        max_rows: 900,
        ..request("select repeat('x', 1000) from generate_series(1, 900)")
    };
    assert_eq!(gateway.execute(fits).await.unwrap().rows.len(), 900);
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn rows_without_columns_stream_too() {
    let gateway = Gateway::start(&database().await.url(), &[("pool_max", "1")]).await;
    let mut stream = query(&gateway, "select from generate_series(1, 300000)", 0).await;
    let (mut rows, mut messages) = (0, 0);
    while let Some(part) = part(&mut stream).await {
        if let Part::Rows(batch) = part {
            rows += batch.rows.len();
            messages += 1;
        }
    }
    assert!(rows == 300_000 && messages > 5, "{rows} rows in {messages} messages");
}
