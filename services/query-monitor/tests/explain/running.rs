//! What a run leaves behind: nothing that a rollback undoes, and no session.

use std::time::Duration;

use tonic::{Code, Request};
use weir_proto::monitor::v1 as api;
use weir_testkit::{Database, Postgres, eventually};

use crate::{Monitor, SOON, busy, nothing_runs, planned, run, slug, slugs};

async fn on_accounts() -> (Database, Monitor) {
    let database = Postgres::shared().await.database().await;
    database
        .psql(
            "create table accounts (id serial primary key, balance int); insert into accounts (balance) select 100 from generate_series(1, 10);
             create table log (id int); analyze accounts;
             create function sneaky() returns int language plpgsql volatile as $$begin insert into log values (1); return 1; end$$;
             create function liar() returns int language plpgsql immutable as $$begin return sneaky(); end$$;
             create function loud() returns int language plpgsql as $$begin perform pg_notify('news', 'x'); return 1; end$$;
             create function commits() returns int language plpgsql as $$begin commit; return 1; end$$;
             create function opens() returns int language plpgsql as $$begin set local transaction_read_only = off; insert into log values (3); return 1; end$$;",
        )
        .await;
    let monitor = Monitor::start(&database).await;
    (database, monitor)
}

fn writing(sql: &str) -> api::AnalyzeRequest {
    api::AnalyzeRequest {
        allow_writes: true,
        ..run(sql)
    }
}

/// Everything that a test of this file may have changed.
async fn traces(database: &Database) -> String {
    database
        .psql("select sum(balance), count(*), (select count(*) from log), to_regclass('copied') from accounts")
        .await
}

#[tokio::test]
async fn a_write_is_run_only_where_that_is_asked_for_and_rolled_back_even_then() {
    let (database, monitor) = on_accounts().await;
    for (sql, top) in [
        ("update accounts set balance = balance - 1", "Update on public.accounts"),
        ("delete from accounts where id > 5", "Delete on public.accounts"),
        (
            "insert into accounts (id, balance) values (77, 1)",
            "Insert on public.accounts",
        ),
        (
            "with gone as (delete from accounts returning *) select count(*) from gone",
            "Delete on public.accounts",
        ),
        ("select * into copied from accounts", "Seq Scan"),
        ("create table copied as select * from accounts", "Seq Scan"),
        ("create materialized view copied as select * from accounts", "Seq Scan"),
        (
            "merge into accounts a using (values (1)) v (id) on a.id = v.id when matched then update set balance = 0",
            "Merge on public.accounts",
        ),
        ("select * from accounts for update", "LockRows"),
    ] {
        let answer = monitor.analyze(planned(sql)).await;
        assert!(
            answer.plan_text.contains(top) && answer.execution_ms.is_none(),
            "{sql}: {}",
            answer.plan_text
        );
        let (slug, error) = monitor.refused(run(sql)).await;
        assert_eq!(
            (slug.as_str(), error.code()),
            ("explain-writes", Code::InvalidArgument),
            "{sql}: {error}"
        );
        assert!(error.message().contains("allow_writes"), "{error}");
        assert_eq!(traces(&database).await, "1000|10|0|", "{sql}");

        let answer = monitor.analyze(writing(sql)).await;
        assert!(answer.plan_text.contains(top), "{sql}: {}", answer.plan_text);
        assert!(
            answer.execution_ms.is_some() && answer.warnings[0].contains("rolled back"),
            "{:?}",
            answer.warnings
        );
        assert_eq!(traces(&database).await, "1000|10|0|", "{sql} was not rolled back");
    }
    nothing_runs(&database).await;
    monitor.stop().await;
}

