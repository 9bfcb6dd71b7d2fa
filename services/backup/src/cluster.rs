//! The cluster that is backed up: how its servers are reached.

use std::path::PathBuf;

use weir_upstream::{ConnectOptions, Connection, Target};

use crate::error::Error;
use crate::settings::{BackupSettings, SourceChoice};

/// The cluster that is backed up.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    /// Its name in the settings.
    pub name: String,
    /// Its server, in the database of the settings.
    pub target: Target,
    /// Its other servers.
    pub standbys: Vec<Target>,
    /// Its data directory, if it is at hand.
    pub data_directory: Option<PathBuf>,
    /// Which server is read for a backup.
    pub source: SourceChoice,
}

impl Cluster {
    /// The cluster of the settings. The error names what is wrong with them.
    pub(crate) fn of(settings: &BackupSettings, target: Target) -> Result<Self, String> {
        let standbys = settings.standbys.0.iter().map(|door| target.at(door));
        let standbys: Result<Vec<Target>, _> = standbys.collect();
        Ok(Self {
            name: settings.cluster.clone(),
            standbys: standbys.map_err(|error| error.to_string())?,
            target,
            data_directory: settings.data_directory.clone(),
            source: settings.source,
        })
    }

    /// A connection for questions, under this name.
    pub(crate) async fn ask(&self, name: &str) -> Result<Connection, Error> {
        self.ask_in(self.target.database(), name).await
    }

    /// The same at this server.
    pub(crate) async fn ask_at(target: &Target, name: &str) -> Result<Connection, Error> {
        let options = ConnectOptions {
            application_name: Some(name.to_owned()),
            ..ConnectOptions::default()
        };
        Ok(Connection::connect(target, options).await?)
    }

    /// The same in another database.
    pub(crate) async fn ask_in(&self, database: &str, name: &str) -> Result<Connection, Error> {
        let options = ConnectOptions {
            application_name: Some(name.to_owned()),
            database: Some(database.to_owned()),
            ..ConnectOptions::default()
        };
        Ok(Connection::connect(&self.target, options).await?)
    }
}

/// A text as a literal in SQL.
pub(crate) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!(" E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}
