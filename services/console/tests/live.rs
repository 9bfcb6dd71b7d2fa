//! The live stream as a thousand viewers see it: told within a second, resumed where it broke off, and never held up by
//! one who does not read.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use weir_bus::{Bus, Limits, NatsSettings};
use weir_events::monitor;
use weir_model::{Clock, Project};
use weir_proto::events::v1::AlertFiring;
use weir_testkit::{Nats, Postgres, Process, eventually, free_port, http_get};

const SOON: Duration = Duration::from_secs(40);
const VIEWERS: usize = 1_000;

struct Stage {
    process: Process,
    port: u16,
    bus: Bus,
    _nats: Nats,
}

impl Stage {
    async fn new() -> Self {
        let database = Postgres::shared().await.database().await;
        let nats = Nats::start().await;
        let port = free_port();
        let listen = format!("127.0.0.1:{port}");
        let settings = [
            ("DATABASE_URL", database.url()),
            ("WEIR_BUS__URL", nats.url()),
            ("WEIR_CONSOLE__LISTEN", listen),
            ("WEIR_CONSOLE__REQUESTS_PER_SECOND", "1000".to_owned()),
        ];
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let process = Process::start(env!("CARGO_BIN_EXE_console"), &[""; 0], &settings);
        eventually("the console is ready", SOON, async || {
            match http_get(port, "/readyz").await {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?} {}", process.output())),
            }
        })
        .await;
        let bus = Bus::nats(&NatsSettings::new(nats.url(), "test"), Limits::default())
            .await
            .unwrap();
        let health = bus.connected();
        eventually("the bus", SOON, async || health.borrow().check()).await;
        Self {
            process,
            port,
            bus,
            _nats: nats,
        }
    }

    async fn look(&self, query: &str, headers: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let request = format!(
            "GET /events?{query} HTTP/1.1\r\nHost: localhost:{}\r\n{headers}\r\n",
            self.port
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// Tells of an alert that nobody else tells of.
    async fn fire(&self, project: &str, summary: &str) {
        let alert = AlertFiring {
            id: "0191e000-0000-7000-8000-000000000000".to_owned(),
            summary: summary.to_owned(),
            ..AlertFiring::default()
        };
        let event = monitor::alert_firing(&Project::parse(project).unwrap(), &alert, &Clock::system());
        self.bus.publish(message(&event)).await.unwrap();
    }

    fn resident_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }
}

fn message(event: &weir_events::Event) -> weir_bus::Message {
    weir_bus::Message::new(event.subject.to_string(), event.payload.clone()).with_headers(event.headers())
}

/// Reads until the text has come; what was read.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut read = String::new();
    let mut buffer = vec![0; 64 * 1024];
    let reading = async {
        while !read.contains(text) {
            let count = stream.read(&mut buffer).await.unwrap();
            assert!(count > 0, "the stream ended");
            let new = String::from_utf8_lossy(&buffer[..count]);
            // Whoever hears much remembers the end of it.
            if read.len() > 256 * 1024 {
                read = read.split_off(read.ceil_char_boundary(read.len() - 1_000));
            }
            read.push_str(&new);
        }
    };
    let in_time = timeout(SOON, reading).await.is_ok();
    let end: String = read.chars().rev().take(300).collect();
    assert!(
        in_time,
        "{text} did not come: {}",
        end.chars().rev().collect::<String>()
    );
    read
}

#[tokio::test]
async fn who_breaks_off_goes_on_where_it_was_and_each_hears_its_own() {
    let stage = Stage::new().await;
    let mut shop = stage.look("project=shop&kind=alert", "").await;
    let mut bank = stage.look("project=bank&kind=alert", "").await;
    read_until(&mut shop, "retry:").await;
    read_until(&mut bank, "retry:").await;
    stage.fire("shop", "first").await;
    let read = read_until(&mut shop, "first").await;
    let id = read
        .lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .next_back()
        .unwrap()
        .to_owned();
    drop(shop);
    stage.fire("bank", "theirs").await;
    stage.fire("shop", "second").await;
    let mut again = stage
        .look("project=shop&kind=alert", &format!("Last-Event-ID: {id}\r\n"))
        .await;
    let read = read_until(&mut again, "second").await;
    assert!(
        !read.contains("first") && !read.contains("theirs") && !read.contains("gap"),
        "{read}"
    );
    let read = read_until(&mut bank, "theirs").await;
    assert!(!read.contains("first") && !read.contains("second"), "{read}");
    // What another process told cannot be gone on from, and that is said.
    let mut lost = stage
        .look("project=shop&kind=alert", "Last-Event-ID: another-7\r\n")
        .await;
    let read = read_until(&mut lost, "gap").await;
    assert!(read.contains(r#"data: {"missed":null}"#), "{read}");
    // The process goes though they look.
    stage.process.term();
    assert!(
        stage.process.wait_exit(SOON).await.success(),
        "{}",
        stage.process.output()
    );
}

#[tokio::test]
async fn a_thousand_look_and_those_who_do_not_read_hold_nobody_up_and_take_no_memory() {
    let stage = Stage::new().await;
    let before = stage.resident_mib();
    let (mut readers, mut stalled) = (JoinSet::new(), Vec::new());
    let (ready, mut are_ready) = mpsc::channel(VIEWERS);
    for number in 0..VIEWERS {
        let loud = number % 10 == 0;
        let mut viewer = stage
            .look(if loud { "project=*" } else { "project=shop&kind=alert" }, "")
            .await;
        read_until(&mut viewer, "retry:").await;
        if loud && stalled.len() < 95 {
            stalled.push(viewer);
            continue;
        }
        let ready = ready.clone();
        readers.spawn(async move {
            read_until(&mut viewer, "the flood is over").await;
            ready.send(()).await.unwrap();
            read_until(&mut viewer, "the last").await;
            Instant::now()
        });
    }
    // More than the ring holds, so that those who do not read cannot be served any more.
    let filler = "x".repeat(8 * 1024);
    for number in 0..2_500 {
        stage.fire("bank", &format!("{number} {filler}")).await;
        // The bus holds so much for one who writes fast, and no more.
        if number % 100 == 0 {
            stage.bus.flush(SOON).await.unwrap();
        }
    }
    stage.bus.flush(SOON).await.unwrap();
    stage.fire("shop", "the flood is over").await;
    for _ in 0..readers.len() {
        are_ready.recv().await.unwrap();
    }
    let told = Instant::now();
    stage.fire("shop", "the last").await;
    let mut last = told;
    while let Some(heard) = readers.join_next().await {
        last = last.max(heard.unwrap());
    }
    let grown = stage.resident_mib().saturating_sub(before);
    println!(
        "{VIEWERS} viewers: the last heard after {:?}, {grown} MiB more",
        last - told
    );
    // The ring, what the kernel took for those who do not read is not the process's, and a little for each.
    assert!(grown < 160, "{grown} MiB");
    let read = read_until(&mut stalled[0], "event: gap").await;
    assert!(read.contains("\ndata: {\"missed\":"), "a gap says how many");
}
