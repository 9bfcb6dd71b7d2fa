//! Figures over time, on a real store.
#![expect(clippy::disallowed_methods, reason = "the tasks of a test end with its runtime")]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use weir_config::Sources;
use weir_model::{Clock, Fingerprint, Project, Secret};
use weir_store::{Leadership, LeadershipOptions, Migrations, Store, StoreError, StoreOptions, Term};
use weir_telemetry::Registry;
use weir_testkit::{Database, Postgres, eventually};

use super::outlook::{self, DISK_TOTAL_BYTES, DISK_USED_BYTES};
use super::record::{self, Book};
use super::shifts::{self, Shape, ShapePoint, Shapes, gathered};
use super::{RECORDED, Trends};
use crate::detect::trend::Point;
use crate::detect::{Labels, Metric, Reading, metric};
use crate::metrics::Metrics;
use crate::observe::Board;
use crate::store::{self as rows, SeriesKey};

const SOON: Duration = Duration::from_secs(30);
/// A whole hour.
const NOON: i64 = 1_800_000_000_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const FRESH: Duration = Duration::from_secs(60);

/// A store with the monitor's tables, and what works on it.
struct Bench {
    database: Database,
    trends: Trends,
    registry: Registry,
}

async fn bench(settings: &[(&str, &str)]) -> Bench {
    let database = Postgres::shared().await.database().await;
    let clock = Clock::manual(UNIX_EPOCH + Duration::from_millis(NOON.unsigned_abs()));
    let trends = trends(&database.url(), &clock, settings).await;
    let registry = Registry::default();
    let metrics = Arc::new(Metrics::register(&registry));
    Bench {
        trends: Trends { metrics, ..trends },
        database,
        registry,
    }
}

async fn trends(url: &str, clock: &Clock, settings: &[(&str, &str)]) -> Trends {
    let options = StoreOptions {
        url: Secret::new(url),
        schema: "weir_monitor",
        connections_max: 4,
        acquire_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
    };
    let store = Store::connect(options, vec![Migrations::of_service(sqlx::migrate!())])
        .await
        .unwrap();
    let settings = settings
        .iter()
        .map(|(key, value)| (format!("WEIR_MONITOR__{key}"), (*value).to_owned()));
    let sources = Sources::load(None, settings.collect::<Vec<_>>()).unwrap();
    Trends {
        store,
        board: Board::new(clock.clone()),
        clock: clock.clone(),
        metrics: Arc::new(Metrics::register(&Registry::default())),
        settings: crate::settings::check(&sources).unwrap(),
        sources: watch::channel(sources).1,
    }
}

impl Bench {
    async fn numbers(&self, sql: &str) -> Vec<f64> {
        let rows = sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned()))
            .fetch_all(self.trends.store.pool())
            .await;
        rows.unwrap()
    }

    async fn round(&self, term: &Term, book: &mut Book) -> Result<(), StoreError> {
        record::round(&self.trends, term, book, &self.trends.settings()).await
    }

    /// Writes hourly figures that end a moment ago, as if they had been recorded.
    async fn hours(&self, key: &SeriesKey, values: &[f64]) {
        let mut connection = self.trends.store.pool().acquire().await.unwrap();
        let series = rows::begin_series(&mut connection, key).await.unwrap();
        let from = NOON - i64::try_from(values.len()).unwrap() * HOUR;
        let moments: Vec<i64> = (0..).take(values.len()).map(|hour| from + hour * HOUR).collect();
        sqlx::query(
            "insert into series_hours select $1, at, value, value, value, 60
             from unnest($2::bigint[], $3::double precision[]) as figures (at, value)",
        )
        .bind(series)
        .bind(moments)
        .bind(values)
        .execute(&mut *connection)
        .await
        .unwrap();
    }
}

/// A term that lasts until the token is cancelled.
async fn term(store: &Store, stop: &CancellationToken) -> Term {
    let (tell, mut told) = mpsc::channel(1);
    let (leadership, stop) = (
        Leadership::new(store, "test", LeadershipOptions::default()),
        stop.clone(),
    );
    tokio::spawn(async move {
        let work = |term| {
            let (tell, stop) = (tell.clone(), stop.clone());
            async move {
                tell.send(term).await.unwrap();
                stop.cancelled().await;
            }
        };
        leadership.lead(&stop, work).await;
    });
    told.recv().await.unwrap()
}

fn labels(disk: &str) -> Labels {
    BTreeMap::from([("disk", disk.to_owned()), ("upstream", "primary".to_owned())])
}

