//! Ports that go from one process of the gateway to the next: real processes, real clients.

mod failing;
mod load;
mod replicas;
mod sessions;

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use weir_testkit::{Database, Process, eventually, free_port, http_get};
use weir_upstream::{ConnectOptions, Connection, Error, Target};

use crate::gateway::{PATIENCE, database};

/// Where one gateway after the other serves.
struct Site {
    database: Database,
    directory: TempDir,
    grpc: u16,
    ops: u16,
    wire: u16,
}

impl Site {
    async fn new() -> Self {
        Self::before(database().await)
    }

    fn before(database: Database) -> Self {
        Self {
            database,
            directory: tempfile::tempdir().unwrap(),
            grpc: free_port(),
            ops: free_port(),
            wire: free_port(),
        }
    }

    /// The socket on which one asks the other.
    fn socket(&self) -> PathBuf {
        self.directory.path().join("handover")
    }

    /// Starts a process; what it is told here counts more than what all are told.
    fn begin(&self, settings: &[(&str, &str)]) -> Process {
        let (url, socket) = (self.database.url(), self.socket());
        let [grpc, ops, wire] = [self.grpc, self.ops, self.wire].map(|port| format!("127.0.0.1:{port}"));
        let common = [
            ("DATABASE_URL", url.as_str()),
            ("DB_POOL_MAX", "6"),
            // What ends a statement in these tests is not its time.
            ("DB_STATEMENT_TIMEOUT", "600000"),
            ("WEIR_GATEWAY__GRPC_LISTEN", &grpc),
            ("WEIR_GATEWAY__OPS_LISTEN", &ops),
            ("WEIR_GATEWAY__WIRE_LISTEN", &wire),
            ("WEIR_GATEWAY__HANDOVER", socket.to_str().unwrap()),
        ];
        let all: Vec<_> = common.iter().chain(settings).copied().collect();
        Process::start(env!("CARGO_BIN_EXE_pool-gateway"), &[] as &[&str], &all)
    }

    /// Starts the first process, and waits until it is ready.
    async fn first(&self) -> Process {
        self.first_with(&[]).await
    }

    async fn first_with(&self, settings: &[(&str, &str)]) -> Process {
        let process = self.begin(settings);
        self.until_ready(&process).await;
        process
    }

    async fn until_ready(&self, process: &Process) {
        eventually("the gateway is ready", PATIENCE, async || {
            match http_get(self.ops, "/readyz").await {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?} {}", process.output())),
            }
        })
        .await;
    }

    /// Starts the process after another one, and waits until that one has let go and new clients are its own: `stays` is
    /// the name of one that is not.
    async fn next(&self, before: &Process, settings: &[(&str, &str)], stays: &str) -> Process {
        let process = self.begin(settings);
        eventually("the process before hands over", PATIENCE, async || {
            assert_eq!(process.exit_status(), None, "{}", process.output());
            before.output().contains("handed over; serving").then_some(())
        })
        .await;
        eventually("the next process serves", PATIENCE, async || {
            assert_eq!(process.exit_status(), None, "{}", process.output());
            let mut console = self.console().await;
            let clients = console
                .simple_query("SHOW CLIENTS")
                .await
                .map_err(|error| error.to_string())?;
            let names: Vec<_> = clients.iter().filter_map(|row| row.get("application_name")).collect();
            if names.contains(&stays) {
                Err(format!("{names:?}"))
            } else {
                Ok(())
            }
        })
        .await;
        process
    }

    fn target(&self, database: &str) -> Target {
        Target::parse(&format!("postgres://postgres@127.0.0.1:{}/{database}", self.wire)).unwrap()
    }

    async fn try_client(&self, name: &str) -> Result<Connection, Error> {
        let url = self.database.url();
        let options = ConnectOptions {
            application_name: Some(name.to_owned()),
            ..ConnectOptions::default()
        };
        Connection::connect(&self.target(url.rsplit('/').next().unwrap()), options).await
    }

    async fn client(&self, name: &str) -> Connection {
        self.try_client(name).await.unwrap()
    }

    async fn console(&self) -> Connection {
        Connection::connect(&self.target("weir"), ConnectOptions::default())
            .await
            .unwrap()
    }
}

/// Waits until a process has ended, and sees that it ended well.
async fn ends_well(process: &Process) {
    let status = process.wait_exit(PATIENCE).await;
    assert!(status.success(), "{status}\n{}", process.output());
    assert!(!process.output().contains("panicked"), "{}", process.output());
}

/// Waits until a process has ended, and sees that it could not start and why.
async fn ends_badly(process: &Process, code: i32, why: &str) {
    let status = process.wait_exit(PATIENCE).await;
    let output = process.output();
    let said = output.lines().rfind(|line| line.starts_with("pool-gateway: "));
    assert_eq!(status.code(), Some(code), "{output}");
    assert!(said.is_some_and(|said| said.contains(why)), "{output}");
}

/// Sees that a process does not end within a while in which it would if it were about to.
async fn stays(process: &Process) {
    let ended = tokio::time::timeout(Duration::from_millis(500), process.wait_exit(PATIENCE)).await;
    assert!(ended.is_err(), "it has ended: {}", process.output());
}
