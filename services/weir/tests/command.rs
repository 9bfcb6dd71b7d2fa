//! The command as people and programs call it, against every service: what it shows, and how it ends.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

use std::time::Duration;

use serde_json::Value as Json;
use weir_testkit::{Said, World, eventually};

const WITHIN: Duration = Duration::from_secs(30);

fn json(said: &Said) -> Json {
    let text: String = said.text.lines().filter(|line| !line.starts_with("weir: ")).collect();
    serde_json::from_str(&text).unwrap_or_else(|error| unreadable(&error, said))
}

fn unreadable(error: &serde_json::Error, said: &Said) -> Json {
    assert!(said.text.is_empty(), "{error}: {}", said.text);
    Json::Null
}

async fn told(world: &World, arguments: &[&str]) -> Json {
    let said = world.weir(arguments).await;
    assert!(said.succeeded, "{arguments:?}: {said:?}");
    json(&said)
}

/// A world with a table, and statements of three shapes that the monitor has counted.
async fn busy() -> World {
    let world = World::new()
        .with("WEIR_MONITOR__SLOW_QUERY_THRESHOLD", "100ms")
        .with("WEIR_MONITOR__FLUSH_EVERY", "1s")
        .up()
        .await;
    let table = "create table orders (id bigint primary key, customer bigint, total numeric);
        insert into orders select n, n % 50, n from generate_series(1, 5000) n; analyze orders;";
    world.database().psql(table).await;
    for sql in [
        "select count(*) from orders where customer = 7",
        "select total from orders where id = 3",
        "select pg_sleep(0.2)",
    ] {
        for _ in 0..3 {
            assert!(world.weir(&["exec", sql]).await.succeeded, "{sql}");
        }
    }
    eventually("the statements are counted", WITHIN, async || {
        let listed = told(&world, &["queries", "--json"]).await;
        let seen = listed["queries"].as_array().unwrap();
        let done = seen.iter().filter(|query| query["calls"] == 3).count();
        if done >= 3 { Ok(()) } else { Err(listed.to_string()) }
    })
    .await;
    world
}

