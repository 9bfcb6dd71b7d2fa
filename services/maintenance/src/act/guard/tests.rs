//! The guard before a real server, with statements told as gateways tell them.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;
use tokio::time::Instant;
use weir_proto::events::v1::QueryExecuted;
use weir_telemetry::Registry;
use weir_testkit::{Database, Postgres, PostgresOptions, eventually};

use super::super::{Limits, Session};
use super::*;
use crate::latency::STEP;
use crate::latency::tests::{Told, call};

const SOON: Duration = Duration::from_secs(30);
/// Steps of tests that need not see real ones.
const SHORT: Duration = Duration::from_millis(500);
const NAME: &str = "weir-maint/0191";

/// A database, what is told of it, and what it takes to watch over a statement there.
struct Scene {
    database: Database,
    told: Arc<Told>,
    /// What statements take, in milliseconds.
    takes_ms: Arc<AtomicU64>,
    token: CancellationToken,
    clock: Clock,
    metrics: Arc<Metrics>,
    load: JoinSet<()>,
}

impl Scene {
    async fn new(step: Duration) -> Self {
        let database = Postgres::shared().await.database().await;
        Self::of(database, step).await
    }

    async fn of(database: Database, step: Duration) -> Self {
        database.psql("create table t (n int)").await;
        Self {
            database,
            told: Arc::new(Told::new(step).await),
            takes_ms: Arc::new(AtomicU64::new(40)),
            token: CancellationToken::new(),
            clock: Clock::system(),
            metrics: Arc::new(Metrics::register(&Registry::default())),
            load: JoinSet::new(),
        }
    }

    /// Tells of this many statements ten times a second, which take between half and the whole of what they take now.
    async fn with_load(mut self, calls: usize) -> Self {
        let (told, takes_ms) = (Arc::clone(&self.told), Arc::clone(&self.takes_ms));
        let name = self.database.name().to_owned();
        self.load.spawn(async move {
            let mut every = tokio::time::interval(Duration::from_millis(100));
            loop {
                every.tick().await;
                let most = takes_ms.load(Ordering::Relaxed);
                let one = |_| call(&name, fastrand::u64(most / 2..=most));
                told.tell("shop", (0..calls).map(one).collect::<Vec<QueryExecuted>>())
                    .await;
            }
        });
        // The first statements that are heard begin what is usual.
        eventually("to know what is usual", SOON * 2, async || {
            self.told
                .latency
                .users(self.database.name())
                .pop()
                .and_then(|users| users.before)
        })
        .await;
        self
    }

    fn takes(&self, ms: u64) {
        self.takes_ms.store(ms, Ordering::Relaxed);
    }

    fn rule() -> GuardRule {
        GuardRule {
            factor: 1.5,
            margin: Duration::from_millis(20),
            ticks: 3,
            lasting_factor: 1.25,
            lasting_for: Duration::ZERO,
            calls_min: 20,
            block_limit: Duration::from_secs(1),
            lag_max: Duration::from_secs(30),
            lag_bytes_max: 1_000_000,
        }
    }

    fn parts(&self) -> Parts {
        Parts {
            rule: Self::rule(),
            target: Target::parse(&self.database.url()).unwrap(),
            name: NAME.to_owned(),
            latency: self.told.latency.clone(),
            emergency: false,
            metrics: Arc::clone(&self.metrics),
        }
    }

