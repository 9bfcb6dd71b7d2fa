//! Counts are exact, quantiles within one per cent, and what is missing is known.

use super::*;

fn event(fingerprint: u64, server_us: u64) -> QueryExecuted {
    QueryExecuted {
        fingerprint,
        server_us,
        database: "shop".to_owned(),
        rows: 2,
        ..QueryExecuted::default()
    }
}

fn batch(instance: &str, sequence: u64, events: Vec<QueryExecuted>) -> QueryBatch {
    QueryBatch {
        instance: instance.to_owned(),
        sequence,
        events,
        ..QueryBatch::default()
    }
}

#[test]
fn counts_are_exact_and_quantiles_within_one_per_cent() {
    let mut statistics = Statistics::new(10);
    let project = Project::default();
    for number in 1..=1_000_u64 {
        let mut one = event(7, number * 1_000);
        one.queue_wait_us = 500;
        one.sqlstate = if number % 10 == 0 {
            "23505".to_owned()
        } else {
            String::new()
        };
        statistics.add(&project, &batch("a", number, vec![one]));
    }
    let (key, cell) = statistics.lines().next().unwrap();
    assert_eq!((key.database.as_str(), key.fingerprint), ("shop", Fingerprint::new(7)));
    assert_eq!((cell.calls, cell.errors, cell.rows), (1_000, 100, 2_000));
    assert!((cell.wait_ms - 500.0).abs() < 1e-6 && (cell.max_ms - 1_000.5).abs() < 1e-6);
    for (share, truth) in [(0.5, 500.5), (0.95, 950.5), (0.99, 990.5)] {
        let found = cell.quantile_ms(share);
        assert!(
            (found - truth).abs() / truth < 0.011,
            "p{share}: {found} instead of {truth}"
        );
    }
}

#[test]
fn shapes_beyond_the_cap_are_counted_together() {
    let mut statistics = Statistics::new(3);
    let events = (1..=10).map(|fingerprint| event(fingerprint, 1)).collect();
    statistics.add(&Project::default(), &batch("a", 1, events));
    assert_eq!(statistics.line_count(), 4);
    let calls: u64 = statistics.lines().map(|(_, cell)| cell.calls).sum();
    assert_eq!(calls, 10);
    let other = statistics
        .lines()
        .find(|(key, _)| key.fingerprint == OTHER)
        .unwrap()
        .1
        .calls;
    assert_eq!(other, 7);
}

#[test]
fn a_gateway_that_still_talks_is_not_counted_twice_when_others_are_forgotten() {
    let mut statistics = Statistics::new(3);
    for number in 1..=1_500_u64 {
        for (instance, sequence) in [("lasting".to_owned(), number), (format!("brief {number}"), 1)] {
            let message = QueryBatch {
                dropped_total: 1,
                ..batch(&instance, sequence, Vec::new())
            };
            statistics.add(&Project::default(), &message);
        }
    }
    let totals = statistics.totals();
    assert_eq!((totals.batches_lost, totals.events_dropped), (0, 1_501));
    assert_eq!(statistics.gateways().count(), 1_000);
}

#[test]
fn a_gap_in_the_numbers_is_a_loss_and_disorder_is_not() {
    let mut statistics = Statistics::new(3);
    for (instance, sequence, dropped_total) in [("a", 5, 0), ("a", 7, 3), ("a", 6, 3), ("a", 9, 4), ("b", 1, 1)] {
        let message = QueryBatch {
            dropped_total,
            ..batch(instance, sequence, Vec::new())
        };
        statistics.add(&Project::default(), &message);
    }
    let totals = statistics.totals();
    assert_eq!(
        totals,
        Totals {
            events: 0,
            batches: 5,
            batches_lost: 1,
            events_dropped: 5
        }
    );
}