fn reading(metric: Metric, disk: &str, value: f64) -> Reading {
    Reading::new(metric, Project::default(), labels(disk), value)
}

fn key(metric: Metric, disk: &str) -> SeriesKey {
    let labels = labels(disk);
    SeriesKey::new(
        metric.0,
        "default",
        labels.iter().map(|(name, value)| (*name, value.as_str())),
    )
}

#[tokio::test]
async fn chosen_figures_that_are_fresh_are_recorded_once_a_moment() {
    let bench = bench(&[]).await;
    let stop = CancellationToken::new();
    let (term, mut book) = (term(&bench.trends.store, &stop).await, Book::default());
    let about_a_statement = Reading {
        fingerprint: Some(Fingerprint::new(7)),
        ..reading(DISK_USED_BYTES, "statement", 1.0)
    };
    let readings = vec![
        reading(DISK_USED_BYTES, "/a", 10.0),
        reading(DISK_USED_BYTES, "/b\0'", 20.0),
        reading(DISK_USED_BYTES, "/c", f64::NAN),
        reading(metric::SERVER_DOWN, "not chosen", 1.0),
        about_a_statement,
    ];
    bench.trends.board.put("host", readings, FRESH);
    bench.round(&term, &mut book).await.unwrap();
    bench.round(&term, &mut book).await.unwrap();
    assert_eq!(
        bench.numbers("select value from series_minutes order by 1").await,
        [10.0, 20.0]
    );

    bench.trends.clock.advance(FRESH);
    bench.round(&term, &mut Book::default()).await.unwrap();
    assert_eq!(
        bench.numbers("select value from series_minutes order by 1").await,
        [10.0, 10.0, 20.0, 20.0]
    );
    bench.trends.clock.advance(FRESH);
    bench.round(&term, &mut book).await.unwrap();
    let found = bench.numbers("select count(*)::float8 from series_minutes").await;
    assert_eq!(found, [4.0], "what the source does not say any more is not recorded");
    assert_eq!(bench.numbers("select count(*)::float8 from series").await, [2.0]);
    stop.cancel();
}

#[tokio::test]
async fn no_more_series_are_begun_than_allowed_and_those_refused_are_counted() {
    let bench = bench(&[("SERIES_MAX", "2"), ("RECORDED", "made.up")]).await;
    let stop = CancellationToken::new();
    let (term, mut book) = (term(&bench.trends.store, &stop).await, Book::default());
    let readings = ["/a", "/b", "/c", "/d"].map(|disk| reading(Metric("made.up"), disk, 1.0));
    bench.trends.board.put("host", readings.to_vec(), FRESH);
    bench.round(&term, &mut book).await.unwrap();
    assert_eq!(
        bench.numbers("select count(*)::float8 from series_minutes").await,
        [2.0]
    );
    assert!(
        bench
            .registry
            .encode()
            .contains("weir_monitor_series_refused_total{} 2"),
        "{}",
        bench.registry.encode()
    );
    stop.cancel();
}

#[tokio::test]
async fn minutes_become_hours_and_both_are_forgotten_in_time() {
    let bench = bench(&[("RECORD_KEEP", "2h"), ("RECORD_KEEP_HOURS", "3h")]).await;
    let stop = CancellationToken::new();
    let (term, mut book) = (term(&bench.trends.store, &stop).await, Book::default());
    for minute in 0..=600_u32 {
        bench
            .trends
            .board
            .put("host", vec![reading(DISK_USED_BYTES, "/a", f64::from(minute))], FRESH);
        if minute % 10 == 0 {
            bench.round(&term, &mut book).await.unwrap();
        }
        bench.trends.clock.advance(Duration::from_secs(60));
    }
    bench.trends.clock.advance(Duration::from_secs(29 * 60));
    bench.round(&term, &mut Book::default()).await.unwrap();
    let hours = bench.numbers("select (at_unix_ms - 1800000000000) / 3600000.0::float8 from series_hours order by 1");
    assert_eq!(
        hours.await,
        [8.0, 9.0],
        "of half past ten: three hours back, and none that goes on"
    );
    let of = |column: &str| format!("select {column} from series_hours order by at_unix_ms");
    assert_eq!(bench.numbers(&of("mean")).await, [505.0, 565.0]);
    assert_eq!(bench.numbers(&of("least")).await, [480.0, 540.0]);
    assert_eq!(bench.numbers(&of("greatest")).await, [530.0, 590.0]);
    assert_eq!(
        bench.numbers("select min(value) from series_minutes").await,
        [510.0],
        "two hours back"
    );

    bench.trends.clock.advance(Duration::from_secs(24 * 3_600));
    bench.trends.board.put("host", Vec::new(), FRESH);
    bench.round(&term, &mut book).await.unwrap();
    assert_eq!(
        bench.numbers("select count(*)::float8 from series").await,
        [0.0],
        "nothing is left of it"
    );
    bench
        .trends
        .board
        .put("host", vec![reading(DISK_USED_BYTES, "/a", 1.0)], FRESH);
    bench.round(&term, &mut book).await.unwrap();
    assert_eq!(
        bench.numbers("select value from series_minutes").await,
        [1.0],
        "it is begun anew"
    );
    stop.cancel();
}

