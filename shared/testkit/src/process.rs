//! A real program under test as a child process: started, signalled, watched, and always killed in the end.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::time::{Instant, sleep};

const POLL: Duration = Duration::from_millis(5);
/// How long the last lines may take to come through after the exit; a grandchild may hold the pipe open for ever.
const LAST_LINES: Duration = Duration::from_secs(1);

const PASSED_ON: [&str; 10] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TMPDIR",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUST_BACKTRACE",
    "LLVM_PROFILE_FILE",
    "WEIR_TEST_PG_BIN",
];

/// A running program in a process group of its own. Dropping it kills the group, and so does the end of the test
/// process, however that comes about.
pub struct Process {
    child: Mutex<Child>,
    pid: u32,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    guard: Guard,
}

impl Process {
    /// Starts a program with these arguments and this environment. Of the test's own environment it gets only what any
    /// program needs, so that a developer's settings do not reach a service under test.
    pub fn start<A: AsRef<OsStr>>(program: impl AsRef<Path>, args: &[A], env: &[(&str, &str)]) -> Self {
        let program = program.as_ref();
        let mut guard = Guard::start();
        let mut child = Command::new(program)
            .args(args)
            .env_clear()
            .envs(needed_by_any_program())
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        guard.watch(child.id());
        let output = Arc::new(Mutex::new(String::new()));
        let readers = [child.stdout.take().map(boxed), child.stderr.take().map(boxed)];
        let readers = readers
            .into_iter()
            .flatten()
            .map(|pipe| collect(pipe, Arc::clone(&output)))
            .collect();
        Self {
            pid: child.id(),
            child: Mutex::new(child),
            output,
            readers,
            guard,
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Asks it to end, as an orchestrator does.
    pub fn term(&self) {
        self.signal("TERM");
    }

    /// Kills it without a chance to clean up, as a crash does.
    pub fn kill9(&self) {
        self.signal("KILL");
    }

    /// Sends it a signal by name, such as `HUP`. One that has ended already is left alone.
    pub fn signal(&self, name: &str) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // Until it is reaped, which only this type does and under this lock, nobody else can have its pid.
        if exit_of(&mut child).is_none() {
            kill(name, &self.pid.to_string());
        }
    }

    /// Its exit status, or `None` while it runs.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        exit_of(&mut self.child.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until it ends; panics with its output where that takes longer than `deadline`.
    pub async fn wait_exit(&self, deadline: Duration) -> ExitStatus {
        let end = Instant::now() + deadline;
        loop {
            if let Some(status) = self.exit_status() {
                self.drain().await;
                return status;
            }
            let output = || self.output();
            assert!(
                Instant::now() < end,
                "process {} still ran after {deadline:?}; it wrote:\n{}",
                self.pid,
                output()
            );
            sleep(POLL).await;
        }
    }

    /// What it wrote so far to standard output and standard error, line by line as it came.
    pub fn output(&self) -> String {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn drain(&self) {
        let end = Instant::now() + LAST_LINES;
        while Instant::now() < end && !self.readers.iter().all(JoinHandle::is_finished) {
            sleep(POLL).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // The group's number is nobody else's as long as one of its processes is left. Where none is, or the child has
        // ended meanwhile, these fail, and that is well.
        self.guard.end();
        let _killed = child.kill();
        let _status = child.wait();
    }
}

/// A shell that kills a process group when it is told to, or when the pipe from this process closes.
struct Guard {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    fn start() -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", r#"read -r group && { read -r end; kill -s KILL -- "-$group"; }"#])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("start sh");
        Self {
            pipe: shell.stdin.take(),
            shell,
        }
    }

    fn watch(&mut self, group: u32) {
        let pipe = self.pipe.as_mut().expect("the pipe is open until the drop");
        writeln!(pipe, "{group}").expect("the guard reads what to watch");
    }

    fn end(&mut self) {
        drop(self.pipe.take());
        let _status = self.shell.wait();
    }
}

fn exit_of(child: &mut Child) -> Option<ExitStatus> {
    child.try_wait().expect("ask for the state of a child process")
}

#[expect(
    clippy::disallowed_methods,
    reason = "passed on as it is to the program under test; no setting of Weir"
)]
fn needed_by_any_program() -> impl Iterator<Item = (&'static str, OsString)> {
    PASSED_ON
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)))
}

/// The shell's own `kill`, since calling the kernel takes `unsafe` and a package for it may be missing.
fn kill(signal: &str, target: &str) {
    let status = Command::new("sh")
        .args(["-c", r#"kill -"$1" "$2""#, "kill", signal, target])
        .status();
    assert!(
        status.expect("start sh").success(),
        "cannot send {signal} to process {target}"
    );
}

fn boxed(pipe: impl Read + Send + 'static) -> Box<dyn Read + Send> {
    Box::new(pipe)
}

fn collect(pipe: Box<dyn Read + Send>, output: Arc<Mutex<String>>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            output
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}

#[cfg(test)]
mod tests;
