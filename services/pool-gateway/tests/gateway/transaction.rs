//! One transaction, step by step.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, IntoRequest as _, Status, Streaming};
use weir_proto::common::v1::value::Kind;
use weir_proto::gateway::v1::transaction_request::Step;
use weir_proto::gateway::v1::transaction_response::Part;
use weir_proto::gateway::v1::{
    Begin, CancelRequest, Commit, Isolation, Rollback, TransactionRequest, TransactionResponse, TransactionStatement,
};
use weir_testkit::{Database, eventually};

use crate::gateway::{Gateway, PATIENCE, assert_refused, database, until_made_no_more, until_running};

/// A transaction as its caller sees it.
pub(crate) struct Caller {
    steps: mpsc::Sender<TransactionRequest>,
    answers: Streaming<TransactionResponse>,
}

impl Caller {
    pub(crate) async fn begin(gateway: &Gateway, begin: Begin) -> Self {
        let mut caller = Self::open(gateway, None).await;
        caller.send(Step::Begin(begin)).await;
        assert!(matches!(caller.part().await, Part::Done(_)));
        caller
    }

    async fn open(gateway: &Gateway, deadline: Option<Duration>) -> Self {
        let (steps, receiver) = mpsc::channel(100);
        let mut request = ReceiverStream::new(receiver).into_request();
        if let Some(deadline) = deadline {
            request.set_timeout(deadline);
        }
        let call = gateway.client.clone().transaction(request).await;
        Self {
            steps,
            answers: call.unwrap().into_inner(),
        }
    }

    pub(crate) async fn send(&self, step: Step) {
        self.steps.send(TransactionRequest { step: Some(step) }).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Result<Option<TransactionResponse>, Status> {
        self.answers.message().await
    }

    async fn part(&mut self) -> Part {
        self.next().await.unwrap().unwrap().part.unwrap()
    }

    /// Runs a statement; its first values, or the SQLSTATE or slug of its error.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<Vec<Kind>, String> {
        self.send(Step::Execute(TransactionStatement {
            sql: sql.to_owned(),
            ..TransactionStatement::default()
        }))
        .await;
        let mut values = Vec::new();
        loop {
            match self.part().await {
                Part::Columns(_) => {}
                Part::Rows(batch) => {
                    values.extend(batch.rows.into_iter().map(|row| row.values[0].kind.clone().unwrap()));
                }
                Part::Summary(_) => return Ok(values),
                Part::Error(error) => {
                    return Err(if error.sqlstate.is_empty() {
                        error.slug
                    } else {
                        error.sqlstate
                    });
                }
                other => panic!("{other:?}"),
            }
        }
    }

    async fn done(&mut self, step: Step) {
        self.send(step).await;
        let part = self.part().await;
        assert!(matches!(part, Part::Done(_)), "{part:?}");
    }

    /// Sends the last step; whether it was committed, and the token.
    pub(crate) async fn end(&mut self, step: Step) -> (bool, String) {
        self.send(step).await;
        let Part::Ended(ended) = self.part().await else {
            panic!("it has not ended")
        };
        assert!(self.next().await.unwrap().is_none());
        (ended.committed, ended.token)
    }
}

pub(crate) const COMMIT: Step = Step::Commit(Commit { want_token: false });

async fn table() -> Database {
    let database = database().await;
    database.psql("create table t (a int primary key)").await;
    database
}

async fn found(database: &Database) -> String {
    database
        .psql("select coalesce(string_agg(a::text, ',' order by a), '') from t")
        .await
}

async fn until_none_open(database: &Database) {
    let open = "select count(*) from pg_stat_activity where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()";
    eventually("no transaction open", PATIENCE, || async {
        let open = database.psql(open).await;
        if open == "0" { Ok(()) } else { Err(open) }
    })
    .await;
}