fn fingerprint_of(listed: &Json, text: &str) -> String {
    let queries = listed["queries"].as_array().unwrap();
    let found = queries
        .iter()
        .find(|query| query["query"].as_str().unwrap().contains(text));
    found.unwrap()["fingerprint"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn statements_are_listed_looked_at_and_explained() {
    let world = busy().await;
    let first = told(
        &world,
        &["queries", "--limit", "1", "--json", "--sort", "p95", "--since", "1h"],
    )
    .await;
    assert_eq!(first["queries"].as_array().unwrap().len(), 1, "{first}");
    assert!(
        first["queries"][0]["query"].as_str().unwrap().contains("pg_sleep"),
        "{first}"
    );
    let next = first["next"].as_str().unwrap();
    let second = told(
        &world,
        &[
            "queries", "--limit", "1", "--json", "--sort", "p95", "--since", "1h", "--page", next,
        ],
    )
    .await;
    assert_ne!(first["queries"][0]["fingerprint"], second["queries"][0]["fingerprint"]);
    let none = told(&world, &["queries", "--json", "--until", "2020-01-01T00:00:00Z"]).await;
    assert_eq!(none["queries"], Json::Array(Vec::new()));
    let elsewhere = told(&world, &["queries", "--json", "--database", "elsewhere"]).await;
    assert_eq!(elsewhere["queries"], Json::Array(Vec::new()));

    let listed = told(&world, &["queries", "--json"]).await;
    let fingerprint = fingerprint_of(&listed, "count(*)");
    let shown = told(&world, &["query", &fingerprint[..12], "--json"]).await;
    assert_eq!(shown["statistics"][0]["calls"], 3, "{shown}");
    let spans = shown["timeline"].as_array().unwrap();
    assert_eq!(
        spans.iter().map(|span| span["calls"].as_u64().unwrap()).sum::<u64>(),
        3,
        "{shown}"
    );
    assert!(shown["cache"].is_array() && shown["advice"].is_array(), "{shown}");
    let people = world.weir(&["query", &fingerprint]).await;
    assert!(
        people.succeeded && people.text.contains("█") && people.text.contains("3 calls"),
        "{people:?}"
    );
    let mut wrong = fingerprint.clone();
    wrong.replace_range(..1, if fingerprint.starts_with('0') { "1" } else { "0" });
    let missed = world.weir(&["query", &wrong]).await;
    assert_eq!(missed.code, Some(1));
    assert!(
        missed.text.contains(&format!("did you mean {fingerprint}?")),
        "{missed:?}"
    );

    let sql = "select count(*) from orders where customer = $1";
    let plan = told(&world, &["explain", sql, "-p", "7", "--analyze", "--json"]).await;
    assert_eq!(plan["nodes"][0]["node_type"], "Aggregate", "{plan}");
    assert!(
        plan["execution_ms"].as_f64().unwrap() > 0.0 && plan["plan"].is_array(),
        "{plan}"
    );
    let tree = world.weir(&["explain", sql]).await;
    assert!(
        tree.text.contains("→ Seq Scan on public.orders") && tree.text.contains("for any values"),
        "{tree:?}"
    );
    let refused = world.weir(&["explain", "delete from orders", "--analyze"]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let rolled_back = told(
        &world,
        &["explain", "delete from orders", "--analyze", "--allow-writes", "--json"],
    )
    .await;
    assert!(rolled_back["execution_ms"].is_number(), "{rolled_back}");
    assert_eq!(world.database().psql("select count(*) from orders").await, "5000");
}

#[tokio::test]
async fn alerts_are_acknowledged_silenced_and_ruled() {
    let world = busy().await;
    let firing = eventually("the slow statement has its alert", WITHIN, async || {
        let alerts = told(&world, &["alerts", "--json"]).await;
        let slow = alerts["alerts"]
            .as_array()
            .unwrap()
            .iter()
            .find(|alert| alert["rule"] == "slow-query")
            .cloned();
        slow.ok_or_else(|| alerts.to_string())
    })
    .await;
    let id = firing["id"].as_str().unwrap();
    let noted = told(
        &world,
        &["alerts", "acknowledge", id, "--by", "ann", "--note", "mine", "--json"],
    )
    .await;
    assert_eq!(noted["alerts"][0]["acknowledged_by"], "ann", "{noted}");
    let people = world.weir(&["alerts"]).await;
    assert!(people.text.contains("ann looks after it"), "{people:?}");

    let put = told(
        &world,
        &[
            "alerts",
            "silence",
            "rule=slow-*",
            "--for",
            "1h",
            "--by",
            "ann",
            "--json",
        ],
    )
    .await;
    let silence = put["silences"][0].clone();
    assert_eq!(silence["matchers"]["project"], "default", "{put}");
    let id = silence["id"].as_str().unwrap();
    assert!(
        told(&world, &["alerts", "silences", "--json"])
            .await
            .to_string()
            .contains(id)
    );
    assert!(world.weir(&["alerts", "unsilence", id]).await.succeeded);

    let set = told(
        &world,
        &[
            "alerts",
            "set-rule",
            "latency-p95",
            "--warning",
            "77",
            "--for",
            "3m",
            "--json",
        ],
    )
    .await;
    assert_eq!(
        (&set["rules"][0]["warning"], &set["rules"][0]["for_ms"]),
        (&77.0.into(), &180_000.into()),
        "{set}"
    );
    assert!(world.weir(&["alerts", "reset-rule", "latency-p95"]).await.succeeded);
    let reset = told(&world, &["alerts", "rules", "latency-p95", "--json"]).await;
    assert_ne!(reset["rules"][0]["warning"], 77.0, "{reset}");
    let wrong = world.weir(&["alerts", "rules", "latency-p59"]).await;
    assert!(wrong.text.contains("did you mean latency-p95?"), "{wrong:?}");
    let nobody = world.weir(&["alerts", "test", "team"]).await;
    assert!(
        nobody.code == Some(1) && nobody.text.contains("weir alerts channels"),
        "{nobody:?}"
    );
}

#[tokio::test]
async fn old_names_go_on_and_every_list_has_json() {
    let world = World::new().up().await;
    for arguments in [
        &["pools"][..],
        &["pool", "show", "stats"],
        &["pools", "pause"],
        &["pools", "resume"],
        &["advise"],
        &["advice", "changes"],
        &["queries"],
        &["alerts"],
        &["alerts", "rules"],
        &["alerts", "channels"],
        &["cache"],
        &["cache", "rules"],
        &["maintenance", "plan"],
        &["maintenance", "history"],
        &["jobs"],
        &["schedules"],
        &["windows"],
        &["backup", "list"],
        &["backup", "jobs"],
        &["config", "check"],
        &["status"],
    ] {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let told = told(&world, &arguments).await;
        assert!(told.is_object() || told.is_array(), "{arguments:?}: {told}");
    }
}

#[tokio::test]
async fn what_fails_says_what_to_do_next() {
    let mut world = World::new().up().await;
    world.start("weir", &["probe", "http://127.0.0.1:9/"]);
    let away = eventually("the services are gone", WITHIN, async || {
        let said = world.weir(&["queries"]).await;
        if said.code == Some(1) { Ok(said) } else { Err(said.text) }
    })
    .await;
    assert!(
        away.text.contains("query-monitor does not answer") && away.text.contains("weir doctor"),
        "{away:?}"
    );
    let misspelt = world.weir(&["quries"]).await;
    assert_eq!(misspelt.code, Some(2));
    assert!(misspelt.text.contains("queries"), "{misspelt:?}");
    let moment = world.weir(&["queries", "--since", "yesterday"]).await;
    assert!(moment.code == Some(2) && moment.text.contains("7d"), "{moment:?}");
}
