//! Named tasks and the ladder by which they stop.
//!
//! A task belongs to a stage. On shutdown the stages stop in order, each waiting for the one before: first the doors
//! let no new work in and finish what is in flight, then the workers, then what carries their results away, last the
//! doors that show the state. When the grace time is over, everything left is dropped.
//!
//! A task that ends before its stage was told to stop is a crash: the process shuts down and its exit status says so.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// What a task fails with.
pub type TaskError = Box<dyn std::error::Error + Send + Sync>;
/// How a task ends.
pub type TaskResult = Result<(), TaskError>;

/// When a task is told to stop, relative to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Lets work in: listeners and their sessions.
    Doors,
    /// Does work: runners, schedulers, consumers.
    Work,
    /// Carries results away: event taps, outbox relays, writers.
    Flow,
    /// Shows the state: the ops door, health.
    Watch,
}

const STAGES: [Stage; 4] = [Stage::Doors, Stage::Work, Stage::Flow, Stage::Watch];

/// How the process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every task finished in time.
    Clean,
    /// A task ended by itself; its name and how.
    Crashed(String),
    /// The grace time ran out, or a second signal came; work was cut off in this stage.
    Forced(Stage),
}

#[derive(Debug, Default)]
struct Ladder {
    rungs: [Rung; 4],
    /// Dropping everything at once.
    hard: CancellationToken,
    /// A shutdown was asked for, by a signal or a crash.
    asked: CancellationToken,
    crash: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct Rung {
    stop: CancellationToken,
    tracker: TaskTracker,
}

/// The tasks of one process. Cheap to clone; clones share everything.
#[derive(Debug, Clone, Default)]
pub struct Tasks(Arc<Ladder>);

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task that is meant to live until it is told to stop by the token it is given.
    pub fn spawn<F, Fut>(&self, stage: Stage, name: &'static str, task: F)
    where
        F: FnOnce(CancellationToken) -> Fut,
        Fut: Future<Output = TaskResult> + Send + 'static,
    {
        let stop = self.rung(stage).stop.clone();
        let run = AssertUnwindSafe(task(stop.clone())).catch_unwind();
        let tasks = self.clone();
        let life = async move {
            let ended = tokio::select! {
                ended = run => ended,
                () = tasks.0.hard.cancelled() => return,
            };
            match (verdict(ended), stop.is_cancelled()) {
                (Ok(()), true) => {}
                (Ok(()), false) => tasks.crash(name, "it ended by itself"),
                (Err(error), true) => tracing::warn!(task.name = name, error, "task failed while stopping"),
                (Err(error), false) => tasks.crash(name, &error),
            }
        };
        self.rung(stage)
            .tracker
            .spawn(life.instrument(tracing::info_span!("task", task.name = name)));
    }

    /// Starts a task that ends by itself, such as the end of one call's clean-up. A panic in it is logged, not a crash.
    pub fn spawn_short<Fut>(&self, stage: Stage, name: &'static str, task: Fut)
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        let hard = self.0.hard.clone();
        let life = async move {
            let run = AssertUnwindSafe(task).catch_unwind();
            let ended = tokio::select! {
                ended = run => ended.map(Ok),
                () = hard.cancelled() => return,
            };
            if let Err(error) = verdict(ended) {
                tracing::error!(task.name = name, error, "task failed");
            }
        };
        self.rung(stage).tracker.spawn(life.in_current_span());
    }

    /// The token that tells a stage to stop, for those who only want to know.
    pub fn stop_token(&self, stage: Stage) -> CancellationToken {
        self.rung(stage).stop.clone()
    }

    /// Asks for an orderly shutdown.
    pub fn shut_down(&self) {
        self.0.asked.cancel();
    }

    /// Waits until a shutdown is asked for.
    pub async fn asked(&self) {
        self.0.asked.cancelled().await;
    }

    /// Whether a shutdown was asked for.
    pub fn is_asked(&self) -> bool {
        self.0.asked.is_cancelled()
    }

    /// Drops every task at once.
    pub fn cut_off(&self) {
        self.0.hard.cancel();
    }

    /// Walks down the ladder. Returns when every task has ended or the grace time is over.
    pub async fn descend(&self, grace: Duration) -> Outcome {
        self.0.asked.cancel();
        let deadline = Instant::now() + grace;
        let mut forced = None;
        for stage in STAGES {
            let rung = self.rung(stage);
            rung.stop.cancel();
            rung.tracker.close();
            let finished = tokio::select! {
                () = rung.tracker.wait() => !self.0.hard.is_cancelled(),
                () = tokio::time::sleep_until(deadline) => false,
                () = self.0.hard.cancelled() => false,
            };
            if !finished && forced.is_none() {
                forced = Some(stage);
                self.0.hard.cancel();
            }
            rung.tracker.wait().await;
        }
        let crash = self.0.crash.lock().unwrap_or_else(PoisonError::into_inner).take();
        crash
            .map(Outcome::Crashed)
            .or(forced.map(Outcome::Forced))
            .unwrap_or(Outcome::Clean)
    }

    fn crash(&self, name: &'static str, how: &str) {
        tracing::error!(task.name = name, error = how, "task died; shutting down");
        self.0
            .crash
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(format!("{name}: {how}"));
        self.0.asked.cancel();
    }

    fn rung(&self, stage: Stage) -> &Rung {
        let [doors, work, flow, watch] = &self.0.rungs;
        match stage {
            Stage::Doors => doors,
            Stage::Work => work,
            Stage::Flow => flow,
            Stage::Watch => watch,
        }
    }
}

/// Folds a panic into an error text.
fn verdict(ended: Result<TaskResult, Box<dyn Any + Send>>) -> Result<(), String> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(format!("it panicked: {}", text.unwrap_or_default()))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn stages_stop_in_order_and_each_waits_for_the_one_before() {
        let tasks = Tasks::new();
        let (order, mut seen) = mpsc::unbounded_channel();
        for stage in [Stage::Watch, Stage::Flow, Stage::Doors, Stage::Work] {
            let order = order.clone();
            tasks.spawn(stage, "member", move |stop| async move {
                stop.cancelled().await;
                tokio::task::yield_now().await;
                order.send(stage)?;
                Ok(())
            });
        }
        assert_eq!(tasks.descend(GRACE).await, Outcome::Clean);
        let mut stopped = Vec::new();
        while let Ok(stage) = seen.try_recv() {
            stopped.push(stage);
        }
        assert_eq!(stopped, STAGES);
    }

