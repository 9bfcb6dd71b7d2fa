//! Broken rules and the firewall from outside: statements at the PostgreSQL door, and what people and programs see of them
//! over REST, on the live stream and on the command line.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use weir_testkit::{Postgres, Process, World, binary_path, eventually};

use crate::console::Api;

const SOON: Duration = Duration::from_secs(40);
const VIOLATIONS: &str = "/database/security/violations";
const FIREWALL: &str = "/database/security/firewall";
/// What somebody types into a form whose text becomes part of a statement.
const INJECTED: &str = "select name from users where name = '' or 1=1 --'";

/// Sends a statement by the PostgreSQL door: whether it went well, and what psql said.
async fn send(world: &World, project: &str, sql: &str) -> (bool, String) {
    let psql = Postgres::shared().await.bin_dir().join("psql");
    let url = world.database().url();
    let (_, name) = url.rsplit_once('/').unwrap();
    let door = format!("postgres://postgres@127.0.0.1:{}/{name}", world.wire());
    let options = format!("-c weir.project={project}");
    let asked = ["-XAtq", "-v", "VERBOSITY=verbose", &door, "-c", sql];
    let environment = [("PGAPPNAME", "a form"), ("PGOPTIONS", options.as_str())];
    let process = Process::start(psql, &asked, &environment);
    let status = process.wait_exit(SOON).await;
    (status.success(), process.output())
}

async fn with_users(world: &World) {
    let made = "create table users (name text, secret text); insert into users values ('ann', 'x'), ('bob', 'y')";
    world.database().psql(made).await;
}

fn list<'j>(answer: &'j Json, name: &str) -> &'j Vec<Json> {
    answer[name].as_array().expect(name)
}

/// The first event of broken rules that somebody who looks from now on hears.
async fn stream(world: &World) -> TcpStream {
    let port = world.ops("console");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "GET /events?project=shop&kind=security HTTP/1.1\r\nHost: localhost:{port}\r\nAccept: text/event-stream\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    read_until(&mut stream, "retry:").await;
    stream
}

async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut read = Vec::new();
    let reading = async {
        while !has_whole(&read, text) {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0, "the stream ended");
        }
    };
    let in_time = timeout(SOON, reading).await.is_ok();
    let read = String::from_utf8_lossy(&read).into_owned();
    assert!(in_time, "{text} did not come: {read}");
    read
}

/// Whether what begins with that text is there to its end.
fn has_whole(read: &[u8], text: &str) -> bool {
    let read = String::from_utf8_lossy(read);
    read.split_once(text).is_some_and(|(_, rest)| rest.contains("\n\n"))
}

#[tokio::test]
async fn a_broken_rule_is_seen_over_rest_on_the_stream_and_on_the_command_line() {
    let world = World::new()
        .with("WEIR_CONSOLE__REQUESTS_PER_SECOND", "10000")
        .up()
        .await;
    with_users(&world).await;
    let api = Api::of(&world);
    let follower = follower(&world);
    let mut heard = stream(&world).await;

    let (went_well, said) = send(&world, "shop", INJECTED).await;
    assert!(
        went_well && said.contains("ann"),
        "by itself nothing is refused: {said}"
    );
    let told = read_until(&mut heard, "event: security.violation").await;
    let event: Json = told
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .unwrap();
    assert_eq!(
        (&event["kind"], &event["project"], &event["data"]["action"]),
        (&json!("security.violation"), &json!("shop"), &json!("reported")),
        "{event}"
    );
    let row = eventually("the row", SOON, async || {
        let listed = api.get(&format!("{VIOLATIONS}?project=shop")).await;
        list(&listed, "violations").first().cloned().ok_or(listed)
    })
    .await;
    assert_eq!(row["event_id"], event["id"]);
    for name in [
        "rule",
        "action",
        "severity",
        "user",
        "database",
        "client",
        "door",
        "fingerprint",
        "summary",
        "score",
    ] {
        assert_eq!(row[name], event["data"][name], "{name}");
    }
    assert_eq!(
        (&row["user"], &row["client"], &row["door"], &row["application"]),
        (
            &json!("postgres"),
            &json!("127.0.0.1"),
            &json!("wire"),
            &json!("a form")
        ),
        "{row}"
    );
    assert!(!row.to_string().contains("1=1"), "no literal is told: {row}");

    who_sees_it(&api, &row).await;
    on_the_command_line(&world, &follower, &row).await;
}

