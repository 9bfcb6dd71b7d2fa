//! The one list of field names in logs and spans, so that a search finds every place that speaks of a thing.

/// The project on whose behalf something happens.
pub const PROJECT: &str = "project";
/// The shape of a statement, as 16 hexadecimal digits.
pub const QUERY_FINGERPRINT: &str = "query.fingerprint";
/// A job's id.
pub const JOB_ID: &str = "job.id";
/// What a job does.
pub const JOB_OPERATION: &str = "job.operation";
/// A named task of the process.
pub const TASK_NAME: &str = "task.name";
/// A dependency of the service, such as `store` or `bus`.
pub const DEPENDENCY: &str = "dependency";
