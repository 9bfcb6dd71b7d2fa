//! The catalogue's file: at the start, at a reload, and against the database.

use std::path::Path;
use std::time::Duration;

use tonic::Code;
use weir_bus::{Bus, Limits};
use weir_config::Sources;
use weir_proto::common::v1::value::Kind;
use weir_proto::gateway::v1 as api;
use weir_proto::gateway::v1::StatementState;
use weir_proto::gateway::v1::gateway_admin_service_client::GatewayAdminServiceClient;
use weir_testkit::{eventually, http_get};

use super::{Scene, in_order};
use crate::gateway::{Gateway, PATIENCE, assert_refused, only_value};

const ONE: &str = "[statements.one]\nsql = 'select 1 as n'\n";
const TWO: &str = "[statements.one]\nsql = 'select 2 as n'\n";

fn refused(path: &Path) -> String {
    let environment = [
        ("DATABASE_URL".to_owned(), "postgres://u@h/d".to_owned()),
        ("WEIR_GATEWAY__STATEMENTS_FILE".to_owned(), path.display().to_string()),
    ];
    let sources = Sources::load(None, environment).unwrap();
    (weir_pool_gateway::SERVICE.check)(&sources).unwrap_err().to_string()
}

#[test]
fn a_file_that_cannot_be_used_stops_the_start_with_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("statements.toml");
    let setting = format!("setting gateway.statements_file: {}: ", path.display());
    assert!(refused(&path).starts_with(&format!("{setting}cannot be read: ")));
    let bad = "[statements.one]\nsql = 'select 1'\n\n[statements.two]\nsql = 'select :a'\nparameters.b = {}\n";
    for (text, words) in [
        (bad, "statement \"two\": parameter b: its sql has no such parameter"),
        ("[statements.one\n", "line 1: "),
    ] {
        std::fs::write(&path, text).unwrap();
        let line = refused(&path);
        assert!(
            line.starts_with(&format!("{setting}{words}")) && !line.contains('\n'),
            "{line}"
        );
    }
    std::fs::write(&path, [b'#', 0xff]).unwrap();
    assert!(refused(&path).contains("cannot be read"));
    std::fs::write(&path, "#".repeat((1 << 20) + 1)).unwrap();
    assert!(refused(&path).contains("is longer than 1048576 bytes"));
}

async fn admin(gateway: &Gateway) -> GatewayAdminServiceClient<tonic::transport::Channel> {
    let address = format!("http://127.0.0.1:{}", gateway.grpc_port);
    GatewayAdminServiceClient::connect(address).await.unwrap()
}

async fn number(scene: &Scene) -> Kind {
    only_value(&scene.call(in_order("one", [])).await.unwrap())
}

