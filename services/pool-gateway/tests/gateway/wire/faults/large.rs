//! Large things, through a gateway that is a process of its own, so that its memory can be looked at.

use bytes::{BufMut as _, BytesMut};
use tokio::io::AsyncWriteExt as _;
use weir_pgwire::Format;
use weir_pgwire::backend::tag;
use weir_pgwire::frontend::{self, Bind, BindValue};
use weir_testkit::{Database, Process, binary_path, eventually, free_port};
use weir_upstream::{ConnectOptions, Connection, Target};

use super::raw::{Raw, last_error, query, tags};
use crate::gateway::{PATIENCE, database};

/// What a row, a COPY or a Bind may cost, however large it is.
const COST_KIB_MAX: u64 = 6 * 1024;
/// A quarter of what PostgreSQL can hold in a row.
const LARGE_BYTES: usize = 1 << 28;
/// Nearly as much as PostgreSQL can hold in a row.
const HUGE_BYTES: usize = (1 << 30) - (1 << 20);

/// A gateway that is a process of its own.
pub(super) struct Own {
    process: Process,
    port: u16,
    pub(super) database: Database,
}

impl Own {
    pub(super) async fn start(settings: &[(&str, &str)]) -> Self {
        let database = database().await;
        let (port, url) = (free_port(), database.url());
        let mut environment = vec![("DATABASE_URL".to_owned(), url)];
        let mut set = |name: &str, value: String| environment.push((format!("WEIR_GATEWAY__{name}"), value));
        set("WIRE_LISTEN", format!("127.0.0.1:{port}"));
        set("GRPC_LISTEN", format!("127.0.0.1:{}", free_port()));
        set("OPS_LISTEN", format!("127.0.0.1:{}", free_port()));
        settings.iter().for_each(|(name, value)| set(name, (*value).to_owned()));
        let environment: Vec<_> = environment.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let none: [&str; 0] = [];
        let process = Process::start(binary_path("pool-gateway"), &none, &environment);
        let own = Self {
            process,
            port,
            database,
        };
        let target = own.target();
        eventually("a gateway", PATIENCE, || {
            Connection::connect(&target, ConnectOptions::default())
        })
        .await;
        own
    }

    fn target(&self) -> Target {
        Target::parse(&format!(
            "postgres://postgres@127.0.0.1:{}/{}",
            self.port,
            self.database.name()
        ))
        .unwrap()
    }

    pub(super) async fn client(&self) -> Connection {
        Connection::connect(&self.target(), ConnectOptions::default())
            .await
            .unwrap()
    }

    pub(super) async fn raw(&self) -> Raw {
        Raw::log_in_at(self.port, self.database.name()).await
    }

