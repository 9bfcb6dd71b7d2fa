//! What is mirrored of transactions that go from a replica to the primary.

use weir_testkit::eventually;

use super::Cluster;
use crate::gateway::{PATIENCE, database};
use crate::wire::value;

impl Cluster {
    async fn number(&self, beginning: &str) -> f64 {
        let lines = self.metrics(beginning).await;
        let value = |line: &String| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
        lines.iter().map(value).sum()
    }

    /// Transactions and requests that the mirror has done, once it has done all.
    async fn mirrored(&self) -> (f64, f64) {
        eventually("nothing to wait for the mirror", PATIENCE, || async {
            let held = self.number("weir_mirror_queue_bytes").await;
            if held == 0.0 { Ok(()) } else { Err(held) }
        })
        .await;
        (
            self.number("weir_mirror_transactions_total{fate=\"ran\"").await,
            self.number("weir_mirror_requests_total{outcome=\"same\"").await,
        )
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_moves_to_the_primary_is_mirrored_once_and_as_a_whole() {
    let shadow = database().await;
    let tables = "create table one (a int); insert into one values (1)";
    shadow.psql(tables).await;
    let url = shadow.url();
    let cluster = Cluster::with_table(&[("mirror_url", &url), ("mirror_reads_only", "false")]).await;
    let (mut client, standby) = (cluster.client().await, cluster.port_of_standby());
    cluster.until_answered_by(&mut client, &standby).await;
    let (transactions, requests) = cluster.mirrored().await;
    client.simple_query("begin read only").await.unwrap();
    assert_eq!(value(&mut client, "select a from one").await.as_deref(), Some("1"));
    // A plain read no more.
    assert_eq!(
        value(&mut client, "select pg_is_in_recovery()").await.as_deref(),
        Some("f")
    );
    assert_eq!(value(&mut client, "select a from one").await.as_deref(), Some("1"));
    client.simple_query("commit").await.unwrap();
    assert_eq!(cluster.mirrored().await, (transactions + 1.0, requests + 3.0));

    // The replica goes in the middle, and nothing more comes than the end.
    cluster.until_answered_by(&mut client, &standby).await;
    let (transactions, requests) = cluster.mirrored().await;
    let sent_again = "weir_reads_routed_total{target=\"primary\",reason=\"sent_again\"";
    let before = cluster.number(sent_again).await;
    client.simple_query("begin read only").await.unwrap();
    assert_eq!(value(&mut client, "select a from one").await.as_deref(), Some("1"));
    cluster.standby.kill().await;
    eventually("the session to have noticed", PATIENCE, || async {
        let again = cluster.number(sent_again).await;
        if again > before { Ok(()) } else { Err(again) }
    })
    .await;
    client.simple_query("commit").await.unwrap();
    client.simple_query("begin read only").await.unwrap();
    assert_eq!(value(&mut client, "select a from one").await.as_deref(), Some("1"));
    client.simple_query("commit").await.unwrap();
    assert_eq!(cluster.mirrored().await, (transactions + 2.0, requests + 2.0));
    assert_eq!(
        cluster.number("weir_mirror_requests_total{outcome=\"other\"").await,
        0.0
    );
}