    fn unwatched(&self) -> Guard<'_> {
        Guard::of(&self.token, Window::default(), &self.clock)
    }

    fn guard(&self) -> Guard<'_> {
        self.unwatched().watching(self.parts())
    }

    async fn session(&self, name: &str) -> Session {
        let limits = Limits {
            lock: SOON,
            statement: SOON * 10,
        };
        let target = Target::parse(&self.database.url()).unwrap();
        Session::open(&target, name, limits).await.unwrap()
    }

    /// A session of this name that runs a statement by itself until the scene ends.
    async fn runs(&mut self, name: &str, sql: &'static str) -> i32 {
        let mut session = self.session(name).await;
        let pid = session.connection().process_id();
        self.load.spawn(async move {
            let _ended = session.connection().simple_query(sql).await;
        });
        pid
    }

    /// A client that wants to read the table of the scene, and waits for a lock.
    async fn waits(&mut self, name: &str) -> i32 {
        let pid = self.runs(name, "select count(*) from t").await;
        let waits = format!("select 't' from pg_locks where pid = {pid} and not granted");
        eventually("the client to wait", SOON, async || {
            (self.database.psql(&waits).await == "t").then_some(())
        })
        .await;
        pid
    }

    /// Runs a statement under a guard; what ended it, and after what time.
    async fn run(&self, sql: &str, guard: &Guard<'_>) -> (Result<(), Halt>, Duration) {
        let mut session = self.session(NAME).await;
        let begun = Instant::now();
        let ended = session.run(sql, guard).await;
        let took = begun.elapsed();
        let pid = session.connection().process_id();
        let state = format!("select state from pg_stat_activity where pid = {pid}");
        assert_ne!(self.database.psql(&state).await, "active", "the statement still runs");
        (ended.map(drop), took)
    }

    fn halts(&self, reason: &str) -> u64 {
        self.metrics.guard_halts.with([reason]).get()
    }
}

const HOLD: &str = "lock table t; select pg_sleep(60)";
const SLEEP: &str = "select pg_sleep(60)";

#[tokio::test]
async fn threefold_latency_ends_the_statement_within_twenty_seconds() {
    let scene = Scene::new(STEP).await.with_load(10).await;
    let guard = scene.guard();
    scene.takes(120);
    let (ended, took) = scene.run(SLEEP, &guard).await;
    let Err(Halt::UsersSuffer(words)) = ended else {
        panic!("{ended:?}");
    };
    assert!(took < Duration::from_secs(20), "{took:?}");
    // What was usual took 20 to 40 ms, so its p95 is close to the top.
    let before = (words.split("before ").nth(1)).and_then(|rest| rest.split(' ').next()?.parse().ok());
    assert!(before.is_some_and(|ms: u64| (33..=41).contains(&ms)), "{words}");
    assert!(
        words.contains("for 15 s") && words.contains("(project shop)"),
        "{words}"
    );
    let account = guard.account();
    assert_eq!(
        (&account["latency"], &account["latency_over"]),
        (&"judged".into(), &3.into())
    );
    assert_eq!(scene.halts("latency"), 1);
}

#[tokio::test]
async fn thirty_looks_at_noise_below_the_limit_end_nothing_and_looks_go_on_over_statements() {
    let scene = Scene::new(SHORT).await.with_load(10).await;
    let guard = scene.guard();
    let calm = Instant::now();
    while calm.elapsed() < Duration::from_secs(26) {
        // Up to 57 ms where 60 are allowed, and once in a while a single step of a multiple of it.
        scene.takes(fastrand::u64(38..=57));
        let (ended, _) = scene.run("select pg_sleep(2.5)", &guard).await;
        assert!(ended.is_ok(), "{ended:?}");
        scene.takes(200);
        let (ended, _) = scene.run("select pg_sleep(0.4)", &guard).await;
        assert!(ended.is_ok(), "{ended:?}");
    }
    assert!(
        guard.account()["latency_judged"].as_u64().unwrap() > 30,
        "{}",
        guard.account()
    );
    assert_eq!(scene.halts("latency"), 0);
    scene.takes(120);
    // No statement lasts as long as it takes to find out.
    let mut ended = Ok(());
    let begun = Instant::now();
    while ended.is_ok() && begun.elapsed() < SOON {
        (ended, _) = scene.run("select pg_sleep(0.8)", &guard).await;
    }
    assert!(matches!(ended, Err(Halt::UsersSuffer(_))), "{ended:?}");
}

#[tokio::test]
async fn without_anything_heard_nothing_is_judged_and_it_is_said() {
    let scene = Scene::new(SHORT).await;
    let guard = scene.guard();
    let (ended, _) = scene.run("select pg_sleep(3)", &guard).await;
    assert!(ended.is_ok(), "{ended:?}");
    let latency = guard.account()["latency"].as_str().unwrap().to_owned();
    assert!(
        latency.starts_with("not judged: the gateway told of too few statements"),
        "{latency}"
    );
    assert!(
        guard.account()["lock_looks"].as_u64().unwrap() >= 4,
        "{}",
        guard.account()
    );
}

