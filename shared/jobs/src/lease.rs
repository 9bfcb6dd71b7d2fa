//! A claimed job and everything that only its holder may write.
//!
//! Every statement here names the worker and the attempt: one that lost its job changes nothing and learns of it.

use std::time::Duration;

use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use crate::job::{Named, count, moment};
use crate::{JobError, Progress, Window};

/// One attempt at a job, held by one worker.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) job: Named,
    pub(crate) parameters: Value,
    pub(crate) requested_by: String,
    pub(crate) dry_run: bool,
    pub(crate) attempt_max: u32,
    pub(crate) window: Window,
    worker: String,
}

/// How an attempt ended, and so where the job goes from here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    Succeeded(Value),
    Failed(JobError),
    /// Another attempt, this long from now.
    Again(JobError, Duration),
    Cancelled,
    /// Cut off through no fault of its own: back to the queue as if this attempt had not been.
    Released,
}

/// A job that was lost to another worker, or cancelled and gone meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost;

const CLAIM: &str = "
    update jobs set state = 'running', attempt = attempt + 1, worker = $1, heartbeat_at = now(),
           started_at = coalesce(started_at, now()),
           progress_done = null, progress_total = null, progress_note = null
    where id = (
        select id from jobs as next
        where state = 'queued' and run_after <= now() and operation = any($2)
          and (begin_before is null or now() <= begin_before)
          and (exclusive_key is null or not exists (
              select from jobs as busy
              where busy.state = 'running' and busy.project = next.project
                and busy.operation = next.operation and busy.exclusive_key = next.exclusive_key))
        order by run_after, id
        limit 1 for update skip locked)
    returning *, (extract(epoch from window_ends) * 1000)::bigint as window_ends_unix_ms";

const OVERDUE: &str = "
    select *, (extract(epoch from window_ends) * 1000)::bigint as window_ends_unix_ms from jobs
    where state = 'running' and heartbeat_at < now() - $1 * interval '1 millisecond'
    order by heartbeat_at limit 1 for update skip locked";

const HEARTBEAT: &str = "
    update jobs set heartbeat_at = now() where id = $1 and worker = $2 and attempt = $3 and state = 'running'
    returning cancel_requested";

const PROGRESS: &str = "
    update jobs set progress_done = $4, progress_total = $5, progress_note = $6
    where id = $1 and worker = $2 and attempt = $3 and state = 'running'";

// Whatever did not succeed is cancelled if that was asked for meanwhile. The wait before another attempt is drawn
// between half of it and all of it, so that what failed together does not come back together. What has no sense before a
// while waits for all of that.
const END: &str = "
    update jobs set
           state = ends.as_state,
           ended_at = case when ends.as_state = 'queued' then null else now() end,
           effect = $5,
           slug = case when $8 then slug else $6 end,
           error = case when $8 then error else $7 end,
           attempt = attempt - case when $8 and ends.as_state = 'queued' then 1 else 0 end,
           run_after = now() + greatest($9 * (0.5 + random() / 2), $10) * interval '1 millisecond',
           worker = null, heartbeat_at = null
    from (select id, case when cancel_requested and $4 <> 'succeeded' then 'cancelled' else $4 end as as_state
          from jobs where id = $1 and worker = $2 and attempt = $3 and state = 'running' for update) as ends
    where jobs.id = ends.id
    returning state = 'cancelled'";

impl Claim {
    /// A claim that no row stands for.
    #[cfg(any(test, feature = "detached"))]
    pub(crate) fn detached(project: weir_model::Project, operation: &str, window: Window) -> Self {
        let job = Named {
            id: uuid::Uuid::now_v7(),
            project,
            operation: operation.to_owned(),
            attempt: 1,
            traceparent: None,
        };
        Self {
            job,
            parameters: Value::Object(serde_json::Map::new()),
            requested_by: "a test".to_owned(),
            dry_run: false,
            attempt_max: 1,
            window,
            worker: "a test".to_owned(),
        }
    }

    /// The next job that may run now, if there is one.
    pub(crate) async fn next(
        transaction: &mut PgConnection,
        worker: &str,
        operations: &[String],
    ) -> Result<Option<Self>, sqlx::Error> {
        let row = sqlx::query(CLAIM)
            .bind(worker)
            .bind(operations)
            .fetch_optional(transaction)
            .await?;
        row.as_ref().map(Self::read).transpose()
    }

