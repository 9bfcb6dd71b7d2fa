//! Statements and definitions made to deceive or to hinder, and what else can go wrong.

use std::time::Duration;

use tokio::time::Instant;
use weir_proto::cache::v1 as api;
use weir_testkit::{Postgres, eventually};
use weir_upstream::{ConnectOptions, Connection, Target};

use super::world::{SOON, World, case, line};

#[tokio::test]
async fn code_that_runs_while_a_text_is_parsed_has_the_rights_of_its_role_only() {
    let world = World::new().await;
    let name = world.database.name().to_owned();
    world
        .database
        .psql(&include_str!("trap.sql").replace("_$", &format!("_{name}")))
        .await;
    for literal in ["'{1}'::trap.door[]", "array['1']::trap.door[]", "'1'::trap.door"] {
        let mut case = case(&format!("select {literal}"));
        case.role = format!("mallory_{name}");
        let answer = world.study(&case).await;
        let details: Vec<&str> = answer.refusals.iter().map(|refusal| &*refusal.detail).collect();
        assert_eq!(line(&answer), "no: volatile_function", "{literal}: {details:?}");
    }
    // Nothing of it stays.
    assert_eq!(
        world.verdict(&case("select * from users where id = $1")).await,
        "users.id=$1"
    );
    let left = "select count(*) from pg_namespace where nspname like 'weir%'";
    assert_eq!(world.database.psql(left).await, "0");
}

#[tokio::test]
async fn texts_that_are_deep_long_or_odd_get_an_answer() {
    let world = World::new().await;
    let sum = |terms: usize| format!("select {}", vec!["1"; terms].join(" + "));
    let nested = |depth: usize| format!("select {}1{}", "(".repeat(depth), ")".repeat(depth));
    let ins = |values: usize| {
        let values: Vec<String> = (1..=values).map(|value| value.to_string()).collect();
        format!("select * from users where id in ({})", values.join(","))
    };
    let parameters = |number: usize| {
        let values: Vec<String> = (1..=number).map(|number| format!("${number}")).collect();
        format!("select * from users where id in ({})", values.join(","))
    };
    for (sql, expected) in [
        (sum(100), String::new()),
        (sum(1_000), "no: too_complex".to_owned()),
        (nested(1_000), String::new()),
        (
            format!("select '{}'", "x".repeat(200_000)),
            "no: too_complex".to_owned(),
        ),
        (
            ins(32).replace("in (1,", "in ($1,"),
            format!("users.id=$1, {}", tags(2..=32)),
        ),
        (ins(33), "users".to_owned()),
        (ins(5_000), "users".to_owned()),
        (parameters(33), "users".to_owned()),
        (parameters(101), "no: too_many_parameters".to_owned()),
        ("select 1\0".to_owned(), "no: parse".to_owned()),
        ("select /* open".to_owned(), "no: parse".to_owned()),
        ("select 'open".to_owned(), "no: parse".to_owned()),
        ("select $$ ' $$, $x$ $$ $x$".to_owned(), String::new()),
        ("select 1 --".to_owned(), String::new()),
        ("select 1 /* ; end; */".to_owned(), String::new()),
        ("select $1".to_owned(), String::new()),
        ("select $65535".to_owned(), "no: parse".to_owned()),
    ] {
        let verdict = world.verdict(&case(&sql)).await;
        let short: String = sql.chars().take(60).collect();
        assert_eq!(verdict, expected, "{short}");
    }
}

fn tags(numbers: std::ops::RangeInclusive<u32>) -> String {
    let mut tags: Vec<String> = numbers.map(|number| format!("users.id={number}")).collect();
    tags.sort();
    tags.join(", ")
}

#[tokio::test]
async fn a_definition_that_is_being_changed_holds_up_one_study_and_no_longer_than_a_moment() {
    let world = World::new().await;
    let target = Target::parse(&world.database.url()).unwrap();
    let mut other = Connection::connect(&target, ConnectOptions::default()).await.unwrap();
    other
        .simple_query("begin; alter table users add column more int")
        .await
        .unwrap();
    let request = |sql: &str| api::StudyRequest {
        role: "postgres".to_owned(),
        sql: sql.to_owned(),
        ..api::StudyRequest::default()
    };
    let (waiting, free) = (request("select * from users"), request("select * from roles"));
    let began = Instant::now();
    let quick = async {
        let answer = world.room.study(&world.followed, &free).await.unwrap();
        (line(&answer), began.elapsed())
    };
    let (blocked, (verdict, elapsed)) = tokio::join!(world.room.study(&world.followed, &waiting), quick);
    let waited = began.elapsed();
    assert!(waited < Duration::from_millis(1_700), "{waited:?}");
    assert_eq!(blocked.unwrap_err().code(), tonic::Code::Unavailable);
    assert_eq!(verdict, "roles");
    assert!(elapsed < waited, "{elapsed:?}");
    other.simple_query("rollback").await.unwrap();
    let again = world.room.study(&world.followed, &waiting).await.unwrap();
    assert_eq!(line(&again), "users");
}

