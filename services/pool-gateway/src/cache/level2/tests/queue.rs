//! What waits to be written.

use super::*;

#[tokio::test]
async fn what_does_not_fit_is_dropped_and_nobody_waits() {
    let redis = Redis::start().await;
    let subject = Subject::connected(&redis.url()).await;
    // Nothing else runs on this thread until the first `await`.
    for number in 0..5000 {
        subject.put(key(number), blob("a row"), PATIENCE);
    }
    assert_eq!(
        (subject.puts(Put::Dropped), subject.queue.held()),
        (904, (4096, 4096 * 5))
    );
    let text = subject.metrics();
    assert!(
        text.contains("weir_cache_redis_queue{} 4096.0") && text.contains("weir_cache_redis_queue_bytes{} 20480.0")
    );
    let stored = async || (subject.puts(Put::Stored) == 4096).then_some(());
    eventually("what fitted is written", PATIENCE, stored).await;
    eventually("nothing is held", PATIENCE, async || {
        (subject.queue.held() == (0, 0)).then_some(())
    })
    .await;
    assert_eq!(redis.command(&["DBSIZE"]).await, "4096");
}

#[tokio::test]
async fn large_results_fill_the_queue_by_their_bytes() {
    let redis = Redis::start().await;
    let subject = Subject::connected(&redis.url()).await;
    for number in 0..20 {
        subject.put(key(number), vec![7; 1 << 20].into(), PATIENCE);
    }
    assert_eq!((subject.puts(Put::Dropped), subject.queue.held()), (4, (16, 16 << 20)));
    let stored = async || (subject.puts(Put::Stored) == 16).then_some(());
    eventually("what fitted is written", PATIENCE, stored).await;
    eventually("nothing is held", PATIENCE, async || {
        (subject.queue.held() == (0, 0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_full_redis_is_read_and_written_again_when_there_is_room() {
    let redis = Redis::start().await;
    let subject = Subject::connected(&redis.url()).await;
    subject.keep(1, "a row").await;
    redis.command(&["CONFIG", "SET", "maxmemory", "1mb"]).await;
    let refused = async || {
        subject.put(key(2), blob("another"), PATIENCE);
        (subject.puts(Put::Full) > 0).then_some(())
    };
    eventually("redis is full", PATIENCE, refused).await;
    for number in 100..1100 {
        subject.put(key(number), blob("more"), PATIENCE);
    }
    for _ in 0..1000 {
        assert_eq!(subject.get(&key(1)).await.unwrap(), "a row");
    }
    assert!(subject.is_there() && subject.lookups(Lookup::Error) == 0);
    let asked = subject.puts(Put::Full);
    assert!(asked < 40, "it was asked {asked} times to take more");
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    subject.keep(2, "another").await;
}

#[tokio::test]
async fn a_stop_waits_for_nothing() {
    let redis = Redis::start().await;
    let subject = Subject::connected(&redis.url()).await;
    subject.keep(1, "a row").await;
    for number in 0..15 {
        subject.put(key(number), vec![7; 1 << 20].into(), PATIENCE);
    }
    redis.pause().await;
    let (asked, begun) = (key(1), Instant::now());
    let ended = subject.tasks.descend(PATIENCE);
    let (outcome, answer) = tokio::join!(ended, subject.get(&asked));
    assert_eq!((outcome, answer), (weir_runtime::Outcome::Clean, None));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(!subject.is_there());
    assert_eq!(subject.get(&key(1)).await, None);
    subject.forget(key(1));
    assert!(subject.puts(Put::Dropped) > 0, "nobody is there to take it");
    redis.resume().await;
}