#[tokio::test]
async fn a_client_that_waits_for_our_lock_ends_the_statement_within_three_seconds() {
    let mut scene = Scene::new(SHORT).await;
    let waiter = {
        let guard = scene.unwatched();
        drop(guard);
        scene
            .runs("shop-api", "select pg_sleep(0.7); select count(*) from t")
            .await
    };
    let guard = scene.guard();
    let (ended, took) = scene.run(HOLD, &guard).await;
    let Err(Halt::Blocks(words)) = ended else {
        panic!("{ended:?}");
    };
    assert!(took < Duration::from_millis(3_700), "{took:?}");
    let expected = format!("pid {waiter} (app shop-api) waiting 1.");
    assert!(
        words.starts_with(&expected) && words.contains("an AccessShareLock on public.t"),
        "{words}"
    );
    assert_eq!(scene.halts("block"), 1);
    // The client has what it waited for.
    let active = format!("select count(*) from pg_stat_activity where pid = {waiter} and wait_event_type = 'Lock'");
    assert_eq!(scene.database.psql(&active).await, "0");
}

#[tokio::test]
async fn locks_of_sessions_named_like_the_job_count_as_ours_and_those_of_others_do_not() {
    let mut scene = Scene::new(SHORT).await;
    scene.runs("pg_repack", "lock table t; select pg_sleep(60)").await;
    scene.waits("shop-api").await;
    let guard = scene.guard();
    let (ended, _) = scene.run("select pg_sleep(3)", &guard).await;
    assert!(ended.is_ok(), "{ended:?}");

    let mut scene = Scene::new(SHORT).await;
    scene.runs(NAME, "lock table t; select pg_sleep(60)").await;
    scene.waits("shop-api").await;
    let guard = scene.guard();
    let (ended, _) = scene.run(SLEEP, &guard).await;
    assert!(matches!(ended, Err(Halt::Blocks(_))), "{ended:?}");
}

#[tokio::test]
async fn sessions_of_weir_itself_may_wait() {
    let mut scene = Scene::new(SHORT).await;
    scene
        .runs("weir-maint/other", "select pg_sleep(0.5); select count(*) from t")
        .await;
    let guard = scene.guard();
    let (ended, _) = scene.run("lock table t; select pg_sleep(3)", &guard).await;
    assert!(ended.is_ok(), "{ended:?}");
}

