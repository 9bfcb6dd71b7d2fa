//! Events of the bus in the words of the stream. Pure.

use prost::Message as _;
use serde_json::{Value as Json, json};
use weir_bus::Message;
use weir_events::catalogue;
use weir_model::Project;
use weir_proto::events::v1 as events;

/// An event as it is told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) kind: &'static str,
    pub(crate) project: Project,
    pub(crate) data: Json,
}

/// What people want to hear of: the subjects after the project.
pub(crate) const HEARD: [&str; 5] = [
    "alert.*",
    "job.*",
    "cache.invalidated",
    "pool.state",
    "security.violation",
];

/// The event of a message. None: it is not one, or not one that is told.
pub(crate) fn told(message: &Message, now_unix_ms: i64) -> Option<Told> {
    let kind = catalogue::kind_of(&message.subject)?;
    let project = Project::parse(message.subject.split('.').nth(1)?).ok()?;
    let data = data(kind.message, message)?;
    let id = message.header("ce-id").unwrap_or_default();
    Some(Told {
        kind: kind.suffix,
        data: json!({ "id": id, "kind": kind.suffix, "project": project.as_str(), "at_unix_ms": now_unix_ms, "data": data }),
        project,
    })
}

fn data(kind: &str, message: &Message) -> Option<Json> {
    macro_rules! read {
        ($message:ty) => {
            serde_json::to_value(<$message>::decode(message.payload.clone()).ok()?).ok()
        };
    }
    match kind {
        "PoolState" => read!(events::PoolState),
        "CacheInvalidated" => {
            let told = events::CacheInvalidated::decode(message.payload.clone()).ok()?;
            Some(invalidated(&told))
        }
        "SecurityViolation" => read!(events::SecurityViolation),
        "AlertFiring" => read!(events::AlertFiring),
        "AlertResolved" => read!(events::AlertResolved),
        "JobRequested" => read!(events::JobRequested),
        "JobStarted" => read!(events::JobStarted),
        "JobProgress" => read!(events::JobProgress),
        "JobSucceeded" => read!(events::JobSucceeded),
        "JobFailed" => read!(events::JobFailed),
        _ => None,
    }
}

/// Tags are numbers that only gateways understand: people are told how many there were.
fn invalidated(told: &events::CacheInvalidated) -> Json {
    json!({
        "upstream": told.upstream,
        "database": told.database,
        "sequence": told.sequence,
        "tags": told.tags.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_is_heard_is_told_and_no_other() {
        for kind in catalogue::ALL {
            let subject = format!("weir.shop.{}", kind.suffix);
            let told = told(&Message::new(subject, Vec::new()), 7);
            let is_heard = HEARD.iter().any(|heard| match heard.strip_suffix('*') {
                Some(start) => kind.suffix.starts_with(start),
                None => *heard == kind.suffix,
            });
            assert_eq!(told.is_some(), is_heard, "{}", kind.suffix);
            if let Some(told) = told {
                assert_eq!((told.kind, told.project.as_str()), (kind.suffix, "shop"));
                assert!(told.data["data"].is_object(), "{}", told.data);
            }
        }
        assert!(told(&Message::new("weir.shop.alert.firing", vec![0xff]), 7).is_none());
        assert!(told(&Message::new("other.subject", Vec::new()), 7).is_none());
    }
}
