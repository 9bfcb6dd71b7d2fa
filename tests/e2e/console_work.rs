//! Work by REST: maintenance, schedules, windows and backups, ordered, followed, stopped, and kept apart by project.

mod backups;
mod hostile;

use std::time::Duration;

use serde_json::{Value as Json, json};
use weir_testkit::{World, eventually};

use crate::ask::execute;
use crate::console::Api;
use hostile::{TEXTS, hostile};

const SOON: Duration = Duration::from_secs(40);
const COUNT: &str = "select count(*) from busy";
/// A backup or its proof on a busy machine.
const WITHIN: Duration = Duration::from_secs(120);

/// An answer with its status and where it says to go on.
async fn located(world: &World, path: &str, body: Json) -> (u16, String, Json) {
    let url = format!("http://127.0.0.1:{}{path}", world.ops("console"));
    let request = reqwest::Client::new()
        .post(url)
        .header("content-type", "application/json");
    let answer = request.body(body.to_string()).send().await.unwrap();
    let status = answer.status().as_u16();
    let place = answer.headers().get("location");
    let place = place
        .map(|place| place.to_str().unwrap().to_owned())
        .unwrap_or_default();
    (
        status,
        place,
        serde_json::from_str(&answer.text().await.unwrap()).unwrap(),
    )
}

/// The job when it has ended.
async fn ended(api: &Api, place: &str) -> Json {
    eventually("the job to end", WITHIN, async || {
        let job = api.get(place).await;
        let state = job["state"].as_str().unwrap();
        if ["requested", "running"].contains(&state) {
            Err(job)
        } else {
            Ok(job)
        }
    })
    .await
}

fn ids(listed: &Json) -> Vec<String> {
    let jobs = listed["jobs"].as_array().unwrap();
    jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}

async fn refused(api: &Api, method: &str, path: &str, body: Option<Json>) -> (u16, String) {
    let (status, problem) = api.ask(method, path, body).await;
    (status, problem["slug"].as_str().unwrap_or_default().to_owned())
}

/// A window that opens in six hours, so that none is open now.
fn closed_window(now_unix_ms: i64) -> Json {
    let hour = now_unix_ms / 3_600_000 % 24;
    let at = |hours: i64| format!("{:02}:00", (hour + hours) % 24);
    json!({ "name": "later", "start": at(6), "end": at(7), "weekdays": [] })
}

