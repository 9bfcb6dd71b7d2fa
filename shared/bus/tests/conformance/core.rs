//! Core messages: told once to whoever listens.

use std::collections::BTreeSet;

use tokio::time::timeout;
use weir_bus::{Bus, Error, Limits, Message};

use crate::pair::{DEADLINE, LONG, Open, QUIET, has_dropped, message, next, text, texts};

pub(crate) async fn wildcards_choose_subjects(open: &impl Open) {
    let pair = open(Limits::default()).await;
    let mut exact = pair.far.subscribe("weir.shop.query.executed", None).await.unwrap();
    let mut every_project = pair.far.subscribe("weir.*.query.executed", None).await.unwrap();
    let mut whole_project = pair.far.subscribe("weir.shop.>", None).await.unwrap();
    for (subject, number) in [
        ("weir.shop.query.executed", 1),
        ("weir.bank.query.executed", 2),
        ("weir.shop.pool.state", 3),
        ("weir.shop", 4),
        ("weir.shop.query", 5),
        ("weir.bank.query.executed.late", 6),
        ("weir.shop.query.executed", 7),
    ] {
        pair.near.publish(message(subject, &number.to_string())).await.unwrap();
    }
    assert_eq!(texts(&mut exact, 2).await, ["1", "7"]);
    assert_eq!(texts(&mut every_project, 3).await, ["1", "2", "7"]);
    assert_eq!(texts(&mut whole_project, 4).await, ["1", "3", "5", "7"]);
}

pub(crate) async fn a_message_arrives_as_it_was_sent(open: &impl Open) {
    let pair = open(Limits::default()).await;
    let mut subscription = pair.far.subscribe("a.>", None).await.unwrap();
    let every_byte: Vec<u8> = (0..=255).collect();
    let sent = Message::new("a.b", every_byte.clone())
        .with_header("traceparent", "00-1-2-01")
        .with_header("ce-type", "weir.query: executed")
        .with_header("ce-type", "second")
        .with_header("empty", "");
    pair.near.publish(sent).await.unwrap();
    pair.near.publish(Message::new("a.empty", "")).await.unwrap();

    let received = next(&mut subscription).await;
    let headers: Vec<_> = received
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        headers,
        [
            ("ce-type", "weir.query: executed"),
            ("ce-type", "second"),
            ("empty", ""),
            ("traceparent", "00-1-2-01")
        ]
    );
    assert_eq!(
        (received.subject.as_str(), received.payload.as_ref()),
        ("a.b", every_byte.as_slice())
    );
    assert_eq!(next(&mut subscription).await, Message::new("a.empty", ""));
}

pub(crate) async fn a_group_shares_its_messages(open: &impl Open) {
    const COUNT: usize = 300;
    let pair = open(Limits::default()).await;
    let join = async |bus: &Bus| bus.subscribe("work.>", Some("workers")).await.unwrap();
    let (mut one, mut two, mut three) = (join(&pair.near).await, join(&pair.far).await, join(&pair.far).await);
    let mut other_group = pair.far.subscribe("work.>", Some("watchers")).await.unwrap();
    let mut alone = pair.far.subscribe("work.>", None).await.unwrap();
    for number in 0..COUNT {
        pair.near
            .publish(message("work.item", &number.to_string()))
            .await
            .unwrap();
    }
    let everything: Vec<String> = (0..COUNT).map(|number| number.to_string()).collect();
    assert_eq!(texts(&mut alone, COUNT).await, everything);
    assert_eq!(texts(&mut other_group, COUNT).await, everything);

    let mut shares = [Vec::new(), Vec::new(), Vec::new()];
    while shares.iter().map(Vec::len).sum::<usize>() < COUNT {
        let (member, received) = tokio::select! {
            received = next(&mut one) => (0, received),
            received = next(&mut two) => (1, received),
            received = next(&mut three) => (2, received),
        };
        shares[member].push(text(&received));
    }
    assert!(shares.iter().all(|share| share.len() > COUNT / 20), "{shares:?}");
    let distinct: BTreeSet<_> = shares.concat().into_iter().collect();
    assert_eq!(distinct, everything.into_iter().collect());
}