/// Somebody who follows what happens in shop on the command line.
fn follower(world: &World) -> Process {
    let settings: Vec<(&str, &str)> = world
        .settings()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let asked = ["security", "--follow", "--json", "--project", "shop"];
    Process::start(binary_path("weir"), &asked, &settings)
}

async fn who_sees_it(api: &Api, row: &Json) {
    let rule = row["rule"].as_str().unwrap();
    let found = async |api: &Api, query: &str| {
        let listed = api.get(&format!("{VIOLATIONS}?{query}")).await;
        list(&listed, "violations").len()
    };
    assert_eq!(
        found(api, &format!("project=shop&rule={rule}&action=reported")).await,
        1
    );
    assert_eq!(found(api, "project=shop&action=blocked").await, 0);
    assert_eq!(found(api, "").await, 0, "an operator sees the default project first");
    let shop = api.with(&api.token(Some("shop"), "viewer").await.1);
    let blog = api.with(&api.token(Some("blog"), "viewer").await.1);
    assert_eq!((found(&shop, "").await, found(&blog, "").await), (1, 0));
    for path in [VIOLATIONS, FIREWALL, "/database/security/overview"] {
        let (status, _) = blog.ask("GET", &format!("{path}?project=shop"), None).await;
        assert_eq!(status, 403, "{path}");
    }
    let path = format!("{VIOLATIONS}?project=shop");
    let (_, tag) = api.tagged(&path, Some("\"other\"")).await;
    assert_eq!(api.tagged(&path, Some(&tag)).await.0, 304);
    let overview = shop.get("/database/security/overview").await;
    assert_eq!(
        (&overview["reported"], &overview["blocked"], &overview["missing"]),
        (&json!(1), &json!(0), &json!([])),
        "{overview}"
    );
    assert_eq!(overview["clients"][0]["client"], "127.0.0.1");
    assert_eq!(overview["firewall"]["monitor"], 1, "{overview}");
    // The statement has a page of its own.
    let fingerprint = row["fingerprint"].as_str().unwrap();
    eventually("the statement is known", SOON, async || {
        let path = format!("/database/monitoring/queries/{fingerprint}");
        (shop.ask("GET", &path, None).await.0 == 200).then_some(())
    })
    .await;
}

async fn on_the_command_line(world: &World, follower: &Process, row: &Json) {
    let id = row["event_id"].as_str().unwrap();
    let followed = eventually("the line that is followed", SOON, async || {
        let output = follower.output();
        let line = output.lines().find(|line| line.contains(id)).map(str::to_owned);
        line.ok_or(output)
    })
    .await;
    assert_eq!(&serde_json::from_str::<Json>(&followed).unwrap(), row);
    let said = world
        .weir(&["security", "--json", "--since", "1h", "--role", "postgres"])
        .await;
    let listed: Json = serde_json::from_str(&said.text).unwrap();
    assert_eq!(listed, json!([row]));
    let said = world.weir(&["security", "--project", "blog"]).await;
    assert!(said.succeeded && said.text.contains("no rule was broken"), "{said:?}");
    let said = world.weir(&["security", "--project", "No Such"]).await;
    assert!(!said.succeeded, "{said:?}");
    // Whoever follows is stopped as anybody is.
    follower.term();
    assert!(follower.wait_exit(SOON).await.success(), "{}", follower.output());
}

#[tokio::test]
async fn the_firewall_is_steered_over_rest_and_by_command_and_holds_at_the_door() {
    let world = World::new()
        .with("WEIR_CONSOLE__REQUESTS_PER_SECOND", "10000")
        .up()
        .await;
    with_users(&world).await;
    let api = Api::of(&world);
    assert!(send(&world, "shop", "select count(*) from users").await.0);
    assert!(send(&world, "shop", INJECTED).await.0);
    let harmless = shape(&api, "queued", "count").await;
    let scope = harmless["scope"].clone();
    assert_eq!(
        (&scope["project"], &scope["user"]),
        (&json!("shop"), &json!("postgres"))
    );

    only_operators_judge(&api, &harmless).await;
    shapes_go_round(&world, &api, &harmless).await;
    modes_hold(&world, &api).await;
    what_cannot_be_is_refused(&api, &scope).await;
    everything_is_in_the_audit(&api).await;
}

