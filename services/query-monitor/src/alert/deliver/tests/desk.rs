//! What people ask about channels, over gRPC, of a whole monitor.

use tokio::sync::watch;
use tonic::transport::Channel;
use weir_bus::{Bus, Limits};
use weir_config::Sources;
use weir_model::Clock;
use weir_proto::monitor::v1 as api;
use weir_proto::monitor::v1::monitor_service_client::MonitorServiceClient;
use weir_runtime::{Ground, Outcome, Tasks};
use weir_testkit::{Postgres, eventually, free_port};

use super::harness::SOON;

/// A monitor, its settings, and a client of it.
async fn monitor(
    store_url: &str,
    tasks: &Tasks,
) -> (
    watch::Sender<Sources>,
    Vec<(String, String)>,
    MonitorServiceClient<Channel>,
) {
    let (port, ops_port) = (free_port(), free_port());
    let settings = vec![
        ("WEIR_STORE__URL".to_owned(), store_url.to_owned()),
        ("WEIR_MONITOR__GRPC_LISTEN".to_owned(), format!("127.0.0.1:{port}")),
        ("WEIR_MONITOR__OPS_LISTEN".to_owned(), format!("127.0.0.1:{ops_port}")),
    ];
    let sources = Sources::load(None, settings.clone()).unwrap();
    let (reloads, reloaded) = watch::channel(sources.clone());
    let ground = Ground::new(sources, reloaded, tasks.clone(), Clock::system());
    Box::pin(crate::start(ground, Bus::in_memory(Limits::default())))
        .await
        .unwrap();
    let client = MonitorServiceClient::connect(format!("http://127.0.0.1:{port}")).await;
    (reloads, settings, client.unwrap())
}

#[tokio::test]
async fn channels_are_listed_and_tried_without_their_secrets() {
    let (tasks, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let (reloads, mut settings, mut client) = monitor(&database.url(), &tasks).await;
    let none = client.list_channels(api::ListChannelsRequest {}).await.unwrap();
    assert!(none.into_inner().channels.is_empty());
    let url = format!("http://127.0.0.1:{}/T0/B0/secret", free_port());
    let channel = format!("[{{ name = \"chat\", kind = \"slack\", url = \"{url}\", rules = [\"slow-query\"] }}]");
    settings.push(("WEIR_MONITOR__CHANNELS".to_owned(), channel));
    reloads.send_replace(Sources::load(None, settings).unwrap());
    let asked = client.clone();
    let channel = eventually("the channel", SOON, || async {
        let answer = asked.clone().list_channels(api::ListChannelsRequest {}).await.unwrap();
        answer.into_inner().channels.into_iter().next()
    })
    .await;
    assert_eq!((channel.name.as_str(), channel.kind.as_str()), ("chat", "slack"));
    assert_eq!(channel.rules, ["slow-query"]);
    let trial = |name: &str| api::TestChannelRequest { name: name.to_owned() };
    let tried = client.test_channel(trial("chat")).await.unwrap().into_inner();
    assert!(
        !tried.accepted && tried.status == 0 && tried.answer.contains("refused"),
        "{tried:?}"
    );
    assert!(
        !format!("{channel:?}{tried:?}").contains("secret"),
        "{channel:?} {tried:?}"
    );
    let unknown = client.test_channel(trial("x")).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);
    assert_eq!(tasks.descend(SOON).await, Outcome::Clean);
}