#[tokio::test]
async fn maintenance_is_planned_done_awaited_followed_and_stopped() {
    let world = World::new().with("WEIR_MAINTENANCE__LOCK_TIMEOUT", "60s").up().await;
    let api = Api::of(&world);
    let database = world.database();
    database
        .psql("create table busy (n int); insert into busy select generate_series(1, 1000)")
        .await;

    for _ in 0..3 {
        execute(&world, "default", COUNT).await;
    }
    execute(&world, "default", "select 1 as busy").await;
    ten_seconds_end(&api).await;

    // A dry run is the plan, and changes nothing.
    let analyze = |more: Json| {
        let mut body = json!({ "operation": "analyze", "table": "public.busy" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Some(body)
    };
    eventually("the plan to have the table", SOON, async || {
        let (status, planned) = api
            .ask("POST", "/database/maintenance/run", analyze(json!({ "dry_run": true })))
            .await;
        assert_eq!(status, 200, "{planned}");
        let first = &planned["plan"][0];
        (first["selected"] == true && first["table"] == "public.busy")
            .then_some(())
            .ok_or(planned)
    })
    .await;
    let analysed = "select last_analyze is not null from pg_stat_user_tables where relname = 'busy'";
    assert_eq!(database.psql(analysed).await, "f");
    assert_eq!(api.get("/database/maintenance/pieces").await["pieces"], json!([]));

    // With wait, the answer is the job with its effect.
    let (status, job) = api
        .ask("POST", "/database/maintenance/run", analyze(json!({ "wait": true })))
        .await;
    assert_eq!((status, &job["state"]), (200, &json!("succeeded")), "{job}");
    assert_eq!(job["effect"]["pieces"][0]["after"]["changed_tuples"], 0, "{job}");
    assert_eq!(
        (&job["service"], &job["requested_by"]),
        (&json!("maintenance"), &json!("operator"))
    );
    assert_eq!(database.psql(analysed).await, "t");
    let id = job["id"].as_str().unwrap();
    let pieces = api.get(&format!("/database/maintenance/pieces?job={id}")).await;
    assert_eq!(pieces["pieces"][0]["outcome"], "done", "{pieces}");
    compared(&world, &api, pieces["pieces"][0]["id"].as_str().unwrap()).await;
    let status = api.get("/database/maintenance/status").await;
    assert!(
        ids(&json!({ "jobs": status["last"] })).contains(&id.to_owned()),
        "{status}"
    );
    for path in ["wraparound?tables=3", "calibration", "plan?selected=true"] {
        api.get(&format!("/database/maintenance/{path}")).await;
    }

    // What needs a window is refused while none is open, unless it is forced; then it is followed where the answer says.
    let now = api.get("/database/windows").await["now_unix_ms"].as_i64().unwrap();
    let (status, window) = api.ask("PUT", "/database/windows", Some(closed_window(now))).await;
    assert_eq!((status, &window["in_force"]), (201, &json!(true)), "{window}");
    let vacuum = json!({ "operation": "vacuum", "wait": true });
    assert_eq!(
        refused(&api, "POST", "/database/maintenance/run", Some(vacuum)).await,
        (409, "schedule-outside-window".to_owned())
    );
    let forced = json!({ "operation": "vacuum", "force_window": true });
    let (status, place, job) = located(&world, "/database/maintenance/run", forced).await;
    assert_eq!(
        (status, place),
        (202, format!("/database/jobs/{}", job["id"].as_str().unwrap()))
    );
    let job = ended(&api, &format!("/database/jobs/{}", job["id"].as_str().unwrap())).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    assert_eq!(api.ask("DELETE", "/database/windows/later", None).await.0, 204);
    assert_eq!(api.ask("DELETE", "/database/windows/later", None).await.0, 404);

    // A job that waits for a lock stops when it is told to.
    database.psql("insert into busy select generate_series(1, 1000)").await;
    let held = database.psql("begin; lock table busy in share update exclusive mode; select pg_sleep(50)");
    tokio::select! {
        held = held => panic!("the lock was given back before the job was stopped: {held}"),
        () = stopped(&world, &api) => {}
    }

    // The list has each job once, newest first, by page and by what is asked for.
    let (mut seen, mut page) = (Vec::new(), String::new());
    loop {
        let listed = api.get(&format!("/database/jobs?limit=2{page}")).await;
        seen.extend(ids(&listed));
        match listed["next"].as_str() {
            Some(next) => page = format!("&page={next}"),
            None => break,
        }
    }
    let all = ids(&api.get("/database/jobs?limit=1000").await);
    assert_eq!(seen, all);
    assert!(all.len() >= 3 && all.is_sorted_by(|one, other| one > other), "{all:?}");
    let cancelled = api.get("/database/jobs?state=cancelled").await;
    assert_eq!(ids(&cancelled).len(), 1, "{cancelled}");
    let vacuums = api.get("/database/jobs?operation=vacuum&state=ended").await;
    assert_eq!(ids(&vacuums), [job["id"].as_str().unwrap()]);
}

/// Ten seconds are the least that the monitor tells apart.
async fn ten_seconds_end(api: &Api) {
    let tens = async || api.get("/database/windows").await["now_unix_ms"].as_i64().unwrap() / 10_000;
    let begun = tens().await;
    eventually("the next ten seconds", SOON, async || {
        let now = tens().await;
        (now > begun).then_some(()).ok_or(now)
    })
    .await;
}

/// The statements of the table that a piece was about, and no others, before it and after it.
async fn compared(world: &World, api: &Api, piece: &str) {
    ten_seconds_end(api).await;
    execute(world, "default", COUNT).await;
    eventually("what came after the piece", SOON, async || {
        let effect = api.get(&format!("/database/maintenance/pieces/{piece}/effect")).await;
        let calls = |line: &Json| (line["calls_before"].as_u64(), line["calls_after"].as_u64());
        let found: Vec<_> = effect["statements"].as_array().unwrap().iter().map(calls).collect();
        let whole = effect["statements"][0]["p95_after_ms"].is_number();
        (found == [(Some(3), Some(1))] && whole).then_some(()).ok_or(effect)
    })
    .await;
    let said = world.weir(&["maintenance", "effect", piece]).await;
    assert!(said.succeeded && said.text.contains("count(*) from busy"), "{said:?}");
    let (status, _) = refused(
        api,
        "GET",
        "/database/maintenance/pieces/00000000-0000-0000-0000-000000000000/effect",
        None,
    )
    .await;
    assert_eq!(status, 404);
}

async fn stopped(world: &World, api: &Api) {
    let order = json!({ "operation": "analyze", "table": "public.busy" });
    let (status, place, _) = located(world, "/database/maintenance/run", order).await;
    assert_eq!(status, 202);
    eventually("the job to wait for its table", SOON, async || {
        let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query ilike 'analyze%'";
        let job = api.get(&place).await;
        assert!(
            ["requested", "running"].contains(&job["state"].as_str().unwrap()),
            "{job}"
        );
        (world.database().psql(waits).await == "1").then_some(()).ok_or(job)
    })
    .await;
    let (status, job) = api.ask("POST", &format!("{place}/cancel"), None).await;
    assert_eq!(status, 200, "{job}");
    let job = ended(api, &place).await;
    assert_eq!(job["state"], "cancelled", "{job}");
}

#[tokio::test]
async fn schedules_are_kept_projects_apart_and_nothing_that_is_sent_breaks_a_service() {
    let world = World::new()
        .with("WEIR_CONSOLE__REQUESTS_PER_SECOND", "100000")
        .up()
        .await;
    let api = Api::of(&world);
    schedules(&api).await;
    apart(&world, &api).await;
    nothing_is_kept(&api).await;
    let long = "x".repeat(10_000);
    hostile(&api, &TEXTS.into_iter().chain([long.as_str()]).collect::<Vec<_>>()).await;
}

async fn schedules(api: &Api) {
    let nightly = |cron: &str| {
        Some(json!({
            "name": "nightly", "operation": "analyze", "cron": cron, "time_zone": "Europe/Vienna",
            "parameters": { "table": "public.*" }, "misfire": "run_once",
        }))
    };
    let (status, made) = api.ask("PUT", "/database/schedules", nightly("0 3 * * *")).await;
    assert_eq!((status, &made["misfire"]), (201, &json!("run_once")), "{made}");
    let (status, changed) = api.ask("PUT", "/database/schedules", nightly("0 4 * * *")).await;
    assert_eq!((status, &changed["id"]), (200, &made["id"]), "{changed}");
    let listed = api.get("/database/schedules").await;
    let listed = listed["schedules"].as_array().unwrap().clone();
    let found = listed.iter().find(|schedule| schedule["name"] == "nightly").unwrap();
    assert_eq!(found["cron"], "0 4 * * *");
    let place = "/database/schedules/nightly";
    let (_, paused) = api.ask("POST", &format!("{place}/pause"), None).await;
    assert_eq!(
        (&paused["paused"], &paused["next_run_unix_ms"]),
        (&json!(true), &json!(0))
    );
    let (_, resumed) = api.ask("POST", &format!("{place}/resume"), None).await;
    assert!(resumed["next_run_unix_ms"].as_i64().unwrap() > 0, "{resumed}");
    let (status, job) = api
        .ask("POST", &format!("{place}/run"), Some(json!({ "wait": true })))
        .await;
    assert_eq!((status, &job["operation"]), (200, &json!("analyze")), "{job}");
    assert_eq!(job["parameters"]["table"], "public.*");
    assert_eq!(api.ask("POST", &format!("{place}/run"), None).await.0, 202);
    assert_eq!(api.ask("DELETE", place, None).await.0, 204);
    assert_eq!(
        refused(api, "DELETE", place, None).await,
        (404, "schedule-not-found".to_owned())
    );
}

/// What is one project's is not there for another, and what concerns the whole cluster for none.
async fn apart(world: &World, api: &Api) {
    let (_, theirs) = api.token(Some("shop"), "operator").await;
    let (_, others) = api.token(Some("other"), "operator").await;
    let (_, default) = api.token(Some("default"), "operator").await;
    let (shop, other, default) = (api.with(&theirs), api.with(&others), api.with(&default));

    let order = json!({ "operation": "analyze" });
    let (status, place, job) = located(world, "/database/maintenance/run?project=shop", order).await;
    assert_eq!((status, place.ends_with("?project=shop")), (202, true), "{place}");
    ended(api, &place).await;
    let id = job["id"].as_str().unwrap().to_owned();
    let place = format!("/database/jobs/{id}");
    assert_eq!(shop.get(&place).await["project"], "shop");
    assert_eq!(ids(&shop.get("/database/jobs").await), std::slice::from_ref(&id));
    assert_eq!(ids(&other.get("/database/jobs").await), Vec::<String>::new());
    for api in [&other, &default] {
        for (method, path) in [("GET", place.clone()), ("POST", format!("{place}/cancel"))] {
            assert_eq!(
                refused(api, method, &path, None).await,
                (404, "job-not-found".to_owned()),
                "{method} {path}"
            );
        }
        let (status, _) = api.ask("GET", &format!("{place}?project=shop"), None).await;
        assert_eq!(status, 403);
    }

    let schedule =
        |name: &str, operation: &str| Some(json!({ "name": name, "operation": operation, "cron": "0 3 * * *" }));
    let window = Some(json!({ "name": "night", "start": "22:00", "end": "05:00", "weekdays": ["monday"] }));
    assert_eq!(
        shop.ask("PUT", "/database/schedules", schedule("own", "vacuum"))
            .await
            .0,
        201
    );
    assert_eq!(shop.ask("PUT", "/database/windows", window).await.0, 201);
    assert_eq!(other.get("/database/schedules").await["schedules"], json!([]));
    for (method, path) in [
        ("DELETE", "/database/schedules/own"),
        ("POST", "/database/schedules/own/pause"),
        ("POST", "/database/schedules/own/resume"),
        ("POST", "/database/schedules/own/run"),
        ("DELETE", "/database/windows/night"),
    ] {
        assert_eq!(refused(&other, method, path, None).await.0, 404, "{method} {path}");
    }

    // The operator's work on the whole cluster is written down under `default`, and is not that project's.
    assert_eq!(
        api.ask("PUT", "/database/schedules", schedule("round", "expire"))
            .await
            .0,
        201
    );
    let listed = default.get("/database/schedules").await;
    assert!(!listed.to_string().contains("expire"), "{listed}");
    assert_eq!(
        default.ask("POST", "/database/schedules/round/pause", None).await.0,
        404
    );
    assert_eq!(default.ask("DELETE", "/database/schedules/round", None).await.0, 404);
    assert_eq!(
        default
            .ask("PUT", "/database/schedules", schedule("round", "vacuum"))
            .await
            .0,
        403
    );
    let (_, round) = api.ask("POST", "/database/schedules/round/run", None).await;
    let round = round["id"].as_str().unwrap();
    assert_eq!(
        default.ask("GET", &format!("/database/jobs/{round}"), None).await.0,
        404
    );
    assert!(!ids(&default.get("/database/jobs").await).contains(&round.to_owned()));
    assert!(ids(&api.get("/database/jobs").await).contains(&round.to_owned()));
    for operation in [
        "backup",
        "restore",
        "prove",
        "expire",
        "rotate-keys",
        "import",
        "anything",
    ] {
        let (status, _) = shop
            .ask("PUT", "/database/schedules", schedule("mine", operation))
            .await;
        assert_eq!(status, 403, "{operation}");
    }
    let id = "01990000-0000-7000-8000-000000000000";
    for (method, path, body) in [
        (
            "POST",
            "/database/backup/create".to_owned(),
            Some(json!({ "kind": "full" })),
        ),
        (
            "POST",
            "/database/backup/create".to_owned(),
            Some(json!({ "kind": "project", "project": "other" })),
        ),
        ("POST", format!("/database/backup/{id}/test-recovery"), None),
        (
            "POST",
            "/database/backup/restore/plan".to_owned(),
            Some(json!({ "directory": "/srv/x" })),
        ),
        ("GET", "/database/backup/status".to_owned(), None),
        ("GET", "/database/backup/repositories".to_owned(), None),
        ("GET", "/database/backup/wal".to_owned(), None),
        ("GET", "/database/backup/windows".to_owned(), None),
        ("GET", "/database/backup/commits".to_owned(), None),
        ("GET", "/database/backup/proofs".to_owned(), None),
        ("GET", format!("/database/backup/proofs/{id}"), None),
        ("GET", "/database/backup/expiry/plan".to_owned(), None),
    ] {
        assert_eq!(
            refused(&shop, method, &path, body).await,
            (403, "forbidden".to_owned()),
            "{method} {path}"
        );
    }
}

/// Without a repository, backups say so.
async fn nothing_is_kept(api: &Api) {
    let status = api.get("/database/backup/status").await;
    assert_eq!((&status["enabled"], &status["missing"]), (&json!(false), &json!([])));
    assert_eq!(api.get("/database/backups").await["backups"], json!([]));
    for (method, path, body) in [
        ("POST", "/database/backup/create", Some(json!({}))),
        ("POST", "/database/backup/create", Some(json!({ "kind": "project" }))),
        (
            "POST",
            "/database/backup/restore/plan",
            Some(json!({ "directory": "/srv/x" })),
        ),
        ("GET", "/database/backup/windows", None),
        ("GET", "/database/backup/commits", None),
    ] {
        assert_eq!(
            refused(api, method, path, body).await,
            (409, "backup-no-repository".to_owned()),
            "{method} {path}"
        );
    }
}
