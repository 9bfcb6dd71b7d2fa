//! The engine on a real store: what is written together, what goes on without it, and who goes on after whom.

use std::sync::Mutex;
use std::time::UNIX_EPOCH;

use sqlx::PgConnection;
use tokio::time::Instant;
use weir_bus::{Bus, Limits};
use weir_config::Sources;
use weir_model::Project;
use weir_runtime::{Outcome, Tasks};
use weir_store::Migrations;
use weir_testkit::{Postgres, eventually};

use super::*;
use crate::detect::{Labels, Reading, metric};
use crate::observe::Knowledge;
use crate::observe::explain::Captures;

const SOON: Duration = Duration::from_secs(20);
const NOON: u64 = 1_800_000_000_000;

/// Channels that write what they are given into a table of the test, in the transaction that they are given.
#[derive(Default)]
struct Recorder {
    direct: Mutex<Vec<Notice>>,
}

#[tonic::async_trait]
impl Outbound for Recorder {
    async fn enqueue(&self, transaction: &mut PgConnection, notices: &[Notice]) -> sqlx::Result<()> {
        for notice in notices {
            sqlx::query("insert into told (alert, state, severity) values ($1, $2, $3)")
                .bind(&notice.alert_id)
                .bind(format!("{:?}", notice.state).to_lowercase())
                .bind(&notice.severity)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(())
    }

    fn direct(&self, notices: &[Notice]) {
        self.direct.lock().unwrap().extend_from_slice(notices);
    }
}

/// One monitor's alerts, and the board that the test writes on.
struct Watch {
    tasks: Tasks,
    board: Board,
    desk: AlertDesk,
    recorder: Arc<Recorder>,
}

const TOLD: &str = "create table if not exists weir_monitor.told
    (number bigserial, alert text not null, state text not null, severity text not null)";

impl Watch {
    async fn start(url: &str, clock: &Clock, bus: &Bus) -> Self {
        let settings = [
            ("WEIR_STORE__URL".to_owned(), url.to_owned()),
            ("WEIR_STORE__ACQUIRE_TIMEOUT".to_owned(), "1s".to_owned()),
        ];
        let sources = Sources::load(None, settings).unwrap();
        let (_, reloaded) = watch::channel(sources.clone());
        let tasks = Tasks::new();
        let ground = Ground::new(sources, reloaded, tasks.clone(), clock.clone());
        let migrations = vec![Migrations::of_service(sqlx::migrate!())];
        let tables = Tables::take(&ground, crate::SCHEMA, migrations, bus).unwrap();
        let settings = crate::settings::check(&ground.sources).unwrap();
        let captures = Captures::new(&settings, clock.clone());
        let board = Board::new(clock.clone());
        let recorder = Arc::new(Recorder::default());
        let parts = Parts {
            shared: Shared::new(Knowledge::new(&settings, captures)),
            board: board.clone(),
            metrics: Arc::new(Metrics::register(&ground.registry)),
            outcomes: Arc::new(|_| Vec::new()),
            outbound: recorder.clone(),
        };
        let desk = start(&ground, &tables, &settings, parts);
        assert!(tables.are_there(&CancellationToken::new()).await);
        sqlx::query(TOLD).execute(desk.store.pool()).await.unwrap();
        Self {
            tasks,
            board,
            desk,
            recorder,
        }
    }

    fn put(&self, readings: Vec<Reading>) {
        self.board.put("server", readings, Duration::from_secs(3_600));
    }

