//! Backups: ordered, listed, proven, and what could be restored.

mod catalogue;
mod orders;
mod places;
mod restore;
mod status;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Console;

pub(crate) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(orders::create))
        .routes(routes!(orders::test_recovery))
        .routes(routes!(status::show))
        .routes(routes!(catalogue::list))
        .routes(routes!(catalogue::show, catalogue::annotate))
        .routes(routes!(catalogue::proofs))
        .routes(routes!(catalogue::proof))
        .routes(routes!(places::windows))
        .routes(routes!(places::repositories))
        .routes(routes!(places::wal))
        .routes(routes!(places::commits))
        .routes(routes!(places::expiry))
        .routes(routes!(restore::plan))
}
