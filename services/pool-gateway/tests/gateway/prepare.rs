//! Statements that are declared by name and sent by their handle.

use tonic::Code;
use weir_proto::common::v1::value::Kind;
use weir_proto::gateway::v1::{BatchRequest, ExecuteRequest, PrepareRequest, PrepareResponse, Statement};

use crate::batch::run;
use crate::gateway::{Gateway, assert_refused, database, only_value, parameter, request};

async fn prepare(gateway: &Gateway, name: &str, sql: &str, types: &[&str]) -> Result<PrepareResponse, tonic::Status> {
    let asked = PrepareRequest {
        name: name.to_owned(),
        sql: sql.to_owned(),
        parameter_types: types.iter().map(|name| (*name).to_owned()).collect(),
        ..PrepareRequest::default()
    };
    gateway
        .client
        .clone()
        .prepare(asked)
        .await
        .map(tonic::Response::into_inner)
}

fn by_handle(handle: &str, number: i64) -> ExecuteRequest {
    ExecuteRequest {
        handle: handle.to_owned(),
        parameters: vec![parameter(Kind::Int64(number), "")],
        ..ExecuteRequest::default()
    }
}

#[tokio::test]
async fn a_handle_stands_for_its_statement_on_every_connection() {
    let database = database().await;
    database.psql("create table t (a int, b text)").await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "2")]).await;
    let prepared = prepare(&gateway, "by a", "select b from t where a = $1", &[])
        .await
        .unwrap();
    assert_eq!(
        (
            prepared.parameters[0].type_name.as_str(),
            prepared.columns[0].type_name.as_str()
        ),
        ("int4", "text")
    );
    assert_eq!(
        prepare(&gateway, "by a", "", &[]).await.unwrap(),
        prepared,
        "by its name alone"
    );
    let typed = prepare(&gateway, "twice", "select $1 + $1 as n", &["int8"])
        .await
        .unwrap();
    assert_eq!(
        (typed.parameters[0].type_name.as_str(), typed.columns[0].type_oid),
        ("int8", 20)
    );
    let insert = prepare(&gateway, "put", "insert into t values ($1, 'x')", &[])
        .await
        .unwrap();
    assert!(insert.columns.is_empty() && insert.fingerprint.len() == 16);
    for number in 0..10 {
        let answer = gateway.execute(by_handle(&typed.handle, number)).await.unwrap();
        assert_eq!(only_value(&answer), Kind::Int64(2 * number));
        gateway.execute(by_handle(&insert.handle, number)).await.unwrap();
        assert_eq!(
            only_value(&gateway.execute(by_handle(&prepared.handle, number)).await.unwrap()),
            Kind::Text("x".to_owned())
        );
    }
    let kept = "select count(*) from pg_prepared_statements where name <> '' and generic_plans + custom_plans >= 1";
    assert_eq!(gateway.value(kept).await, Kind::Int64(3));
    let statement = |number| Statement {
        handle: insert.handle.clone(),
        parameters: vec![parameter(Kind::Int64(number), "")],
        ..Statement::default()
    };
    let asked = BatchRequest {
        statements: (0..5).map(statement).collect(),
        transaction: true,
        ..BatchRequest::default()
    };
    assert_eq!(run(&gateway, asked).await.unwrap().results.len(), 5);
    assert_eq!(database.psql("select count(*) from t").await, "15");
}

#[tokio::test]
async fn a_table_that_changes_is_no_error_to_who_uses_a_handle() {
    let database = database().await;
    database.psql("create table t as select 1 as a").await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1")]).await;
    let prepared = prepare(&gateway, "all", "select * from t", &[]).await.unwrap();
    let asked = ExecuteRequest {
        handle: prepared.handle,
        ..ExecuteRequest::default()
    };
    for columns in 1..4 {
        let answer = gateway.execute(asked.clone()).await.unwrap();
        assert_eq!(answer.columns.len(), columns);
        database.psql(&format!("alter table t add c{columns} int")).await;
    }
    gateway.run("deallocate all").await.unwrap();
    assert_eq!(gateway.execute(asked).await.unwrap().columns.len(), 4);
}

#[tokio::test]
async fn what_is_not_declared_is_not_known() {
    let database = database().await;
    let gateway = Gateway::start(&database.url(), &[]).await;
    let refused = gateway.execute(by_handle("p0123", 1)).await;
    assert_refused(refused, Code::NotFound, "statement-unknown");
    assert_refused(
        prepare(&gateway, "nothing", "", &[]).await,
        Code::NotFound,
        "statement-unknown",
    );
    assert_refused(
        prepare(&gateway, "wrong", "selec", &[]).await,
        Code::InvalidArgument,
        "postgres-invalid-input",
    );
    assert_refused(
        prepare(&gateway, "wrong", "", &[]).await,
        Code::NotFound,
        "statement-unknown",
    );
    assert_refused(
        prepare(&gateway, "", "select 1", &[]).await,
        Code::InvalidArgument,
        "request-invalid",
    );
    let typed = prepare(&gateway, "typed", "select $1", &["no_such_type"]).await;
    assert_refused(typed, Code::InvalidArgument, "parameter-invalid");
    let prepared = prepare(&gateway, "one", "select 1", &[]).await.unwrap();
    let both = ExecuteRequest {
        handle: prepared.handle.clone(),
        ..request("select 1")
    };
    assert_refused(gateway.execute(both).await, Code::InvalidArgument, "request-invalid");
    let elsewhere = ExecuteRequest {
        handle: prepared.handle,
        project: "blog".to_owned(),
        ..ExecuteRequest::default()
    };
    assert_refused(gateway.execute(elsewhere).await, Code::NotFound, "statement-unknown");
}

#[tokio::test]
async fn a_text_that_is_asked_again_is_prepared_and_a_changed_table_is_not_noticed() {
    let database = database().await;
    database
        .psql("create table t (a int, b text); insert into t values (1, 'x')")
        .await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1")]).await;
    let kept =
        "select coalesce(string_agg(statement, ';'), '') from pg_prepared_statements where statement !~ 'pg_prepared'";
    let asked = || ExecuteRequest {
        parameters: vec![parameter(Kind::Int64(1), "")],
        ..request("select * from t where a = $1")
    };
    gateway.execute(asked()).await.unwrap();
    assert_eq!(gateway.value(kept).await, Kind::Text(String::new()), "once is no habit");
    gateway.execute(asked()).await.unwrap();
    let prepared = Kind::Text(asked().sql);
    assert_eq!(gateway.value(kept).await, prepared);
    // Definitions and settings are not planned, however often they come.
    for _ in 0..3 {
        gateway.run("alter table t alter column b type varchar").await.unwrap();
    }
    database.psql("alter table t add column c int not null default 7").await;
    let answer = gateway.execute(asked()).await.unwrap();
    let names: Vec<_> = answer.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(answer.rows[0].values[2].kind, Some(Kind::Int64(7)));
    assert_eq!(gateway.value(kept).await, prepared);
}
