//! Servers that are none: whatever they send is an error, in bounded time and memory.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;
use weir_upstream::{ConnectOptions, Connection, Error, Limits, Target};

/// A log-in without a password, up to the first statement.
const WELCOME: &[u8] = b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x01\0\0\0\x02Z\0\0\0\x05I";
/// The beginning of a reply with one column of text.
const ONE_COLUMN: &[u8] =
    b"1\0\0\0\x042\0\0\0\x04T\0\0\0\x1a\0\x01a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0";
const ONE_ROW: &[u8] = b"D\0\0\0\x0b\0\x01\0\0\0\x01x";
const END: &[u8] = b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I";

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server for one connection: it reads what a client sends once for each piece, and then sends the piece. Threads,
/// so that its own memory is not counted.
struct Server {
    port: u16,
    thread: JoinHandle<()>,
}

impl Server {
    fn start(serve: impl FnOnce(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = thread::spawn(move || serve(listener.accept().unwrap().0));
        Self { port, thread }
    }

    fn sending(pieces: Vec<Vec<u8>>) -> Self {
        Self::start(move |mut socket| {
            for piece in pieces {
                read_something(&mut socket);
                // A client may leave at the first wrong byte.
                let _ = socket.write_all(&piece);
            }
        })
    }

    /// Sends one piece as an answer, and then another without end.
    fn flooding(first: Vec<Vec<u8>>, flood: Vec<u8>) -> Self {
        Self::start(move |mut socket| {
            for piece in first {
                read_something(&mut socket);
                let _ = socket.write_all(&piece);
            }
            while socket.write_all(&flood).is_ok() {}
        })
    }

    async fn connect(&self) -> Result<Connection, Error> {
        self.connect_within(PATIENCE).await
    }

    async fn connect_within(&self, limit: Duration) -> Result<Connection, Error> {
        let target = Target::parse(&format!("postgres://u:pw@127.0.0.1:{}/d?sslmode=disable", self.port)).unwrap();
        Connection::connect(
            &target,
            ConnectOptions {
                timeout: Some(limit),
                ..ConnectOptions::default()
            },
        )
        .await
    }

    fn end(self) {
        self.thread.join().unwrap();
    }
}

fn read_something(socket: &mut TcpStream) {
    let _ = socket.read(&mut [0; 4096]);
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Runs it to its end, or fails.
async fn patiently<T>(run: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, run).await.expect("it hangs")
}

/// Runs it and says how much memory this thread held at most.
fn memory_of<T>(run: impl AsyncFnOnce() -> T) -> (T, u64) {
    let runtime = runtime();
    let mut result = None;
    let used = allocation_counter::measure(|| result = Some(runtime.block_on(patiently(run()))));
    (result.unwrap(), used.bytes_max)
}

fn refused(answer: &[u8]) -> Error {
    let server = Server::sending(vec![answer.to_vec()]);
    let (opened, bytes) = memory_of(async || server.connect().await);
    server.end();
    assert!(bytes < 300_000, "{bytes} bytes were held");
    opened.unwrap_err()
}

#[test]
fn what_is_no_log_in_is_refused() {
    let long = [b"R\0\0\x40\0\0\0\0\x0a".as_slice(), &[b'x'; 20_000]].concat();
    for (answer, said) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "a frame 'H' declares 1414811691 bytes; at most 65536 are accepted",
        ),
        (
            b"\0\0\0\0\0\0\0\0",
            "a frame 0x00 declares 0 bytes, fewer than its own length field takes",
        ),
        (
            b"R\xff\xff\xff\xff",
            "a frame 'R' declares 4294967291 bytes; at most 65536 are accepted",
        ),
        (
            b"R\0\0\0\x03",
            "a frame 'R' declares 3 bytes, fewer than its own length field takes",
        ),
        (
            b"R\0\0\0\x06\0\0",
            "a malformed Authentication frame: it ends too early",
        ),
        (
            b"R\0\0\0\x09\0\0\0\0x",
            "a malformed Authentication frame: bytes are left over",
        ),
        (&long, "a malformed Authentication frame: a text has no end"),
        (b"Z\0\0\0\x05I", "it sent something else than a step of the log-in"),
        (
            b"R\0\0\0\x08\0\0\0\0D\0\0\0\x06\0\0",
            "it sent something else than the start of a session",
        ),
        (
            b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05?",
            "a malformed ReadyForQuery frame: its status is none of I, T and E",
        ),
        (
            b"R\0\0\0\x08\0\0\0\0K\0\0\0\x09\0\0\0\x01x",
            "a malformed BackendKeyData frame: its key has neither 4 nor up to 256 bytes",
        ),
        (b"?\0\0\0\x04", "a frame '?' is not one that a server sends"),
    ] {
        let error = refused(answer);
        let Error::Protocol { reason, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(reason, said);
    }
}

