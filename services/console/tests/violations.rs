//! Broken rules from the bus into the console's tables: each event one row, whoever dies meanwhile, and no more than is
//! wanted.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value as Json;
use weir_bus::{Bus, Limits, Message, NatsSettings, StreamSpec};
use weir_events::{Event, gateway};
use weir_model::{Clock, Project};
use weir_proto::common::v1::Severity;
use weir_proto::events::v1::{Door, SecurityViolation, ViolationAction};
use weir_testkit::{Nats, Postgres, Process, eventually, free_port, http_get};

const SOON: Duration = Duration::from_secs(40);
const LIST: &str = "/database/security/violations";

struct Stage {
    nats: Nats,
    url: String,
    bus: Bus,
}

impl Stage {
    async fn new(url: String) -> Self {
        let nats = Nats::start().await;
        let settings = NatsSettings::new(nats.url(), "test");
        let bus = Bus::nats(&settings, Limits::default()).await.unwrap();
        let health = bus.connected();
        eventually("the bus", SOON, async || health.borrow().check()).await;
        Self { nats, url, bus }
    }

    async fn console(&self, more: &[(&str, &str)]) -> Console {
        let port = free_port();
        let listen = format!("127.0.0.1:{port}");
        let bus = self.nats.url();
        let mut settings = vec![
            ("DATABASE_URL", self.url.as_str()),
            ("WEIR_BUS__URL", &bus),
            ("WEIR_CONSOLE__LISTEN", &listen),
            ("WEIR_CONSOLE__REQUESTS_PER_SECOND", "1000"),
        ];
        settings.extend(more);
        let process = Process::start(env!("CARGO_BIN_EXE_console"), &[""; 0], &settings);
        eventually("the console is ready", SOON, async || {
            match http_get(port, "/readyz").await {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?} {}", process.output())),
            }
        })
        .await;
        Console { process, port }
    }

    async fn tell(&self, event: &Event, message_id: &str) {
        let message = Message::new(event.subject.to_string(), event.payload.clone()).with_headers(event.headers());
        let kind = event.kind.stream.unwrap();
        let stream: StreamSpec = weir_store::outbox::stream_spec(kind);
        self.bus
            .publish_durable(&stream, message_id, message, SOON)
            .await
            .unwrap();
    }
}

struct Console {
    process: Process,
    port: u16,
}