#[tokio::test]
async fn a_function_cannot_write_unseen() {
    let (database, monitor) = on_accounts().await;
    for sql in [
        "select sneaky()",
        "select opens()",
        "select * from accounts where balance = sneaky()",
    ] {
        let (slug, error) = monitor.refused(run(sql)).await;
        assert!(
            ["explain-writes", "postgres-conflict", "postgres-invalid-input"].contains(&slug.as_str()),
            "{sql}: {error}"
        );
        assert_eq!(traces(&database).await, "1000|10|0|", "{sql}");
    }
    let (slug, error) = monitor.refused(run("select sneaky()")).await;
    assert_eq!(slug, "explain-writes", "{error}");
    assert!(error.message().contains("read-only transaction"), "{error}");
    // The planner itself calls what claims to be immutable.
    let (slug, _) = monitor
        .refused(planned("select * from accounts where id = liar()"))
        .await;
    assert_eq!(slug, "explain-writes");
    let (_, error) = monitor.refused(writing("select commits()")).await;
    assert!(error.message().contains("invalid transaction termination"), "{error}");
    assert_eq!(traces(&database).await, "1000|10|0|");

    let answer = monitor.analyze(writing("select sneaky()")).await;
    assert!(
        answer
            .warnings
            .iter()
            .any(|warning| warning.contains("it called sneaky")),
        "{:?}",
        answer.warnings
    );
    assert_eq!(
        traces(&database).await,
        "1000|10|0|",
        "the function's row was not rolled back"
    );
    monitor.stop().await;
}

#[tokio::test]
async fn what_no_rollback_undoes_is_told() {
    let (database, monitor) = on_accounts().await;
    let insert = "insert into accounts (balance) values (1), (2)";
    assert_eq!(monitor.analyze(planned(insert)).await.warnings, [""; 0]);
    let answer = monitor.analyze(writing(insert)).await;
    let told = answer
        .warnings
        .iter()
        .find(|warning| warning.contains("accounts_id_seq"));
    assert!(
        told.is_some_and(|told| told.contains("not given back")),
        "{:?}",
        answer.warnings
    );
    assert_eq!(database.psql("select last_value from accounts_id_seq").await, "12");
    assert_eq!(traces(&database).await, "1000|10|0|");
    // A sequence is not moved unseen.
    let (slug, _) = monitor.refused(run("select nextval('accounts_id_seq')")).await;
    assert_eq!(slug, "explain-writes");
    assert_eq!(database.psql("select last_value from accounts_id_seq").await, "12");
    monitor.stop().await;
}

#[tokio::test]
async fn a_notification_of_a_run_is_not_sent() {
    let (database, monitor) = on_accounts().await;
    let listening = database.clone();
    let heard = listening.psql("listen news; select pg_sleep(2.5); select 'the end'");
    let told = async {
        eventually("somebody to listen", SOON, || async {
            let seen = database
                .psql(
                    "select count(*) from pg_stat_activity where query = 'select pg_sleep(2.5);' and state = 'active'",
                )
                .await;
            (seen == "1").then_some(()).ok_or(seen)
        })
        .await;
        monitor.analyze(writing("select loud()")).await;
        database.psql("notify news, 'a real one'").await;
    };
    let (heard, ()) = tokio::join!(heard, told);
    assert!(
        heard.contains("a real one") && !heard.contains("payload \"x\""),
        "{heard}"
    );
    monitor.stop().await;
}

/// Waits until the statement is at work on the server.
async fn is_busy(database: &Database) {
    eventually("the statement to run", SOON, || async {
        let seen = busy(database).await;
        seen.contains("active: explain").then_some(()).ok_or(seen)
    })
    .await;
}

const LONG: &str = "select count(*) from generate_series(1, 2000000000) g where pg_sleep(0.01) is not null";

#[tokio::test]
async fn a_time_out_ends_the_statement_on_the_server() {
    let (database, monitor) = on_accounts().await;
    let mut request = run(LONG);
    request.timeout_ms = 300;
    let (slug, error) = monitor.refused(request).await;
    assert_eq!(
        (slug.as_str(), error.code()),
        ("explain-timeout", Code::DeadlineExceeded),
        "{error}"
    );
    nothing_runs(&database).await;
    // The setting bounds what a caller may ask for.
    let bounded = Monitor::start_with(&database, &[("WEIR_MONITOR__EXPLAIN_TIMEOUT", "300ms")]).await;
    let mut request = run(LONG);
    request.timeout_ms = 600_000;
    let (slug, _) = bounded.refused(request).await;
    assert_eq!(slug, "explain-timeout");
    nothing_runs(&database).await;
    bounded.stop().await;
    monitor.stop().await;
}

#[tokio::test]
async fn a_function_that_will_not_be_cancelled_is_ended_all_the_same() {
    let (database, monitor) = on_accounts().await;
    database
        .psql(
            "create function stubborn() returns int language plpgsql as $$begin
                loop begin perform pg_sleep(600); exception when query_canceled then null; end; end loop; end$$",
        )
        .await;
    let mut request = run("select stubborn()");
    request.timeout_ms = 300;
    let (slug, _) = monitor.refused(request).await;
    assert_eq!(slug, "explain-timeout");
    nothing_runs(&database).await;
    monitor.stop().await;
}

