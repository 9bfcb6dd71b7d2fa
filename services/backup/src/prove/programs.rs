//! The programs of PostgreSQL, and the user that its servers run as.
//!
//! A program is started without a shell and without this process's environment.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::error::Error;
use crate::settings::BackupSettings;

/// Where packages put the programs of a major version.
const PACKAGED: &str = "/usr/lib/postgresql";
/// What utilities a server may call are here.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The programs of one major version.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    bin: PathBuf,
    major: u32,
    account: Option<Account>,
}

/// Who servers run as, where this process is root: PostgreSQL does not run as that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Account {
    uid: u32,
    gid: u32,
}

impl Programs {
    /// Those for a server of this version, such as `150018`. The error says what is missing.
    pub(crate) async fn find(settings: &BackupSettings, server_version: u32) -> Result<Self, Error> {
        let major = server_version / 10_000;
        let packaged = || Path::new(PACKAGED).join(major.to_string()).join("bin");
        let bin = settings.postgres_bin.clone().unwrap_or_else(packaged);
        let account = match rustix::process::geteuid().is_root() {
            true => Some(Account::find(&settings.postgres_user)?),
            false => None,
        };
        let found = Self { bin, major, account };
        for program in ["postgres", "pg_controldata"] {
            found.check_there(program)?;
        }
        found.check_version().await?;
        Ok(found)
    }

    fn check_there(&self, program: &str) -> Result<(), Error> {
        let path = self.bin.join(program);
        let runs =
            std::fs::metadata(&path).is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0);
        if runs {
            return Ok(());
        }
        let (path, major) = (path.display(), self.major);
        Err(refused(format!(
            "there is no program {path}, and a backup of PostgreSQL {major} can be proven by PostgreSQL {major} only; \
             install it, or set backup.postgres_bin"
        )))
    }

    async fn check_version(&self) -> Result<(), Error> {
        let said = self.output("postgres", &["--version"]).await?;
        match major_of(&said) {
            Some(found) if found == self.major => Ok(()),
            _ => Err(refused(format!(
                "the programs in {} are of {}, and the backup is of PostgreSQL {}",
                self.bin.display(),
                said.trim(),
                self.major
            ))),
        }
    }

    /// Where they are.
    pub(crate) fn bin(&self) -> &Path {
        &self.bin
    }

    /// The major version.
    pub(crate) const fn major(&self) -> u32 {
        self.major
    }

    /// A program, to be started as the servers' user.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command
            .env_clear()
            .env("PATH", PATH)
            .env("LC_ALL", "C")
            .env("TZ", "UTC");
        command.stdin(std::process::Stdio::null()).kill_on_drop(true);
        if let Some(account) = self.account {
            // Groups that this process has beyond that are given up with it.
            command.uid(account.uid).gid(account.gid);
        }
        command
    }

    /// What a program says that ends by itself.
    pub(crate) async fn output(&self, program: &str, args: &[&str]) -> Result<String, Error> {
        let output = self.command(program).args(args).output().await;
        let output = output.map_err(|error| Error::file(&self.bin.join(program), error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Error::Program {
            program: program.to_owned(),
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// Gives a file or directory to the servers' user.
    pub(crate) fn own(&self, path: &Path) -> Result<(), Error> {
        let Some(account) = self.account else { return Ok(()) };
        let facts = path.symlink_metadata().map_err(|error| Error::file(path, error))?;
        if (facts.uid(), facts.gid()) == (account.uid, account.gid) {
            return Ok(());
        }
        let owned = lchown(path, Some(account.uid), Some(account.gid));
        owned.map_err(|error| Error::file(path, error))
    }
}

impl Account {
    fn find(name: &str) -> Result<Self, Error> {
        let path = Path::new("/etc/passwd");
        let users = std::fs::read_to_string(path).map_err(|error| Error::file(path, error))?;
        let found = Self::of_line(&users, name).filter(|account| account.uid != 0);
        found.ok_or_else(|| {
            refused(format!(
                "there is no user {name} on this machine, and PostgreSQL does not run as root; set backup.postgres_user"
            ))
        })
    }

    fn of_line(users: &str, name: &str) -> Option<Self> {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(Self {
            uid: fields.next()?.parse().ok()?,
            gid: fields.next()?.parse().ok()?,
        })
    }
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian …)`.
fn major_of(said: &str) -> Option<u32> {
    let version = said.split_whitespace().nth(2)?;
    let digits = version.split(|letter: char| !letter.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// Something is missing on this machine, which says nothing about a backup.
pub(super) fn refused(reason: String) -> Error {
    Error::Refused {
        slug: "backup-no-scratch",
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_programs_write_them() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-1)\n"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major_of("postgres\n"), None);
    }

    #[test]
    fn an_account_is_that_of_exactly_its_name() {
        let users = "root:x:0:0::/root:/bin/sh\npostgres2:x:9:9::/:/bin/sh\npostgres:x:101:104::/:/bin/sh\n";
        assert_eq!(
            Account::of_line(users, "postgres"),
            Some(Account { uid: 101, gid: 104 })
        );
        assert_eq!(Account::of_line(users, "nobody"), None);
    }
}
