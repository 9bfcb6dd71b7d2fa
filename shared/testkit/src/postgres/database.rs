//! One database of a test's cluster, and the way in through `psql`.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// What the caller's environment could do to `psql`.
const MEDDLING: [&str; 8] = [
    "PGOPTIONS",
    "PGSERVICE",
    "PGSSLMODE",
    "PGPASSWORD",
    "PGCLIENTENCODING",
    "PGAPPNAME",
    "PGTARGETSESSIONATTRS",
    "PGCHANNELBINDING",
];

/// How helpers reach a cluster: over its Unix socket, where the kit always keeps user `postgres` trusted.
#[derive(Clone)]
pub(super) struct Door {
    psql: PathBuf,
    socket_dir: PathBuf,
    port: u16,
}

impl Door {
    pub(super) fn new(psql: PathBuf, socket_dir: &Path, port: u16) -> Self {
        Self {
            psql,
            socket_dir: socket_dir.to_owned(),
            port,
        }
    }

    pub(super) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    pub(super) async fn psql(&self, database: &str, sql: &str) -> String {
        let output = self.run(database, sql).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "psql failed in database {database}: {errors}\nthe statements: {sql}"
        );
        String::from_utf8_lossy(&output.stdout)
            .trim_end_matches('\n')
            .to_owned()
    }

    async fn run(&self, database: &str, sql: &str) -> Output {
        let mut command = Command::new(&self.psql);
        MEDDLING.iter().for_each(|name| {
            command.env_remove(name);
        });
        let mut child = command
            .args([
                "-XAtq",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "postgres",
                "-d",
                database,
                "-p",
                &self.port.to_string(),
            ])
            .arg("-h")
            .arg(&self.socket_dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("start psql");
        let mut input = child.stdin.take().expect("the input of psql is a pipe");
        // Both at once, since each of the two pipes may fill up. A psql that ended early tells why on its own.
        let send = async move { input.write_all(sql.as_bytes()).await };
        let (_sent, output) = tokio::join!(send, child.wait_with_output());
        output.expect("wait for psql")
    }
}

/// A fresh database in a test's cluster. It goes with the cluster.
#[derive(Clone)]
pub struct Database {
    name: String,
    door: Door,
}

impl Database {
    pub(super) fn new(name: String, door: Door) -> Self {
        Self { name, door }
    }

    /// Its unique name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address for user `postgres`, over TCP.
    pub fn url(&self) -> String {
        self.door.url(&self.name)
    }

    /// Runs statements in it, as [`super::Postgres::psql`] does.
    pub async fn psql(&self, sql: &str) -> String {
        self.door.psql(&self.name, sql).await
    }
}
