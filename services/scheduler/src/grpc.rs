//! `weir.scheduler.v1` to calls of [`Desk`](crate::desk::Desk) and back. Translates, decides nothing.

mod windows;

use tonic::{Request, Response, Status};
use uuid::Uuid;
use weir_proto::common::v1::{JobState, Progress};
use weir_proto::page::Page;
use weir_proto::scheduler::v1 as api;
use weir_proto::scheduler::v1::scheduler_service_server::SchedulerService;
use weir_proto::status::status;

use crate::desk::{Desk, Order, Wanted};
use crate::error::Error;
use crate::store::{RunRow, ScheduleRow};

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl SchedulerService for Desk {
    async fn list_schedules(&self, request: Request<api::ListSchedulesRequest>) -> Answer<api::ListSchedulesResponse> {
        let request = request.into_inner();
        let page = Page::of(request.page.as_ref()).map_err(|error| status(&error))?;
        let after = page.after().map_err(|error| status(&error))?;
        let rows = self
            .schedules(&request.project, after, page.size)
            .await
            .map_err(|error| status(&error))?;
        let page = Some(page.answer(&rows, |row| (row.name.clone(), row.id)));
        let mut schedules = Vec::with_capacity(rows.len());
        for row in rows {
            schedules.push(self.with_last_run(row).await.map_err(|error| status(&error))?);
        }
        Ok(Response::new(api::ListSchedulesResponse { schedules, page }))
    }

    async fn put_schedule(&self, request: Request<api::PutScheduleRequest>) -> Answer<api::PutScheduleResponse> {
        let schedule = request.into_inner().schedule.unwrap_or_default();
        let wanted = wanted(schedule);
        let (row, created) = self.put(wanted).await.map_err(|error| status(&error))?;
        Ok(Response::new(api::PutScheduleResponse {
            schedule: Some(schedule_of(row, None)),
            created,
        }))
    }

    async fn delete_schedule(
        &self,
        request: Request<api::DeleteScheduleRequest>,
    ) -> Answer<api::DeleteScheduleResponse> {
        let request = request.into_inner();
        self.delete(&request.project, id(&request.id)?)
            .await
            .map_err(|error| status(&error))?;
        Ok(Response::new(api::DeleteScheduleResponse {}))
    }

    async fn pause_schedule(&self, request: Request<api::PauseScheduleRequest>) -> Answer<api::PauseScheduleResponse> {
        let request = request.into_inner();
        let row = self
            .pause(&request.project, id(&request.id)?, true)
            .await
            .map_err(|error| status(&error))?;
        Ok(Response::new(api::PauseScheduleResponse {
            schedule: Some(schedule_of(row, None)),
        }))
    }

    async fn resume_schedule(
        &self,
        request: Request<api::ResumeScheduleRequest>,
    ) -> Answer<api::ResumeScheduleResponse> {
        let request = request.into_inner();
        let row = self
            .pause(&request.project, id(&request.id)?, false)
            .await
            .map_err(|error| status(&error))?;
        Ok(Response::new(api::ResumeScheduleResponse {
            schedule: Some(schedule_of(row, None)),
        }))
    }

    async fn run_now(&self, request: Request<api::RunNowRequest>) -> Answer<api::RunNowResponse> {
        let request = request.into_inner();
        let order = Order {
            project: request.project,
            operation: request.operation,
            parameters_json: request.parameters_json,
            dry_run: request.dry_run,
            force_window: request.force_window,
        };
        let row = self.run_now(order).await.map_err(|error| status(&error))?;
        Ok(Response::new(api::RunNowResponse { run: Some(run_of(row)) }))
    }

    async fn list_runs(&self, request: Request<api::ListRunsRequest>) -> Answer<api::ListRunsResponse> {
        let request = request.into_inner();
        let page = Page::of(request.page.as_ref()).map_err(|error| status(&error))?;
        let after = page.after().map_err(|error| status(&error))?;
        let schedule_id = if request.schedule_id.is_empty() {
            None
        } else {
            Some(id(&request.schedule_id)?)
        };
        let states: Vec<String> = request.states().filter_map(state_name).map(str::to_owned).collect();
        let rows = self
            .runs(&request.project, schedule_id, &states, after, page.size)
            .await;
        let rows = rows.map_err(|error| status(&error))?;
        let page = Some(page.answer(&rows, |row| (row.requested_unix_ms, row.id)));
        let runs = rows.into_iter().map(run_of).collect();
        Ok(Response::new(api::ListRunsResponse { runs, page }))
    }

    async fn get_run(&self, request: Request<api::GetRunRequest>) -> Answer<api::GetRunResponse> {
        let request = request.into_inner();
        let row = self
            .run(&request.project, id(&request.id)?)
            .await
            .map_err(|error| status(&error))?;
        Ok(Response::new(api::GetRunResponse { run: Some(run_of(row)) }))
    }

    async fn list_windows(&self, request: Request<api::ListWindowsRequest>) -> Answer<api::ListWindowsResponse> {
        self.windows_listed(request).await
    }

    async fn put_window(&self, request: Request<api::PutWindowRequest>) -> Answer<api::PutWindowResponse> {
        self.window_put(request).await
    }

    async fn delete_window(&self, request: Request<api::DeleteWindowRequest>) -> Answer<api::DeleteWindowResponse> {
        self.window_deleted(request).await
    }
}

