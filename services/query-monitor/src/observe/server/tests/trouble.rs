//! What goes wrong: it is told, it stays alone, and it ends.

use std::process::Command;

use weir_testkit::{Postgres, PostgresOptions};

use super::*;
use crate::detect::metric;

fn signal(name: &str, pid: &str) {
    let status = Command::new("sh")
        .args(["-c", r#"kill -"$1" "$2""#, "kill", name, pid])
        .status();
    assert!(status.unwrap().success());
}

/// The monitor's own sessions.
async fn own_pids(postgres: &Postgres) -> Vec<String> {
    let sql = "select pid from pg_stat_activity where application_name = 'weir monitor' order by backend_start";
    let found = postgres.psql("postgres", sql).await;
    found.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_locked_catalogue_holds_up_its_own_question_only_and_not_for_long() {
    let postgres = Postgres::start().await;
    let scene = Scene::of(&postgres.url("postgres"));
    let before = scene.has_asked_everything(postgres.port()).await;
    assert_eq!(probe(&before, "databases").failures_total, 0);
    let mut locker = session(&postgres.url("postgres"), "locker").await;
    // One question looks into it.
    run(&mut locker, "begin; lock table pg_extension in access exclusive mode").await;
    let asked = probe(&before, "about").answers_total;
    let during = scene
        .sees(postgres.port(), "the question to fail", |server| {
            probe(server, "about").failures_total > 0
        })
        .await;
    assert!(
        probe(&during, "about").error.contains("lock timeout"),
        "{:?}",
        probe(&during, "about")
    );
    assert!(probe(&during, "about").every_seconds >= 20.0, "it backs off");
    let activity = probe(&during, "activity").answers_total;
    let later = scene
        .sees(postgres.port(), "the others to go on", |server| {
            probe(server, "activity").answers_total > activity
        })
        .await;
    assert_eq!(probe(&later, "activity").failures_total, 0);
    assert!(later.is_up && probe(&later, "about").answers_total == asked);
    // Nobody queues behind the question: it waits a tenth of a second at most.
    let waiting = "select count(*) from pg_locks where not granted";
    assert_eq!(postgres.psql("postgres", waiting).await, "0");
    scene.stop().await;
}

#[tokio::test]
async fn a_question_that_hangs_is_given_up_alone_while_others_go_on_beside_it() {
    let postgres = Postgres::start().await;
    let scene = Scene::of(&postgres.url("postgres"));
    let before = scene.has_asked_everything(postgres.port()).await;
    let pids = own_pids(&postgres).await;
    assert_eq!(pids.len(), 1, "one connection is enough where nothing hangs");
    signal("STOP", &pids[0]);
    let failures = |server: &api::Server| server.probes.iter().map(|probe| probe.failures_total).sum::<u64>();
    let answers = |server: &api::Server| server.probes.iter().map(|probe| probe.answers_total).sum::<u64>();
    // While it hangs and nobody has given it up, others are answered: on another connection.
    let still = answers(&scene.server(postgres.port()));
    let during = scene
        .sees(postgres.port(), "others to be answered", |server| {
            answers(server) > still
        })
        .await;
    assert_eq!(failures(&during), failures(&before), "the others waited for it");
    let second = eventually("another connection beside it", SOON, async || {
        own_pids(&postgres).await.into_iter().find(|pid| *pid != pids[0])
    })
    .await;
    assert_ne!(second, pids[0]);
    let after = scene
        .sees(postgres.port(), "the question to be given up", |server| {
            failures(server) > failures(&before)
        })
        .await;
    assert_eq!(failures(&after), failures(&before) + 1, "{:?}", after.probes);
    let failed = after.probes.iter().find(|probe| !probe.error.is_empty()).unwrap();
    assert!(failed.error.contains("no answer within"), "{failed:?}");
    assert!(answers(&after) > answers(&before), "the others stood still");
    assert!(after.is_up && failed.every_seconds > 9.9, "{failed:?}");
    let name = failed.name.clone();
    let asked = failed.answers_total;
    scene
        .sees(postgres.port(), "it to be answered again", |server| {
            probe(server, &name).answers_total > asked
        })
        .await;
    signal("CONT", &pids[0]);
    eventually("the old session to go", SOON, async || {
        let there = own_pids(&postgres).await;
        if there.contains(&pids[0]) {
            Err(format!("{there:?}"))
        } else {
            Ok(())
        }
    })
    .await;
    scene.stop().await;
}

#[tokio::test]
async fn a_server_that_stands_still_is_down_alone_and_recovers() {
    let (still, other) = tokio::join!(Postgres::start(), Postgres::start());
    let replicas = format!("127.0.0.1:{}", other.port());
    let scene = Scene::with(
        &still.url("postgres"),
        &[("WEIR_MONITOR__SERVER_REPLICAS", replicas.as_str())],
    );
    scene.has_asked_everything(still.port()).await;
    scene.has_asked_everything(other.port()).await;
    let name = format!("127.0.0.1:{}", still.port());
    let down = async |value: f64| {
        eventually("the state of the server", SOON, async || {
            let reading = scene
                .reading(metric::SERVER_DOWN, "upstream", &name)
                .ok_or("no reading")?;
            if reading.value == value {
                Ok(reading)
            } else {
                Err(format!("{reading:?}"))
            }
        })
        .await
    };
    down(0.0).await;
    still.pause();
    let reading = down(1.0).await;
    assert!(!reading.note.is_empty());
    let told: Vec<_> = scene
        .readings()
        .into_iter()
        .filter(|one| one.labels.get("upstream") == Some(&name))
        .collect();
    let of_server: Vec<_> = told.iter().filter(|one| !one.labels.contains_key("disk")).collect();
    assert_eq!(
        of_server.len(),
        1,
        "of a server that is down nothing else is told: {of_server:?}"
    );
    let answered = probe(&scene.server(other.port()), "activity").answers_total;
    scene
        .sees(other.port(), "the other to go on", |server| {
            probe(server, "activity").answers_total > answered
        })
        .await;
    assert_eq!(
        scene.reading(metric::SERVER_DOWN, "upstream", &replicas).unwrap().value,
        0.0
    );

    let answered = probe(&scene.server(still.port()), "activity").answers_total;
    still.resume();
    down(0.0).await;
    let after = scene
        .sees(still.port(), "figures again", |server| {
            probe(server, "activity").answers_total > answered
        })
        .await;
    assert!(after.is_up && after.error.is_empty());
    scene.reads(metric::CONNECTIONS, "upstream", &name).await;
    scene.stop().await;
}

#[tokio::test]
async fn a_crash_is_seen_and_the_server_is_found_again() {
    let mut postgres = Postgres::start().await;
    let scene = Scene::of(&postgres.url("postgres"));
    scene.has_asked_everything(postgres.port()).await;
    postgres.stop().await;
    let gone = scene
        .sees(postgres.port(), "the server to be down", |server| !server.is_up)
        .await;
    assert!(gone.error.contains("cannot reach"), "{}", gone.error);
    let text = scene.ground.registry.encode();
    let up = format!("weir_server_up{{upstream=\"127.0.0.1:{}\"}}", postgres.port());
    assert!(text.contains(&format!("{up} 0")), "{text}");
    postgres.start_again().await;
    scene
        .sees(postgres.port(), "the server to be back", |server| {
            server.is_up && server.error.is_empty()
        })
        .await;
    let text = scene.ground.registry.encode();
    assert!(text.contains(&format!("{up} 1")), "{text}");
    assert!(text.contains("probe=\"activity\",outcome=\"answered\""), "{text}");
    scene.stop().await;
}

#[tokio::test]
async fn a_server_that_does_not_let_the_monitor_in_is_not_down() {
    let postgres = PostgresOptions::new()
        .user("plain", "secret")
        .hba("host all all 127.0.0.1/32 scram-sha-256")
        .start()
        .await;
    let url = postgres.url("postgres").replace("postgres@", "plain:wrong@");
    let scene = Scene::of(&url);
    let told = scene
        .sees(postgres.port(), "the refusal", |server| !server.error.is_empty())
        .await;
    assert!(
        !told.is_up && told.error.contains("does not let user plain"),
        "{}",
        told.error
    );
    assert!(!told.error.contains("wrong"), "{}", told.error);
    let name = format!("127.0.0.1:{}", postgres.port());
    assert_eq!(scene.reads(metric::SERVER_DOWN, "upstream", &name).await.value, 0.0);
    scene.stop().await;
}

#[tokio::test]
async fn a_server_that_was_never_there_is_down_and_nothing_is_watched_where_nothing_is_named() {
    let port = weir_testkit::free_port();
    let scene = Scene::of(&format!("postgres://u@127.0.0.1:{port}/d"));
    let name = format!("127.0.0.1:{port}");
    assert_eq!(scene.reads(metric::SERVER_DOWN, "upstream", &name).await.value, 1.0);
    scene.stop().await;
    let scene = Scene::with(
        &format!("postgres://u@127.0.0.1:{port}/d"),
        &[("WEIR_MONITOR__SERVER_WATCH", "false")],
    );
    assert!(scene.servers.get(&api::GetServerRequest::default()).servers.is_empty());
    scene.stop().await;
}

#[test]
fn servers_that_cannot_be_are_refused_by_the_name_of_their_setting() {
    let refusal = |settings: &[(&str, &str)]| {
        let all = [("DATABASE_URL", "postgres://u@h/d")];
        let all = all
            .iter()
            .chain(settings)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let sources = Sources::load(None, all.collect::<Vec<_>>()).unwrap();
        crate::settings::check(&sources).map(|_| ()).unwrap_err().to_string()
    };
    for (name, value, key) in [
        ("WEIR_MONITOR__SERVER_REPLICAS", "h:port", "monitor.server_replicas"),
        ("WEIR_GATEWAY__REPLICAS", "h:port", "gateway.replicas"),
        ("WEIR_MONITOR__SERVER_CPU_PERCENT", "0", "monitor.server_cpu_percent"),
        ("WEIR_MONITOR__SERVER_CPU_PERCENT", "NaN", "monitor.server_cpu_percent"),
        ("DATABASE_URL", "mysql://h", "database.url"),
    ] {
        let text = refusal(&[(name, value)]);
        assert!(text.contains(key), "{text}");
    }
    let names = |settings: &[(&str, &str)]| {
        let all = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let sources = Sources::load(None, all.collect::<Vec<_>>()).unwrap();
        let settings = crate::settings::check(&sources).unwrap();
        let found = super::super::upstreams(&sources, &settings).unwrap();
        found
            .iter()
            .map(|target| format!("{}:{}", target.host(), target.port()))
            .collect::<Vec<_>>()
    };
    let url = ("DATABASE_URL", "postgres://u@a/d");
    let gateways = ("WEIR_GATEWAY__REPLICAS", "b:1, c");
    assert_eq!(names(&[]), Vec::<String>::new());
    assert_eq!(names(&[url, gateways]), ["a:5432", "b:1", "c:5432"]);
    assert_eq!(
        names(&[url, gateways, ("WEIR_MONITOR__SERVER_REPLICAS", "x:9")]),
        ["a:5432", "x:9"]
    );
}
