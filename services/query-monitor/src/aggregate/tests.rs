//! Counts are exact, quantiles within one per cent, and what is missing is known.

use std::collections::HashMap as Map;

use weir_proto::events::v1::CacheOutcome;

use super::*;
use crate::detect::{Objectives, Outcomes};

const NOW: i64 = 1_800_000_000_000;

fn told(fingerprint: u64, server_us: u64) -> Told<'static> {
    Told {
        fingerprint,
        server_us,
        database: "shop",
        rows: 2,
        started_unix_ms: NOW,
        ..Told::default()
    }
}

fn head(instance: &str, sequence: u64) -> Head<'_> {
    Head {
        instance,
        sequence,
        ..Head::default()
    }
}

fn batch<'m>(head: Head<'m>, events: Vec<Told<'m>>) -> Batch<'m> {
    Batch {
        head: Head {
            events: events.len() as u64,
            ..head
        },
        events,
        shapes: Vec::new(),
    }
}

fn statistics(shapes_max: usize) -> Statistics {
    Statistics::new(Bounds {
        shapes_max,
        slow_from_us: 1_000_000,
        late_from_us: 100_000,
        objectives: Objectives::default(),
    })
}

/// Everything that is in memory, put together by line.
fn lines(statistics: &mut Statistics) -> Map<Key, Cell> {
    let unwritten = statistics.unwritten(&Project::default(), NOW);
    let mut lines: Map<Key, Cell> = Map::new();
    for (_, key, cell) in unwritten.into_iter().flat_map(|batch| batch.cells) {
        lines.entry(key).or_default().merge(&cell);
    }
    lines
}

fn of_shop(fingerprint: u64) -> Key {
    Key {
        project: Project::default(),
        database: "shop".to_owned(),
        fingerprint: Fingerprint::new(fingerprint),
    }
}

fn of_project(fingerprint: Fingerprint) -> Key {
    Key {
        project: Project::default(),
        database: String::new(),
        fingerprint,
    }
}

#[test]
fn counts_are_exact_and_quantiles_within_one_per_cent() {
    let mut statistics = statistics(10);
    for number in 1..=1_000_u64 {
        let one = Told {
            wait_us: 500,
            bytes_out: 10,
            cache: [CacheOutcome::Hit, CacheOutcome::Miss][usize::from(number % 4 == 0)],
            sqlstate: if number % 10 == 0 { "23505" } else { "" },
            ..told(7, number * 1_000)
        };
        statistics.add(&Project::default(), &batch(head("a", number), vec![one]), NOW);
    }
    let lines = lines(&mut statistics);
    let cell = &lines[&of_shop(7)];
    assert_eq!((cell.sums.calls, cell.sums.errors, cell.sums.rows), (1_000, 100, 2_000));
    assert_eq!(
        (cell.sums.wait_us, cell.max_us, cell.sums.bytes_out),
        (500_000, 1_000_500, 10_000)
    );
    assert_eq!((cell.sums.cache_hits, cell.sums.cache_misses), (750, 250));
    assert_eq!(cell.error_classes().collect::<Vec<_>>(), [("23".to_owned(), 100)]);
    for (share, truth) in [(0.5, 500_500.0), (0.95, 950_500.0), (0.99, 990_500.0)] {
        let found = cell.latency.total.quantile_us(share);
        assert!(
            (found - truth).abs() / truth < 0.01,
            "p{share}: {found} instead of {truth}"
        );
    }
    assert_eq!(
        lines[&of_project(WHOLE)],
        *cell,
        "the project as a whole did something else"
    );
}

#[test]
fn the_rarest_shapes_beyond_the_cap_are_counted_together() {
    let mut statistics = statistics(3);
    // Shape n is called n times, and the rare ones come first.
    for fingerprint in 1..=500 {
        let events = vec![told(fingerprint, 1); usize::try_from(fingerprint).unwrap()];
        statistics.add(&Project::default(), &batch(head("a", fingerprint), events), NOW);
    }
    statistics.close(NOW).unwrap();
    let lines = lines(&mut statistics);
    let calls = |key: &Key| lines[key].sums.calls;
    assert_eq!([498, 499, 500].map(|shape| calls(&of_shop(shape))), [498, 499, 500]);
    let all = 500 * 501 / 2;
    assert_eq!(calls(&of_project(OTHER)), all - 498 - 499 - 500);
    assert_eq!((calls(&of_project(WHOLE)), lines.len()), (all, 5));
    assert!(statistics.folded() >= 497);
}

