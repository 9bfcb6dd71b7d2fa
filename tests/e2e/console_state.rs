//! What the console says of the state of the system: health, metrics, pools, cache, settings, the dashboard's data.

mod hostile;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value as Json, json};
use weir_testkit::{Postgres, Process, World, eventually};

use crate::ask::execute;
use crate::console::Api;

const SOON: Duration = Duration::from_secs(60);

/// A part of `/database/health` by its name.
fn part<'a>(health: &'a Json, group: &str, name: &str) -> &'a Json {
    let parts = health[group].as_array().unwrap();
    parts
        .iter()
        .find(|part| part["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {health}"))
}

/// Waits until the whole is healthy, degraded or down.
async fn until_status(api: &Api, status: &str) -> Json {
    eventually(&format!("everything is {status}"), SOON, async || {
        let (code, health) = api.ask("GET", "/database/health", None).await;
        if code == 200 && health["status"] == status {
            Ok(health)
        } else {
            Err(format!("{code} {health}"))
        }
    })
    .await
}

/// Changes of a part, the latest first.
async fn changes(api: &Api, part: &str) -> Vec<(String, String, String)> {
    let history = api.get("/database/health/history?limit=1000").await;
    let changes = history["changes"].as_array().unwrap();
    let text = |change: &Json, key: &str| change[key].as_str().unwrap().to_owned();
    changes
        .iter()
        .filter(|change| change["part"] == part)
        .map(|change| (text(change, "previous"), text(change, "state"), text(change, "reason")))
        .collect()
}

#[tokio::test]
async fn what_others_do_without_degrades_and_only_unanswered_queries_are_down() {
    let mut world = World::new()
        .with("WEIR_CONSOLE__HEALTH_EVERY", "1s")
        .distributed()
        .await;
    let api = Api::of(&world);
    let healthy = until_status(&api, "healthy").await;
    for service in [
        "pool-gateway",
        "query-monitor",
        "cache",
        "scheduler",
        "maintenance",
        "backup",
        "console",
    ] {
        assert_eq!(part(&healthy, "services", service)["state"], "up", "{healthy}");
    }
    assert!(
        part(&healthy, "aspects", "connectivity")["latency_ms"]
            .as_f64()
            .unwrap()
            > 0.0
    );
    assert_eq!(part(&healthy, "aspects", "schema")["state"], "up");
    assert_eq!(api.get("/health/database").await["status"], "healthy");

    // The bus away: everybody works on.
    world.nats().stop().await;
    let degraded = until_status(&api, "degraded").await;
    let bus = eventually("the bus is down", SOON, async || {
        let health = api.get("/database/health").await;
        let bus = part(&health, "dependencies", "bus").clone();
        (bus["state"] == "down").then_some(bus)
    })
    .await;
    assert!(!bus["reason"].as_str().unwrap().is_empty(), "{bus}");
    assert!(bus["since_unix_ms"].as_i64() > degraded["since_unix_ms"].as_i64().map(|since| since - 60_000));
    assert_eq!(api.get("/health/database").await["status"], "degraded");
    execute(&world, "", "select 1").await;
    world.nats().start_again().await;
    until_status(&api, "healthy").await;

    // One service gone.
    world.process("scheduler").kill9();
    let degraded = until_status(&api, "degraded").await;
    let gone = part(&degraded, "services", "scheduler");
    assert_eq!(gone["state"], "down", "{degraded}");
    let since = gone["since_unix_ms"].clone();
    let later = eventually("another look", SOON, async || {
        let health = api.get("/database/health").await;
        (health["at_unix_ms"] != degraded["at_unix_ms"]).then_some(health)
    })
    .await;
    assert_eq!(part(&later, "services", "scheduler")["since_unix_ms"], since);
    let (dashboard, overview) = tokio::join!(
        api.get("/database/monitoring/dashboard"),
        api.get("/database/status/overview")
    );
    assert_eq!(dashboard["health"]["state"], "degraded");
    assert!(
        dashboard["missing"]
            .as_array()
            .unwrap()
            .iter()
            .any(|told| told.as_str().unwrap().starts_with("scheduler: "))
    );
    assert_eq!(
        (&overview["services_up"], &overview["services_total"]),
        (&json!(6), &json!(7)),
        "{overview}"
    );
    let (_, text) = api.ask("GET", "/metrics", None).await;
    let text = text.as_str().unwrap();
    assert!(
        text.contains("weir_console_scrape_failures_total{service=\"scheduler\"}"),
        "{text}"
    );
    assert!(text.contains("weir_database_health_status 0.5"));
    world.start("scheduler", &[]);
    until_status(&api, "healthy").await;
    let scheduler = eventually("the record of it", SOON, async || {
        let changes = changes(&api, "scheduler").await;
        changes.iter().any(|(_, state, _)| state == "down").then_some(changes)
    })
    .await;
    assert!(
        scheduler
            .iter()
            .any(|(before, state, reason)| before == "up" && state == "down" && reason.contains("nobody answers")),
        "{scheduler:?}"
    );
}

