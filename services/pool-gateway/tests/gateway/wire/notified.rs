//! Notifications, and from whom they come as a client is told.

use bytes::Buf as _;
use weir_pgwire::backend::tag;

use super::faults::raw::{Raw, Said, query};
use super::{Stage, value};

async fn ask(client: &mut Raw, sql: &str) -> Vec<Said> {
    client.send(&query(sql)).await;
    client.until_ready().await
}

/// Sender, channel and payload of each notification.
fn notifications(said: &[Said]) -> Vec<(i32, String)> {
    let told = said.iter().filter(|(own, _)| *own == tag::NOTIFICATION_RESPONSE);
    told.map(|(_, body)| {
        let mut body = body.clone();
        let sender = body.get_i32();
        (sender, String::from_utf8(body.to_vec()).unwrap().replace('\0', " "))
    })
    .collect()
}

/// The process id that a client was told when it came in.
fn own_id(hello: &[Said]) -> i32 {
    let (_, body) = hello.iter().find(|(own, _)| *own == tag::BACKEND_KEY_DATA).unwrap();
    body.clone().get_i32()
}

#[tokio::test]
async fn a_client_knows_its_own_notifications_by_its_own_process_id() {
    for mode in ["transaction", "session"] {
        let stage = Stage::with(&[("pool_max", "3"), ("pool_min", "0"), ("pool_mode", mode)]).await;
        let (mut listener, hello) = Raw::greeted(&stage).await;
        let id = own_id(&hello);
        ask(&mut listener, "listen c").await;
        let said = ask(&mut listener, "notify c, 'own'; select 1").await;
        assert_eq!(notifications(&said), [(id, "c own ".to_owned())], "{mode}");
        // What stands around it in the same answer is as it was.
        let tags: String = said.iter().map(|(tag, _)| char::from(*tag)).collect();
        assert_eq!(tags.replace('A', ""), "CTDCZ", "{mode}");

        let mut other = stage.client().await;
        other.simple_query("begin").await.unwrap();
        let server = value(&mut other, "select pg_backend_pid()").await.unwrap();
        other.simple_query("notify c, 'other'").await.unwrap();
        other.simple_query("commit").await.unwrap();
        let mut told = notifications(&ask(&mut listener, "select 1").await);
        while told.is_empty() {
            told = notifications(&ask(&mut listener, "select 1").await);
        }
        assert_eq!(told, [(server.parse().unwrap(), "c other ".to_owned())], "{mode}");
        assert!(id > 4_194_303, "{id} may be the process id of a server");
    }
}
