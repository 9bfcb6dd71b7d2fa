//! `wal-push` and `wal-fetch` as a server calls them: archived by the one, recovered by the other.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use tempfile::TempDir;
use weir_testkit::{Postgres, PostgresOptions, eventually};

const SOON: Duration = Duration::from_secs(60);

/// A place that the server's user may use: a repository, a key, settings, the program.
struct Place {
    dir: TempDir,
    user: (u32, u32),
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let place = Self { dir, user: (0, 0) };
        place.file("key", &"0b".repeat(32));
        let at = place.dir.path().display();
        let table = format!("{{ name = \"main\", url = \"file://{at}/repository\", key_file = \"{at}/key\" }}");
        place.file("weir.toml", &format!("[backup]\nrepositories = [{table}]\n"));
        // A copy, because where it was built others may not look.
        fs::copy(env!("CARGO_BIN_EXE_backup"), place.path("backup")).unwrap();
        fs::create_dir(place.path("repository")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn give(&self, path: &Path) {
        chown(path, Some(self.user.0), Some(self.user.1)).unwrap();
    }

    fn helper(&self, verb: &str, words: &str) -> String {
        let (program, settings) = (self.path("backup"), self.path("weir.toml"));
        format!(
            "{} {verb} --config {} --repository main {words}",
            program.display(),
            settings.display()
        )
    }

    /// Runs a program as the server's user.
    fn run(&self, program: &Path, arguments: &[&str]) -> Output {
        let (uid, gid) = self.user;
        let mut command = Command::new("setpriv");
        command.args([
            format!("--reuid={uid}"),
            format!("--regid={gid}"),
            "--clear-groups".to_owned(),
        ]);
        command.arg(program).args(arguments).current_dir(self.dir.path());
        command.output().unwrap()
    }

    fn shell(&self, line: &str) -> Option<i32> {
        self.run(Path::new("sh"), &["-c", line]).status.code()
    }
}

/// A copy of a cluster's files that recovers with what the repository has.
struct Copied<'a> {
    place: &'a Place,
    bin: PathBuf,
    data: PathBuf,
    port: String,
}

impl<'a> Copied<'a> {
    fn new(place: &'a Place, postgres: &Postgres) -> Self {
        let copied = Self {
            place,
            bin: postgres.bin_dir(),
            data: place.path("data"),
            port: weir_testkit::free_port().to_string(),
        };
        let url = postgres.url("postgres");
        let words = [
            "-D",
            copied.data.to_str().unwrap(),
            "-d",
            &url,
            "-X",
            "none",
            "-c",
            "fast",
        ];
        let taken = place.run(&copied.bin.join("pg_basebackup"), &words);
        assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
        let settings = format!(
            "fsync = off\nport = {}\nlisten_addresses = ''\nunix_socket_directories = '{}'\nrestore_command = '{}'\n",
            copied.port,
            place.dir.path().display(),
            place.helper("wal-fetch", "%f %p")
        );
        for (name, content) in [("postgresql.conf", settings.as_str()), ("recovery.signal", "")] {
            fs::write(copied.data.join(name), content).unwrap();
            place.give(&copied.data.join(name));
        }
        copied
    }

