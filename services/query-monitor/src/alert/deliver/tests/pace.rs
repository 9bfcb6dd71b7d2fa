//! How long an alert takes from its row to its receiver.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use weir_runtime::Tasks;
use weir_testkit::Postgres;

use super::harness::{Post, firing, webhook};
use super::receiver::{OK, Receiver};

const ALERTS: u64 = 200;

#[tokio::test]
#[expect(clippy::print_stdout, reason = "a figure to be read in the test's output")]
async fn a_new_alert_reaches_its_receiver_within_two_seconds() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let receiver = Receiver::start(&helpers, |_| OK).await;
    let post = Post::start(&database.url(), &format!("[{}]", webhook("ops", &receiver.url(), ""))).await;
    let mut told = HashMap::new();
    for alert in 0..ALERTS {
        let group = format!("g{alert}");
        told.insert(group.clone(), Instant::now());
        post.tell(&[firing(alert, &group)]).await;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..30))).await;
    }
    let log = receiver.until(ALERTS as usize).await;
    let mut took: Vec<Duration> = log.iter().map(|request| request.at - told[&request.group()]).collect();
    took.sort_unstable();
    let at = |part: usize| took[(took.len() - 1) * part / 100];
    println!(
        "from enqueue to receiver, {ALERTS} alerts: p50 {:?}, p99 {:?}, max {:?}",
        at(50),
        at(99),
        at(100)
    );
    assert!(
        at(99) < Duration::from_secs(2) && at(0) >= Duration::from_millis(290),
        "{:?}",
        at(99)
    );
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}
