//! Metrics: declared once per service with [`metrics!`](crate::metrics!), the doc comment is the help text.
//!
//! Two kinds by rule: counters and histograms move as things happen; gauges that mirror a state are set by a
//! function registered with [`Registry::before_scrape`], never here and there in the code.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::FractionGauge;

/// From a cached read to a report: half a millisecond to half a minute.
pub const LATENCY_BUCKETS_SECONDS: [f64; 16] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0,
];

/// Label sets of one metric beyond which the rest is counted as `other`.
const LABEL_SETS_MAX: usize = 1_000;

/// The value that stands for every label set beyond the cap.
const OTHER: &str = "other";

type Labels = Vec<(&'static str, String)>;
type Hook = Box<dyn Fn() + Send + Sync>;

/// The metrics of one service.
#[derive(Default)]
pub struct Registry {
    metrics: Mutex<prometheus_client::registry::Registry>,
    hooks: Mutex<Vec<Hook>>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Registry")
    }
}

impl Registry {
    /// Runs `hook` before every scrape, to set gauges that mirror a state.
    pub fn before_scrape(&self, hook: impl Fn() + Send + Sync + 'static) {
        self.hooks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::new(hook));
    }

    /// Everything, in Prometheus' text format.
    pub fn encode(&self) -> String {
        for hook in self.hooks.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            hook();
        }
        let mut text = String::new();
        let metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a String cannot fail; a metric that cannot be encoded leaves the text as far as it got.
        let _ = prometheus_client::encoding::text::encode(&mut text, &metrics);
        text
    }

    #[doc(hidden)]
    pub fn register(&self, info: &MetricInfo, metric: impl prometheus_client::registry::Metric) {
        // The encoder appends `_total` to counters and a full stop to the help text.
        let name = info.name.strip_suffix("_total").unwrap_or(info.name);
        let help = info.help.trim_end_matches('.');
        self.metrics
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .register(name, help, metric);
    }
}

/// What the reference says of one metric.
#[derive(Debug, Clone)]
pub struct MetricInfo {
    /// Its full name, as Prometheus sees it.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: String,
}

/// Keeps the number of label sets of one metric bounded.
#[derive(Debug, Default)]
struct Cap(Mutex<HashSet<Labels>>);

impl Cap {
    fn admit(&self, labels: Labels) -> Labels {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(&labels) {
            return labels;
        }
        if seen.len() < LABEL_SETS_MAX {
            seen.insert(labels.clone());
            return labels;
        }
        labels.into_iter().map(|(name, _)| (name, OTHER.to_owned())).collect()
    }
}

