//! What travels: a subject, headers and bytes. The bus reads none of them but the subject.

use bytes::Bytes;

use crate::Error;
use crate::subject::check_subject;

/// Headers that begin so belong to the bus itself; receivers do not see them.
const OWN_HEADER: &str = "Nats-";

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it is told, such as `weir.shop.query.executed`.
    pub subject: String,
    /// Names and values. Receivers see them in the order of the names; values of one name keep their order.
    pub headers: Vec<(String, String)>,
    /// What is told.
    pub payload: Bytes,
}

impl Message {
    /// A message without headers.
    pub fn new(subject: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            subject: subject.into(),
            headers: Vec::new(),
            payload: payload.into(),
        }
    }

    /// The same message with one more header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same message with these headers behind those that it has.
    #[must_use]
    pub fn with_headers<N: Into<String>>(mut self, headers: impl IntoIterator<Item = (N, String)>) -> Self {
        let headers = headers.into_iter().map(|(name, value)| (name.into(), value));
        self.headers.extend(headers);
        self
    }

    /// The first value of a header. Names are compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether it can travel at all.
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_subject(&self.subject)?;
        for (name, value) in &self.headers {
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') {
                return Err(Error::invalid("header", name, "letters, digits and '-' are expected"));
            }
            if starts_as_own(name) {
                return Err(Error::invalid(
                    "header",
                    name,
                    "names that begin with Nats- belong to the bus",
                ));
            }
            if value.contains(['\r', '\n']) || value.trim() != value {
                return Err(Error::invalid(
                    "header",
                    name,
                    "its value holds a line break or spaces around it",
                ));
            }
        }
        Ok(())
    }

    /// What it weighs in a buffer.
    pub(crate) fn size_bytes(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + 4)
            .sum();
        self.subject.len() + headers + self.payload.len()
    }

    /// The form in which receivers see it, whatever carried it.
    pub(crate) fn into_received(mut self) -> Self {
        self.headers.retain(|(name, _)| !starts_as_own(name));
        self.headers.sort_by(|one, two| one.0.cmp(&two.0));
        self
    }
}

fn starts_as_own(name: &str) -> bool {
    name.get(..OWN_HEADER.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(OWN_HEADER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_whatever_their_case() {
        let message = Message::new("a.b", "x")
            .with_header("ce-id", "1")
            .with_header("CE-ID", "2");
        assert_eq!(message.header("Ce-Id"), Some("1"));
        assert_eq!(message.header("ce-type"), None);
    }

    #[test]
    fn headers_that_would_break_the_protocol_are_refused() {
        for (name, value) in [
            ("", "x"),
            ("a b", "x"),
            ("a:b", "x"),
            ("a", "x\r\nb: y"),
            ("a", " x"),
            ("nats-msg-id", "x"),
        ] {
            assert!(
                Message::new("a.b", "").with_header(name, value).check().is_err(),
                "{name:?} {value:?}"
            );
        }
        assert!(
            Message::new("a.b", "")
                .with_header("traceparent", "00-1-2-01")
                .check()
                .is_ok()
        );
    }

    #[test]
    fn receivers_see_neither_the_headers_of_the_bus_nor_their_chance_order() {
        let sent = Message::new("a", "")
            .with_header("b", "2")
            .with_header("Nats-Msg-Id", "7")
            .with_header("a", "1");
        let names: Vec<_> = sent.into_received().headers.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
