//! Groups by themselves: when what is told, and what becomes of it.

use super::harness::{firing, resolved};
use crate::alert::deliver::group::{ALERTS_MAX, Added, Batch, Group, Policy, Settled};
use crate::alert::deliver::retry::Outcome;
use crate::alert::notice::{Notice, NoticeState};
use uuid::Uuid;

const POLICY: Policy = Policy {
    gather_ms: 300,
    group_interval_ms: 60_000,
    repeat_ms: 4 * 3_600_000,
    give_up_ms: 86_400_000,
    send_resolved: true,
};

/// A group and the time.
struct Play {
    group: Group,
    now_ms: i64,
    policy: Policy,
}

impl Play {
    fn new() -> Self {
        Self {
            group: Group::default(),
            now_ms: 1_000_000,
            policy: POLICY,
        }
    }

    fn add(&mut self, notice: Notice) -> Added {
        self.group.add(notice, &self.policy, self.now_ms)
    }

    /// Waits for the next thing to do, does it, and says how long that took.
    fn next(&mut self) -> (i64, Option<Batch>) {
        let due = self.group.due_ms(&self.policy);
        let waited = (due - self.now_ms).max(0);
        self.now_ms += waited;
        (waited, self.group.next(&self.policy, self.now_ms, Uuid::now_v7()))
    }

    fn settle(&mut self, batch: &Batch, outcome: &Outcome) -> Settled {
        self.group.settle(batch, outcome, &self.policy, self.now_ms, 1.0)
    }

    fn accept(&mut self) -> (i64, Vec<(u64, NoticeState)>) {
        let (waited, batch) = self.next();
        let batch = batch.unwrap();
        assert_eq!(self.settle(&batch, &Outcome::Accepted), Settled::Accepted);
        (waited, contents(&batch))
    }
}

fn contents(batch: &Batch) -> Vec<(u64, NoticeState)> {
    let one = |notice: &Notice| (u64::from_str_radix(&notice.key, 16).unwrap(), notice.state);
    let mut all: Vec<_> = batch.notices.iter().map(one).collect();
    all.sort_by_key(|(alert, _)| *alert);
    all
}

use NoticeState::{Firing, Resolved};

#[test]
fn the_first_is_told_at_once_what_follows_gathers_and_the_end_closes() {
    let mut play = Play::new();
    play.add(firing(1, "g"));
    play.now_ms += 100;
    play.add(firing(2, "g"));
    assert_eq!(
        play.accept(),
        (200, vec![(1, Firing), (2, Firing)]),
        "within the gathering time of the first"
    );
    play.now_ms += 10_000;
    play.add(firing(3, "g"));
    play.now_ms += 20_000;
    play.add(resolved(1, "g"));
    assert_eq!(
        play.accept(),
        (30_000, vec![(1, Resolved), (2, Firing), (3, Firing)]),
        "a minute after the last"
    );
    play.add(resolved(2, "g"));
    play.add(resolved(3, "g"));
    assert_eq!(play.accept(), (60_000, vec![(2, Resolved), (3, Resolved)]));
    let (waited, batch) = play.next();
    assert_eq!((waited, batch), (60_000, None));
    assert!(play.group.is_over(&play.policy, play.now_ms));
}

#[test]
fn what_is_known_is_not_told_and_what_still_fires_is_told_again_in_time() {
    let mut play = Play::new();
    play.add(firing(1, "g"));
    play.accept();
    let worse = Notice {
        value: 9_999.0,
        ..firing(1, "g")
    };
    assert_eq!(play.add(worse), Added::Known, "another figure is no news");
    let (waited, batch) = play.next();
    let batch = batch.unwrap();
    assert_eq!(
        (waited, batch.repeat, batch.notices[0].value),
        (4 * 3_600_000, true, 9_999.0)
    );
    play.settle(&batch, &Outcome::Accepted);
    let critical = Notice {
        severity: "critical".to_owned(),
        ..firing(1, "g")
    };
    assert_eq!(play.add(critical), Added::News, "another severity is");
    assert_eq!(play.accept(), (60_000, vec![(1, Firing)]));
    play.add(resolved(1, "g"));
    assert_eq!(
        play.add(firing(1, "g")),
        Added::News,
        "it fires again, with its severity of before"
    );
    assert_eq!(play.accept(), (60_000, vec![(1, Firing)]));
    play.add(resolved(1, "g"));
    assert_eq!(
        play.add(firing(1, "g")),
        Added::Known,
        "it never ended as far as the receiver knows"
    );
}

#[test]
fn a_notification_in_doubt_is_repeated_as_it_was_and_one_that_did_not_arrive_is_made_anew() {
    let mut play = Play::new();
    play.add(firing(1, "g"));
    let first = play.next().1.unwrap();
    assert_eq!(play.settle(&first, &Outcome::UNREACHED), Settled::Again);
    play.add(firing(2, "g"));
    let (waited, second) = play.next();
    let second = second.unwrap();
    assert_eq!(
        (waited, contents(&second), second.id),
        (1_000, vec![(1, Firing), (2, Firing)], first.id)
    );
    assert_eq!(play.settle(&second, &Outcome::UNKNOWN), Settled::Again);
    play.add(resolved(1, "g"));
    let (waited, third) = play.next();
    let third = third.unwrap();
    assert_eq!((waited, &third.notices, third.id), (2_000, &second.notices, first.id));
    assert_eq!(play.settle(&third, &Outcome::UNREACHED), Settled::Again);
    let fourth = play.next().1.unwrap();
    assert_eq!(
        fourth.notices, second.notices,
        "an earlier attempt may still have arrived"
    );
    play.settle(&fourth, &Outcome::Accepted);
    assert_eq!(play.accept(), (60_000, vec![(1, Resolved), (2, Firing)]));
}