/// A shape of shop in this state, once it is there.
async fn shape(api: &Api, state: &str, search: &str) -> Json {
    eventually(&format!("a {state} shape with {search}"), SOON, async || {
        let path = format!("{FIREWALL}/shapes?project=shop&state={state}&search={search}");
        let listed = api.get(&path).await;
        list(&listed, "shapes").first().cloned().ok_or(listed)
    })
    .await
}

fn about(shape: &Json) -> Json {
    json!({ "database": shape["scope"]["database"], "user": shape["scope"]["user"], "ids": [shape["id"]] })
}

async fn only_operators_judge(api: &Api, shape: &Json) {
    for (project, role) in [(Some("shop"), "operator"), (Some("shop"), "viewer"), (None, "viewer")] {
        let caller = api.with(&api.token(project, role).await.1);
        // What is one's own may be read.
        let (status, listed) = caller.ask("GET", &format!("{FIREWALL}?project=shop"), None).await;
        assert_eq!(status, 200, "{listed}");
        assert_eq!(list(&listed, "scopes").len(), 1, "{listed}");
        for (path, body) in [
            ("/shapes/approve", about(shape)),
            ("/shapes/forget", about(shape)),
            ("/mode/off", json!({})),
            ("/shapes", json!({ "database": "d", "user": "u", "sql": "select 1" })),
        ] {
            let (status, problem) = caller
                .ask("POST", &format!("{FIREWALL}{path}?project=shop"), Some(body))
                .await;
            assert_eq!(
                (status, &problem["slug"]),
                (403, &json!("forbidden")),
                "{project:?} {role} {path}"
            );
        }
    }
    let blog = api.with(&api.token(Some("blog"), "viewer").await.1);
    let listed = blog.get(FIREWALL).await;
    assert_eq!(listed["scopes"], json!([]));
}

/// Approved over REST, forgotten by command, added over REST, approved by command.
async fn shapes_go_round(world: &World, api: &Api, harmless: &Json) {
    let approve = format!("{FIREWALL}/shapes/approve?project=shop");
    let (status, done) = api.ask("POST", &approve, Some(about(harmless))).await;
    assert_eq!((status, &done["shapes"]), (200, &json!(1)), "{done}");
    let approved = shape(api, "approved", "count").await;
    assert_eq!(
        (&approved["id"], &approved["approved_by"]),
        (&harmless["id"], &json!("operator"))
    );
    let id = harmless["id"].as_str().unwrap();
    let said = world.weir(&["firewall", "forget", id, "--project", "shop"]).await;
    assert!(said.succeeded && said.text.contains("1 shape forgotten"), "{said:?}");
    eventually("the shape is gone", SOON, async || {
        let listed = api.get(&format!("{FIREWALL}/shapes?project=shop&search={id}")).await;
        list(&listed, "shapes").is_empty().then_some(()).ok_or(listed)
    })
    .await;
    let said = world.weir(&["firewall", "approve", id]).await;
    assert!(!said.succeeded && said.text.contains("no list has a shape"), "{said:?}");
    let new = json!({
        "database": harmless["scope"]["database"],
        "user": harmless["scope"]["user"],
        "sql": "select secret from users where name = 'whoever'",
    });
    let (status, added) = api
        .ask("POST", &format!("{FIREWALL}/shapes?project=shop"), Some(new))
        .await;
    assert_eq!((status, &added["state"]), (201, &json!("approved")), "{added}");
    assert!(!added.to_string().contains("whoever"), "{added}");

    assert!(send(world, "shop", "select max(name) from users").await.0);
    let queued = shape(api, "queued", "max").await;
    let said = world
        .weir(&["firewall", "approve", queued["id"].as_str().unwrap(), "--json"])
        .await;
    assert!(said.succeeded && said.text.contains("\"shapes\": 1"), "{said:?}");
    let said = world
        .weir(&["firewall", "shapes", "--state", "approved", "--json"])
        .await;
    let listed: Json = serde_json::from_str(&said.text).unwrap();
    assert_eq!(list(&listed, "shapes").len(), 2, "{listed}");
}

