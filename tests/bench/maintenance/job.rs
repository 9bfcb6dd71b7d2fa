//! One job, requested as an operator does, and what came of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep};
use weir_proto::common::v1::JobState;
use weir_proto::scheduler::v1::{GetRunRequest, Run, RunNowRequest};

use crate::Failure;
use crate::stage::Stage;

const POLL: Duration = Duration::from_millis(100);
/// A worker that knows the operation takes it much sooner.
const TAKEN_WITHIN: Duration = Duration::from_secs(15);
/// What halts say of themselves when they happened for the users' sake.
const BACKED_OFF: [&str; 2] = ["users suffer: ", "it blocks "];

/// What came of a job.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// Maintenance does not know it, or cannot do it here.
    NotThere(String),
    /// It ended; what it said of itself.
    Ended(Ended),
}

/// A job that has ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// Its state, `running` where it went on for longer than the run.
    pub(crate) state: &'static str,
    /// When it began and ended, in milliseconds since 1970.
    pub(crate) span_unix_ms: (i64, i64),
    /// Whether work was ended for the users' sake, and how that was said.
    pub(crate) backed_off: Option<String>,
    /// Its effect or its error.
    pub(crate) told: String,
}

/// Requests a job and waits for its end, at most so long.
pub(crate) async fn run(stage: &Stage, operation: &str, at_most: Duration) -> Result<Outcome, Failure> {
    let request = RunNowRequest {
        project: String::new(),
        operation: operation.to_owned(),
        parameters_json: String::new(),
        dry_run: false,
        force_window: true,
    };
    let answer = stage.scheduler.clone().run_now(request).await;
    let run = match answer {
        Ok(answer) => answer.into_inner().run.ok_or("the scheduler answered without a run")?,
        Err(status) => return Ok(Outcome::NotThere(status.message().to_owned())),
    };
    let begun = Instant::now();
    loop {
        let run = get(stage, &run.id).await?;
        let is_over = [JobState::Succeeded, JobState::Failed, JobState::Cancelled].contains(&run.state());
        // An attempt that failed is followed by another, long after this run.
        if is_over || !run.error.is_empty() || (run.started_unix_ms > 0 && begun.elapsed() > at_most) {
            return Ok(outcome(run));
        }
        if run.started_unix_ms == 0 && begun.elapsed() > TAKEN_WITHIN {
            let why = format!("nobody took it within {} s", TAKEN_WITHIN.as_secs());
            return Ok(Outcome::NotThere(why));
        }
        sleep(POLL).await;
    }
}

async fn get(stage: &Stage, id: &str) -> Result<Run, Failure> {
    let request = GetRunRequest {
        id: id.to_owned(),
        ..GetRunRequest::default()
    };
    let answer = stage.scheduler.clone().get_run(request).await?;
    Ok(answer.into_inner().run.ok_or("the run is gone")?)
}

fn outcome(run: Run) -> Outcome {
    let state = match run.state() {
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
        _ if !run.error.is_empty() => "put off",
        _ => "running",
    };
    let told = if run.error.is_empty() {
        run.effect_json
    } else {
        format!("{}: {}", run.error_slug, run.error)
    };
    let backed_off = BACKED_OFF.iter().find_map(|words| said(&told, words));
    let end = match (state, run.ended_unix_ms) {
        ("put off", _) => unix_ms(),
        (_, 0) => i64::MAX,
        (_, ended) => ended,
    };
    Outcome::Ended(Ended {
        state,
        span_unix_ms: (run.started_unix_ms, end),
        backed_off,
        told,
    })
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The words and what follows them up to the end of their text.
fn said(told: &str, words: &str) -> Option<String> {
    let (_, rest) = told.split_once(words)?;
    let end = rest.find('"').unwrap_or(rest.len());
    Some(format!("{words}{}", rest.get(..end).unwrap_or_default()))
}
