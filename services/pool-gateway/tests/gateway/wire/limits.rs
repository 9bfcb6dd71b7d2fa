//! What the rules and budgets of the settings do to clients.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;
use weir_bus::{Bus, Limits};
use weir_proto::gateway::v1::ExecuteRequest;
use weir_testkit::{eventually, http_get};
use weir_upstream::{ConnectOptions, Connection, Error};

use super::{Stage, code, value};
use crate::gateway::{Gateway, PATIENCE, assert_refused, database, request};

/// A gateway with a settings file, which can be changed.
struct Changing {
    stage: Stage,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Changing {
    async fn start(section: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weir.toml");
        std::fs::write(&path, format!("[gateway]\n{section}\n")).unwrap();
        let database = database().await;
        let gateway = Gateway::with_file(Bus::in_memory(Limits::default()), &database.url(), &path).await;
        Self {
            stage: Stage { gateway, database },
            path,
            _dir: dir,
        }
    }

    /// Writes the section anew and has it taken over.
    async fn change(&self, section: &str) -> Result<(), Error> {
        std::fs::write(&self.path, format!("[gateway]\n{section}\n")).unwrap();
        let mut console = self.stage.console().await;
        console.simple_query("RELOAD").await.map(|_| ())
    }
}

fn named(application: &str) -> ConnectOptions {
    ConnectOptions {
        application_name: Some(application.to_owned()),
        ..ConnectOptions::default()
    }
}

fn of_project(project: &str) -> ConnectOptions {
    ConnectOptions {
        parameters: vec![("options".to_owned(), format!("-c weir.project={project}"))],
        ..ConnectOptions::default()
    }
}

async fn refused(stage: &Stage, options: ConnectOptions) -> (String, String) {
    let error = stage.try_client(options).await.unwrap_err();
    let server = error.server().unwrap();
    (server.sqlstate.clone(), server.message.clone())
}

async fn backend(client: &mut Connection) -> String {
    value(client, "select pg_backend_pid()").await.unwrap()
}

/// Asks until it is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    eventually(what, PATIENCE, async || is_so().await.then_some(())).await;
}

