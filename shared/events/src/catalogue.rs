//! Every event: who tells it, where, and whether it may be lost.
//!
//! The one list that publishers, streams, readers and the reference page agree on; an event that is not in it cannot be made.

use std::fmt::Write as _;
use std::time::Duration;

use weir_proto::events::v1 as messages;

/// A durable stream: what is published on its subjects is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamKind {
    /// Its name in JetStream.
    pub name: &'static str,
    /// The subjects that it keeps.
    pub subjects: &'static [&'static str],
    /// How long a message is kept.
    pub max_age: Duration,
    /// How long an id is remembered, so that a second message with it is discarded.
    pub duplicate_window: Duration,
}

const fn kept_for_a_week(name: &'static str, subjects: &'static [&'static str]) -> StreamKind {
    let max_age = Duration::from_secs(7 * 24 * 3600);
    StreamKind {
        name,
        subjects,
        max_age,
        duplicate_window: Duration::from_secs(120),
    }
}

/// Work asked for, and its outcome.
pub static JOBS: StreamKind = kept_for_a_week("WEIR_JOBS", &["weir.*.job.>"]);
/// Alerts.
pub static ALERTS: StreamKind = kept_for_a_week("WEIR_ALERTS", &["weir.*.alert.>"]);
/// Broken rules.
pub static SECURITY: StreamKind = kept_for_a_week("WEIR_SECURITY", &["weir.*.security.>"]);

/// Every durable stream.
pub static STREAMS: &[&StreamKind] = &[&JOBS, &ALERTS, &SECURITY];

/// One kind of event.
#[derive(Debug, PartialEq, Eq)]
pub struct EventKind {
    /// `<domain>.<event>`: the end of its subject.
    pub suffix: &'static str,
    /// Who tells it.
    pub publishers: &'static str,
    /// The message in `weir.events.v1`.
    pub message: &'static str,
    /// The stream that keeps it; without one it is told once and may be lost.
    pub stream: Option<&'static StreamKind>,
    /// Whether somebody tells it yet. A reserved kind has its subject and its message, so that readers can prepare.
    pub reserved: bool,
    /// What it says.
    pub meaning: &'static str,
}

impl EventKind {
    /// The type in the sense of CloudEvents: it names the version of the payload too.
    pub fn cloudevents_type(&self) -> String {
        format!("weir.{}.v1", self.suffix)
    }
}

/// A message that is the payload of one kind of event.
pub trait Payload: prost::Message + Default {
    /// The kind of event that it tells.
    const KIND: &'static EventKind;
}

const TOLD: bool = false;
const RESERVED: bool = true;

macro_rules! kinds {
    ($($(#[doc = $meaning:literal])+ $name:ident = $suffix:literal: $message:ident by $publishers:literal, $stream:expr, $reserved:expr;)*) => {
        $($(#[doc = $meaning])+
        pub static $name: EventKind = EventKind {
            suffix: $suffix,
            publishers: $publishers,
            message: stringify!($message),
            stream: $stream,
            reserved: $reserved,
            meaning: concat!($($meaning),+).trim_ascii(),
        };
        impl Payload for messages::$message {
            const KIND: &'static EventKind = &$name;
        })*
        /// Every kind of event.
        pub static ALL: &[&EventKind] = &[$(&$name),*];
    };
}

kinds! {
    /// Statements ended, in batches.
    QUERY_EXECUTED = "query.executed": QueryBatch by "pool-gateway", None, TOLD;
    /// A connection pool of a gateway is nearly used up, with what holds it; or it no longer is. Regularly: what all pools
    /// and servers of a gateway are like.
    POOL_STATE = "pool.state": PoolState by "pool-gateway", None, TOLD;
    /// What one monitor counted, for the other monitors.
    STATISTICS_COUNTED = "statistics.counted": StatisticsCounted by "query-monitor", None, TOLD;
    /// Commits made cached results invalid.
    CACHE_INVALIDATED = "cache.invalidated": CacheInvalidated by "cache", None, RESERVED;
    /// What the cache of a gateway did, in all and by shape.
    CACHE_COUNTED = "cache.counted": CacheCounted by "pool-gateway", None, TOLD;
    /// The condition of an alert rule holds.
    ALERT_FIRING = "alert.firing": AlertFiring by "query-monitor", Some(&ALERTS), TOLD;
    /// The condition of an alert no longer holds.
    ALERT_RESOLVED = "alert.resolved": AlertResolved by "query-monitor", Some(&ALERTS), TOLD;
    /// A schedule or a person wants a job done.
    JOB_REQUESTED = "job.requested": JobRequested by "scheduler", Some(&JOBS), TOLD;
    /// A worker has begun a job.
    JOB_STARTED = "job.started": JobStarted by "maintenance", Some(&JOBS), TOLD;
    /// A job got this far.
    JOB_PROGRESS = "job.progress": JobProgress by "maintenance", Some(&JOBS), TOLD;
    /// A job is done; the effect says what it changed.
    JOB_SUCCEEDED = "job.succeeded": JobSucceeded by "maintenance", Some(&JOBS), TOLD;
    /// An attempt at a job failed, for good or until the next; or the job was cancelled.
    JOB_FAILED = "job.failed": JobFailed by "maintenance", Some(&JOBS), TOLD;
    /// A statement or a login broke a rule.
    SECURITY_VIOLATION = "security.violation": SecurityViolation by "pool-gateway", Some(&SECURITY), TOLD;
}

/// The kind of a received event, by the end of its subject.
pub fn kind_of(subject: &str) -> Option<&'static EventKind> {
    let (_, suffix) = crate::subject::parse(subject).ok()?;
    ALL.iter().copied().find(|kind| kind.suffix == suffix)
}

/// `docs/reference/events.md`.
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    for kind in ALL {
        let EventKind {
            suffix,
            publishers,
            message,
            meaning,
            ..
        } = kind;
        let delivery = kind
            .stream
            .map_or_else(|| "lossy".to_owned(), |stream| format!("durable, `{}`", stream.name));
        let reserved = if kind.reserved {
            " Reserved: nobody tells it yet."
        } else {
            ""
        };
        let _ = writeln!(
            page,
            "| `weir.<project>.{suffix}` | `{message}` | {publishers} | {delivery} | {meaning}{reserved} |"
        );
    }
    page.push_str(STREAMS_INTRODUCTION);
    for StreamKind {
        name,
        subjects,
        max_age,
        duplicate_window,
    } in STREAMS
    {
        let subjects = subjects
            .iter()
            .map(|subject| format!("`{subject}`"))
            .collect::<Vec<_>>()
            .join(", ");
        let (days, seconds) = (max_age.as_secs() / 86_400, duplicate_window.as_secs());
        let _ = writeln!(page, "| `{name}` | {subjects} | {days} days | {seconds} s |");
    }
    page
}

const INTRODUCTION: &str = "\
# Events

Written from the catalogue in the code by `just reference`; a test fails when it drifts.

Subjects are `weir.<project>.<domain>.<event>`. The payload is the protobuf message of `weir.events.v1`
(`proto/weir/events/v1/events.proto`). Headers follow the CloudEvents binding for NATS: `ce-specversion`, `ce-id`,
`ce-type` (`weir.<domain>.<event>.v1`), `ce-source` (`/weir/<service>`), `ce-time`, `ce-datacontenttype`; and `traceparent`
where the cause was traced.

A lossy event is told once over core NATS; whoever does not listen misses it. A durable one is kept in a JetStream stream and
told at least once: its id is its `Nats-Msg-Id`, and a reader that sees an id again may drop it. Messages only ever gain
fields.

| subject | message | told by | delivery | meaning |
| --- | --- | --- | --- | --- |
";

const STREAMS_INTRODUCTION: &str = "
## Streams

Each has file storage and retention by limits. A work queue is a durable pull consumer that all instances of a service share
by its name, so that several services, and programs outside, may read the same stream.

| stream | subjects | kept for | repeated ids are dropped within |
| --- | --- | --- | --- |
";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use weir_model::Project;

    use super::*;
    use crate::SubjectPattern;
    use crate::subject::Subject;

    #[test]
    fn every_kind_has_a_subject_and_a_message_of_its_own() {
        let suffixes: BTreeSet<_> = ALL.iter().map(|kind| kind.suffix).collect();
        let messages: BTreeSet<_> = ALL.iter().map(|kind| kind.message).collect();
        assert_eq!((suffixes.len(), messages.len()), (ALL.len(), ALL.len()));
        for kind in ALL {
            let subject = Subject::new(Project::default(), kind.suffix).to_string();
            assert_eq!(kind_of(&subject), Some(*kind));
        }
        assert_eq!(kind_of("weir.shop.query.unheard"), None);
        assert_eq!(kind_of("other.shop.query.executed"), None);
    }

    #[test]
    fn a_stream_keeps_exactly_the_events_that_name_it() {
        for kind in ALL {
            let subject = Subject::new(Project::default(), kind.suffix).to_string();
            let keeps = |stream: &StreamKind| {
                stream
                    .subjects
                    .iter()
                    .any(|pattern| SubjectPattern::parse(pattern).unwrap().matches(&subject))
            };
            let keeping: Vec<_> = STREAMS
                .iter()
                .filter(|stream| keeps(stream))
                .map(|stream| stream.name)
                .collect();
            let named: Vec<_> = kind.stream.iter().map(|stream| stream.name).collect();
            assert_eq!(keeping, named, "{subject}");
        }
    }

    #[test]
    fn the_reference_names_every_event_and_stream() {
        let page = reference();
        for kind in ALL {
            assert!(
                page.contains(&format!("| `weir.<project>.{}` | `{}` |", kind.suffix, kind.message)),
                "{page}"
            );
        }
        assert!(
            page.contains("| `WEIR_JOBS` | `weir.*.job.>` | 7 days | 120 s |"),
            "{page}"
        );
        assert!(
            page.contains("Commits made cached results invalid. Reserved: nobody tells it yet. |"),
            "{page}"
        );
        assert!(
            page.contains("| maintenance | durable, `WEIR_JOBS` | A worker has begun a job. |"),
            "{page}"
        );
    }
}
