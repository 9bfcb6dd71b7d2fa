//! What a look-up costs. Run it by name in a build that is optimised, on a machine that does nothing else:
//! `cargo test --release -p weir-pool-gateway --lib level2::tests::speed -- --ignored --nocapture`.

use super::*;

#[expect(clippy::print_stdout, reason = "figures are what it is for")]
async fn measure(subject: &Subject, clients: u32, size: usize) {
    const LOOKS: usize = 20_000;
    let begun = Instant::now();
    let each = LOOKS / usize::try_from(clients).unwrap();
    let clients = futures_util::future::join_all((0..clients).map(|_| async {
        let mut took = Vec::with_capacity(each);
        for _ in 0..each {
            let begun = Instant::now();
            assert!(subject.get(&key(1)).await.is_some_and(|found| found.len() == size));
            took.push(begun.elapsed());
        }
        took
    }));
    let mut took = clients.await.concat();
    let rate = took.len() * 1_000_000 / usize::try_from(begun.elapsed().as_micros()).unwrap();
    took.sort_unstable();
    let at = |share: usize| took[took.len() * share / 100];
    println!("{size} bytes: {rate}/s, p50 {:?}, p99 {:?}", at(50), at(99));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn of_look_ups() {
    let redis = Redis::start().await;
    let subject = Subject::open(&redis.url(), &[("WEIR_GATEWAY__CACHE_REDIS_TIMEOUT", "1m")]);
    subject.until_there().await;
    for size in [100, 1000, 10_000, 100_000] {
        let row = "D 000017 user17@example.com 2026-11-21 10:00:00.123+00 ";
        subject.keep(1, &row.repeat(size / row.len() + 1)[..size]).await;
        for clients in [1, 16, 128] {
            measure(&subject, clients, size).await;
        }
    }
}
