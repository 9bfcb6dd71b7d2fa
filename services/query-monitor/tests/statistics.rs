//! Statistics across restarts, monitors, time, and a store that goes away: each call is counted once, or known to be lost.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::collections::BTreeMap;
use std::time::Duration;

use harness::{Gateway, Monitor, NOON, SOON, bus, clock, number, of_shop, statement};
use weir_proto::monitor::v1 as api;
use weir_testkit::{Database, Postgres, eventually};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

async fn database() -> Database {
    Postgres::shared().await.database().await
}

fn calls<const N: usize>(expected: [(u64, u64); N]) -> BTreeMap<u64, u64> {
    expected.into()
}

#[tokio::test]
async fn what_was_counted_is_there_after_a_restart() {
    let (bus, database, clock) = (bus(), database().await, clock());
    let mut gateway = Gateway::new(&bus, "gateway");
    let monitor = Monitor::start(&database.url(), &bus, &clock, &[("WEIR_MONITOR__FLUSH_EVERY", "1h")]).await;
    for took_ms in 1..=100 {
        gateway
            .tell(vec![statement(1, took_ms, NOON), statement(2, 7, NOON)])
            .await;
    }
    monitor.has_counted(200).await;
    // Never written before, and not lost by a stop.
    monitor.stop().await;

    let monitor = Monitor::start(&database.url(), &bus, &clock, &[]).await;
    gateway.tell(vec![statement(1, 50, NOON)]).await;
    monitor.has_counted(201).await;
    let lines = monitor.queries(of_shop()).await.queries;
    let first = &lines[0];
    assert_eq!((number(&first.fingerprint), first.calls, first.rows), (1, 101, 202));
    assert_eq!(first.text, "SELECT * FROM t1 WHERE id = $1");
    for (found, truth) in [
        (first.p50_ms, 50.0),
        (first.p95_ms, 95.0),
        (first.p99_ms, 99.0),
        (first.server_p95_ms, 95.0),
    ] {
        assert!((found - truth).abs() <= truth * 0.01, "{found} instead of {truth}");
    }
    assert!((first.max_ms - 100.0).abs() < 1e-6 && (first.total_ms - 5_100.0).abs() < 1e-6);
    let intake = monitor.intake().await;
    assert_eq!((intake.batches_lost_total, intake.events_lost_total), (0, 0));
    monitor.stop().await;
}

#[tokio::test]
async fn a_monitor_that_is_killed_loses_what_it_had_not_written_and_its_successor_says_how_much() {
    let (bus, database, clock) = (bus(), database().await, clock());
    let mut gateway = Gateway::new(&bus, "gateway");
    let monitor = Monitor::start(&database.url(), &bus, &clock, &[]).await;
    gateway.tell(vec![statement(1, 5, NOON); 30]).await;
    monitor.has_counted(30).await;
    monitor.has_written().await;
    monitor.kill().await;
    // Nobody is there to count these.
    gateway.lose(vec![statement(1, 5, NOON); 7]);
    // And these are counted by one that has not written them when it is killed, though it has met the other gateway.
    let never = [("WEIR_MONITOR__FLUSH_EVERY", "1h")];
    let monitor = Monitor::start(&database.url(), &bus, &clock, &never).await;
    let mut other = Gateway::new(&bus, "other gateway");
    other.tell(vec![statement(1, 5, NOON); 11]).await;
    eventually("the other gateway to be met", SOON, || async {
        let met = database
            .psql("select count(*) from weir_monitor.intake where gateway = 'other gateway'")
            .await;
        (met == "1").then_some(()).ok_or(met)
    })
    .await;
    monitor.kill().await;

    let monitor = Monitor::start(&database.url(), &bus, &clock, &[]).await;
    gateway.tell(vec![statement(1, 5, NOON); 3]).await;
    other.tell(vec![statement(1, 5, NOON); 2]).await;
    eventually("the loss to be known", SOON, || async {
        let intake = monitor.intake().await;
        let seen = (
            intake.events_received_total,
            intake.batches_lost_total,
            intake.events_lost_total,
        );
        (seen == (35, 2, 18)).then_some(()).ok_or(format!("{seen:?}"))
    })
    .await;
    assert_eq!(monitor.calls_since(0).await, calls([(1, 35)]));
    assert_eq!(monitor.metric("weir_monitor_events_lost").await, 18.0);
    monitor.stop().await;
}

