//! Clients that do not speak the protocol: they are told so and sent home, and nobody else notices.

use bytes::{BufMut as _, BytesMut};
use tokio::time::timeout;

use super::super::{Stage, value};
use super::crowd::{Crowd, Fate};
use super::raw::{Raw, Said, last_error, query};
use super::{ANSWER_WITHIN, assert_whole};

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_be_bytes()[7]).collect()
    }
}

/// A frame that says that it is so long, and is not.
fn frame(tag: u8, length: i32, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    out.put_u8(tag);
    out.put_i32(length);
    out.put_slice(body);
    out.to_vec()
}

/// What the gateway says to these bytes, until it ends the session.
async fn answer(mut client: Raw, bytes: &[u8]) -> Vec<Said> {
    client.send(bytes).await;
    let said = timeout(ANSWER_WITHIN, client.until_end()).await;
    said.unwrap_or_else(|_| panic!("it was not sent home: {bytes:?}"))
}

fn told(severity: &str, code: &str) -> Option<(String, String)> {
    Some((severity.to_owned(), code.to_owned()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_cannot_be_end_the_session_with_the_right_error() {
    let stage = Stage::with_pool(2).await;
    let crowd = Crowd::gather(&stage, 2, Fate::Undisturbed).await;
    let mut cases = Vec::new();
    for kind in *b"QPBDECSHdcfXF" {
        for length in [0, 3, -1, i32::MIN] {
            cases.push((frame(kind, length, b"select 1\0"), "08P01"));
        }
    }
    for kind in *b"QBdFfPDECSHcX" {
        cases.push((frame(kind, i32::MAX, b"select 1"), "08P01"));
    }
    for kind in *b"PDECSHcX" {
        cases.push((frame(kind, 100_000_000, b"select 1"), "54000"));
    }
    for kind in [0, b'z', b'p', b'Z', 0x16, 0xff] {
        cases.push((frame(kind, 8, b"1234"), "08P01"));
    }
    // Texts without an end, and values that are not there.
    cases.push((frame(b'P', 12, b"nowhere1"), "08P01"));
    cases.push((frame(b'B', 12, b"nowhere1"), "08P01"));
    cases.push((frame(b'Q', 12, b"select 1"), "08P01"));
    cases.push((frame(b'D', 6, b"X\0"), "08P01"));
    for (bytes, code) in cases {
        let client = Raw::log_in(&stage).await;
        let said = answer(client, &bytes).await;
        assert_eq!(last_error(&said), told("FATAL", code), "{bytes:?}: {said:?}");
    }
    crowd.goes_on().await;
    crowd.go_home().await;
    assert_whole(&stage).await;
}

/// A FATAL error in the middle of a batch is said once all that was asked before has its answer or never will.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_follows_garbage_is_not_run() {
    let stage = Stage::with_pool(2).await;
    stage.database.psql("create table t (a int)").await;
    let mut client = Raw::log_in(&stage).await;
    let mut bytes = query("select 1").to_vec();
    bytes.extend(frame(b'z', 4, b""));
    bytes.extend_from_slice(&query("insert into t values (1)"));
    client.send(&bytes).await;
    let said = timeout(ANSWER_WITHIN, client.until_end()).await.unwrap();
    assert_eq!(last_error(&said), told("FATAL", "08P01"), "{said:?}");
    assert_whole(&stage).await;
    assert_eq!(stage.database.psql("select count(*) from t").await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_harms_nobody() {
    let stage = Stage::with(&[("pool_max", "2"), ("pool_min", "0"), ("login_timeout", "300ms")]).await;
    let crowd = Crowd::gather(&stage, 2, Fate::Undisturbed).await;
    let mut dice = Dice(20_260_101);
    for round in 0..120 {
        let length = 1 + usize::try_from(dice.next() % 300).unwrap();
        let noise = dice.bytes(length);
        // Before the log-in and after it; noise may well be the beginning of something, so nobody waits for an end.
        let mut client = if round % 2 == 0 {
            Raw::connect(stage.gateway.wire_port).await
        } else {
            Raw::log_in(&stage).await
        };
        client.send(&noise).await;
        let _ = timeout(std::time::Duration::from_millis(5), client.frame()).await;
        if round % 3 == 0 {
            client.reset();
        }
    }
    crowd.goes_on().await;
    crowd.go_home().await;
    assert_whole(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_says_who_it_is_is_not_waited_for() {
    let stage = Stage::with(&[("pool_max", "1"), ("pool_min", "0"), ("login_timeout", "500ms")]).await;
    let port = stage.gateway.wire_port;
    for bytes in [&b""[..], b"\0\0", b"\0\0\0\x60\0\x03\0\0user\0post"] {
        let client = Raw::connect(port).await;
        assert_eq!(answer(client, bytes).await, [], "{bytes:?}");
    }
    for bytes in [
        &b"\0\0\0\x03\0\x03\0\0"[..],
        b"\x7f\xff\xff\xff\0\x03\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let said = answer(Raw::connect(port).await, bytes).await;
        assert_eq!(last_error(&said), told("FATAL", "08P01"), "{bytes:?}");
    }
    // One that goes on for ever, a byte at a time, has no more time than others.
    let mut endless = Raw::connect(port).await;
    let talk = async {
        endless.send(b"\0\0\x20\0\0\x03\0\0").await;
        while endless.stream.try_write(b"u").is_ok() {
            // It has a lot of time, and takes it.
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    timeout(ANSWER_WITHIN, talk).await.expect("it was listened to for ever");
    let mut client = stage.client().await;
    assert_eq!(value(&mut client, "select 1").await.as_deref(), Some("1"));
}
