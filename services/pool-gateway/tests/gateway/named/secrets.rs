//! No token is anywhere but where it was sent.

use std::io::Write;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use tonic::Status;
use tracing_subscriber::fmt::MakeWriter;
use weir_bus::{Bus, Limits};
use weir_model::Clock;
use weir_proto::gateway::v1 as api;
use weir_proto::gateway::v1::{SessionOutcome, StatementState};
use weir_testkit::http_get;

use super::{Scene, in_order, named, text};

const SECRET: &str = "swordfish";
const SCHEMA: &str = "
    create table s (token text primary key, id uuid, user_id int, expires_at timestamptz);
    create table digests (token bytea primary key, user_id int, expires_at timestamptz);
    insert into s values ('swordfish', null, 1, 'infinity');
    insert into digests values (sha256('swordfish'), 1, 'infinity');
    create function tell(text) returns int language plpgsql as $$begin raise 'no % here', $1; end$$";
const BOOK: &str = r#"
[statements.s]
sql = "select user_id, expires_at from s where token = :token"
expires_at = "expires_at"
[statements.digest]
sql = "select user_id, expires_at from digests where token = :token"
parameters.token = { digest = "sha256" }
[statements.u]
sql = "select 'role' as roles, 'right' as permission where :user_id::int > 0"
[statements.uuid]
sql = "select 1 from s where id = :token"
parameters.token = { type = "uuid", secret = true }
[statements.put]
sql = "insert into s (token) values (:token)"
read = false
parameters.token = { secret = true }
[statements.tell]
sql = "select tell(:token)"
parameters.token = { type = "text", secret = true }
[statements.broken]
sql = "select * from missing where token = :token"
parameters.token = { type = "text", secret = true }
[statements.open]
sql = "select 1 from s where id = :token"
parameters.token = { type = "uuid" }
[resolve_session]
session = { statement = "s" }
user = { statement = "u" }
permissions = { statement = "u", permissions = "permission" }
"#;

/// Everything that is logged, to the finest detail.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn listen() -> Log {
    let log = Log::default();
    let lines = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false);
    let lines = lines.with_writer(log.clone()).finish();
    tracing::subscriber::set_global_default(lines).unwrap();
    log
}

fn shown(status: &Status) -> String {
    format!("{status:?} {status} {:?}", status.metadata())
}

#[tokio::test]
async fn a_token_is_in_no_log_event_error_or_metric() {
    let log = listen();
    let bus = Bus::in_memory(Limits::default());
    let mut listener = bus.subscribe("weir.>", None).await.unwrap();
    let scene = Scene::with(SCHEMA, BOOK, Clock::system(), bus, &[]).await;
    scene.until("broken", StatementState::Broken).await;
    assert!(scene.resolve(SECRET).await.unwrap().found);
    assert_eq!(
        scene.resolve("swordfish2").await.unwrap().outcome(),
        SessionOutcome::Unknown
    );
    assert_eq!(
        scene
            .call(named("digest", [("token", text(SECRET))]))
            .await
            .unwrap()
            .rows
            .len(),
        1
    );
    let mut said = Vec::new();
    for name in ["uuid", "put", "tell", "broken"] {
        let status = scene.call(named(name, [("token", text(SECRET))])).await.unwrap_err();
        said.push((name, shown(&status)));
    }
    for request in [
        in_order("digest", [text(SECRET), text(SECRET)]),
        named("digest", [("swordfisch", text(SECRET))]),
        api::CallStatementRequest {
            min_token: "x".to_owned(),
            ..in_order("digest", [text(SECRET)])
        },
    ] {
        said.push(("digest", shown(&scene.call(request).await.unwrap_err())));
    }
    let timed = api::ResolveSessionRequest {
        token: SECRET.to_owned(),
        consistency: "odd".to_owned(),
        ..api::ResolveSessionRequest::default()
    };
    said.push(("resolve", shown(&scene.resolve_as(timed).await.unwrap_err())));
    scene.database.psql("alter table s rename user_id to who").await;
    said.push(("resolve", shown(&scene.resolve(SECRET).await.unwrap_err())));
    for (name, said) in &said {
        assert!(!said.contains(SECRET), "{name}: {said}");
    }
    // Where nobody says that it is a secret, PostgreSQL's words are its own: this is what would have been seen.
    let open = scene.call(named("open", [("token", text(SECRET))])).await.unwrap_err();
    assert!(open.message().contains(SECRET), "{open:?}");
    assert!(
        said[0].1.contains("22P02"),
        "its code is told all the same: {}",
        said[0].1
    );

    let (_, metrics) = http_get(scene.gateway.ops_port, "/metrics").await.unwrap();
    let (_, ready) = http_get(scene.gateway.ops_port, "/readyz").await.unwrap();
    scene.gateway.stop().await;
    let told: Vec<_> = std::iter::from_fn(|| listener.next().now_or_never().flatten()).collect();
    assert!(!told.is_empty() && metrics.contains("weir_queries_total") && ready.contains("statements"));
    for message in &told {
        let shown = String::from_utf8_lossy(&message.payload).into_owned() + &format!("{message:?}");
        assert!(!shown.contains(SECRET), "{shown}");
    }
    let log = log.text();
    assert!(
        log.contains("named statement does not prepare") && log.lines().count() > 100,
        "nothing was logged"
    );
    for (place, text) in [("metrics", &metrics), ("readiness", &ready), ("log", &log)] {
        let line = text.lines().find(|line| line.contains(SECRET));
        assert_eq!(line, None, "in the {place}");
    }
}
