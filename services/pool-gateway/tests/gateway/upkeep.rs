//! Pools over time: sizes, ages, and a server that comes and goes.

use weir_testkit::{Postgres, http_get};

use crate::gateway::{Gate, Gateway, PATIENCE, database, request};

#[tokio::test]
async fn idle_connections_go_down_to_the_minimum_and_old_ones_are_replaced() {
    let database = database().await;
    let settings = [("pool_max", "4"), ("pool_min", "2"), ("idle_timeout", "200ms")];
    let gateway = Gateway::start(&database.url(), &settings).await;
    assert_eq!(gateway.pool().await.total, 2, "the minimum is there when it is ready");
    gateway.until_whole(&database).await;
    let pool = gateway.until_pool("the minimum", |pool| pool.total == 2).await;
    assert_eq!(
        (pool.opened_total, pool.closed_total),
        (4, 2),
        "the minimum was not kept"
    );
    let reasons = http_get(gateway.ops_port, "/metrics").await.unwrap().1;
    assert!(reasons.contains("reason=\"idle\"} 2"), "{reasons}");
    gateway.stop().await;

    let settings = [("pool_max", "2"), ("pool_min", "2"), ("recycle_after", "1s")];
    let gateway = Gateway::start(&database.url(), &settings).await;
    let old = gateway.value("select pg_backend_pid()").await;
    gateway
        .until_pool("two new ones", |pool| pool.closed_total >= 2 && pool.total == 2)
        .await;
    assert_ne!(gateway.value("select pg_backend_pid()").await, old);
    let reasons = http_get(gateway.ops_port, "/metrics").await.unwrap().1;
    assert!(
        reasons.contains("reason=\"age\"}") && !reasons.contains("reason=\"broken\"}"),
        "{reasons}"
    );
}

#[tokio::test]
async fn a_burst_shrinks_back_to_the_steady_size_and_not_below() {
    let database = database().await;
    let settings = [
        ("pool_steady", "2"),
        ("pool_overflow", "4"),
        ("pool_min", "0"),
        ("idle_timeout", "1h"),
    ];
    let gateway = Gateway::start(&database.url(), &settings).await;
    for _ in 0..5 {
        gateway.until_whole(&database).await;
        let pool = gateway.pool().await;
        assert_eq!((pool.total, pool.max), (2, 6), "{pool:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_away_is_used_again_when_it_is_back() {
    let mut server = Postgres::start().await;
    let database = server.database().await;
    let settings = [("pool_max", "4"), ("pool_min", "2"), ("connect_timeout", "1s")];
    let gateway = Gateway::start(&database.url(), &settings).await;
    gateway.until_whole(&database).await;
    let gate = Gate::shut(&database).await;
    let cut_off = gateway.begin(request(Gate::PASS));
    gateway
        .until_pool("a statement that runs", |pool| pool.active > 0)
        .await;
    server.stop().await;
    drop(gate);
    assert_eq!(cut_off.await.unwrap().unwrap_err().code(), tonic::Code::Unavailable);
    // Callers who go on asking do not hide that nobody answers.
    let stubborn: Vec<_> = (0..4)
        .map(|_| {
            let gateway = gateway.client.clone();
            #[expect(clippy::disallowed_methods, reason = "the test is the caller, not a service")]
            tokio::spawn(async move {
                loop {
                    let _ = gateway.clone().execute(request("select 1")).await;
                }
            })
        })
        .collect();
    gateway.until_ready(false).await;
    let (status, body) = http_get(gateway.ops_port, "/readyz").await.unwrap();
    assert!(status == 503 && body.contains("database.url"), "{status} {body}");
    stubborn.iter().for_each(tokio::task::JoinHandle::abort);
    server.start_again().await;
    gateway.until_ready(true).await;
    gateway.until_whole(&database).await;
    let pool = gateway.pool().await;
    assert_eq!(pool.opened_total, pool.closed_total + u64::from(pool.total), "{pool:?}");
}

#[tokio::test]
async fn one_lost_connection_is_enough_to_distrust_the_idle_ones() {
    let mut server = Postgres::start().await;
    let database = server.database().await;
    let settings = [("pool_max", "8"), ("pool_min", "8"), ("idle_timeout", "1h")];
    let gateway = Gateway::start(&database.url(), &settings).await;
    server.stop().await;
    server.start_again().await;
    let mut failed = 0;
    for _ in 0..8 {
        failed += usize::from(gateway.run("select 1").await.is_err());
    }
    assert!(failed <= 1, "{failed} callers paid for one restart");
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn a_server_that_hangs_is_noticed_too() {
    let server = Postgres::start().await;
    let database = server.database().await;
    let settings = [
        ("pool_max", "3"),
        ("pool_min", "1"),
        ("connect_timeout", "500ms"),
        ("statement_timeout", "1h"),
    ];
    let gateway = Gateway::start(&database.url(), &settings).await;
    server.pause();
    // Callers who hang there are no sign of life.
    let hung = [gateway.begin(request("select 1")), gateway.begin(request("select 2"))];
    gateway.until_ready(false).await;
    server.resume();
    gateway.until_ready(true).await;
    for call in hung {
        tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap().ok();
    }
    gateway.until_whole(&database).await;
}