impl Desk {
    async fn with_last_run(&self, row: ScheduleRow) -> Result<api::Schedule, Error> {
        let last = self
            .runs(&row.project, Some(row.id), &[], None, 1)
            .await?
            .into_iter()
            .next();
        Ok(schedule_of(row, last))
    }
}

fn wanted(schedule: api::Schedule) -> Wanted {
    let run_once = schedule.misfire() == api::MisfirePolicy::RunOnce;
    Wanted {
        project: schedule.project,
        name: schedule.name,
        operation: schedule.operation,
        cron: schedule.cron,
        time_zone: schedule.time_zone,
        parameters_json: schedule.parameters_json,
        misfire: if run_once { "run_once" } else { "skip" },
        jitter_ms: schedule.jitter_ms,
        ignores_windows: schedule.ignores_windows,
        attempt_max: schedule.attempt_max,
        begin_within_ms: schedule.begin_within_ms,
    }
}

fn schedule_of(row: ScheduleRow, last_run: Option<RunRow>) -> api::Schedule {
    let misfire = if row.misfire == "run_once" {
        api::MisfirePolicy::RunOnce
    } else {
        api::MisfirePolicy::Skip
    };
    api::Schedule {
        id: row.id.to_string(),
        project: row.project,
        name: row.name,
        operation: row.operation,
        cron: row.cron,
        time_zone: row.time_zone,
        parameters_json: row.parameters.to_string(),
        misfire: misfire.into(),
        jitter_ms: u32::try_from(row.jitter_ms).unwrap_or(u32::MAX),
        paused: row.paused,
        next_run_unix_ms: if row.paused { 0 } else { row.next_run_unix_ms },
        last_run: last_run.map(run_of),
        ignores_windows: row.ignores_windows,
        attempt_max: u32::try_from(row.attempt_max).unwrap_or(u32::MAX),
        begin_within_ms: u32::try_from(row.begin_within_ms).unwrap_or(u32::MAX),
    }
}

fn run_of(row: RunRow) -> api::Run {
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    let (done, total) = (count(row.progress_done), count(row.progress_total));
    api::Run {
        id: row.id.to_string(),
        schedule_id: row.schedule_id.map(|id| id.to_string()).unwrap_or_default(),
        project: row.project,
        operation: row.operation,
        parameters_json: row.parameters.to_string(),
        state: state_of(&row.state).into(),
        requested_unix_ms: row.requested_unix_ms,
        started_unix_ms: row.started_unix_ms,
        ended_unix_ms: row.ended_unix_ms,
        progress: Some(Progress {
            done,
            total,
            note: row.progress_note,
        }),
        effect_json: row.effect.map(|effect| effect.to_string()).unwrap_or_default(),
        error: row.error,
        error_slug: row.error_slug,
        attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
        requested_by: row.requested_by,
        dry_run: row.dry_run,
        window_ends_unix_ms: row.window_ends_unix_ms,
        outside_window: row.outside_window,
    }
}

const fn state_name(state: JobState) -> Option<&'static str> {
    match state {
        JobState::Unspecified => None,
        JobState::Requested => Some("requested"),
        JobState::Running => Some("running"),
        JobState::Succeeded => Some("succeeded"),
        JobState::Failed => Some("failed"),
        JobState::Cancelled => Some("cancelled"),
    }
}

fn state_of(name: &str) -> JobState {
    let all = [
        JobState::Requested,
        JobState::Running,
        JobState::Succeeded,
        JobState::Failed,
        JobState::Cancelled,
    ];
    all.into_iter()
        .find(|state| state_name(*state) == Some(name))
        .unwrap_or(JobState::Unspecified)
}

fn id(text: &str) -> Result<Uuid, Status> {
    let reason = || format!("{text:?} is not an id");
    text.parse().map_err(|_| {
        status(&Error::Field {
            field: "id",
            reason: reason(),
        })
    })
}
