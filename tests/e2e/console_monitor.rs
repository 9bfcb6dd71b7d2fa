//! Statements, alerts, servers and advice over REST: as the services and PostgreSQL have them, and to nobody else.

mod hostile;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value as Json, json};
use weir_testkit::{World, eventually};

use crate::ask::{execute, intake, queries};
use crate::console::Api;

const SOON: Duration = Duration::from_secs(40);
const MONITORING: &str = "/database/monitoring";

fn list<'j>(answer: &'j Json, name: &str) -> &'j Vec<Json> {
    answer[name].as_array().expect(name)
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap()
}

/// Callers with tokens of every sort.
struct Callers {
    home: Api,
    shop: Api,
    shop_viewer: Api,
    blog: Api,
    default: Api,
}

impl Callers {
    async fn of(home: Api) -> Self {
        let with = async |project, role| home.with(&home.token(Some(project), role).await.1);
        Self {
            shop: with("shop", "operator").await,
            shop_viewer: with("shop", "viewer").await,
            blog: with("blog", "operator").await,
            default: with("default", "operator").await,
            home,
        }
    }
}

/// The status and the slug of an answer.
async fn refusal(api: &Api, method: &str, path: &str, body: Option<Json>) -> (u16, String) {
    let (status, problem) = api.ask(method, &format!("{MONITORING}{path}"), body).await;
    (status, problem["slug"].as_str().unwrap_or_default().to_owned())
}

async fn get(api: &Api, path: &str) -> Json {
    api.get(&format!("{MONITORING}{path}")).await
}

#[tokio::test]
async fn what_is_monitored_is_told_as_it_is_and_to_whom_it_belongs() {
    let world = World::new()
        .with("WEIR_MONITOR__SLOW_QUERY_THRESHOLD", "300ms")
        .with("WEIR_CONSOLE__REQUESTS_PER_SECOND", "10000")
        .up()
        .await;
    let made = "create table notes (n int, body text); insert into notes select n, 'x' from generate_series(1, 100) n;
        create table quiet (n int) with (autovacuum_enabled = off)";
    world.database().psql(made).await;
    for column in ["a", "b", "c", "d", "e"] {
        for number in 0..3 {
            execute(&world, "shop", &format!("select {number} as {column}")).await;
        }
    }
    execute(&world, "shop", "insert into notes values (101, 'y')").await;
    execute(&world, "shop", "select pg_sleep(0.4)").await;
    execute(&world, "blog", "select pg_sleep(0.4), 1").await;
    execute(&world, "blog", "select 1 as blog_only").await;
    let callers = Callers::of(Api::of(&world)).await;

    let slow = statements(&world, &callers).await;
    over_time(&callers, &slow).await;
    alerts(&callers).await;
    rules_and_channels(&callers).await;
    servers(&world, &callers).await;
    plans(&world, &callers).await;
    advice(&world, &callers).await;
    hostile::nothing_that_is_sent_breaks_anything(&callers.home).await;
}

