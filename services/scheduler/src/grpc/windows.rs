//! Windows between `weir.scheduler.v1` and [`WindowDesk`](crate::windows::WindowDesk). Translates, decides nothing.

use tonic::{Request, Response};
use weir_proto::scheduler::v1 as api;
use weir_proto::status::status;

use super::Answer;
use crate::desk::Desk;
use crate::plan::{Opening, Weekdays};
use crate::store::{FILE, LEARNED, OPERATOR};
use crate::windows::{Shown, WantedWindow};

impl Desk {
    pub(super) async fn windows_listed(
        &self,
        request: Request<api::ListWindowsRequest>,
    ) -> Answer<api::ListWindowsResponse> {
        let standing = self
            .windows
            .list(&request.into_inner().project)
            .await
            .map_err(|error| status(&error))?;
        let (is_open, until, next) = match standing.opening {
            Opening::Open { until_unix_ms } => (true, until_unix_ms, None),
            Opening::Closed { next } => (false, None, next.map(|(at, _)| at)),
        };
        Ok(Response::new(api::ListWindowsResponse {
            windows: standing.windows.into_iter().map(window_of).collect(),
            is_open,
            open_until_unix_ms: until.unwrap_or_default(),
            next_open_unix_ms: next.unwrap_or_default(),
            now_unix_ms: standing.now_unix_ms,
        }))
    }

    pub(super) async fn window_put(&self, request: Request<api::PutWindowRequest>) -> Answer<api::PutWindowResponse> {
        let wanted = wanted(request.into_inner().window.unwrap_or_default());
        let (shown, created) = self.windows.put(wanted).await.map_err(|error| status(&error))?;
        Ok(Response::new(api::PutWindowResponse {
            window: Some(window_of(shown)),
            created,
        }))
    }

    pub(super) async fn window_deleted(
        &self,
        request: Request<api::DeleteWindowRequest>,
    ) -> Answer<api::DeleteWindowResponse> {
        let request = request.into_inner();
        let deleted = self.windows.delete(&request.project, &request.name).await;
        deleted.map_err(|error| status(&error))?;
        Ok(Response::new(api::DeleteWindowResponse {}))
    }
}

fn wanted(window: api::Window) -> WantedWindow {
    // Monday is 1 there and 0 here; no day is 0 there.
    let days = window
        .weekdays()
        .filter_map(|day| u32::try_from(i32::from(day) - 1).ok());
    WantedWindow {
        weekdays: Weekdays::of(days),
        project: window.project,
        name: window.name,
        start: window.start,
        end: window.end,
        time_zone: window.time_zone,
        enabled: !window.disabled,
    }
}

fn window_of(shown: Shown) -> api::Window {
    let row = shown.row;
    let source = match row.source.as_str() {
        FILE => api::WindowSource::File,
        OPERATOR => api::WindowSource::Operator,
        LEARNED => api::WindowSource::Learned,
        _ => api::WindowSource::Default,
    };
    let hours = row.hours();
    let days = Weekdays::from_bits(row.weekdays).days();
    api::Window {
        project: row.project,
        name: row.name,
        weekdays: days.filter_map(|day| i32::try_from(day + 1).ok()).collect(),
        start: hours.start(),
        end: hours.end(),
        time_zone: row.time_zone,
        disabled: !row.enabled,
        source: source.into(),
        in_force: shown.in_force,
    }
}
