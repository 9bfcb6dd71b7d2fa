//! A Redis that goes away, hangs, or takes its time.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::*;

/// Looks so many times, and says how many of the looks took longer than a client would notice.
async fn look(subject: &Subject, count: u32) -> usize {
    let mut noticed = 0;
    for _ in 0..count {
        let begun = Instant::now();
        subject.get(&key(1)).await;
        noticed += usize::from(begun.elapsed() > Duration::from_millis(50));
    }
    noticed
}

#[tokio::test]
async fn one_that_is_killed_is_used_again_when_it_is_back() {
    let mut redis = Redis::start().await;
    let subject = Subject::connected(&redis.url()).await;
    for round in 0..3 {
        subject.keep(1, "a row").await;
        redis.stop().await;
        assert_eq!(look(&subject, 500).await, 0, "round {round}");
        assert!(!subject.is_there());
        assert!(subject.health().is_err());
        subject.put(key(2), blob("lost"), PATIENCE);
        redis.start_again().await;
        subject.until_there().await;
        assert_eq!((subject.get(&key(1)).await, subject.health()), (None, Ok(())));
    }
    assert_eq!(subject.lookups(Lookup::Timeout), 0);
    assert!(subject.lookups(Lookup::Error) <= 3, "one that finds out, each time");
    assert!(subject.puts(Put::Skipped) >= 3);
    subject.keep(1, "a row").await;
}

#[tokio::test]
async fn one_that_is_away_at_the_start_is_found_later() {
    let mut redis = Redis::start().await;
    redis.stop().await;
    let subject = Subject::open(&redis.url(), &[]);
    assert_eq!(look(&subject, 10).await, 0);
    let known = async || subject.health().err().filter(|reason| reason.contains("refused"));
    eventually("the reason is known", PATIENCE, known).await;
    assert_eq!(subject.lookups(Lookup::Skipped), 10);
    redis.start_again().await;
    subject.keep(1, "a row").await;
}

#[tokio::test]
async fn one_that_hangs_makes_three_wait() {
    let redis = Redis::start().await;
    let subject = Subject::connected(&redis.url()).await;
    subject.keep(1, "a row").await;
    redis.pause().await;
    let begun = Instant::now();
    assert_eq!(look(&subject, 1000).await, 3);
    let waited = begun.elapsed();
    assert!(
        waited < 3 * (subject.shared.limit + Duration::from_millis(200)),
        "{waited:?}"
    );
    assert_eq!((subject.lookups(Lookup::Timeout), subject.is_there()), (3, false));
    redis.resume().await;
    subject.until_there().await;
    assert_eq!(subject.get(&key(1)).await.unwrap(), "a row");
}

/// Whoever asks at the same time waits at the same time, once.
#[tokio::test]
async fn one_that_hangs_makes_a_crowd_wait_once() {
    let redis = Redis::start().await;
    let subject = Subject::connected(&redis.url()).await;
    redis.pause().await;
    let begun = Instant::now();
    let asked = key(1);
    futures_util::future::join_all((0..200).map(|_| subject.get(&asked))).await;
    assert!(begun.elapsed() < subject.shared.limit * 2, "{:?}", begun.elapsed());
    assert_eq!(look(&subject, 1000).await, 0);
    redis.resume().await;
    subject.until_there().await;
}

#[tokio::test]
async fn one_that_hangs_is_noticed_while_nobody_asks() {
    let redis = Redis::start().await;
    let subject = Subject::connected(&redis.url()).await;
    redis.pause().await;
    subject.until_gone().await;
    assert_eq!(look(&subject, 100).await, 0);
    assert_eq!(
        (subject.lookups(Lookup::Skipped), subject.lookups(Lookup::Timeout)),
        (100, 0)
    );
    redis.resume().await;
    subject.until_there().await;
}