#[tokio::test]
async fn monitors_share_the_statements_and_each_answers_for_all() {
    let (bus, database, clock) = (bus(), database().await, clock());
    // Neither writes anything while this lasts: they know it from each other.
    let never = [("WEIR_MONITOR__FLUSH_EVERY", "1h")];
    let one = Monitor::start(&database.url(), &bus, &clock, &never).await;
    let two = Monitor::start(&database.url(), &bus, &clock, &never).await;
    let mut gateway = Gateway::new(&bus, "gateway");
    // Until both have heard of each other, one may have lines that the other is not told of.
    eventually("the monitors to know each other", SOON, || async {
        let known = "weir_monitor_peers";
        let both = (one.metric(known).await, two.metric(known).await);
        (both == (1.0, 1.0)).then_some(()).ok_or(format!("{both:?}"))
    })
    .await;
    for _ in 0..100 {
        gateway.tell(vec![statement(1, 5, NOON), statement(2, 50, NOON)]).await;
    }
    for monitor in [&one, &two] {
        monitor.has_counted(200).await;
        eventually("the calls of both", SOON, || async {
            let seen = monitor.calls_since(0).await;
            (seen == calls([(1, 100), (2, 100)]))
                .then_some(())
                .ok_or(format!("{seen:?}"))
        })
        .await;
        assert_eq!(monitor.intake().await.batches_lost_total, 0);
        let own = monitor.metric("weir_monitor_events_total").await;
        assert!(own > 20.0 && own < 180.0, "{own} of 200: the load is not shared");
    }
    one.stop().await;
    eventually("what the other wrote", SOON, || async {
        let seen = two.calls_since(0).await;
        (seen == calls([(1, 100), (2, 100)]))
            .then_some(())
            .ok_or(format!("{seen:?}"))
    })
    .await;
    two.stop().await;
}

#[tokio::test]
async fn a_store_that_is_away_costs_nothing_and_its_absence_is_told() {
    let (bus, clock) = (bus(), clock());
    let mut postgres = Postgres::start().await;
    let mut gateway = Gateway::new(&bus, "gateway");
    let monitor = Monitor::start(&postgres.url("postgres"), &bus, &clock, &[]).await;
    gateway.tell(vec![statement(1, 5, NOON)]).await;
    monitor.has_counted(1).await;
    monitor.has_written().await;

    postgres.stop().await;
    gateway.tell(vec![statement(2, 5, NOON)]).await;
    monitor.has_counted(2).await;
    let answer = monitor.queries(of_shop()).await;
    assert!(answer.missing.contains("the store is away"), "{}", answer.missing);
    let shown: Vec<_> = answer.queries.iter().map(|line| number(&line.fingerprint)).collect();
    assert_eq!(shown, [2]);

    postgres.start_again().await;
    eventually("everything to be there again", SOON, || async {
        let seen = monitor.queries(of_shop()).await;
        let calls: BTreeMap<_, _> = seen
            .queries
            .iter()
            .map(|line| (number(&line.fingerprint), line.calls))
            .collect();
        let whole = seen.missing.is_empty() && calls == self::calls([(1, 1), (2, 1)]);
        whole.then_some(()).ok_or(format!("{} {calls:?}", seen.missing))
    })
    .await;
    monitor.has_written().await;
    assert_eq!(monitor.calls_since(0).await, calls([(1, 1), (2, 1)]));
    monitor.stop().await;
}

/// Waits until the spans of a table, with the calls in each, are these.
async fn spans_are(database: &Database, table: &str, expected: &str) {
    eventually("the spans of a level", Duration::from_secs(40), || async {
        let seen = database
            .psql(&format!(
                "select string_agg(line, ' ') from (
                    select (span_unix_ms - {NOON}) / 1000 || ':' || sum(calls) as line
                    from weir_monitor.{table} where fingerprint = 1 group by span_unix_ms order by span_unix_ms) as spans"
            ))
            .await;
        (seen == expected).then_some(()).ok_or(format!("{seen:?}"))
    })
    .await;
}

