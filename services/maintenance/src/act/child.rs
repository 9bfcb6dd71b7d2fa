//! pg_repack as a process: begun, listened to, stopped in order.
//!
//! Killed, it leaves a trigger behind that every write pays for; interrupted, it tidies up. So whoever drops it here
//! interrupts it. It writes into a file without a name and not into a pipe, which would kill it while it tidies up, once
//! nobody reads there any more.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use weir_upstream::Target;

use super::session::ALONE;

/// How long a program may take to say its version.
const VERSION_WITHIN: Duration = Duration::from_secs(5);
/// What is kept of its output: the end, where the reasons are.
const OUTPUT_BYTES_MAX: u64 = 64 * 1024;

/// A running pg_repack.
pub(crate) struct Repack {
    child: Child,
    output: File,
    interrupts: Interrupts,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub status: Option<ExitStatus>,
    pub output: String,
}

/// Sends SIGINT when dropped, unless the process is known to be gone.
#[derive(Debug)]
struct Interrupts(Option<Pid>);

impl Interrupts {
    fn send(&self) {
        if let Some(pid) = self.0 {
            // It may have ended a moment ago, not yet waited for; then there is nobody to tell.
            let _ = kill_process(pid, Signal::INT);
        }
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.send();
    }
}

/// The version that a program says it has, such as `pg_repack 1.5.0`.
pub(crate) async fn version(program: &Path) -> Result<String, String> {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    let asked = timeout(VERSION_WITHIN, command.output()).await;
    match asked {
        Ok(Ok(output)) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        Ok(Ok(output)) => Err(format!("it ended with {}", output.status)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("it did not say its version within {VERSION_WITHIN:?}")),
    }
}

/// The options of the target's sessions, and that none takes more than one process.
fn options(target: &Target) -> String {
    let own = target
        .libpq_environment()
        .into_iter()
        .find(|(name, _)| *name == "PGOPTIONS");
    let own = own.map(|(_, value)| value).unwrap_or_default();
    ALONE.iter().fold(own, |options, name| format!("{options} -c {name}=0"))
}

impl Repack {
    /// Begins. Where it connects to stands in its environment alone, which nobody but its own user can read.
    pub(crate) fn begin(program: &Path, target: &Target, name: &str, arguments: &[String]) -> std::io::Result<Self> {
        let output = tempfile::tempfile()?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(target.libpq_environment())
            .env("PGAPPNAME", name)
            .env("PGOPTIONS", options(target))
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            // An interrupt at the terminal is for Weir, which halts it in order.
            .process_group(0);
        let child = command.spawn()?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self {
            child,
            output,
            interrupts: Interrupts(pid),
        })
    }

    /// Waits for its end. Safe to drop, and to call again after that.
    pub(crate) async fn end(&mut self) -> Ended {
        let status = self.child.wait().await.ok();
        self.interrupts.0 = None;
        let output = tail(&mut self.output).unwrap_or_default();
        Ended { status, output }
    }

    /// Asks it to stop and tidy up.
    pub(crate) fn interrupt(&self) {
        self.interrupts.send();
    }

    /// Ends it whatever it does.
    pub(crate) async fn kill(&mut self) {
        // It ended by itself.
        let _ = self.child.kill().await;
        self.interrupts.0 = None;
    }

    /// The number of its process.
    #[cfg(test)]
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }
}

/// The end of what was written.
fn tail(file: &mut File) -> std::io::Result<String> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(OUTPUT_BYTES_MAX)))?;
    let mut kept = Vec::new();
    file.take(OUTPUT_BYTES_MAX).read_to_end(&mut kept)?;
    Ok(String::from_utf8_lossy(&kept).into_owned())
}
