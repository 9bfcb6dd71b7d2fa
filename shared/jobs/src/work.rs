//! What a service can do, and how an attempt at it ends.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::JobContext;

/// One operation that a service can do. It must bear being repeated: an attempt may be cut off at any point.
pub trait Work: Send + Sync + 'static {
    /// What jobs call it, such as `analyze`.
    fn operation(&self) -> &str;

    /// What the job needs for itself: of the jobs of one project with the same key, one runs at a time. None: any number.
    fn exclusive_key(&self, _parameters: &Value) -> Option<String> {
        None
    }

    /// Does it, and returns what it changed: a JSON object.
    ///
    /// When `job.cancelled()` trips it should stop soon and in order; if it does not, the future is dropped.
    fn run(&self, job: &JobContext) -> impl Future<Output = Result<Value, JobError>> + Send;
}

/// [`Work`] as an object.
trait AnyWork: Send + Sync {
    fn exclusive_key(&self, parameters: &Value) -> Option<String>;
    fn run<'a>(&'a self, job: &'a JobContext) -> BoxFuture<'a, Result<Value, JobError>>;
}

impl<W: Work> AnyWork for W {
    fn exclusive_key(&self, parameters: &Value) -> Option<String> {
        Work::exclusive_key(self, parameters)
    }
    fn run<'a>(&'a self, job: &'a JobContext) -> BoxFuture<'a, Result<Value, JobError>> {
        Work::run(self, job).boxed()
    }
}

/// Everything that a service can do. Cheap to clone.
#[derive(Clone, Default)]
pub struct Works(Arc<BTreeMap<String, Box<dyn AnyWork>>>);

impl fmt::Debug for Works {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Collects works before they are shared.
#[derive(Default)]
pub struct WorksBuilder(BTreeMap<String, Box<dyn AnyWork>>);

impl Works {
    /// Begins with nothing.
    pub fn builder() -> WorksBuilder {
        WorksBuilder::default()
    }

    /// Whether the service can do it.
    pub fn knows(&self, operation: &str) -> bool {
        self.0.contains_key(operation)
    }

    /// What a job with these parameters needs for itself.
    pub fn exclusive_key(&self, operation: &str, parameters: &Value) -> Option<String> {
        self.0.get(operation)?.exclusive_key(parameters)
    }

    pub(crate) fn operations(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    pub(crate) async fn run(&self, job: &JobContext) -> Result<Value, JobError> {
        match self.0.get(job.operation()) {
            Some(work) => work.run(job).await,
            // Only known operations are claimed.
            None => Err(JobError::fail("job-unknown-operation", job.operation())),
        }
    }
}

impl WorksBuilder {
    /// Adds one. A later work of the same operation takes the place of the earlier.
    #[must_use]
    pub fn with(mut self, work: impl Work) -> Self {
        self.0.insert(work.operation().to_owned(), Box::new(work));
        self
    }

    /// No more.
    pub fn build(self) -> Works {
        Works(Arc::new(self.0))
    }
}

/// How an attempt failed, as an outcome: what to do now, not what kind of thing went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError {
    pub(crate) retry: bool,
    pub(crate) slug: &'static str,
    pub(crate) error: String,
    /// Before this another attempt has no sense.
    pub(crate) wait: Duration,
}

impl JobError {
    /// `slug` is the error's short name in `docs/reference/errors.md`. Trying again later may succeed; after the last attempt the job has failed.
    pub fn retry(slug: &'static str, error: impl fmt::Display) -> Self {
        Self {
            retry: true,
            slug,
            error: one_line(error),
            wait: Duration::ZERO,
        }
    }

    /// The same, with another attempt no sooner than this.
    #[must_use]
    pub const fn not_within(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Trying again cannot help: the job has failed.
    pub fn fail(slug: &'static str, error: impl fmt::Display) -> Self {
        Self {
            retry: false,
            ..Self::retry(slug, error)
        }
    }
}

fn one_line(error: impl fmt::Display) -> String {
    error
        .to_string()
        .replace('\0', " ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}