#[tokio::test]
async fn one_that_is_slow_is_not_asked_until_it_is_quick() {
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.port()).await;
    let subject = Subject::open(&proxy.url(), &[("WEIR_GATEWAY__CACHE_REDIS_TIMEOUT", "150ms")]);
    subject.until_there().await;
    subject.keep(1, "a row").await;
    // In time, and later than is good: 100 ms of 150.
    proxy.delay(100);
    assert_eq!(look(&subject, 1000).await, 3);
    assert_eq!((subject.lookups(Lookup::Timeout), subject.is_there()), (0, false));
    let tried = proxy.came();
    eventually("it was tried three times more", PATIENCE, async || {
        assert!(!subject.is_there(), "a slow one is used");
        (proxy.came() >= tried + 3).then_some(())
    })
    .await;
    assert_eq!(look(&subject, 1000).await, 0);
    proxy.delay(0);
    subject.until_there().await;
    assert_eq!(subject.get(&key(1)).await.unwrap(), "a row");
}

#[tokio::test]
async fn one_that_errs_is_not_asked() {
    let redis = Redis::start().await;
    redis
        .command(&["ACL", "SETUSER", "weir", "on", ">word", "~*", "+@all"])
        .await;
    let url = redis.url().replace("//", "//weir:word@");
    let subject = Subject::connected(&url).await;
    redis.command(&["ACL", "SETUSER", "weir", "-getrange"]).await;
    look(&subject, 100).await;
    assert_eq!((subject.lookups(Lookup::Error), subject.is_there()), (3, false));
    let reason = async || subject.health().err().filter(|reason| reason.contains("permissions"));
    eventually("the reason is known", PATIENCE, reason).await;
    redis.command(&["ACL", "SETUSER", "weir", "+getrange"]).await;
    subject.keep(1, "a row").await;
}

#[tokio::test]
async fn what_is_said_of_a_connection_that_is_gone_counts_for_nothing() {
    let redis = Redis::start().await;
    let subject = Subject::connected(&redis.url()).await;
    let line = &subject.shared.line;
    let old = line.lead().unwrap();
    line.judge(&old, Verdict::Lost("it is lost".to_owned()));
    assert_eq!(
        (subject.is_there(), subject.health()),
        (false, Err("it is lost".to_owned()))
    );
    subject.until_there().await;
    for _ in 0..10 {
        line.judge(&old, Verdict::Bad("it was bad"));
        line.judge(&old, Verdict::Lost("it is lost".to_owned()));
    }
    assert_eq!((subject.is_there(), subject.health()), (true, Ok(())));
}

/// Passes bytes on to a server, the answers as late as it is told.
struct Proxy {
    port: u16,
    delay_ms: Arc<AtomicU64>,
    came: Arc<AtomicU64>,
    tasks: Tasks,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.tasks.cut_off();
    }
}

impl Proxy {
    async fn start(server: u16) -> Self {
        let door = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let proxy = Self {
            port: door.local_addr().unwrap().port(),
            delay_ms: Arc::default(),
            came: Arc::default(),
            tasks: Tasks::new(),
        };
        let (delay, came, tasks) = (proxy.delay_ms.clone(), proxy.came.clone(), proxy.tasks.clone());
        proxy.tasks.spawn_short(Stage::Work, "proxy", async move {
            while let Ok((client, _)) = door.accept().await {
                came.fetch_add(1, Ordering::Relaxed);
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                tasks.spawn_short(Stage::Work, "proxied", pass(client, server, delay.clone()));
            }
        });
        proxy
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn delay(&self, ms: u64) {
        self.delay_ms.store(ms, Ordering::Relaxed);
    }

    /// Connections so far.
    fn came(&self) -> u64 {
        self.came.load(Ordering::Relaxed)
    }
}

async fn pass(client: TcpStream, server: TcpStream, delay_ms: Arc<AtomicU64>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = async {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            sleep(Duration::from_millis(delay_ms.load(Ordering::Relaxed))).await;
            if to_client.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        () = back => {}
    }
}