    /// A running job whose worker has been silent for longer than `dead_after`; locked until the transaction ends.
    pub(crate) async fn overdue(
        transaction: &mut PgConnection,
        dead_after: Duration,
    ) -> Result<Option<Self>, sqlx::Error> {
        let row = sqlx::query(OVERDUE)
            .bind(ms(dead_after))
            .fetch_optional(transaction)
            .await?;
        row.as_ref().map(Self::read).transpose()
    }

    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            job: Named::read(row)?,
            parameters: row.try_get("parameters")?,
            requested_by: row.try_get("requested_by")?,
            dry_run: row.try_get("dry_run")?,
            attempt_max: count(row, "attempt_max")?,
            window: Window {
                ends: moment(row, "window_ends_unix_ms")?,
                is_closed: row.try_get("outside_window")?,
            },
            worker: row.try_get("worker")?,
        })
    }

    fn attempt_column(&self) -> i32 {
        i32::try_from(self.job.attempt).unwrap_or(i32::MAX)
    }

    pub(crate) fn worker(&self) -> &str {
        &self.worker
    }

    /// Says that the worker lives, and learns whether the job is to be cancelled.
    pub(crate) async fn heartbeat(&self, connection: &mut PgConnection) -> Result<Result<bool, Lost>, sqlx::Error> {
        let cancel_requested: Option<bool> = sqlx::query_scalar(HEARTBEAT)
            .bind(self.job.id)
            .bind(&self.worker)
            .bind(self.attempt_column())
            .fetch_optional(connection)
            .await?;
        Ok(cancel_requested.ok_or(Lost))
    }

    /// Stores how far it is.
    pub(crate) async fn progress(
        &self,
        transaction: &mut PgConnection,
        progress: &Progress,
    ) -> Result<Result<(), Lost>, sqlx::Error> {
        let stored = sqlx::query(PROGRESS)
            .bind(self.job.id)
            .bind(&self.worker)
            .bind(self.attempt_column())
            .bind(i64::try_from(progress.done).unwrap_or(i64::MAX))
            .bind(i64::try_from(progress.total).unwrap_or(i64::MAX))
            .bind(&progress.note)
            .execute(transaction)
            .await?;
        Ok(if stored.rows_affected() == 0 { Err(Lost) } else { Ok(()) })
    }

    /// Ends the attempt and gives the job up. Returns how it really ended: what did not succeed is cancelled
    /// if that was asked for meanwhile.
    pub(crate) async fn end(&self, transaction: &mut PgConnection, end: End) -> Result<Result<End, Lost>, sqlx::Error> {
        let cancelled: Option<bool> = sqlx::query_scalar(END)
            .bind(self.job.id)
            .bind(&self.worker)
            .bind(self.attempt_column())
            .bind(end.state())
            .bind(end.effect())
            .bind(end.error().map(|error| error.slug))
            .bind(end.error().map(|error| &error.error))
            .bind(end == End::Released)
            .bind(end.wait_ms())
            .bind(end.error().map_or(0.0, |error| ms(error.wait)))
            .fetch_optional(transaction)
            .await?;
        Ok(cancelled
            .map(|cancelled| if cancelled { End::Cancelled } else { end })
            .ok_or(Lost))
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

impl End {
    /// The word in the table.
    pub(crate) const fn state(&self) -> &'static str {
        match self {
            Self::Succeeded(_) => "succeeded",
            Self::Failed(_) => "failed",
            Self::Again(..) | Self::Released => "queued",
            Self::Cancelled => "cancelled",
        }
    }

    const fn effect(&self) -> Option<&Value> {
        match self {
            Self::Succeeded(effect) => Some(effect),
            _ => None,
        }
    }

    pub(crate) const fn error(&self) -> Option<&JobError> {
        match self {
            Self::Failed(error) | Self::Again(error, _) => Some(error),
            Self::Succeeded(_) | Self::Cancelled | Self::Released => None,
        }
    }

    fn wait_ms(&self) -> f64 {
        match self {
            Self::Again(_, wait) => ms(*wait),
            _ => 0.0,
        }
    }
}
