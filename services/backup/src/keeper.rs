//! What all work of the service is done with.

use std::path::PathBuf;
use std::sync::Arc;

use weir_model::Clock;
use weir_store::Store;

use crate::cluster::Cluster;
use crate::metrics::Metrics;
use crate::repositories::Repositories;
use crate::settings::BackupSettings;

/// What all work of the service is done with. Shared by everything that works.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub settings: BackupSettings,
    pub cluster: Cluster,
    pub repositories: Repositories,
    pub store: Store,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    /// The file that the settings are read from, for helpers that are started later.
    pub config_file: Option<PathBuf>,
}