/// The list, its pages and its filters; returns the fingerprint of the slow statement of shop.
async fn statements(world: &World, callers: &Callers) -> String {
    let Callers { home, shop, blog, .. } = callers;
    let all = eventually("the statements of shop", SOON, async || {
        let listed = get(shop, "/queries?limit=1000").await;
        let calls: u64 = list(&listed, "queries")
            .iter()
            .map(|line| line["calls"].as_u64().unwrap())
            .sum();
        (calls == 17).then_some(listed).ok_or(calls)
    })
    .await;
    assert_eq!((&all["next"], &all["missing"]), (&Json::Null, &json!("")));
    let told = queries(world, "shop").await;
    assert_eq!(list(&all, "queries").len(), told.len());
    for (line, told) in list(&all, "queries").iter().zip(&told) {
        assert_eq!(text(&line["fingerprint"]), told.fingerprint);
        assert_eq!(text(&line["query"]), told.text);
        for (name, figure) in [
            ("p95_ms", told.p95_ms),
            ("total_ms", told.total_ms),
            ("wait_ms", told.wait_ms),
        ] {
            assert_eq!(line[name].as_f64().unwrap(), figure, "{name} of {line}");
        }
        let counts = (told.calls, told.errors, told.rows);
        assert_eq!(
            (&line["calls"], &line["errors"], &line["rows"]),
            (&json!(counts.0), &json!(counts.1), &json!(counts.2))
        );
    }

    let mut seen = Vec::new();
    let mut next = Some(String::new());
    while let Some(token) = next {
        let page = get(shop, &format!("/queries?limit=2&sort=calls&page={token}")).await;
        assert!(list(&page, "queries").len() <= 2);
        seen.extend(
            list(&page, "queries")
                .iter()
                .map(|line| text(&line["fingerprint"]).to_owned()),
        );
        next = page["next"].as_str().map(str::to_owned);
    }
    let distinct: BTreeSet<&String> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (told.len(), told.len()), "{seen:?}");

    let inserts = get(shop, "/queries?kind=insert").await;
    assert_eq!(list(&inserts, "queries").len(), 1);
    assert_eq!(inserts["queries"][0]["kind"], "insert");
    assert_eq!(inserts["queries"][0]["writes"], true);
    let found = get(shop, "/queries?kind=select&search=PG_SLEEP&sort=max").await;
    assert_eq!(list(&found, "queries").len(), 1);
    assert_eq!(
        list(&get(shop, "/queries?kind=insert&search=pg_sleep").await, "queries").len(),
        0
    );
    assert_eq!(
        list(&get(shop, "/queries?since=253402300799999").await, "queries").len(),
        0
    );
    let of_operator = get(home, "/queries?project=shop&limit=1000").await;
    assert_eq!(list(&of_operator, "queries").len(), told.len());

    let slow = text(&found["queries"][0]["fingerprint"]).to_owned();
    let one = get(shop, &format!("/queries/{}", slow.to_uppercase())).await;
    assert_eq!(
        (&one["query"], &one["kind"], &one["project"]),
        (&found["queries"][0]["query"], &json!("select"), &json!("shop"))
    );
    assert_eq!(one["databases"], found["queries"]);
    let long_ago = get(shop, &format!("/queries/{slow}?since=1&until=2")).await;
    assert_eq!(
        (&long_ago["query"], &long_ago["databases"]),
        (&one["query"], &json!([]))
    );
    for path in ["", "/timeline", "/heatmap", "/plans"] {
        let not_theirs = refusal(blog, "GET", &format!("/queries/{slow}{path}"), None).await;
        assert_eq!(not_theirs, (404, "not-found".to_owned()), "{path}");
        let nobodys = refusal(shop, "GET", &format!("/queries/ffffffffffffffff{path}"), None).await;
        assert_eq!(nobodys.0, 404, "{path}: {nobodys:?}");
        let no_shape = refusal(shop, "GET", &format!("/queries/no-shape{path}"), None).await;
        assert_eq!(no_shape, (400, "request-strange".to_owned()), "{path}");
    }
    slow
}

/// Timelines and heat-maps add up to what was called; an answer that has not changed is not sent again.
async fn over_time(callers: &Callers, slow: &str) {
    let Callers { home, shop, blog, .. } = callers;
    let calls = |answer: &Json| -> u64 {
        let spans = list(answer, "spans").iter();
        spans.map(|span| span["statistics"]["calls"].as_u64().unwrap()).sum()
    };
    assert_eq!(calls(&get(shop, "/timeline").await), 17);
    assert_eq!(calls(&get(shop, "/timeline?points=3").await), 17);
    assert_eq!(calls(&get(blog, "/timeline").await), 2);
    assert_eq!(
        calls(&get(shop, &format!("/queries/{slow}/timeline?points=1000")).await),
        1
    );

    let heat = get(shop, &format!("/queries/{slow}/heatmap?points=200")).await;
    let bounds: Vec<f64> = list(&heat, "bounds_ms")
        .iter()
        .map(|bound| bound.as_f64().unwrap())
        .collect();
    assert!(bounds.is_sorted() && (bounds[0] - 0.1).abs() < 1e-9, "{bounds:?}");
    let spans = list(&heat, "spans");
    assert_eq!(spans.len(), 1);
    let counts: Vec<u64> = list(&spans[0], "counts")
        .iter()
        .map(|count| count.as_u64().unwrap())
        .collect();
    assert_eq!((counts.len(), counts.iter().sum::<u64>()), (bounds.len() + 1, 1));
    let row = counts.iter().position(|count| *count == 1).unwrap();
    assert!(bounds[row] >= 400.0 && bounds[row - 1] < 450.0, "{bounds:?} {counts:?}");

    let path = format!("{MONITORING}/queries?project=shop");
    let (status, tag) = home.tagged(&path, None).await;
    // Weak, for the bytes of one state differ where they are compressed.
    assert_eq!((status, tag.len(), tag.starts_with("W/\"")), (200, 36, true));
    assert_eq!(home.tagged(&path, Some(&tag)).await, (304, tag.clone()));
    assert_eq!(home.tagged(&path, Some("\"other\"")).await.0, 200);
}