fn pairs<const N: usize>(names: [&'static str; N], values: [&str; N]) -> Labels {
    names.into_iter().zip(values.map(str::to_owned)).collect()
}

macro_rules! labelled {
    ($(#[doc = $doc:literal])+ $name:ident, $metric:ty, $constructor:ty, $kind:literal, $new:expr) => {
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub struct $name<const N: usize> {
            names: [&'static str; N],
            family: Family<Labels, $metric, $constructor>,
            cap: Cap,
        }

        impl<const N: usize> $name<N> {
            #[doc(hidden)]
            pub fn register(registry: &Registry, names: [&'static str; N], info: &MetricInfo) -> Self {
                let family = $new;
                registry.register(info, family.clone());
                Self { names, family, cap: Cap::default() }
            }

            #[doc(hidden)]
            pub const KIND: &'static str = $kind;

            /// The series with these label values, in the order of the declaration. The handle may be kept.
            pub fn with(&self, values: [&str; N]) -> $metric {
                let labels = self.cap.admit(pairs(self.names, values));
                self.family.get_or_create_owned(&labels)
            }
        }
    };
}

/// Builds histograms with the common latency buckets.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LatencyBuckets;

impl MetricConstructor<Histogram> for LatencyBuckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(LATENCY_BUCKETS_SECONDS)
    }
}

labelled!(
    /// Counters that share a name and differ in labels.
    Counters, Counter, fn() -> Counter, "counter", Family::default()
);
labelled!(
    /// Gauges that share a name and differ in labels.
    Gauges, FractionGauge, fn() -> FractionGauge, "gauge", Family::new_with_constructor(Gauge::default as fn() -> FractionGauge)
);
labelled!(
    /// Histograms of seconds that share a name and differ in labels.
    Histograms, Histogram, LatencyBuckets, "histogram", Family::new_with_constructor(LatencyBuckets)
);

#[doc(hidden)]
pub fn described(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// `docs/reference/metrics.md`, one table a service.
pub fn reference(services: &[(&str, Vec<MetricInfo>)]) -> String {
    let mut page = String::from(
        "# Metrics\n\nWritten from the declarations in the code by `just reference`; a test fails when it drifts.\n\
         Every service serves its own on `GET /metrics` of its ops port. A metric keeps at most 1,000 label sets; the\n\
         rest is counted under `other`.\n",
    );
    for (service, metrics) in services {
        let _ = write!(
            page,
            "\n## {service}\n\n| metric | kind | labels | meaning |\n| --- | --- | --- | --- |\n"
        );
        for metric in metrics {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} |",
                metric.name,
                metric.kind,
                labels.join(", "),
                metric.help
            );
        }
    }
    page
}

/// Declares the metrics of a service: a struct with a field for each, `register` and `describe`.
///
/// ```
/// weir_telemetry::metrics! {
///     /// What the kettle counts.
///     pub struct Metrics {
///         /// Cups poured, by kind of tea.
///         cups: Counters<1> = "tea_cups_total" ["kind"],
///     }
/// }
/// let registry = weir_telemetry::Registry::default();
/// Metrics::register(&registry).cups.with(["green"]).inc();
/// assert!(registry.encode().contains("tea_cups_total{kind=\"green\"} 1"));
/// ```
#[macro_export]
macro_rules! metrics {
    ($(#[doc = $sdoc:literal])+ $vis:vis struct $name:ident {
        $($(#[doc = $doc:literal])+ $field:ident : $family:ident<$n:literal> = $metric:literal [$($label:literal),*]),* $(,)?
    }) => {
        $(#[doc = $sdoc])+
        #[derive(Debug)]
        $vis struct $name { $($(#[doc = $doc])+ pub $field: $crate::$family<$n>),* }

        impl $name {
            /// Registers every metric. Once per registry.
            $vis fn register(registry: &$crate::Registry) -> Self {
                let mut described = Self::describe().into_iter();
                Self { $($field: {
                    let unnamed = || $crate::MetricInfo { name: $metric, kind: "", labels: &[], help: String::new() };
                    let info = described.next().unwrap_or_else(unnamed);
                    $crate::$family::register(registry, [$($label),*], &info)
                }),* }
            }

            /// What the reference says of each metric.
            $vis fn describe() -> Vec<$crate::MetricInfo> {
                vec![$($crate::MetricInfo {
                    name: $metric,
                    kind: $crate::$family::<$n>::KIND,
                    labels: &[$($label),*],
                    help: $crate::described(&[$($doc),+]),
                }),*]
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::metrics! {
        /// Metrics of a test.
        struct Sample {
            /// Queries that ended.
            queries: Counters<2> = "weir_queries_total" ["project", "outcome"],
            /// Connections.
            size: Gauges<1> = "db_pool_size" ["state"],
            /// How long.
            duration: Histograms<0> = "weir_query_duration_seconds" [],
        }
    }

    #[test]
    fn the_doc_comment_is_the_help_text_and_names_are_kept() {
        let registry = Registry::default();
        let sample = Sample::register(&registry);
        sample.queries.with(["default", "ok"]).inc_by(3);
        sample.size.with(["idle"]).set(2.0);
        sample.duration.with([]).observe(0.003);
        let text = registry.encode();
        for line in [
            "# HELP weir_queries Queries that ended.",
            "weir_queries_total{project=\"default\",outcome=\"ok\"} 3",
            "db_pool_size{state=\"idle\"} 2",
            "weir_query_duration_seconds_bucket{le=\"0.005\"} 1",
        ] {
            assert!(text.contains(line), "{line} is missing in {text}");
        }
    }

    #[test]
    fn label_sets_are_bounded() {
        let registry = Registry::default();
        let sample = Sample::register(&registry);
        for number in 0..LABEL_SETS_MAX + 50 {
            sample.queries.with([&number.to_string(), "ok"]).inc();
        }
        let text = registry.encode();
        assert!(
            text.contains("weir_queries_total{project=\"other\",outcome=\"other\"} 50"),
            "{}",
            text.len()
        );
    }

    #[test]
    fn a_state_is_read_when_it_is_asked_for() {
        let registry = Registry::default();
        let size = Sample::register(&registry).size.with(["active"]);
        registry.before_scrape(move || {
            size.set(7.0);
        });
        assert!(registry.encode().contains("db_pool_size{state=\"active\"} 7"));
    }
}
