//! A cluster near its limits: when they are reached is known before, and what is frozen is frozen before.
#![expect(clippy::print_stderr, reason = "how far off a forecast was is what a run is for")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use weir_bus::{Bus, Limits as BusLimits};
use weir_config::Sources;
use weir_jobs::Window;
use weir_runtime::{Outcome as Ended, Tasks};
use weir_store::Migrations;
use weir_testkit::{Database, Postgres, PostgresOptions, eventually};

use super::*;
use crate::act::vacuum::{Outcome, VacuumOrder, Vacuumed, vacuum};
use crate::act::{Guard, Limits, Session};
use crate::in_job::in_job;
use crate::plan::TableName;
use crate::plan::freeze::{Circumstances, Occasion, plan_freeze};

const SOON: Duration = Duration::from_secs(30);
/// The forecast may be off by so much of the time that was left.
const OFF: f64 = 0.2;

/// The part of maintenance that watches ages, of one database, with its own tables elsewhere.
struct Watching {
    tasks: Tasks,
    wraparound: Wraparound,
    metrics: Arc<weir_telemetry::Registry>,
    store: Store,
}

impl Watching {
    async fn of(database: &Database, store_url: &str, clock: Clock) -> Self {
        let settings = [
            ("DATABASE_URL", database.url()),
            ("WEIR_STORE__URL", store_url.to_owned()),
            ("WEIR_MAINTENANCE__AGES_EVERY", "200ms".to_owned()),
            ("WEIR_MAINTENANCE__FREEZE_WITHIN", "1ms".to_owned()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value));
        let sources = Sources::load(None, settings).unwrap();
        let (_, reloaded) = watch::channel(sources.clone());
        let tasks = Tasks::new();
        let bus = Bus::in_memory(BusLimits::default());
        let ground = Ground::new(sources, reloaded, tasks.clone(), clock);
        let (settings, target) = crate::check(&ground.sources).unwrap();
        let migrations = vec![weir_jobs::migrations(), Migrations::of_service(sqlx::migrate!())];
        let tables = Tables::take(&ground, "weir_maintenance", migrations, &bus).unwrap();
        let metrics = Arc::new(Metrics::register(&ground.registry));
        let wraparound = start(&ground, &tables, vec![target], &settings, metrics);
        Self {
            tasks,
            wraparound,
            metrics: ground.registry,
            store: tables.store().clone(),
        }
    }

    async fn view(&self) -> View {
        eventually("a view of the database", SOON, async || self.wraparound.views().pop()).await
    }

    async fn stop(self) {
        assert_eq!(self.tasks.descend(SOON).await, Ended::Clean);
    }
}