#[tokio::test]
async fn a_series_is_read_by_hours_and_then_by_parts_of_an_hour_without_telling_anything_twice() {
    let bench = bench(&[]).await;
    bench.hours(&key(DISK_USED_BYTES, "/a"), &[1.0, 2.0, 3.0, 4.0]).await;
    let mut connection = bench.trends.store.pool().acquire().await.unwrap();
    let series = rows::find_series(&mut connection, &key(DISK_USED_BYTES, "/a"))
        .await
        .unwrap()
        .unwrap();
    let read = async |connection: &mut sqlx::PgConnection, from| {
        let points: Vec<Point> = rows::read_series(connection, series, from, 600_000).await.unwrap();
        points
            .iter()
            .map(|point| ((point.at_unix_ms - NOON) / MINUTE, point.value))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        read(&mut connection, 0).await,
        [(-210, 1.0), (-150, 2.0), (-90, 3.0), (-30, 4.0)]
    );
    for minute in (-60..0).step_by(5) {
        let figures = BTreeMap::from([(series, 10.0 + f64::from(u8::from(minute % 10 == 0)))]);
        rows::record(&mut connection, NOON + minute * MINUTE, &figures)
            .await
            .unwrap();
    }
    let parts = [-55, -45, -35, -25, -15, -5].map(|minute| (minute, 10.5));
    assert_eq!(
        read(&mut connection, 0).await,
        [&[(-210, 1.0), (-150, 2.0), (-90, 3.0)], &parts[..]].concat()
    );
    assert_eq!(read(&mut connection, NOON - 10 * MINUTE).await, [(-5, 10.5)]);
    let other = rows::find_series(&mut connection, &key(DISK_USED_BYTES, "/b"))
        .await
        .unwrap();
    assert_eq!(other, None);
}

