//! How much the bus holds in memory. Nothing here is unbounded.

/// The bounds of a bus. Beyond them it refuses, or drops and counts; it never grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of core messages that are accepted, but not yet written to the server.
    pub send_buffer_bytes: usize,
    /// Messages that a subscription holds for a receiver that is slow.
    pub subscription_messages: usize,
    /// Bytes that a subscription holds for a receiver that is slow.
    pub subscription_bytes: usize,
    /// Messages that a stream in memory holds for its consumers.
    pub stream_messages: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            send_buffer_bytes: 8 << 20,
            subscription_messages: 8192,
            subscription_bytes: 32 << 20,
            stream_messages: 65_536,
        }
    }
}