/// Uses ids up at a steady rate until it is dropped.
struct Load(#[expect(dead_code, reason = "held for its drop")] JoinSet<()>);

impl Load {
    fn start(database: &Database, ids: Ids, per_second: u32) -> Self {
        let (url, mut load) = (database.url(), JoinSet::new());
        load.spawn(async move {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            let (begun, mut used) = (Instant::now(), 0);
            loop {
                let due = (begun.elapsed().as_secs_f64() * f64::from(per_second)) as u64;
                connection.execute(AssertSqlSafe(burn(ids, due - used))).await.unwrap();
                used = due;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Self(load)
    }
}

/// Each id in a transaction of its own; a group of transactions is one that holds a row and changes it in a part of it.
fn burn(ids: Ids, count: u64) -> String {
    let once = match ids {
        Ids::Transactions => "perform pg_current_xact_id();",
        Ids::Multixacts => {
            "perform 1 from held where id = 1 for key share;
             begin update held set n = n + 1 where id = 1; exception when others then raise; end;"
        }
    };
    format!("do $$ begin for i in 1..{count} loop {once} commit; end loop; end $$")
}

/// A table that is looked after and one that is not, on a server that vacuums both without asking at their limit.
struct Proof {
    ids: Ids,
    limit: u64,
    per_second: u32,
    /// Shares of the limit at which a forecast is asked for.
    asked_at: &'static [f64],
    /// The load goes on until the table that is looked after was frozen so often.
    freezes: usize,
}

struct Forecast {
    share: f64,
    asked: Instant,
    eta: Duration,
}

impl Proof {
    async fn cluster(&self) -> (Postgres, Database) {
        let name = match self.ids {
            Ids::Transactions => "autovacuum_freeze_max_age",
            Ids::Multixacts => "autovacuum_multixact_freeze_max_age",
        };
        let postgres = PostgresOptions::new()
            .setting("autovacuum", "on")
            .setting("autovacuum_naptime", "1s")
            .setting(name, &self.limit.to_string())
            .start()
            .await;
        let database = postgres.database().await;
        // Even an autovacuum that is off for a table comes when its rows are too old.
        database
            .psql(
                "create table ours (id int, note text) with (autovacuum_enabled = off, toast.autovacuum_enabled = off);
                 create table neglected (like ours) with (autovacuum_enabled = off);
                 create table held (id int primary key, n int);
                 insert into held values (1, 0);
                 insert into ours select g, repeat('x', 200) from generate_series(1, 5000) g;
                 insert into neglected select * from ours",
            )
            .await;
        (postgres, database)
    }

    async fn run(&self) {
        let (_postgres, database) = self.cluster().await;
        let store = Postgres::shared().await.database().await;
        let watching = Watching::of(&database, &store.url(), Clock::system()).await;
        let before = watching.view().await;
        let born = before.census.server.next.of(self.ids) - age_of(&before, "neglected", self.ids);
        let load = Load::start(&database, self.ids, self.per_second);
        let (mut forecasts, mut crossed, mut frozen, mut oldest) = (Vec::new(), None, Vec::new(), 0);
        let deadline = Instant::now() + Duration::from_secs(10 + 5 * self.limit / u64::from(self.per_second));
        while crossed.is_none() || frozen.len() < self.freezes {
            assert!(
                Instant::now() < deadline,
                "frozen {} times, crossed: {}",
                frozen.len(),
                crossed.is_some()
            );
            let view = watching.view().await;
            let used = view.census.server.next.of(self.ids) - born;
            if let Some(share) = self.asked_at.get(forecasts.len())
                && used as f64 >= self.limit as f64 * share
            {
                forecasts.push(self.forecast(&view, *share));
            }
            oldest = oldest.max(age_now(&database, "ours", self.ids).await);
            if crossed.is_none() && next_now(&database, self.ids).await - born >= self.limit {
                crossed = Some(Instant::now());
            }
            if let Some(done) = self.freeze(&watching, &view, &database).await {
                frozen.push(done);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.judge(&forecasts, crossed.unwrap());
        assert!(
            oldest < self.limit,
            "the oldest row was {oldest} ids old, at a limit of {}",
            self.limit
        );
        vacuumed_by_itself(&database, "neglected").await;
        let count = autovacuums(&database, "ours").await;
        assert_eq!(count, "0", "autovacuum was at the table that is looked after");
        drop(load);
        watching.stop().await;
    }

    fn forecast(&self, view: &View, share: f64) -> Forecast {
        let neglected = view.census.tables.iter().find(|table| table.table.name == "neglected");
        let eta = neglected.unwrap().eta(self.ids, view.paces.get(self.ids));
        let Eta::In(eta) = eta else {
            panic!("the limit is said to be reached {}", eta.in_words());
        };
        // The census may be a moment old: what it says counts from then.
        let asked = Instant::now() - Duration::from_millis((Clock::system().unix_ms() - view.at_ms).unsigned_abs());
        Forecast { share, asked, eta }
    }

    fn judge(&self, forecasts: &[Forecast], crossed: Instant) {
        assert_eq!(forecasts.len(), self.asked_at.len());
        for forecast in forecasts {
            let (said, was) = (forecast.eta.as_secs_f64(), (crossed - forecast.asked).as_secs_f64());
            let off = said / was - 1.0;
            eprintln!(
                "{}: at {:.0} % of {} the limit was said to be {said:.2} s away, and was {was:.2} s away ({:+.1} %)",
                self.ids.as_str(),
                forecast.share * 100.0,
                self.limit,
                off * 100.0
            );
            assert!(off.abs() <= OFF, "said {said:.2} s, was {was:.2} s");
        }
    }

    /// What a round would do: the plan, then a vacuum of what it selects.
    async fn freeze(&self, watching: &Watching, view: &View, database: &Database) -> Option<Vacuumed> {
        let circumstances = Circumstances {
            server: &view.census.server,
            paces: view.paces(),
            holder: None,
            occasion: Occasion::open(),
            rule: watching.wraparound.rule(),
        };
        let plan = plan_freeze(&view.census.tables, &circumstances);
        let ours = plan.into_iter().find(|freeze| freeze.table.name == "ours")?;
        if !ours.selected {
            return None;
        }
        let done = frozen(&database.url(), ours.table).await;
        assert_eq!(done.outcome, Outcome::Done, "{done:?}");
        eprintln!("{}: {}", self.ids.as_str(), ours.reason);
        // The next census has to know of it.
        let at_ms = watching.wraparound.clock.unix_ms();
        eventually("a census after the freeze", SOON, async || {
            (watching.view().await.at_ms > at_ms).then_some(())
        })
        .await;
        Some(done)
    }
}

async fn frozen(url: &str, table: TableName) -> Vacuumed {
    let target = Target::parse(url).unwrap();
    in_job(Window::default(), move |job| {
        let (target, table) = (target.clone(), table.clone());
        async move {
            let limits = Limits {
                lock: Duration::from_secs(2),
                statement: SOON,
            };
            let mut session = Session::open(&target, "weir-maint/test", limits).await.unwrap();
            let clock = Clock::system();
            let order = VacuumOrder {
                freeze: true,
                ..VacuumOrder::default()
            };
            let done = vacuum(&mut session, &Guard::new(job, &clock), &table, &order).await;
            session.close().await;
            done.unwrap()
        }
        .boxed()
    })
    .await
}

fn age_of(view: &View, table: &str, ids: Ids) -> u64 {
    let found = view.census.tables.iter().find(|known| known.table.name == table);
    found.unwrap().oldest(ids)
}

async fn next_now(database: &Database, ids: Ids) -> u64 {
    let next = match ids {
        Ids::Transactions => "select pg_snapshot_xmax(pg_current_snapshot())",
        Ids::Multixacts => "select mxid_age('1') + 1",
    };
    database.psql(next).await.parse().unwrap()
}

async fn age_now(database: &Database, table: &str, ids: Ids) -> u64 {
    let age = match ids {
        Ids::Transactions => "age(relfrozenxid)",
        Ids::Multixacts => "mxid_age(relminmxid)",
    };
    let age = format!("select {age} from pg_class where relname = '{table}'");
    database.psql(&age).await.parse().unwrap()
}

async fn autovacuums(database: &Database, table: &str) -> String {
    let count = format!(
        "select sum(pg_stat_get_autovacuum_count(x)) from pg_class c, unnest(array[c.oid, c.reltoastrelid]) x
         where c.relname = '{table}' and x <> 0"
    );
    database.psql(&count).await
}

async fn vacuumed_by_itself(database: &Database, table: &str) {
    eventually("an autovacuum of the neglected table", SOON, async || {
        let count = autovacuums(database, table).await;
        if count == "0" { Err(count) } else { Ok(()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_transaction_ids_is_foreseen_and_a_table_is_frozen_before_it() {
    let proof = Proof {
        ids: Ids::Transactions,
        limit: 100_000,
        per_second: 10_000,
        asked_at: &[0.5],
        freezes: 1,
    };
    proof.run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_multixact_ids_is_foreseen_and_a_table_is_frozen_before_it() {
    let proof = Proof {
        ids: Ids::Multixacts,
        limit: 10_000,
        per_second: 1_000,
        asked_at: &[0.5],
        freezes: 1,
    };
    proof.run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: just soak-wraparound"]
async fn for_minutes_a_table_is_frozen_again_and_again_and_autovacuum_finds_nothing_to_do() {
    let proof = Proof {
        ids: Ids::Transactions,
        limit: 600_000,
        per_second: 5_000,
        asked_at: &[0.25, 0.5, 0.75],
        freezes: 3,
    };
    proof.run().await;
    let proof = Proof {
        ids: Ids::Multixacts,
        limit: 30_000,
        per_second: 500,
        asked_at: &[0.25, 0.5, 0.75],
        freezes: 3,
    };
    proof.run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_is_there_after_a_restart_and_shown_as_metrics() {
    let database = Postgres::shared().await.database().await;
    let store = Postgres::shared().await.database().await;
    let clock = Clock::manual(std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let first = Watching::of(&database, &store.url(), clock.clone()).await;
    first.view().await;
    let rows = async |watching: &Watching| -> i64 {
        let count = sqlx::query_scalar("select count(*) from weir_maintenance.id_readings");
        count.fetch_one(watching.store.pool()).await.unwrap_or_default()
    };
    for minutes in 1..=4 {
        eventually("a row a minute", SOON, async || {
            let seen = rows(&first).await;
            if seen == minutes { Ok(()) } else { Err(seen) }
        })
        .await;
        clock.advance(Duration::from_secs(60));
    }
    first.stop().await;
    let second = Watching::of(&database, &store.url(), clock.clone()).await;
    eventually("what was read before", SOON, async || {
        let watched = second.view().await.paces.transactions.watched();
        if watched >= Duration::from_secs(240) {
            Ok(())
        } else {
            Err(format!("{watched:?}"))
        }
    })
    .await;
    let text = second.metrics.encode();
    for line in [
        format!("weir_wraparound_age{{database=\"{}\",ids=\"xid\"}}", database.name()),
        format!(
            "weir_wraparound_eta_seconds{{database=\"{}\",limit=\"mxid_stop\"}} 315360000",
            database.name()
        ),
    ] {
        assert!(text.contains(&line), "{line} is not in {text}");
    }
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_is_known_as_it_was_and_asked_again() {
    let mut postgres = Postgres::start().await;
    let database = postgres.database().await;
    let store = Postgres::shared().await.database().await;
    let watching = Watching::of(&database, &store.url(), Clock::system()).await;
    assert_eq!(watching.view().await.away, None);
    postgres.stop().await;
    let away = async |expected: bool| {
        eventually("what is told of the database", SOON, async || {
            let view = watching.view().await;
            if view.away.is_some() == expected {
                Ok(view)
            } else {
                Err(format!("{:?}", view.away))
            }
        })
        .await
    };
    let view = away(true).await;
    assert_eq!(view.census.server.database, database.name());
    postgres.start_again().await;
    away(false).await;
    watching.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_horizon_that_does_not_move_is_told() {
    let postgres = Postgres::start().await;
    let database = postgres.database().await;
    let store = Postgres::shared().await.database().await;
    let clock = Clock::manual(std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let watching = Watching::of(&database, &store.url(), clock.clone()).await;
    let mut holder = PgConnection::connect(&database.url()).await.unwrap();
    holder
        .execute("begin isolation level repeatable read; select 1")
        .await
        .unwrap();
    let told = async |expected: bool| {
        eventually("what is told of the horizon", SOON, async || {
            database.psql(&burn(Ids::Transactions, 10)).await;
            clock.advance(Duration::from_secs(30));
            let view = watching.view().await;
            if view.cannot_advance.is_some() == expected {
                Ok(view)
            } else {
                Err(format!("{:?}", view.cannot_advance))
            }
        })
        .await
    };
    let view = told(true).await;
    assert!(view.cannot_advance >= Some(STANDS_STILL), "{:?}", view.cannot_advance);
    holder.close().await.unwrap();
    told(false).await;
    watching.stop().await;
}
