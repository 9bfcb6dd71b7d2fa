//! What tests of this crate share: a cluster, and what work on it is done with.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use weir_config::Sources;
use weir_model::{Clock, Secret};
use weir_store::{Migrations, Store, StoreOptions};
use weir_telemetry::Registry;
use weir_testkit::Postgres;

use crate::cluster::Cluster;
use crate::engine::pace::Pace;
use crate::engine::progress::Progress;
use crate::keeper::Keeper;
use crate::metrics::Metrics;
use crate::repositories::Repositories;
use crate::settings::check;

/// Digits of a key.
const KEY: &str = "0707070707070707070707070707070707070707070707070707070707070707";

/// A cluster's keeper, with one repository `local` in a directory.
pub(crate) struct Bed {
    pub(crate) keeper: Arc<Keeper>,
    _dir: TempDir,
}

/// The service's own tables in a fresh database.
pub(crate) async fn store() -> Store {
    let options = StoreOptions {
        url: Secret::new(Postgres::shared().await.database().await.url()),
        schema: "weir_backup",
        connections_max: 4,
        acquire_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
    };
    let migrations = vec![weir_jobs::migrations(), Migrations::of_service(sqlx::migrate!())];
    Store::connect(options, migrations).await.unwrap()
}

/// Makes a bed for a cluster whose data directory is at hand, with further settings by their names in the section.
pub(crate) async fn bed(postgres: &Postgres, settings: &[(&str, &str)]) -> Bed {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, KEY).unwrap();
    let repositories = format!(
        "[{{ name = \"local\", url = \"file://{}\", key_file = \"{}\" }}]",
        dir.path().join("repository").display(),
        key.display()
    );
    let data_directory = postgres.data_dir().display().to_string();
    let mut all = vec![
        ("DATABASE_URL".to_owned(), postgres.url("postgres")),
        ("WEIR_BACKUP__REPOSITORIES".to_owned(), repositories),
        ("WEIR_BACKUP__DATA_DIRECTORY".to_owned(), data_directory),
        // Nobody receives the log here: what a backup needs of it is fetched.
        ("WEIR_BACKUP__WAL".to_owned(), "false".to_owned()),
    ];
    for (name, value) in settings {
        let name = format!("WEIR_BACKUP__{}", name.to_uppercase());
        all.retain(|(other, _)| *other != name);
        all.push((name, (*value).to_owned()));
    }
    let sources = Sources::load(None, all).unwrap();
    let (settings, target) = check(&sources).unwrap();
    let clock = Clock::system();
    let keeper = Keeper {
        repositories: Repositories::of(&settings, clock.clone()),
        cluster: Cluster::of(&settings, target).unwrap(),
        store: store().await,
        config_file: None,
        metrics: Arc::new(Metrics::register(&Registry::default())),
        clock,
        settings,
    };
    Bed {
        keeper: Arc::new(keeper),
        _dir: dir,
    }
}

/// No limit, and what stops it.
pub(crate) fn pace() -> (Pace, CancellationToken) {
    let stop = CancellationToken::new();
    (Pace::new(0, stop.clone(), Progress::default()), stop)
}
