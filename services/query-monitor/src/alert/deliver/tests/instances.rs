//! Several instances, restarts, and settings that change.

use std::collections::HashSet;
use std::time::Duration;

use weir_runtime::Tasks;
use weir_testkit::{Postgres, eventually};

use super::harness::{Post, SOON, firing, named, resolved, rows, webhook};
use super::receiver::{OK, Received, Receiver, Reply};

#[tokio::test]
async fn of_two_instances_one_sends_each_notification() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let receiver = Receiver::start(&helpers, |_| Reply::After(Duration::from_millis(20), 200)).await;
    let channels = format!("[{}]", webhook("ops", &receiver.url(), ""));
    let one = Post::start(&database.url(), &channels).await;
    let two = Post::start(&database.url(), &channels).await;
    for alert in 0..60 {
        let teller = if alert % 2 == 0 { &one } else { &two };
        teller.tell(&[firing(alert, &format!("g{alert}"))]).await;
    }
    receiver.until(60).await;
    one.is_done().await;
    let groups: HashSet<String> = receiver.log().iter().map(Received::group).collect();
    assert_eq!((groups.len(), receiver.log().len()), (60, 60));
    let (by_one, by_two) = (one.counted("ops", "accepted"), two.counted("ops", "accepted"));
    assert!(
        by_one + by_two == 60 && by_one > 0 && by_two > 0,
        "{by_one} and {by_two}"
    );
    one.stop().await;
    two.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_was_not_accepted_before_a_restart_is_sent_after_it_under_the_same_id() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let receiver = Receiver::start(&helpers, |_| Reply::Status(503, "", "")).await;
    let channels = format!("[{}]", webhook("ops", &receiver.url(), ""));
    let post = Post::start(&database.url(), &channels).await;
    post.tell(&[firing(1, "g")]).await;
    receiver.until(1).await;
    post.stop().await;
    receiver.answers(|_| OK);
    let before = receiver.log();
    let post = Post::start(&database.url(), &channels).await;
    let accepted = receiver.until_accepted(1).await;
    assert_eq!(
        (accepted[0].id(), accepted[0].alerts()),
        (before[0].id(), vec![named(1, "firing")])
    );
    post.is_done().await;
    assert_eq!(receiver.accepted().len(), 1);
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_a_dead_instance_was_sending_is_sent_by_another_once_its_claim_is_over() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let receiver = Receiver::start(&helpers, |_| Reply::Hang).await;
    let channels = format!("[{}]", webhook("ops", &receiver.url(), ""));
    let dead = Post::start(&database.url(), &channels).await;
    dead.tell(&[firing(1, "g")]).await;
    let before = receiver.until(1).await;
    dead.tasks.cut_off();
    receiver.answers(|_| OK);
    let post = Post::start(&database.url(), &channels).await;
    // What comes after shows that the other instance works, and still leaves the claim alone.
    post.tell(&[firing(2, "h")]).await;
    let accepted = receiver.until_accepted(1).await;
    assert_eq!(accepted[0].group(), "h");
    database
        .psql("update weir_monitor.notice_groups set leased_until_ms = weir_monitor.notices_now_ms() - 1")
        .await;
    let accepted = receiver.until_accepted(2).await;
    assert_eq!(
        (accepted[1].group(), accepted[1].id()),
        ("g".to_owned(), before[0].id())
    );
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_was_told_while_nobody_delivered_is_taken_up() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let receiver = Receiver::start(&helpers, |_| OK).await;
    let channels = format!("[{}]", webhook("ops", &receiver.url(), ""));
    let post = Post::start(&database.url(), &channels).await;
    let store = post.store.clone();
    post.stop().await;
    let mut transaction = store.pool().begin().await.unwrap();
    crate::store::enqueue_notice(&mut transaction, &firing(1, "g"))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    let post = Post::start(&database.url(), &channels).await;
    let log = receiver.until(1).await;
    assert_eq!(log[0].alerts(), [named(1, "firing")]);
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn notices_of_a_transaction_that_is_rolled_back_are_told_to_nobody() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let receiver = Receiver::start(&helpers, |_| OK).await;
    let post = Post::start(&database.url(), &format!("[{}]", webhook("ops", &receiver.url(), ""))).await;
    let mut transaction = post.store.pool().begin().await.unwrap();
    crate::store::enqueue_notice(&mut transaction, &firing(1, "g"))
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    post.tell(&[firing(2, "h")]).await;
    let log = receiver.until(1).await;
    assert_eq!(log[0].alerts(), [named(2, "firing")]);
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_channel_gets_what_it_asks_for_and_nothing_from_before_it_was_there() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let (old, new) = (
        Receiver::start(&helpers, |_| OK).await,
        Receiver::start(&helpers, |_| OK).await,
    );
    let only = ", severities = [\"critical\"], projects = [\"shop\"], rules = [\"slow-query\"]";
    let first = webhook("old", &old.url(), "");
    let post = Post::start(&database.url(), &format!("[{first}]")).await;
    post.tell(&[firing(1, "g")]).await;
    old.until(1).await;
    post.is_done().await;
    post.reload(&format!("[{first}, {}]", webhook("new", &new.url(), only)));
    eventually("the new channel", SOON, || async {
        (post.deliverer.list().await.channels.len() == 2).then_some(())
    })
    .await;
    let critical = |alert| crate::alert::Notice {
        severity: "critical".to_owned(),
        ..firing(alert, &format!("g{alert}"))
    };
    let other = crate::alert::Notice {
        project: "blog".to_owned(),
        ..critical(3)
    };
    let another = crate::alert::Notice {
        rule: "error-ratio".to_owned(),
        ..critical(4)
    };
    post.tell(&[firing(2, "g2"), other, another, critical(5)]).await;
    old.until(5).await;
    let log = new.until(1).await;
    post.is_done().await;
    assert_eq!((new.log().len(), log[0].alerts()), (1, vec![named(5, "firing")]));
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_channel_that_is_gone_leaves_nothing_behind() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let receiver = Receiver::start(&helpers, |_| Reply::Hang).await;
    let kept = webhook("kept", &receiver.url(), ", timeout = \"2m\", rules = [\"slow-query\"]");
    let dead = format!("http://127.0.0.1:{}/", weir_testkit::free_port());
    let gone = webhook("gone", &dead, ", rules = [\"error-ratio\"]");
    let post = Post::start(&database.url(), &format!("[{kept}, {gone}]")).await;
    let other = |alert| crate::alert::Notice {
        rule: "error-ratio".to_owned(),
        ..firing(alert, "g")
    };
    post.tell(&[other(1), other(2)]).await;
    // More groups than the other channel takes at a time: the last one waits, and is due.
    let slow: Vec<_> = (10..15).map(|alert| firing(alert, &format!("g{alert}"))).collect();
    post.tell(&slow).await;
    post.counts("gone", "failed", 1).await;
    receiver.until(4).await;
    post.reload(&format!("[{kept}]"));
    eventually("the channel gone", SOON, || async {
        (post.deliverer.list().await.channels.len() == 1).then_some(())
    })
    .await;
    // An hour passes, for the channel that is still there as well.
    let an_hour_ago = "update weir_monitor.notice_groups set due_ms = due_ms - 3700000;
        update weir_monitor.notice_channels set seen_ms = seen_ms - 3700000";
    database.psql(an_hour_ago).await;
    let left = "select channel from weir_monitor.notice_groups union all select name from weir_monitor.notice_channels";
    eventually("the rows gone", SOON, || async {
        let left = database.psql(left).await;
        (left == ["kept"; 5].join("\n")).then_some(()).ok_or(left)
    })
    .await;
    post.counts("gone", "dropped", 2).await;
    assert_eq!(
        (post.counted("kept", "dropped"), receiver.log().len()),
        (0, 4),
        "a reload makes no room"
    );
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_group_is_told_together_then_gathers_then_repeats_and_leaves_no_row() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let receiver = Receiver::start(&helpers, |_| OK).await;
    let more = ", group_interval = \"2s\", repeat_interval = \"3s\"";
    let post = Post::start(&database.url(), &format!("[{}]", webhook("ops", &receiver.url(), more))).await;
    post.tell(&[firing(1, "g"), firing(2, "g")]).await;
    post.tell(&[firing(3, "g")]).await;
    let log = receiver.until(1).await;
    assert_eq!(
        log[0].alerts(),
        [named(1, "firing"), named(2, "firing"), named(3, "firing")]
    );
    assert_eq!(
        (log[0].json()["repeat"].as_bool(), log[0].json()["status"].as_str()),
        (Some(false), Some("firing"))
    );
    post.tell(&[firing(4, "g")]).await;
    post.tell(&[resolved(1, "g")]).await;
    let log = receiver.until(2).await;
    let all = [
        named(1, "resolved"),
        named(2, "firing"),
        named(3, "firing"),
        named(4, "firing"),
    ];
    assert_eq!(log[1].alerts(), all);
    let apart = log[1].at - log[0].at;
    assert!(
        (Duration::from_millis(1_900)..Duration::from_millis(3_500)).contains(&apart),
        "{apart:?}"
    );
    let log = receiver.until(3).await;
    assert_eq!(
        (log[2].alerts(), log[2].json()["repeat"].as_bool()),
        (all[1..].to_vec(), Some(true))
    );
    post.tell(&[resolved(2, "g"), resolved(3, "g"), resolved(4, "g")]).await;
    let last = eventually("the end", SOON, || async {
        receiver
            .log()
            .into_iter()
            .find(|request| request.json()["status"] == "resolved")
    })
    .await;
    assert_eq!(
        last.alerts(),
        [named(2, "resolved"), named(3, "resolved"), named(4, "resolved")]
    );
    let ids: HashSet<String> = receiver.log().iter().map(|request| request.id().to_owned()).collect();
    assert_eq!(ids.len(), receiver.log().len(), "every state has an id of its own");
    eventually("no row", SOON, || async {
        let left = rows(&database, "notice_groups").await;
        (left == "0").then_some(()).ok_or(left)
    })
    .await;
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}