pub(crate) async fn a_slow_receiver_loses_and_every_loss_is_counted(open: &impl Open) {
    const COUNT: u64 = 5000;
    let pair = open(Limits {
        subscription_messages: 10,
        ..Limits::default()
    })
    .await;
    let mut slow = pair.far.subscribe("a.*", None).await.unwrap();
    let mut also_slow = pair.far.subscribe("a.*", None).await.unwrap();
    for number in 0..COUNT {
        pair.near.publish(message("a.b", &number.to_string())).await.unwrap();
    }
    has_dropped(&slow, COUNT - 10).await;
    has_dropped(&also_slow, COUNT - 10).await;
    assert_eq!(pair.far.counts().dropped_total, 2 * (COUNT - 10));
    assert_eq!(
        texts(&mut slow, 10).await,
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
    );

    // Once it has caught up it misses nothing.
    pair.near.publish(message("a.b", "later")).await.unwrap();
    assert_eq!(text(&next(&mut slow).await), "later");
    has_dropped(&also_slow, COUNT - 9).await;
    assert_eq!(slow.dropped(), COUNT - 10);
    assert_eq!(texts(&mut also_slow, 10).await.len(), 10);
}

pub(crate) async fn a_slow_receiver_holds_a_bounded_number_of_bytes(open: &impl Open) {
    let pair = open(Limits {
        subscription_bytes: 100_000,
        ..Limits::default()
    })
    .await;
    let mut slow = pair.far.subscribe("a", None).await.unwrap();
    for _ in 0..20 {
        pair.near.publish(Message::new("a", vec![7; 9_999])).await.unwrap();
    }
    has_dropped(&slow, 10).await;
    for _ in 0..10 {
        assert_eq!(next(&mut slow).await.payload.len(), 9_999);
    }
}

pub(crate) async fn each_message_is_received_or_counted(open: &impl Open) {
    const COUNT: u64 = 20_000;
    let pair = open(Limits {
        subscription_messages: 50,
        ..Limits::default()
    })
    .await;
    let mut subscription = pair.far.subscribe("a", None).await.unwrap();
    let publish = async {
        for number in 0..COUNT {
            pair.near.publish(message("a", &number.to_string())).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let receive = async {
        let mut received = 0;
        while received + subscription.dropped() < COUNT {
            if timeout(QUIET, subscription.next()).await.is_ok() {
                received += 1;
            }
        }
        (received, subscription.dropped())
    };
    let (received, dropped) = timeout(DEADLINE, async { tokio::join!(receive, publish).0 })
        .await
        .expect("a loss");
    assert_eq!(received + dropped, COUNT);
    assert!(received >= 50, "{received}");
}

pub(crate) async fn a_subscription_that_is_dropped_takes_no_more(open: &impl Open) {
    let pair = open(Limits::default()).await;
    let gone = pair.far.subscribe("a", Some("group")).await.unwrap();
    let mut left = pair.far.subscribe("a", Some("group")).await.unwrap();
    drop(gone);
    // Subscribing waits for the server, which then has heard of the end of the other as well.
    let _later = pair.far.subscribe("b", None).await.unwrap();
    for number in 0..20 {
        pair.near.publish(message("a", &number.to_string())).await.unwrap();
    }
    assert_eq!(texts(&mut left, 20).await.len(), 20);
}

pub(crate) async fn what_cannot_travel_is_refused_and_counted(open: &impl Open) {
    let pair = open(Limits::default()).await;
    let invalid = |error: Error| matches!(error, Error::Invalid { .. });
    assert!(invalid(pair.near.publish(message("a.*", "1")).await.unwrap_err()));
    assert!(invalid(pair.near.publish(message("a b", "1")).await.unwrap_err()));
    assert!(invalid(
        pair.near
            .publish(message("a", "1").with_header("x", "1\r\ny: 2"))
            .await
            .unwrap_err()
    ));
    assert!(invalid(pair.near.subscribe("a.>.b", None).await.unwrap_err()));
    assert!(invalid(pair.near.subscribe("a", Some("two words")).await.unwrap_err()));
    let large = Message::new("a", vec![0; 2 << 20]);
    let error = pair.near.publish(large).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooLarge {
                limit_bytes: 1_048_576,
                ..
            }
        ),
        "{error}"
    );
    assert!(!error.is_retryable());

    pair.near.publish(message("a", "1")).await.unwrap();
    pair.near.flush(LONG).await.unwrap();
    let counts = pair.near.counts();
    assert_eq!((counts.published_total, counts.refused_total), (1, 4));
}