#[tokio::test]
async fn steps_are_answered_in_order_and_the_end_counts() {
    let database = table().await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1")]).await;
    let mut caller = Caller::begin(
        &gateway,
        Begin {
            isolation: Isolation::Serializable.into(),
            ..Begin::default()
        },
    )
    .await;
    assert_eq!(
        caller.run("show transaction_isolation").await.unwrap(),
        [Kind::Text("serializable".to_owned())]
    );
    caller.run("insert into t values (1)").await.unwrap();
    caller.done(Step::Savepoint("a \"b".to_owned())).await;
    assert_eq!(caller.run("insert into t values (1)").await.unwrap_err(), "23505");
    assert_eq!(caller.run("select 1").await.unwrap_err(), "25P02");
    caller.done(Step::RollbackTo("a \"b".to_owned())).await;
    assert_eq!(caller.run("commit").await.unwrap_err(), "transaction-control");
    caller.run("insert into t values (2)").await.unwrap();
    caller.done(Step::Release("a \"b".to_owned())).await;
    caller.send(Step::Savepoint(String::new())).await;
    assert!(matches!(caller.part().await, Part::Error(_)));
    let (committed, token) = caller.end(Step::Commit(Commit { want_token: true })).await;
    assert!(committed && token.contains('/'), "{token}");
    assert_eq!(found(&database).await, "1,2");

    let mut caller = Caller::begin(
        &gateway,
        Begin {
            read_only: true,
            ..Begin::default()
        },
    )
    .await;
    assert_eq!(caller.run("insert into t values (3)").await.unwrap_err(), "25006");
    assert_eq!(caller.end(Step::Rollback(Rollback {})).await, (false, String::new()));
    let mut caller = Caller::begin(&gateway, Begin::default()).await;
    caller.run("insert into t values (4)").await.unwrap();
    assert!(!caller.end(Step::Rollback(Rollback {})).await.0);
    assert_eq!(found(&database).await, "1,2");
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn steps_may_be_sent_ahead() {
    let database = table().await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1")]).await;
    let mut caller = Caller::open(&gateway, None).await;
    caller.send(Step::Begin(Begin::default())).await;
    for number in 0..50 {
        let sql = format!("insert into t values ({number})");
        caller
            .send(Step::Execute(TransactionStatement {
                sql,
                ..TransactionStatement::default()
            }))
            .await;
    }
    caller.send(COMMIT).await;
    let mut answered = Vec::new();
    while let Some(answer) = caller.next().await.unwrap() {
        match answer.part.unwrap() {
            Part::Columns(_) => {}
            Part::Done(_) | Part::Summary(_) | Part::Ended(_) => answered.push(answer.step),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(answered, (1..=52).collect::<Vec<_>>());
    assert_eq!(database.psql("select count(*) from t").await, "50");
}

#[tokio::test]
async fn a_commit_that_cannot_be_is_no_commit() {
    let database = table().await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1")]).await;
    let mut caller = Caller::begin(&gateway, Begin::default()).await;
    caller.run("insert into t values (1)").await.unwrap();
    caller.run("selec").await.unwrap_err();
    caller.send(COMMIT).await;
    assert_refused(caller.next().await, Code::FailedPrecondition, "transaction-aborted");
    database
        .psql("alter table t add unique (a) deferrable initially deferred; alter table t drop constraint t_pkey")
        .await;
    let mut caller = Caller::begin(&gateway, Begin::default()).await;
    caller.run("insert into t values (1), (1)").await.unwrap();
    caller.send(COMMIT).await;
    assert_refused(caller.next().await, Code::FailedPrecondition, "postgres-conflict");
    let mut caller = Caller::open(&gateway, None).await;
    caller.send(COMMIT).await;
    assert_refused(caller.next().await, Code::InvalidArgument, "request-invalid");
    assert_eq!(found(&database).await, "");
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn whoever_vanishes_leaves_nothing_behind() {
    let database = table().await;
    let gateway = Gateway::start(
        &database.url(),
        &[
            ("pool_max", "1"),
            ("recycle_after", "1d"),
            ("pool_min", "1"),
            ("connect_timeout", "20s"),
        ],
    )
    .await;
    // Between two statements, having set a session's setting. Whether the end of the last answer had been read decides
    // whether the connection is kept or closed; what follows is clean in both cases.
    let mut caller = Caller::begin(&gateway, Begin::default()).await;
    caller.run("insert into t values (1)").await.unwrap();
    caller.run("set work_mem = '123kB'").await.unwrap();
    drop(caller);
    until_none_open(&database).await;
    assert_eq!(
        gateway.value("select current_setting('work_mem')").await,
        Kind::Text("4MB".to_owned())
    );
    // Having closed its side without a word: the connection is kept.
    let process = gateway.value("select pg_backend_pid()").await;
    let mut caller = Caller::begin(&gateway, Begin::default()).await;
    caller.run("insert into t values (2)").await.unwrap();
    caller.steps = mpsc::channel(1).0;
    let Part::Ended(ended) = caller.part().await else {
        panic!("it has not ended")
    };
    assert!(!ended.committed);
    assert_eq!(gateway.value("select pg_backend_pid()").await, process);
    // In the middle of a statement.
    let caller = Caller::begin(&gateway, Begin::default()).await;
    caller
        .send(Step::Execute(TransactionStatement {
            sql: "select pg_sleep(600)".to_owned(),
            ..TransactionStatement::default()
        }))
        .await;
    until_running(&database, "pg_sleep", 1).await;
    drop(caller);
    until_running(&database, "pg_sleep", 0).await;
    until_none_open(&database).await;
    assert_eq!(found(&database).await, "");
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn idleness_deadlines_and_cancel_roll_it_back() {
    let database = table().await;
    let gateway = Gateway::start(
        &database.url(),
        &[("pool_max", "1"), ("transaction_idle_timeout", "300ms")],
    )
    .await;
    let mut idle = Caller::begin(&gateway, Begin::default()).await;
    idle.run("insert into t values (1)").await.unwrap();
    let status = assert_refused(idle.next().await, Code::DeadlineExceeded, "transaction-idle");
    assert_eq!(status.metadata().get("weir-retry").unwrap(), "safe");
    until_none_open(&database).await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1"), ("statement_timeout", "2s")]).await;
    let mut timed = Caller::begin(
        &gateway,
        Begin {
            timeout_ms: 300,
            ..Begin::default()
        },
    )
    .await;
    timed.run("insert into t values (1)").await.unwrap();
    assert_refused(timed.next().await, Code::DeadlineExceeded, "statement-timeout");
    let mut late = Caller::open(&gateway, Some(Duration::from_millis(500))).await;
    late.send(Step::Begin(Begin::default())).await;
    late.part().await;
    late.run("insert into t values (1)").await.unwrap();
    assert_refused(late.next().await, Code::DeadlineExceeded, "statement-timeout");
    let mut named = Caller::begin(
        &gateway,
        Begin {
            operation: "op".to_owned(),
            ..Begin::default()
        },
    )
    .await;
    named.run("insert into t values (1)").await.unwrap();
    let cancel = CancelRequest {
        operation: "op".to_owned(),
        ..CancelRequest::default()
    };
    assert_eq!(
        gateway
            .client
            .clone()
            .cancel(cancel)
            .await
            .unwrap()
            .into_inner()
            .cancelled,
        1
    );
    assert_refused(named.next().await, Code::Cancelled, "operation-cancelled");
    let mut slow = Caller::begin(&gateway, Begin::default()).await;
    slow.send(Step::Execute(TransactionStatement {
        sql: "select pg_sleep(600)".to_owned(),
        ..TransactionStatement::default()
    }))
    .await;
    let ended = loop {
        match slow.next().await {
            Ok(Some(_)) => {}
            ended => break ended,
        }
    };
    assert_refused(ended, Code::DeadlineExceeded, "statement-timeout");
    until_running(&database, "pg_sleep", 0).await;
    until_none_open(&database).await;
    assert_eq!(found(&database).await, "");
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn a_slow_reader_slows_the_server() {
    let database = table().await;
    database.psql("create sequence made").await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1"), ("statement_timeout", "1h")]).await;
    let mut caller = Caller::begin(&gateway, Begin::default()).await;
    let sql = "select repeat('x', 1000), nextval('made'), generate_series(1, 200000)".to_owned();
    caller
        .send(Step::Execute(TransactionStatement {
            sql,
            ..TransactionStatement::default()
        }))
        .await;
    caller.part().await;
    let made = until_made_no_more(&database).await;
    assert!(made < 30_000, "{made} rows of a thousand bytes are held somewhere");
    let mut rows = 0;
    loop {
        match caller.part().await {
            Part::Rows(batch) => rows += batch.rows.len(),
            Part::Summary(summary) => break assert_eq!((rows, summary.rows_affected), (200_000, 200_000)),
            other => panic!("{other:?}"),
        }
    }
    assert!(caller.end(COMMIT).await.0);
}

#[tokio::test]
async fn shutdown_does_not_wait_for_one_who_says_nothing() {
    let database = table().await;
    let gateway = Gateway::start(
        &database.url(),
        &[("pool_max", "1"), ("transaction_idle_timeout", "1h")],
    )
    .await;
    let mut caller = Caller::begin(&gateway, Begin::default()).await;
    caller.run("insert into t values (1)").await.unwrap();
    let stopped = async {
        assert_refused(caller.next().await, Code::Unavailable, "gateway-stopping");
    };
    tokio::join!(gateway.stop(), stopped);
    assert_eq!(found(&database).await, "");
}
