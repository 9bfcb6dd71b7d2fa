//! How an error is told to a gRPC caller: as the status of a call, or of one statement among others.

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

#[cfg(test)]
mod tests {
    use super::*;

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