    /// A figure of the process's status: `VmRSS` is its memory now, `VmHWM` the most that it ever was.
    pub(super) fn kib(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

/// Reads an answer of one row of one value: how many bytes it has.
async fn row_bytes(client: &mut Raw) -> usize {
    client.pass(tag::ROW_DESCRIPTION).await;
    let bytes = client.count_through(b'x').await;
    assert_eq!(tags(&client.until_ready().await), "CZ");
    bytes
}

/// A row of this size passes, and costs the gateway nearly nothing.
async fn a_row_of(bytes: usize) {
    let own = Own::start(&[("STATEMENT_TIMEOUT", "5m")]).await;
    let (mut client, mut other) = (own.raw().await, own.client().await);
    client.send(&query("select repeat('x', 1000000)")).await;
    assert_eq!(row_bytes(&mut client).await, 1_000_000);
    let before = own.kib("VmHWM");
    client.send(&query(&format!("select repeat('x', {bytes})"))).await;
    let (counted, rows) = tokio::join!(row_bytes(&mut client), other.simple_query("select 7"));
    assert_eq!(counted, bytes);
    assert_eq!(rows.unwrap()[0].values().next(), Some(Some("7")));
    let grown = own.kib("VmHWM").saturating_sub(before);
    assert!(grown < COST_KIB_MAX, "{grown} KiB for a row of {bytes} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_of_a_quarter_of_a_gigabyte_passes_through_little_memory() {
    a_row_of(LARGE_BYTES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes PostgreSQL three gigabytes of memory"]
async fn a_row_of_a_gigabyte_passes_through_little_memory() {
    a_row_of(HUGE_BYTES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_two_hundred_megabytes_passes_through_little_memory() {
    const PIECES: usize = 3_200;
    let own = Own::start(&[]).await;
    own.database.psql("create table t (a text)").await;
    let mut client = own.raw().await;
    let before = own.kib("VmHWM");
    // Each row is a piece, and the server looks at all of them and keeps one.
    client.send(&query("copy t from stdin where left(a, 1) = 'y'")).await;
    client.pass(tag::COPY_IN_RESPONSE).await;
    let mut piece = BytesMut::new();
    let line = [vec![b'x'; 65_535], vec![b'\n']].concat();
    frontend::copy_data(&mut piece, &line).unwrap();
    for _ in 0..PIECES {
        client.stream.write_all(&piece).await.unwrap();
    }
    let mut end = BytesMut::new();
    frontend::copy_data(&mut end, b"y\n").unwrap();
    frontend::copy_done(&mut end);
    client.send(&end).await;
    let said = client.until_ready().await;
    assert_eq!((tags(&said).as_str(), last_error(&said)), ("CZ", None));
    let grown = own.kib("VmHWM").saturating_sub(before);
    assert!(grown < COST_KIB_MAX, "{grown} KiB for a COPY of {PIECES} pieces");
    assert_eq!(own.database.psql("select a from t").await, "y");
}

/// A statement of as many parameters as there can be, each of which is a row.
fn crowded(count: u16) -> String {
    let rows: Vec<String> = (1..=count).map(|number| format!("(${number})")).collect();
    format!("select count(*), sum(v.n::int4) from (values {}) v (n)", rows.join(","))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_of_65535_parameters_is_answered() {
    let own = Own::start(&[("STATEMENT_TIMEOUT", "5m")]).await;
    let mut client = own.raw().await;
    let mut out = BytesMut::new();
    frontend::parse(&mut out, "", &crowded(u16::MAX), std::iter::empty()).unwrap();
    let values = vec![
        BindValue {
            format: Format::Text,
            bytes: Some(b"2"),
        };
        usize::from(u16::MAX)
    ];
    frontend::bind(&mut out, &Bind::default(), values.into_iter()).unwrap();
    frontend::execute(&mut out, "", 0).unwrap();
    frontend::sync(&mut out);
    client.send(&out).await;
    let said = client.until_ready().await;
    assert_eq!((tags(&said).as_str(), last_error(&said)), ("12DCZ", None));
    let row = String::from_utf8_lossy(&said[2].1).into_owned();
    assert!(row.contains("65535") && row.contains("131070"), "{row:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_statements_in_one_pipeline_have_their_answers_in_order() {
    const STATEMENTS: u32 = 10_000;
    let own = Own::start(&[("STATEMENT_TIMEOUT", "5m")]).await;
    for is_simple in [true, false] {
        let mut out = BytesMut::new();
        for number in 0..STATEMENTS {
            put_question(&mut out, number, is_simple);
        }
        frontend::sync(&mut out);
        let mut client = own.raw().await;
        // Nothing is read before all has been sent: the answers wait on their way.
        client.send(&out).await;
        let mut rows = 0_u32;
        while rows < STATEMENTS {
            let (tag, body) = client.frame().await.unwrap();
            assert_ne!(tag, tag::ERROR_RESPONSE, "{body:?}");
            if tag == tag::DATA_ROW {
                assert_eq!(body[6..], *rows.to_string().as_bytes());
                rows += 1;
            }
        }
    }
}

fn put_question(out: &mut BytesMut, number: u32, is_simple: bool) {
    if is_simple {
        return frontend::query(out, &format!("select {number}")).unwrap();
    }
    let text = number.to_string();
    let value = BindValue {
        format: Format::Text,
        bytes: Some(text.as_bytes()),
    };
    frontend::parse(out, "", "select $1::text", std::iter::empty()).unwrap();
    frontend::bind(out, &Bind::default(), [value].into_iter()).unwrap();
    frontend::execute(out, "", 0).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_of_a_megabyte_is_answered_and_a_longer_one_leaks_nothing() {
    let own = Own::start(&[("POOL_MAX", "1"), ("POOL_MIN", "0")]).await;
    let (mut client, mut other) = (own.client().await, own.client().await);
    for bytes in [1_000_000, 3_000_000] {
        let sql = format!("set work_mem = '7MB'; select length('{}')", "x".repeat(bytes));
        let rows = client.simple_query(&sql).await.unwrap();
        assert_eq!(
            rows.last().unwrap().values().next(),
            Some(Some(bytes.to_string().as_str()))
        );
        let rows = other.simple_query("show work_mem").await.unwrap();
        assert_eq!(rows[0].values().next(), Some(Some("4MB")), "a setting leaked");
    }
    // In the extended protocol its text would have to be kept.
    let mut extended = own.raw().await;
    let mut out = BytesMut::new();
    let sql = format!("select length('{}')", "x".repeat(3_000_000));
    frontend::parse(&mut out, "", &sql, std::iter::empty()).unwrap();
    out.put_slice(&query("select 1"));
    extended.send(&out).await;
    let said = extended.until_end().await;
    assert_eq!(
        last_error(&said),
        Some(("FATAL".to_owned(), "54000".to_owned())),
        "{said:?}"
    );
    let rows = client.simple_query("select 8").await.unwrap();
    assert_eq!(rows[0].values().next(), Some(Some("8")));
}
