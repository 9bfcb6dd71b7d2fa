//! Trace context: in through gRPC metadata and event headers, out the same way (W3C `traceparent`).

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

const HEADER: &str = "traceparent";

/// The `traceparent` of the present span, if tracing is set up.
pub fn traceparent() -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut carrier);
    carrier.remove(HEADER)
}

/// Makes `span` a child of the span that a caller or an event named.
pub fn continue_trace(span: &Span, traceparent: &str) {
    let carrier = HashMap::from([(HEADER.to_owned(), traceparent.to_owned())]);
    // A span that is filtered out has no context to set; then there is nothing to continue.
    let _ = span.set_parent(TraceContextPropagator::new().extract(&carrier));
}

/// The span of one gRPC call, continuing its caller's trace. For `tonic`'s `trace_fn`.
pub fn grpc_span<B>(request: &http::Request<B>) -> Span {
    let path = request.uri().path();
    let span = tracing::info_span!("grpc", otel.kind = "server", otel.name = path, rpc.method = path);
    if let Some(parent) = request.headers().get(HEADER).and_then(|value| value.to_str().ok()) {
        continue_trace(&span, parent);
    }
    span
}

/// Adds the present trace to an outgoing gRPC call. For `tonic`'s `with_interceptor`.
pub fn with_traceparent(mut request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
    if let Some(value) = traceparent().and_then(|text| text.parse().ok()) {
        request.metadata_mut().insert(HEADER, value);
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn a_trace_goes_in_and_comes_out_with_the_same_id() {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let trace_id = "0af7651916cd43dd8448eb211c80319c";
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let request = http::Request::builder()
                .uri("/weir.gateway.v1.GatewayService/Execute")
                .header(HEADER, format!("00-{trace_id}-b7ad6b7169203331-01"));
            let span = grpc_span(&request.body(()).unwrap());
            let _entered = span.enter();
            let outgoing = traceparent().unwrap();
            assert!(outgoing.contains(trace_id), "{outgoing}");
            assert!(
                !outgoing.contains("b7ad6b7169203331"),
                "the span is a new one: {outgoing}"
            );
            let call = with_traceparent(tonic::Request::new(())).unwrap();
            assert_eq!(call.metadata().get(HEADER).unwrap().to_str().unwrap(), outgoing);
        });
    }
}
