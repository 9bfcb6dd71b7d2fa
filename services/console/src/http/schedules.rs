//! Schedules: what runs when.

mod windows;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_proto::common::v1::PageRequest;
use weir_proto::page;
use weir_proto::scheduler::v1 as api;

use super::body::{MaybeBody, Path};
use super::jobs::{Job, Order, ProjectQuery, answered, is_for, may_order, order};
use super::{Body, Console, Page, Paged as _, Problem, Scoped};

pub(crate) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(list, put))
        .routes(routes!(remove))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(run))
        .merge(windows::calls())
}

/// Schedules.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Schedules)]
pub(crate) struct ScheduleList {
    /// By name. A page may be short and have a next one.
    schedules: Vec<api::Schedule>,
    /// How to go on; null: this page was the last.
    next: Option<String>,
}

/// A schedule to make, or to change.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = console::WantedSchedule)]
pub(crate) struct WantedSchedule {
    /// Its name, unique in its project.
    #[schema(min_length = 1, max_length = 63)]
    name: String,
    /// What it does, such as `analyze`.
    #[schema(min_length = 1, max_length = 63)]
    operation: String,
    /// When: minute, hour, day of the month, month, day of the week; or six fields with seconds first.
    cron: String,
    /// The time zone in which that is meant, such as `Europe/Vienna`; null: UTC.
    time_zone: Option<String>,
    /// What the operation is told; null: nothing.
    #[schema(value_type = Option<Object>)]
    parameters: Option<Map<String, Value>>,
    /// What becomes of times that passed while no scheduler ran.
    #[serde(default)]
    misfire: Misfire,
    /// Each run is asked for up to this much later, by chance.
    #[serde(default)]
    jitter_ms: u32,
    /// Its runs need no maintenance window.
    #[serde(default)]
    ignores_windows: bool,
    /// Attempts of each run at most. 0: the worker's choice.
    #[serde(default)]
    #[schema(maximum = 100)]
    attempt_max: u32,
    /// A run that has not begun by then is not begun any more. 0: an hour.
    #[serde(default)]
    begin_within_ms: u32,
}

/// What becomes of missed times.
#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::Misfire)]
pub(crate) enum Misfire {
    /// They are left out.
    #[default]
    Skip,
    /// They are made up for by one run.
    RunOnce,
}

/// How a schedule's work is to be done now.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = console::RunSchedule)]
pub(crate) struct RunSchedule {
    /// Do it even if no maintenance window is open.
    force_window: bool,
    /// Answer when it has ended, an hour later at most.
    wait: bool,
}

impl WantedSchedule {
    fn message(self, project: String) -> api::Schedule {
        let misfire = match self.misfire {
            Misfire::Skip => api::MisfirePolicy::Skip,
            Misfire::RunOnce => api::MisfirePolicy::RunOnce,
        };
        api::Schedule {
            project,
            name: self.name,
            operation: self.operation,
            cron: self.cron,
            time_zone: self.time_zone.unwrap_or_default(),
            parameters_json: self
                .parameters
                .map(|map| Value::Object(map).to_string())
                .unwrap_or_default(),
            misfire: misfire.into(),
            jitter_ms: self.jitter_ms,
            ignores_windows: self.ignores_windows,
            attempt_max: self.attempt_max,
            begin_within_ms: self.begin_within_ms,
            ..api::Schedule::default()
        }
    }
}

/// Whether a caller may see a schedule and change it. A project may not touch what concerns a whole cluster, even where
/// that is written down under its name.
fn is_shown_to(scoped: &Scoped, schedule: &api::Schedule) -> bool {
    let own = scoped.caller.project.as_ref();
    own.is_none_or(|own| is_for(own, &schedule.operation, &told(schedule)))
}

/// What its runs are told.
fn told(schedule: &api::Schedule) -> Value {
    serde_json::from_str(&schedule.parameters_json).unwrap_or_default()
}

/// Schedules of a project.
#[utoipa::path(get, path = "/database/schedules", tag = "schedules", params(ProjectQuery, Page), responses((status = 200, description = "a page of schedules", body = ScheduleList)))]
pub(crate) async fn list(
    State(console): State<Console>,
    scoped: Scoped,
    page: Page,
) -> Result<Json<ScheduleList>, Problem> {
    let mut listed = ask_page(&console, &scoped, page.request()).await?;
    listed.schedules.retain(|schedule| is_shown_to(&scoped, schedule));
    Ok(Json(ScheduleList {
        schedules: listed.schedules,
        next: listed.page.next(),
    }))
}

async fn ask_page(
    console: &Console,
    scoped: &Scoped,
    page: Option<PageRequest>,
) -> Result<api::ListSchedulesResponse, Problem> {
    let asked = api::ListSchedulesRequest {
        project: scoped.name(),
        page,
    };
    let mut scheduler = console.services.scheduler();
    Ok(scheduler
        .list_schedules(console.services.ask(asked))
        .await?
        .into_inner())
}

