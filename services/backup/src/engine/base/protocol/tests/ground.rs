//! What the tests of backups over the protocol stand on: a server, a repository, and what comes of a backup.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_testkit::{Postgres, PostgresOptions, Process, eventually, free_port};
use weir_upstream::Target;

use crate::engine::base::protocol::back_up;
use crate::engine::base::{Options, Taken};
use crate::engine::pace::Pace;
use crate::engine::progress::Progress;
use crate::error::Error;
use crate::repo::Repository;
use crate::repo::codec::Compression;
use crate::repo::intake::Intake;
use crate::repo::manifest::{EntryKind, Manifest};
use crate::repo::reader::ChunkReader;
use crate::repo::state::{BackupEntry, BackupKind, BackupState};
use crate::repo::tests::repository_in;

pub(super) const SOON: Duration = Duration::from_secs(60);

/// A server with checksums that keeps the log that a test needs.
pub(super) async fn server(settings: &[(&str, &str)]) -> Postgres {
    let options = PostgresOptions::new()
        .checksums()
        .setting("wal_keep_size", "1GB")
        .setting("full_page_writes", "on");
    let with = |options: PostgresOptions, (name, value): &(&str, &str)| options.setting(name, value);
    settings.iter().fold(options, with).start().await
}

/// The first number of its version.
pub(super) async fn version(postgres: &Postgres) -> u32 {
    let number = postgres.psql("postgres", "show server_version_num").await;
    number.parse::<u32>().unwrap() / 10_000
}

pub(super) fn target(postgres: &Postgres) -> Target {
    Target::parse(&postgres.url("postgres")).unwrap()
}

/// A repository in a directory of its own.
pub(super) struct Place {
    pub(super) repository: Repository,
    pub(super) dir: TempDir,
}

impl Place {
    pub(super) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            repository: repository_in(&dir).await,
            dir,
        }
    }

    /// How many backups are listed.
    pub(super) async fn listed(&self) -> usize {
        self.repository.state().await.unwrap().backups.len()
    }
}

pub(super) fn pace(bytes_per_second: u64) -> Pace {
    Pace::new(bytes_per_second, CancellationToken::new(), Progress::default())
}

/// Waits until so much was copied.
pub(super) async fn copied(pace: &Pace, bytes: u64) {
    eventually("the copy to have come so far", SOON, async || {
        let reached = pace.progress().reached();
        if reached.phase == "copy" && reached.done_bytes >= bytes {
            Ok(())
        } else {
            Err(format!("{reached:?}"))
        }
    })
    .await;
}

/// Takes a backup and has it listed.
pub(super) async fn backed_up(
    place: &Place,
    target: &Target,
    basis: Option<&BackupEntry>,
    pace: &Pace,
) -> Result<(BackupEntry, Taken), Error> {
    backed_up_with(place, target, basis, pace, true).await
}

/// The same with a checkpoint that is quick, or takes its time.
pub(super) async fn backed_up_with(
    place: &Place,
    target: &Target,
    basis: Option<&BackupEntry>,
    pace: &Pace,
    checkpoint_now: bool,
) -> Result<(BackupEntry, Taken), Error> {
    let basis = basis.map(|basis| basis.id.as_str());
    let intake = Intake::begin(&place.repository, Uuid::now_v7(), basis, "a test").await?;
    let options = Options {
        threads: 2,
        compression: Compression::Zstd(1),
        checkpoint_now,
        page_checksums: true,
        label: "it's a test".to_owned(),
    };
    let taken = back_up(target, &intake, &options, pace).await?;
    let entry = commit(&intake, &taken).await?;
    Ok((entry, taken))
}

async fn commit(intake: &Arc<Intake>, taken: &Taken) -> Result<BackupEntry, Error> {
    let manifest = Manifest {
        files: taken.files.clone(),
        tablespaces: taken.tablespaces.clone(),
        backup_label: taken.backup_label.clone(),
        tablespace_map: taken.tablespace_map.clone(),
        start: Some(taken.start),
        stop: Some(taken.stop),
        ..Manifest::default()
    };
    let mut entry = BackupEntry::default();
    entry.set_kind(BackupKind::Full);
    entry.set_state(BackupState::Unproven);
    Ok(intake.commit(manifest, entry).await?)
}

/// The files of a backup by their paths, each held against its sum.
pub(super) async fn files(place: &Place, entry: &BackupEntry) -> Vec<(String, Vec<u8>)> {
    let manifest = place.repository.manifest(entry).await.unwrap();
    let mut reader = ChunkReader::new(place.repository.clone(), manifest.packs.clone().into());
    let (mut files, mut chunk_content) = (Vec::new(), Vec::new());
    for file in manifest.files.iter().filter(|file| file.kind() == EntryKind::File) {
        let mut content = Vec::new();
        for chunk in file.chunks() {
            reader.read(&chunk.unwrap(), &mut chunk_content).await.unwrap();
            content.extend_from_slice(&chunk_content);
        }
        assert_eq!(content.len() as u64, file.bytes, "{}", file.path);
        assert_eq!(crc32c::crc32c(&content), file.crc32c, "{}", file.path);
        files.push((file.path.clone(), content));
    }
    files
}

/// A data directory that was made of a backup, as the server's user has it.
pub(super) struct Restored {
    dir: TempDir,
    bin: PathBuf,
    owner: (u32, u32),
    port: u16,
    process: Option<Process>,
}

