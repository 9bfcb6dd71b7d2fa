//! pg_dump and pg_restore: definitions out of a database, and as text for another.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use weir_upstream::Target;

use crate::error::Error;

/// Where packages put the programs of a version.
const PLACES: [(&str, &str); 2] = [("/usr/lib/postgresql/", "/bin"), ("/usr/pgsql-", "/bin")];
/// How long reading or writing definitions may take.
const WITHIN: Duration = Duration::from_secs(3600);
/// Definitions are held in memory: so much at most.
const DEFINITIONS_BYTES_MAX: usize = 512 * 1024 * 1024;
/// What is told of what a program said.
const SAID_BYTES_MAX: usize = 2000;

/// The programs of one version.
#[derive(Debug, Clone)]
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// Those for a server of this version: of the settings, or of the packages.
    pub(crate) fn of(chosen: Option<&Path>, server_version: u32) -> Result<Self, Error> {
        if let Some(chosen) = chosen {
            return Ok(Self(chosen.to_owned()));
        }
        let major = server_version / 10_000;
        let mut places = PLACES
            .iter()
            .map(|(before, after)| PathBuf::from(format!("{before}{major}{after}")));
        let found = places.find(|place| place.join("pg_dump").exists());
        found.map(Self).ok_or_else(|| Error::Refused {
            slug: "backup-no-programs",
            reason: format!(
                "pg_dump of PostgreSQL {major} is not installed; install its client package, or set backup.postgres_bin"
            ),
        })
    }

    /// The definitions of something at one moment, as an archive of pg_dump's.
    pub(crate) async fn definitions(&self, target: &Target, snapshot: &str, what: &[String]) -> Result<Vec<u8>, Error> {
        let mut command = self.command("pg_dump");
        command
            .args([
                "--format=custom",
                "--schema-only",
                "--no-password",
                "--lock-wait-timeout=60s",
                "--encoding=UTF8",
            ])
            .args([
                "--no-publications",
                "--no-subscriptions",
                "--no-security-labels",
                "--no-tablespaces",
            ])
            .arg(format!("--snapshot={snapshot}"))
            .args(what)
            .envs(target.libpq_environment())
            .env("PGAPPNAME", "weir-backup definitions");
        run("pg_dump", command, &[]).await
    }

    /// What an archive lists, each with what it depends on.
    pub(crate) async fn contents(&self, archive: &[u8]) -> Result<String, Error> {
        let mut command = self.command("pg_restore");
        command.args(["--list", "--verbose"]);
        text(run("pg_restore", command, archive).await?)
    }

    /// A section of an archive as SQL: those of its entries that have these numbers.
    pub(crate) async fn sql(&self, archive: &[u8], section: &str, entries: &[u32]) -> Result<String, Error> {
        let list: String = entries.iter().map(|entry| format!("{entry};\n")).collect();
        let mut file = tempfile::NamedTempFile::new().map_err(|error| Error::file(Path::new("a list"), error))?;
        let written = std::io::Write::write_all(&mut file, list.as_bytes());
        written.map_err(|error| Error::file(file.path(), error))?;
        let mut command = self.command("pg_restore");
        command
            .args(["--no-owner", "--no-privileges", "--no-tablespaces", "--file=-"])
            .arg(format!("--section={section}"))
            .arg("--use-list")
            .arg(file.path());
        Ok(without_commands(text(run("pg_restore", command, archive).await?)?))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.0.join(program));
        command.env_clear().env("LC_ALL", "C").kill_on_drop(true);
        command
    }
}

fn text(bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|error| Error::Refused {
        slug: "backup-definitions",
        reason: format!("definitions that are no UTF-8 cannot be read: {error}"),
    })
}

/// Newer versions put a command to psql around the text, and its counterpart behind.
fn without_commands(sql: String) -> String {
    let Some(at) = sql.find("\n\\restrict ") else {
        return sql;
    };
    let (before, rest) = sql.split_at_checked(at).unwrap_or((&sql, ""));
    let (word, after) = rest
        .strip_prefix("\n\\restrict ")
        .and_then(|rest| rest.split_once('\n'))
        .unwrap_or_default();
    let end = format!("\n\\unrestrict {word}");
    let (inner, tail) = after.rsplit_once(end.as_str()).unwrap_or((after, ""));
    format!("{before}\n{inner}\n{tail}")
}

/// Runs a program to its end. Dropped before, it is killed.
async fn run(name: &str, mut command: Command, input: &[u8]) -> Result<Vec<u8>, Error> {
    let failed = |said: String| Error::Program {
        program: name.to_owned(),
        said,
    };
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let mut stdin = child.stdin.take();
    let feeding = async {
        if let Some(stdin) = &mut stdin {
            // A program that ends early says why by itself.
            let _ = stdin.write_all(input).await;
        }
        drop(stdin);
    };
    let running = async { tokio::join!(feeding, child.wait_with_output()).1 };
    let ended = tokio::time::timeout(WITHIN, running).await;
    let output = ended
        .map_err(|_| failed(format!("it did not end within {WITHIN:?}")))?
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(last_of(&String::from_utf8_lossy(&output.stderr))));
    }
    if output.stdout.len() > DEFINITIONS_BYTES_MAX {
        return Err(failed(format!("it wrote more than {DEFINITIONS_BYTES_MAX} bytes")));
    }
    Ok(output.stdout)
}

fn last_of(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut told = lines.join("; ");
    let mut end = told.len().min(SAID_BYTES_MAX);
    while !told.is_char_boundary(end) {
        end -= 1;
    }
    told.truncate(end);
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_to_psql_are_not_for_the_server() {
        let sql = "--\n\n\\restrict abc\n\nselect $$\n\\restrict x\n$$;\n\n\\unrestrict abc\n\n".to_owned();
        assert_eq!(without_commands(sql), "--\n\n\nselect $$\n\\restrict x\n$$;\n\n\n\n");
        assert_eq!(without_commands("select 1;\n".to_owned()), "select 1;\n");
    }
}