#[tokio::test]
async fn of_two_monitors_one_records_and_the_other_takes_over() {
    let bench = bench(&[("RECORD_EVERY", "1s")]).await;
    let clock = Clock::system();
    let start = async || {
        let trends = trends(&bench.database.url(), &clock, &[("RECORD_EVERY", "1s")]).await;
        trends.board.put(
            "host",
            vec![reading(DISK_USED_BYTES, "/a", 1.0)],
            Duration::from_secs(3_600),
        );
        let stop = CancellationToken::new();
        let (run, stopped) = (trends.clone(), stop.clone());
        let task = tokio::spawn(async move { record::run(run, &stopped).await });
        (trends, stop, task)
    };
    let monitors = [start().await, start().await];
    let recording = || {
        let shown = |(trends, ..): &(Trends, _, _)| trends.metrics.series.with([]).get() > 0.0;
        monitors.iter().map(shown).collect::<Vec<_>>()
    };
    let written = async || bench.numbers("select count(*)::float8 from series_minutes").await[0];
    eventually("three figures", SOON, || async {
        (written().await >= 3.0).then_some(()).ok_or("not yet")
    })
    .await;
    let first = recording();
    assert_eq!(first.iter().filter(|records| **records).count(), 1, "{first:?}");
    let leader = first.iter().position(|records| *records).unwrap();
    monitors[leader].1.cancel();
    eventually("the other to record", SOON, || async {
        (recording()[1 - leader]).then_some(()).ok_or("not yet")
    })
    .await;
    monitors[1 - leader].1.cancel();
    for (_, _, task) in monitors {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_monitor_that_was_overtaken_writes_nothing_more() {
    let bench = bench(&[]).await;
    let stop = CancellationToken::new();
    let (term, mut book) = (term(&bench.trends.store, &stop).await, Book::default());
    bench
        .trends
        .board
        .put("host", vec![reading(DISK_USED_BYTES, "/a", 1.0)], FRESH);
    bench.round(&term, &mut book).await.unwrap();
    bench.trends.clock.advance(Duration::from_secs(60));
    sqlx::query("update leaders set epoch = epoch + 1")
        .execute(bench.trends.store.pool())
        .await
        .unwrap();
    for book in [&mut book, &mut Book::default()] {
        let refused = bench.round(&term, book).await;
        assert!(matches!(refused, Err(StoreError::Superseded { .. })), "{refused:?}");
    }
    assert_eq!(
        bench.numbers("select count(*)::float8 from series_minutes").await,
        [1.0],
        "the one of before"
    );
    stop.cancel();
}

#[tokio::test]
async fn what_runs_out_is_told_to_the_board_with_its_interval_in_words() {
    let bench = bench(&[]).await;
    let growing: Vec<f64> = (0..336).map(|hour| 900e9 + 0.125e9 * f64::from(hour)).collect();
    bench.hours(&key(DISK_USED_BYTES, "/a"), &growing).await;
    bench.hours(&key(DISK_USED_BYTES, "/b"), &[500e9; 336]).await;
    bench.hours(&key(DISK_USED_BYTES, "/c"), &growing[..10]).await;
    bench.hours(&key(DISK_USED_BYTES, "/d"), &growing).await;
    bench
        .hours(
            &key(metric::WRAPAROUND_RATIO, "/a"),
            &(0..336).map(|hour| f64::from(hour) / 1e3).collect::<Vec<_>>(),
        )
        .await;
    let readings = vec![
        reading(DISK_USED_BYTES, "/a", 942e9),
        reading(DISK_TOTAL_BYTES, "/a", 1_000e9),
        reading(DISK_USED_BYTES, "/b", 500e9),
        reading(DISK_TOTAL_BYTES, "/b", 1_000e9),
        reading(DISK_USED_BYTES, "/c", 900e9),
        reading(DISK_TOTAL_BYTES, "/c", 1_000e9),
        reading(DISK_USED_BYTES, "/d", 900e9),
        reading(DISK_USED_BYTES, "/never seen", 900e9),
        reading(DISK_TOTAL_BYTES, "/never seen", 1_000e9),
        reading(metric::WRAPAROUND_RATIO, "/a", 0.336),
    ];
    bench.trends.board.put("host", readings, FRESH);
    let told = outlook::round(&bench.trends).await.unwrap();
    let told: HashMap<(&str, &str), &Reading> = told
        .iter()
        .map(|reading| ((reading.metric.0, reading.labels["disk"].as_str()), reading))
        .collect();
    let found: Vec<_> = told.keys().collect();
    assert_eq!(
        told.len(),
        3,
        "too little data and no capacity are no reading: {found:?}"
    );
    let filling = told[&(metric::DISK_FULL_DAYS.0, "/a")];
    assert!((filling.value - 19.4).abs() < 0.2, "{filling:?}");
    assert!(
        filling.note.starts_with("full in 19 days, between 19 and ") && filling.note.ends_with("at 3.0 GB a day"),
        "{filling:?}"
    );
    let still = told[&(metric::DISK_FULL_DAYS.0, "/b")];
    assert_eq!(
        (still.value, still.note.starts_with("not full within 1")),
        (400.0, true),
        "{still:?}"
    );
    let ids = told[&(metric::WRAPAROUND_DAYS.0, "/a")];
    assert!(
        (ids.value - 27.7).abs() < 0.3 && ids.note.contains("2.40 percentage points a day"),
        "{ids:?}"
    );

    let stop = CancellationToken::new();
    let (run, stopped) = (bench.trends.clone(), stop.clone());
    let task = tokio::spawn(async move { outlook::run(run, &stopped).await });
    eventually("the board to say so", SOON, || async {
        let sheet = bench.trends.board.read().get("trend").cloned();
        sheet.filter(|sheet| sheet.readings.len() == 3).ok_or("not yet")
    })
    .await;
    stop.cancel();
    task.await.unwrap();
}

/// Latencies of three shapes: one that slows down at a moment, one that does so every day, one that does not.
struct Planted;

const SLOWS: i64 = NOON - 2 * HOUR;

impl Planted {
    fn level(fingerprint: u64, at: i64) -> f64 {
        let of_day = (at - (NOON - 12 * HOUR)).rem_euclid(DAY);
        match fingerprint {
            1 if at >= SLOWS => 60.0,
            2 if (10 * HOUR..20 * HOUR).contains(&of_day) => 60.0,
            _ => 20.0,
        }
    }
}

impl Shapes for Planted {
    async fn heaviest(&self, count: usize) -> Result<Vec<Shape>, StoreError> {
        let shape = |number| Shape {
            project: Project::parse("shop").unwrap(),
            database: "db".to_owned(),
            fingerprint: Fingerprint::new(number),
        };
        Ok((1..=3).map(shape).take(count).collect())
    }

    async fn latencies(&self, shape: &Shape, from: i64, to: i64) -> Result<Vec<ShapePoint>, StoreError> {
        let fingerprint = shape.fingerprint.get();
        let mut random = fastrand::Rng::with_seed(fingerprint);
        let minutes = (from / MINUTE..to / MINUTE).map(|minute| minute * MINUTE);
        let point = |at| ShapePoint {
            at_unix_ms: at,
            calls: 20,
            ms: Self::level(fingerprint, at) * (0.9 + 0.2 * random.f64()),
        };
        Ok(minutes.map(point).collect())
    }
}

#[tokio::test]
async fn a_change_is_noted_once_and_what_happens_every_day_is_none() {
    let bench = bench(&[]).await;
    let stop = CancellationToken::new();
    let term = term(&bench.trends.store, &stop).await;
    for _ in 0..3 {
        shifts::round(&bench.trends, &Planted, &term).await.unwrap();
        bench.trends.clock.advance(Duration::from_secs(300));
    }
    let mut connection = bench.trends.store.pool().acquire().await.unwrap();
    let listed = rows::list_changes(&mut connection, "shop", 0, None, 10).await.unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    let change = &listed[0];
    assert_eq!(
        (change.fingerprint, change.database.as_str(), change.found_unix_ms),
        (1, "db", NOON)
    );
    assert!((change.at_unix_ms - SLOWS).abs() <= 2 * MINUTE, "{change:?}");
    assert!((change.after_ms / change.before_ms - 3.0).abs() < 0.2, "{change:?}");
    assert!(
        bench
            .registry
            .encode()
            .contains("weir_monitor_changes_found_total{direction=\"slower\"} 1")
    );
    assert!(
        rows::list_changes(&mut connection, "shop", NOON, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        rows::list_changes(&mut connection, "other", 0, None, 10)
            .await
            .unwrap()
            .is_empty()
    );

    bench.trends.clock.advance(Duration::from_secs(401 * 86_400));
    shifts::round(&bench.trends, &Planted, &term).await.unwrap();
    assert!(
        rows::list_changes(&mut connection, "shop", 0, None, 10)
            .await
            .unwrap()
            .is_empty(),
        "kept for ever"
    );
    stop.cancel();
}

#[test]
fn minutes_with_few_calls_are_taken_together() {
    let point = |minute: i64, calls, ms| ShapePoint {
        at_unix_ms: minute * MINUTE,
        calls,
        ms,
    };
    let points = [
        point(0, 4, 10.0),
        point(1, 0, f64::NAN),
        point(2, 1, 20.0),
        point(3, 9, 7.0),
        point(4, 2, 99.0),
    ];
    assert_eq!(
        gathered(&points),
        [Point::new(2 * MINUTE, 12.0), Point::new(3 * MINUTE, 7.0)]
    );
}

#[test]
fn a_setting_that_cannot_be_is_named() {
    for (key, value) in [
        ("RECORD_EVERY", "0s"),
        ("RECORD_EVERY", "2h"),
        ("RECORD_KEEP", "1h"),
        ("RECORD_KEEP_HOURS", "1h"),
        ("FORECAST_EVERY", "0s"),
        ("CHANGES_EVERY", "1ms"),
        ("OTLP_EVERY", "0s"),
        ("OTLP_ENDPOINT", "collector:4317"),
    ] {
        let sources = Sources::load(None, vec![(format!("WEIR_MONITOR__{key}"), value.to_owned())]).unwrap();
        let error = crate::settings::check(&sources).unwrap_err().to_string();
        assert!(error.contains(&format!("monitor.{}", key.to_lowercase())), "{error}");
    }
    let sources = Sources::load(None, Vec::new()).unwrap();
    let recorded = crate::settings::check(&sources).unwrap().recorded.0;
    assert_eq!(recorded.len(), RECORDED.split(';').count());
    assert!(recorded.contains(&DISK_USED_BYTES.0.to_owned()), "{recorded:?}");
}
