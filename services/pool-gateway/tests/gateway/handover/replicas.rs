//! Reads through a new process while calls of the old one may yet write.

use weir_proto::common::v1::value::Kind;
use weir_proto::gateway::v1::gateway_service_client::GatewayServiceClient;
use weir_testkit::{Postgres, eventually};

use super::{Site, ends_well};
use crate::gateway::{Gate, PATIENCE, only_value, request};

/// The only value of a statement's result, by a call on a channel of its own.
async fn call(site: &Site, sql: &str) -> Kind {
    let client = GatewayServiceClient::connect(format!("http://127.0.0.1:{}", site.grpc)).await;
    let answer = client.unwrap().execute(request(sql)).await;
    only_value(&answer.unwrap().into_inner())
}

/// Waits until the standby answers reads of the present process.
async fn until_standby_reads(site: &Site, standby: &Postgres) {
    let port = Kind::Text(standby.port().to_string());
    eventually("the standby answers reads", PATIENCE, async || {
        let answered = call(site, "select current_setting('port')").await;
        if answered == port {
            Ok(())
        } else {
            Err(format!("{answered:?}"))
        }
    })
    .await;
}

#[expect(clippy::disallowed_methods, reason = "the test is the caller, not a service")]
#[tokio::test]
async fn what_a_call_of_the_old_process_writes_is_found_through_the_new_one() {
    let primary = Postgres::start().await;
    let standby = primary.standby("second").await;
    let site = Site::before(primary.database().await);
    let replicas = format!("127.0.0.1:{}", standby.port());
    let settings = [("WEIR_GATEWAY__REPLICAS", replicas.as_str())];
    site.database.psql("create table t (id int)").await;
    let first = site.first_with(&settings).await;
    until_standby_reads(&site, &standby).await;
    let gate = Gate::shut(&site.database).await;
    let client = GatewayServiceClient::connect(format!("http://127.0.0.1:{}", site.grpc)).await;
    let mut client = client.unwrap();
    let insert = "insert into t select 1 from (select pg_advisory_xact_lock_shared(4711)) x";
    let writing = tokio::spawn(async move { client.execute(request(insert)).await });
    eventually("it writes", PATIENCE, async || {
        (gate.crowd(&site.database).await == 1).then_some(())
    })
    .await;

    let stays = site.client("stays").await;
    let second = site.next(&first, &settings, "stays").await;
    let name = site.database.name();
    standby.psql(name, "select pg_wal_replay_pause()").await;
    gate.open().await;
    writing.await.unwrap().unwrap();
    assert_eq!(call(&site, "select count(*) from t").await, Kind::Int64(1));
    standby.psql(name, "select pg_wal_replay_resume()").await;
    // Its calls are answered, so that the standby serves again although the old process has a client.
    until_standby_reads(&site, &standby).await;
    assert_eq!(first.exit_status(), None, "{}", first.output());
    stays.close().await;
    ends_well(&first).await;
    second.term();
    ends_well(&second).await;
}
