//! Headers and messages, there and back.

use async_nats::header::{HeaderMap, NATS_EXPECTED_STREAM, NATS_MESSAGE_ID};

use crate::Message;

pub(super) fn outgoing(headers: &[(String, String)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name.as_str(), value.as_str());
    }
    map
}

/// The headers of a message that one stream is to store once.
pub(super) fn outgoing_durable(headers: &[(String, String)], stream: &str, id: &str) -> HeaderMap {
    let mut map = outgoing(headers);
    map.insert(NATS_MESSAGE_ID, id);
    map.insert(NATS_EXPECTED_STREAM, stream);
    map
}

pub(super) fn incoming(message: async_nats::Message) -> Message {
    let headers = message.headers.iter().flat_map(HeaderMap::iter);
    let each = headers.flat_map(|(name, values)| values.iter().map(move |value| (name.to_string(), value.to_string())));
    let headers = each.collect();
    Message {
        subject: message.subject.into_string(),
        headers,
        payload: message.payload,
    }
    .into_received()
}
