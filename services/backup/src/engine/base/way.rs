//! How a cluster is read: which of its servers, and whether from its files or over the protocol.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_upstream::{Connection, Target};

use super::facts::Facts;
use super::{Options, Taken, local, protocol};
use crate::cluster::Cluster;
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::repo::intake::Intake;
use crate::settings::SourceChoice;

/// A way to a cluster's files, with a connection to the server whose they are.
pub(crate) enum Way {
    /// Out of the data directory at hand.
    Local(Connection, PathBuf),
    /// Over the replication protocol of this server.
    Protocol(Connection, Target),
}

impl Way {
    /// The best that there is: the files at hand, else a standby, else the primary, as far as the settings allow.
    pub(crate) async fn of(cluster: &Cluster) -> Result<Self, Error> {
        let wants_standby = cluster.source == SourceChoice::Standby;
        if let Some(root) = cluster.data_directory.as_deref().filter(|_| !wants_standby) {
            let mut connection = cluster.ask("weir-backup").await?;
            is_its_own(&mut connection, root).await?;
            return Ok(Self::Local(connection, root.to_owned()));
        }
        if cluster.source != SourceChoice::Primary
            && let Some((connection, target)) = standby(cluster).await
        {
            return Ok(Self::Protocol(connection, target));
        }
        if wants_standby {
            return Err(Error::Refused {
                slug: "backup-no-standby",
                reason: "backup.source is standby, and none of backup.standbys can be read".to_owned(),
            });
        }
        Ok(Self::Protocol(
            cluster.ask("weir-backup").await?,
            cluster.target.clone(),
        ))
    }

    /// The connection, for questions.
    pub(crate) const fn connection(&mut self) -> &mut Connection {
        match self {
            Self::Local(connection, _) | Self::Protocol(connection, _) => connection,
        }
    }

    /// Has the server keep the log from now on, for as long as the connection lasts: what the backup needs of it must not
    /// be gone before it is safe.
    pub(crate) async fn hold_log(&mut self) {
        let name = format!("weir_base_{:016x}", fastrand::u64(..));
        let ask = format!("select pg_catalog.pg_create_physical_replication_slot('{name}', true, true)");
        if let Err(error) = self.connection().simple_query(&ask).await {
            // The slot of the log's receiver holds it as well, and without either it may still be there in the end.
            tracing::warn!(error = %error, "the server does not hold the log for a backup");
        }
    }

    /// Reads the cluster, and stores what was read.
    pub(crate) async fn read(&mut self, intake: &Arc<Intake>, options: &Options, pace: &Pace) -> Result<Taken, Error> {
        match self {
            Self::Local(connection, root) => local::back_up(connection, root, intake, options, pace).await,
            Self::Protocol(_, target) => protocol::back_up(target, intake, options, pace).await,
        }
    }
}

/// The first standby that answers as one.
async fn standby(cluster: &Cluster) -> Option<(Connection, Target)> {
    for target in &cluster.standbys {
        match asked(target).await {
            Ok(Some(connection)) => return Some((connection, target.clone())),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(server.host = target.host(), error = %error, "a standby cannot be backed up");
            }
        }
    }
    None
}

async fn asked(target: &Target) -> Result<Option<Connection>, Error> {
    let mut connection = Cluster::ask_at(target, "weir-backup").await?;
    let facts = Facts::of(&mut connection).await?;
    Ok(facts.is_standby.then_some(connection))
}

/// Makes sure that a directory is the one that the server works in, and not another cluster's.
async fn is_its_own(connection: &mut Connection, root: &Path) -> Result<(), Error> {
    let rows = connection
        .simple_query("select extract(epoch from pg_catalog.pg_postmaster_start_time())::bigint as started")
        .await?;
    let started: i64 = match rows.first() {
        Some(row) => row.parse("started")?,
        None => 0,
    };
    let at = root.join("postmaster.pid");
    let text = std::fs::read_to_string(&at).map_err(|error| Error::file(&at, error))?;
    let said: Option<i64> = text.lines().nth(2).and_then(|line| line.trim().parse().ok());
    // The file is written just before the server counts itself as started.
    if said.is_some_and(|said| said.abs_diff(started) <= 60) {
        return Ok(());
    }
    Err(Error::Refused {
        slug: "backup-data-directory",
        reason: format!(
            "backup.data_directory {} is not the one that the server of database.url works in",
            root.display()
        ),
    })
}