#[tokio::test]
async fn a_temporary_table_is_nobody_elses() {
    let world = World::new().await;
    let target = Target::parse(&world.database.url()).unwrap();
    let mut other = Connection::connect(&target, ConnectOptions::default()).await.unwrap();
    other
        .simple_query("create temp table own (id int primary key)")
        .await
        .unwrap();
    let schema = "select nspname from pg_namespace where oid = pg_my_temp_schema()";
    let rows = other.simple_query(schema).await.unwrap();
    let sql = format!("select * from {}.own", rows[0].text("nspname").unwrap());
    assert_eq!(world.verdict(&case(&sql)).await, "no: temporary_table");
}

#[tokio::test]
async fn studies_of_one_database_share_a_few_connections() {
    let world = World::new().await;
    let count = format!(
        "select count(*) from pg_stat_activity where datname = '{}' and application_name = 'weir cache study'",
        world.database.name()
    );
    let texts: Vec<String> = (0..20)
        .map(|number| format!("select {number} as n{number} from users"))
        .collect();
    let cases: Vec<_> = texts.iter().map(|sql| case(sql)).collect();
    let studies = cases.iter().map(|case| world.verdict(case));
    let verdicts = futures_util::future::join_all(studies).await;
    assert!(verdicts.iter().all(|verdict| verdict == "users"), "{verdicts:?}");
    let connections: u32 = world.database.psql(&count).await.parse().unwrap();
    assert!((1..=3).contains(&connections), "{connections}");
}

#[tokio::test]
async fn an_answer_is_remembered_for_a_moment_and_for_the_same_state_only() {
    let mut world = World::new().await;
    let sql = case("select * from roles where id = $1");
    let first = world.study(&sql).await;
    world.followed.visible_lsn += 1;
    assert_eq!(
        world.study(&sql).await.studied_lsn,
        first.studied_lsn,
        "the same answer again"
    );
    world.follow().await;
    world.followed.visible_lsn += 2;
    assert_eq!(
        world.study(&sql).await.studied_lsn,
        first.studied_lsn + 2,
        "other tables: another answer"
    );
    world.followed.epoch = "2".to_owned();
    world.followed.visible_lsn += 1;
    assert_eq!(world.study(&sql).await.epoch, "2");
    world.followed.visible_lsn += 1;
    let (world, now) = (&world, world.followed.visible_lsn);
    eventually("an answer of now, when that before is too old", SOON, || async {
        (world.study(&sql).await.studied_lsn == now).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_server_that_goes_away_is_no_verdict_and_its_return_is_noticed() {
    let mut postgres = Postgres::start().await;
    let world = World::of(postgres.database().await).await;
    assert_eq!(world.verdict(&case("select * from users")).await, "users");
    postgres.stop().await;
    let request = api::StudyRequest {
        database: world.database.name().to_owned(),
        role: "postgres".to_owned(),
        sql: "select 1".to_owned(),
        ..api::StudyRequest::default()
    };
    let failed = world.room.study(&world.followed, &request).await.unwrap_err();
    assert_eq!(failed.code(), tonic::Code::Unavailable);
    postgres.start_again().await;
    assert!(world.room.study(&world.followed, &request).await.unwrap().cacheable);
}

#[tokio::test]
async fn texts_are_not_written_into_the_servers_log() {
    let settings = [
        ("log_statement", "all"),
        ("log_min_duration_statement", "0"),
        ("logging_collector", "on"),
        ("log_directory", "logs"),
    ];
    let postgres = Postgres::start_with(&settings).await;
    let world = World::of(postgres.database().await).await;
    world
        .verdict(&case("select 'secret4711' from users where name = 'secret4712'"))
        .await;
    world.verdict(&case("select 'secret4713' from nowhere")).await;
    let files = std::fs::read_dir(postgres.data_dir().join("logs")).unwrap();
    let texts: String = files
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert!(
        texts.contains("create unlogged table scratch"),
        "what others do is in the log"
    );
    assert!(!texts.contains("secret47"));
}