    fn control(&self, words: &[&str]) -> Option<i32> {
        let log = self.place.path("log");
        let mut all = vec!["-D", self.data.to_str().unwrap(), "-l", log.to_str().unwrap(), "-w"];
        all.extend(words);
        // With its output in a file, because the server keeps what it is given.
        let line = format!(
            "{} {} >/dev/null 2>&1",
            self.bin.join("pg_ctl").display(),
            all.join(" ")
        );
        self.place.shell(&line)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.place.path("log")).unwrap()
    }

    fn ask(&self, sql: &str) -> String {
        let directory = self.place.dir.path().to_str().unwrap();
        let words = [
            "-XAtq", "-h", directory, "-p", &self.port, "-U", "postgres", "-c", sql, "postgres",
        ];
        let asked = self.place.run(&self.bin.join("psql"), &words);
        String::from_utf8(asked.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Copied<'_> {
    fn drop(&mut self) {
        self.control(&["stop", "-m", "immediate"]);
    }
}

/// A server that archives into the place.
async fn archiving(place: &mut Place) -> Postgres {
    let options = PostgresOptions::new()
        .setting("full_page_writes", "on")
        .setting("archive_mode", "on")
        .setting("archive_command", &place.helper("wal-push", "%p"));
    let postgres = options.start().await;
    let facts = fs::metadata(postgres.data_dir()).unwrap();
    place.user = (facts.uid(), facts.gid());
    // Until then its attempts fail, and are made again.
    for name in ["", "repository"] {
        place.give(&place.path(name));
    }
    postgres
}

async fn until_archived(postgres: &Postgres) -> String {
    let name = postgres
        .psql("postgres", "select pg_walfile_name(pg_switch_wal())")
        .await;
    let sql = format!("select last_archived_wal >= '{name}' from pg_stat_archiver");
    eventually("the segment to be archived", SOON, async || {
        let found = postgres.psql("postgres", &sql).await;
        if found == "t" { Ok(()) } else { Err(found) }
    })
    .await;
    name
}

#[tokio::test]
async fn a_server_is_archived_by_the_one_and_recovered_by_the_other() {
    let mut place = Place::new();
    let postgres = archiving(&mut place).await;
    postgres
        .psql("postgres", "create table t as select generate_series(1, 10) n")
        .await;
    let copied = Copied::new(&place, &postgres);
    for _ in 0..4 {
        let sql = "insert into t select generate_series(1, 50000);\nselect pg_switch_wal()";
        postgres.psql("postgres", sql).await;
    }
    until_archived(&postgres).await;
    assert_eq!(copied.control(&["start"]), Some(0), "{}", copied.log());
    eventually("the recovery to end", SOON, async || {
        let found = copied.ask("select count(*), pg_is_in_recovery() from t");
        if found == "200010|f" { Ok(()) } else { Err(found) }
    })
    .await;
    assert!(copied.log().contains("restored log file"), "{}", copied.log());
}

#[tokio::test]
async fn a_recovery_does_not_take_trouble_for_the_end_of_the_log() {
    let mut place = Place::new();
    let postgres = archiving(&mut place).await;
    postgres
        .psql("postgres", "create table t as select generate_series(1, 10) n")
        .await;
    let name = until_archived(&postgres).await;
    let got = place.path("got");
    let fetch = |name: &str| place.shell(&place.helper("wal-fetch", &format!("{name} {}", got.display())));
    assert_eq!(fetch(&name), Some(0));
    let own = fs::read(&got).unwrap();
    assert_eq!(own.len(), 16 << 20);
    // What is not there is the end, and leaves nothing behind.
    fs::remove_file(&got).unwrap();
    for absent in ["0000000100000077000000FF", "00000002.history", "unknown"] {
        assert_eq!(fetch(absent), Some(1), "{absent}");
        assert!(!got.exists());
    }
    // Everything else stops a recovery: words that make no sense, a key that is not right.
    assert_eq!(place.shell(&place.helper("wal-fetch", "one")), Some(150));
    let copied = Copied::new(&place, &postgres);
    until_archived(&postgres).await;
    place.file("key", &"0c".repeat(32));
    assert_eq!(fetch(&name), Some(150));
    assert_eq!(copied.control(&["start"]), Some(1), "{}", copied.log());
    assert!(copied.log().contains("exit code 150"), "{}", copied.log());
    place.file("key", &"0b".repeat(32));
    assert_eq!(copied.control(&["start"]), Some(0), "{}", copied.log());

    // A push is taken twice, and never something else in its place.
    let push = |path: &Path| place.shell(&place.helper("wal-push", &path.display().to_string()));
    let segment = place.path(&name);
    fs::write(&segment, &own).unwrap();
    assert_eq!(push(&segment), Some(0), "the same again");
    let mut other = own.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&segment, &other).unwrap();
    assert_eq!(push(&segment), Some(1), "other content");
    assert_eq!(push(&place.path("none")), Some(1));
}