#[test]
fn whoever_takes_over_repeats_what_a_vanished_sender_may_have_sent() {
    let mut play = Play::new();
    play.add(firing(1, "g"));
    let lost = play.next().1.unwrap();
    play.add(firing(2, "g"));
    let again = play.next().1.unwrap();
    assert_eq!((again.id, &again.notices, again.attempt), (lost.id, &lost.notices, 2));
    assert_eq!(
        play.settle(&lost, &Outcome::UNREACHED),
        Settled::Stale,
        "a failure of the past says nothing"
    );
    assert_eq!(
        play.settle(&lost, &Outcome::Accepted),
        Settled::Accepted,
        "an acceptance is one whenever it is heard"
    );
    assert_eq!(play.settle(&again, &Outcome::Accepted), Settled::Stale);
    assert_eq!(play.accept().1, [(1, Firing), (2, Firing)]);
}

#[test]
fn a_receiver_may_ask_for_time() {
    let mut play = Play::new();
    play.add(firing(1, "g"));
    let batch = play.next().1.unwrap();
    play.settle(
        &batch,
        &Outcome::Later {
            after_ms: 45_000,
            in_doubt: false,
        },
    );
    assert_eq!(play.next().0, 45_000);
}

#[test]
fn what_is_refused_or_given_up_is_over_and_what_still_fires_gets_another_chance() {
    let mut play = Play::new();
    play.add(firing(1, "g"));
    play.add(firing(2, "g"));
    let batch = play.next().1.unwrap();
    assert_eq!(play.settle(&batch, &Outcome::Refused), Settled::Refused);
    play.add(resolved(1, "g"));
    assert_eq!(play.accept(), (60_000, vec![(1, Resolved), (2, Firing)]));

    let mut play = Play::new();
    play.add(firing(1, "g"));
    let (mut attempts, mut last) = (0, Settled::Again);
    let began = play.now_ms;
    while last == Settled::Again {
        let batch = play.next().1.unwrap();
        attempts += 1;
        last = play.settle(&batch, &Outcome::UNKNOWN);
    }
    assert_eq!(last, Settled::GivenUp);
    assert!(
        (86_400_000..86_400_000 + 300_000 + 300).contains(&(play.now_ms - began)),
        "{}",
        play.now_ms - began
    );
    assert!(attempts > 288, "{attempts}");
    let (waited, batch) = play.next();
    assert_eq!(
        (waited, batch.unwrap().id == Uuid::nil()),
        (15 * 60_000, false),
        "it still fires"
    );
}

#[test]
fn the_end_is_kept_from_those_who_do_not_want_it_unless_it_is_all_there_is_to_tell() {
    let mut play = Play::new();
    play.policy.send_resolved = false;
    play.add(firing(1, "g"));
    play.add(firing(2, "g"));
    play.accept();
    assert_eq!(play.add(resolved(1, "g")), Added::Known);
    assert_eq!(play.group.len(), 1, "what is over and needs no telling is forgotten");
    play.add(firing(3, "g"));
    play.add(resolved(3, "g"));
    assert_eq!(
        play.accept(),
        (60_000, vec![(2, Firing), (3, Resolved)]),
        "nobody was told that it fired"
    );
    play.add(firing(4, "g"));
    let batch = loop {
        if let (_, Some(batch)) = play.next() {
            break batch;
        }
    };
    play.add(resolved(4, "g"));
    play.settle(&batch, &Outcome::Accepted);
    play.add(resolved(2, "g"));
    assert_eq!(play.group.len(), 0);
}

#[test]
fn a_full_group_counts_what_it_cannot_list() {
    let mut play = Play::new();
    for alert in 0..ALERTS_MAX as u64 {
        assert_eq!(play.add(firing(alert, "g")), Added::News);
    }
    assert_eq!(play.add(firing(9_999, "g")), Added::Full);
    assert_eq!(play.add(firing(9_998, "g")), Added::Full);
    let batch = play.next().1.unwrap();
    assert_eq!((batch.notices.len(), batch.more), (ALERTS_MAX, 2));
    play.settle(&batch, &Outcome::Accepted);
    play.add(resolved(1, "g"));
    let batch = play.next().1.unwrap();
    assert_eq!(batch.more, 0, "told once");
}

#[test]
fn a_group_that_is_written_and_read_is_the_same() {
    let mut play = Play::new();
    play.add(Notice {
        summary: "\0 \u{7} \"".to_owned(),
        ..firing(1, "g")
    });
    play.next();
    let text = serde_json::to_string(&play.group).unwrap();
    assert_eq!(serde_json::from_str::<Group>(&text).unwrap(), play.group);
    let unknown = Notice {
        value: f64::NAN,
        threshold: f64::INFINITY,
        ..firing(2, "g")
    };
    let read: Notice = serde_json::from_str(&serde_json::to_string(&unknown).unwrap()).unwrap();
    assert!(
        read.value.is_nan() && read.threshold.is_nan(),
        "a figure that is none must not make a notice unreadable"
    );
}
