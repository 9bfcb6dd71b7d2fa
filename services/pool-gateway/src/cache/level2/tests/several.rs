//! Sentinel and Cluster.

use weir_testkit::{RedisCluster, RedisSentinel};

use super::*;

/// What the guide says that a user needs.
async fn admit(server: &Redis, more: &[&str]) {
    let rights = [
        "ACL",
        "SETUSER",
        "weir",
        "on",
        ">word",
        "~weir:*",
        "+getrange",
        "+set",
        "+unlink",
    ];
    server.command(&[&rights[..], more].concat()).await;
}

#[tokio::test]
async fn a_new_primary_is_followed_when_the_old_one_lives() {
    let all = RedisSentinel::start().await;
    admit(&all.first, &["+role"]).await;
    admit(&all.second, &["+role"]).await;
    let rights = ["+role", "+sentinel|masters", "+sentinel|get-master-addr-by-name"];
    let user = [&["ACL", "SETUSER", "watch", "on", ">other"][..], &rights].concat();
    all.sentinel.command(&user).await;
    let url = all.url().replace("//", "//weir:word@");
    let subject = Subject::connected(&format!("{url}?sentinel_user=watch&sentinel_password=other")).await;
    subject.keep(1, "a row").await;
    all.fail_over().await;
    all.until_primary(all.second.port()).await;
    let begun = Instant::now();
    arrives(&subject, &all.second).await;
    // The Sentinel lets the old one be a primary for ten seconds more.
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_new_primary_is_followed_when_the_old_one_is_dead() {
    let mut all = RedisSentinel::start().await;
    let subject = Subject::connected(&all.url()).await;
    subject.keep(1, "a row").await;
    all.first.stop().await;
    all.until_primary(all.second.port()).await;
    arrives(&subject, &all.second).await;
}

/// What is put comes to lie on this server, and is found.
async fn arrives(subject: &Subject, server: &Redis) {
    eventually("a result on the new primary", PATIENCE, async || {
        subject.put(key(2), blob("another"), PATIENCE);
        let found = subject.get(&key(2)).await.filter(|found| found == "another");
        let there = server.command(&["EXISTS", &blob::name(&key(2))]).await == "1";
        let role = server.command(&["ROLE"]).await;
        (found.is_some() && there && role.starts_with("master")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_keys_are_spread_over_a_cluster_and_a_slot_may_move() {
    let cluster = RedisCluster::start(3).await;
    for node in &cluster.nodes {
        admit(node, &["+cluster|slots"]).await;
    }
    let subject = Subject::connected(&cluster.url().replace("//", "//weir:word@")).await;
    for number in 0..60 {
        subject.keep(number, &number.to_string()).await;
    }
    for node in &cluster.nodes {
        assert_ne!(node.command(&["DBSIZE"]).await, "0", "a node has nothing");
    }
    let (owner, slot) = cluster.owner(&blob::name(&key(7))).await;
    cluster.move_slot(slot, owner, (owner + 1) % 3).await;
    for number in 0..60 {
        // On a busy machine one answer or another comes too late to be taken.
        let got = async || {
            let got = subject.get(&key(number)).await;
            (got.as_deref() == Some(number.to_string().as_bytes())).then_some(())
        };
        eventually(&format!("the answer of key {number}"), PATIENCE, got).await;
    }
    subject.keep(7, "another").await;
    assert!(subject.is_there() && subject.lookups(Lookup::Error) == 0);
}

#[tokio::test]
async fn a_cluster_without_one_of_its_nodes_is_not_asked_until_it_is_complete() {
    let mut cluster = RedisCluster::start(3).await;
    let subject = Subject::connected(&cluster.url()).await;
    subject.keep(1, "a row").await;
    cluster.nodes[1].stop().await;
    // From now on the nodes that are left refuse as well: nothing that is tried can look as if it were well.
    let known = async || {
        let info = cluster.nodes[0].command(&["CLUSTER", "INFO"]).await;
        info.contains("cluster_state:fail").then_some(())
    };
    eventually("the cluster misses its node", PATIENCE, known).await;
    subject.until_gone().await;
    for number in 0..200 {
        let begun = Instant::now();
        subject.get(&key(number)).await;
        assert!(begun.elapsed() < subject.shared.limit * 2);
        assert!(!subject.is_there(), "a part of a cluster is used");
    }
    cluster.nodes[1].start_again().await;
    subject.until_there().await;
    for number in 0..60 {
        subject.keep(number, "a row").await;
    }
}
