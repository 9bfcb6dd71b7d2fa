//! The jobs of a service, for those who ask for them, look at them or stop them.

use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::timeout;
use uuid::Uuid;
use weir_model::{Clock, Project};
use weir_store::{Store, StoreError, outbox};

use crate::facts::Facts;
use crate::job::{COLUMNS, Named};
use crate::lease::End;
use crate::{Job, JobError, JobRequest, JobState};

/// The database has this long for one answer, so that a frozen one holds nobody up for good.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The jobs in one service's schema. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Jobs {
    store: Store,
    facts: Facts,
}

/// How many jobs are not done yet, for a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobsDepth {
    /// Jobs that wait for a worker or for their next attempt.
    pub queued: u64,
    /// Jobs that a worker is at.
    pub running: u64,
}

impl Jobs {
    /// The jobs of a service. `source` names the service in the events that tell of them.
    pub fn new(store: &Store, source: &'static str, clock: Clock) -> Self {
        Self {
            store: store.clone(),
            facts: Facts::new(source, clock),
        }
    }

    /// Stores a request in the caller's transaction. False if it is known already: then nothing changes.
    pub async fn request(transaction: &mut PgConnection, request: &JobRequest) -> Result<bool, sqlx::Error> {
        let inserted = sqlx::query(
            "insert into jobs (id, project, operation, parameters, requested_by, dry_run, exclusive_key, traceparent,
                               attempt_max, requested_at, begin_before, window_ends, outside_window)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, to_timestamp($10 / 1000.0), to_timestamp($11 / 1000.0),
                     to_timestamp($12 / 1000.0), $13)
             on conflict (id) do nothing",
        )
        .bind(request.id)
        .bind(request.project.as_str())
        .bind(&request.operation)
        .bind(&request.parameters)
        .bind(&request.requested_by)
        .bind(request.dry_run)
        .bind(&request.exclusive_key)
        .bind(&request.traceparent)
        .bind(i32::try_from(request.attempt_max.max(1)).unwrap_or(i32::MAX))
        .bind(unix_ms(request.requested_at))
        .bind(request.begin_before.map(unix_ms))
        .bind(request.window.ends.map(unix_ms))
        .bind(request.window.is_closed)
        .execute(transaction)
        .await?;
        Ok(inserted.rows_affected() == 1)
    }

    /// One job.
    pub async fn get(&self, id: Uuid) -> Result<Option<Job>, StoreError> {
        let sql = AssertSqlSafe(format!("select {COLUMNS} from jobs where id = $1"));
        let row = sqlx::query(sql).bind(id).fetch_optional(self.store.pool()).await;
        row.and_then(|row| row.as_ref().map(Job::read).transpose())
            .map_err(|error| self.store.error(error))
    }

    /// The jobs of a project in one of these states (none: in any), the newest id first, from below `before` on.
    pub async fn list(
        &self,
        project: &Project,
        states: &[JobState],
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Job>, StoreError> {
        let sql = AssertSqlSafe(format!(
            "select {COLUMNS} from jobs
             where project = $1 and ($2 = '{{}}' or state = any($2)) and ($3 is null or id < $3)
             order by id desc limit $4"
        ));
        let words: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
        let query = sqlx::query(sql)
            .bind(project.as_str())
            .bind(words)
            .bind(before)
            .bind(i64::from(limit));
        let rows = query.fetch_all(self.store.pool()).await;
        let read = |rows: Vec<_>| rows.iter().map(Job::read).collect();
        rows.and_then(read).map_err(|error| self.store.error(error))
    }

    /// Stops a job: at once if no worker is at it, otherwise its worker is told. Returns the job as it is now.
    pub async fn cancel(&self, id: Uuid) -> Result<Option<Job>, StoreError> {
        self.cancel_in_transaction(id)
            .await
            .map_err(|error| self.store.error(error))?;
        self.get(id).await
    }

    async fn cancel_in_transaction(&self, id: Uuid) -> Result<(), sqlx::Error> {
        let mut transaction = self.store.pool().begin().await?;
        let waiting = sqlx::query(
            "update jobs set state = 'cancelled', ended_at = now(), cancel_requested = true
             where id = $1 and state = 'queued' returning *",
        );
        match waiting.bind(id).fetch_optional(&mut *transaction).await? {
            Some(row) => {
                let job = Named::read(&row)?;
                self.tell_end(&mut transaction, &job, &End::Cancelled).await?;
            }
            None => {
                let running = "update jobs set cancel_requested = true where id = $1 and state = 'running'";
                sqlx::query(running).bind(id).execute(&mut *transaction).await?;
            }
        }
        transaction.commit().await
    }

    /// How many jobs are not done yet.
    pub async fn depth(&self) -> Result<JobsDepth, StoreError> {
        let (queued, running): (i64, i64) = sqlx::query_as(
            "select count(*) filter (where state = 'queued'), count(*) filter (where state = 'running')
             from jobs where state in ('queued', 'running')",
        )
        .fetch_one(self.store.pool())
        .await
        .map_err(|error| self.store.error(error))?;
        let unsigned = |value: i64| u64::try_from(value).unwrap_or_default();
        Ok(JobsDepth {
            queued: unsigned(queued),
            running: unsigned(running),
        })
    }

    /// Fails one job whose time to begin is over; says whether there was one.
    pub(crate) async fn expire_one(&self) -> Result<bool, sqlx::Error> {
        let error = JobError::fail("job-too-late", "no worker could begin it before its deadline");
        let mut transaction = self.store.pool().begin().await?;
        let late = sqlx::query(
            "update jobs set state = 'failed', ended_at = now(), slug = $1, error = $2
             where id = (select id from jobs where state = 'queued' and begin_before < now()
                         order by begin_before limit 1 for update skip locked)
             returning *",
        );
        let row = late
            .bind(error.slug)
            .bind(&error.error)
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(row) = row else { return Ok(false) };
        self.tell_end(&mut transaction, &Named::read(&row)?, &End::Failed(error))
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Removes some of the jobs that ended longer than `keep` ago.
    pub(crate) async fn forget(&self, keep: Duration) -> Result<(), sqlx::Error> {
        let old = "delete from jobs where id in (
                       select id from jobs where ended_at < now() - $1 * interval '1 second' limit 1000)";
        sqlx::query(old)
            .bind(keep.as_secs_f64())
            .execute(self.store.pool())
            .await
            .map(|_| ())
    }

    /// Enqueues what an end has to tell. A released job tells nothing: its next start does.
    pub(crate) async fn tell_end(
        &self,
        transaction: &mut PgConnection,
        job: &Named,
        end: &End,
    ) -> Result<(), sqlx::Error> {
        match self.facts.ended(job, end) {
            Some(event) => outbox::enqueue(transaction, &event, job.traceparent.as_deref()).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, StoreError> {
        match timeout(ANSWER_WITHIN, answer).await {
            Ok(answer) => answer.map_err(|error| self.store.error(error)),
            Err(_) => Err(StoreError::Timeout {
                address: self.store.address().clone(),
                waited: ANSWER_WITHIN,
            }),
        }
    }

    pub(crate) const fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }
}

/// Whether the database refuses a value as such, so that trying again cannot help (a NUL in a JSON text, for one).
pub(crate) fn is_malformed(error: &StoreError) -> bool {
    match error {
        StoreError::Sql {
            source: sqlx::Error::Database(error),
            ..
        } => error.code().is_some_and(|code| code.starts_with("22")),
        _ => false,
    }
}

fn unix_ms(moment: SystemTime) -> i64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
