//! The pace of captures.

use weir_proto::common::v1::StatementKind;

use crate::advise::{Pace, Pacer, capturable};

const PACE: Pace = Pace {
    every_ms: 600_000,
    failed_every_ms: 3_600_000,
    per_minute: 2,
};

fn drained(pacer: &mut Pacer<u32>, now: i64) -> Vec<u32> {
    std::iter::from_fn(|| pacer.next(now)).collect()
}

#[test]
fn each_shape_has_its_time_and_all_together_theirs() {
    let mut pacer = Pacer::new(PACE);
    for key in [1, 1, 2, 3, 1] {
        pacer.offer(key, 0);
    }
    assert_eq!(drained(&mut pacer, 0), [1, 2]);
    assert_eq!(drained(&mut pacer, 59_999), [0; 0]);
    assert_eq!(drained(&mut pacer, 60_000), [3]);
    // Not before its ten minutes are over.
    pacer.offer(1, 599_999);
    assert_eq!(drained(&mut pacer, 599_999), [0; 0]);
    pacer.offer(1, 600_000);
    assert_eq!(drained(&mut pacer, 600_000), [1]);
}

#[test]
fn a_failure_is_remembered_longer_and_an_absence_not_at_all() {
    let mut pacer = Pacer::new(PACE);
    pacer.offer(1, 0);
    pacer.offer(2, 0);
    assert_eq!(drained(&mut pacer, 0), [1, 2]);
    pacer.failed(1, 0);
    pacer.forget(&2);
    for now in [60_000, 700_000] {
        pacer.offer(1, now);
    }
    pacer.offer(2, 60_000);
    assert_eq!(drained(&mut pacer, 700_000), [2]);
    pacer.offer(1, 3_600_000);
    assert_eq!(drained(&mut pacer, 3_600_000), [1]);
}

#[test]
fn a_turn_that_was_not_used_is_given_back() {
    let mut pacer = Pacer::new(PACE);
    (1..=4).for_each(|key| pacer.offer(key, 0));
    assert_eq!(pacer.next(0), Some(1));
    pacer.give_back();
    assert_eq!(drained(&mut pacer, 0), [2, 3]);
}

#[test]
fn what_waits_and_what_is_remembered_has_a_bound() {
    let mut pacer = Pacer::new(Pace {
        per_minute: 1_000_000,
        ..PACE
    });
    (0..1_500).for_each(|key| pacer.offer(key, 0));
    assert_eq!((drained(&mut pacer, 0).len(), pacer.dropped()), (1_000, 500));
    for round in 0..200_u32 {
        (0..1_000).for_each(|key| pacer.offer(10_000 + round * 1_000 + key, 1));
        assert_eq!(drained(&mut pacer, 1).len(), 1_000);
    }
    assert!(pacer.remembered() <= 50_000, "{}", pacer.remembered());
}

#[test]
fn a_shape_that_is_whole_stands_for_a_statement() {
    use StatementKind::{Ddl, Delete, Select, Utility};
    let sql = |text: &str, kind| capturable(text, kind).map(|found| (found.sql, found.shortened));
    assert_eq!(sql("SELECT $1", Select), Some(("SELECT $1".to_owned(), false)));
    let list = Some(("DELETE FROM t WHERE a IN ($1) AND b = $2".to_owned(), true));
    assert_eq!(sql("DELETE FROM t WHERE a IN ($1, …) AND b = $2", Delete), list);
    for (text, kind) in [
        ("SELECT a, b…", Select),
        ("SELECT a, …", Select),
        ("SELECT a, b FROM t WHERE …", Select),
        ("", Select),
        ("SELECT 1; SELECT 2", Select),
        ("COMMIT", Select),
        ("SELECT 1", Utility),
        ("CREATE TABLE t AS SELECT 1", Ddl),
        ("CREATE TABLE t AS SELECT 1", Select),
    ] {
        assert_eq!(sql(text, kind), None, "{text}");
    }
}
