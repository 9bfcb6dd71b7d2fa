//! The promise of the whole crate: a test process that is killed leaves no server and no directory behind.

use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::server::is_alive;
use crate::{Nats, Postgres, Process, Redis, eventually};

const SOON: Duration = Duration::from_secs(20);
/// Makes the test below play the part of the process that will be killed.
const VICTIM: &str = "WEIR_TESTKIT_VICTIM";

#[tokio::test]
async fn a_killed_test_process_leaves_no_server_behind() {
    if is_victim() {
        return play_the_victim().await;
    }
    let this = std::env::current_exe().unwrap();
    let name = concat!(module_path!(), "::a_killed_test_process_leaves_no_server_behind");
    let name = name.split_once("::").unwrap().1;
    let victim = Process::start(this, &["--exact", name, "--nocapture"], &[(VICTIM, "1")]);
    let started = eventually("the victim's servers", SOON, async || started(&victim.output())).await;
    for (pid, dir) in &started {
        assert!(
            is_alive(*pid) && (is_none(dir) || dir.exists()),
            "{pid} does not run in {}",
            dir.display()
        );
    }
    victim.kill9();
    victim.wait_exit(SOON).await;
    for (pid, dir) in started {
        eventually("the process to end", SOON, async || {
            if is_alive(pid) { Err(pid) } else { Ok(()) }
        })
        .await;
        eventually("its directory to go", SOON, async || {
            if dir.exists() { Err(dir.display()) } else { Ok(()) }
        })
        .await;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the mark that this test gives its own second process"
)]
fn is_victim() -> bool {
    std::env::var_os(VICTIM).is_some()
}

/// A plain process has no directory.
fn is_none(dir: &Path) -> bool {
    dir.as_os_str().is_empty()
}

/// Starts everything, tells what it is, and never ends by itself.
async fn play_the_victim() {
    let (postgres, nats, redis) = tokio::join!(Postgres::start(), Nats::start(), Redis::start());
    let sleeper = Process::start("sleep", &["1000"], &[]);
    let mut out = stdout();
    for (pid, dir) in [
        postgres.facts(),
        nats.facts(),
        redis.facts(),
        (sleeper.pid(), PathBuf::new()),
    ] {
        writeln!(out, "started {pid} {}", dir.display()).unwrap();
    }
    std::future::pending::<()>().await;
}

/// The processes that the victim speaks of, with their directories, once it has told of all four.
fn started(output: &str) -> Result<Vec<(u32, PathBuf)>, String> {
    let words = output
        .lines()
        .filter_map(|line| line.strip_prefix("started ")?.split_once(' '));
    let found: Vec<_> = words
        .map(|(pid, dir)| (pid.parse().unwrap(), PathBuf::from(dir)))
        .collect();
    if found.len() == 4 {
        Ok(found)
    } else {
        Err(output.to_owned())
    }
}