/// How many calls a heat-map of everything since a moment shows, and in how many columns.
async fn heat(monitor: &Monitor, since_unix_ms: i64, columns: u32) -> (u64, usize) {
    let request = api::GetHeatmapRequest {
        project: "shop".to_owned(),
        fingerprint: "0000000000000001".to_owned(),
        since_unix_ms,
        columns,
        ..api::GetHeatmapRequest::default()
    };
    let map = monitor.client.clone().get_heatmap(request).await.unwrap().into_inner();
    assert!(
        map.spans
            .iter()
            .all(|span| span.counts.len() == map.bounds_ms.len() + 1)
    );
    assert!(
        map.spans
            .is_sorted_by(|left, right| left.to_unix_ms <= right.from_unix_ms)
    );
    // Five milliseconds each.
    let row = map.bounds_ms.iter().position(|bound| *bound >= 5.0).unwrap();
    let counted = map.spans.iter().filter_map(|span| span.counts.get(row)).sum();
    (counted, map.spans.len())
}

#[tokio::test]
async fn time_makes_spans_coarser_and_no_call_is_lost_or_counted_twice() {
    let (bus, database, clock) = (bus(), database().await, clock());
    let mut gateway = Gateway::new(&bus, "gateway");
    let settings = [("WEIR_MONITOR__TIDY_EVERY", "200ms")];
    let monitor = Monitor::start(&database.url(), &bus, &clock, &settings).await;
    let mut expected = 0;
    for at in [NOON, NOON + 10_000, NOON + 70_000] {
        clock.advance(Duration::from_millis((at - clock.unix_ms()).unsigned_abs()));
        gateway.tell(vec![statement(1, 5, at); 3]).await;
        expected += 3;
        monitor.has_counted(expected).await;
    }
    monitor.has_written().await;
    assert_eq!(monitor.calls_since(NOON + 60_000).await, calls([(1, 3)]));
    assert_eq!(heat(&monitor, NOON, 100).await, (9, 3));
    assert_eq!(heat(&monitor, NOON + 20_000, 100).await, (3, 1));

    // Both minutes are over for so long that nothing more is expected of them.
    clock.advance(Duration::from_secs(200));
    spans_are(&database, "statistics_minutes", "0:6 60:3").await;
    assert_eq!(monitor.calls_since(0).await, calls([(1, 9)]));
    assert_eq!(monitor.calls_since(NOON + 60_000).await, calls([(1, 3)]));

    // What comes late all the same counts for the first span that is still open.
    gateway.tell(vec![statement(1, 5, NOON)]).await;
    monitor.has_counted(10).await;
    monitor.has_written().await;
    assert_eq!(monitor.calls_since(0).await, calls([(1, 10)]));

    clock.advance(Duration::from_secs(2 * 3_600));
    spans_are(&database, "statistics_hours", "0:10").await;
    assert_eq!(monitor.calls_since(0).await, calls([(1, 10)]));
    // The hour is made, and its minutes can still be told apart by whoever has room for them.
    assert_eq!(heat(&monitor, NOON, 1_000).await, (10, 3));
    assert_eq!(heat(&monitor, NOON, 3).await, (10, 1));
    clock.advance(Duration::from_secs(2 * 86_400));
    spans_are(&database, "statistics_days", "-28800:10").await;
    assert_eq!(monitor.calls_since(0).await, calls([(1, 10)]));

    // Three days later the fine ones are gone, and their partitions with them.
    clock.advance(Duration::from_secs(86_400));
    eventually("the fine rows to be gone", SOON, || async {
        let left = database
            .psql("select (select count(*) from weir_monitor.statistics_seconds), (select count(*) from weir_monitor.statistics_minutes)")
            .await;
        (left == "0|0").then_some(()).ok_or(left)
    })
    .await;
    assert_eq!(monitor.calls_since(0).await, calls([(1, 10)]));
    assert_eq!(heat(&monitor, NOON, 1_000).await, (10, 1));
    // An hour of that day can still be told apart.
    assert_eq!(monitor.calls_since(NOON + HOUR).await, calls([]));
    assert_eq!(monitor.calls_since(NOON - DAY).await, calls([(1, 10)]));
    monitor.stop().await;
}

