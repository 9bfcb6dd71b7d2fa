//! A PostgreSQL server on a restored directory, for a while.
//!
//! It listens on a socket in a private directory and nowhere else, and connects to nobody: it does not archive, follow,
//! subscribe or load what the cluster loads. It has no settings of the cluster's but those that replay demands. It ends
//! when this is dropped, and after a crash of this process with the next [`super::place::Place`].

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio_util::sync::CancellationToken;
use weir_upstream::{ConnectOptions, Connection, Target};

use super::control::Control;
use super::place::make_private;
use super::programs::{Programs, refused};
use super::target::RecoverySettings;
use crate::error::Error;

/// Who may come in: whoever can reach the socket, which only the server's user and root can.
const RULES: &str = "local all all trust\n";
/// The database that every cluster has.
pub(crate) const HOME: &str = "template1";
const LOG: &str = "log";
const LOOK_EVERY: Duration = Duration::from_millis(10);
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_millis(200);
const ASK_WITHIN: Duration = Duration::from_secs(10);
/// A server that was told to end is told so more firmly after this.
const END_WITHIN: Duration = Duration::from_secs(30);
/// So much of the end of its log is looked at.
const LOG_BYTES: u64 = 256 * 1024;
/// Lines of its log that an error repeats.
const LAST_LINES: usize = 6;

/// What holds for every scratch server, over whatever the restored directory says.
const ALWAYS: [(&str, &str); 37] = [
    // It is reached through its socket only.
    ("listen_addresses", ""),
    ("port", "5432"),
    ("unix_socket_permissions", "0700"),
    ("unix_socket_group", ""),
    ("ssl", "off"),
    ("bonjour", "off"),
    // It reaches nobody.
    ("archive_mode", "off"),
    ("archive_command", ""),
    ("archive_cleanup_command", ""),
    ("recovery_end_command", ""),
    ("primary_conninfo", ""),
    ("primary_slot_name", ""),
    ("promote_trigger_file", ""),
    ("synchronous_standby_names", ""),
    ("max_logical_replication_workers", "0"),
    ("max_replication_slots", "64"),
    // It runs nothing of the cluster's own accord.
    ("shared_preload_libraries", ""),
    ("session_preload_libraries", ""),
    ("local_preload_libraries", ""),
    ("autovacuum", "off"),
    ("default_transaction_read_only", "off"),
    ("jit", "off"),
    // It is for a while, and small.
    ("hot_standby", "on"),
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("synchronous_commit", "off"),
    ("wal_level", "replica"),
    ("shared_buffers", "128MB"),
    ("huge_pages", "off"),
    ("max_wal_size", "1GB"),
    ("recovery_target_action", "promote"),
    // What it says goes to our file.
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    ("log_min_messages", "warning"),
    ("log_statement", "none"),
    ("lc_messages", "C"),
    ("cluster_name", "weir-scratch"),
];

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Start {
    /// `restore_command` and where recovery ends. None: it starts as it lies.
    pub recovery: Option<(String, RecoverySettings)>,
    /// Who may be there to log in as, the first choice first.
    pub users: Vec<String>,
    /// Settings over all others.
    pub settings: Vec<(String, String)>,
}

/// What a server says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It takes no queries yet.
    Starting,
    /// It takes queries, and replays log.
    Replaying,
    /// It takes queries, and writes.
    Open,
}

/// A server of ours. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Scratch {
    child: Child,
    data: PathBuf,
    run: PathBuf,
    target: Target,
    users: Vec<String>,
    superuser: Option<String>,
}

impl Scratch {
    /// Starts a server on a data directory that belongs to its user. `run` is a private directory of that user for its
    /// socket, its rules and its log.
    pub(crate) async fn start(programs: &Programs, data: &Path, run: &Path, how: &Start) -> Result<Self, Error> {
        make_private(run)?;
        programs.own(run)?;
        let control = control(programs, data).await?;
        let settings = settings(programs, run, &control, how);
        write_files(programs, data, run, how.recovery.is_some())?;
        let log = run.join(LOG);
        let file = File::options().create(true).append(true).open(&log);
        let file = file.map_err(|error| Error::file(&log, error))?;
        let also = file.try_clone().map_err(|error| Error::file(&log, error))?;
        let mut command = programs.command("postgres");
        command.arg("-D").arg(data).stdout(also).stderr(file);
        for (name, value) in settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        // A signal for the group of this process, such as Ctrl-C, is for this process to act upon.
        command.process_group(0);
        let child = command.spawn().map_err(|error| Error::file(data, error))?;
        Ok(Self {
            child,
            data: data.to_owned(),
            run: run.to_owned(),
            target: target(run)?,
            users: how.users.clone(),
            superuser: None,
        })
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Waits until recovery has ended and it writes.
    pub(crate) async fn wait_open(&mut self, stop: &CancellationToken) -> Result<(), Error> {
        self.wait(stop, |standing| standing == Standing::Open).await
    }

    async fn wait(&mut self, stop: &CancellationToken, enough: impl Fn(Standing) -> bool) -> Result<(), Error> {
        let mut pause = LOOK_EVERY;
        loop {
            if let Some(status) = self.ended() {
                return Err(self.program_error(status));
            }
            if enough(self.standing().await?) {
                return Ok(());
            }
            if let Some(line) = self.paused_for_settings() {
                return Err(refused(line));
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 5 / 4).min(LOOK_AT_LEAST_EVERY),
                () = stop.cancelled() => return Err(Error::Stopped),
            }
        }
    }

