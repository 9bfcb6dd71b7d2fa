//! Setting up tracing: log lines on standard error, spans to a collector.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};
use weir_config::{Error as ConfigError, Origin};

use crate::settings::{LogFormat, TelemetrySettings};

/// How long the last spans may take to leave at shutdown.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// Whether spans leave this process.
static EXPORTS: AtomicBool = AtomicBool::new(false);

/// Whether spans leave this process. Where they do not, a span for each of very many calls is only a cost.
pub fn exports_spans() -> bool {
    EXPORTS.load(Ordering::Relaxed)
}

/// Why logs or traces cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A directive or endpoint that cannot be.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    /// Something else in this process has set up tracing.
    #[error("logging is already set up in this process")]
    Twice,
}

/// Holds logs and traces open. [`Telemetry::flush`] sends what is left at the end.
#[derive(Debug)]
pub struct Telemetry {
    provider: SdkTracerProvider,
    filter: reload::Handle<EnvFilter, Registry>,
}

/// What is logged by this process, to be changed while it runs.
#[derive(Debug, Clone)]
pub struct LogFilter(reload::Handle<EnvFilter, Registry>);

impl LogFilter {
    /// Applies changed settings.
    pub fn set(&self, settings: &TelemetrySettings) -> Result<(), InitError> {
        let changed = filter(&settings.log_filter)?;
        self.0.reload(changed).map_err(|_| InitError::Twice)
    }
}

impl Telemetry {
    /// Sets up the process. Must run inside the tokio runtime, since the exporter keeps a connection on it.
    pub fn init(settings: &TelemetrySettings, service: &'static str) -> Result<Self, InitError> {
        let (filter_layer, filter) = reload::Layer::new(filter(&settings.log_filter)?);
        let provider = provider(settings, service)?;
        let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("weir"));
        let lines = match settings.log_format {
            LogFormat::Pretty => pretty().boxed(),
            LogFormat::Json => json().boxed(),
        };
        let subscriber = tracing_subscriber::registry()
            .with(filter_layer)
            .with(spans)
            .with(lines);
        subscriber.try_init().map_err(|_| InitError::Twice)?;
        EXPORTS.store(settings.otlp_endpoint.is_some(), Ordering::Relaxed);
        Ok(Self { provider, filter })
    }

    /// What changes the filter without a restart.
    pub fn filter(&self) -> LogFilter {
        LogFilter(self.filter.clone())
    }

    /// Sends the spans that are still queued. Bounded in time; losing the last spans must not hold up an exit.
    pub async fn flush(self) {
        let provider = self.provider;
        let flushed = tokio_flush(move || provider.shutdown_with_timeout(FLUSH_TIMEOUT));
        if let Err(error) = flushed.await {
            tracing::debug!(error, "the last spans were not exported");
        }
    }
}

/// Runs the blocking shutdown of the exporter beside the runtime, which its connection still needs.
async fn tokio_flush(
    shutdown: impl FnOnce() -> opentelemetry_sdk::error::OTelSdkResult + Send + 'static,
) -> Result<(), String> {
    match tokio::task::spawn_blocking(shutdown).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn filter(directives: &str) -> Result<EnvFilter, ConfigError> {
    let wrong = |error| {
        ConfigError::invalid(
            "telemetry.log_filter",
            Origin::Default,
            format!("{directives:?} cannot be read: {error}"),
        )
    };
    // The exporter's own chatter would be exported in turn.
    let quiet = "hyper=warn,h2=warn,tower=warn,opentelemetry=warn,tonic=warn";
    EnvFilter::builder()
        .parse(format!("{quiet},{directives}"))
        .map_err(wrong)
}

fn provider(settings: &TelemetrySettings, service: &'static str) -> Result<SdkTracerProvider, ConfigError> {
    if !(0.0..=1.0).contains(&settings.trace_ratio) {
        let reason = format!("{} is not between 0 and 1", settings.trace_ratio);
        return Err(ConfigError::invalid("telemetry.trace_ratio", Origin::Default, reason));
    }
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.trace_ratio)));
    let resource = Resource::builder().with_service_name(service).build();
    let builder = SdkTracerProvider::builder()
        .with_sampler(sampler)
        .with_resource(resource);
    let Some(endpoint) = &settings.otlp_endpoint else {
        return Ok(builder.build());
    };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build();
    let exporter = exporter.map_err(|error| {
        let reason = format!("{endpoint:?} cannot be used: {error}");
        ConfigError::invalid("telemetry.otlp_endpoint", Origin::Default, reason)
    })?;
    Ok(builder.with_batch_exporter(exporter).build())
}

fn pretty<S>() -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let colour = std::io::stderr().is_terminal();
    tracing_subscriber::fmt::layer()
        .compact()
        .with_ansi(colour)
        .with_target(true)
        .with_writer(std::io::stderr)
}

fn json<S>() -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_writer(std::io::stderr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_names_the_setting() {
        assert!(filter("info,weir_bus=debug").is_ok());
        let error = filter("weir_bus=shout").unwrap_err().to_string();
        assert!(error.contains("telemetry.log_filter"), "{error}");
    }
}
