//! An event ready to be published, and the way back.

use bytes::Bytes;
use uuid::{NoContext, Timestamp, Uuid};
use weir_model::{Clock, Project};

use crate::InvalidSubject;
use crate::catalogue::{EventKind, Payload};
use crate::subject::{Subject, parse};

/// Something that happened, with all that its message needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Unique; two messages with the same id are the same event told twice.
    pub id: Uuid,
    /// What sort of event it is.
    pub kind: &'static EventKind,
    /// Where it is published.
    pub subject: Subject,
    /// The service that tells it.
    pub source: String,
    /// When it was made.
    pub time_unix_ms: i64,
    /// The encoded message.
    pub payload: Bytes,
}

impl Event {
    pub(crate) fn new<M: Payload>(project: &Project, source: &str, payload: &M, clock: &Clock) -> Self {
        Self::encoded::<M>(project, source, payload.encode_to_vec().into(), clock)
    }

    /// An event whose payload is the encoded form of an `M` already.
    pub(crate) fn encoded<M: Payload>(project: &Project, source: &str, payload: Bytes, clock: &Clock) -> Self {
        let time_unix_ms = clock.unix_ms();
        Self {
            id: new_id(time_unix_ms),
            kind: M::KIND,
            subject: Subject::new(project.clone(), M::KIND.suffix),
            source: source.to_owned(),
            time_unix_ms,
            payload,
        }
    }

    /// The headers of the CloudEvents binding for NATS.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ce-specversion", "1.0".to_owned()),
            ("ce-id", self.id.to_string()),
            ("ce-type", self.kind.cloudevents_type()),
            ("ce-source", format!("/weir/{}", self.source)),
            ("ce-time", rfc3339(self.time_unix_ms)),
            ("ce-datacontenttype", "application/protobuf".to_owned()),
        ]
    }
}

/// An id that sorts by the time of the event's own clock.
fn new_id(unix_ms: i64) -> Uuid {
    let unix_ms = u64::try_from(unix_ms).unwrap_or_default();
    let nanoseconds = u32::try_from(unix_ms % 1_000).unwrap_or_default() * 1_000_000;
    Uuid::new_v7(Timestamp::from_unix(NoContext, unix_ms / 1_000, nanoseconds))
}

fn rfc3339(unix_ms: i64) -> String {
    let moment = chrono::DateTime::<chrono::Utc>::from_timestamp_millis(unix_ms).unwrap_or_default();
    moment.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// A message that is not the event it should be.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Its subject is not one of Weir's.
    #[error(transparent)]
    Subject(#[from] InvalidSubject),
    /// Its subject is that of another event. Protobuf would read it all the same, and wrongly.
    #[error("{subject} does not carry {expected}; read it as what its subject says")]
    Kind {
        /// The subject that it came on.
        subject: String,
        /// The message that was expected.
        expected: &'static str,
    },
    /// Its payload cannot be read.
    #[error("the payload cannot be read: {0}")]
    Payload(#[from] prost::DecodeError),
}

/// Reads a received message: the project its subject names, and its payload.
pub fn decode<M: Payload>(subject: &str, payload: &Bytes) -> Result<(Project, M), DecodeError> {
    let project = project_of::<M>(subject)?;
    Ok((project, M::decode(payload.clone())?))
}

/// The project that the subject of such a message names, for those who read its payload by themselves.
pub fn project_of<M: Payload>(subject: &str) -> Result<Project, DecodeError> {
    let (project, suffix) = parse(subject)?;
    if suffix != M::KIND.suffix {
        return Err(DecodeError::Kind {
            subject: subject.to_owned(),
            expected: M::KIND.message,
        });
    }
    Ok(project)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use weir_proto::events::v1::{AlertFiring, AlertResolved};

    use super::*;
    use crate::catalogue;

    fn firing() -> (Project, AlertFiring, Event) {
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_millis(1_500));
        let project = Project::parse("shop").unwrap();
        let message = AlertFiring {
            id: "a".to_owned(),
            ..AlertFiring::default()
        };
        let event = crate::monitor::alert_firing(&project, &message, &clock);
        (project, message, event)
    }

    #[test]
    fn an_event_carries_the_headers_of_cloudevents() {
        let (_, _, event) = firing();
        let expected = [
            ("ce-specversion", "1.0".to_owned()),
            ("ce-id", event.id.to_string()),
            ("ce-type", "weir.alert.firing.v1".to_owned()),
            ("ce-source", "/weir/query-monitor".to_owned()),
            ("ce-time", "1970-01-01T00:00:01.500Z".to_owned()),
            ("ce-datacontenttype", "application/protobuf".to_owned()),
        ];
        assert_eq!(event.headers(), expected);
    }

    #[test]
    fn ids_are_new_each_time_and_follow_the_clock() {
        let (_, _, event) = firing();
        assert_ne!(event.id, firing().2.id);
        assert_eq!(event.id.get_version_num(), 7);
        assert_eq!(event.id.get_timestamp().unwrap().to_unix(), (1, 500_000_000));
    }

    #[test]
    fn an_event_comes_back_as_what_it_was() {
        let (project, message, event) = firing();
        let subject = event.subject.to_string();
        assert_eq!(catalogue::kind_of(&subject), Some(&catalogue::ALERT_FIRING));
        assert_eq!(
            decode::<AlertFiring>(&subject, &event.payload).unwrap(),
            (project, message)
        );
    }

    #[test]
    fn an_event_is_not_read_as_another() {
        let (_, _, event) = firing();
        let subject = event.subject.to_string();
        let error = decode::<AlertResolved>(&subject, &event.payload).unwrap_err();
        assert_eq!(
            error.to_string(),
            "weir.shop.alert.firing does not carry AlertResolved; read it as what its subject says"
        );
        let cut = event.payload.slice(..event.payload.len() - 1);
        assert!(matches!(
            decode::<AlertFiring>(&subject, &cut),
            Err(DecodeError::Payload(_))
        ));
        let foreign = decode::<AlertFiring>("other.shop.alert.firing", &event.payload);
        assert!(matches!(foreign, Err(DecodeError::Subject(_))));
    }
}
