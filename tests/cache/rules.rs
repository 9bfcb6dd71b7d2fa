//! Rules that an operator puts while results are in memory.

use weir_proto::cache::v1 as api;
use weir_proto::cache::v1::cache_service_client::CacheServiceClient;
use weir_proto::cache::v1::policy::Subject;
use weir_tests::cached::Stage;

use crate::answers::set;

const SQL: &str = "select k from warm where k = 1";

async fn warm() -> Stage {
    let stage = set("on").await;
    stage
        .ground
        .psql("create table warm (k int primary key); insert into warm values (1)")
        .await;
    stage.until_warm(SQL).await;
    stage
}

/// What is in memory goes by the rules of now, not by those of the moment in which it was kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_holds_for_what_is_in_memory_already() {
    let stage = warm().await;
    let mut cache = CacheServiceClient::connect(stage.cache_grpc()).await.expect("it runs");
    let policy = api::Policy {
        subject: Some(Subject::Relation("public.warm".to_owned())),
        mode: api::CacheMode::Never.into(),
        ..api::Policy::default()
    };
    let put = cache.put_policy(api::PutPolicyRequest { policy: Some(policy) }).await;
    let id = put
        .expect("a rule that can be")
        .into_inner()
        .policy
        .expect("it was put")
        .id;
    stage.until_cold(SQL).await;
    let deleted = cache.delete_policy(api::DeletePolicyRequest { id }).await;
    deleted.expect("it was there");
    stage.until_warm(SQL).await;
}
