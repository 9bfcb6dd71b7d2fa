//! What tests of this crate share: maintenance's own tables, and work as it runs inside a job.

use std::time::Duration;

use futures_util::future::BoxFuture;
use weir_jobs::{JobContext, Window};
use weir_model::{Project, Secret};
use weir_store::{Migrations, Store, StoreOptions};
use weir_testkit::Postgres;

/// Maintenance's own tables in a fresh database.
pub(crate) async fn store() -> Store {
    let options = StoreOptions {
        url: Secret::new(Postgres::shared().await.database().await.url()),
        schema: "weir_maintenance",
        connections_max: 4,
        acquire_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
    };
    let migrations = vec![weir_jobs::migrations(), Migrations::of_service(sqlx::migrate!())];
    Store::connect(options, migrations).await.unwrap()
}

/// Does something in a job that has this window, and returns what came of it.
pub(crate) async fn in_job<T, F>(window: Window, work: F) -> T
where
    F: for<'a> Fn(&'a JobContext) -> BoxFuture<'a, T>,
{
    let (job, _stop) = JobContext::detached(Project::default(), "test", window);
    work(&job).await
}