/// Makes a schedule, or changes the one of that name.
#[utoipa::path(
    put, path = "/database/schedules", tag = "schedules", params(ProjectQuery), request_body = WantedSchedule,
    responses(
        (status = 200, description = "it was changed", body = api::Schedule),
        (status = 201, description = "it is new", body = api::Schedule),
    )
)]
pub(crate) async fn put(
    State(console): State<Console>,
    scoped: Scoped,
    Body(wanted): Body<WantedSchedule>,
) -> Result<(StatusCode, Json<api::Schedule>), Problem> {
    let schedule = wanted.message(scoped.name());
    let there = named(&console, &scoped, &schedule.name).await?;
    let is_allowed = |schedule: &api::Schedule| {
        let own = scoped.caller.project.as_ref();
        own.is_none_or(|own| may_order(own, &schedule.operation, &told(schedule)))
    };
    if !is_allowed(&schedule) || !there.as_ref().is_none_or(is_allowed) {
        return Err(Problem::forbidden(format!(
            "{} concerns more than the project: an operator's token is needed",
            there.map_or(schedule.operation, |there| there.operation)
        )));
    }
    let asked = api::PutScheduleRequest {
        schedule: Some(schedule),
    };
    let mut scheduler = console.services.scheduler();
    let stored = scheduler.put_schedule(console.services.ask(asked)).await?.into_inner();
    let status = if stored.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(stored.schedule.unwrap_or_default())))
}

/// Removes a schedule. Its runs stay in the record; one that is under way goes on.
#[utoipa::path(delete, path = "/database/schedules/{name}", tag = "schedules", params(ProjectQuery, ("name" = String, Path, description = "the schedule's name")), responses((status = 204, description = "it is gone")))]
pub(crate) async fn remove(
    State(console): State<Console>,
    scoped: Scoped,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let schedule = find(&console, &scoped, &name).await?;
    let asked = api::DeleteScheduleRequest {
        id: schedule.id,
        project: schedule.project,
    };
    console
        .services
        .scheduler()
        .delete_schedule(console.services.ask(asked))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stops a schedule from asking for runs until it is resumed.
#[utoipa::path(post, path = "/database/schedules/{name}/pause", tag = "schedules", params(ProjectQuery, ("name" = String, Path, description = "the schedule's name")), responses((status = 200, description = "it is paused", body = api::Schedule)))]
pub(crate) async fn pause(
    State(console): State<Console>,
    scoped: Scoped,
    Path(name): Path<String>,
) -> Result<Json<api::Schedule>, Problem> {
    let schedule = find(&console, &scoped, &name).await?;
    let asked = api::PauseScheduleRequest {
        id: schedule.id,
        project: schedule.project,
    };
    let mut scheduler = console.services.scheduler();
    let paused = scheduler.pause_schedule(console.services.ask(asked)).await?;
    Ok(Json(paused.into_inner().schedule.unwrap_or_default()))
}

/// Lets a paused schedule go on with its next time.
#[utoipa::path(post, path = "/database/schedules/{name}/resume", tag = "schedules", params(ProjectQuery, ("name" = String, Path, description = "the schedule's name")), responses((status = 200, description = "it goes on", body = api::Schedule)))]
pub(crate) async fn resume(
    State(console): State<Console>,
    scoped: Scoped,
    Path(name): Path<String>,
) -> Result<Json<api::Schedule>, Problem> {
    let schedule = find(&console, &scoped, &name).await?;
    let asked = api::ResumeScheduleRequest {
        id: schedule.id,
        project: schedule.project,
    };
    let mut scheduler = console.services.scheduler();
    let resumed = scheduler.resume_schedule(console.services.ask(asked)).await?;
    Ok(Json(resumed.into_inner().schedule.unwrap_or_default()))
}

/// Does a schedule's work now, beside its times.
#[utoipa::path(
    post, path = "/database/schedules/{name}/run", tag = "schedules",
    params(ProjectQuery, ("name" = String, Path, description = "the schedule's name")), request_body = Option<RunSchedule>,
    responses(
        (status = 200, description = "the job that was waited for, which has ended", body = Job),
        (status = 202, description = "the job as it was asked for", body = Job, headers(("Location" = String, description = "where to follow the job"))),
    )
)]
pub(crate) async fn run(
    State(console): State<Console>,
    scoped: Scoped,
    Path(name): Path<String>,
    MaybeBody(wanted): MaybeBody<RunSchedule>,
) -> Result<Response, Problem> {
    let schedule = find(&console, &scoped, &name).await?;
    let asked = Order {
        parameters: told(&schedule),
        operation: schedule.operation,
        dry_run: false,
        force_window: wanted.force_window || schedule.ignores_windows,
    };
    let job = order(&console, &scoped, asked).await?;
    Ok(answered(&console, &scoped, job, wanted.wait).await)
}

/// A schedule that the caller may see. What may not be seen is as if it were not there.
async fn find(console: &Console, scoped: &Scoped, name: &str) -> Result<api::Schedule, Problem> {
    let found = named(console, scoped, name).await?;
    found.filter(|schedule| is_shown_to(scoped, schedule)).ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "schedule-not-found",
            format!("there is no schedule {name:?}"),
        )
    })
}

/// The schedule of a name: the first of the page that begins there.
async fn named(console: &Console, scoped: &Scoped, name: &str) -> Result<Option<api::Schedule>, Problem> {
    let one = page::Page { size: 1, after: None };
    let before = one.answer(&[()], |()| (name.to_owned(), Uuid::nil()));
    let page = PageRequest {
        size: 1,
        token: before.next_token,
    };
    let listed = ask_page(console, scoped, Some(page)).await?;
    let first = listed.schedules.into_iter().next();
    Ok(first.filter(|schedule| schedule.name == name))
}
