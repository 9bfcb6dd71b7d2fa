//! One operation as jobs ask for it: the order is read and checked, what does the work is given a pace, and the job
//! says each second how far it is.

use std::sync::Arc;

use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_jobs::{JobContext, JobError, Work};
use weir_model::{Coded as _, Project};

use super::order::{Order, read};
use super::refusal::Refusal;
use super::transfer::Reporter;
use crate::engine::pace::Pace;
use crate::engine::progress::Progress;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::relief::Relief;

/// What does the work of one operation. It must bear being repeated under the same id.
pub(crate) trait Deed: Send + Sync + 'static {
    /// What it is told.
    type Order: Order;

    /// Whether it reads the users' server, and has to yield to them.
    const YIELDS: bool = false;

    /// The most bytes per second that an order allows; 0: no limit.
    fn most(&self, _order: &Self::Order) -> u64 {
        0
    }

    /// What it would do: a JSON object. Changes nothing.
    fn plan(&self, asked: &Asked<'_>, order: &Self::Order) -> impl Future<Output = Result<Json, Error>> + Send;

    /// Does it, and says what it did: a JSON object.
    fn run(
        &self,
        asked: &Asked<'_>,
        order: &Self::Order,
        pace: &Pace,
    ) -> impl Future<Output = Result<Json, Error>> + Send;
}

/// Who asked for a job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The job's id, and that of what it makes.
    pub id: Uuid,
    /// On whose behalf.
    pub project: &'a Project,
}

/// An operation that jobs can ask for.
#[derive(Debug)]
pub(crate) struct Operation<D> {
    keeper: Arc<Keeper>,
    relief: Relief,
    deed: D,
}

impl<D: Deed> Operation<D> {
    pub(crate) const fn new(keeper: Arc<Keeper>, relief: Relief, deed: D) -> Self {
        Self { keeper, relief, deed }
    }

    fn order(&self, project: &Project, parameters: &Json) -> Result<D::Order, Error> {
        let order: D::Order = read(parameters)?;
        order.check(&self.keeper.settings)?;
        if !order.is_for(project) {
            let reason = format!(
                "{} on behalf of project {project} is not allowed here",
                D::Order::OPERATION
            );
            return Err(Refusal::NotYours.because(reason));
        }
        Ok(order)
    }

    async fn carry_out(&self, job: &JobContext) -> Result<Json, Error> {
        let asked = Asked {
            id: job.id(),
            project: job.project(),
        };
        let order = self.order(asked.project, job.parameters())?;
        if job.dry_run() {
            return self.deed.plan(&asked, &order).await;
        }
        let progress = Progress::default();
        let reporter = Reporter::new(job, progress.clone());
        let most = self.deed.most(&order);
        // A child: what works may stop itself by it, never the job.
        let pace = Pace::new(most, CancellationToken::child_token(job.cancelled()), progress);
        // Whatever it left on another thread learns of its end.
        let _told = pace.stop().clone().drop_guard();
        let done = tokio::select! {
            done = self.deed.run(&asked, &order, &pace) => done,
            never = reporter.report() => match never {},
            never = self.relief.keep(&pace, most, || reporter.rate()), if D::YIELDS => match never {},
        };
        reporter.last();
        done
    }
}

impl<D: Deed> Work for Operation<D> {
    fn operation(&self) -> &str {
        D::Order::OPERATION
    }

    fn exclusive_key(&self, parameters: &Json) -> Option<String> {
        // An order that cannot be read fails when its turn comes.
        let order: D::Order = read(parameters).ok()?;
        Some(order.exclusive_key())
    }

    async fn run(&self, job: &JobContext) -> Result<Json, JobError> {
        // Boxed: work of this size would make every slot of the runner as large.
        Box::pin(self.carry_out(job)).await.map_err(|error| outcome(&error))
    }
}

/// What may pass is tried again; the rest has failed.
fn outcome(error: &Error) -> JobError {
    if error.is_passing() {
        JobError::retry(error.slug(), error)
    } else {
        JobError::fail(error.slug(), error)
    }
}