#[tokio::test]
async fn a_reload_takes_the_whole_file_or_nothing_of_it() {
    let scene = Scene::set("select 1", ONE).await;
    let mut admin = admin(&scene.gateway).await;
    assert_eq!(number(&scene).await, Kind::Int64(1));
    std::fs::write(&scene.path, TWO).unwrap();
    assert_eq!(number(&scene).await, Kind::Int64(1), "before it is reloaded");
    // Another setting that is changed by hand leaves it as it is, whatever stands there.
    let set = |key: &str, value: &str| api::SetSettingRequest {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    admin.set_setting(set("pool_max", "3")).await.unwrap();
    assert_eq!(number(&scene).await, Kind::Int64(1), "before it is reloaded");
    admin.reload(api::ReloadRequest {}).await.unwrap();
    assert_eq!(number(&scene).await, Kind::Int64(2));
    std::fs::write(&scene.path, format!("{ONE}sql = 'again'\n")).unwrap();
    let status = admin.reload(api::ReloadRequest {}).await.unwrap_err();
    assert!(status.message().contains("statements.toml: line 3: "), "{status:?}");
    assert_eq!(number(&scene).await, Kind::Int64(2), "a bad file was taken over");
    admin.set_setting(set("pool_max", "4")).await.unwrap();
    assert_eq!(number(&scene).await, Kind::Int64(2));
    std::fs::write(&scene.path, "[statements.other]\nsql = 'select 3 as n'\n").unwrap();
    admin.reload(api::ReloadRequest {}).await.unwrap();
    assert_refused(
        scene.call(in_order("one", [])).await,
        Code::NotFound,
        "statement-unknown",
    );
    scene.until("other", StatementState::Prepared).await;
    admin.set_setting(set("statements_file", "")).await.unwrap_err();
}

#[tokio::test]
async fn without_a_catalogue_there_is_nothing_to_call() {
    let database = crate::gateway::database().await;
    let gateway = Gateway::on_bus(Bus::in_memory(Limits::default()), &database.url(), &[]).await;
    let mut client = gateway.client.clone();
    assert_refused(
        client.call_statement(in_order("one", [])).await,
        Code::NotFound,
        "statement-unknown",
    );
    let resolved = client.resolve_session(api::ResolveSessionRequest::default()).await;
    assert_refused(resolved, Code::NotFound, "statement-unknown");
    let listed = client
        .list_statements(api::ListStatementsRequest::default())
        .await
        .unwrap();
    assert_eq!(listed.into_inner(), api::ListStatementsResponse::default());
    let report = gateway.ground.readiness.report();
    assert!(
        report.dependencies.iter().all(|found| found.name != "statements"),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_statement_that_does_not_prepare_is_shown_and_the_others_work() {
    let book = format!(
        "{ONE}[statements.broken]\nsql = 'select a from missing'\n[statements.mute]\nsql = 'select 1 as b'\nexpires_at = 'e'\n"
    );
    let scene = Scene::set("select 1", &book).await;
    let check = scene.until("broken", StatementState::Broken).await;
    assert!(
        check.reason.contains("\"missing\" does not exist") && check.checked_unix_ms > 0,
        "{check:?}"
    );
    let check = scene.until("mute", StatementState::Broken).await;
    assert!(check.reason.contains("no column \"e\""), "{check:?}");
    let check = scene.until("one", StatementState::Prepared).await;
    assert_eq!(
        (check.columns[0].name.as_str(), check.columns[0].type_name.as_str()),
        ("n", "int4")
    );
    assert_eq!(check.database, scene.database.name());
    assert_eq!(number(&scene).await, Kind::Int64(1));
    let status = assert_refused(
        scene.call(in_order("broken", [])).await,
        Code::FailedPrecondition,
        "statement-broken",
    );
    assert!(
        status.message().contains("statement \"broken\"") && status.message().contains("missing"),
        "{status:?}"
    );
    let readyz = async |wanted: &str| {
        eventually("what the readiness says", PATIENCE, || async {
            let (_, body) = http_get(scene.gateway.ops_port, "/readyz")
                .await
                .map_err(|error| error.to_string())?;
            if body.contains(wanted) { Ok(()) } else { Err(body) }
        })
        .await;
    };
    readyz("\\\"broken\\\" in database").await;
    assert!(
        scene.gateway.ground.readiness.report().ready,
        "the others can be called"
    );
    // What is missing comes: a call finds it, and before long nobody has to call.
    scene
        .database
        .psql("create table missing (a int); insert into missing values (7)")
        .await;
    let found = async || {
        scene
            .call(in_order("broken", []))
            .await
            .map_err(|status| status.to_string())
    };
    let answer = eventually("that it is mended", Duration::from_secs(2), found).await;
    assert_eq!(only_value(&answer), Kind::Int64(7));
    scene.database.psql("alter table missing rename a to b").await;
    let status = assert_refused(
        scene.call(in_order("broken", [])).await,
        Code::FailedPrecondition,
        "statement-broken",
    );
    assert!(status.message().contains("column \"a\""), "{status:?}");
    scene.database.psql("alter table missing rename b to a").await;
    scene.until("broken", StatementState::Prepared).await;
}

#[tokio::test]
async fn a_list_has_pages_and_says_all_of_a_statement() {
    let book = r#"
[statements.a]
sql = "select :x::int8 as n, 'secret'::text as s"
description = "What a is"
consistency = "strict"
empty_ttl = "3s"
[statements.b]
sql = "update t set a = :a"
read = false
parameters.a = { type = "text", digest = "sha256" }
[statements.c]
sql = "select e from t"
expires_at = "e"
database = "postgres"
"#;
    let scene = Scene::set("create table t (a text, e timestamptz)", book).await;
    scene.until("a", StatementState::Prepared).await;
    let mut client = scene.gateway.client.clone();
    let mut asked = api::ListStatementsRequest {
        page: Some(weir_proto::common::v1::PageRequest {
            size: 2,
            token: String::new(),
        }),
        ..api::ListStatementsRequest::default()
    };
    let first = client.list_statements(asked.clone()).await.unwrap().into_inner();
    let names: Vec<_> = first.statements.iter().map(|named| named.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let a = &first.statements[0];
    assert_eq!(
        (a.description.as_str(), a.consistency.as_str(), a.empty_ttl_ms, a.read),
        ("What a is", "strict", 3_000, true)
    );
    assert_eq!(
        (a.sql.as_str(), a.fingerprint.len()),
        ("select $1::int8 as n, 'secret'::text as s", 16)
    );
    assert_eq!(
        (a.checks[0].parameters[0].type_name.as_str(), a.checks[0].columns.len()),
        ("int8", 2)
    );
    let b = &first.statements[1];
    assert!(!b.read && b.parameters[0].secret && b.parameters[0].digest == "sha256");
    asked.page.as_mut().unwrap().token = first.page.unwrap().next_token;
    let last = client.list_statements(asked.clone()).await.unwrap().into_inner();
    let c = &last.statements[0];
    assert_eq!(
        (c.name.as_str(), c.database.as_str(), c.expires_at.as_str()),
        ("c", "postgres", "e")
    );
    assert_eq!((last.statements.len(), last.page.unwrap().next_token.as_str()), (1, ""));
    assert!(!last.resolves_sessions);
    asked.page.as_mut().unwrap().token = "strange".to_owned();
    assert_refused(client.list_statements(asked).await, Code::InvalidArgument, "page-token");
}