/// Enforced over REST, a dangerous statement is refused at the door; taken back by command, it is not.
async fn modes_hold(world: &World, api: &Api) {
    let path = format!("{FIREWALL}/mode/enforce?project=shop");
    let (status, problem) = api.ask("POST", &path, Some(json!({ "user": "postgres" }))).await;
    assert_eq!(status, 204, "{problem}");
    eventually("the statement is refused", SOON, async || {
        let (went_well, said) = send(world, "shop", INJECTED).await;
        (!went_well && said.contains("42501")).then_some(()).ok_or(said)
    })
    .await;
    assert!(
        send(world, "shop", "select max(name) from users").await.0,
        "what is approved goes on"
    );
    assert!(send(world, "blog", INJECTED).await.0, "others are let alone");
    eventually("it is told as blocked", SOON, async || {
        let listed = api.get(&format!("{VIOLATIONS}?project=shop&action=blocked")).await;
        (!list(&listed, "violations").is_empty()).then_some(()).ok_or(listed)
    })
    .await;
    let shown = api.get(&format!("{FIREWALL}?project=shop")).await;
    assert_eq!(
        (&shown["scopes"][0]["mode"], &shown["scopes"][0]["mode_from"]),
        (&json!("enforce"), &json!("operator")),
        "{shown}"
    );
    assert_eq!(
        (
            &shown["modes"][0]["mode"],
            &shown["modes"][0]["by"],
            &shown["modes"][0]["scope"]["project"]
        ),
        (&json!("enforce"), &json!("operator"), &json!("shop")),
        "{shown}"
    );
    assert_eq!(api.get(&format!("{FIREWALL}?project=blog")).await["modes"], json!([]));
    let said = world.weir(&["firewall", "--project", "shop"]).await;
    assert!(
        said.succeeded && said.text.contains("enforce is set for shop"),
        "{said:?}"
    );
    let back = [
        "firewall",
        "mode",
        "settings",
        "--project",
        "shop",
        "--role",
        "postgres",
    ];
    let said = world.weir(&back).await;
    assert!(said.succeeded, "{said:?}");
    eventually("the statement goes through", SOON, async || {
        let (went_well, said) = send(world, "shop", INJECTED).await;
        went_well.then_some(()).ok_or(said)
    })
    .await;
}

async fn what_cannot_be_is_refused(api: &Api, scope: &Json) {
    let (database, user) = (&scope["database"], &scope["user"]);
    for (path, body) in [
        ("/mode/sometimes", json!({})),
        ("/mode/off", json!({ "project": "blog" })),
        ("/shapes/approve", json!({ "database": database, "user": user })),
        (
            "/shapes/approve",
            json!({ "database": database, "user": user, "ids": ["x"], "all_queued": true }),
        ),
        (
            "/shapes/approve",
            json!({ "database": "", "user": user, "all_queued": true }),
        ),
        (
            "/shapes/forget",
            json!({ "database": database, "user": user, "all_in_state": "lost" }),
        ),
        ("/shapes", json!({ "database": database, "user": user, "sql": "" })),
        (
            "/shapes",
            json!({ "database": database, "user": user, "sql": "no statement at all" }),
        ),
    ] {
        let (status, problem) = api
            .ask("POST", &format!("{FIREWALL}{path}?project=shop"), Some(body.clone()))
            .await;
        assert_eq!(status, 400, "{path} {body}: {problem}");
    }
    for query in ["state=lost", "project=No%20Such", "limit=0"] {
        let (status, problem) = api.ask("GET", &format!("{FIREWALL}/shapes?{query}"), None).await;
        assert_eq!(status, 400, "{query}: {problem}");
    }
}

async fn everything_is_in_the_audit(api: &Api) {
    let audit = api.get("/database/security/audit?search=firewall&limit=1000").await;
    let entries: Vec<(&str, u64)> = list(&audit, "entries")
        .iter()
        .map(|entry| (entry["target"].as_str().unwrap(), entry["status"].as_u64().unwrap()))
        .collect();
    for expected in [
        ("/database/security/firewall/mode/enforce", 204),
        ("/database/security/firewall/mode/off", 403),
        ("/database/security/firewall/shapes/approve", 200),
        ("/database/security/firewall/shapes/approve", 403),
        ("/database/security/firewall/shapes", 201),
    ] {
        assert!(entries.contains(&expected), "{expected:?}: {entries:?}");
    }
}