    /// How it stands.
    pub(crate) async fn standing(&mut self) -> Result<Standing, Error> {
        if !self.run.join(".s.PGSQL.5432").exists() {
            return Ok(Standing::Starting);
        }
        let mut connection = match self.connect(HOME).await {
            Ok(connection) => connection,
            Err(Error::Upstream(error)) if is_starting(&error) => return Ok(Standing::Starting),
            Err(error) => return Err(error),
        };
        let asked = tokio::time::timeout(
            ASK_WITHIN,
            connection.simple_query("select pg_is_in_recovery() as replaying"),
        );
        let rows = match asked.await {
            Ok(Ok(rows)) => rows,
            // It ended meanwhile, or is slow; the next look tells.
            Ok(Err(_)) | Err(_) => return Ok(Standing::Starting),
        };
        let replaying = rows.first().map(|row| row.flag("replaying")).transpose()?;
        Ok(if replaying == Some(false) {
            Standing::Open
        } else {
            Standing::Replaying
        })
    }

    /// How it is reached by the user that may do everything, in this database.
    pub(crate) async fn reached_as_superuser(&mut self, database: &str) -> Result<Target, Error> {
        self.connect(HOME).await?.close().await;
        let user = self.superuser.as_deref().unwrap_or_default();
        Ok(self.target.as_user(user).in_database(database))
    }

    /// A connection as a user that may do everything.
    pub(crate) async fn connect(&mut self, database: &str) -> Result<Connection, Error> {
        if self.superuser.is_none() {
            self.superuser = Some(self.find_superuser().await?);
        }
        Ok(self
            .connect_as(self.superuser.as_deref().unwrap_or_default(), database)
            .await?)
    }

    async fn connect_as(&self, user: &str, database: &str) -> Result<Connection, weir_upstream::Error> {
        let options = ConnectOptions {
            user: Some(user.to_owned()),
            application_name: Some("weir-prove".to_owned()),
            timeout: Some(ASK_WITHIN),
            ..ConnectOptions::default()
        };
        Connection::connect(&self.target.in_database(database), options).await
    }

