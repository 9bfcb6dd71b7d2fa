//! How work went, with a real store and several monitors.

use std::time::UNIX_EPOCH;

use tokio::sync::watch;
use weir_bus::{Limits, Message, NatsSettings};
use weir_config::Sources;
use weir_events::Event;
use weir_proto::events::v1::{JobFailed, JobRequested, JobSucceeded, SecurityViolation, ViolationAction};
use weir_runtime::{Outcome, Tasks};
use weir_store::Migrations;
use weir_telemetry::Registry;
use weir_testkit::{Nats, Postgres, eventually};

use super::*;
use crate::detect::Metric;

const SOON: Duration = Duration::from_secs(20);
/// When the clocks of these tests begin.
const NOON: i64 = 1_800_000_000_000;
const HOUR_MS: i64 = 3_600_000;

/// What is read of the work, as far as a test looks: which, of whose, of what, how much.
type Read = (&'static str, String, String, f64);

/// The part of a monitor that looks at the work of others.
struct Monitor {
    ground: Ground,
    board: Board,
}

impl Monitor {
    fn start(store_url: &str, bus: &Bus, clock: &Clock) -> Self {
        let settings = [
            ("WEIR_STORE__URL".to_owned(), store_url.to_owned()),
            ("WEIR_STORE__ACQUIRE_TIMEOUT".to_owned(), "1s".to_owned()),
        ];
        let sources = Sources::load(None, settings).unwrap();
        let (_, reloads) = watch::channel(sources.clone());
        let ground = Ground::new(sources, reloads, Tasks::new(), clock.clone());
        let migrations = vec![Migrations::of_service(sqlx::migrate!())];
        let tables = Tables::take(&ground, crate::SCHEMA, migrations, bus).unwrap();
        let metrics = Arc::new(Metrics::register(&Registry::default()));
        let board = Board::new(clock.clone());
        start(&ground, bus, &board, &metrics, &tables).unwrap();
        Self { ground, board }
    }

    fn sheet(&self) -> Vec<Reading> {
        self.board.read().remove(SOURCE).unwrap_or_default().readings.clone()
    }

    fn read(&self) -> Vec<Read> {
        let read = |reading: Reading| {
            let labels: Vec<String> = reading.labels.into_values().collect();
            (
                reading.metric.0,
                reading.project.to_string(),
                labels.join(" "),
                reading.value,
            )
        };
        self.sheet().into_iter().map(read).collect()
    }

    async fn until(&self, what: &str, expected: &[Read]) {
        eventually(what, SOON, || async {
            let read = self.read();
            (read == expected).then_some(()).ok_or(format!("{read:?}"))
        })
        .await;
    }

    async fn stop(self) {
        assert_eq!(self.ground.tasks.descend(SOON).await, Outcome::Clean);
    }
}

fn noon() -> Clock {
    Clock::manual(UNIX_EPOCH + Duration::from_millis(NOON.unsigned_abs()))
}

fn shop() -> Project {
    Project::parse("shop").unwrap()
}

fn in_memory() -> Bus {
    Bus::in_memory(Limits::default())
}

fn read(metric: Metric, label: &str, value: f64) -> Read {
    (metric.0, "shop".to_owned(), label.to_owned(), value)
}

fn failures(operation: &str, count: f64) -> Read {
    read(metric::JOB_FAILURES_IN_ROW, operation, count)
}

/// Publishes an event; again under another id where it is to come twice.
async fn tell(bus: &Bus, event: &Event) {
    let message = Message::new(event.subject.to_string(), event.payload.clone());
    let message = event
        .headers()
        .into_iter()
        .fold(message, |message, (name, value)| message.with_header(name, value));
    let stream = outbox::stream_spec(event.kind.stream.unwrap());
    let id = new_id();
    bus.publish_durable(&stream, &id, message, SOON).await.unwrap();
}

/// An id that no other message of this process has.
fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

fn failed(job_id: &str, operation: &str, ended_unix_ms: i64) -> Event {
    let job = JobFailed {
        job_id: job_id.to_owned(),
        operation: operation.to_owned(),
        slug: "maintenance-lock".to_owned(),
        error: "a text that may hold anything".to_owned(),
        r#final: true,
        ended_unix_ms,
        ..JobFailed::default()
    };
    jobs::failed("maintenance", &shop(), &job, &noon())
}

fn succeeded(job_id: &str, operation: &str, ended_unix_ms: i64) -> Event {
    let job = JobSucceeded {
        job_id: job_id.to_owned(),
        operation: operation.to_owned(),
        ended_unix_ms,
        ..JobSucceeded::default()
    };
    jobs::succeeded("maintenance", &shop(), &job, &noon())
}

fn violation(rule: &str) -> Event {
    violations(rule, 0)
}

/// One event of so many.
fn violations(rule: &str, count: u32) -> Event {
    let violation = SecurityViolation {
        rule: rule.to_owned(),
        action: ViolationAction::Blocked.into(),
        summary: "two statements where one was expected".to_owned(),
        at_unix_ms: NOON,
        count,
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        ..SecurityViolation::default()
    };
    gateway::security_violation(&shop(), &violation, &noon())
}

#[tokio::test]
async fn failures_in_a_row_are_counted_once_each_and_end_with_a_success() {
    let (bus, database, clock) = (in_memory(), Postgres::shared().await.database().await, noon());
    let monitor = Monitor::start(&database.url(), &bus, &clock);
    tell(&bus, &failed("1", "analyze", NOON - 50)).await;
    // The same once more, and the same under another id of its message.
    tell(&bus, &failed("1", "analyze", NOON - 50)).await;
    tell(&bus, &failed("2", "analyze", NOON - 40)).await;
    monitor.until("two failures", &[failures("analyze", 2.0)]).await;
    assert_eq!(monitor.sheet()[0].note, "the last error is maintenance-lock");
    // One that was overtaken on the way counts as what it is: older than the success.
    tell(&bus, &succeeded("3", "analyze", NOON - 20)).await;
    monitor.until("none", &[failures("analyze", 0.0)]).await;
    tell(&bus, &failed("4", "analyze", NOON - 30)).await;
    tell(&bus, &failed("1", "analyze", NOON - 50)).await;
    tell(&bus, &failed("5", "analyze", NOON - 10)).await;
    monitor.until("one", &[failures("analyze", 1.0)]).await;
    // The success comes again, which changes nothing.
    tell(&bus, &succeeded("3", "analyze", NOON - 20)).await;
    tell(&bus, &failed("6", "prove", NOON - 5)).await;
    monitor
        .until("both", &[failures("analyze", 1.0), failures("prove", 1.0)])
        .await;
    monitor.stop().await;
}

#[tokio::test]
async fn a_backup_is_as_old_as_its_last_success_which_a_dry_run_is_not() {
    let (bus, database, clock) = (in_memory(), Postgres::shared().await.database().await, noon());
    let monitor = Monitor::start(&database.url(), &bus, &clock);
    tell(&bus, &failed("1", "backup", NOON - 3 * HOUR_MS)).await;
    monitor
        .until("no age without any backup", &[failures("backup", 1.0)])
        .await;
    tell(&bus, &succeeded("2", "backup", NOON - 2 * HOUR_MS)).await;
    let age = |hours| [failures("backup", 0.0), read(metric::BACKUP_AGE_HOURS, "backup", hours)];
    monitor.until("a backup of two hours ago", &age(2.0)).await;
    clock.advance(Duration::from_secs(28 * 3_600));
    monitor.until("one of thirty hours ago", &age(30.0)).await;
    let asked = JobRequested {
        job_id: "3".to_owned(),
        operation: "backup".to_owned(),
        dry_run: true,
        ..JobRequested::default()
    };
    tell(&bus, &jobs::requested(&shop(), &asked, &clock)).await;
    tell(&bus, &succeeded("3", "backup", NOON + 20 * HOUR_MS)).await;
    // Something that comes after it, to know that it has been seen.
    tell(&bus, &failed("4", "vacuum", NOON)).await;
    let seen = [age(30.0).as_slice(), &[failures("vacuum", 1.0)]].concat();
    monitor.until("what was there before", &seen).await;
    monitor.stop().await;
}

#[tokio::test]
async fn broken_rules_count_for_five_minutes_and_none_twice() {
    let (bus, database, clock) = (in_memory(), Postgres::shared().await.database().await, noon());
    let monitor = Monitor::start(&database.url(), &bus, &clock);
    let stacked = violation("stacked-statements");
    for event in [
        &stacked,
        &stacked,
        &violation("stacked-statements"),
        &violation("tautology"),
    ] {
        tell(&bus, event).await;
    }
    let expected = [
        read(metric::SECURITY_VIOLATIONS, "blocked stacked-statements", 2.0),
        read(metric::SECURITY_VIOLATIONS, "blocked tautology", 1.0),
    ];
    monitor.until("three violations", &expected).await;
    let found = &monitor.sheet()[0];
    assert_eq!(found.note, "two statements where one was expected");
    assert!(found.traceparent.starts_with("00-0af7"), "{found:?}");
    clock.advance(Duration::from_secs(4 * 60));
    tell(&bus, &stacked).await;
    // What is repeated is told of once a minute, with how often.
    let repeated = violations("stacked-statements", 41);
    for event in [&repeated, &repeated, &violations("stacked-statements", 2)] {
        tell(&bus, event).await;
    }
    let expected = [
        read(metric::SECURITY_VIOLATIONS, "blocked stacked-statements", 45.0),
        expected[1].clone(),
    ];
    monitor.until("all of them", &expected).await;
    clock.advance(Duration::from_secs(70));
    let expected = [read(metric::SECURITY_VIOLATIONS, "blocked stacked-statements", 43.0)];
    monitor.until("the latest only", &expected).await;
    clock.advance(Duration::from_secs(5 * 60));
    monitor.until("nothing any more", &[]).await;
    monitor.stop().await;
}

#[tokio::test]
async fn monitors_share_the_work_agree_and_remember() {
    let bus = in_memory();
    share([&bus, &bus]).await;
}

#[tokio::test]
async fn monitors_share_the_work_over_nats() {
    let nats = Nats::start().await;
    let settings = NatsSettings::new(nats.url(), "test");
    let [one, two] = [
        Bus::nats(&settings, Limits::default()).await.unwrap(),
        Bus::nats(&settings, Limits::default()).await.unwrap(),
    ];
    share([&one, &two]).await;
}

/// Two monitors, each with its way to the bus.
async fn share(buses: [&Bus; 2]) {
    let (database, clock) = (Postgres::shared().await.database().await, noon());
    let [one, two] = buses.map(|bus| Monitor::start(&database.url(), bus, &clock));
    let bus = buses[0];
    for number in 0..60 {
        let operation = format!("operation-{}", number % 3);
        let event = failed(&number.to_string(), &operation, NOON - 100 + number);
        tell(bus, &event).await;
        // Every other comes twice.
        if number % 2 == 0 {
            tell(bus, &event).await;
        }
    }
    let expected: Vec<Read> = (0..3)
        .map(|number| failures(&format!("operation-{number}"), 20.0))
        .collect();
    one.until("all of it", &expected).await;
    two.until("the same", &expected).await;
    one.stop().await;
    two.stop().await;
    // A bus that has forgotten everything, and a monitor that has been away.
    let three = Monitor::start(&database.url(), &in_memory(), &clock);
    three.until("the same after a restart", &expected).await;
    three.stop().await;
}

#[tokio::test]
async fn what_is_told_is_on_the_board_within_two_seconds_and_waits_for_a_store_that_is_away() {
    let postgres = Postgres::start().await;
    let (bus, database, clock) = (in_memory(), postgres.database().await, noon());
    let monitor = Monitor::start(&database.url(), &bus, &clock);
    tell(&bus, &failed("0", "analyze", NOON - 50)).await;
    monitor.until("the first", &[failures("analyze", 1.0)]).await;
    let mut slowest = Duration::ZERO;
    for number in 1..=20_u32 {
        let begun = Instant::now();
        tell(&bus, &failed(&number.to_string(), "analyze", NOON - 50)).await;
        monitor
            .until("one more", &[failures("analyze", f64::from(number + 1))])
            .await;
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    postgres.pause();
    tell(&bus, &failed("away", "analyze", NOON - 40)).await;
    bus.publish(Message::new("weir.shop.job.failed", "no protobuf"))
        .await
        .unwrap();
    // Longer than the store is waited for, so that writing it down has failed once; nothing outside shows that.
    tokio::time::sleep(Duration::from_secs(3)).await;
    postgres.resume();
    monitor
        .until("what was told meanwhile", &[failures("analyze", 22.0)])
        .await;
    monitor.stop().await;
}
