//! The shell that runs one server, and ends it when the pipe to this process closes.
//!
//! A destructor does not run in a process that is killed; a pipe closes in any case.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// How to run a server.
pub(crate) struct Recipe {
    /// The command line.
    pub(crate) command: Vec<OsString>,
    /// A piece of shell that fills the fresh directory, run inside it; `$WEIR_SOURCE` is `source`.
    pub(crate) prepare: String,
    /// A path that `prepare` may need.
    pub(crate) source: OsString,
    /// The signal of an ordered stop, after which the data must still be good.
    pub(crate) stop: &'static str,
    /// The signal when the data is thrown away anyway.
    pub(crate) end: &'static str,
}

/// A running shell. Dropping it ends its server and removes the server's directory before it returns.
pub(crate) struct Supervisor {
    shell: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Supervisor {
    /// Starts the shell and lets it prepare `dir`, which it owns from then on.
    pub(crate) fn open(dir: &Path, recipe: &Recipe) -> Self {
        // A process group of its own: neither Ctrl-C nor a test runner that ends a whole group reaches the shell.
        let mut shell = Command::new("sh")
            .args(["-c", include_str!("supervisor.sh"), "weir-testkit"])
            .arg(dir)
            .args(&recipe.command)
            .env("WEIR_PREPARE", &recipe.prepare)
            .env("WEIR_SOURCE", &recipe.source)
            .env("WEIR_STOP", recipe.stop)
            .env("WEIR_END", recipe.end)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("start sh");
        let orders = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().expect("the shell's standard output is a pipe"));
        let mut supervisor = Self { shell, orders, answers };
        let answer = supervisor.answer();
        assert_eq!(answer, "ready", "cannot prepare {}", dir.display());
        supervisor
    }

    /// Gives an order and returns the answer.
    pub(crate) fn order(&mut self, order: &str) -> String {
        let pipe = self.orders.as_mut().expect("the pipe is open until the drop");
        writeln!(pipe, "{order}").expect("the supervisor reads its orders");
        self.answer()
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("read the supervisor's answer");
        assert!(!line.is_empty(), "the supervisor of a test server has died");
        line.trim_end().to_owned()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.orders.take());
        // Nothing is left to be done about a failure here, and the shell has its own deadline.
        let _status = self.shell.wait();
    }
}