impl Console {
    async fn page(&self, query: &str) -> Json {
        let (status, body) = http_get(self.port, &format!("{LIST}?{query}")).await.unwrap();
        assert_eq!(status, 200, "{query}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The ids of the events of all pages, and how many rows there are.
    async fn events(&self, query: &str) -> (BTreeSet<String>, usize) {
        let (mut ids, mut rows, mut moments, mut next) = (BTreeSet::new(), 0, Vec::new(), String::new());
        loop {
            let page = self.page(&format!("{query}&limit=100&page={next}")).await;
            for row in page["violations"].as_array().unwrap() {
                ids.insert(row["event_id"].as_str().unwrap().to_owned());
                moments.push(row["at_unix_ms"].as_i64().unwrap());
                rows += 1;
            }
            match page["next"].as_str() {
                Some(more) => next = more.to_owned(),
                None => break,
            }
        }
        assert!(moments.is_sorted_by(|a, b| a >= b), "the latest come first");
        (ids, rows)
    }

    async fn counted(&self, outcome: &str) -> u64 {
        let (_, metrics) = http_get(self.port, "/metrics").await.unwrap();
        let line = format!("weir_console_violations_total{{outcome=\"{outcome}\"");
        let figures = metrics.lines().filter(|found| found.starts_with(&line));
        figures
            .filter_map(|found| found.rsplit(' ').next()?.parse::<f64>().ok())
            .map(|figure| figure as u64)
            .sum()
    }
}

fn violation(project: &str, number: i64) -> Event {
    let violation = SecurityViolation {
        project: project.to_owned(),
        rule: if number % 2 == 0 {
            "stacked-statements"
        } else {
            "tautology"
        }
        .to_owned(),
        action: if number % 4 == 0 {
            ViolationAction::Blocked
        } else {
            ViolationAction::Reported
        }
        .into(),
        severity: Severity::Warning.into(),
        database: "orders".to_owned(),
        user: format!("user-{}", number % 3),
        client: "192.0.2.7".to_owned(),
        application: "a 100% shop".to_owned(),
        door: Door::Wire.into(),
        fingerprint: "0123456789abcdef".to_owned(),
        summary: format!("number {number} of many"),
        at_unix_ms: now() - 60_000 + number,
        count: 2,
        score: 60,
        rules: vec!["stacked-statements".to_owned(), "comment-tail".to_owned()],
        ..SecurityViolation::default()
    };
    gateway::security_violation(&Project::parse(project).unwrap(), &violation, &Clock::system())
}

fn now() -> i64 {
    Clock::system().unix_ms()
}

#[tokio::test]
async fn each_event_is_one_row_though_a_console_is_killed_and_events_come_again() {
    let database = Postgres::shared().await.database().await;
    let stage = Stage::new(database.url()).await;
    let (first, second) = (stage.console(&[]).await, stage.console(&[]).await);
    let events: Vec<Event> = (0..400).map(|number| violation("shop", number)).collect();
    for (number, event) in events.iter().enumerate() {
        if number == 150 {
            first.process.kill9();
        }
        stage.tell(event, &format!("m-{number}")).await;
    }
    // The same events once more, under names by which the bus does not know them.
    for (number, event) in events.iter().take(50).enumerate() {
        stage.tell(event, &format!("again-{number}")).await;
    }
    eventually("what came again is passed over", SOON, async || {
        let repeated = second.counted("repeated").await;
        (repeated >= 50).then_some(()).ok_or(repeated)
    })
    .await;
    let (ids, rows) = eventually("all are kept", SOON, async || {
        let found = second.events("project=shop").await;
        (found.0.len() == events.len()).then_some(found).ok_or("not yet")
    })
    .await;
    assert_eq!(rows, events.len());
    let expected: BTreeSet<String> = events.iter().map(|event| event.id.to_string()).collect();
    assert_eq!(ids, expected);
    assert_eq!(second.events("project=bank").await.1, 0);
    what_is_asked_for_is_listed(&second).await;
    second.process.term();
    assert!(
        second.process.wait_exit(SOON).await.success(),
        "{}",
        second.process.output()
    );
}

async fn what_is_asked_for_is_listed(console: &Console) {
    for (query, expected) in [
        ("rule=tautology", 200),
        ("rule=", 400),
        ("rule=no-such", 0),
        ("action=blocked", 100),
        ("user=user-1", 133),
        ("database=orders&client=192.0.2.7", 400),
        ("database=other", 0),
        ("fingerprint=0123456789ABCDEF", 400),
        ("fingerprint=0123456789abcdee", 0),
        ("search=NUMBER%2017%20of", 1),
        ("search=100%25%20shop", 400),
        ("search=100_", 0),
        ("since=1&until=2", 0),
    ] {
        assert_eq!(
            console.events(&format!("project=shop&{query}")).await.1,
            expected,
            "{query}"
        );
    }
    let page = console.page("project=shop&limit=1").await;
    let row = &page["violations"][0];
    assert_eq!(
        (
            &row["count"],
            &row["score"],
            &row["rules"],
            &row["door"],
            &row["severity"]
        ),
        (
            &Json::from(2),
            &Json::from(60),
            &serde_json::json!(["stacked-statements", "comment-tail"]),
            &Json::from("wire"),
            &Json::from("warning")
        )
    );
    for wrong in [
        "action=nothing",
        "fingerprint=1",
        "since=-1",
        "limit=0",
        "page=x",
        "page=1.x",
        "project=no%20such",
        "search=%00",
    ] {
        let (status, body) = http_get(console.port, &format!("{LIST}?{wrong}")).await.unwrap();
        assert_eq!(status, 400, "{wrong}: {body}");
    }
    overview(console).await;
}

async fn overview(console: &Console) {
    let path = "/database/security/overview?project=shop";
    let (_, body) = http_get(console.port, path).await.unwrap();
    let told: Json = serde_json::from_str(&body).unwrap();
    // Each of them told of two.
    assert_eq!(
        (&told["blocked"], &told["reported"]),
        (&Json::from(200), &Json::from(600))
    );
    let rules: Vec<(&str, &str, i64)> = told["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| {
            (
                rule["rule"].as_str().unwrap(),
                rule["action"].as_str().unwrap(),
                rule["count"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        rules,
        [
            ("tautology", "reported", 400),
            ("stacked-statements", "blocked", 200),
            ("stacked-statements", "reported", 200),
        ]
    );
    let client = &told["clients"][0];
    assert_eq!(
        (
            &client["client"],
            &client["count"],
            &client["blocked"],
            &client["rules"]
        ),
        (
            &Json::from("192.0.2.7"),
            &Json::from(800),
            &Json::from(200),
            &serde_json::json!(["stacked-statements", "tautology"])
        )
    );
    // No gateway runs here, and that is said.
    assert_eq!(told["firewall"], Json::Null);
    assert!(
        told["missing"][0].as_str().unwrap().starts_with("pool-gateway: "),
        "{body}"
    );
}

#[tokio::test]
async fn what_is_told_while_the_store_is_away_is_kept_when_it_is_back() {
    let mut postgres = Postgres::start().await;
    let stage = Stage::new(postgres.url("postgres")).await;
    let console = stage.console(&[]).await;
    postgres.stop().await;
    let events: Vec<Event> = (0..20).map(|number| violation("shop", number)).collect();
    for (number, event) in events.iter().enumerate() {
        stage.tell(event, &format!("m-{number}")).await;
    }
    eventually("the console notices", SOON, async || {
        console
            .process
            .output()
            .contains("broken rules wait for the store")
            .then_some(())
    })
    .await;
    postgres.start_again().await;
    eventually("all are kept", SOON, async || {
        let (status, body) = http_get(console.port, &format!("{LIST}?project=shop&limit=1000"))
            .await
            .unwrap();
        let kept = body.matches("event_id").count();
        (status == 200 && kept == 20)
            .then_some(())
            .ok_or(format!("{status} {kept}"))
    })
    .await;
}

#[tokio::test]
async fn what_is_too_old_or_too_much_is_forgotten_and_nobody_pays_for_others() {
    let database = Postgres::shared().await.database().await;
    let stage = Stage::new(database.url()).await;
    let bounds = [
        ("WEIR_CONSOLE__VIOLATIONS_MAX", "10"),
        ("WEIR_CONSOLE__VIOLATIONS_KEEP", "1h"),
    ];
    let console = stage.console(&bounds).await;
    for number in 0..25 {
        stage.tell(&violation("shop", number), &format!("shop-{number}")).await;
    }
    for number in 0..5 {
        stage.tell(&violation("bank", number), &format!("bank-{number}")).await;
    }
    let old = violation("bank", -3_600_000);
    stage.tell(&old, "bank-old").await;
    eventually("all are kept", SOON, async || {
        let kept = console.counted("kept").await;
        (kept == 31).then_some(()).ok_or(kept)
    })
    .await;
    console.process.term();
    console.process.wait_exit(SOON).await;
    let again = stage.console(&bounds).await;
    eventually("the rest is forgotten", SOON, async || {
        let (shop, bank) = (again.events("project=shop").await, again.events("project=bank").await);
        (shop.1 == 10 && bank.1 == 5 && !bank.0.contains(&old.id.to_string()))
            .then_some(())
            .ok_or(format!("{} {}", shop.1, bank.1))
    })
    .await;
    // The newest are those that stay.
    let page = again.page("project=shop&limit=10").await;
    assert_eq!(page["violations"][0]["summary"], "number 24 of many");
    assert_eq!(page["violations"][9]["summary"], "number 15 of many");
}