impl Restored {
    /// Writes a backup's files to an empty directory; those of tablespaces go beside it.
    pub(super) async fn of(place: &Place, entry: &BackupEntry, origin: &Postgres) -> Self {
        let facts = fs::metadata(origin.data_dir()).unwrap();
        let restored = Self {
            dir: tempfile::tempdir().unwrap(),
            bin: origin.bin_dir(),
            owner: (facts.uid(), facts.gid()),
            port: free_port(),
            process: None,
        };
        let data = restored.data();
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
        let manifest = place.repository.manifest(entry).await.unwrap();
        let mut links = Vec::new();
        for tablespace in &manifest.tablespaces {
            let location = restored.dir.path().join(format!("tablespace-{}", tablespace.oid));
            fs::create_dir(&location).unwrap();
            links.push((format!("pg_tblspc/{}", tablespace.oid), location));
        }
        for entry in &manifest.files {
            let path = data.join(&entry.path);
            match entry.kind() {
                EntryKind::Directory => fs::create_dir(&path).unwrap(),
                EntryKind::Link => symlink(&entry.target, &path).unwrap(),
                EntryKind::File => continue,
            }
            if entry.path == "pg_tblspc" {
                links
                    .iter()
                    .for_each(|(link, location)| symlink(location, data.join(link)).unwrap());
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(entry.mode)).unwrap();
        }
        for (path, content) in files(place, entry).await {
            fs::write(data.join(path), content).unwrap();
        }
        for entry in manifest.files.iter().filter(|entry| entry.kind() == EntryKind::File) {
            fs::set_permissions(data.join(&entry.path), fs::Permissions::from_mode(entry.mode)).unwrap();
        }
        fs::write(data.join("backup_label"), &manifest.backup_label).unwrap();
        restored
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// PostgreSQL's own program finds every file as its manifest says.
    pub(super) fn verify(&self) {
        let verified = Command::new(self.bin.join("pg_verifybackup"))
            .args(["--no-parse-wal", "--exit-on-error"])
            .arg(self.data())
            .output()
            .unwrap();
        let said = [verified.stdout, verified.stderr].concat();
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&said));
    }

    /// Gives it the log of its origin, and starts a server on it that reads all of that.
    pub(super) async fn start(&mut self, origin: &Postgres) {
        for file in fs::read_dir(origin.data_dir().join("pg_wal")).unwrap().flatten() {
            if file.file_type().unwrap().is_file() {
                fs::copy(file.path(), self.data().join("pg_wal").join(file.file_name())).unwrap();
            }
        }
        own(self.dir.path(), self.owner);
        let mut line: Vec<String> = Vec::new();
        let own_uid = fs::metadata("/proc/self").unwrap().uid();
        if own_uid == 0 {
            let (uid, gid) = self.owner;
            line.extend(["setpriv".to_owned(), format!("--reuid={uid}"), format!("--regid={gid}")]);
            line.push("--clear-groups".to_owned());
        }
        line.push(self.bin.join("postgres").display().to_string());
        line.extend(["-D".to_owned(), self.data().display().to_string()]);
        for setting in [
            format!("port={}", self.port),
            format!("unix_socket_directories={}", self.dir.path().display()),
        ] {
            line.extend(["-c".to_owned(), setting]);
        }
        self.process = Some(Process::start(&line[0], &line[1..], &[]));
        eventually("the restored server to answer", SOON, async || {
            self.try_ask("postgres", "select not pg_is_in_recovery()")
                .and_then(|answer| if answer == "t" { Ok(()) } else { Err(answer) })
        })
        .await;
    }

    fn try_ask(&self, database: &str, sql: &str) -> Result<String, String> {
        let output = Command::new(self.bin.join("psql"))
            .args(["-XAtq", "-U", "postgres", "-d", database, "-c", sql])
            .args(["-p", &self.port.to_string(), "-h"])
            .arg(self.dir.path())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
        if output.status.success() {
            Ok(text(output.stdout))
        } else {
            let log = self.process.as_ref().map(Process::output).unwrap_or_default();
            Err(format!("{}\n{log}", text(output.stderr)))
        }
    }

    pub(super) fn ask(&self, database: &str, sql: &str) -> String {
        self.try_ask(database, sql).unwrap()
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.signal("QUIT");
        }
    }
}

/// Gives everything below a directory to the server's user.
fn own(path: &Path, owner: (u32, u32)) {
    let facts = fs::symlink_metadata(path).unwrap();
    if facts.is_symlink() {
        return;
    }
    chown(path, Some(owner.0), Some(owner.1)).unwrap();
    if facts.is_dir() {
        for entry in fs::read_dir(path).unwrap().flatten() {
            own(&entry.path(), owner);
        }
    }
}

/// A pipe to a server, which is shown what the server says before it goes on.
pub(super) fn pipe(port: u16, look: impl Fn(&mut [u8]) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || {
                let copied = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
                copied
            });
            let look = look.clone();
            thread::spawn(move || pass_on(server, client, look));
        }
    });
    own
}

fn pass_on(mut server: TcpStream, mut client: TcpStream, look: impl Fn(&mut [u8])) {
    let mut buffer = vec![0; 65_536];
    while let Ok(count @ 1..) = server.read(&mut buffer) {
        look(&mut buffer[..count]);
        if client.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}

/// The way to a server through a pipe.
pub(super) fn target_at(port: u16) -> Target {
    Target::parse(&format!(
        "postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable"
    ))
    .unwrap()
}
