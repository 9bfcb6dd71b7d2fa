//! What is kept, and what lies there otherwise.

use super::*;

#[tokio::test]
async fn what_one_gateway_keeps_another_finds() {
    let redis = Redis::start().await;
    let (one, other) = (
        Subject::connected(&redis.url()).await,
        Subject::connected(&redis.url()).await,
    );
    let large = "some row, ".repeat(20_000);
    one.keep(1, "a row").await;
    one.keep(2, &large).await;
    assert_eq!(other.get(&key(1)).await.unwrap(), "a row");
    assert_eq!(other.get(&key(2)).await.unwrap(), large);
    assert_eq!(other.get(&key(3)).await, None);
    assert_eq!((other.lookups(Lookup::Hit), other.lookups(Lookup::Absent)), (2, 1));
    let text = one.metrics();
    for line in [
        "weir_cache_redis_puts_total{outcome=\"stored\"}",
        "weir_cache_redis_breaker_state{state=\"closed\"} 1",
        "weir_cache_redis_breaker_state{state=\"open\"} 0",
        "weir_cache_redis_queue{} 0.0",
        "weir_cache_redis_lookup_seconds_count",
    ] {
        assert!(text.contains(line), "{line} is missing in {text}");
    }
    assert!(one.shared.counts.written.get() * 10 < one.shared.counts.plain.get());
    assert!(one.usual_wait() > Duration::ZERO);
}

#[tokio::test]
async fn a_result_is_kept_no_longer_than_is_said_and_allowed() {
    let redis = Redis::start().await;
    let subject = Subject::open(&redis.url(), &[("WEIR_GATEWAY__CACHE_REDIS_TTL", "1m")]);
    subject.until_there().await;
    let left = async |number| {
        eventually("a result with its time", PATIENCE, async || {
            let left = redis.command(&["PTTL", &blob::name(&key(number))]).await;
            left.parse().ok().filter(|left: &i64| *left > 0)
        })
        .await
    };
    subject.put(key(1), blob("a"), Duration::from_secs(3600));
    subject.put(key(2), blob("b"), Duration::from_secs(20));
    assert!((50_000..=60_000).contains(&left(1).await));
    assert!((10_000..=20_000).contains(&left(2).await));
    subject.put(key(3), blob("c"), Duration::ZERO);
    assert_eq!(subject.puts(Put::Skipped), 1);
}

#[tokio::test]
async fn what_is_forgotten_is_gone() {
    let redis = Redis::start().await;
    let subject = Subject::connected(&redis.url()).await;
    subject.keep(1, "a row").await;
    subject.forget(key(1));
    let gone = async || subject.get(&key(1)).await.is_none().then_some(());
    eventually("a result is forgotten", PATIENCE, gone).await;
    assert_eq!((subject.puts(Put::Forgotten), subject.lookups(Lookup::Error)), (1, 0));
    assert_eq!(redis.command(&["DBSIZE"]).await, "0");
}

#[tokio::test]
async fn what_is_too_large_is_not_kept() {
    let redis = Redis::start().await;
    let subject = Subject::open(&redis.url(), &[("WEIR_GATEWAY__CACHE_RESULT_BYTES_MAX", "1000")]);
    subject.until_there().await;
    let most = 1000 + BESIDE_ROWS;
    subject.put(key(1), vec![1; most + 1].into(), PATIENCE);
    assert_eq!(subject.puts(Put::TooLarge), 1);
    let largest = "x".repeat(most);
    subject.keep(2, &largest).await;
}

#[tokio::test]
async fn whatever_a_stranger_writes_is_nothing_and_does_no_harm() {
    let redis = Redis::start().await;
    let subject = Subject::connected(&redis.url()).await;
    let name = |number| blob::name(&key(number));
    subject.keep(1, "a row").await;
    redis.command(&["COPY", &name(1), &name(2)]).await;
    redis.command(&["APPEND", &name(1), "x"]).await;
    redis.command(&["SET", &name(3), "x"]).await;
    redis.command(&["LPUSH", &name(4), "x"]).await;
    // A string of 64 MB: all but the first bytes of it stay where they are.
    redis.command(&["SETRANGE", &name(5), "67108864", "x"]).await;
    let before = subject.shared.counts.read.get();
    for number in [1, 2, 3, 4, 5] {
        assert_eq!(subject.get(&key(number)).await, None, "{number}");
    }
    assert_eq!(
        (subject.lookups(Lookup::Malformed), subject.lookups(Lookup::Error)),
        (5, 0)
    );
    let read = usize::try_from(subject.shared.counts.read.get() - before).unwrap();
    assert!(read < subject.shared.bytes_max + 1000, "{read} bytes were read");
    assert!(subject.is_there());
    subject.keep(1, "a row").await;
}
