//! What the metadata of a gRPC call says of it: how long its caller waits, and which trace it belongs to.

use std::sync::Arc;
use std::time::Duration;

use tonic::Request;
use tonic::metadata::MetadataMap;
use weir_model::is_traceparent;

/// The answer leaves so much before the caller's deadline, or a tenth of it, that it arrives: a caller who hears that
/// the statement was cancelled knows more than one who stopped listening.
const ANSWER_MARGIN: Duration = Duration::from_millis(100);

/// How a call was made.
#[derive(Debug, Default)]
pub(crate) struct Call {
    /// How long its caller waits.
    pub(crate) allowed: Option<Duration>,
    /// Its trace. Empty: none.
    pub(crate) traceparent: String,
    /// Where its caller is: an address without a port. Empty where nobody says.
    pub(crate) client: Arc<str>,
}

/// Where the callers of a connection are.
#[derive(Debug, Clone)]
pub(crate) struct CallerAt(pub(crate) Arc<str>);

impl Call {
    pub(crate) fn of<T>(request: &Request<T>) -> Self {
        let metadata = request.metadata();
        let client = request.extensions().get::<CallerAt>();
        Self {
            allowed: deadline(metadata),
            traceparent: traceparent(metadata),
            client: client.map(|client| client.0.clone()).unwrap_or_default(),
        }
    }
}

/// The trace of a call: that of its span, where spans are exported, else its caller's.
fn traceparent(metadata: &MetadataMap) -> String {
    if weir_telemetry::exports_spans() {
        return weir_telemetry::traceparent().unwrap_or_default();
    }
    let given = metadata.get("traceparent").and_then(|value| value.to_str().ok());
    given
        .filter(|given| is_traceparent(given))
        .unwrap_or_default()
        .to_owned()
}

/// What is left of the caller's own deadline (`grpc-timeout`).
fn deadline(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok()?;
    let left = match unit {
        "H" => Some(Duration::from_secs(number.saturating_mul(3_600))),
        "M" => Some(Duration::from_secs(number.saturating_mul(60))),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }?;
    Some(left - ANSWER_MARGIN.min(left / 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_deadline_is_read_in_every_unit() {
        let read = |text: &'static str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().unwrap());
            deadline(&metadata)
        };
        assert_eq!(read("2S"), Some(Duration::from_millis(1_900)));
        assert_eq!(read("1500m"), Some(Duration::from_millis(1_400)));
        assert_eq!(read("100m"), Some(Duration::from_millis(90)));
        assert_eq!(read("1H"), Some(Duration::from_millis(3_599_900)));
        assert_eq!(read("x"), None);
        assert_eq!(read(""), None);
        assert_eq!(deadline(&MetadataMap::new()), None);
    }

    #[test]
    fn a_callers_trace_is_passed_on_if_it_is_one() {
        let read = |text: &'static str| {
            let mut request = Request::new(());
            request.metadata_mut().insert("traceparent", text.parse().unwrap());
            Call::of(&request).traceparent
        };
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(read(trace), trace);
        assert_eq!(read("select 'secret'"), "");
        assert_eq!(Call::of(&Request::new(())).traceparent, "");
    }
}