#[test]
fn a_log_in_that_breaks_off_is_a_lost_connection() {
    for end in [0, 1, 4, 8, 9, 20, WELCOME.len() - 1] {
        let error = refused(&WELCOME[..end]);
        assert!(
            matches!(&error, Error::Io { reason, .. } if reason == "the server closed it"),
            "cut at {end}: {error}"
        );
    }
}

#[test]
fn log_ins_that_prove_nothing_are_refused() {
    for (answer, said) in [
        (
            &b"R\0\0\0\x08\0\0\0\x07"[..],
            "it asks for a log-in by GSSAPI, which is not possible here",
        ),
        (
            b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0R\0\0\0\x08\0\0\0\0",
            "it does not prove that it knows the password",
        ),
        (
            b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0R\0\0\0\x0c\0\0\0\x0cv=AA",
            "it does not prove that it knows the password",
        ),
        (
            b"R\0\0\0\x0f\0\0\0\x0aOAUTH\0\0",
            "it asks for a log-in by a SASL mechanism other than SCRAM-SHA-256, which is not possible here",
        ),
    ] {
        let error = refused(answer);
        let Error::Auth { reason, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(reason, said);
    }
}

#[test]
fn a_scram_challenge_that_asks_for_endless_work_is_refused() {
    let server = Server::start(|mut socket| {
        read_something(&mut socket);
        socket.write_all(b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0").unwrap();
        let mut first = [0; 4096];
        let count = socket.read(&mut first).unwrap();
        let nonce = String::from_utf8_lossy(&first[..count])
            .split_once("r=")
            .unwrap()
            .1
            .to_owned();
        let challenge = format!("r={nonce}x,s=QSXCR+Q6sek8bf92,i=2000000000");
        let length = u32::try_from(challenge.len()).unwrap() + 8;
        let frame = [b"R", &length.to_be_bytes()[..], b"\0\0\0\x0b", challenge.as_bytes()].concat();
        socket.write_all(&frame).unwrap();
    });
    let error = runtime().block_on(server.connect()).unwrap_err();
    server.end();
    assert!(
        error
            .to_string()
            .contains("SCRAM iteration count of 2000000000 exceeds the maximum of 100000"),
        "{error}"
    );
}

#[test]
fn a_server_that_never_comes_to_the_point_is_given_up() {
    let notice = b"N\0\0\0\x10SNOTICE\0Mx\0\0".repeat(100);
    let setting = b"S\0\0\0\x0fabcdefgh\0v\0".repeat(100);
    for (first, flood) in [(&b""[..], notice), (b"R\0\0\0\x08\0\0\0\0", setting)] {
        let server = Server::flooding(vec![first.to_vec()], flood);
        let (opened, bytes) = memory_of(async || server.connect_within(Duration::from_millis(300)).await);
        assert!(matches!(opened, Err(Error::Timeout { .. })), "{opened:?}");
        server.end();
        assert!(bytes < 300_000, "{bytes} bytes were held");
    }
}

#[test]
fn an_answer_to_the_question_for_tls_is_not_believed() {
    for (answer, said) in [
        (
            &b"E\0\0\0\x10Mtrust me\0\0"[..],
            "the server did not answer the question whether it speaks tls",
        ),
        (b"Sand then something in clear", "InvalidContentType"),
        (b"N", "the server does not offer it, and sslmode=require asks for it"),
    ] {
        let server = Server::sending(vec![answer.to_vec()]);
        let target = Target::parse(&format!("postgres://u:pw@127.0.0.1:{}/d?sslmode=require", server.port)).unwrap();
        let error = runtime()
            .block_on(Connection::connect(&target, ConnectOptions::default()))
            .unwrap_err();
        server.end();
        let Error::Tls { reason, .. } = &error else {
            panic!("{error}")
        };
        assert!(reason.contains(said), "{reason}");
    }
}

/// Asks a server that answers like this, and reads to the end.
async fn ask(server: &Server, limits: Limits) -> Result<usize, Error> {
    let mut connection = server.connect().await?;
    let mut stream = connection.query("select 1", &[]).await?.limited(limits);
    let mut rows = 0;
    while let Some(batch) = stream.next_batch().await? {
        rows += batch.rows().map(|row| row.values().count()).sum::<usize>();
    }
    assert!(stream.completion().is_some());
    Ok(rows)
}

fn answered(reply: &[&[u8]]) -> Result<usize, Error> {
    let server = Server::sending(vec![WELCOME.to_vec(), reply.concat()]);
    let (found, bytes) = memory_of(async || ask(&server, Limits::default()).await);
    server.end();
    assert!(bytes < 300_000, "{bytes} bytes were held");
    found
}

#[test]
fn a_reply_that_is_none_is_refused() {
    assert_eq!(answered(&[ONE_COLUMN, ONE_ROW, END]).unwrap(), 1);
    let row_of_two = &b"D\0\0\0\x0e\0\x02\0\0\0\0\xff\xff\xff\xff"[..];
    for reply in [
        &[&b"garbage and more of it"[..]][..],
        &[ONE_ROW, END],
        &[END],
        &[ONE_COLUMN, END, ONE_ROW],
        &[ONE_COLUMN, &END[14..]],
        &[ONE_COLUMN, row_of_two, END],
        &[ONE_COLUMN, b"D\0\0\0\x0b\0\x01\0\0\0\x02x", END],
        &[ONE_COLUMN, ONE_ROW, b"D\0\0\0\x0b\0\x01\0\0\0\x02x", END],
        &[ONE_COLUMN, b"D\xff\xff\xff\xff", END],
        &[ONE_COLUMN, ONE_ROW, b"\0\0\0\0\0"],
        &[ONE_COLUMN, ONE_ROW, b"R\0\0\0\x08\0\0\0\0", END],
        &[ONE_COLUMN, ONE_ROW, b"T\xff\xff\xff\xff", END],
        &[b"T\0\0\0\x06\xff\xff", END],
        &[b"W\0\0\0\x07\0\0\0"],
    ] {
        let error = answered(reply).expect_err("a reply that is none was accepted");
        let is_named = matches!(
            error,
            Error::Protocol { .. } | Error::TooLarge { .. } | Error::Io { .. }
        );
        assert!(is_named, "{reply:?}: {error}");
    }
}

#[test]
fn a_reply_cut_short_anywhere_is_a_lost_connection() {
    let whole = [ONE_COLUMN, ONE_ROW, END].concat();
    for end in 0..whole.len() {
        let error = answered(&[&whole[..end]]).unwrap_err();
        assert!(
            matches!(&error, Error::Io { reason, .. } if reason == "the server closed it"),
            "cut at {end}: {error}"
        );
    }
}

#[test]
fn a_row_that_announces_a_gigabyte_costs_what_it_sends() {
    let lie = [
        ONE_COLUMN,
        b"D\x3f\xff\xff\xff\0\x01\x3f\xff\xff\xf5",
        &[b'x'; 1_000_000],
    ]
    .concat();
    let server = Server::sending(vec![WELCOME.to_vec(), lie]);
    let (found, bytes) = memory_of(async || ask(&server, Limits::default()).await);
    server.end();
    assert!(matches!(found, Err(Error::Io { .. })), "{found:?}");
    assert!(bytes < 4_000_000, "{bytes} bytes were held");
}

#[test]
fn a_reply_without_end_is_cut_off() {
    let limits = Limits {
        row_bytes_max: 1000,
        reply_bytes_max: 5_000_000,
    };
    let server = Server::flooding(vec![WELCOME.to_vec(), ONE_COLUMN.to_vec()], ONE_ROW.repeat(1000));
    let (found, bytes) = memory_of(async || ask(&server, limits).await);
    server.end();
    assert!(matches!(found, Err(Error::TooLarge { what: "reply", .. })), "{found:?}");
    assert!(bytes < 300_000, "{bytes} bytes were held");
    let long_row = [b"D\0\0\x27\x1a\0\x01\0\0\x27\x10", &[b'x'; 10_000][..]].concat();
    let server = Server::flooding(vec![WELCOME.to_vec(), ONE_COLUMN[10..].to_vec()], long_row);
    let (found, bytes) = memory_of(async || server.connect().await?.simple_query("select 1").await);
    server.end();
    assert!(matches!(found, Err(Error::TooLarge { what: "reply", .. })));
    assert!(bytes < 300_000_000, "{bytes} bytes were held");
}

#[test]
fn bytes_behind_a_reply_are_not_taken_for_the_next_one() {
    let again = [ONE_COLUMN, ONE_ROW, END, ONE_COLUMN, ONE_ROW, END].concat();
    let server = Server::sending(vec![WELCOME.to_vec(), again]);
    runtime().block_on(async {
        let mut connection = server.connect().await.unwrap();
        let error = connection
            .query("select 1", &[])
            .await
            .unwrap()
            .finish()
            .await
            .unwrap_err();
        assert!(
            error.to_string().ends_with("it sent more behind the end of a reply"),
            "{error}"
        );
        assert!(connection.is_broken());
    });
    server.end();
}

#[test]
fn replies_damaged_anywhere_never_panic_or_hang() {
    let whole = [
        ONE_COLUMN,
        ONE_ROW,
        ONE_ROW,
        b"N\0\0\0\x10SNOTICE\0Mx\0\0",
        ONE_ROW,
        END,
    ]
    .concat();
    assert_eq!(answered(&[&whole]).unwrap(), 3);
    let damage = prop::collection::vec((0..whole.len(), any::<u8>()), 1..4);
    let mut runner = TestRunner::new(Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    });
    let runtime = runtime();
    let outcome = runner.run(&damage, |damage| {
        let mut reply = whole.clone();
        for (at, value) in damage {
            reply[at] = value;
        }
        let server = Server::sending(vec![WELCOME.to_vec(), reply]);
        // It may still be a reply; all that matters is that it comes to an end.
        let _ = runtime.block_on(patiently(ask(&server, Limits::default())));
        server.end();
        Ok(())
    });
    outcome.unwrap();
}
