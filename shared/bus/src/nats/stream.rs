//! Streams of JetStream.

use std::fmt::Display;

use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy};
use async_nats::jetstream::{self, ErrorCode};

use super::{ANSWER_TIMEOUT, Nats};
use crate::{Error, StreamSpec};

impl Nats {
    /// Makes the stream, or changes it to what the specification says.
    pub(crate) async fn ensure_stream(&self, spec: &StreamSpec) -> Result<(), Error> {
        spec.check()?;
        self.check_connected()?;
        self.answered("a stream", ANSWER_TIMEOUT, self.make_stream(spec)).await
    }

    async fn make_stream(&self, spec: &StreamSpec) -> Result<(), Error> {
        let outcome = match self.present_stream(spec).await? {
            None => self.jetstream.create_stream(fresh(spec)).await.map(drop),
            Some(present) if present == changed(present.clone(), spec) => Ok(()),
            Some(present) => self.jetstream.update_stream(&changed(present, spec)).await.map(drop),
        };
        outcome.map_err(|error| match error.kind() {
            CreateStreamErrorKind::JetStream(refusal) => said(what(spec), Some(&refusal), &error),
            _ => said(what(spec), None, &error),
        })
    }

    async fn present_stream(&self, spec: &StreamSpec) -> Result<Option<Config>, Error> {
        match self.jetstream.get_stream(&spec.name).await {
            Ok(stream) => Ok(Some(stream.cached_info().config.clone())),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(refusal) if refusal.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    Ok(None)
                }
                GetStreamErrorKind::JetStream(refusal) => Err(said(what(spec), Some(&refusal), &error)),
                _ => Err(said(what(spec), None, &error)),
            },
        }
    }
}

fn what(spec: &StreamSpec) -> String {
    format!("stream {}", spec.name)
}

/// A stream on disk without a limit but age. Should an operator set one, a full stream refuses new messages rather than
/// dropping what nobody has dealt with.
fn fresh(spec: &StreamSpec) -> Config {
    changed(
        Config {
            name: spec.name.clone(),
            discard: DiscardPolicy::New,
            ..Config::default()
        },
        spec,
    )
}

/// The same stream as the specification wants it. What an operator set beside (replicas, limits, placement) stays.
fn changed(present: Config, spec: &StreamSpec) -> Config {
    let StreamSpec {
        subjects,
        max_age,
        duplicate_window,
        ..
    } = spec.clone();
    Config {
        subjects,
        max_age,
        duplicate_window,
        ..present
    }
}

/// What the server said: that it cannot at present, or that it will not.
pub(super) fn said(what: String, refusal: Option<&jetstream::Error>, error: &dyn Display) -> Error {
    match refusal {
        Some(refusal) if refusal.code() < 500 => Error::Refused {
            what,
            reason: refusal.to_string(),
        },
        Some(refusal) => Error::unavailable(format!("{what}: {refusal}")),
        None => Error::unavailable(format!("{what}: {error}")),
    }
}
