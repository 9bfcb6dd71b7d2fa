//! Finds the newest PostgreSQL server on this machine, and the user that it may run as.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::place::own_uid;

/// Where packages put server versions side by side.
const VERSIONS: [(&str, &str); 2] = [("/usr/lib/postgresql", ""), ("/usr", "pgsql-")];

/// The programs of one PostgreSQL version.
#[derive(Clone)]
pub(super) struct Install {
    pub(super) bin: PathBuf,
    pub(super) account: Account,
}

/// Who the server runs as; PostgreSQL refuses to run as root.
#[derive(Clone, Copy)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
    switch: bool,
}

impl Install {
    pub(super) fn find() -> Self {
        let bin = chosen().or_else(packaged).or_else(configured).expect(
            "no PostgreSQL server found; install the package postgresql, or name its bin directory in WEIR_TEST_PG_BIN",
        );
        Self {
            bin,
            account: Account::find(),
        }
    }

    /// The server's version, such as `15.4`.
    pub(super) fn version(&self) -> String {
        let output = Command::new(self.bin.join("postgres"))
            .arg("--version")
            .output()
            .expect("run postgres --version");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split_whitespace()
            .nth(2)
            .expect("postgres tells its version")
            .to_owned()
    }

    /// A command line that runs a program of this version as the server's user.
    pub(super) fn command(&self, program: &str, args: &[&Path]) -> Vec<OsString> {
        let mut line = self.account.prefix();
        line.push(self.bin.join(program).into());
        line.extend(args.iter().map(OsString::from));
        line
    }
}

impl Account {
    fn find() -> Self {
        if own_uid() != 0 {
            let gid = fs::metadata("/proc/self")
                .expect("/proc tells who runs this process")
                .gid();
            return Self {
                uid: own_uid(),
                gid,
                switch: false,
            };
        }
        let users = fs::read_to_string("/etc/passwd").expect("read /etc/passwd");
        let (uid, gid) = ["postgres", "nobody"]
            .iter()
            .find_map(|name| ids_of(&users, name))
            .expect("root needs a user postgres or nobody to run PostgreSQL as");
        Self { uid, gid, switch: true }
    }

    fn prefix(self) -> Vec<OsString> {
        if !self.switch {
            return Vec::new();
        }
        let ids = [format!("--reuid={}", self.uid), format!("--regid={}", self.gid)];
        let words = ["setpriv".to_owned()]
            .into_iter()
            .chain(ids)
            .chain(["--clear-groups".to_owned()]);
        words.map(OsString::from).collect()
    }

    /// Gives a file or directory to the server's user.
    pub(super) fn own(self, path: &Path) {
        if self.switch {
            std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid)).expect("give a file to PostgreSQL's user");
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a developer's choice of test server; no setting of Weir"
)]
fn chosen() -> Option<PathBuf> {
    let bin = PathBuf::from(std::env::var_os("WEIR_TEST_PG_BIN")?);
    assert!(
        has_server(&bin),
        "WEIR_TEST_PG_BIN={} holds no PostgreSQL server",
        bin.display()
    );
    Some(bin)
}

fn packaged() -> Option<PathBuf> {
    let found = VERSIONS
        .iter()
        .flat_map(|(folder, prefix)| versions_in(Path::new(folder), prefix));
    found
        .filter(|(_, bin)| has_server(bin))
        .max_by_key(|(version, _)| *version)
        .map(|(_, bin)| bin)
}

fn versions_in(folder: &Path, prefix: &str) -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let version = |name: &str| name.strip_prefix(prefix)?.parse::<u32>().ok();
    entries
        .filter_map(|entry| Some((version(entry.file_name().to_str()?)?, entry.path().join("bin"))))
        .collect()
}

fn configured() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let bin = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    has_server(&bin).then_some(bin)
}

/// A package with the client alone has the directory, but neither of these.
fn has_server(bin: &Path) -> bool {
    ["postgres", "initdb"].iter().all(|program| bin.join(program).is_file())
}

fn ids_of(users: &str, name: &str) -> Option<(u32, u32)> {
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_wins_by_number_not_by_letters() {
        let folder = std::env::temp_dir().join(format!("weir-install-{}", crate::place::unique()));
        for name in ["9", "15", "not-a-version"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let newest = versions_in(&folder, "").into_iter().max().unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(newest, (15, folder.join("15/bin")));
    }

    #[test]
    fn ids_come_from_the_line_of_exactly_that_user() {
        let users = "root:x:0:0::/root:/bin/sh\npostgres2:x:9:9::/:/bin/sh\npostgres:x:101:104::/:/bin/sh\n";
        assert_eq!(ids_of(users, "postgres"), Some((101, 104)));
        assert_eq!(ids_of(users, "nobody"), None);
    }
}