/// A project sees, acknowledges and silences its own alerts only.
async fn alerts(callers: &Callers) {
    let Callers {
        home,
        shop,
        shop_viewer,
        blog,
        ..
    } = callers;
    let firing = eventually("the alert of shop", SOON, async || {
        let listed = get(shop, "/alerts?state=firing").await;
        let alert = list(&listed, "alerts")
            .iter()
            .find(|alert| alert["rule"] == "slow-query")
            .cloned();
        alert.ok_or(listed)
    })
    .await;
    let (id, shape) = (text(&firing["id"]), text(&firing["fingerprint"]));
    assert_eq!(
        (&firing["project"], &firing["state"]),
        (&json!("shop"), &json!("firing"))
    );
    let of_shape = get(
        shop,
        &format!("/alerts?state=firing,pending&state=resolved&fingerprint={shape}"),
    )
    .await;
    assert!(
        list(&of_shape, "alerts")
            .iter()
            .any(|alert| alert["id"] == firing["id"])
    );
    assert!(
        list(&of_shape, "alerts")
            .iter()
            .all(|alert| alert["fingerprint"] == firing["fingerprint"])
    );
    assert!(
        list(&get(blog, "/alerts").await, "alerts")
            .iter()
            .all(|alert| alert["project"] == "blog")
    );

    let acknowledge = format!("/alerts/{id}/acknowledge");
    let note = || Some(json!({ "note": "on it" }));
    assert_eq!(refusal(shop_viewer, "POST", &acknowledge, note()).await.0, 403);
    assert_eq!(refusal(blog, "POST", &acknowledge, note()).await.0, 404);
    assert_eq!(
        refusal(home, "POST", &format!("{acknowledge}?project=blog"), note())
            .await
            .0,
        404
    );
    let untouched = get(shop, "/alerts?state=firing").await;
    assert!(!untouched.to_string().contains("on it"), "{untouched}");
    let (status, noted) = shop.ask("POST", &format!("{MONITORING}{acknowledge}"), note()).await;
    assert_eq!((status, &noted["acknowledged_note"]), (200, &json!("on it")), "{noted}");
    assert!(text(&noted["acknowledged_by"]).contains("operator of"), "{noted}");
    assert_eq!(refusal(home, "POST", &acknowledge, Some(json!({}))).await.0, 200);

    let silence =
        |matchers: Json| Some(json!({ "matchers": matchers, "ends_unix_ms": in_an_hour(), "comment": "known" }));
    for other in ["*", "blog", "shop|blog"] {
        let refused = refusal(shop, "POST", "/silences", silence(json!({ "project": other }))).await;
        assert_eq!(refused, (403, "forbidden".to_owned()), "{other}");
    }
    let (status, theirs) = shop
        .ask(
            "POST",
            &format!("{MONITORING}/silences"),
            silence(json!({ "rule": "slow-*" })),
        )
        .await;
    assert_eq!(
        (status, &theirs["matchers"]),
        (201, &json!({ "project": "shop", "rule": "slow-*" })),
        "{theirs}"
    );
    let (status, everybodys) = home
        .ask(
            "POST",
            &format!("{MONITORING}/silences"),
            silence(json!({ "rule": "no-such" })),
        )
        .await;
    assert_eq!(status, 201, "{everybodys}");
    eventually("the alert to be silent", SOON, async || {
        let listed = get(shop, "/alerts?state=firing").await;
        let silent = list(&listed, "alerts")
            .iter()
            .any(|alert| alert["silenced_by"] == theirs["id"]);
        silent.then_some(()).ok_or(listed)
    })
    .await;
    let ids = |listed: &Json| -> Vec<String> {
        list(listed, "silences")
            .iter()
            .map(|one| text(&one["id"]).to_owned())
            .collect()
    };
    assert_eq!(ids(&get(shop, "/silences").await), [text(&theirs["id"])]);
    assert_eq!(ids(&get(blog, "/silences").await), Vec::<String>::new());
    assert_eq!(ids(&get(home, "/silences").await).len(), 2);
    let path = |one: &Json| format!("/silences/{}", text(&one["id"]));
    assert_eq!(refusal(blog, "DELETE", &path(&theirs), None).await.0, 404);
    assert_eq!(refusal(shop, "DELETE", &path(&everybodys), None).await.0, 404);
    assert_eq!(refusal(shop, "DELETE", &path(&theirs), None).await.0, 204);
    assert_eq!(refusal(shop, "DELETE", &path(&theirs), None).await.0, 404);
    assert_eq!(refusal(home, "DELETE", &path(&everybodys), None).await.0, 204);
}

