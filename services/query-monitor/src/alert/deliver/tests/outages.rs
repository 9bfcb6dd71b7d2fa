//! The store away: alerts are told from memory, and not again when it is back.

use std::time::Duration;

use weir_runtime::Tasks;
use weir_testkit::{Postgres, eventually, free_port};

use super::harness::{Post, SOON, firing, named, resolved, webhook};
use super::receiver::{OK, Receiver, Reply};
use crate::alert::deliver::memory::ALERTS_MAX;

#[tokio::test]
async fn without_its_store_an_alert_is_told_from_memory_and_repeated_until_it_is_accepted() {
    let helpers = Tasks::new();
    let mut first = true;
    let receiver = Receiver::start(&helpers, move |_| {
        if std::mem::take(&mut first) {
            Reply::Status(500, "", "")
        } else {
            OK
        }
    })
    .await;
    let away = format!("postgres://nobody@127.0.0.1:{}/none", free_port());
    let channels = format!("[{}]", webhook("ops", &receiver.url(), ", group_interval = \"1s\""));
    let post = Post::start_before_its_store(&away, &channels);
    let began = tokio::time::Instant::now();
    post.deliverer.direct(vec![firing(1, "g"), firing(2, "g")]);
    let log = receiver.until(2).await;
    assert!(log[0].at - began < Duration::from_secs(2), "{:?}", log[0].at - began);
    assert_eq!(
        (log[0].id(), log[0].alerts()),
        (log[1].id(), vec![named(1, "firing"), named(2, "firing")])
    );
    post.deliverer.direct(vec![resolved(1, "g"), resolved(2, "g")]);
    let log = receiver.until(3).await;
    assert_eq!(log[2].alerts(), [named(1, "resolved"), named(2, "resolved")]);
    let shown = post.channel("ops").await;
    assert!(
        shown.last_success_unix_ms > 0 && shown.last_error.starts_with("500"),
        "{shown:?}"
    );
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn memory_is_bounded_and_what_finds_no_room_or_no_time_is_counted() {
    let helpers = Tasks::new();
    let receiver = Receiver::start(&helpers, |_| Reply::Hang).await;
    let away = format!("postgres://nobody@127.0.0.1:{}/none", free_port());
    let post = Post::start_before_its_store(&away, &format!("[{}]", webhook("ops", &receiver.url(), "")));
    let notices = (0..ALERTS_MAX as u64 + 25).map(|alert| firing(alert, &format!("g{}", alert / 100)));
    post.deliverer.direct(notices.collect());
    assert_eq!(post.counted("ops", "dropped"), 25);
    assert_eq!(post.channel("ops").await.pending, ALERTS_MAX as u64);
    let (tasks, registry) = (post.tasks.clone(), post);
    assert_eq!(tasks.descend(SOON).await, weir_runtime::Outcome::Clean);
    assert_eq!(
        registry.counted("ops", "dropped"),
        ALERTS_MAX as u64 + 25,
        "what was not told before the stop is lost"
    );
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_was_told_while_the_store_was_away_is_not_told_again_from_it() {
    let helpers = Tasks::new();
    let receiver = Receiver::start(&helpers, |_| OK).await;
    let mut postgres = Postgres::start().await;
    let database = postgres.database().await;
    let channels = format!("[{}]", webhook("ops", &receiver.url(), ", group_interval = \"1s\""));
    let post = Post::start(&database.url(), &channels).await;
    post.tell(&[firing(1, "before")]).await;
    receiver.until(1).await;
    post.is_done().await;
    postgres.stop().await;
    post.deliverer.direct(vec![firing(2, "g")]);
    let log = receiver.until(2).await;
    assert_eq!(log[1].alerts(), [named(2, "firing")]);
    post.counts("ops", "accepted", 2).await;
    postgres.start_again().await;
    eventually("the store", SOON, || async {
        post.store.ping(Duration::from_secs(1)).await
    })
    .await;
    // The engine writes down what it could not; then it goes on.
    post.tell(&[firing(2, "g")]).await;
    post.tell(&[firing(3, "after")]).await;
    let log = receiver.until(3).await;
    assert_eq!(log[2].group(), "after");
    post.tell(&[resolved(2, "g")]).await;
    let log = receiver.until(4).await;
    assert_eq!(log[3].alerts(), [named(2, "resolved")]);
    post.is_done().await;
    assert_eq!(receiver.log().len(), 4);
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn an_answer_that_the_store_could_not_take_is_not_forgotten() {
    let helpers = Tasks::new();
    let receiver = Receiver::start(&helpers, |_| Reply::After(Duration::from_secs(2), 200)).await;
    let mut postgres = Postgres::start().await;
    let database = postgres.database().await;
    let post = Post::start(&database.url(), &format!("[{}]", webhook("ops", &receiver.url(), ""))).await;
    post.tell(&[firing(1, "g")]).await;
    receiver.until(1).await;
    postgres.stop().await;
    eventually("the answer to be left over", SOON, || async {
        post.deliverer.has_unsaid().then_some(())
    })
    .await;
    postgres.start_again().await;
    post.counts("ops", "accepted", 1).await;
    // As if the claim were over: whoever looks finds it accepted.
    database
        .psql("update weir_monitor.notice_groups set leased_until_ms = 0")
        .await;
    post.tell(&[firing(2, "h")]).await;
    receiver.until(2).await;
    post.is_done().await;
    assert_eq!(receiver.log().len(), 2);
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_store_that_hangs_delays_nothing_that_is_told_directly() {
    let helpers = Tasks::new();
    let receiver = Receiver::start(&helpers, |_| OK).await;
    let postgres = Postgres::start().await;
    let database = postgres.database().await;
    let post = Post::start(&database.url(), &format!("[{}]", webhook("ops", &receiver.url(), ""))).await;
    postgres.pause();
    let began = tokio::time::Instant::now();
    post.deliverer.direct(vec![firing(1, "g")]);
    let log = receiver.until(1).await;
    assert!(log[0].at - began < Duration::from_secs(2), "{:?}", log[0].at - began);
    postgres.resume();
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}
