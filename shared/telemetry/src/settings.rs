//! The `[telemetry]` section.

weir_config::choice! {
    /// How log lines look.
    pub enum LogFormat {
        /// For people at a terminal.
        Pretty = "pretty",
        /// One JSON object a line, for collectors.
        Json = "json",
    }
}

weir_config::section! {
    /// Logs and traces of every service.
    pub struct TelemetrySettings("telemetry") {
        /// How log lines look.
        log_format: LogFormat = ["pretty", "json", "json"],
        /// What is logged, as tracing directives: a level, or a comma-separated list such as `info,weir_bus=debug`. Changes on reload.
        log_filter: String = "info", also ["RUST_LOG" in "", "LOG_LEVEL" in ""],
        /// The OTLP/gRPC collector that receives traces, such as `http://127.0.0.1:4317`. Without it spans are not exported, but trace context still travels.
        otlp_endpoint: Option<String> = weir_config::unset(), also ["OTEL_EXPORTER_OTLP_ENDPOINT" in ""],
        /// The share of new traces that is recorded, 0 to 1. A caller's own decision is kept.
        trace_ratio: f64 = "1", also ["OTEL_TRACES_SAMPLER_ARG" in ""],
    }
}