fn in_an_hour() -> u64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    u64::try_from(now.as_millis()).unwrap() + 3_600_000
}

/// Rules and channels are the operator's.
async fn rules_and_channels(callers: &Callers) {
    let Callers { home, shop, .. } = callers;
    for (method, path) in [
        ("GET", "/rules"),
        ("PUT", "/rules"),
        ("DELETE", "/rules/own"),
        ("GET", "/channels"),
        ("POST", "/channels/x/test"),
    ] {
        let body = (method == "PUT").then(|| json!({ "name": "own" }));
        assert_eq!(
            refusal(shop, method, path, body).await,
            (403, "forbidden".to_owned()),
            "{method} {path}"
        );
    }
    let own =
        json!({ "name": "own", "metric": "query.p95_ms", "direction": "above", "warning": 250.5, "for_ms": 60_000 });
    let (status, put) = home.ask("PUT", &format!("{MONITORING}/rules"), Some(own)).await;
    assert_eq!(status, 200, "{put}");
    assert_eq!(
        (&put["warning"], &put["for_ms"], &put["origin"], &put["direction"]),
        (&json!(250.5), &json!(60_000), &json!("grpc"), &json!("above"))
    );
    let listed = get(home, "/rules").await;
    assert!(list(&listed, "rules").contains(&put), "{listed}");
    assert_eq!(refusal(home, "DELETE", "/rules/own", None).await.0, 204);
    assert_eq!(
        refusal(home, "DELETE", "/rules/own", None).await,
        (404, "monitor-not-found".to_owned())
    );
    assert_eq!(get(home, "/channels").await["channels"], json!([]));
    assert_eq!(
        refusal(home, "POST", "/channels/nobody/test", None).await,
        (404, "monitor-not-found".to_owned())
    );
}

/// What PostgreSQL says of itself is what is told of it.
async fn servers(world: &World, callers: &Callers) {
    let Callers { home, shop, .. } = callers;
    let server = eventually("the server to be read", SOON, async || {
        let answer = get(home, "/servers").await;
        let server = answer["servers"][0].clone();
        (server["is_up"] == true && server["connections_max"] != 0)
            .then_some(server)
            .ok_or(answer)
    })
    .await;
    let for_clients =
        "select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0)";
    let most = world.database().psql(for_clients).await;
    assert_eq!(server["connections_max"].to_string(), most);
    let version = world.database().psql("show server_version").await;
    assert!(version.starts_with(text(&server["version"])), "{version} {server}");
    assert_eq!(get(home, "/servers?upstream=elsewhere:1").await["servers"], json!([]));
    assert!(get(home, "/activity").await["sessions"].is_array());
    assert_eq!(get(home, "/blocking").await["chains"], json!([]));
    let received = intake(world).await.events_received_total;
    assert!(get(home, "/intake").await["events_received_total"].as_u64().unwrap() >= received && received > 0);
    for path in ["/servers", "/activity", "/blocking", "/intake"] {
        assert_eq!(
            refusal(shop, "GET", path, None).await,
            (403, "forbidden".to_owned()),
            "{path}"
        );
    }
    let unknown = refusal(shop, "GET", "/forecast?metric=host.disk_used_bytes&label=disk=/", None).await;
    assert_eq!(unknown, (400, "monitor-field".to_owned()));
    assert_eq!(get(home, "/changes").await["changes"], json!([]));
}

