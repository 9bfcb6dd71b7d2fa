//! A private PostgreSQL cluster, and fresh databases in it.

mod cluster;
mod database;
mod install;
mod options;
mod template;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::OnceCell;

pub use database::Database;
pub use options::PostgresOptions;

use crate::blocking::blocking;
use crate::place::unique;
use crate::server::Server;
use cluster::{Cluster, Primary};
use database::Door;

/// A PostgreSQL cluster of its own: data directory, port, socket directory; user `postgres` needs no password.
/// Stopped and removed on drop and when the process dies.
pub struct Postgres {
    server: Arc<Server<Cluster>>,
    door: Door,
}

impl Postgres {
    /// The one cluster that all tests of this process share, started on first use. Take a [`Postgres::database`] of it.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Postgres> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// A cluster for one test alone, which may stop, pause and restart it.
    pub async fn start() -> Self {
        PostgresOptions::new().start().await
    }

    /// The same with lines of `postgresql.conf`, such as `("wal_level", "logical")`.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        let with = |options: PostgresOptions, (name, value): &(&str, &str)| options.setting(name, value);
        settings.iter().fold(PostgresOptions::new(), with).start().await
    }

    async fn open(options: PostgresOptions) -> Self {
        let roles = options.role_statements();
        let opened = Self::launch(move || Cluster::new(options)).await;
        if !roles.is_empty() {
            opened.door.psql("postgres", &roles).await;
        }
        opened
    }

    async fn launch(cluster: impl FnOnce() -> Cluster + Send + 'static) -> Self {
        let server = Arc::new(blocking(move || Server::start(cluster())).await);
        let door = Door::new(server.kind().psql(), server.dir(), server.port());
        Self { server, door }
    }

    /// A standby that follows this cluster by streaming under the given name, ready for queries. With
    /// `synchronous_standby_names` set to that name here, a commit waits for it.
    pub async fn standby(&self, name: &str) -> Self {
        let primary = Primary {
            socket_dir: self.socket_dir(),
            port: self.port(),
        };
        let name = name.to_owned();
        Self::launch(move || Cluster::standby_of(primary, &name, PostgresOptions::new())).await
    }

    /// Makes a standby a primary, and returns when it is one.
    pub async fn promote(&self) {
        self.psql("postgres", "select pg_promote()").await;
    }

    /// The port on 127.0.0.1, the same over its whole life.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The address of a database for user `postgres`, over TCP.
    pub fn url(&self, database: &str) -> String {
        self.door.url(database)
    }

    /// The directory with its Unix socket, where every user is trusted whatever the lines of `pg_hba.conf` say.
    pub fn socket_dir(&self) -> PathBuf {
        self.server.dir().to_owned()
    }

    /// The cluster's data directory.
    pub fn data_dir(&self) -> PathBuf {
        cluster::data_dir(self.server.dir())
    }

    /// The directory with `psql`, `pg_dump` and the other programs of this server's version.
    pub fn bin_dir(&self) -> PathBuf {
        self.server.kind().bin_dir()
    }

    /// A fresh, empty database with a unique name.
    pub async fn database(&self) -> Database {
        let name = format!("test_{}", unique());
        self.door
            .psql("postgres", &format!("create database {name} template template0"))
            .await;
        Database::new(name, self.door.clone())
    }

    /// Stops it at once, as a crash does: connections break, and committed data stays.
    pub async fn stop(&mut self) {
        self.kill().await;
    }

    /// The same under those who share it.
    pub async fn kill(&self) {
        let server = Arc::clone(&self.server);
        blocking(move || server.stop()).await;
    }

    /// Starts it again after [`Postgres::stop`], on the same port with the same data.
    pub async fn start_again(&mut self) {
        let server = Arc::clone(&self.server);
        blocking(move || server.start_again()).await;
    }

    /// Freezes the server with all its sessions: connections stay open and nothing answers.
    pub fn pause(&self) {
        self.server.pause();
    }

    /// Lets it go on after [`Postgres::pause`].
    pub fn resume(&self) {
        self.server.resume();
    }

    /// Runs statements through `psql -XAtq` as user `postgres` and returns what it prints, without the last line end.
    /// Panics with its messages where one fails.
    pub async fn psql(&self, database: &str, sql: &str) -> String {
        self.door.psql(database, sql).await
    }

    /// Its process and its directory.
    #[cfg(test)]
    pub(crate) fn facts(&self) -> (u32, PathBuf) {
        self.server.facts()
    }
}

/// A cluster for the tests of what all servers have in common.
#[cfg(test)]
pub(crate) fn plain_cluster() -> impl crate::server::Kind {
    Cluster::new(PostgresOptions::new())
}

#[cfg(test)]
mod tests;
