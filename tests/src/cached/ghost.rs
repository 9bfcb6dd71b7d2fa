//! A synchronous standby that only takes the log, and can be stopped: while it does not confirm, every commit is in the
//! log and told to whoever follows it, and nobody can see it.
//!
//! Even when it runs, each commit is followed a little before it is visible: the moment at which a cache can go wrong
//! comes with every write instead of with one in a hundred.

use tempfile::TempDir;
use weir_testkit::{Process, eventually};

use crate::peers::Ground;

const NAME: &str = "ghost";
const SOON: std::time::Duration = std::time::Duration::from_secs(20);

/// It goes on until it is dropped.
pub struct Ghost {
    process: Process,
    _log: TempDir,
}

impl Ghost {
    /// Starts it, and makes the server wait for it.
    pub async fn start(ground: &Ground) -> Self {
        let ghost = Self::follow(ground).await;
        ground
            .psql(&format!("alter system set synchronous_standby_names = '{NAME}'"))
            .await;
        ground.psql("select pg_reload_conf()").await;
        eventually("commits wait for the standby", SOON, async || {
            let shown = ground
                .psql("select count(*) from pg_stat_replication where sync_state = 'sync'")
                .await;
            (shown == "1").then_some(())
        })
        .await;
        ghost
    }

    /// Starts it for a server that waits for it already.
    pub async fn follow(ground: &Ground) -> Self {
        let log = tempfile::tempdir().expect("a directory for the log");
        let program = ground.postgres.bin_dir().join("pg_receivewal");
        let at = format!(
            "host={} port={} user=postgres application_name={NAME}",
            ground.postgres.socket_dir().display(),
            ground.postgres.port()
        );
        let directory = log.path().display().to_string();
        let arguments = [
            "-D",
            &directory,
            "-d",
            &at,
            "--synchronous",
            "--no-loop",
            "--no-password",
        ];
        let process = Process::start(program, &arguments, &[]);
        let ghost = Self { process, _log: log };
        eventually("the standby takes the log", SOON, async || {
            let asked =
                "select count(*) from pg_stat_replication where application_name = 'ghost' and state = 'streaming'";
            let streams = ground.psql(asked).await == "1";
            if streams { Ok(()) } else { Err(ghost.process.output()) }
        })
        .await;
        ghost
    }

    /// Commits hang from now on.
    pub fn stall(&self) {
        self.process.signal("STOP");
    }

    /// Commits go on.
    pub fn go_on(&self) {
        self.process.signal("CONT");
    }
}
