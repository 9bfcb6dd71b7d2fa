//! How an error becomes a gRPC status: by its class, with its slug in the metadata.

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use weir_model::{Coded, ErrorClass};

/// The metadata entry that carries the slug of `docs/reference/errors.md`.
pub const ERROR_SLUG: &str = "weir-error";

/// The status that tells a caller of an error.
pub fn status(error: &impl Coded) -> Status {
    let mut status = Status::new(code(error.class()), error.to_string());
    // A slug is plain ASCII; if one ever is not, the code and the message still arrive.
    if let Ok(slug) = MetadataValue::try_from(error.slug()) {
        status.metadata_mut().insert(ERROR_SLUG, slug);
    }
    status
}

const fn code(class: ErrorClass) -> Code {
    match class {
        ErrorClass::InvalidInput => Code::InvalidArgument,
        ErrorClass::Unauthenticated => Code::Unauthenticated,
        ErrorClass::PermissionDenied => Code::PermissionDenied,
        ErrorClass::NotFound => Code::NotFound,
        // Not AlreadyExists: the class also means "is running" and "was changed meanwhile", and the slug says which.
        ErrorClass::Conflict => Code::FailedPrecondition,
        ErrorClass::Exhausted => Code::ResourceExhausted,
        ErrorClass::Unavailable => Code::Unavailable,
        ErrorClass::Deadline => Code::DeadlineExceeded,
        ErrorClass::Cancelled => Code::Cancelled,
        ErrorClass::Internal => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Failure(ErrorClass, &'static str);

    impl fmt::Display for Failure {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("no connection became free within 60 s: raise pool.max")
        }
    }

    impl std::error::Error for Failure {}

    impl Coded for Failure {
        fn class(&self) -> ErrorClass {
            self.0
        }

        fn slug(&self) -> &'static str {
            self.1
        }
    }

    #[test]
    fn a_status_carries_class_text_and_slug() {
        let status = status(&Failure(ErrorClass::Exhausted, "pool-timeout"));
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(
            status.message(),
            "no connection became free within 60 s: raise pool.max"
        );
        assert_eq!(status.metadata().get(ERROR_SLUG).unwrap(), "pool-timeout");
    }

    #[test]
    fn each_class_has_a_code_of_its_own() {
        let classes = [
            ErrorClass::InvalidInput,
            ErrorClass::Unauthenticated,
            ErrorClass::PermissionDenied,
            ErrorClass::NotFound,
            ErrorClass::Conflict,
            ErrorClass::Exhausted,
            ErrorClass::Unavailable,
            ErrorClass::Deadline,
            ErrorClass::Cancelled,
            ErrorClass::Internal,
        ];
        let codes: std::collections::BTreeSet<i32> = classes.iter().map(|class| i32::from(code(*class))).collect();
        assert_eq!(codes.len(), classes.len(), "{codes:?}");
    }

    #[test]
    fn a_slug_that_cannot_travel_is_left_out() {
        let status = status(&Failure(ErrorClass::Internal, "line\nbreak"));
        assert_eq!(status.code(), Code::Internal);
        assert!(status.metadata().get(ERROR_SLUG).is_none());
    }
}
