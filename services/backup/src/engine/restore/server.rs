//! A server on a restored directory: started by this process for itself alone, or left to work.
//!
//! One that is for this process has no port, a socket that nobody else gets at, and archives nothing. It ends with the
//! value that stands for it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use weir_upstream::{ConnectOptions, Connection, Target};

use super::disk;
use super::open_files::{Owner, own};
use crate::error::Error;

/// Where packages put the programs of a version.
const PACKAGES: [&str; 2] = ["/usr/lib/postgresql/{}/bin", "/usr/pgsql-{}/bin"];
/// How often a server is looked at while it starts or stops.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A server that was told to stop does so within this time, or is made to.
const STOP_WITHIN: Duration = Duration::from_secs(60);
/// As the control file calls what a standby must not have less of than its primary had.
const LIMITS: [(&str, &str); 5] = [
    ("max_connections setting:", "max_connections"),
    ("max_worker_processes setting:", "max_worker_processes"),
    ("max_wal_senders setting:", "max_wal_senders"),
    ("max_prepared_xacts setting:", "max_prepared_transactions"),
    ("max_locks_per_xact setting:", "max_locks_per_transaction"),
];

/// How a server is started for this process alone.
#[derive(Debug, Clone)]
pub(crate) struct ServerOptions {
    /// Who it runs as. None: as this process does.
    pub owner: Option<Owner>,
    /// A directory for its socket, its log and what it is told; nobody else may enter it. Its path must be short.
    pub run: PathBuf,
    /// Who asks, and in which database.
    pub user: String,
    pub database: String,
    /// Further settings.
    pub settings: Vec<(String, String)>,
}

/// A server that works for this process alone. It is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    directory: PathBuf,
    log: PathBuf,
    target: Target,
}

impl Server {
    /// Starts the server of `bin` on a data directory.
    pub(crate) async fn start(bin: &Path, directory: &Path, options: &ServerOptions) -> Result<Self, Error> {
        let run = &options.run;
        let log = run.join("log");
        let hba = run.join("hba");
        write_for(
            &hba,
            b"local all all trust\nlocal replication all trust\n",
            options.owner,
        )?;
        let mut command = Command::new(bin.join("postgres"));
        let mut set = |name: &str, value: &str| {
            command.arg("-c").arg(format!("{name}={value}"));
        };
        set("listen_addresses", "");
        set("port", "5432");
        set("unix_socket_directories", &quoted_directory(run));
        set("hba_file", &hba.to_string_lossy());
        set("archive_mode", "off");
        set("hot_standby", "on");
        set("logging_collector", "off");
        set("log_destination", "stderr");
        set("ssl", "off");
        set("lc_messages", "C");
        for (name, value) in limits(bin, directory).await? {
            set(name, &value);
        }
        for (name, value) in &options.settings {
            set(name, value);
        }
        if !directory.join("postgresql.conf").exists() {
            // Where packages keep settings elsewhere.
            let conf = run.join("conf");
            write_for(&conf, b"", options.owner)?;
            set("config_file", &conf.to_string_lossy());
            set("data_directory", &directory.to_string_lossy());
        }
        let said = fs::File::create(&log).map_err(|error| Error::file(&log, error))?;
        let also = said.try_clone().map_err(|error| Error::file(&log, error))?;
        command.arg("-D").arg(directory).current_dir(directory);
        command.stdin(Stdio::null()).stdout(said).stderr(also);
        run_as(&mut command, options.owner);
        let child = command
            .spawn()
            .map_err(|error| Error::file(&bin.join("postgres"), error))?;
        Ok(Self {
            child,
            directory: directory.to_owned(),
            log,
            target: target(options)?,
        })
    }

