//! What all peers stand on: one PostgreSQL server with one user, who may do everything, and one database.

use std::path::PathBuf;

use weir_testkit::{Postgres, PostgresOptions};

use super::{Kind, Peer, pgbouncer, weir};
use crate::wire::Address;

const USER: &str = "bench";
const PASSWORD: &str = "bench";
const DATABASE: &str = "bench";

/// What is the same for every peer, and what only Weir has.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Server connections of a pool.
    pub pool: u32,
    /// Whether users log in without a password, at PostgreSQL and at each pooler alike; else by SCRAM.
    pub trust: bool,
    /// Clients of PostgreSQL itself at most.
    pub max_connections: u32,
    /// PostgreSQL's `shared_buffers`.
    pub shared_buffers: String,
    /// Weir's gateway; beside this program's own place without it.
    pub weir: Option<PathBuf>,
    /// Whether a NATS server takes Weir's events; else they stay in the process.
    pub nats: bool,
    /// Further environment of Weir's gateway.
    pub weir_environment: Vec<(String, String)>,
    /// Further lines of `postgresql.conf`.
    pub postgres_settings: Vec<(String, String)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            pool: 20,
            trust: false,
            max_connections: 600,
            shared_buffers: "1GB".to_owned(),
            weir: None,
            nats: true,
            weir_environment: Vec::new(),
            postgres_settings: Vec::new(),
        }
    }
}

/// A running PostgreSQL with user and database.
pub struct Ground {
    /// How everything is set up.
    pub setup: Setup,
    /// The server.
    pub postgres: Postgres,
    /// Its door.
    pub address: Address,
    /// The user's verifier, as the server stores it.
    pub(super) verifier: String,
}

impl Ground {
    /// Starts the server.
    pub async fn start(setup: Setup) -> Self {
        let method = if setup.trust { "trust" } else { "scram-sha-256" };
        let options = PostgresOptions::new()
            .setting("max_connections", &setup.max_connections.to_string())
            .setting("shared_buffers", &setup.shared_buffers)
            // A checkpoint in the middle of one round and not of another would be noise.
            .setting("max_wal_size", "8GB")
            .setting("checkpoint_timeout", "1h")
            .user(USER, PASSWORD)
            .hba(&format!("host all all 127.0.0.0/8 {method}"));
        let further = setup.postgres_settings.iter();
        let options = further.fold(options, |options, (name, value)| options.setting(name, value));
        let postgres = options.start().await;
        // A superuser, because a pooler that looks verifiers up needs to see them.
        let statements = format!("alter role {USER} superuser; create database {DATABASE} owner {USER}");
        for statement in statements.split(';') {
            postgres.psql("postgres", statement).await;
        }
        let verifier = postgres
            .psql(
                "postgres",
                &format!("select rolpassword from pg_authid where rolname = '{USER}'"),
            )
            .await;
        let address = Address {
            host: "127.0.0.1".to_owned(),
            port: postgres.port(),
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
            database: DATABASE.to_owned(),
        };
        Self {
            setup,
            postgres,
            address,
            verifier,
        }
    }

    /// Starts a peer, or tells why it cannot be had.
    pub async fn peer(&self, kind: Kind) -> Result<Peer, String> {
        match kind {
            Kind::Direct => Ok(Peer {
                kind,
                address: self.address.clone(),
                grpc: None,
                has_prepared: true,
                pooler: None,
                nats: None,
                _files: None,
            }),
            Kind::PgBouncer => pgbouncer::start(self).await,
            Kind::Weir | Kind::WeirSilent => weir::start(self, kind).await,
        }
    }

    /// The server's first process.
    ///
    /// # Panics
    /// If it does not run.
    pub fn postgres_pid(&self) -> u32 {
        let path = self.postgres.data_dir().join("postmaster.pid");
        let text = std::fs::read_to_string(path).expect("a running server has a pid file");
        let first = text.lines().next().and_then(|line| line.parse().ok());
        first.expect("the pid file begins with the pid")
    }

    /// Runs statements as the superuser `postgres` in the database of the test.
    pub async fn psql(&self, sql: &str) -> String {
        self.postgres.psql(DATABASE, sql).await
    }
}