    /// Waits until a query of one number has this answer.
    async fn counts(&self, sql: &'static str, expected: i64) {
        eventually(sql, SOON, || async {
            let found: sqlx::Result<i64> = sqlx::query_scalar(sql).fetch_one(self.desk.store.pool()).await;
            match found {
                Ok(found) if found == expected => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    fn directly_told(&self) -> usize {
        self.recorder.direct.lock().unwrap().len()
    }

    async fn stop(self) {
        assert_eq!(self.tasks.descend(SOON).await, Outcome::Clean);
    }
}

fn clock() -> Clock {
    Clock::manual(UNIX_EPOCH + Duration::from_millis(NOON))
}

fn bus() -> Bus {
    Bus::in_memory(Limits::default())
}

fn blocked(database: &str, seconds: f64) -> Reading {
    let labels = Labels::from([("upstream", "main".to_owned()), ("database", database.to_owned())]);
    Reading::new(metric::BLOCKED_SECONDS, Project::default(), labels, seconds)
}

fn lag(seconds: f64) -> Reading {
    let labels = Labels::from([("upstream", "main".to_owned()), ("replica", "r1".to_owned())]);
    Reading::new(metric::REPLICATION_LAG_SECONDS, Project::default(), labels, seconds)
}

const FIRING: &str = "select count(*) from weir_monitor.alerts where state = 'firing'";
const NOTICES: &str = "select count(*) from weir_monitor.told";
const EVENTS: &str = "select count(*) from weir_monitor.outbox";

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figure is what it measures")]
async fn a_condition_is_a_row_an_event_and_a_notice_within_a_second() {
    let database = Postgres::shared().await.database().await;
    let watch = Watch::start(&database.url(), &clock(), &bus()).await;
    watch.put(vec![blocked("first", 30.0)]);
    watch.counts(FIRING, 1).await;
    let mut worst = Duration::ZERO;
    for round in 2..8 {
        let began = Instant::now();
        watch.put(
            (0..round)
                .map(|number| blocked(&format!("db{number}"), 30.0))
                .chain([blocked("first", 30.0)])
                .collect(),
        );
        let all = i64::from(round) + 1;
        while sqlx::query_scalar::<_, i64>(NOTICES)
            .fetch_one(watch.desk.store.pool())
            .await
            .unwrap()
            < all
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert!(began.elapsed() < SOON, "nothing was told");
        }
        worst = worst.max(began.elapsed());
    }
    println!("from reading to notice at most {} ms", worst.as_millis());
    assert!(
        worst < Duration::from_secs(1),
        "from reading to notice it took {worst:?}"
    );
    watch.counts(FIRING, 8).await;
    watch.counts(EVENTS, 8).await;
    watch.stop().await;
}

#[tokio::test]
async fn a_notice_that_cannot_be_written_takes_its_row_with_it_and_is_told_directly() {
    let database = Postgres::shared().await.database().await;
    let watch = Watch::start(&database.url(), &clock(), &bus()).await;
    watch.put(vec![blocked("first", 30.0)]);
    watch.counts(NOTICES, 1).await;
    sqlx::query("alter table told add check (severity <> 'critical')")
        .execute(watch.desk.store.pool())
        .await
        .unwrap();
    watch.put(vec![blocked("first", 30.0), blocked("second", 90.0)]);
    eventually("a notice told directly", SOON, || async {
        (watch.directly_told() == 1).then_some(())
    })
    .await;
    // Told now, so that it is written without its notice.
    watch.counts(FIRING, 2).await;
    watch.counts(EVENTS, 2).await;
    watch.counts(NOTICES, 1).await;
    watch.stop().await;
}

#[tokio::test]
async fn while_the_store_is_away_channels_are_told_and_rows_follow_once() {
    let clock = clock();
    let mut postgres = Postgres::start().await;
    let watch = Watch::start(&postgres.url("postgres"), &clock, &bus()).await;
    watch.put(vec![blocked("first", 30.0)]);
    watch.counts(NOTICES, 1).await;
    postgres.stop().await;
    let down = Reading::new(
        metric::SERVER_DOWN,
        Project::default(),
        Labels::from([("upstream", "main".to_owned())]),
        1.0,
    );
    watch.put(vec![blocked("first", 30.0), down]);
    // Until it has been seen once, the clock stands still and so does its condition's.
    eventually("the dead server told of", SOON, || async {
        clock.advance(Duration::from_secs(1));
        (watch.directly_told() == 1).then_some(())
    })
    .await;
    clock.advance(Duration::from_secs(600));
    watch.put(vec![]);
    eventually("its end told", SOON, || async {
        clock.advance(Duration::from_secs(30));
        (watch.directly_told() == 3).then_some(())
    })
    .await;
    let told: Vec<_> = watch
        .recorder
        .direct
        .lock()
        .unwrap()
        .iter()
        .map(|notice| (notice.rule.clone(), notice.state))
        .collect();
    assert_eq!(told[0], ("server-down".to_owned(), NoticeState::Firing));
    assert!(
        told[1..].iter().all(|(_, state)| *state == NoticeState::Resolved),
        "{told:?}"
    );

    postgres.start_again().await;
    watch
        .counts("select count(*) from weir_monitor.alerts where state = 'resolved'", 2)
        .await;
    watch.counts(EVENTS, 4).await;
    // Not what the dead server explains for some minutes more.
    watch.put(vec![
        lag(20.0),
        Reading {
            metric: metric::IDLE_IN_TRANSACTION_SECONDS,
            ..blocked("third", 90.0)
        },
    ]);
    watch.counts(NOTICES, 2).await;
    assert_eq!(watch.directly_told(), 3);
    watch.stop().await;
}

#[tokio::test]
async fn another_monitor_goes_on_where_one_stopped_and_tells_nothing_twice() {
    let (clock, bus) = (clock(), bus());
    let database = Postgres::shared().await.database().await;
    let first = Watch::start(&database.url(), &clock, &bus).await;
    first.put(vec![blocked("first", 30.0), lag(20.0)]);
    first.counts(NOTICES, 1).await;
    clock.advance(Duration::from_secs(40));
    first
        .counts("select count(*) from weir_monitor.alerts where state = 'pending'", 1)
        .await;
    let second = Watch::start(&database.url(), &clock, &bus).await;
    second.put(vec![blocked("first", 30.0), lag(20.0)]);
    first.stop().await;
    // The second becomes leader within seconds; its clock stands still meanwhile.
    second
        .counts(
            "select epoch from weir_monitor.leaders where name = 'alerts' and epoch = 2",
            2,
        )
        .await;
    // Once it has told of what is new, it has judged what it took over as well.
    second.put(vec![blocked("first", 30.0), blocked("new", 30.0), lag(20.0)]);
    second.counts(NOTICES, 2).await;
    clock.advance(Duration::from_secs(25));
    second.counts(NOTICES, 3).await;
    second.counts(FIRING, 3).await;
    second
        .counts("select count(distinct id) from weir_monitor.alerts", 3)
        .await;
    second.stop().await;
}
