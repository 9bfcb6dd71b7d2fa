//! Who is told of alerts.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_proto::monitor::v1::{ListChannelsRequest, ListChannelsResponse, TestChannelRequest, TestChannelResponse};

use super::super::body::Path;
use super::super::{Console, Operator, Problem};

/// A receiver has its own time-out; this is for a slow one that is busy, too.
const TEST_WITHIN: Duration = Duration::from_secs(90);

pub(super) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(test))
}

/// The channels of the settings, and how it goes with them.
#[utoipa::path(get, path = "/database/monitoring/channels", tag = "alerts", responses((status = 200, body = ListChannelsResponse)))]
pub(crate) async fn list(
    State(console): State<Console>,
    Operator(_): Operator,
) -> Result<Json<ListChannelsResponse>, Problem> {
    let mut monitor = console.services.monitor();
    let asked = console.services.ask(ListChannelsRequest {});
    Ok(Json(monitor.list_channels(asked).await?.into_inner()))
}

/// Sends one notification to a channel to see whether it works, whatever the answer.
#[utoipa::path(post, path = "/database/monitoring/channels/{name}/test", tag = "alerts",
    params(("name" = String, Path, description = "The channel.")), responses((status = 200, body = TestChannelResponse)))]
pub(crate) async fn test(
    State(console): State<Console>,
    Operator(_): Operator,
    Path(name): Path<String>,
) -> Result<Json<TestChannelResponse>, Problem> {
    let asked = console.services.ask_within(TestChannelRequest { name }, TEST_WITHIN);
    let mut monitor = console.services.monitor();
    Ok(Json(monitor.test_channel(asked).await?.into_inner()))
}
