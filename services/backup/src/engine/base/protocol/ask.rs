//! The connection for replication, and what the server is.

use weir_upstream::{ConnectOptions, Connection, Target};

use crate::error::Error;

/// Archives of a stream of their own came with this version.
const VERSION_MIN: u32 = 15;
/// The server keeps books of what changed since this one.
const VERSION_SUMMARIES: u32 = 17;

/// What is known of a server before it is asked for its files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub timeline: u32,
    pub page_bytes: usize,
    /// Pages in a file at most.
    pub pages_max: u32,
    pub has_checksums: bool,
    /// Whether it keeps books of what changed.
    pub summarizes: bool,
    pub is_standby: bool,
}

/// A connection that takes the commands of replication.
pub(super) async fn connect(target: &Target) -> Result<Connection, Error> {
    let options = ConnectOptions {
        application_name: Some("weir_backup".to_owned()),
        parameters: vec![("replication".to_owned(), "true".to_owned())],
        ..ConnectOptions::default()
    };
    Ok(Connection::connect(target, options).await?)
}

/// Whether a server is a standby, as it says itself unasked.
pub(super) fn is_standby(connection: &Connection) -> bool {
    connection.parameter("in_hot_standby") == Some("on")
}

impl Facts {
    pub(super) async fn ask(connection: &mut Connection) -> Result<Self, Error> {
        let version = connection.parameter("server_version").map_or(0, major);
        if version < VERSION_MIN {
            return Err(Error::Refused {
                slug: "backup-server-version",
                reason: format!(
                    "the server has version {version}; backups over the protocol need {VERSION_MIN} or newer"
                ),
            });
        }
        let system = connection.simple_query("IDENTIFY_SYSTEM").await?;
        let timeline = match system.first() {
            Some(row) => row.parse("timeline")?,
            None => 0,
        };
        let page_bytes = bytes(&show(connection, "block_size").await?);
        let file_bytes = bytes(&show(connection, "segment_size").await?);
        let pages_max = file_bytes.checked_div(page_bytes).unwrap_or(0);
        Ok(Self {
            timeline,
            page_bytes: usize::try_from(page_bytes).unwrap_or(0),
            pages_max: u32::try_from(pages_max).unwrap_or(u32::MAX),
            has_checksums: show(connection, "data_checksums").await? == "on",
            summarizes: version >= VERSION_SUMMARIES && show(connection, "summarize_wal").await? == "on",
            is_standby: is_standby(connection),
        })
    }
}

async fn show(connection: &mut Connection, setting: &str) -> Result<String, Error> {
    let rows = connection.simple_query(&format!("SHOW {setting}")).await?;
    let value = rows.first().and_then(|row| row.values().next().flatten());
    Ok(value.unwrap_or_default().to_owned())
}

/// The first number of a version such as `17.2 (Debian 17.2-1)` or `18beta1`.
fn major(version: &str) -> u32 {
    let digits = version.find(|other: char| !other.is_ascii_digit());
    let digits = version.get(..digits.unwrap_or(version.len()));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// A size as the server shows it: `8192`, `1GB`.
fn bytes(shown: &str) -> u64 {
    let at = shown.find(|other: char| !other.is_ascii_digit()).unwrap_or(shown.len());
    let (digits, unit) = shown.split_at_checked(at).unwrap_or((shown, ""));
    let factor = match unit {
        "" | "B" => 1,
        "kB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        "TB" => 1 << 40,
        _ => 0,
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|digits| digits.checked_mul(factor))
        .unwrap_or(0)
}

/// A text in a command of replication.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_versions_are_read_as_the_server_shows_them() {
        assert_eq!(
            (bytes("8192"), bytes("1GB"), bytes("64kB"), bytes("?")),
            (8192, 1 << 30, 65_536, 0)
        );
        assert_eq!(
            (major("15.20 (Debian 15.20-0)"), major("18beta1"), major("")),
            (15, 18, 0)
        );
        assert_eq!(quoted("it's"), "'it''s'");
    }
}