#[tokio::test]
async fn a_timeline_shows_spans_as_they_are_kept() {
    let (bus, database, clock) = (bus(), database().await, clock());
    let mut gateway = Gateway::new(&bus, "gateway");
    let monitor = Monitor::start(&database.url(), &bus, &clock, &[]).await;
    for (at, fingerprint) in [(NOON, 1), (NOON, 2), (NOON + 30_000, 1)] {
        clock.advance(Duration::from_millis((at - clock.unix_ms()).unsigned_abs()));
        gateway.tell(vec![statement(fingerprint, 5, at); 2]).await;
    }
    monitor.has_counted(6).await;
    let timeline = |fingerprint: &str| {
        let request = api::GetTimelineRequest {
            project: "shop".to_owned(),
            fingerprint: fingerprint.to_owned(),
            ..api::GetTimelineRequest::default()
        };
        let mut client = monitor.client.clone();
        async move {
            let answer = client.get_timeline(request).await.unwrap().into_inner();
            let span = |span: &api::TimelineSpan| {
                let calls = span.statistics.as_ref().map(|figures| figures.calls);
                (
                    span.from_unix_ms - NOON,
                    span.to_unix_ms - span.from_unix_ms,
                    calls.unwrap(),
                )
            };
            answer.spans.iter().map(span).collect::<Vec<_>>()
        }
    };
    for _ in 0..2 {
        assert_eq!(timeline("").await, [(0, 10_000, 4), (30_000, 10_000, 2)]);
        assert_eq!(
            timeline("0000000000000001").await,
            [(0, 10_000, 2), (30_000, 10_000, 2)]
        );
        // From memory at first, and then from the store.
        monitor.has_written().await;
    }
    let shape = api::ListQueriesRequest {
        fingerprint: "0000000000000002".to_owned(),
        ..of_shop()
    };
    let lines = monitor.queries(shape).await.queries;
    assert_eq!(lines.iter().map(|line| line.calls).collect::<Vec<_>>(), [2]);
    // Times beyond all clocks are no reason to fail.
    for (since_unix_ms, until_unix_ms) in [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (i64::MAX, 0), (0, i64::MIN)] {
        let request = api::GetTimelineRequest {
            since_unix_ms,
            until_unix_ms,
            points: 1_000,
            ..api::GetTimelineRequest::default()
        };
        monitor.client.clone().get_timeline(request).await.unwrap();
        let listed = api::ListQueriesRequest {
            since_unix_ms,
            until_unix_ms,
            ..of_shop()
        };
        assert_eq!(monitor.queries(listed).await.missing, "");
    }
    let strange = api::GetTimelineRequest {
        fingerprint: "select 1".to_owned(),
        ..api::GetTimelineRequest::default()
    };
    let refused = monitor.client.clone().get_timeline(strange).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
    monitor.stop().await;
}

#[tokio::test]
async fn what_is_written_when_its_minute_is_made_counts_for_the_first_that_is_not() {
    let (bus, database, clock) = (bus(), database().await, clock());
    let mut gateway = Gateway::new(&bus, "gateway");
    let settings = [("WEIR_MONITOR__TIDY_EVERY", "200ms")];
    // This one leads, so it is the one that makes minutes.
    let leader = Monitor::start(&database.url(), &bus, &clock, &settings).await;
    gateway.tell(vec![statement(2, 5, NOON)]).await;
    leader.has_counted(1).await;
    let never = [("WEIR_MONITOR__FLUSH_EVERY", "1h")];
    let late = Monitor::start(&database.url(), &bus, &clock, &never).await;
    // Both take their share.
    for _ in 0..20 {
        gateway.tell(vec![statement(1, 5, NOON)]).await;
    }
    leader.has_counted(21).await;
    assert!(
        late.metric("weir_monitor_lines_unwritten").await > 0.0,
        "it had no share"
    );
    clock.advance(Duration::from_secs(300));
    eventually("the minutes to be made", SOON, || async {
        let made = database
            .psql(&format!(
                "select made_until_unix_ms > {NOON} + 120000 from weir_monitor.levels where level = 'minutes'"
            ))
            .await;
        (made == "t").then_some(()).ok_or(made)
    })
    .await;
    late.stop().await;
    eventually("every call, once", SOON, || async {
        let seen = leader.calls_since(0).await;
        (seen == calls([(1, 20), (2, 1)]))
            .then_some(())
            .ok_or(format!("{seen:?}"))
    })
    .await;
    leader.has_written().await;
    assert_eq!(leader.calls_since(0).await, calls([(1, 20), (2, 1)]));
    leader.stop().await;
}