/// Waits until the console shows those who call themselves so in these states.
async fn until_shown(stage: &Stage, application: &str, states: &[&str]) {
    let mut console = stage.console().await;
    eventually("the states of clients", PATIENCE, async || {
        let clients = console.simple_query("SHOW CLIENTS").await.unwrap();
        let own = clients
            .iter()
            .filter(|client| client.get("application_name") == Some(application));
        let found: Vec<_> = own.filter_map(|client| client.get("state")).collect();
        if found == states {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_changed_mode_is_taken_over_at_the_end_of_a_transaction() {
    let plain = "workers = 1\npool_max = 3\npool_min = 0\n";
    let changing = Changing::start(plain).await;
    let stage = &changing.stage;
    let mut report = stage.try_client(named("report 7")).await.unwrap();
    let mut other = stage.client().await;
    assert_eq!(backend(&mut report).await, backend(&mut other).await);
    report.simple_query("begin; select 1").await.unwrap();
    let session = "rules = ['application=\"report *\" : pool_mode=session']";
    changing.change(&format!("{plain}{session}")).await.unwrap();
    report.simple_query("commit").await.unwrap();
    until("session mode", async || {
        backend(&mut report).await != backend(&mut other).await
    })
    .await;
    report.simple_query("set geqo = off").await.unwrap();

    // It gives its connection back without being asked, and nothing of it is left there.
    changing.change(plain).await.unwrap();
    let mut console = stage.console().await;
    until("transaction mode", async || {
        let clients = console.simple_query("SHOW CLIENTS").await.unwrap();
        clients.iter().all(|client| client.get("server") == Some(""))
    })
    .await;
    assert_eq!(value(&mut other, "show geqo").await.as_deref(), Some("on"));
    assert_eq!(value(&mut report, "show geqo").await.as_deref(), Some("off"));
    changing.change("rules = [': pool_mode=statement']").await.unwrap();
    until("statement mode", async || {
        let begun = other.simple_query("begin").await;
        let refused = begun.is_err_and(|error| error.server().unwrap().sqlstate == "0A000");
        other.simple_query("rollback").await.unwrap();
        refused
    })
    .await;
}

#[tokio::test]
async fn pools_and_clients_have_the_bounds_of_their_rules() {
    let changing =
        Changing::start("pool_max = 4\nrules = ['user=postgres : pool_max=2', 'application=a* : clients_max=1']").await;
    let stage = &changing.stage;
    assert_eq!(stage.gateway.pool().await.max, 2);
    let first = stage.try_client(named("abc")).await.unwrap();
    let (sqlstate, message) = refused(stage, named("a")).await;
    assert_eq!(sqlstate, "53300");
    assert!(message.contains("\"application=a*\": 1 are in, 1 may be"), "{message}");
    let _other = stage.try_client(named("b")).await.unwrap();
    first.close().await;
    until("room for another", async || stage.try_client(named("a")).await.is_ok()).await;

    // A file with a bad rule is refused as a whole, and what held goes on to hold.
    let error = changing
        .change("pool_max = 9\nrules = ['user=x : pool_mx=2']")
        .await
        .unwrap_err();
    let said = error.server().unwrap().message.clone();
    assert!(
        said.contains("gateway.rules") && said.contains("rule 1, ") && said.contains("pool_mx"),
        "{said}"
    );
    assert_eq!(stage.gateway.pool().await.max, 2);
    changing
        .change("rules = ['database=test_* user=post* : pool_max=3']")
        .await
        .unwrap();
    assert_eq!(stage.gateway.pool().await.max, 3);
}

#[tokio::test]
async fn time_outs_and_projects_are_those_of_the_rules() {
    let rules = "statement_timeout = '1m'\n\
                 rules = ['application=hasty : statement_timeout=300ms idle_in_transaction_timeout=300ms', \
                 'application=kept : statement_timeout=300ms pool_mode=session', \
                 'application=own : project=acme']";
    let changing = Changing::start(rules).await;
    let stage = &changing.stage;
    let mut hasty = stage.try_client(named("hasty")).await.unwrap();
    assert_eq!(code(&mut hasty, "select pg_sleep(20)").await, "57014");
    // The sweep looks at nobody who has a server for as long as it likes.
    for patient in ["", "kept"] {
        let mut patient = stage.try_client(named(patient)).await.unwrap();
        let slept = value(&mut patient, "select pg_sleep(0.7)::text").await;
        assert_eq!(slept.as_deref(), Some(""));
    }
    hasty.simple_query("begin; select 1").await.unwrap();
    until_shown(stage, "hasty", &[]).await;
    assert_eq!(code(&mut hasty, "select 1").await, "25P03");

    let other = ConnectOptions {
        application_name: Some("own".to_owned()),
        ..of_project("other")
    };
    let (sqlstate, message) = refused(stage, other).await;
    assert_eq!(sqlstate, "42501");
    assert!(
        message.contains("of project acme and may not choose other"),
        "{message}"
    );
    let mut own = stage.try_client(named("own")).await.unwrap();
    value(&mut own, "select 1").await;
    let asked = |project: &str, application: &str| ExecuteRequest {
        project: project.to_owned(),
        application: application.to_owned(),
        ..request("select pg_sleep(0.4)")
    };
    let answer = stage.gateway.execute(asked("other", "own")).await;
    assert_refused(answer, Code::PermissionDenied, "project-fixed");
    stage.gateway.execute(asked("", "own")).await.unwrap();
    let answer = stage.gateway.execute(asked("", "hasty")).await;
    assert_refused(answer, Code::DeadlineExceeded, "statement-timeout");
    let metrics = http_get(stage.gateway.ops_port, "/metrics").await.unwrap().1;
    let counted = "weir_queries_total{project=\"acme\",kind=\"select\",outcome=\"ok\"} 2";
    assert!(metrics.contains(counted), "{metrics}");
}

/// Sixteen requests of two projects wait for the only connection: how many of the first eight are of the big one.
async fn big_among_eight<R>(stage: &Stage, requests: Vec<impl Future<Output = R>>) -> String {
    let table = "drop table if exists served; create table served (place serial, project text)";
    stage.database.psql(table).await;
    let mut holder = stage.client().await;
    holder.simple_query("begin; select 1").await.unwrap();
    let begin = async {
        stage
            .gateway
            .until_pool("all who wait", |pool| pool.waiting == 16)
            .await;
        holder.simple_query("commit").await.unwrap();
    };
    tokio::join!(futures_util::future::join_all(requests), begin);
    let big = "select count(*) from (select project from served order by place limit 8) s where project = 'big'";
    stage.database.psql(big).await
}

const PROJECTS: [&str; 2] = ["big", "small"];

fn serve(project: &str) -> String {
    format!("insert into served (project) values ('{project}')")
}

async fn sixteen(stage: &Stage) -> Vec<(Connection, String)> {
    let mut clients = Vec::new();
    for project in PROJECTS.into_iter().cycle().take(16) {
        let client = stage.try_client(of_project(project)).await.unwrap();
        clients.push((client, serve(project)));
    }
    clients
}

/// Has each client do its own.
fn all(clients: &mut [(Connection, String)]) -> Vec<impl Future<Output = ()>> {
    let each = clients.iter_mut().map(async |(client, sql)| {
        client.simple_query(sql).await.unwrap();
    });
    each.collect()
}

#[tokio::test]
async fn weights_share_a_pool_between_projects_by_either_door() {
    let changing = Changing::start("pool_max = 1\nrules = ['project=big : weight=3']").await;
    let stage = &changing.stage;
    let mut clients = sixteen(stage).await;
    assert_eq!(big_among_eight(stage, all(&mut clients)).await, "6", "clients");
    let calls = PROJECTS.into_iter().cycle().take(16).map(|project| ExecuteRequest {
        project: project.to_owned(),
        ..request(&serve(project))
    });
    let calls = calls.map(|call| async { stage.gateway.execute(call).await.unwrap() });
    assert_eq!(big_among_eight(stage, calls.collect()).await, "6", "calls");
}

/// The mode is shown as soon as the rules are known, and each session takes them over before its next request.
async fn until_in_mode(stage: &Stage, project: &str, mode: &str) {
    let mut console = stage.console().await;
    until("the mode", async || {
        let clients = console.simple_query("SHOW CLIENTS").await.unwrap();
        let mut own = clients.iter().filter(|client| client.get("project") == Some(project));
        own.all(|client| client.get("pool_mode") == Some(mode))
    })
    .await;
}

#[tokio::test]
async fn changed_weights_budgets_and_limits_hold_for_those_who_are_in() {
    let changing = Changing::start("pool_max = 1").await;
    let stage = &changing.stage;
    let mut clients = sixteen(stage).await;
    let rules = "rules = ['project=big : weight=3 pool_mode=statement clients_max=9']";
    changing.change(&format!("pool_max = 1\n{rules}")).await.unwrap();
    until_in_mode(stage, "big", "statement").await;
    assert_eq!(
        big_among_eight(stage, all(&mut clients)).await,
        "6",
        "of the first eight"
    );
    // Eight are in, and count.
    let _ninth = stage.try_client(of_project("big")).await.unwrap();
    let (sqlstate, message) = refused(stage, of_project("big")).await;
    assert_eq!(sqlstate, "53300");
    assert!(message.contains("9 are in, 9 may be"), "{message}");

    let poor = "acquire_timeout = '2s'\nrules = ['project=big : queries_per_second=0.1 pool_mode=transaction']";
    changing.change(poor).await.unwrap();
    until_in_mode(stage, "big", "transaction").await;
    let (client, _) = &mut clients[0];
    value(client, "select 1").await;
    assert_eq!(code(client, "select 1").await, "53400");
    changing.change("").await.unwrap();
    until("a budget without bounds", async || {
        client.simple_query("select 1").await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_project_runs_as_many_queries_as_its_budget_has() {
    let rules = "['project=acme : queries_per_second=20', 'project=tiny : queries_per_second=0.1']";
    let settings = format!("acquire_timeout = '2s'\nrules = {rules}");
    let changing = Changing::start(&settings).await;
    let stage = &changing.stage;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(stage.try_client(of_project("acme")).await.unwrap());
    }
    // 40 are saved up, and 20 come in each second.
    let begun = Instant::now();
    let runs = clients.iter_mut().map(async |client| {
        for _ in 0..15 {
            client.simple_query("select 1").await.unwrap();
        }
    });
    futures_util::future::join_all(runs).await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(700), "60 queries took {took:?}");
    // Others are not held up by it.
    let mut other = stage.client().await;
    for _ in 0..100 {
        other.simple_query("select 1").await.unwrap();
    }
    let metrics = http_get(stage.gateway.ops_port, "/metrics").await.unwrap().1;
    let waits: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("weir_budget_wait_seconds_count"))
        .collect();
    assert!(waits.len() == 1 && waits[0].contains("acme"), "{waits:?}");
    // gRPC draws on the same budget.
    let acme = || ExecuteRequest {
        project: "acme".to_owned(),
        ..request("select 1")
    };
    let calls: Vec<_> = (0..100).map(|_| stage.gateway.begin(acme())).collect();
    let mut refused = 0;
    for call in calls {
        if let Err(status) = call.await.unwrap() {
            let retry = status
                .metadata()
                .get("weir-retry")
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            assert!(retry.starts_with("after-"), "{retry}");
            assert_refused(Err::<(), _>(status), Code::ResourceExhausted, "budget-spent");
            refused += 1;
        }
    }
    assert!((5..=70).contains(&refused), "{refused} of 100 were refused");
    let mut tiny = stage.try_client(of_project("tiny")).await.unwrap();
    tiny.simple_query("select 1").await.unwrap();
    let error = tiny.simple_query("select 1").await.unwrap_err();
    let refusal = error.server().unwrap();
    assert_eq!(refusal.sqlstate, "53400");
    assert_eq!(refusal.hint.as_deref(), Some("Try again in 10 s."));
    let metrics = http_get(stage.gateway.ops_port, "/metrics").await.unwrap().1;
    assert!(
        metrics.contains("weir_budget_refusals_total{project=\"acme\",what=\"queries\"}"),
        "{metrics}"
    );
    assert!(
        metrics.contains("weir_budget_left_ratio{project=\"acme\",what=\"queries\"}"),
        "{metrics}"
    );
}

#[tokio::test]
async fn what_was_spent_too_much_is_waited_for_and_the_wait_can_be_left() {
    let rules = "rules = ['project=acme : rows_per_second=1000', 'application=session : pool_mode=session']";
    let changing = Changing::start(&format!("acquire_timeout = '30s'\n{rules}")).await;
    let stage = &changing.stage;
    let mut client = stage.try_client(of_project("acme")).await.unwrap();
    // Inside a transaction nobody waits.
    client.simple_query("begin; select 1").await.unwrap();
    for _ in 0..3 {
        client
            .simple_query("select * from generate_series(1, 1000)")
            .await
            .unwrap();
    }
    client.simple_query("commit").await.unwrap();
    let begun = Instant::now();
    value(&mut client, "select 1").await;
    let took = begun.elapsed();
    assert!(
        (Duration::from_millis(500)..Duration::from_secs(5)).contains(&took),
        "it waited {took:?}"
    );
    // So does one who keeps its connection, before its next transaction.
    let session = ConnectOptions {
        application_name: Some("session".to_owned()),
        ..of_project("acme")
    };
    let mut kept = stage.try_client(session).await.unwrap();
    let before = backend(&mut kept).await;
    kept.simple_query("select * from generate_series(1, 4000)")
        .await
        .unwrap();
    let cancel = kept.cancel_token();
    let run = async { code(&mut kept, "select 1").await };
    let ask = async {
        until_shown(stage, "session", &["waiting"]).await;
        cancel.cancel().await.unwrap();
    };
    let begun = Instant::now();
    let (sqlstate, ()) = tokio::join!(run, ask);
    assert_eq!(sqlstate, "57014");
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(backend(&mut kept).await, before, "it lost its connection");
    // The console ends it as well.
    let kill = format!("KILL {}", kept.process_id());
    value(&mut kept, "select count(*) from generate_series(1, 4000)").await;
    kept.simple_query("select * from generate_series(1, 4000)")
        .await
        .unwrap();
    let run = async { code(&mut kept, "select 1").await };
    let ask = async {
        until_shown(stage, "session", &["waiting"]).await;
        stage.console().await.simple_query(&kill).await.unwrap();
    };
    let (sqlstate, ()) = tokio::join!(run, ask);
    assert_eq!(sqlstate, "57P01");
    // A deadline ends the wait as well.
    let of_acme = |timeout_ms| ExecuteRequest {
        project: "acme".to_owned(),
        timeout_ms,
        ..request("select * from generate_series(1, 4000)")
    };
    stage.gateway.execute(of_acme(0)).await.unwrap();
    let begun = Instant::now();
    let answer = stage.gateway.execute(of_acme(200)).await;
    assert_refused(answer, Code::DeadlineExceeded, "statement-timeout");
    assert!(begun.elapsed() < Duration::from_secs(2));
}