#[test]
fn a_batch_keeps_its_number_until_it_is_written_and_nothing_is_counted_twice() {
    let mut statistics = statistics(10);
    let add = |statistics: &mut Statistics, sequence| {
        statistics.add(&Project::default(), &batch(head("a", sequence), vec![told(7, 1)]), NOW);
    };
    assert!(statistics.close(NOW).is_none());
    add(&mut statistics, 1);
    assert_eq!(statistics.close(NOW).unwrap().number, 1);
    add(&mut statistics, 2);
    assert_eq!(statistics.close(NOW).unwrap().number, 1, "the first is not written yet");
    let unwritten = statistics.unwritten(&Project::default(), NOW);
    let numbers: Vec<_> = unwritten
        .iter()
        .map(|batch| (batch.number, batch.cells.len()))
        .collect();
    assert_eq!(numbers, [(1, 2), (2, 2), (2, 0)]);
    assert_eq!(lines(&mut statistics)[&of_shop(7)].sums.calls, 2);
    statistics.written(1);
    assert_eq!(lines(&mut statistics)[&of_shop(7)].sums.calls, 1);
    assert_eq!(statistics.close(NOW).unwrap().number, 2);
    statistics.written(2);
    assert!(statistics.close(NOW).is_none());
}

#[test]
fn a_store_that_is_away_costs_a_bounded_number_of_spans() {
    let mut statistics = statistics(10);
    for minute in 0..100 {
        let now = NOW + minute * 60_000;
        let late = Told {
            started_unix_ms: now,
            ..told(7, 1)
        };
        statistics.add(&Project::default(), &batch(head("a", 1), vec![late]), now);
    }
    assert!(
        statistics.cells_unwritten() <= 12,
        "{} cells",
        statistics.cells_unwritten()
    );
    assert_eq!(lines(&mut statistics)[&of_shop(7)].sums.calls, 100);
}

#[test]
fn what_comes_late_or_from_the_future_counts_for_a_span_that_is_open() {
    let mut statistics = statistics(10);
    for started_unix_ms in [0, NOW - 3_600_000, NOW, NOW + 3_600_000, i64::MAX] {
        let one = Told {
            started_unix_ms,
            ..told(7, 1)
        };
        statistics.add(&Project::default(), &batch(head("a", 1), vec![one]), NOW);
    }
    let unwritten = statistics.unwritten(&Project::default(), NOW);
    let mut calls: Map<i64, u64> = Map::new();
    for (span, key, cell) in unwritten.iter().flat_map(|batch| &batch.cells) {
        if key.fingerprint != WHOLE {
            *calls.entry(*span).or_default() += cell.sums.calls;
        }
    }
    assert_eq!(calls, Map::from([(NOW - LATE_AFTER_MS, 2), (NOW, 3)]));
}

#[test]
fn a_gateway_that_still_talks_is_not_counted_twice_when_others_are_forgotten() {
    let mut intake = Intake::default();
    for number in 1..=1_500_u64 {
        for (instance, sequence) in [("lasting".to_owned(), number), (format!("brief {number}"), 1)] {
            let head = Head {
                dropped: 1,
                ..head(&instance, sequence)
            };
            intake.note(&head, NOW);
        }
    }
    let totals = intake.totals();
    assert_eq!((totals.batches_lost, totals.events_dropped), (0, 1_501));
    assert_eq!((totals.batches, intake.gateways().len()), (3_000, 1_000));
}

#[test]
fn a_gap_in_the_numbers_is_a_loss_and_disorder_is_not() {
    let mut intake = Intake::default();
    let messages = [
        ("a", 5, 40, 0),
        ("a", 7, 60, 3),
        ("a", 6, 50, 3),
        ("a", 9, 80, 4),
        ("b", 1, 0, 1),
    ];
    for (instance, sequence, events_before, dropped) in messages {
        let message = Head {
            events_before,
            dropped,
            events: 10,
            ..head(instance, sequence)
        };
        intake.note(&message, NOW);
    }
    let expected = Totals {
        events: 50,
        batches: 5,
        batches_lost: 1,
        events_lost: 10,
        events_dropped: 5,
    };
    assert_eq!(intake.totals(), expected);
}

