//! Says what the results of a statement depend on, and whether they may be kept.
//!
//! PostgreSQL itself analyses the statement ([`session`]); its tree is read here ([`tree`]) and searched for everything
//! it uses ([`survey`], [`catalogue`]). Whatever has not been reviewed ([`reviewed`]) is refused ([`judge`]). What is
//! left depends on tables, and on single rows of them where conditions say so ([`fixed`]). Nothing of a statement is
//! ever run. See `docs/decisions/0019-what-results-depend-on.md`.

mod answer;
mod catalogue;
mod desk;
mod explain;
mod fixed;
mod judge;
mod memory;
mod one;
mod reviewed;
mod same;
mod session;
mod survey;
mod tree;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use weir_proto::cache::v1 as api;
use weir_runtime::{Ground, Stage, TaskResult};

use crate::follow::{Followed, Followers};
use crate::metrics::Metrics;
use desk::Desks;
use memory::Memory;
use one::{Question, Verdict};
use session::Stop;

/// Time for one study, the wait for its turn not counted.
const STUDY_TIMEOUT: Duration = Duration::from_secs(5);
/// How often idle connections are looked after.
const SWEEP_PERIOD: Duration = Duration::from_secs(30);

/// Studies statements.
#[derive(Debug)]
pub(crate) struct Studies {
    followers: Arc<Followers>,
    room: Room,
}

/// Starts to take questions.
pub(crate) fn start(ground: &Ground, followers: &Arc<Followers>, metrics: Arc<Metrics>) -> Arc<Studies> {
    let studies = Arc::new(Studies {
        followers: followers.clone(),
        room: Room::new(metrics),
    });
    ground
        .tasks
        .spawn(Stage::Work, "study connections", |stop| studies.clone().tend(stop));
    studies
}

/// Where studies are made.
#[derive(Debug)]
struct Room {
    metrics: Arc<Metrics>,
    desks: Desks,
    memory: Memory,
}

impl Studies {
    pub(crate) async fn study(&self, request: api::StudyRequest) -> Result<api::StudyResponse, Status> {
        let followed = self.followers.of(&request.upstream, &request.database)?;
        self.room.study(&followed, &request).await
    }

    pub(crate) async fn explain(&self, request: api::ExplainRequest) -> Result<api::ExplainResponse, Status> {
        let followed = self.followers.of("", &request.database)?;
        self.room.explain(&followed, &request).await
    }

    /// Closes connections that nobody has used for a while.
    async fn tend(self: Arc<Self>, stop: CancellationToken) -> TaskResult {
        while timeout(SWEEP_PERIOD, stop.cancelled()).await.is_err() {
            self.room.desks.sweep();
        }
        Ok(())
    }
}

impl Room {
    fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            desks: Desks::default(),
            memory: Memory::default(),
        }
    }

    /// Studies a statement of a database that is followed. The watermark was read before the catalogue will be.
    async fn study(&self, followed: &Followed, request: &api::StudyRequest) -> Result<api::StudyResponse, Status> {
        let key = memory::key(request);
        if let Some(remembered) = self.memory.get(&key, followed) {
            return Ok(remembered);
        }
        let verdict = self.verdict(followed, request).await?;
        let answer = answer::study(followed, &verdict);
        self.memory.put(key, followed, &answer);
        Ok(answer)
    }

    async fn verdict(&self, followed: &Followed, request: &api::StudyRequest) -> Result<Verdict, Status> {
        let began = Instant::now();
        let verdict = match one::at_sight(&request.sql) {
            Some(verdict) => Ok(verdict),
            None => self.ask(followed, request).await,
        };
        let word = match &verdict {
            Ok(verdict) => verdict.refusals.first().map_or("cacheable", |refusal| &refusal.rule),
            Err(_) => "failed",
        };
        self.metrics.studies.with([word]).inc();
        self.metrics
            .study_seconds
            .with([])
            .observe(began.elapsed().as_secs_f64());
        verdict
    }

    async fn ask(&self, followed: &Followed, request: &api::StudyRequest) -> Result<Verdict, Status> {
        let mut taken = self
            .desks
            .take(&request.upstream, &request.database, &followed.target)
            .await?;
        let question = Question {
            role: &request.role,
            search_path: &request.search_path,
            sql: &request.sql,
            types: &request.parameter_types,
            utf8: request.utf8,
        };
        let known = judge::Followed {
            tables: &followed.tables,
            untold: &followed.untold,
        };
        // A study that is given up leaves its connection in the middle of a reply: it is closed with it.
        let verdict = timeout(STUDY_TIMEOUT, one::study(&mut taken.session, &question, &known)).await;
        let verdict = verdict.map_err(|_| Status::unavailable("the statement could not be studied in time"))?;
        taken.give_back().await;
        verdict.map_err(|stop| match stop {
            Stop::Failed(error) => desk::failed(&error),
            Stop::Refused(refusal) => Status::internal(refusal.detail),
        })
    }
}
