//! What a collector is sent.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Histogram, HistogramDataPoint};
use weir_model::Project;
use weir_proto::common::v1::StatementKind;

use crate::aggregate::Told;

use super::durations::{BOUNDS_SECONDS, Durations, LINES_MAX};
use super::otlp::{endpoint, request};

const NOON: i64 = 1_800_000_000_000;

fn event<'m>(database: &'m str, kind: StatementKind, took_us: u64, sqlstate: &'m str) -> Told<'m> {
    Told {
        database,
        kind: kind.into(),
        server_us: took_us,
        sqlstate,
        ..Told::default()
    }
}

fn counted(events: Vec<Told<'_>>) -> Durations {
    let mut durations = Durations::new(NOON);
    durations.add(&Project::parse("shop").unwrap(), &events);
    durations
}

fn sent(durations: &Durations) -> Histogram {
    let request = request(durations, NOON + 60_000, "here");
    let metric = request.resource_metrics[0].scope_metrics[0].metrics[0].clone();
    assert_eq!(
        (metric.name.as_str(), metric.unit.as_str()),
        ("db.client.operation.duration", "s")
    );
    match metric.data {
        Some(Data::Histogram(histogram)) => histogram,
        other => panic!("{other:?} is no histogram"),
    }
}

fn shown(attributes: &[KeyValue]) -> Vec<String> {
    let value = |pair: &KeyValue| match pair.value.clone().and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        other => format!("{other:?}"),
    };
    attributes
        .iter()
        .map(|pair| format!("{}={}", pair.key, value(pair)))
        .collect()
}

fn with<'a>(histogram: &'a Histogram, attribute: &str) -> &'a HistogramDataPoint {
    let has = |point: &&HistogramDataPoint| shown(&point.attributes).iter().any(|shown| shown == attribute);
    histogram
        .data_points
        .iter()
        .find(has)
        .unwrap_or_else(|| panic!("no point with {attribute}: {histogram:?}"))
}

#[test]
fn a_statement_is_told_under_the_stable_names() {
    let histogram = sent(&counted(vec![event("db", StatementKind::Select, 2_000, "")]));
    assert_eq!(histogram.aggregation_temporality, 2, "totals since the start");
    let point = &histogram.data_points[0];
    let expected = [
        "db.system.name=postgresql",
        "db.namespace=db",
        "weir.project=shop",
        "db.operation.name=SELECT",
    ];
    assert_eq!(shown(&point.attributes), expected);
    assert_eq!((point.count, point.sum), (1, Some(0.002)));
    assert_eq!(point.bucket_counts, [0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(point.explicit_bounds, BOUNDS_SECONDS);
    assert_eq!(point.time_unix_nano - point.start_time_unix_nano, 60_000_000_000);
}

#[test]
fn a_bound_belongs_to_the_bucket_below_it_and_what_is_longest_to_the_last() {
    let events = [1_000, 1_001, 10_000_000, 10_000_001].map(|took| event("db", StatementKind::Select, took, ""));
    let histogram = sent(&counted(events.to_vec()));
    assert_eq!(histogram.data_points[0].bucket_counts, [1, 1, 0, 0, 0, 0, 0, 0, 1, 1]);
}

#[test]
fn failures_are_told_by_their_sqlstate_and_strange_ones_as_other() {
    let histogram = sent(&counted(vec![
        event("db", StatementKind::Insert, 1, "23505"),
        event("db", StatementKind::Insert, 1, "23505"),
        event("db", StatementKind::Insert, 1, ""),
        event("db", StatementKind::Insert, 1, "no such"),
        event("db", StatementKind::Insert, 1, "a;b'c"),
    ]));
    assert_eq!(histogram.data_points.len(), 3);
    let unique = with(&histogram, "error.type=23505");
    assert_eq!(unique.count, 2);
    assert!(shown(&unique.attributes).contains(&"db.response.status_code=23505".to_owned()));
    let other = with(&histogram, "error.type=_OTHER");
    assert_eq!(other.count, 2);
    assert!(
        !shown(&other.attributes)
            .iter()
            .any(|shown| shown.starts_with("db.response"))
    );
}

#[test]
fn kinds_that_are_not_one_command_have_no_operation() {
    let kinds = [
        StatementKind::Ddl,
        StatementKind::Transaction,
        StatementKind::Utility,
        StatementKind::Unspecified,
    ];
    let histogram = sent(&counted(kinds.map(|kind| event("db", kind, 1, "")).to_vec()));
    let named = |point: &HistogramDataPoint| shown(&point.attributes).iter().any(|shown| shown.contains("operation"));
    assert!(!histogram.data_points.iter().any(named), "{histogram:?}");
}

#[test]
fn points_with_the_same_attributes_are_one() {
    let kinds = [
        StatementKind::Ddl,
        StatementKind::Transaction,
        StatementKind::Utility,
        StatementKind::Unspecified,
    ];
    let histogram = sent(&counted(kinds.map(|kind| event("db", kind, 1, "")).to_vec()));
    assert_eq!(
        histogram.data_points.len(),
        1,
        "a collector takes two of the same for a mistake: {histogram:?}"
    );
    assert_eq!(histogram.data_points[0].count, 4);
}

#[test]
fn series_are_bounded_and_what_is_beyond_is_counted_all_the_same() {
    let names: Vec<String> = (0..3_000).map(|number| format!("db{number}")).collect();
    let events = names.iter().map(|name| event(name, StatementKind::Select, 1, ""));
    let mut durations = counted(events.collect());
    let known = [
        event("db7", StatementKind::Select, 1, ""),
        event("db2999", StatementKind::Select, 1, ""),
    ];
    durations.add(&Project::parse("shop").unwrap(), &known);
    let histogram = sent(&durations);
    assert_eq!(histogram.data_points.len(), LINES_MAX);
    assert_eq!(
        histogram.data_points.iter().map(|point| point.count).sum::<u64>(),
        3_002
    );
    assert_eq!(with(&histogram, "db.namespace=db7").count, 2);
    let rest = with(&histogram, "otel.metric.overflow=Some(BoolValue(true))");
    assert_eq!(rest.count, 3_002 - 2_000);
}

#[test]
fn an_endpoint_that_cannot_be_is_refused_in_one_line() {
    assert!(endpoint("http://127.0.0.1:4317").is_ok());
    for bad in ["127.0.0.1:4317", "https://collector:4317", "http://", "http://a b", ""] {
        let error = endpoint(bad).map(|_| ()).unwrap_err();
        assert!(!error.contains('\n'), "{bad}: {error}");
    }
}
