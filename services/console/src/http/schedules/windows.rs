//! Maintenance windows: when maintenance may run.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_proto::scheduler::v1 as api;

use crate::http::body::Path;
use crate::http::jobs::ProjectQuery;
use crate::http::{Body, Console, Problem, Scoped};

pub(super) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list, put)).routes(routes!(remove))
}

/// A window to make, or to change.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = console::WantedWindow)]
pub(crate) struct WantedWindow {
    /// Its name, unique in its project.
    #[schema(min_length = 1, max_length = 63)]
    name: String,
    /// The days on which it opens; none: every day.
    #[serde(default)]
    weekdays: Vec<Day>,
    /// When it opens: local time of day, such as `22:00`.
    start: String,
    /// When it closes, such as `06:00`. Not after `start`: on the next day.
    end: String,
    /// The time zone in which that is meant, such as `Europe/Vienna`; null: UTC.
    time_zone: Option<String>,
    /// Keep it, but let it not count. A project whose windows are all disabled has none.
    #[serde(default)]
    disabled: bool,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::Day)]
pub(crate) enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl From<Day> for api::Weekday {
    fn from(day: Day) -> Self {
        match day {
            Day::Monday => Self::Monday,
            Day::Tuesday => Self::Tuesday,
            Day::Wednesday => Self::Wednesday,
            Day::Thursday => Self::Thursday,
            Day::Friday => Self::Friday,
            Day::Saturday => Self::Saturday,
            Day::Sunday => Self::Sunday,
        }
    }
}

/// The windows of a project, which of them count, and whether one is open now.
#[utoipa::path(get, path = "/database/windows", tag = "schedules", params(ProjectQuery), responses((status = 200, description = "all its windows", body = api::ListWindowsResponse)))]
pub(crate) async fn list(
    State(console): State<Console>,
    scoped: Scoped,
) -> Result<Json<api::ListWindowsResponse>, Problem> {
    let asked = api::ListWindowsRequest { project: scoped.name() };
    let mut scheduler = console.services.scheduler();
    let listed = scheduler.list_windows(console.services.ask(asked)).await?;
    Ok(Json(listed.into_inner()))
}

/// Makes a window, or changes the one of that name. A project with windows of its own has only these.
#[utoipa::path(
    put, path = "/database/windows", tag = "schedules", params(ProjectQuery), request_body = WantedWindow,
    responses(
        (status = 200, description = "it was changed", body = api::Window),
        (status = 201, description = "it is new", body = api::Window),
    )
)]
pub(crate) async fn put(
    State(console): State<Console>,
    scoped: Scoped,
    Body(wanted): Body<WantedWindow>,
) -> Result<(StatusCode, Json<api::Window>), Problem> {
    let days = wanted.weekdays.into_iter().map(api::Weekday::from);
    let window = api::Window {
        project: scoped.name(),
        name: wanted.name,
        weekdays: days.map(i32::from).collect(),
        start: wanted.start,
        end: wanted.end,
        time_zone: wanted.time_zone.unwrap_or_default(),
        disabled: wanted.disabled,
        ..api::Window::default()
    };
    let asked = api::PutWindowRequest { window: Some(window) };
    let mut scheduler = console.services.scheduler();
    let stored = scheduler.put_window(console.services.ask(asked)).await?.into_inner();
    let status = if stored.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(stored.window.unwrap_or_default())))
}

/// Removes a window. A project without any of its own has the one of the settings.
#[utoipa::path(delete, path = "/database/windows/{name}", tag = "schedules", params(ProjectQuery, ("name" = String, Path, description = "the window's name")), responses((status = 204, description = "it is gone")))]
pub(crate) async fn remove(
    State(console): State<Console>,
    scoped: Scoped,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let asked = api::DeleteWindowRequest {
        project: scoped.name(),
        name,
    };
    console
        .services
        .scheduler()
        .delete_window(console.services.ask(asked))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