#[tokio::test]
async fn without_postgresql_everything_is_down_and_the_record_has_it() {
    let mut postgres = Postgres::start_with(&[("wal_level", "logical")]).await;
    let plan = World::new().with("DATABASE_URL", &postgres.url("postgres"));
    let mut world = plan.with("WEIR_CONSOLE__HEALTH_EVERY", "1s").distributed().await;
    let api = Api::of(&world);
    until_status(&api, "healthy").await;

    // PostgreSQL gone: nothing is answered.
    postgres.stop().await;
    let down = until_status(&api, "down").await;
    assert_eq!(part(&down, "aspects", "connectivity")["state"], "down");
    let (code, short) = api.ask("GET", "/health/database", None).await;
    assert_eq!((code, &short["status"]), (503, &json!("down")));
    let dashboard = api.get("/database/monitoring/dashboard").await;
    assert_eq!(dashboard["health"]["state"], "down");
    postgres.start_again().await;
    until_status(&api, "healthy").await;

    // What happened while nobody could write it down is in the record, once.
    eventually("the record of it all", SOON, async || {
        let changes = changes(&api, "database").await;
        let downs = changes.iter().filter(|(_, state, _)| state == "down").count();
        if downs == 1 && changes.first().is_some_and(|(_, state, _)| state == "up") {
            Ok(())
        } else {
            Err(format!("{changes:?}"))
        }
    })
    .await;
    // One is taken each minute.
    eventually("a sample", SOON * 2, async || {
        let history = api.get("/database/health/history").await;
        (!history["samples"].as_array().unwrap().is_empty()).then_some(())
    })
    .await;

    // A console that is started anew knows since when things are as they are.
    let before = api.get("/database/health").await;
    let since = part(&before, "services", "cache")["since_unix_ms"].clone();
    world.start("console", &[]);
    world.until_ready().await;
    let api = Api::of(&world);
    eventually("since when the cache is up", SOON, async || {
        let health = until_status(&api, "healthy").await;
        let now = part(&health, "services", "cache")["since_unix_ms"].clone();
        if now == since {
            Ok(())
        } else {
            Err(format!("{now} is not {since}"))
        }
    })
    .await;
}

/// Names of series with their services, of a text in which every line is one of the format.
fn families(text: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut types, mut services, mut series) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    assert_eq!(text.matches("# EOF").count(), 1);
    for line in text.strip_suffix("# EOF\n").unwrap().lines() {
        if let Some(said) = line.strip_prefix("# ") {
            let words: Vec<&str> = said.splitn(3, ' ').collect();
            assert!(["HELP", "TYPE", "UNIT"].contains(&words[0]), "{line}");
            assert!(types.insert(format!("{} {}", words[0], words[1])), "twice: {line}");
            continue;
        }
        let (name, value) = line.split(" # ").next().unwrap().rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(series.insert(name.to_owned()), "twice: {line}");
        if let Some((_, rest)) = name.split_once("service=\"") {
            services.insert(rest.split('"').next().unwrap().to_owned());
        }
    }
    (series, services)
}

#[tokio::test]
async fn pools_cache_metrics_and_settings_are_those_of_the_services_and_projects_are_kept_apart() {
    let postgres = Postgres::start_with(&[("wal_level", "logical")]).await;
    let plan = World::new().with("DATABASE_URL", &postgres.url("postgres"));
    let world = plan.distributed().await;
    let api = Api::of(&world);
    let table = "create table public.things (id int primary key, name text)";
    postgres.psql("postgres", table).await;
    for _ in 0..3 {
        execute(&world, "", "select count(*) from things").await;
        execute(&world, "shop", "select 41 + 1").await;
    }
    metrics_are_everybodys(&api).await;
    pools_are_those_of_the_console(&world, &api).await;
    connections_are_ended(&world, &postgres, &api).await;
    rules_go_round(&api).await;
    settings_and_places(&api).await;
    dashboard_is_complete(&api).await;
    let (_, shop) = api.token(Some("shop"), "operator").await;
    projects_are_kept_apart(&api, &api.with(&shop)).await;
    hostile::hostile_input_is_refused(&api).await;
}