    /// Nobody can say from outside who may do everything in a cluster; whoever can log in can.
    async fn find_superuser(&self) -> Result<String, Error> {
        let mut refusal = None;
        for user in &self.users {
            let mut connection = match self.connect_as(user, HOME).await {
                Ok(connection) => connection,
                Err(error) if is_starting(&error) => return Err(error.into()),
                Err(error) => {
                    refusal = Some(error);
                    continue;
                }
            };
            let sql = "select rolname::text as name from pg_roles where rolsuper and rolcanlogin order by oid limit 1";
            let rows = connection.simple_query(sql).await?;
            if let Some(row) = rows.first() {
                return Ok(row.text("name")?.to_owned());
            }
        }
        Err(refusal.map_or_else(
            || refused("the restored cluster has no superuser that may log in".to_owned()),
            Error::from,
        ))
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// What its log says, as far as it is the end of it.
    pub(crate) fn log(&self) -> String {
        let mut end = Vec::new();
        let read = File::open(self.run.join(LOG)).and_then(|mut file| {
            let bytes = file.metadata()?.len();
            file.seek(SeekFrom::Start(bytes.saturating_sub(LOG_BYTES)))?;
            file.take(LOG_BYTES).read_to_end(&mut end)
        });
        // It is for people, and an error about an error would help nobody.
        read.map(|_| String::from_utf8_lossy(&end).into_owned())
            .unwrap_or_default()
    }

    /// The last lines of its log that say what went wrong.
    pub(crate) fn last_words(&self) -> String {
        last_words(&self.log())
    }

    fn program_error(&self, status: ExitStatus) -> Error {
        let said = self.last_words();
        let said = if said.is_empty() { status.to_string() } else { said };
        Error::Program {
            program: "postgres".to_owned(),
            said,
        }
    }

    /// Replay pauses for good where the primary had a setting larger later on.
    fn paused_for_settings(&self) -> Option<String> {
        let log = self.log();
        let line = log
            .lines()
            .find(|line| line.contains("insufficient parameter settings"))?;
        Some(format!("the scratch server cannot replay: {}", line.trim()))
    }

    /// Ends it in order, so that what it wrote is in its files.
    pub(crate) async fn stop(mut self) -> Result<(), Error> {
        self.signal(Signal::INT);
        if tokio::time::timeout(END_WITHIN, self.child.wait()).await.is_err() {
            self.end_at_once();
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        if let Some(pid) = pid {
            let _ = kill_process(pid, signal);
        }
    }

    /// Ends it without a checkpoint: what is in its files is recovered or thrown away.
    fn end_at_once(&mut self) {
        self.signal(Signal::QUIT);
        for _ in 0..500 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.signal(Signal::KILL);
        let _ = self.child.try_wait();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end_at_once();
        }
    }
}

/// What the control file of a data directory says.
pub(crate) async fn control(programs: &Programs, data: &Path) -> Result<Control, Error> {
    let data = data.display().to_string();
    Ok(Control::read(&programs.output("pg_controldata", &["-D", &data]).await?))
}

fn settings(programs: &Programs, run: &Path, control: &Control, how: &Start) -> Vec<(String, String)> {
    let mut settings: Vec<(String, String)> = ALWAYS
        .iter()
        .filter(|(name, _)| is_known(name, programs.major()))
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    if programs.major() >= 17 {
        settings.push(("event_triggers".to_owned(), "off".to_owned()));
        settings.push(("sync_replication_slots".to_owned(), "off".to_owned()));
        settings.push(("summarize_wal".to_owned(), "off".to_owned()));
    }
    settings.extend(
        control
            .demands()
            .map(|(name, value)| (name.to_owned(), value.to_string())),
    );
    let file = |name: &str| run.join(name).display().to_string();
    settings.push(("config_file".to_owned(), file("postgresql.conf")));
    settings.push(("hba_file".to_owned(), file("pg_hba.conf")));
    settings.push(("ident_file".to_owned(), file("pg_ident.conf")));
    settings.push(("unix_socket_directories".to_owned(), run.display().to_string()));
    if let Some((command, until)) = &how.recovery {
        settings.push(("restore_command".to_owned(), command.clone()));
        settings.extend(until.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    }
    settings.extend(how.settings.iter().cloned());
    settings
}

/// Whether a setting is there in a major version.
fn is_known(name: &str, major: u32) -> bool {
    match name {
        "promote_trigger_file" => (12..16).contains(&major),
        _ => true,
    }
}

/// Our own settings, rules and signals in the place of the cluster's.
fn write_files(programs: &Programs, data: &Path, run: &Path, recovers: bool) -> Result<(), Error> {
    let put = |path: PathBuf, text: &str| {
        std::fs::write(&path, text).map_err(|error| Error::file(&path, error))?;
        programs.own(&path)
    };
    put(run.join("postgresql.conf"), "")?;
    put(run.join("pg_hba.conf"), RULES)?;
    put(run.join("pg_ident.conf"), "")?;
    // It is read whatever the command line says, and may name what is not there.
    put(data.join("postgresql.auto.conf"), "")?;
    remove(&data.join("standby.signal"))?;
    // It would have the server make links to where tablespaces were.
    remove(&data.join("tablespace_map"))?;
    remove(&data.join("postmaster.pid"))?;
    match recovers {
        true => put(data.join("recovery.signal"), ""),
        false => Ok(()),
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file(path, error)),
        _ => Ok(()),
    }
}

fn target(run: &Path) -> Result<Target, Error> {
    let mut directory = String::new();
    for byte in run.display().to_string().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => directory.push(char::from(byte)),
            _ => directory.push_str(&format!("%{byte:02X}")),
        }
    }
    let parsed = Target::parse(&format!("postgres://postgres@/postgres?host={directory}"));
    parsed.map_err(|error| refused(error.to_string()))
}

/// Whether a server does not take queries yet, or not any more.
fn is_starting(error: &weir_upstream::Error) -> bool {
    use weir_upstream::Error as E;
    match error {
        E::Unreachable { .. } | E::Io { .. } => true,
        E::Refused { server, .. } => server.sqlstate.starts_with("57P"),
        E::Auth { server, .. } => server.as_ref().is_some_and(|server| server.sqlstate.starts_with("57P")),
        E::Server(server) => server.sqlstate.starts_with("57P"),
        _ => false,
    }
}

/// The last lines that say what went wrong; where there are none, the last ones.
fn last_words(log: &str) -> String {
    let wrong = |line: &&str| {
        ["FATAL:", "PANIC:", "ERROR:"].iter().any(|mark| line.contains(mark))
            && !line.contains("the database system is")
    };
    let mut lines: Vec<&str> = log.lines().filter(wrong).collect();
    if lines.is_empty() {
        lines = log.lines().collect();
    }
    let from = lines.len().saturating_sub(LAST_LINES);
    lines.get(from..).unwrap_or_default().join("; ")
}
