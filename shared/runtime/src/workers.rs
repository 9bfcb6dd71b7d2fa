//! Threads that each run a runtime of their own, for work that must not wander from core to core.
//!
//! A worker belongs to a stage like any task: it is told to stop, it is waited for, and one that ends by itself is a
//! crash. What it spawns ends with it.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::tasks::{Stage, TaskError, Tasks};

/// What a worker is given.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Its number among its siblings, counted from 0.
    pub index: usize,
    /// Told when it is to stop.
    pub stop: CancellationToken,
    sessions: TaskTracker,
}

impl Worker {
    /// Starts a session on the worker's own thread; to be called there. A panic ends that session alone.
    pub fn spawn(&self, session: impl Future<Output = ()> + Send + 'static) {
        self.sessions.spawn(session);
    }

    /// How many sessions live.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Waits until every session has ended. To be called when no further one is started.
    pub async fn until_alone(&self) {
        self.sessions.close();
        self.sessions.wait().await;
    }
}

impl Tasks {
    /// Starts `count` threads that each run `life` on a runtime of their own.
    pub fn spawn_workers<F, Fut>(
        &self,
        stage: Stage,
        name: &'static str,
        count: usize,
        life: F,
    ) -> Result<(), TaskError>
    where
        F: Fn(Worker) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let life = Arc::new(life);
        for index in 0..count {
            let worker = Worker {
                index,
                stop: self.stop_token(stage),
                sessions: TaskTracker::new(),
            };
            let (ended, cut_off) = (oneshot::channel(), CancellationToken::new());
            start_thread(name, worker, life.clone(), ended.0, cut_off.clone())?;
            // Whoever drops this future because the grace time is over ends the thread as well.
            let guard = cut_off.drop_guard();
            self.spawn(stage, name, |_| async move {
                let _guard = guard;
                ended.1.await.map_err(|_| "its thread died".into())
            });
        }
        Ok(())
    }
}

fn start_thread<F, Fut>(
    name: &'static str,
    worker: Worker,
    life: Arc<F>,
    ended: oneshot::Sender<()>,
    cut_off: CancellationToken,
) -> Result<(), TaskError>
where
    F: Fn(Worker) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name(format!("{name} {}", worker.index));
    thread.spawn(move || {
        let whole = runtime.block_on(async {
            tokio::select! {
                () = life(worker) => true,
                () = cut_off.cancelled() => false,
            }
        });
        drop(runtime);
        if whole {
            // Nobody waits any more when the grace time is over.
            let _ = ended.send(());
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Outcome;

    #[tokio::test]
    async fn workers_stop_when_told_and_wait_for_their_sessions() {
        let tasks = Tasks::new();
        let (done, mut seen) = tokio::sync::mpsc::channel(4);
        let life = move |worker: Worker| {
            let done = done.clone();
            async move {
                let told = worker.stop.clone();
                worker.spawn(async move {
                    told.cancelled().await;
                    done.send(std::thread::current().name().map(str::to_owned))
                        .await
                        .unwrap();
                });
                worker.stop.cancelled().await;
                worker.until_alone().await;
            }
        };
        tasks.spawn_workers(Stage::Doors, "worker", 2, life).unwrap();
        assert_eq!(tasks.descend(Duration::from_secs(5)).await, Outcome::Clean);
        let mut names = [seen.recv().await.unwrap(), seen.recv().await.unwrap()];
        names.sort();
        assert_eq!(names, [Some("worker 0".to_owned()), Some("worker 1".to_owned())]);
    }

    #[tokio::test]
    async fn a_worker_that_ends_or_dies_by_itself_is_a_crash() {
        let tasks = Tasks::new();
        tasks
            .spawn_workers(Stage::Doors, "worker", 1, |_| std::future::ready(()))
            .unwrap();
        tasks.asked().await;
        let outcome = tasks.descend(Duration::from_secs(5)).await;
        assert_eq!(outcome, Outcome::Crashed("worker: it ended by itself".to_owned()));
    }

    #[tokio::test]
    async fn a_worker_that_does_not_stop_is_cut_off() {
        let tasks = Tasks::new();
        let life = |_| std::future::pending();
        tasks.spawn_workers(Stage::Doors, "worker", 1, life).unwrap();
        let outcome = tasks.descend(Duration::from_millis(100)).await;
        assert_eq!(outcome, Outcome::Forced(Stage::Doors));
    }
}