#[tokio::test]
async fn it_goes_on_when_its_connection_is_killed() {
    let mut scene = Scene::new(SHORT).await;
    scene
        .runs("shop-api", "select pg_sleep(4); select count(*) from t")
        .await;
    let guard = scene.guard();
    let pids = "select coalesce(string_agg(pid::text, ','), '') from pg_stat_activity where application_name like 'weir-maint/%/guard'";
    let kills = async {
        let mut seen = BTreeSet::new();
        while seen.len() < 3 {
            let pid = eventually("a new asking connection", SOON, async || {
                let pid = scene.database.psql(pids).await;
                (!pid.is_empty() && !seen.contains(&pid)).then_some(pid)
            })
            .await;
            scene
                .database
                .psql(&format!("select pg_terminate_backend({pid})"))
                .await;
            seen.insert(pid);
        }
        std::future::pending::<()>().await;
    };
    let (ended, took) = tokio::select! {
        ran = scene.run(HOLD, &guard) => ran,
        () = kills => unreachable!(),
    };
    assert!(matches!(ended, Err(Halt::Blocks(_))), "{ended:?}");
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(
        guard.account()["lock_looks_unanswered"].as_u64().unwrap() >= 3,
        "{}",
        guard.account()
    );
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_no_trouble_and_is_asked_again() {
    let postgres = PostgresOptions::new().start().await;
    let mut scene = Scene::of(postgres.database().await, SHORT).await;
    scene
        .runs("shop-api", "select pg_sleep(9); select count(*) from t")
        .await;
    let guard = scene.guard();
    let freeze = async {
        eventually("a first look", SOON, async || {
            (guard.account()["lock_looks"] != 0).then_some(())
        })
        .await;
        postgres.pause();
        eventually("two looks in vain", SOON, async || {
            (guard.account()["lock_looks_unanswered"].as_u64() >= Some(2)).then_some(())
        })
        .await;
        postgres.resume();
        std::future::pending::<()>().await;
    };
    let (ended, _) = tokio::select! {
        ran = scene.run(HOLD, &guard) => ran,
        () = freeze => unreachable!(),
    };
    assert!(matches!(ended, Err(Halt::Blocks(_))), "{ended:?}");
}

#[tokio::test]
async fn a_replica_that_falls_behind_ends_the_statement() {
    let postgres = PostgresOptions::new().setting("wal_level", "replica").start().await;
    let standby = postgres.standby("r1").await;
    let scene = Scene::of(postgres.database().await, SHORT).await;
    let guard = scene.guard();
    let falls = async {
        eventually("a first look", SOON, async || {
            (guard.account()["lock_looks"].as_u64() > Some(3)).then_some(())
        })
        .await;
        standby.pause();
        let sql = "insert into t select generate_series(1, 50000)";
        scene.database.psql(sql).await;
        std::future::pending::<()>().await;
    };
    let (ended, _) = tokio::select! {
        ran = scene.run(SLEEP, &guard) => ran,
        () = falls => unreachable!(),
    };
    standby.resume();
    let Err(Halt::UsersSuffer(words)) = ended else {
        panic!("{ended:?}");
    };
    assert!(words.starts_with("replica r1 is "), "{words}");
    assert_eq!(scene.halts("lag"), 1);
}

#[tokio::test]
async fn an_emergency_goes_on_while_statements_are_slow_but_blocks_nobody() {
    let mut scene = Scene::new(SHORT).await.with_load(10).await;
    scene
        .runs("shop-api", "select pg_sleep(5); select count(*) from t")
        .await;
    let parts = Parts {
        emergency: true,
        ..scene.parts()
    };
    let guard = scene.unwatched().watching(parts);
    scene.takes(400);
    let (ended, took) = scene.run(HOLD, &guard).await;
    assert!(matches!(ended, Err(Halt::Blocks(_))), "{ended:?}");
    assert!(took > Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn cancellation_and_the_end_of_the_window_are_heeded_with_and_without_a_watch() {
    let scene = Scene::new(SHORT).await;
    for watched in [false, true] {
        let ends = Some(scene.clock.now() + Duration::from_millis(300));
        let window = Window {
            ends,
            ..Window::default()
        };
        let guard = Guard::of(&scene.token, window, &scene.clock);
        let guard = if watched { guard.watching(scene.parts()) } else { guard };
        let (ended, _) = scene.run(SLEEP, &guard).await;
        assert!(matches!(ended, Err(Halt::WindowEnded)), "{ended:?}");
    }
    scene.token.cancel();
    let (ended, _) = scene.run(SLEEP, &scene.guard()).await;
    assert!(matches!(ended, Err(Halt::Cancelled)), "{ended:?}");
}

#[tokio::test]
async fn a_statement_that_was_only_just_sent_is_cancelled_all_the_same() {
    let scene = Scene::new(SHORT).await;
    for after_us in (0..40).map(|number| number * 50) {
        let token = CancellationToken::new();
        let guard = Guard::of(&token, Window::default(), &scene.clock);
        let trips = async {
            sleep(Duration::from_micros(after_us)).await;
            token.cancel();
            std::future::pending::<()>().await;
        };
        let (ended, took) = tokio::select! {
            ran = scene.run(SLEEP, &guard) => ran,
            () = trips => unreachable!(),
        };
        assert!(matches!(ended, Err(Halt::Cancelled)), "{ended:?}");
        assert!(took < Duration::from_secs(5), "{after_us}: {took:?}");
    }
}