    #[tokio::test]
    async fn a_task_that_ends_fails_or_panics_by_itself_is_a_crash() {
        type Body = fn(CancellationToken) -> futures_util::future::BoxFuture<'static, TaskResult>;
        let bodies: [(Body, &str); 3] = [
            (|_| async { Ok(()) }.boxed(), "t: it ended by itself"),
            (|_| async { Err("no more room".into()) }.boxed(), "t: no more room"),
            (|_| async { panic!("oh") }.boxed(), "t: it panicked: oh"),
        ];
        for (body, expected) in bodies {
            let tasks = Tasks::new();
            tasks.spawn(Stage::Work, "t", body);
            tasks.asked().await;
            assert_eq!(tasks.descend(GRACE).await, Outcome::Crashed(expected.to_owned()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_outlives_the_grace_time_is_cut_off() {
        let tasks = Tasks::new();
        tasks.spawn(Stage::Work, "deaf", |_| std::future::pending());
        assert_eq!(tasks.descend(GRACE).await, Outcome::Forced(Stage::Work));
    }

    #[tokio::test]
    async fn short_tasks_are_waited_for_and_may_panic() {
        let tasks = Tasks::new();
        let (done, mut seen) = mpsc::channel(1);
        tasks.spawn_short(Stage::Flow, "bad", async { panic!("oh") });
        tasks.spawn_short(Stage::Flow, "good", async move {
            tokio::task::yield_now().await;
            done.send(()).await.unwrap();
        });
        assert_eq!(tasks.descend(GRACE).await, Outcome::Clean);
        assert!(seen.try_recv().is_ok(), "shutdown did not wait for a short task");
    }
}
