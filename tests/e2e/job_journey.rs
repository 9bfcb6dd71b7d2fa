//! One job's journey: a schedule, a request, ANALYZE where it is needed, an outcome with before and after.

use std::time::Duration;

use serde_json::Value as Json;
use weir_testkit::{World, eventually};

const SOON: Duration = Duration::from_secs(30);
const EVERY_SECOND: &str = r#"[{ name = "often", operation = "analyze", cron = "* * * * * *" }]"#;

#[tokio::test]
async fn a_schedule_analyses_a_table_that_needs_it_and_says_what_changed() {
    let world = World::new().with("WEIR_SCHEDULER__SCHEDULES", EVERY_SECOND).up().await;
    journey(&world).await;
}

#[tokio::test]
async fn the_same_over_nats_with_every_service_by_itself() {
    let world = World::new()
        .with("WEIR_SCHEDULER__SCHEDULES", EVERY_SECOND)
        .distributed()
        .await;
    journey(&world).await;
}

async fn journey(world: &World) {
    let database = world.database();
    database
        .psql("create table calm (n int); insert into calm select 1; analyze calm")
        .await;
    database
        .psql("create table busy (n int); insert into busy select generate_series(1, 1000)")
        .await;
    let tables = eventually("a run that analysed public.busy", SOON, async || {
        let shown = world.weir(&["jobs", "--json"]).await;
        let shown: Json = serde_json::from_str(&shown.text).unwrap();
        let runs = shown["runs"].as_array().unwrap().clone();
        let done = runs
            .iter()
            .find(|run| run["effect"]["pieces"][0]["table"] == "public.busy");
        done.map(|run| run["effect"]["pieces"].clone())
    })
    .await;
    let busy = &tables[0];
    assert_eq!(
        tables.as_array().unwrap().len(),
        1,
        "a table that did not need it was analysed: {tables}"
    );
    assert_eq!(busy["before"]["changed_tuples"], 1000);
    assert_eq!(busy["after"]["changed_tuples"], 0);
    assert!(busy["after"]["last_analyze_unix_ms"].is_i64(), "{busy}");
    let analysed = database
        .psql("select last_analyze is not null from pg_stat_user_tables where relname = 'busy'")
        .await;
    assert_eq!(analysed, "t");
}

#[tokio::test]
async fn an_operator_reads_the_plan_then_runs_it() {
    let world = World::new().up().await;
    world
        .database()
        .psql("create table busy (n int); insert into busy select generate_series(1, 1000)")
        .await;
    eventually("the plan", SOON, async || {
        let plan = world.weir(&["maintenance", "plan"]).await;
        if plan.text.contains("1000 of 1000 rows changed") {
            Ok(())
        } else {
            Err(plan.text)
        }
    })
    .await;
    let dry = world
        .weir(&["jobs", "run", "analyze", "--dry-run", "--wait", "--json"])
        .await;
    let dry: Json = serde_json::from_str(&dry.text).unwrap();
    assert_eq!(dry["effect"]["planned"][0]["table"], "public.busy");
    assert_eq!(dry["effect"]["pieces"].as_array().unwrap().len(), 0);
    let run = world.weir(&["jobs", "run", "analyze", "--wait", "--json"]).await;
    assert!(run.succeeded, "{run:?}");
    let run: Json = serde_json::from_str(&run.text).unwrap();
    assert_eq!(
        (&run["state"], &run["effect"]["pieces"][0]["after"]["changed_tuples"]),
        (&"succeeded".into(), &0.into())
    );
    let unknown = world
        .weir(&[
            "jobs",
            "run",
            "analyze",
            "--parameters",
            r#"{"table":"no.such"}"#,
            "--wait",
        ])
        .await;
    assert!(
        !unknown.succeeded && unknown.text.contains("there is no table no.such"),
        "{unknown:?}"
    );
}