#[test]
fn what_other_monitors_counted_of_a_gateway_is_no_loss() {
    let (mut left, mut right) = (Intake::default(), Intake::default());
    for sequence in 1..=10_u64 {
        let message = Head {
            events_before: (sequence - 1) * 3,
            events: 3,
            ..head("a", sequence)
        };
        // The seventh reaches nobody.
        match sequence {
            7 => {}
            _ if sequence % 2 == 0 => left.note(&message, NOW),
            _ => right.note(&message, NOW),
        }
    }
    assert_eq!(left.totals().batches_lost, 4);
    left.hear_of(
        "right",
        right.own().map(|(name, seen)| (name.to_owned(), *seen)).collect(),
    );
    let totals = left.totals();
    assert_eq!((totals.events, totals.batches_lost, totals.events_lost), (27, 1, 3));
}

#[test]
fn the_past_of_a_project_is_judged_by_windows() {
    let mut history = History::default();
    let project = Project::default();
    let cell = |calls: u64, failed: &'static str, took_us: u64| {
        let mut cell = Cell::default();
        for _ in 0..calls {
            let one = Told {
                sqlstate: failed,
                ..told(1, took_us)
            };
            cell.add(&one, 1_000_000);
        }
        cell
    };
    let ago = |minutes: i64| Level::Seconds.floor(NOW - minutes * 60_000);
    history.merge(&project, ago(1), &cell(10, "", 5_000), 100_000);
    history.merge(&project, ago(2), &cell(5, "53300", 200_000), 100_000);
    // Constraints that keep what they must keep are no failures.
    history.merge(&project, ago(3), &cell(2, "23505", 2_000_000), 100_000);
    history.merge(&project, ago(50), &cell(4, "", 2_000_000), 100_000);
    history.recall(&project, ago(20 * 60), &cell(100, "XX000", 1_000), 100_000);
    history.forget(NOW);
    let recent = history.recent(NOW).remove(0);
    assert_eq!((recent.lately.sums.calls, recent.lately.sums.errors), (17, 7));
    let outcomes = |requests, (errors, error_incidents), (late, late_incidents)| Outcomes {
        requests,
        errors,
        late,
        error_incidents,
        late_incidents,
    };
    let minutes = outcomes(17, (5, 1), (7, 2));
    let hour = outcomes(21, (5, 1), (11, 3));
    let days = outcomes(121, (105, 2), (11, 3));
    assert_eq!(recent.windows, [minutes, minutes, hour, hour, hour, days, days]);
    assert_eq!((recent.hour.slow, recent.day_before.outcomes.requests), (6, 100));
    history.forget(NOW + 4 * 86_400_000);
    assert!(history.recent(NOW).is_empty());
}

#[test]
fn the_detail_of_a_row_is_read_as_it_was_written() {
    let mut cell = Cell::default();
    for (number, sqlstate) in ["", "53300", "53200", "XX000", "no", "é"].into_iter().enumerate() {
        let one = Told {
            sqlstate,
            wait_us: number as u64,
            ..told(1, 1_000 * number as u64)
        };
        cell.add(&one, 1);
    }
    let mut read = Cell::default();
    assert!(read.read_detail(&cell.detail()));
    assert_eq!(read.latency, cell.latency);
    let mut classes: Vec<_> = read.error_classes().collect();
    classes.sort();
    assert_eq!(
        classes,
        [("53".into(), 2), ("??".into(), 1), ("XX".into(), 1), ("no".into(), 1)].map(|one: (String, u64)| one)
    );
    assert!(!read.read_detail(b"what no monitor wrote"));
    assert!(!read.read_detail(&[]));
}

#[test]
fn fifty_thousand_shapes_fit_many_times_into_a_gibibyte() {
    let mut cell = Cell::default();
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..200 {
        let one = Told {
            wait_us: random.u64(..200),
            drain_us: random.u64(..50),
            ..told(1, 200 + random.u64(..20_000))
        };
        cell.add(&one, 1_000_000);
    }
    // As many calls as it takes for sketches to be far from empty; six spans of ten seconds may wait at once.
    assert!(cell.bytes() * 50_000 < 300 << 20, "{} bytes", cell.bytes());
}