#[tokio::test]
async fn a_caller_who_goes_away_or_whose_time_is_over_leaves_nothing_running() {
    let (database, monitor) = on_accounts().await;
    let mut client = monitor.client.clone();
    let mut call = Box::pin(client.analyze(run(LONG)));
    tokio::select! {
        answered = &mut call => panic!("it was answered: {answered:?}"),
        () = is_busy(&database) => {}
    }
    drop(call);
    nothing_runs(&database).await;

    let mut request = Request::new(writing(&format!(
        "update accounts set balance = 0 where exists ({LONG})"
    )));
    request.set_timeout(Duration::from_millis(500));
    let error = monitor.client.clone().analyze(request).await.unwrap_err();
    assert!(
        [Code::DeadlineExceeded, Code::Cancelled].contains(&error.code()),
        "{error}"
    );
    nothing_runs(&database).await;
    assert_eq!(traces(&database).await, "1000|10|0|");
    monitor.stop().await;
}

#[tokio::test]
async fn one_too_many_is_refused_and_a_stop_ends_them_all() {
    let database = on_accounts_with_one_place().await;
    let (database, monitor) = database;
    let mut client = monitor.client.clone();
    let mut call = Box::pin(client.analyze(run(LONG)));
    tokio::select! {
        answered = &mut call => panic!("it was answered: {answered:?}"),
        () = is_busy(&database) => {}
    }
    let (refused, error) = monitor.refused(run("select 1")).await;
    assert_eq!(
        (refused.as_str(), error.code()),
        ("explain-busy", Code::ResourceExhausted),
        "{error}"
    );
    let tasks = monitor.tasks();
    let (answered, outcome) = tokio::join!(call, tasks.descend(SOON));
    assert_eq!(outcome, weir_runtime::Outcome::Clean);
    let error = answered.unwrap_err();
    assert!(["explain-cancelled", ""].contains(&slug(&error).as_str()), "{error}");
    nothing_runs(&database).await;
}

async fn on_accounts_with_one_place() -> (Database, Monitor) {
    let (database, monitor) = on_accounts().await;
    monitor.stop().await;
    let monitor = Monitor::start_with(&database, &[("WEIR_MONITOR__EXPLAIN_CONCURRENCY", "1")]).await;
    (database, monitor)
}

#[tokio::test]
async fn a_locked_table_is_not_waited_for_without_end() {
    let (database, monitor) = on_accounts().await;
    let locking = database.clone();
    let lock = locking.psql("begin; lock table accounts; select pg_sleep(30)");
    let asked = async {
        eventually("the lock", SOON, || async {
            let held = database
                .psql("select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted")
                .await;
            (held != "0").then_some(()).ok_or(held)
        })
        .await;
        monitor.refused(planned("select * from accounts")).await
    };
    let (slug, error) = tokio::select! {
        locked = lock => panic!("the lock went first: {locked}"),
        refused = asked => refused,
    };
    assert!(
        slug == "postgres-conflict" && error.message().contains("lock timeout"),
        "{slug}: {error}"
    );
    monitor.stop().await;
}

#[tokio::test]
async fn a_run_has_times_rows_and_buffers_of_each_node() {
    let (_database, monitor) = on_accounts().await;
    let answer = monitor
        .analyze(run(
            "select count(*) from accounts a join accounts b on b.id = a.balance",
        ))
        .await;
    assert!(
        answer.nodes.len() >= 3 && answer.nodes[0].parent.is_none(),
        "{:?}",
        answer.nodes
    );
    let own: f64 = answer.nodes.iter().map(|node| node.exclusive_ms.unwrap()).sum();
    let whole = answer.nodes[0].inclusive_ms.unwrap();
    assert!(
        (own - whole).abs() < 0.01,
        "the parts are {own} ms and the whole {whole} ms"
    );
    assert!(
        answer
            .nodes
            .iter()
            .all(|node| node.buffers.is_some() && node.actual_rows.is_some())
    );
    assert!(serde_json::from_str::<serde_json::Value>(&answer.plan_json).is_ok());
    assert!(answer.plan_text.contains("Execution Time: ") && answer.plan_text.contains("Buffers: shared hit="));
    assert_eq!(slugs(&answer), [""; 0]);
    monitor.stop().await;
}
