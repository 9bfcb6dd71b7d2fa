//! How a PostgreSQL cluster is laid out, configured and seen to be ready.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::install::Install;
use super::options::PostgresOptions;
use super::template::{Template, template};
use crate::server::Kind;
use crate::supervisor::Recipe;

/// Quick rather than safe against a power cut, small, and with its shared memory inside its own directory. Autovacuum
/// is off, so that statistics and dead tuples stay as a test made them.
const DEFAULTS: &str = "fsync = off
full_page_writes = off
shared_buffers = 16MB
dynamic_shared_memory_type = mmap
max_connections = 100
autovacuum = off
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
";

/// One cluster's kind of server.
pub(super) struct Cluster {
    install: Install,
    options: PostgresOptions,
    /// Whose copy it is, where it is a standby.
    primary: Option<Primary>,
    /// Held while the copy is made, then let go.
    template: Mutex<Option<Template>>,
}

/// Where a standby's primary is.
pub(super) struct Primary {
    pub(super) socket_dir: PathBuf,
    pub(super) port: u16,
}

/// The data directory inside the server's directory.
pub(super) fn data_dir(dir: &Path) -> PathBuf {
    dir.join("data")
}

impl Cluster {
    pub(super) fn new(options: PostgresOptions) -> Self {
        let install = Install::find();
        let template = Mutex::new(Some(template(&install, options.segment_megabytes())));
        Self {
            install,
            options,
            primary: None,
            template,
        }
    }

    /// A standby that follows a primary by streaming, under this name.
    pub(super) fn standby_of(primary: Primary, name: &str, options: PostgresOptions) -> Self {
        let conninfo = format!(
            "host={} port={} user=postgres application_name={name}",
            primary.socket_dir.display(),
            primary.port
        );
        Self {
            install: Install::find(),
            options: options.setting("primary_conninfo", &conninfo),
            primary: Some(primary),
            template: Mutex::new(None),
        }
    }

    /// How a copy of the primary comes into the fresh directory.
    fn copied(&self, primary: &Primary, dir: &Path) -> Recipe {
        let account = self.install.account;
        let backup = self.install.bin.join("pg_basebackup");
        Recipe {
            prepare: format!(
                r#"'{}' -D data -h "$WEIR_SOURCE" -p {} -U postgres -c fast -X stream --no-sync && touch data/standby.signal && chown -R {}:{} ."#,
                backup.display(),
                primary.port,
                account.uid,
                account.gid
            ),
            source: primary.socket_dir.clone().into(),
            ..self.run(dir)
        }
    }

    /// What adds checksums to a fresh copy. Later versions have them from the beginning, and say so with an error.
    fn checksums(&self) -> String {
        if !self.options.has_checksums() {
            return String::new();
        }
        let program = self.install.bin.join("pg_checksums");
        format!(
            " && {{ '{}' --enable -D data >/dev/null 2>&1 || true; }}",
            program.display()
        )
    }

    fn run(&self, dir: &Path) -> Recipe {
        Recipe {
            command: self.install.command("postgres", &[Path::new("-D"), &data_dir(dir)]),
            prepare: String::new(),
            source: std::ffi::OsString::new(),
            // An immediate shutdown: sessions break at once, the shared memory is given back.
            stop: "QUIT",
            end: "QUIT",
        }
    }

    pub(super) fn bin_dir(&self) -> PathBuf {
        self.install.bin.clone()
    }

    pub(super) fn psql(&self) -> PathBuf {
        self.install.bin.join("psql")
    }

    fn write(&self, path: &Path, content: &[u8]) {
        fs::write(path, content).expect("write a file of the cluster");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("set the mode of a file of the cluster");
        self.install.account.own(path);
    }
}

impl Kind for Cluster {
    const NAME: &'static str = "pg";

    fn recipe(&self, dir: &Path) -> Recipe {
        if let Some(primary) = &self.primary {
            return self.copied(primary, dir);
        }
        let template = self.template.lock().expect("nobody panics with this lock");
        let account = self.install.account;
        Recipe {
            prepare: format!(
                r#"cp -a --reflink=auto "$WEIR_SOURCE" data && chown {}:{} . data{}"#,
                account.uid,
                account.gid,
                self.checksums()
            ),
            source: template
                .as_ref()
                .map(|template| template.dir.clone().into())
                .unwrap_or_default(),
            ..self.run(dir)
        }
    }

    fn configure(&self, dir: &Path, port: u16) {
        self.template.lock().expect("nobody panics with this lock").take();
        let data = data_dir(dir);
        let settings = self.options.settings_text();
        let fixed = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{}'\n",
            dir.display()
        );
        self.write(
            &data.join("postgresql.conf"),
            format!("{DEFAULTS}{settings}{fixed}").as_bytes(),
        );
        self.write(&data.join("pg_hba.conf"), self.options.hba_text().as_bytes());
        for (name, content) in self.options.files() {
            self.write(&data.join(name), content);
        }
    }

    /// The postmaster says so itself, in the last line of its pid file.
    fn is_ready(&self, dir: &Path, _port: u16, pid: u32) -> bool {
        let text = fs::read_to_string(data_dir(dir).join("postmaster.pid")).unwrap_or_default();
        let mut lines = text.lines();
        lines.next() == Some(pid.to_string().as_str()) && lines.last().is_some_and(|line| line.trim() == "ready")
    }
}
