//! How much is mirrored: a share of the transactions or of the sessions, and none of them by half.

use super::{Mirrored, note};
use crate::wire::value;

impl Mirrored {
    /// Changes a setting.
    async fn set(&self, name: &str, value: &str) {
        let mut console = self.stage.console().await;
        console.simple_query(&format!("set {name} = {value}")).await.unwrap();
    }
}

#[tokio::test]
async fn a_share_of_transactions_is_mirrored_and_each_as_a_whole() {
    let mirrored = Mirrored::noting(&[("mirror_share", "0.5"), ("mirror_connections", "1")]).await;
    let mut client = mirrored.client().await;
    for number in 0..200 {
        let what = number.to_string();
        client.simple_query("begin").await.unwrap();
        note(&mut client, &what).await;
        note(&mut client, &what).await;
        client.simple_query("commit").await.unwrap();
    }
    let half = 200.0 * 0.5;
    weir_testkit::eventually("the share to be done", crate::gateway::PATIENCE, || async {
        let (ran, waits) = (
            mirrored.transactions("ran", "whole").await,
            mirrored.metric("weir_mirror_queue_bytes").await,
        );
        if waits == 0.0 && (ran - half).abs() < 40.0 {
            Ok(())
        } else {
            Err(format!("{ran}, {waits}"))
        }
    })
    .await;
    let halves = "select count(*) from (select from seen group by what, transaction having count(*) <> 2) each";
    assert_eq!(mirrored.shadow.psql(halves).await, "0");
}

#[tokio::test]
async fn a_share_of_sessions_is_mirrored_with_all_they_do() {
    let settings = [
        ("mirror_share", "0.5"),
        ("mirror_sample_by", "session"),
        ("mirror_connections", "1"),
    ];
    let mirrored = Mirrored::noting(&settings).await;
    for number in 0..120 {
        let mut client = mirrored.client().await;
        for _ in 0..3 {
            note(&mut client, &number.to_string()).await;
        }
        client.close().await;
    }
    weir_testkit::eventually("the share to be done", crate::gateway::PATIENCE, || async {
        let (ran, waits) = (
            mirrored.transactions("ran", "whole").await,
            mirrored.metric("weir_mirror_queue_bytes").await,
        );
        if waits == 0.0 && (ran - 180.0).abs() < 75.0 {
            Ok(())
        } else {
            Err(format!("{ran}, {waits}"))
        }
    })
    .await;
    let parts = "select count(*) from (select from seen group by what having count(*) <> 3) each";
    assert_eq!(mirrored.shadow.psql(parts).await, "0");
}

#[tokio::test]
async fn the_share_is_changed_while_it_runs() {
    let mirrored = Mirrored::noting(&[("mirror_share", "0"), ("mirror_connections", "1")]).await;
    let mut client = mirrored.client().await;
    for _ in 0..20 {
        note(&mut client, "none").await;
    }
    assert_eq!(mirrored.metric("weir_mirror_queue_bytes").await, 0.0);
    mirrored.set("mirror_share", "1").await;
    weir_testkit::eventually("a note", crate::gateway::PATIENCE, || async {
        let mut client = mirrored.client().await;
        note(&mut client, "some").await;
        let seen = mirrored.seen().await;
        if seen.is_empty() { Err(seen) } else { Ok(()) }
    })
    .await;
    assert!(!mirrored.seen().await.contains("none"));
    let mut console = mirrored.stage.console().await;
    let refused = console.simple_query("set mirror_share = 2").await.unwrap_err();
    assert!(refused.to_string().contains("mirror_share"), "{refused}");
    let late = console
        .simple_query("set mirror_url = 'postgres://u@h/d'")
        .await
        .unwrap_err();
    assert!(late.to_string().contains("at the start"), "{late}");
    assert_eq!(value(&mut client, "select 1").await.as_deref(), Some("1"));
}
