//! How an error is told to a gRPC caller: as the status of a call, or of one statement among others.

use std::time::Duration;

use tonic::Status;
use tonic::metadata::MetadataMap;
use weir_model::Coded as _;
use weir_proto::gateway::v1 as api;

use super::retry::retry;
use crate::error::Error;

/// The metadata entry that carries PostgreSQL's own code.
const SQLSTATE: &str = "weir-sqlstate";
/// The metadata entry that says whether the call may be sent again.
const RETRY: &str = "weir-retry";
/// The metadata entry that says which statement of a batch it was, counted from 0.
const BATCH_INDEX: &str = "weir-batch-index";
/// The answer leaves so much before the caller's deadline, or a tenth of it, that it arrives: a caller who hears that
/// the statement was cancelled knows more than one who stopped listening.
const ANSWER_MARGIN: Duration = Duration::from_millis(100);

/// Why a call failed, and where.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Box<Error>,
    /// The statement, counted from 0, where it was one of several.
    pub(crate) index: Option<usize>,
    /// Whether the call had an idempotency key.
    pub(crate) is_kept: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error: Box::new(error),
            index: None,
            is_kept: false,
        }
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let Failure { error, index, is_kept } = failure;
        let mut status = refusal(&error, is_kept);
        if let Some(index) = index {
            let message = format!("statement {index} of the batch: {}", status.message());
            let metadata = std::mem::take(status.metadata_mut());
            status = Self::with_metadata(status.code(), message, metadata);
            set(status.metadata_mut(), BATCH_INDEX, &index.to_string());
        }
        status
    }
}

/// The status that tells a caller of an error, with PostgreSQL's own code where it has one.
pub(crate) fn refusal(error: &Error, is_kept: bool) -> Status {
    let mut status = weir_proto::status::status(error);
    if let Some(sqlstate) = sqlstate(error) {
        set(status.metadata_mut(), SQLSTATE, sqlstate);
    }
    set(status.metadata_mut(), RETRY, &retry(error, is_kept).to_string());
    status
}

/// The same for one statement among others.
pub(crate) fn statement_error(error: &Error) -> api::StatementError {
    api::StatementError {
        slug: error.slug().to_owned(),
        sqlstate: sqlstate(error).unwrap_or_default().to_owned(),
        message: error.to_string(),
        retry: retry(error, false).to_string(),
    }
}

fn sqlstate(error: &Error) -> Option<&str> {
    match error {
        Error::Upstream(error) => error.server().map(|server| server.sqlstate.as_str()),
        _ => None,
    }
}

fn set(metadata: &mut MetadataMap, key: &'static str, value: &str) {
    // What is no text for a header is left out; the status arrives all the same.
    if let Ok(value) = value.parse() {
        metadata.insert(key, value);
    }
}

/// What is left of the caller's own deadline (`grpc-timeout`).
pub(crate) fn deadline(metadata: &MetadataMap) -> Option<Duration> {
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
    fn a_failure_in_a_batch_says_where() {
        let status = Status::from(Failure {
            index: Some(7),
            ..Failure::from(Error::TransactionControl)
        });
        assert!(status.message().starts_with("statement 7 of the batch: "));
        let entry = |key| status.metadata().get(key).unwrap().to_str().unwrap();
        assert_eq!(
            (entry(BATCH_INDEX), entry("weir-error"), entry(RETRY)),
            ("7", "transaction-control", "no")
        );
    }
}
