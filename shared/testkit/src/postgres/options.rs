//! What a test may ask of its cluster beyond the defaults.

use super::Postgres;

/// The door of the kit's own helpers; a test's lines follow it and rule over TCP.
const HBA_SOCKET: &str = "local all all trust\nlocal replication all trust\n";
const HBA_TCP: &str = "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n";

/// A cluster with settings, authentication rules, users and a certificate of the test's choice.
///
/// ```no_run
/// # async fn example(certificate: &str, key: &str) {
/// let postgres = weir_testkit::PostgresOptions::new()
///     .setting("wal_level", "logical")
///     .user("app", "secret")
///     .hba("hostssl all app 127.0.0.1/32 scram-sha-256")
///     .tls(certificate, key)
///     .start()
///     .await;
/// # }
/// ```
#[derive(Default)]
pub struct PostgresOptions {
    settings: Vec<(String, String)>,
    hba: Vec<String>,
    users: Vec<(String, String)>,
    files: Vec<(String, Vec<u8>)>,
    checksums: bool,
    wal_segment_megabytes: Option<u32>,
}

impl PostgresOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// A line of `postgresql.conf`; the value is quoted here. Port, address and socket directory stay the kit's.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A line of `pg_hba.conf`. The first one replaces the default, which trusts everybody on 127.0.0.1; Unix socket
    /// connections stay trusted, as helpers like [`Postgres::psql`] come in there.
    pub fn hba(mut self, line: &str) -> Self {
        self.hba.push(line.to_owned());
        self
    }

    /// A user that may log in with this password, stored as `password_encryption` says (SCRAM unless set otherwise).
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push((name.to_owned(), password.to_owned()));
        self
    }

    /// A file in the data directory, owned by the server's user and readable by nobody else.
    pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), content.into()));
        self
    }

    /// The size of a segment of the write-ahead log, which `initdb` decides; a power of two up to 1024.
    pub fn wal_segment_megabytes(mut self, megabytes: u32) -> Self {
        self.wal_segment_megabytes = Some(megabytes);
        self
    }

    /// Turns TLS on with this certificate chain and private key, both in PEM.
    pub fn tls(self, certificate: &str, key: &str) -> Self {
        self.file("server.crt", certificate)
            .file("server.key", key)
            .setting("ssl", "on")
    }

    /// Lets the server check client certificates against this authority, in PEM; to be used with [`Self::tls`].
    pub fn client_ca(self, authority: &str) -> Self {
        self.file("client-ca.crt", authority)
            .setting("ssl_ca_file", "client-ca.crt")
    }

    /// Has every page carry a checksum.
    pub const fn checksums(mut self) -> Self {
        self.checksums = true;
        self
    }

    pub(super) const fn has_checksums(&self) -> bool {
        self.checksums
    }

    /// Starts the cluster.
    pub async fn start(self) -> Postgres {
        Postgres::open(self).await
    }

    pub(super) const fn segment_megabytes(&self) -> Option<u32> {
        self.wal_segment_megabytes
    }

    pub(super) fn settings_text(&self) -> String {
        self.settings
            .iter()
            .map(|(name, value)| format!("{name} = {}\n", quoted(value)))
            .collect()
    }

    pub(super) fn hba_text(&self) -> String {
        let own = if self.hba.is_empty() {
            HBA_TCP.to_owned()
        } else {
            self.hba.join("\n")
        };
        format!("{HBA_SOCKET}{own}\n")
    }

    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files
            .iter()
            .map(|(name, content)| (name.as_str(), content.as_slice()))
    }

    pub(super) fn role_statements(&self) -> String {
        let statement = |(name, password): &(String, String)| {
            format!(
                "create role \"{}\" login password {};\n",
                name.replace('"', "\"\""),
                quoted(password)
            )
        };
        self.users.iter().map(statement).collect()
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
