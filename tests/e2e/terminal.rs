//! A terminal with a program in it: what it shows, what is typed, how large it is.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use weir_testkit::eventually;

const SOON: Duration = Duration::from_secs(30);

/// A terminal of its own session; what runs in it is killed in the end.
pub(crate) struct Terminal {
    child: Child,
    master: File,
    seen: Arc<Mutex<Seen>>,
}

struct Seen {
    screen: vt100::Parser,
    raw: Vec<u8>,
}

impl Terminal {
    /// Starts a program in a terminal of this size, with this environment and the search path of the test.
    pub(crate) fn start<'a>(
        program: &Path,
        arguments: &[&str],
        environment: impl IntoIterator<Item = (&'a str, &'a str)>,
        (columns, lines): (u16, u16),
    ) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        tcsetwinsize(&slave, size(columns, lines)).unwrap();
        let end = |slave: &OwnedFd| Stdio::from(slave.try_clone().unwrap());
        // The program leads a session whose terminal this is, as after a login.
        let child = Command::new("setsid")
            .arg("--ctty")
            .arg(program)
            .args(arguments)
            .env_clear()
            .envs(std::env::vars().filter(|(name, _)| ["PATH", "HOME", "LLVM_PROFILE_FILE"].contains(&name.as_str())))
            .env("TERM", "xterm-256color")
            .envs(environment)
            .stdin(end(&slave))
            .stdout(end(&slave))
            .stderr(end(&slave))
            .spawn()
            .unwrap();
        let master = File::from(master);
        let seen = Arc::new(Mutex::new(Seen {
            screen: vt100::Parser::new(lasting(lines), lasting(columns), 0),
            raw: Vec::new(),
        }));
        read(master.try_clone().unwrap(), Arc::clone(&seen));
        Self { child, master, seen }
    }

    pub(crate) fn keys(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn resize(&self, columns: u16, lines: u16) {
        self.seen
            .lock()
            .unwrap()
            .screen
            .screen_mut()
            .set_size(lasting(lines), lasting(columns));
        tcsetwinsize(&self.master, size(columns, lines)).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// What one sees now.
    pub(crate) fn screen(&self) -> String {
        self.seen.lock().unwrap().screen.screen().contents()
    }

    /// Everything that was ever written to it.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap().raw).into_owned()
    }

    /// Whether it is as it was given to the program: lines are edited and echoed, keys make signals, and nothing is left
    /// on the screen.
    pub(crate) fn is_restored(&self) -> bool {
        let modes = tcgetattr(&self.master).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG) && self.is_left()
    }

    /// Whether the cursor is seen and the first screen is shown.
    pub(crate) fn is_left(&self) -> bool {
        let seen = self.seen.lock().unwrap();
        let screen = seen.screen.screen();
        !screen.hide_cursor() && !screen.alternate_screen()
    }

    /// Waits until this is seen.
    pub(crate) async fn until(&self, text: &str) {
        self.until_screen(text, |screen| screen.contains(text)).await;
    }

    pub(crate) async fn until_screen(&self, what: &str, check: impl Fn(&str) -> bool) {
        eventually(what, SOON, async || {
            let screen = self.screen();
            if check(&screen) {
                Ok(())
            } else {
                Err(format!("\n{screen}"))
            }
        })
        .await;
    }

    /// Waits for the end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        eventually("the program ends", SOON, async || self.child.try_wait().unwrap()).await
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

fn lasting(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a terminal has lines and columns")
}

const fn size(columns: u16, lines: u16) -> Winsize {
    Winsize {
        ws_row: lines,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// Until nobody has the other end any more.
fn read(mut master: File, seen: Arc<Mutex<Seen>>) {
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = master.read(&mut bytes) {
            let mut seen = seen.lock().unwrap();
            seen.screen.process(&bytes[..count]);
            seen.raw.extend_from_slice(&bytes[..count]);
        }
    });
}
