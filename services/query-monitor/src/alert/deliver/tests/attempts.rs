//! What receivers answer, and what becomes of it.

use std::collections::HashMap;
use std::time::Duration;

use weir_runtime::Tasks;
use weir_testkit::Postgres;

use super::harness::{Post, firing, named, resolved, rows, webhook};
use super::receiver::{OK, Received, Receiver, Reply};

/// Groups in the test of a receiver that fails half the time.
const GROUPS: u64 = 12;

/// Says "no" to half of the requests of each group, in an order that its name decides; not more than three times in a
/// row, because each wait is twice the one before.
fn half(seen: &mut HashMap<String, (fastrand::Rng, u32)>, request: &Received) -> Reply {
    let group = request.group();
    let seed = group.bytes().map(u64::from).sum::<u64>() + 3;
    let (chance, failed) = seen.entry(group).or_insert_with(|| (fastrand::Rng::with_seed(seed), 0));
    let says_no = *failed < 3 && chance.bool();
    *failed = if says_no { *failed + 1 } else { 0 };
    if says_no { Reply::Status(500, "", "not now") } else { OK }
}

#[tokio::test]
async fn a_receiver_that_fails_half_the_time_accepts_one_notification_for_each_state_of_a_group() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let mut seen = HashMap::new();
    let receiver = Receiver::start(&helpers, move |request| half(&mut seen, request)).await;
    let channels = format!("[{}]", webhook("ops", &receiver.url(), ", group_interval = \"1s\""));
    let post = Post::start(&database.url(), &channels).await;
    let group = |number: u64| format!("group-{number}");
    let (mut fire, mut end) = (Vec::new(), Vec::new());
    for number in 0..GROUPS {
        for alert in [2 * number, 2 * number + 1] {
            fire.push(firing(alert, &group(number)));
            end.push(resolved(alert, &group(number)));
        }
    }
    post.tell(&fire).await;
    receiver.until_accepted(GROUPS as usize).await;
    post.is_done().await;
    post.tell(&end).await;
    receiver.until_accepted(2 * GROUPS as usize).await;
    post.is_done().await;

    let (all, accepted) = (receiver.log(), receiver.accepted());
    let refusals = all.len() - accepted.len();
    assert!(
        (GROUPS as usize / 2..4 * GROUPS as usize).contains(&refusals),
        "{refusals} of {} failed",
        all.len()
    );
    assert_eq!(
        accepted.len(),
        2 * GROUPS as usize,
        "exactly one for each state of each group"
    );
    for number in 0..GROUPS {
        let (one, two) = (2 * number, 2 * number + 1);
        let told: Vec<_> = accepted
            .iter()
            .filter(|request| request.group() == group(number))
            .map(Received::alerts)
            .collect();
        let states = |state| vec![named(one, state), named(two, state)];
        assert_eq!(told, [states("firing"), states("resolved")]);
    }
    for request in &all {
        let same = all.iter().filter(|other| other.id() == request.id());
        assert!(
            same.clone().all(|other| other.body == request.body),
            "an id stands for one body"
        );
        assert_eq!(
            same.filter(|other| other.was_accepted()).count(),
            1,
            "no id is accepted twice"
        );
        assert_eq!(request.header("ce-id"), request.id());
    }
    assert_eq!(post.counted("ops", "accepted"), 2 * GROUPS);
    assert_eq!(post.counted("ops", "failed"), refusals as u64);
    assert_eq!(rows(&database, "notices").await, "0");
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for_again_under_the_same_id() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let mut first = true;
    let receiver = Receiver::start(
        &helpers,
        move |_| if std::mem::take(&mut first) { Reply::Close } else { OK },
    )
    .await;
    let channels = format!("[{}]", webhook("ops", &receiver.url(), ""));
    let post = Post::start(&database.url(), &channels).await;
    post.tell(&[firing(1, "g")]).await;
    let log = receiver.until(2).await;
    assert_eq!((log[0].id(), &log[0].body), (log[1].id(), &log[1].body));
    assert!(!log[0].id().is_empty());
    post.is_done().await;

    // The head of an answer says it all, whatever becomes of the rest.
    receiver.answers(|_| Reply::HalfAnAnswer(202));
    post.tell(&[firing(2, "h")]).await;
    receiver.until(3).await;
    post.is_done().await;
    assert_eq!(receiver.log().len(), 3);
    assert_eq!((post.counted("ops", "accepted"), post.counted("ops", "failed")), (2, 1));
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let mut first = true;
    let wait = Reply::Status(429, "Retry-After: 3\r\n", "slow down");
    let receiver = Receiver::start(
        &helpers,
        move |_| if std::mem::take(&mut first) { wait.clone() } else { OK },
    )
    .await;
    let channels = format!("[{}]", webhook("ops", &receiver.url(), ""));
    let post = Post::start(&database.url(), &channels).await;
    post.tell(&[firing(1, "g")]).await;
    let log = receiver.until(2).await;
    let waited = log[1].at - log[0].at;
    assert!(
        (Duration::from_secs(3)..Duration::from_secs(6)).contains(&waited),
        "{waited:?}"
    );
    let shown = post.channel("ops").await;
    assert_eq!(shown.last_error, "429 slow down");
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_a_receiver_refuses_is_not_told_again_and_shown_without_secrets() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let body = "bad token sesame-open\r\nfor http://127.0.0.1/hook";
    let receiver = Receiver::start(&helpers, move |_| Reply::Status(400, "", body)).await;
    let channels = format!(
        "[{}]",
        webhook(
            "ops",
            &receiver.url(),
            ", token = \"sesame-open\", group_interval = \"1s\""
        )
    );
    let post = Post::start(&database.url(), &channels).await;
    post.tell(&[firing(1, "g")]).await;
    post.counts("ops", "refused", 1).await;
    let log = receiver.log();
    assert_eq!((log.len(), log[0].header("authorization")), (1, "Bearer sesame-open"));
    let shown = post.channel("ops").await;
    assert_eq!(shown.last_error, "400 bad token ***  for http://127.0.0.1***");
    assert_eq!(
        (shown.last_success_unix_ms, shown.pending, shown.place),
        (0, 0, format!("http://127.0.0.1:{}", receiver.port))
    );

    receiver.answers(|_| OK);
    post.tell(&[resolved(1, "g")]).await;
    let accepted = receiver.until_accepted(1).await;
    assert_eq!(
        accepted[0].alerts(),
        [named(1, "resolved")],
        "what is new is another notification"
    );
    assert_eq!(receiver.log().len(), 2);
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let elsewhere = Receiver::start(&helpers, |_| OK).await;
    let location: &'static str = format!("Location: {}\r\n", elsewhere.url()).leak();
    let receiver = Receiver::start(&helpers, move |_| Reply::Status(307, location, "")).await;
    let channels = format!("[{}]", webhook("ops", &receiver.url(), ", token = \"sesame\""));
    let post = Post::start(&database.url(), &channels).await;
    post.tell(&[firing(1, "g")]).await;
    post.counts("ops", "refused", 1).await;
    assert!(elsewhere.log().is_empty(), "a secret went where nobody sent it");
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_proxy_is_the_one_of_the_settings() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let proxy = Receiver::start(&helpers, |_| OK).await;
    let more = format!(", proxy = \"http://127.0.0.1:{}\"", proxy.port);
    let channels = format!("[{}]", webhook("ops", "http://receiver.example/hook", &more));
    let post = Post::start(&database.url(), &channels).await;
    post.tell(&[firing(1, "g")]).await;
    let log = proxy.until(1).await;
    assert_eq!(log[0].line, "POST http://receiver.example/hook HTTP/1.1");
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_notification_that_nobody_takes_is_given_up_after_its_time() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let receiver = Receiver::start(&helpers, |_| Reply::Status(503, "", "")).await;
    let channels = format!(
        "[{}]",
        webhook(
            "ops",
            &receiver.url(),
            ", give_up_after = \"2s\", repeat_interval = \"1h\""
        )
    );
    let post = Post::start(&database.url(), &channels).await;
    post.tell(&[firing(1, "g")]).await;
    post.counts("ops", "given_up", 1).await;
    assert_eq!(post.channel("ops").await.pending, 0);
    assert!(receiver.log().len() >= 2);
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_channel_that_is_slow_or_dead_holds_up_nobody_else() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let slow = Receiver::start(&helpers, |_| Reply::Hang).await;
    let quick = Receiver::start(&helpers, |_| OK).await;
    let dead = format!("http://127.0.0.1:{}/", weir_testkit::free_port());
    let channels = [
        webhook("slow", &slow.url(), ", timeout = \"5s\""),
        webhook("dead", &dead, ""),
        webhook("quick", &quick.url(), ""),
    ];
    let post = Post::start(&database.url(), &format!("[{}]", channels.join(", "))).await;
    for alert in 0..10 {
        let began = tokio::time::Instant::now();
        post.tell(&[firing(alert, &format!("g{alert}"))]).await;
        let log = quick.until(alert as usize + 1).await;
        let took = log[alert as usize].at - began;
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
    assert!(
        slow.log().len() <= crate::alert::deliver::channel::SENDS_MAX * 2,
        "more at a time than there may be"
    );
    let shown = post.channel("dead").await;
    assert!(
        shown.pending == 10 && shown.retries >= 1 && shown.last_error_unix_ms > 0,
        "{shown:?}"
    );
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_trial_says_what_the_receiver_said() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let receiver = Receiver::start(&helpers, |_| Reply::Status(403, "", "no entry")).await;
    let pager = format!(
        "{{ name = \"pager\", kind = \"pagerduty\", url = \"{}\", token = \"key-of-32\" }}",
        receiver.url()
    );
    let channels = format!("[{}, {pager}]", webhook("ops", &receiver.url(), ""));
    let post = Post::start(&database.url(), &channels).await;
    let said = post.deliverer.try_channel("ops").await.unwrap();
    assert_eq!(
        (said.accepted, said.status, said.answer.as_str()),
        (false, 403, "no entry")
    );
    assert_eq!(receiver.log()[0].json()["alerts"][0]["rule"], "test");
    receiver.answers(|_| Reply::Status(202, "", ""));
    let said = post.deliverer.try_channel("pager").await.unwrap();
    assert!(said.accepted);
    let actions: Vec<_> = receiver.log()[1..]
        .iter()
        .map(|request| request.json()["event_action"].clone())
        .collect();
    assert_eq!(
        actions,
        ["trigger", "resolve"],
        "an incident that a trial opens is closed again"
    );
    assert!(post.deliverer.try_channel("nobody").await.is_err());
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}