async fn metrics_are_everybodys(api: &Api) {
    api.get("/session").await;
    let series = eventually("metrics of everybody", SOON, async || {
        let (code, text) = api.ask("GET", "/metrics", None).await;
        assert_eq!(code, 200);
        let (series, services) = families(text.as_str().unwrap());
        // Whoever has tables says what waits in its outbox.
        let all = [
            "query-monitor",
            "cache",
            "scheduler",
            "maintenance",
            "backup",
            "console",
        ];
        if all.iter().all(|service| services.contains(*service)) {
            Ok(series)
        } else {
            Err(format!("{services:?}"))
        }
    })
    .await;
    for own in [
        "weir_queries_total",
        "weir_console_requests_total",
        "weir_database_health_status",
    ] {
        assert!(series.iter().any(|name| name.starts_with(own)), "{own}: {series:?}");
    }
}

async fn pools_are_those_of_the_console(world: &World, api: &Api) {
    let shown = world.weir(&["pool", "show", "pools", "--json"]).await;
    let shown: Json = serde_json::from_str(&shown.text).unwrap();
    let told = api.get("/database/connection-pool").await;
    let metrics = api.get("/database/connections/metrics").await;
    assert!(!shown["rows"].as_array().unwrap().is_empty());
    for row in shown["rows"].as_array().unwrap() {
        let of = |list: &Json, database: &str, role: &str| -> Json {
            let same = |one: &&Json| one[database] == row["database"] && one[role] == row["user"];
            list.as_array()
                .unwrap()
                .iter()
                .find(same)
                .unwrap_or(&Json::Null)
                .clone()
        };
        let plain: Json = told["pools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|now| now["pool"].clone())
            .collect();
        let pool = of(&plain, "database", "role");
        assert_eq!(pool["max"].to_string(), row["pool_max"].as_str().unwrap(), "{told}");
        let open = |row: &Json| {
            row["sv_active"].as_str().unwrap().parse::<u64>().unwrap()
                + row["sv_idle"].as_str().unwrap().parse::<u64>().unwrap()
        };
        assert_eq!(pool["total"].as_u64().unwrap(), open(row), "{told} {shown}");
        let figures = of(&metrics["pools"], "database", "role");
        assert_eq!(
            figures["max"].to_string(),
            row["pool_max"].as_str().unwrap(),
            "{metrics}"
        );
        assert!(figures["statements_total"].as_u64().unwrap() >= 6, "{metrics}");
    }
    let breakers = api.get("/database/circuit-breaker").await;
    assert_eq!(breakers["upstreams"][0]["breaker"], "closed", "{breakers}");
    assert_eq!(
        (&breakers["upstreams"][0]["role"], &breakers["upstreams"][0]["writes"]),
        (&json!("primary"), &json!(true))
    );
    for (verb, paused) in [("pause", true), ("resume", false)] {
        let (code, done) = api
            .ask("POST", &format!("/database/connection-pool/{verb}"), Some(json!({})))
            .await;
        assert_eq!(code, 200, "{done}");
        assert!(done["pools"].as_u64().unwrap() >= 1, "{done}");
        assert_eq!(api.get("/database/connection-pool").await["pools"][0]["paused"], paused);
    }
    let (code, _) = api
        .ask(
            "POST",
            "/database/connection-pool/reconnect",
            Some(json!({ "database": "none" })),
        )
        .await;
    assert!([200, 400, 404].contains(&code), "{code}");
}

async fn connections_are_ended(world: &World, postgres: &Postgres, api: &Api) {
    let port = world.wire().to_string();
    let psql = postgres.bin_dir().join("psql");
    let place = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", "postgres"];
    let sleeps = [place.as_slice(), &["-c", "select pg_sleep(300)"]].concat();
    let client = Process::start(psql, &sleeps, &[("PGAPPNAME", "sleeper")]);
    let listed = eventually("the client to be active", SOON, async || {
        let listed = api.get("/database/connections").await;
        let clients = listed["clients"].as_array().unwrap();
        let is_there = clients
            .iter()
            .any(|client| client["application"] == "sleeper" && client["state"] == "active");
        if is_there {
            Ok(listed)
        } else {
            Err(format!("{listed} {}", client.output()))
        }
    })
    .await;
    let sleeper = listed["clients"]
        .as_array()
        .unwrap()
        .iter()
        .find(|client| client["application"] == "sleeper");
    let id = sleeper.unwrap_or_else(|| panic!("{listed}"))["id"].as_i64().unwrap();
    assert!(!listed["servers"].as_array().unwrap().is_empty(), "{listed}");
    let path = format!("/database/connections/{id}");
    assert_eq!(api.ask("DELETE", &path, None).await.0, 204);
    assert!(!client.wait_exit(SOON).await.success(), "{}", client.output());
    eventually("nobody of that id", SOON, async || {
        (api.ask("DELETE", &path, None).await.0 == 404).then_some(())
    })
    .await;
}

async fn rules_go_round(api: &Api) {
    let rule = json!({ "subject": { "relation": "public.things" }, "mode": "never", "note": "by hand" });
    let (code, put) = api.ask("PUT", "/database/cache/policies", Some(rule.clone())).await;
    assert_eq!(code, 201, "{put}");
    assert_eq!(
        (&put["mode"], &put["subject"]["relation"]),
        (&json!("never"), &json!("public.things")),
        "{put}"
    );
    let (code, again) = api.ask("PUT", "/database/cache/policies", Some(rule)).await;
    assert_eq!((code, &again["id"]), (200, &put["id"]), "{again}");
    assert_eq!(
        api.get("/database/cache/policies").await["policies"][0]["id"],
        put["id"]
    );
    let sql = json!({ "sql": "select name from public.things where id = 7" });
    let explained = eventually("the database to be followed", SOON, async || {
        let (code, explained) = api.ask("POST", "/database/cache/explain", Some(sql.clone())).await;
        if code == 200 && explained["cacheable"] == true {
            Ok(explained)
        } else {
            Err(format!("{code} {explained}"))
        }
    })
    .await;
    assert_eq!(explained["tags"][0]["relation"], "public.things", "{explained}");
    let key = json!({ "table": "public.things", "key": { "id": 7 } });
    let (code, done) = api.ask("POST", "/database/cache/invalidate", Some(key)).await;
    assert_eq!(
        (code, done["receipts"].as_array().map(Vec::len)),
        (200, Some(1)),
        "{done}"
    );
    let path = format!("/database/cache/policies/{}", put["id"].as_str().unwrap());
    assert_eq!(api.ask("DELETE", &path, None).await.0, 204);
    assert_eq!(api.ask("DELETE", &path, None).await.0, 404);
    assert_eq!(
        api.get("/database/cache/followers").await["followers"][0]["state"],
        "following"
    );
    assert!(api.get("/database/cache").await["total"]["lookups_total"].is_u64());
    assert!(api.get("/database/cache/shapes").await["shapes"].is_array());
}

async fn settings_and_places(api: &Api) {
    let configuration = api.get("/database/configuration").await;
    let settings = configuration["settings"].as_array().unwrap();
    let of = |key: &str| {
        settings
            .iter()
            .find(|setting| setting["key"] == key)
            .unwrap_or(&Json::Null)
    };
    assert!(
        of("console.listen")["origin"]
            .as_str()
            .unwrap()
            .starts_with("environment WEIR_CONSOLE__LISTEN")
    );
    assert_eq!(of("gateway.pool_max")["changeable"], true, "{configuration}");
    assert_eq!(configuration["missing"], json!([]), "{configuration}");
    for key in [
        "monitor.grpc_listen",
        "cache.ops_listen",
        "scheduler.grpc_listen",
        "backup.ops_listen",
    ] {
        let origin = of(key)["origin"].as_str().unwrap_or_default();
        assert!(origin.starts_with("environment WEIR_"), "{key}: {origin}");
    }
    for _ in 0..2 {
        let (code, done) = api.ask("POST", "/database/initialize", Some(json!({}))).await;
        assert_eq!((code, &done["complete"]), (200, &json!(true)), "{done}");
        assert_eq!(done["schemas"].as_array().unwrap().len(), 6);
    }
    let projects = api.get("/session").await["projects"].clone();
    assert_eq!(projects, json!(["default", "shop"]));
    assert_eq!(api.get("/database/projects").await["missing"], json!([]));
}

async fn dashboard_is_complete(api: &Api) {
    let dashboard = eventually("the statements to be told", SOON, async || {
        let dashboard = api.get("/database/monitoring/dashboard").await;
        let has_all = dashboard["queries"]
            .as_array()
            .is_some_and(|queries| !queries.is_empty());
        if has_all && dashboard["figures"].is_object() {
            Ok(dashboard)
        } else {
            Err(dashboard.to_string())
        }
    })
    .await;
    assert_eq!(dashboard["missing"], json!([]), "{dashboard}");
    assert!(dashboard["cache"].is_object() && dashboard["backups"].is_object());
    assert!(dashboard["figures"]["pool"]["max"].as_u64().unwrap() > 0);
    assert!(!dashboard["history"].as_array().unwrap().is_empty());
    // What the console asks on its own behalf is in nobody's figures.
    let queries = dashboard["queries"].as_array().unwrap();
    let of = |text: &str| {
        queries
            .iter()
            .find(|query| query["query"].as_str().unwrap().contains(text))
    };
    assert_eq!(
        of("count(*)").map(|query| &query["calls"]),
        Some(&json!(3)),
        "{dashboard}"
    );
    assert!(queries.iter().all(|query| query["query"] != "select $1"), "{dashboard}");
    let all = api.get("/database/monitoring/dashboard?project=*").await;
    let everybodys = all["queries"].as_array().unwrap();
    assert!(
        everybodys
            .iter()
            .any(|query| query["query"].as_str().unwrap().contains("$1 + $2")),
        "{all}"
    );
    assert!(everybodys.len() > queries.len() || queries.len() == 5, "{all}");
    assert_eq!(all["project"], "*");
    let metrics = api.get("/database/metrics?project=shop").await;
    assert_eq!(metrics["hour"]["calls"], json!(3.0), "{metrics}");
}

async fn projects_are_kept_apart(api: &Api, shop: &Api) {
    let (_, put) = api
        .ask(
            "PUT",
            "/database/cache/policies",
            Some(json!({ "subject": { "whole_project": {} } })),
        )
        .await;
    let of_default = format!("/database/cache/policies/{}", put["id"].as_str().unwrap());
    for (method, path, body) in [
        ("GET", "/database/health", None),
        ("GET", "/database/health/history", None),
        ("GET", "/database/status/overview", None),
        ("GET", "/metrics", None),
        ("GET", "/database/circuit-breaker", None),
        ("GET", "/database/connection-pool", None),
        ("GET", "/database/connections", None),
        ("GET", "/database/connections/metrics", None),
        ("GET", "/database/cache/followers", None),
        ("GET", "/database/configuration", None),
        ("GET", "/database/cache?project=default", None),
        ("GET", "/database/cache/policies?project=default", None),
        ("GET", "/database/monitoring/dashboard?project=default", None),
        ("GET", "/database/monitoring/dashboard?project=*", None),
        ("GET", "/database/metrics?project=*", None),
        ("DELETE", "/database/connections/1", None),
        ("POST", "/database/initialize", Some(json!({}))),
        ("POST", "/database/connection-pool/pause", Some(json!({}))),
        (
            "POST",
            "/database/cache/invalidate",
            Some(json!({ "everything": true })),
        ),
        (
            "POST",
            "/database/cache/invalidate",
            Some(json!({ "table": "public.things" })),
        ),
        ("POST", "/database/cache/explain", Some(json!({ "sql": "select 1" }))),
    ] {
        let (code, problem) = shop.ask(method, path, body).await;
        assert_eq!(code, 403, "{method} {path}: {problem}");
    }
    assert_eq!(shop.ask("DELETE", &of_default, None).await.0, 404);
    assert_eq!(api.ask("DELETE", &of_default, None).await.0, 204);
    assert_eq!(shop.get("/session").await["projects"], json!(["shop"]));
    assert_eq!(
        shop.get("/database/projects").await["projects"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    assert!(["healthy", "degraded"].contains(&shop.get("/health/database").await["status"].as_str().unwrap()));
    let dashboard = shop.get("/database/monitoring/dashboard").await;
    let queries = dashboard["queries"].as_array().unwrap();
    assert!(
        queries.len() == 1 && queries[0]["query"].as_str().unwrap().contains("$1"),
        "{dashboard}"
    );
    assert_eq!(
        (
            &dashboard["pools"],
            &dashboard["backups"],
            &dashboard["figures"]["pool"]
        ),
        (&json!([]), &Json::Null, &Json::Null)
    );
    let parts = dashboard["health"]["parts"].as_array().unwrap();
    assert!(
        parts
            .iter()
            .all(|part| part["kind"] != "dependency" && part["note"] == ""),
        "{dashboard}"
    );
    let (code, own) = shop
        .ask(
            "PUT",
            "/database/cache/policies",
            Some(json!({ "subject": { "whole_project": {} }, "mode": "never" })),
        )
        .await;
    assert_eq!((code, &own["project"]), (201, &json!("shop")), "{own}");
    let own = format!("/database/cache/policies/{}", own["id"].as_str().unwrap());
    let (code, done) = shop
        .ask(
            "POST",
            "/database/cache/invalidate",
            Some(json!({ "project_results": true })),
        )
        .await;
    assert_eq!(code, 200, "{done}");
    assert_eq!(shop.ask("DELETE", &own, None).await.0, 204);
}