    /// Waits until it takes connections.
    pub(crate) async fn ready(&mut self, within: Duration, stop: &CancellationToken) -> Result<(), Error> {
        let until = Instant::now() + within;
        loop {
            self.alive()?;
            if matches!(status_of(&self.directory).as_deref(), Some("ready" | "standby")) {
                return Ok(());
            }
            if stop.is_cancelled() {
                return Err(Error::Stopped);
            }
            if Instant::now() >= until {
                let said = format!(
                    "it takes no connections after {within:?}; its log ends with: {}",
                    self.last_words()
                );
                return Err(failed("postgres", said));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// An error that says why, where it has ended.
    pub(crate) fn alive(&mut self) -> Result<(), Error> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(failed("postgres", format!("{status}: {}", self.last_words()))),
            Err(error) => Err(failed("postgres", error.to_string())),
        }
    }

    /// What it said last.
    pub(crate) fn last_words(&self) -> String {
        last_words(&self.log)
    }

    /// A connection to it.
    pub(crate) async fn ask(&self, database: &str) -> Result<Connection, Error> {
        let options = ConnectOptions {
            application_name: Some("weir restore".to_owned()),
            ..ConnectOptions::default()
        };
        Ok(Connection::connect(&self.target.in_database(database), options).await?)
    }

    /// How to reach it.
    pub(crate) const fn target(&self) -> &Target {
        &self.target
    }

    /// Stops it in an orderly way.
    pub(crate) async fn stop(mut self) -> Result<(), Error> {
        self.signal(Signal::INT);
        match tokio::time::timeout(STOP_WITHIN, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(failed("postgres", format!("{status}: {}", self.last_words()))),
            Ok(Err(error)) => Err(failed("postgres", error.to_string())),
            Err(_) => Err(failed("postgres", format!("it did not stop within {STOP_WITHIN:?}"))),
        }
    }

    fn signal(&self, signal: Signal) {
        // None where it has ended and was seen to.
        let process = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(process) = process {
            let _ = kill_process(process, signal);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(Signal::QUIT);
    }
}

/// Starts a server that goes on without this process, with the settings in its directory. Returns when it takes
/// connections, or waits read-only.
pub(crate) async fn leave_running(
    bin: &Path,
    directory: &Path,
    owner: Option<Owner>,
    within: Duration,
) -> Result<(), Error> {
    let log = directory.join("weir-restore.log");
    let mut command = Command::new(bin.join("pg_ctl"));
    command.arg("start").arg("-D").arg(directory).arg("-w").arg("-s");
    command.arg("-t").arg(within.as_secs().max(1).to_string());
    command.arg("-l").arg(&log).current_dir(directory);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    run_as(&mut command, owner);
    let status = command
        .status()
        .await
        .map_err(|error| Error::file(&bin.join("pg_ctl"), error))?;
    if status.success() {
        return Ok(());
    }
    Err(failed("pg_ctl start", last_words(&log)))
}

/// Where the programs of a version are: where the settings say, else where packages put them.
pub(crate) async fn programs(configured: Option<&Path>, server_version: u32) -> Result<PathBuf, Error> {
    let major = server_version / 10_000;
    let packaged = PACKAGES
        .iter()
        .map(|place| PathBuf::from(place.replace("{}", &major.to_string())));
    for bin in configured.map(Path::to_owned).into_iter().chain(packaged) {
        let asked = Command::new(bin.join("postgres")).arg("--version").output().await;
        let Ok(told) = asked else { continue };
        if major_of(&String::from_utf8_lossy(&told.stdout)) == Some(major) {
            return Ok(bin);
        }
    }
    Err(Error::Refused {
        slug: "backup-restore-programs",
        reason: format!(
            "there are no programs of PostgreSQL {major} here; name their directory in backup.postgres_bin"
        ),
    })
}

/// Who the servers of this machine run as, where this process is root; none where it is not.
pub(crate) fn owner_of(user: &str) -> Result<Option<Owner>, Error> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let number = |option: &str| -> Option<u32> {
        let told = std::process::Command::new("id")
            .arg(option)
            .arg("--")
            .arg(user)
            .output()
            .ok()?;
        String::from_utf8(told.stdout).ok()?.trim().parse().ok()
    };
    match (number("-u"), number("-g")) {
        (Some(user), Some(group)) => Ok(Some(Owner { user, group })),
        _ => Err(Error::Field {
            field: "backup.postgres_user",
            reason: format!("this machine has no user {user}"),
        }),
    }
}

/// A directory for [`ServerOptions::run`].
pub(crate) fn run_directory(owner: Option<Owner>) -> Result<tempfile::TempDir, Error> {
    let made = tempfile::Builder::new().prefix("weir-pg-").tempdir();
    let made = made.map_err(|error| Error::file(&std::env::temp_dir(), error))?;
    let given = disk::opened(made.path())?;
    own(&given, owner).map_err(|error| Error::file(made.path(), error))?;
    Ok(made)
}

/// What the server's last line in its pid file says: `starting`, `stopping`, `ready` or `standby`.
fn status_of(directory: &Path) -> Option<String> {
    let text = fs::read_to_string(directory.join("postmaster.pid")).ok()?;
    Some(text.lines().nth(7)?.trim().to_owned())
}

fn run_as(command: &mut Command, owner: Option<Owner>) {
    // What is meant for clients here would be taken by the server.
    for name in [
        "PGDATA",
        "PGOPTIONS",
        "PGPORT",
        "PGHOST",
        "PGDATABASE",
        "PGUSER",
        "PGTZ",
        "PGDATESTYLE",
    ] {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C");
    if let Some(owner) = owner {
        command.uid(owner.user).gid(owner.group);
    }
}

async fn limits(bin: &Path, directory: &Path) -> Result<Vec<(&'static str, String)>, Error> {
    let mut command = Command::new(bin.join("pg_controldata"));
    run_as(command.arg("-D").arg(directory), None);
    let told = command
        .output()
        .await
        .map_err(|error| Error::file(&bin.join("pg_controldata"), error))?;
    if !told.status.success() {
        return Err(failed(
            "pg_controldata",
            String::from_utf8_lossy(&told.stderr).trim().to_owned(),
        ));
    }
    let text = String::from_utf8_lossy(&told.stdout);
    let of = |(label, name): &(&str, &'static str)| {
        let value = text.lines().find_map(|line| line.strip_prefix(label))?;
        Some((*name, value.trim().to_owned()))
    };
    Ok(LIMITS.iter().filter_map(of).collect())
}

fn write_for(path: &Path, content: &[u8], owner: Option<Owner>) -> Result<(), Error> {
    let write = || -> std::io::Result<()> {
        fs::write(path, content)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        own(&fs::File::open(path)?, owner)
    };
    write().map_err(|error| Error::file(path, error))
}

/// A directory in a setting that lists several.
fn quoted_directory(directory: &Path) -> String {
    format!("\"{}\"", directory.to_string_lossy().replace('"', "\"\""))
}

fn target(options: &ServerOptions) -> Result<Target, Error> {
    let url = format!(
        "postgres://{}@/{}?host={}",
        encoded(&options.user),
        encoded(&options.database),
        encoded(&options.run.to_string_lossy())
    );
    let wrong = |error: weir_upstream::TargetError| Error::Field {
        field: "database.url",
        reason: error.to_string(),
    };
    Target::parse(&url).map_err(wrong)
}

fn encoded(text: &str) -> String {
    let of = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(of).collect()
}

fn major_of(version: &str) -> Option<u32> {
    let number = version
        .split_whitespace()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    number.split(|end: char| !end.is_ascii_digit()).next()?.parse().ok()
}

/// The end of a log in one line.
fn last_words(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(8)..).unwrap_or_default();
    last.join(" | ")
}

fn failed(program: &str, said: String) -> Error {
    Error::Program {
        program: program.to_owned(),
        said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_programs_tell_them() {
        assert_eq!(
            major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_of("no such program"), None);
    }

    #[test]
    fn names_of_users_and_directories_are_no_part_of_a_url() {
        let options = ServerOptions {
            owner: None,
            run: "/tmp/a b?c".into(),
            user: "it's@me".to_owned(),
            database: "d/b".to_owned(),
            settings: Vec::new(),
        };
        let target = target(&options).unwrap();
        assert_eq!(
            (target.user(), target.database(), target.host()),
            ("it's@me", "d/b", "/tmp/a b?c")
        );
    }
}
