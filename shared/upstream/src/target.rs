//! Where a PostgreSQL is and who asks: a connection URL, read and checked.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::ClientConfig;
use weir_model::Secret;

use crate::resolve::Resolve;
use crate::url;

/// Why a connection URL, or what it points to, cannot be used. Never repeats a value, as that may be a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is not a PostgreSQL URL.
    #[error("a database url begins with postgres:// or postgresql://")]
    Scheme,
    /// A part is missing or malformed.
    #[error("the database url {0}")]
    Form(&'static str),
    /// A parameter with a value that it cannot have.
    #[error("in the database url, {name} {reason}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// What its value must be.
        reason: &'static str,
    },
    /// A parameter that nothing here would heed.
    #[error("the database url has an unknown parameter {name}; known are {}", url::PARAMETERS.join(", "))]
    UnknownParameter {
        /// The parameter.
        name: String,
    },
    /// The certificate authorities cannot be read.
    #[error("cannot use the certificate authorities in {from}: {reason}")]
    Roots {
        /// The file, or `the system's store`.
        from: String,
        /// Why not.
        reason: String,
    },
}

/// How much encryption and proof of identity is asked of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SslMode {
    /// No encryption.
    Disable,
    /// Encryption where the server offers it.
    #[default]
    Prefer,
    /// Encryption, with whoever answers.
    Require,
    /// Encryption, with a certificate of a known authority.
    VerifyCa,
    /// The same, and the certificate names the host.
    VerifyFull,
}

impl SslMode {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether the log-in is bound to the encrypted channel, so that nobody in the middle can pass it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// Where the server offers it.
    #[default]
    Prefer,
    /// Always; a server that does not offer it is refused.
    Require,
}

/// The door to knock at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Tcp(String),
    /// A directory with PostgreSQL's socket in it.
    Unix(PathBuf),
}

/// Where a PostgreSQL is, who asks and how. `Debug` and `Display` show no password.
#[derive(Debug, Clone)]
pub struct Target {
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: Option<Secret>,
    pub(crate) database: String,
    pub(crate) sslmode: SslMode,
    pub(crate) sslrootcert: Option<PathBuf>,
    pub(crate) channel_binding: ChannelBinding,
    pub(crate) application_name: Option<String>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) options: Option<String>,
    /// Made at the first handshake, because reading the system's authorities takes milliseconds.
    pub(crate) tls: Tls,
    /// Who looks its name up.
    pub(crate) resolver: Arc<dyn Resolve>,
}

/// The TLS settings that all connections to one target share. Says nothing of itself.
#[derive(Clone, Default)]
pub(crate) struct Tls(pub(crate) Arc<OnceLock<Arc<ClientConfig>>>);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Target {
    /// Reads a URL such as `postgres://user:password@host:5432/database?sslmode=require`. Without a port it is 5432,
    /// without a database it is named as the user, and `?host=/directory` leads to a Unix socket.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        url::read(url)
    }

    /// The same user, password, encryption and database at another server of the same cluster: `host:port`, with the
    /// port left out where it is 5432.
    pub fn at(&self, door: &str) -> Result<Self, TargetError> {
        url::at(self, door)
    }

    /// The same server and user in another database.
    #[must_use]
    pub fn in_database(&self, database: &str) -> Self {
        Self {
            database: database.to_owned(),
            ..self.clone()
        }
    }

    /// Another user at the same server, who proves nothing.
    #[must_use]
    pub fn as_user(&self, user: &str) -> Self {
        Self {
            user: user.to_owned(),
            password: None,
            ..self.clone()
        }
    }

    /// The host's name or address, or the directory of its socket.
    pub fn host(&self) -> &str {
        match &self.host {
            Host::Tcp(host) => host,
            Host::Unix(directory) => directory.to_str().unwrap_or_default(),
        }
    }

    /// The port; also a part of a socket's name.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// How much encryption is asked for.
    pub const fn sslmode(&self) -> SslMode {
        self.sslmode
    }

    /// Host and port as a person writes them, or the path of the socket.
    pub fn place(&self) -> String {
        match &self.host {
            Host::Tcp(host) if host.contains(':') => format!("[{host}]:{}", self.port),
            Host::Tcp(host) => format!("{host}:{}", self.port),
            Host::Unix(directory) => socket_path(directory, self.port).display().to_string(),
        }
    }
}

/// The socket of the server on this port.
pub(crate) fn socket_path(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!(".s.PGSQL.{port}"))
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(url: &str) -> Result<Self, TargetError> {
        Self::parse(url)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "database {} at {} as user {}",
            self.database,
            self.place(),
            self.user
        )
    }
}
