//! The gRPC door: each kind of call is judged, and tells its caller in the usual form.

use tonic::Code;
use weir_bus::{Bus, Limits};
use weir_proto::events::v1::{Door, ViolationAction};
use weir_proto::gateway::v1 as api;
use weir_proto::gateway::v1::statement_result::Outcome;
use weir_proto::gateway::v1::transaction_request::Step;
use weir_proto::gateway::v1::transaction_response::Part;

use super::{INJECTED, VIOLATIONS, goods, until_told};
use crate::gateway::{Gateway, assert_refused, database, request};

const SLUG: &str = "firewall-blocked";

fn statement(sql: &str) -> api::Statement {
    api::Statement {
        sql: sql.to_owned(),
        ..api::Statement::default()
    }
}

#[tokio::test]
async fn every_call_refuses_what_is_dangerous() {
    let (database, bus) = (database().await, Bus::in_memory(Limits::default()));
    goods(&database).await;
    let mut listener = bus.subscribe(VIOLATIONS, None).await.unwrap();
    let settings = [("firewall", "enforce"), ("pool_max", "2")];
    let gateway = Gateway::on_bus(bus, &database.url(), &settings).await;
    let status = assert_refused(gateway.run(INJECTED).await, Code::PermissionDenied, SLUG);
    assert!(
        status.message().contains("stacked-statements") && !status.message().contains("goods"),
        "{status:?}"
    );
    let violation = until_told(&mut listener, "stacked-statements").await;
    assert_eq!(
        (violation.action(), violation.door()),
        (ViolationAction::Blocked, Door::Grpc)
    );
    assert_eq!(violation.client, "127.0.0.1");

    let mut client = gateway.client.clone();
    let asked = api::QueryRequest {
        sql: INJECTED.to_owned(),
        ..api::QueryRequest::default()
    };
    let mut stream = client.query(asked).await.unwrap().into_inner();
    assert_refused(stream.message().await, Code::PermissionDenied, SLUG);
    let asked = api::BatchRequest {
        statements: vec![
            statement("update goods set name = 'x' where id = 1"),
            statement(INJECTED),
        ],
        transaction: true,
        ..api::BatchRequest::default()
    };
    let status = assert_refused(client.batch(asked).await, Code::PermissionDenied, SLUG);
    assert_eq!(status.metadata().get("weir-batch-index").unwrap(), "1");
    let asked = api::PrepareRequest {
        name: "injected".to_owned(),
        sql: INJECTED.to_owned(),
        ..api::PrepareRequest::default()
    };
    assert_refused(client.prepare(asked).await, Code::PermissionDenied, SLUG);
    let keyed = api::ExecuteRequest {
        want_token: true,
        ..request(INJECTED)
    };
    assert_refused(gateway.execute(keyed).await, Code::PermissionDenied, SLUG);
    assert_eq!(
        database
            .psql("select string_agg(name, ' ' order by id) from goods")
            .await,
        "tea rice"
    );
    gateway.run("select name from goods").await.unwrap();
}

#[tokio::test]
async fn a_transaction_fails_with_its_statement() {
    let database = database().await;
    goods(&database).await;
    let gateway = Gateway::start(&database.url(), &[("firewall", "enforce"), ("pool_max", "2")]).await;
    let step = |step| api::TransactionRequest { step: Some(step) };
    let execute = |sql: &str| {
        step(Step::Execute(api::TransactionStatement {
            sql: sql.to_owned(),
            ..api::TransactionStatement::default()
        }))
    };
    let steps = vec![
        step(Step::Begin(api::Begin::default())),
        execute("update goods set name = 'x' where id = 1"),
        execute(INJECTED),
        execute("select 1"),
        step(Step::Rollback(api::Rollback {})),
    ];
    let answers = gateway
        .client
        .clone()
        .transaction(futures_util::stream::iter(steps))
        .await
        .unwrap();
    let (mut answers, mut errors) = (answers.into_inner(), Vec::new());
    while let Some(answer) = answers.message().await.unwrap() {
        if let Some(Part::Error(error)) = answer.part {
            errors.push((answer.step, error.slug, error.sqlstate));
        }
    }
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert_eq!((errors[0].0, errors[0].1.as_str()), (3, SLUG));
    assert_eq!((errors[1].0, errors[1].2.as_str()), (4, "25P02"));
    assert_eq!(database.psql("select name from goods where id = 1").await, "tea");
}

#[tokio::test]
async fn in_a_batch_it_fails_by_itself_where_each_does() {
    let (database, bus) = (database().await, Bus::in_memory(Limits::default()));
    goods(&database).await;
    let mut listener = bus.subscribe(VIOLATIONS, None).await.unwrap();
    let settings = [("firewall", "enforce"), ("pool_max", "2")];
    let gateway = Gateway::on_bus(bus, &database.url(), &settings).await;
    let renamed = |name: &str| format!("update goods set name = '{name}' where id = 1");
    let among = |places: &[bool], savepoints: bool| {
        let sql = places.iter().enumerate().map(|(place, is_refused)| match is_refused {
            true => INJECTED.to_owned(),
            false => renamed(&format!("by {place}")),
        });
        api::BatchRequest {
            statements: sql.map(|sql| statement(&sql)).collect(),
            transaction: savepoints,
            savepoints,
            ..api::BatchRequest::default()
        }
    };
    for savepoints in [false, true] {
        // First, last, in between, side by side, more than once, and none that runs.
        for places in [
            &[true, false][..],
            &[false, true],
            &[false, true, false],
            &[true, true, false, true, true, false, true],
            &[true, true],
        ] {
            database.psql("update goods set name = 'tea' where id = 1").await;
            let answer = gateway.client.clone().batch(among(places, savepoints)).await;
            let results = answer.unwrap().into_inner().results;
            assert_eq!(results.len(), places.len());
            for (result, is_refused) in results.iter().zip(places) {
                match result.outcome.as_ref().unwrap() {
                    Outcome::Answer(answer) => assert!(!is_refused && answer.command_tag == "UPDATE 1", "{answer:?}"),
                    Outcome::Error(error) => assert!(*is_refused && error.slug == SLUG, "{error:?}"),
                }
            }
            let last = places.iter().rposition(|is_refused| !is_refused);
            let name = last.map_or("tea".to_owned(), |place| format!("by {place}"));
            assert_eq!(database.psql("select name from goods where id = 1").await, name);
        }
    }
    until_told(&mut listener, "stacked-statements").await;
    // What runs beside it may fail as well, and what comes behind it is answered as ever.
    let asked = api::BatchRequest {
        statements: vec![statement("select 1 / 0"), statement(INJECTED), statement("select 7")],
        want_token: true,
        ..api::BatchRequest::default()
    };
    let answer = gateway.client.clone().batch(asked).await.unwrap().into_inner();
    assert!(!answer.token.is_empty());
    let errors = answer
        .results
        .iter()
        .map(|result| match result.outcome.as_ref().unwrap() {
            Outcome::Answer(answer) => answer.command_tag.as_str(),
            Outcome::Error(error) => error.slug.as_str(),
        });
    assert_eq!(errors.collect::<Vec<_>>(), ["postgres-invalid-input", SLUG, "SELECT 1"]);
    gateway.run("select name from goods").await.unwrap();
}
