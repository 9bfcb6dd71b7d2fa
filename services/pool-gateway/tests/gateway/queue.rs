//! More callers than connections.

use std::time::Duration;

use tonic::Code;
use weir_proto::common::v1::value::Kind;
use weir_proto::gateway::v1::ExecuteRequest;

use crate::gateway::{Gate, Gateway, PATIENCE, assert_refused, database, only_value, request};

#[tokio::test]
async fn who_comes_first_is_served_first() {
    let database = database().await;
    database.psql("create table served (place serial, caller int)").await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1")]).await;
    let gate = Gate::shut(&database).await;
    let mut calls = vec![gateway.begin(request(Gate::PASS))];
    gateway
        .until_pool("the connection in use", |pool| pool.active == 1)
        .await;
    for caller in 1..=8 {
        calls.push(gateway.begin(request(&format!("insert into served (caller) values ({caller})"))));
        gateway
            .until_pool("one more who waits", |pool| pool.waiting >= caller)
            .await;
    }
    // One who leaves is not served, and nobody behind is forgotten.
    calls.remove(3).abort();
    gateway.until_pool("one less who waits", |pool| pool.waiting <= 7).await;
    gate.open().await;
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let order = database
        .psql("select string_agg(caller::text, ' ' order by place) from served")
        .await;
    assert_eq!(order, "1 2 4 5 6 7 8");
    assert_eq!(gateway.pool().await.opened_total, 1, "a connection was lost on the way");
    gateway.until_whole(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_maximum_is_never_exceeded_and_all_are_served() {
    let database = database().await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "3"), ("pool_min", "0")]).await;
    let count =
        "select count(*) from pg_stat_activity where application_name = 'weir' and datname = current_database()";
    let calls: Vec<_> = (0..300)
        .map(|number| {
            // Some leave their connection to be reset, some go away.
            let lasting = format!("select pg_sleep(0.001 * {}) from ({count}) c", number % 3);
            let text = match number % 10 {
                0 => "select set_config('work_mem', '1MB', false)",
                1 | 2 => lasting.as_str(),
                _ => count,
            };
            let call = gateway.begin(request(text));
            if number % 10 == 2 {
                call.abort();
            }
            (number, call)
        })
        .collect();
    for (number, call) in calls {
        if let Ok(answer) = call.await
            && number % 10 > 2
        {
            let Kind::Int64(connections) = only_value(&answer.unwrap()) else {
                panic!("no number")
            };
            assert!(connections <= 3, "{connections} connections");
        }
    }
    gateway.until_whole(&database).await;
    let pool = gateway.pool().await;
    assert!(
        pool.total <= 3 && pool.opened_total == pool.closed_total + u64::from(pool.total),
        "{pool:?}"
    );
}

#[tokio::test]
async fn who_waits_too_long_or_stands_too_far_behind_is_refused() {
    let database = database().await;
    let settings = [("pool_max", "1"), ("acquire_timeout", "1500ms"), ("waiting_max", "2")];
    let gateway = Gateway::start(&database.url(), &settings).await;
    let gate = Gate::shut(&database).await;
    let first = gateway.begin(request(Gate::PASS));
    gateway
        .until_pool("the connection in use", |pool| pool.active == 1)
        .await;
    let waiting = [gateway.begin(request("select 1")), gateway.begin(request("select 1"))];
    gateway.until_pool("a full queue", |pool| pool.waiting == 2).await;
    let refused = gateway.run("select 1").await;
    assert_refused(refused, Code::ResourceExhausted, "pool-queue-full");
    for call in waiting {
        assert_refused(call.await.unwrap(), Code::ResourceExhausted, "pool-timeout");
    }
    gate.open().await;
    first.await.unwrap().unwrap();
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn the_statements_time_does_not_run_while_it_waits() {
    let database = database().await;
    let settings = [("pool_max", "1"), ("statement_timeout", "700ms")];
    let gateway = Gateway::start(&database.url(), &settings).await;
    // Three in a row take more than one may: each has its time from when it has its connection.
    let calls: Vec<_> = (0..3).map(|_| gateway.begin(request("select pg_sleep(0.4)"))).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let asked = ExecuteRequest {
        timeout_ms: 100,
        ..request("select 1")
    };
    let gate = Gate::shut(&database).await;
    let first = gateway.begin(request(Gate::PASS));
    gateway
        .until_pool("the connection in use", |pool| pool.active == 1)
        .await;
    let begun = tokio::time::Instant::now();
    assert_refused(
        gateway.execute(asked).await,
        Code::DeadlineExceeded,
        "statement-timeout",
    );
    assert!(
        begun.elapsed() < Duration::from_millis(600),
        "the caller's own time includes the waiting"
    );
    gate.open().await;
    let _ = tokio::time::timeout(PATIENCE, first).await.unwrap();
    gateway.until_whole(&database).await;
}
