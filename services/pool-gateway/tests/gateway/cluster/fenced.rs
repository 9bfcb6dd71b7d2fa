//! Transactions over gRPC that are open when another server becomes the primary.

use tonic::Code;
use weir_proto::gateway::v1::transaction_request::Step;
use weir_proto::gateway::v1::{Begin, Rollback, TransactionStatement};
use weir_testkit::eventually;

use super::Cluster;
use crate::gateway::{PATIENCE, assert_refused, until_running};
use crate::transaction::{COMMIT, Caller};

/// A transaction with a row of this name in it.
async fn with_row(cluster: &Cluster, id: &str) -> Caller {
    let mut caller = Caller::begin(&cluster.gateway, Begin::default()).await;
    caller.run(&format!("insert into t values ('{id}')")).await.unwrap();
    caller
}

fn execute(sql: &str) -> Step {
    Step::Execute(TransactionStatement {
        sql: sql.to_owned(),
        ..TransactionStatement::default()
    })
}

/// The standby takes over, and the old primary does not notice.
async fn take_over(cluster: &Cluster) {
    cluster.standby.promote().await;
    eventually("the other primary", PATIENCE, || async {
        let row = cluster.upstream(&cluster.standby).await;
        if row[5] == "yes" { Ok(()) } else { Err(row.join(" ")) }
    })
    .await;
}

async fn started() -> Cluster {
    let cluster = Cluster::start(&[("reads", "primary")]).await;
    cluster.database.psql("create table t (id text)").await;
    let there = "select count(*) from pg_tables where tablename = 't'";
    eventually("the table on the standby", PATIENCE, || async {
        let count = cluster.standby.psql(cluster.database.name(), there).await;
        (count == "1").then_some(())
    })
    .await;
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_transaction_goes_to_a_primary_that_was_overtaken() {
    let cluster = started().await;
    let mut commits = with_row(&cluster, "commits").await;
    let mut goes_on = with_row(&cluster, "goes on").await;
    let mut rolls_back = with_row(&cluster, "rolls back").await;
    let mut runs = with_row(&cluster, "runs").await;
    runs.send(execute("select pg_sleep(600)")).await;
    until_running(&cluster.database, "pg_sleep", 1).await;
    take_over(&cluster).await;

    let refused = |status| assert_refused(status, Code::Unavailable, "upstream-moved");
    refused(runs.next().await);
    commits.send(COMMIT).await;
    let status = refused(commits.next().await);
    assert_eq!(status.metadata().get("weir-retry").unwrap(), "safe");
    goes_on.send(execute("insert into t values ('more')")).await;
    refused(goes_on.next().await);
    assert!(!rolls_back.end(Step::Rollback(Rollback {})).await.0);

    let rows = "select count(*) from t";
    assert_eq!(cluster.primary.psql(cluster.database.name(), rows).await, "0");
    // Its connections to the old one are closed, and the same caller goes on on the new one.
    let left = "select count(*) from pg_stat_activity where application_name = 'weir' and state <> 'idle'";
    eventually("nobody on the old primary", PATIENCE, || async {
        let count = cluster.primary.psql(cluster.database.name(), left).await;
        if count == "0" { Ok(()) } else { Err(count) }
    })
    .await;
    assert!(with_row(&cluster, "new").await.end(COMMIT).await.0);
    assert_eq!(cluster.standby.psql(cluster.database.name(), rows).await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_commit_that_is_under_way_nobody_knows() {
    let cluster = started().await;
    let mut commits = with_row(&cluster, "commits").await;
    // From here on a commit waits for somebody who never comes.
    for sql in [
        "alter system set synchronous_standby_names = 'nobody'",
        "select pg_reload_conf()",
    ] {
        cluster.primary.psql("postgres", sql).await;
    }
    let is_set = "select current_setting('synchronous_standby_names')";
    eventually("the setting", PATIENCE, || async {
        (cluster.primary.psql("postgres", is_set).await == "nobody").then_some(())
    })
    .await;
    commits.send(COMMIT).await;
    let waits = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'";
    eventually("a commit under way", PATIENCE, || async {
        (cluster.primary.psql("postgres", waits).await == "1").then_some(())
    })
    .await;
    take_over(&cluster).await;
    let status = assert_refused(commits.next().await, Code::Unavailable, "upstream-lost");
    assert_eq!(status.metadata().get("weir-retry").unwrap(), "no");
}
