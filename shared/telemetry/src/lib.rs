//! Logs, traces and metrics: how Weir is observed.
//!
//! Nothing here decides anything, and nothing that is observed waits for an observer: spans go through a bounded
//! queue to the exporter, metrics are read when they are asked for.

mod logs;
mod metrics;
mod settings;
mod trace;

pub use logs::{InitError, LogFilter, Telemetry, exports_spans};
#[doc(hidden)]
pub use metrics::described;
pub use metrics::{Counters, Gauges, Histograms, LATENCY_BUCKETS_SECONDS, MetricInfo, Registry, reference};
pub use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};
pub use settings::{LogFormat, TelemetrySettings};
pub use trace::{continue_trace, grpc_span, traceparent, with_traceparent};

/// A gauge of whole numbers.
pub type WholeGauge = Gauge<i64, std::sync::atomic::AtomicI64>;
/// A gauge of fractions.
pub type FractionGauge = Gauge<f64, std::sync::atomic::AtomicU64>;
