//! A store is opened, migrated and asked, with the server there, away, or not letting us in.

use std::time::Duration;

use super::{DEADLINE, migrations, options};
use crate::{Store, StoreError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use weir_model::Coded as _;
use weir_testkit::{Postgres, PostgresOptions, eventually};

const TABLE: &str = "create table things (id int primary key)";

#[tokio::test]
async fn a_service_gets_its_tables_in_its_own_schema() {
    let database = Postgres::shared().await.database().await;
    let store = Store::connect(options(&database.url()), migrations(&[TABLE]))
        .await
        .unwrap();
    sqlx::query("insert into things values (1)")
        .execute(store.pool())
        .await
        .unwrap();
    let tables = database
        .psql("select string_agg(schemaname || '.' || tablename, ' ' order by tablename) from pg_tables where schemaname !~ '^pg_|information'")
        .await;
    assert_eq!(
        tables.trim(),
        "weir_test._sqlx_migrations weir_test._sqlx_migrations_store weir_test.leaders weir_test.outbox weir_test.things"
    );
    store.ping(DEADLINE).await.unwrap();
}

#[tokio::test]
async fn instances_may_start_at_the_same_time() {
    let database = Postgres::shared().await.database().await;
    let stores: Vec<Store> = (0..4)
        .map(|_| Store::open(options(&database.url()), migrations(&[TABLE])).unwrap())
        .collect();
    let [a, b, c, d] = stores.as_slice() else {
        panic!("four stores")
    };
    let (a, b, c, d) = tokio::join!(a.migrate(), b.migrate(), c.migrate(), d.migrate());
    for started in [a, b, c, d] {
        started.unwrap();
    }
    assert_eq!(
        database
            .psql("select count(*) from weir_test._sqlx_migrations")
            .await
            .trim(),
        "1"
    );
}

#[tokio::test]
async fn tables_of_another_version_are_refused_in_one_line() {
    let database = Postgres::shared().await.database().await;
    let both = [TABLE, "alter table things add name text"];
    Store::connect(options(&database.url()), migrations(&both))
        .await
        .unwrap();

    let older = Store::connect(options(&database.url()), migrations(&[TABLE]))
        .await
        .unwrap_err();
    let changed = ["create table things (id bigint primary key)", both[1]];
    let changed = Store::connect(options(&database.url()), migrations(&changed))
        .await
        .unwrap_err();
    for (error, said) in [
        (older, "migration 2 in _sqlx_migrations is unknown here"),
        (changed, "migration 1 in _sqlx_migrations was changed"),
    ] {
        let text = error.to_string();
        assert!(
            text.contains(said) && text.contains("weir_test") && !text.contains('\n'),
            "{text}"
        );
        assert_eq!(error.slug(), "store-migration");
    }
    // A refusal leaves no lock behind.
    Store::connect(options(&database.url()), migrations(&both))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_migration_that_fails_is_rolled_back_and_named() {
    let database = Postgres::shared().await.database().await;
    let broken = migrations(&[TABLE, "create table more (id int); select nonsense"]);
    let error = Store::connect(options(&database.url()), broken).await.unwrap_err();
    assert!(matches!(error, StoreError::Migration { .. }), "{error}");
    assert!(
        error.to_string().contains("migration 2") && error.to_string().contains("nonsense"),
        "{error}"
    );
    assert_eq!(
        database
            .psql("select to_regclass('weir_test.more') is null")
            .await
            .trim(),
        "t"
    );
}

#[tokio::test]
async fn an_owner_of_the_schema_needs_no_right_to_create_others() {
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    let name = database.name();
    database
        .psql(&format!(
            "create role \"{name}\" login; create schema weir_test authorization \"{name}\""
        ))
        .await;
    let url = database.url().replace("postgres@", &format!("{name}@"));
    Store::connect(options(&url), migrations(&[TABLE])).await.unwrap();
}

#[tokio::test]
async fn failures_name_the_place_and_never_the_password() {
    let postgres = PostgresOptions::new()
        .hba("host all locked 127.0.0.1/32 scram-sha-256")
        .hba("host all all 127.0.0.1/32 trust")
        .start()
        .await;
    postgres
        .psql("postgres", "create role locked login password 'right'")
        .await;
    let port = postgres.port();
    let free = weir_testkit::free_port();
    let cases = [
        (
            format!("postgres://locked:hunter2@127.0.0.1:{port}/postgres"),
            "store-auth",
            format!("127.0.0.1:{port}/postgres"),
        ),
        (
            format!("postgres://postgres:hunter2@127.0.0.1:{port}/nowhere"),
            "store-database",
            format!("127.0.0.1:{port}/nowhere"),
        ),
        (
            format!("postgres://postgres:hunter2@127.0.0.1:{free}/x"),
            "store-unreachable",
            format!("127.0.0.1:{free}/x"),
        ),
    ];
    for (url, slug, place) in cases {
        let store = Store::open(options(&url), vec![]).unwrap();
        let error = store.migrate().await.unwrap_err();
        let text = format!("{error} {error:?} {store:?}");
        assert_eq!(error.slug(), slug, "{text}");
        assert!(
            text.contains(&place) && !text.contains("hunter2") && !error.to_string().contains('\n'),
            "{text}"
        );
    }
    for url in ["mysql://u:hunter2@h/d", "postgres://u:hunter2@h:port/d", "hunter2"] {
        let error = Store::open(options(url), vec![]).unwrap_err();
        assert_eq!(error.slug(), "store-url");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_service_starts_before_its_database_and_recovers_by_itself() {
    let mut postgres = Postgres::start().await;
    let url = postgres.url("postgres");
    postgres.stop().await;
    let store = Store::open(options(&url), migrations(&[TABLE])).unwrap();
    let stop = CancellationToken::new();
    let (saw, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let waiting = store.wait_until_migrated(&stop, |state| {
        saw.send(state.as_ref().map_err(|e| e.slug()).copied()).unwrap();
    });
    let starting = async {
        assert_eq!(seen.recv().await, Some(Err("store-unreachable")));
        assert_eq!(seen.recv().await, Some(Err("store-unreachable")), "it tries again");
        postgres.start_again().await;
    };
    let (migrated, ()) = tokio::join!(waiting, starting);
    assert!(migrated.unwrap());

    // Frozen, not gone: a ping keeps its limit, and works again afterwards.
    postgres.pause();
    let error = store.ping(Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(error.slug(), "store-timeout");
    postgres.resume();
    eventually("a ping", DEADLINE, async || store.ping(Duration::from_secs(5)).await).await;
}

#[tokio::test]
async fn waiting_ends_at_a_stop_and_at_a_refusal() {
    let free = weir_testkit::free_port();
    let store = Store::open(options(&format!("postgres://postgres@127.0.0.1:{free}/x")), vec![]).unwrap();
    let stop = CancellationToken::new();
    // As a task of its own, which is how services wait.
    let mut waiting = JoinSet::new();
    waiting.spawn(async move { store.wait_until_migrated(&stop.clone(), |_| stop.cancel()).await });
    assert!(!waiting.join_next().await.unwrap().unwrap().unwrap());

    let database = Postgres::shared().await.database().await;
    Store::connect(options(&database.url()), migrations(&[TABLE]))
        .await
        .unwrap();
    let older = Store::open(options(&database.url()), migrations(&[])).unwrap();
    let refused = older.wait_until_migrated(&CancellationToken::new(), |_| {}).await;
    assert!(
        matches!(refused, Err(StoreError::MigrationRefused { .. })),
        "{refused:?}"
    );
}
