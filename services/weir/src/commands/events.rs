//! `weir events tail`: what is told on the bus, as it is told.

use clap::{Args, Subcommand};
use prost::Message as _;
use serde_json::{Value as Json, json};
use weir_bus::{Bus, Message};
use weir_config::Sources;
use weir_events::catalogue;
use weir_proto::events::v1 as events;

use crate::terminal::{Failure, say};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print each event as one line of JSON, until stopped. Needs a NATS server.
    Tail {
        /// The subjects, with `*` for one token and `>` for the rest. What monitors tell each other is left out unless
        /// `statistics` is named.
        #[arg(default_value = "weir.>")]
        subject: String,
        /// Stop after this many; 0 goes on for ever.
        #[arg(long, default_value_t = 0)]
        count: u64,
    },
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let Action::Tail { subject, count } = arguments.action;
    let bus = Bus::open(&sources, "weir events").await?;
    if !bus.is_durable() {
        return Err("the bus lives in the memory of `weir up`; set bus.url to follow events over NATS".into());
    }
    let mut subscription = bus.subscribe(&subject, None).await?;
    let mut seen = 0;
    while let Some(message) = subscription.next().await {
        if !is_wanted(&subject, &message.subject) {
            continue;
        }
        say(&line(&message).to_string())?;
        seen += 1;
        if seen == count {
            break;
        }
    }
    Ok(())
}

/// Whether somebody who asked for these subjects wants to see this one.
fn is_wanted(asked: &str, told: &str) -> bool {
    let among_monitors = told.ends_with(catalogue::STATISTICS_COUNTED.suffix);
    !among_monitors || asked.contains("statistics")
}

fn line(message: &Message) -> Json {
    json!({
        "subject": message.subject,
        "id": message.header("ce-id"),
        "time": message.header("ce-time"),
        "traceparent": message.header("traceparent"),
        "event": decoded(message),
    })
}

/// The payload in the words of its message; what this version does not know is shown by its length.
fn decoded(message: &Message) -> Json {
    macro_rules! read {
        ($kind:ty) => {
            <$kind>::decode(message.payload.clone()).map(|event| Json::String(format!("{event:?}")))
        };
    }
    let suffix = catalogue::kind_of(&message.subject).map(|kind| kind.message);
    let read = match suffix {
        Some("QueryBatch") => read!(events::QueryBatch),
        Some("PoolState") => read!(events::PoolState),
        Some("StatisticsCounted") => read!(events::StatisticsCounted),
        Some("CacheInvalidated") => read!(events::CacheInvalidated),
        Some("CacheCounted") => read!(events::CacheCounted),
        Some("SecurityViolation") => read!(events::SecurityViolation),
        Some("AlertFiring") => read!(events::AlertFiring),
        Some("AlertResolved") => read!(events::AlertResolved),
        Some("JobRequested") => read!(events::JobRequested),
        Some("JobStarted") => read!(events::JobStarted),
        Some("JobProgress") => read!(events::JobProgress),
        Some("JobSucceeded") => read!(events::JobSucceeded),
        Some("JobFailed") => read!(events::JobFailed),
        _ => return json!({ "bytes": message.payload.len() }),
    };
    read.unwrap_or_else(|error| json!({ "unreadable": error.to_string() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_monitors_tell_each_other_is_shown_to_those_who_ask_for_it() {
        let told = "weir.default.statistics.counted";
        assert!(!is_wanted("weir.>", told) && !is_wanted("weir.*.*.*", told));
        assert!(is_wanted("weir.*.statistics.>", told) && is_wanted("weir.>", "weir.shop.query.executed"));
    }

    #[test]
    fn every_kind_of_event_is_decoded() {
        for kind in catalogue::ALL {
            let subject = format!("weir.shop.{}", kind.suffix);
            let shown = decoded(&Message::new(subject, Vec::new()));
            assert!(shown.is_string(), "{}: {shown}", kind.suffix);
        }
    }
}
