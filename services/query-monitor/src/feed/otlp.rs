//! Durations to a collector, by OTLP over gRPC.
//!
//! Totals since the start are sent each time, so a message that is lost costs nothing but freshness, and nothing waits
//! in a queue. Two monitors share the events between them and name themselves; a collector adds them up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Histogram as OtlpHistogram, HistogramDataPoint, Metric, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;
use weir_model::Clock;
use weir_proto::common::v1::StatementKind;
use weir_runtime::TaskResult;
use weir_store::pause;

use super::durations::{BOUNDS_SECONDS, Durations, Histogram, Line};
use crate::metrics::Metrics;

/// How long a collector may take to answer.
const WITHIN: Duration = Duration::from_secs(10);
/// How long the last message may take at shutdown.
const LAST_WITHIN: Duration = Duration::from_secs(3);
/// The version of the conventions from which on those for databases are stable.
const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.33.0";
const NANOS: u64 = 1_000_000;

/// Where a collector is.
pub(super) fn endpoint(url: &str) -> Result<Endpoint, String> {
    let shown: String = url.chars().take(200).collect();
    if !url.starts_with("http://") {
        return Err(format!(
            "{shown:?} is not an address such as http://127.0.0.1:4317 of a collector near by"
        ));
    }
    let endpoint =
        Endpoint::from_shared(url.to_owned()).map_err(|error| format!("{shown:?} cannot be used: {error}"))?;
    Ok(endpoint.connect_timeout(WITHIN).timeout(WITHIN))
}

/// Sends durations now and then.
#[derive(Debug)]
pub(super) struct Exporter {
    endpoint: Endpoint,
    durations: Arc<Mutex<Durations>>,
    clock: Clock,
    metrics: Arc<Metrics>,
    /// This process among all that send.
    instance: String,
}

impl Exporter {
    pub(super) fn new(
        endpoint: Endpoint,
        durations: Arc<Mutex<Durations>>,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            endpoint,
            durations,
            clock,
            metrics,
            instance: Uuid::now_v7().to_string(),
        }
    }

    /// Sends until told to stop, and then once more.
    pub(super) async fn run(self, every: Duration, stop: CancellationToken) -> TaskResult {
        let mut client = MetricsServiceClient::new(self.endpoint.connect_lazy());
        let mut well = true;
        while pause(&stop, every).await {
            let sent = stop.run_until_cancelled(self.send(&mut client)).await;
            if let Some(sent) = sent {
                self.report(&mut well, sent.err());
            }
        }
        let last = tokio::time::timeout(LAST_WITHIN, self.send(&mut client)).await;
        self.report(
            &mut well,
            last.unwrap_or_else(|_| Err("no answer in time".to_owned())).err(),
        );
        Ok(())
    }

    async fn send(&self, client: &mut MetricsServiceClient<Channel>) -> Result<(), String> {
        let request = {
            let durations = self.durations.lock().unwrap_or_else(PoisonError::into_inner);
            request(&durations, self.clock.unix_ms(), &self.instance)
        };
        let answer = client.export(request).await.map_err(|status| status.to_string())?;
        let refused = answer
            .into_inner()
            .partial_success
            .filter(|partial| partial.rejected_data_points > 0);
        refused.map_or(Ok(()), |partial| {
            Err(format!(
                "{} points were refused: {}",
                partial.rejected_data_points, partial.error_message
            ))
        })
    }

    /// Counts each attempt, and tells of a failure once until it works again.
    fn report(&self, well: &mut bool, error: Option<String>) {
        let outcome = if error.is_none() { "sent" } else { "failed" };
        self.metrics.otlp_exports.with([outcome]).inc();
        match &error {
            Some(error) if *well => {
                tracing::warn!(error, "metrics do not reach the collector of monitor.otlp_endpoint");
            }
            None if !*well => tracing::info!("metrics reach the collector of monitor.otlp_endpoint again"),
            _ => {}
        }
        *well = error.is_none();
    }
}

/// The message with everything.
pub(super) fn request(durations: &Durations, now_unix_ms: i64, instance: &str) -> ExportMetricsServiceRequest {
    let resource = Resource {
        attributes: vec![
            text("service.name", "query-monitor"),
            text("service.namespace", "weir"),
            text("service.version", env!("CARGO_PKG_VERSION")),
            text("service.instance.id", instance),
        ],
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: "weir.query-monitor".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let metrics = vec![metric(durations, now_unix_ms)];
    let scope_metrics = vec![ScopeMetrics {
        scope: Some(scope),
        metrics,
        schema_url: SCHEMA_URL.to_owned(),
    }];
    let resource_metrics = vec![ResourceMetrics {
        resource: Some(resource),
        scope_metrics,
        schema_url: SCHEMA_URL.to_owned(),
    }];
    ExportMetricsServiceRequest { resource_metrics }
}

fn metric(durations: &Durations, now_unix_ms: i64) -> Metric {
    let (lines, rest) = durations.lines();
    let point = |attributes, histogram| point(attributes, histogram, durations.since_unix_ms, now_unix_ms);
    let mut data_points: Vec<_> = lines
        .iter()
        .map(|(line, histogram)| point(attributes(line), histogram))
        .collect();
    if rest.counts.iter().any(|count| *count > 0) {
        data_points.push(point(
            vec![attribute("otel.metric.overflow", Value::BoolValue(true))],
            rest,
        ));
    }
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    Metric {
        name: "db.client.operation.duration".to_owned(),
        description: "Duration of database client operations.".to_owned(),
        unit: "s".to_owned(),
        data: Some(Data::Histogram(OtlpHistogram {
            data_points,
            aggregation_temporality,
        })),
        ..Metric::default()
    }
}

fn point(attributes: Vec<KeyValue>, histogram: &Histogram, since_unix_ms: i64, now_unix_ms: i64) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes,
        start_time_unix_nano: since_unix_ms.unsigned_abs().saturating_mul(NANOS),
        time_unix_nano: now_unix_ms.unsigned_abs().saturating_mul(NANOS),
        count: histogram.counts.iter().sum(),
        sum: Some(histogram.sum_seconds),
        bucket_counts: histogram.counts.to_vec(),
        explicit_bounds: BOUNDS_SECONDS.to_vec(),
        ..HistogramDataPoint::default()
    }
}

fn attributes(line: &Line) -> Vec<KeyValue> {
    let mut attributes = vec![
        text("db.system.name", "postgresql"),
        text("db.namespace", &line.database),
        text("weir.project", line.project.as_str()),
    ];
    attributes.extend(operation(line.kind).map(|name| text("db.operation.name", name)));
    if let Some(state) = &line.failure {
        let code = state.as_ref().and_then(|state| std::str::from_utf8(state).ok());
        attributes.extend(code.map(|code| text("db.response.status_code", code)));
        attributes.push(text("error.type", code.unwrap_or("_OTHER")));
    }
    attributes
}

/// The command, where a kind of statement has a single one.
const fn operation(kind: StatementKind) -> Option<&'static str> {
    match kind {
        StatementKind::Select => Some("SELECT"),
        StatementKind::Insert => Some("INSERT"),
        StatementKind::Update => Some("UPDATE"),
        StatementKind::Delete => Some("DELETE"),
        StatementKind::Merge => Some("MERGE"),
        StatementKind::Copy => Some("COPY"),
        StatementKind::Unspecified | StatementKind::Ddl | StatementKind::Transaction | StatementKind::Utility => None,
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}
