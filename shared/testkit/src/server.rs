//! What the three servers have in common: a directory, a port, a supervisor, and a start that waits until it is ready.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use crate::place::{server_home, unique};
use crate::port::free_port;
use crate::supervisor::{Recipe, Supervisor};

const POLL: Duration = Duration::from_millis(4);
const POLLS_MAX: u32 = 10_000;
const PORTS_TRIED_MAX: u32 = 5;

/// A kind of server: how it is run and how one sees that it is ready.
pub(crate) trait Kind: Send + Sync + 'static {
    /// A short name for its directory and for messages.
    const NAME: &'static str;
    /// How it is run in `dir`.
    fn recipe(&self, dir: &Path) -> Recipe;
    /// Writes its configuration.
    fn configure(&self, dir: &Path, port: u16);
    /// Whether the process `pid`, and no stranger, now serves at `port`.
    fn is_ready(&self, dir: &Path, port: u16, pid: u32) -> bool;
}

/// One running (or stopped) server. Everything in it may block.
pub(crate) struct Server<K> {
    kind: K,
    dir: PathBuf,
    port: u16,
    run: Mutex<Run>,
}

struct Run {
    supervisor: Supervisor,
    pid: Option<u32>,
}

impl<K: Kind> Server<K> {
    /// Prepares a directory, finds a port and starts the server on it.
    pub(crate) fn start(kind: K) -> Self {
        let dir = server_home().join(format!("weir-{}-{}", K::NAME, unique()));
        let supervisor = Supervisor::open(&dir, &kind.recipe(&dir));
        let mut server = Self {
            kind,
            dir,
            port: 0,
            run: Mutex::new(Run { supervisor, pid: None }),
        };
        for _ in 0..PORTS_TRIED_MAX {
            server.port = free_port();
            server.kind.configure(&server.dir, server.port);
            match server.launch() {
                Ok(()) => return server,
                // A stranger took the port after it was chosen; the next one will do.
                Err(log) if log.to_lowercase().contains("address already in use") => server.forget_log(),
                Err(log) => panic!("{} did not start; its log says:\n{log}", K::NAME),
            }
        }
        panic!("{} found every port taken, {PORTS_TRIED_MAX} times in a row", K::NAME)
    }

    /// Starts it again after a stop, in the same directory and on the same port.
    pub(crate) fn start_again(&self) {
        if let Err(log) = self.launch() {
            panic!("{} did not start again; its log says:\n{log}", K::NAME);
        }
    }

    fn launch(&self) -> Result<(), String> {
        let mut run = self.run();
        assert!(run.pid.is_none(), "{} runs already", K::NAME);
        let pid: u32 = run
            .supervisor
            .order("start")
            .parse()
            .expect("the supervisor answers with the pid");
        for _ in 0..POLLS_MAX {
            if self.kind.is_ready(&self.dir, self.port, pid) {
                run.pid = Some(pid);
                return Ok(());
            }
            if !is_alive(pid) {
                break;
            }
            sleep(POLL);
        }
        run.supervisor.order("stop");
        Err(self.log())
    }

    /// Stops it; its data stays.
    pub(crate) fn stop(&self) {
        let mut run = self.run();
        run.supervisor.order("stop");
        run.pid = None;
    }

    /// Freezes it and its children, as a machine that hangs: connections stay open and nothing answers.
    pub(crate) fn pause(&self) {
        self.run().supervisor.order("pause");
    }

    /// Lets it go on after [`Server::pause`].
    pub(crate) fn resume(&self) {
        self.run().supervisor.order("resume");
    }

    /// What kind of server it is.
    pub(crate) fn kind(&self) -> &K {
        &self.kind
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The directory, removed at the end.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The running server's process and its directory.
    #[cfg(test)]
    pub(crate) fn facts(&self) -> (u32, PathBuf) {
        (self.run().pid.expect("the server runs"), self.dir.clone())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    fn forget_log(&self) {
        fs::write(self.dir.join("log"), "").expect("empty the server's log");
    }

    fn run(&self) -> std::sync::MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a process exists and is not merely waiting to be reaped.
pub(crate) fn is_alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;
    use crate::nats::Broker;
    use crate::postgres::plain_cluster;
    use crate::redis::Memory;

    /// A server whose first port is taken by a stranger at the last moment.
    struct Contested<K> {
        kind: K,
        stranger: Mutex<Option<(u16, TcpListener)>>,
    }

    impl<K: Kind> Kind for Contested<K> {
        const NAME: &'static str = K::NAME;

        fn recipe(&self, dir: &Path) -> Recipe {
            self.kind.recipe(dir)
        }

        fn configure(&self, dir: &Path, port: u16) {
            let mut stranger = self.stranger.lock().unwrap();
            stranger.get_or_insert_with(|| (port, TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap()));
            self.kind.configure(dir, port);
        }

        fn is_ready(&self, dir: &Path, port: u16, pid: u32) -> bool {
            self.kind.is_ready(dir, port, pid)
        }
    }

    fn gets_another_port(kind: impl Kind) {
        let server = Server::start(Contested {
            kind,
            stranger: Mutex::new(None),
        });
        let taken = server
            .kind()
            .stranger
            .lock()
            .unwrap()
            .as_ref()
            .map(|(port, _)| *port)
            .unwrap();
        assert_ne!(server.port(), taken);
        assert!(is_alive(server.facts().0));
    }

    #[test]
    fn a_port_that_a_stranger_took_meanwhile_is_given_up() {
        gets_another_port(Memory::default());
        gets_another_port(Broker);
        gets_another_port(plain_cluster());
    }
}