/// Statements are explained for those who see everything, and writes are rolled back.
async fn plans(world: &World, callers: &Callers) {
    let Callers { home, shop, .. } = callers;
    let analyze = async |body: Json| {
        home.ask("POST", &format!("{MONITORING}/query/analyze"), Some(body))
            .await
    };
    let (status, plan) = analyze(json!({ "sql": "select * from notes where n = any($1) and body = $2", "params": [[1, 2], "x"], "analyze": true })).await;
    assert_eq!(status, 200, "{plan}");
    assert_eq!(
        (&plan["generic"], &plan["nodes"][0]["actual_rows"]),
        (&json!(false), &json!(2.0)),
        "{plan}"
    );
    let delete = |allowed: bool| json!({ "sql": "delete from notes", "analyze": true, "allow_writes": allowed });
    let (status, refused) = analyze(delete(false)).await;
    assert_eq!((status, &refused["slug"]), (400, &json!("explain-writes")));
    let (status, plan) = analyze(delete(true)).await;
    assert_eq!((status, plan["warnings"].is_array()), (200, true), "{plan}");
    assert_eq!(world.database().psql("select count(*) from notes").await, "101");
    let (status, late) = analyze(json!({ "sql": "select pg_sleep(30)", "analyze": true, "timeout_ms": 300 })).await;
    assert_eq!((status, &late["slug"]), (422, &json!("explain-timeout")), "{late}");
    let elsewhere = json!({ "sql": "select 1", "database": "no_such" });
    assert_eq!(analyze(elsewhere).await.0, 422);
    let theirs = refusal(shop, "POST", "/query/analyze", Some(json!({ "sql": "select 1" }))).await;
    assert_eq!(theirs, (403, "forbidden".to_owned()));
}

/// Advice is applied and taken back at the server; what concerns the whole server is none of a project's.
async fn advice(world: &World, callers: &Callers) {
    let Callers {
        home, shop, default, ..
    } = callers;
    let everything = get(home, "/recommendations").await;
    let of_server = |one: &&Json| one["scope"] == "server";
    let server = list(&everything, "recommendations")
        .iter()
        .find(of_server)
        .expect("advice on a server of no settings");
    let off = list(&everything, "recommendations")
        .iter()
        .find(|one| one["kind"] == "table-autovacuum-off");
    let off = off.expect("advice on the quiet table");
    assert_eq!(
        (&off["state"], &off["change"], &off["table"]),
        (&json!("open"), &Json::Null, &json!("public.quiet"))
    );

    let own = get(default, "/recommendations").await;
    assert!(
        list(&own, "recommendations").iter().all(|one| one["scope"] != "server"),
        "{own}"
    );
    assert!(
        list(&own, "recommendations").iter().any(|one| one["id"] == off["id"]),
        "{own}"
    );
    assert_eq!(get(shop, "/recommendations").await["recommendations"], json!([]));
    assert_eq!(
        list(
            &get(home, "/recommendations?kind=table-autovacuum-off").await,
            "recommendations"
        )
        .len(),
        1
    );

    let apply = |one: &Json| format!("/recommendations/{}/apply", text(&one["id"]));
    for (api, one) in [(shop, off), (shop, server), (default, server)] {
        assert_ne!(refusal(api, "POST", &apply(one), None).await.0, 200, "{one}");
    }
    let (status, change) = default.ask("POST", &format!("{MONITORING}{}", apply(off)), None).await;
    assert_eq!((status, &change["state"]), (200, &json!("applied")), "{change}");
    assert!(text(&change["by"]).contains("operator of"), "{change}");
    let options = "select coalesce(reloptions::text, '') from pg_class where relname = 'quiet'";
    assert_eq!(world.database().psql(options).await, "");
    assert_eq!(get(shop, "/recommendations/changes").await["changes"], json!([]));
    assert_eq!(
        get(default, "/recommendations/changes?limit=1").await["changes"],
        json!([change])
    );

    let revert = format!("/recommendations/{}/revert", text(&change["id"]));
    assert_eq!(
        refusal(shop, "POST", &revert, None).await,
        (404, "change-not-found".to_owned())
    );
    let by_advice = format!("{MONITORING}/recommendations/{}/revert", text(&off["id"]));
    let (status, reverted) = home.ask("POST", &by_advice, None).await;
    assert_eq!((status, &reverted["state"]), (200, &json!("reverted")), "{reverted}");
    assert_eq!(world.database().psql(options).await, "{autovacuum_enabled=off}");
    assert_eq!(
        refusal(home, "POST", &revert, None).await,
        (409, "change-not-revertible".to_owned())
    );
}
