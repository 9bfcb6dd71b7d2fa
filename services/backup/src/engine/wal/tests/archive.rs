//! What an `archive_command` puts into a directory, and waiting for a part of the log.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use weir_model::Coded as _;

use super::*;
use crate::engine::wal::{Way, ensure, whereabouts};

const S: u32 = 16 << 20;

/// A directory that the server may write to.
fn open_to_all() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    dir
}

fn names(dir: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path()).unwrap().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn until_left(dir: &TempDir, left: &[&str]) {
    eventually("the archive to be taken", SOON, async || {
        let found = names(dir);
        if found == left {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    })
    .await;
}

/// A server that lets nobody replicate, and copies its segments into a directory.
async fn archiving(dir: &TempDir) -> Postgres {
    let command = format!("cp %p {0}/%f.tmp && mv {0}/%f.tmp {0}/%f", dir.path().display());
    let options = PostgresOptions::new()
        .hba("host all all 127.0.0.1/32 trust")
        .setting("archive_mode", "on")
        .setting("archive_command", &command);
    server(options).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_stream_the_log_comes_through_the_archive() {
    let archive = open_to_all();
    let postgres = archiving(&archive).await;
    let directory = archive.path().to_owned();
    let mut world = World::new(&postgres, 2, |settings| {
        settings.wal_archive_directory = Some(directory);
    })
    .await;
    world.start();
    world.until_reason("replication").await;
    write(&postgres, 30).await;
    let end = flushed(&postgres).await;
    let keeper = world.keeper.clone();
    let first = world.repository(0).await;
    eventually("the first segments", SOON, async || {
        let whole = first.segments(1, S).await.unwrap().len();
        if whole > 0 { Ok(()) } else { Err(whole) }
    })
    .await;
    let from = first_kept(&first, 1, S).await;
    let repository = keeper.repositories.get("r0").await.unwrap();
    // The open segment is asked for, because nothing would bring it.
    ensure(&keeper, &repository, position(1, from), position(1, end))
        .await
        .unwrap();
    until_left(&archive, &[]).await;
    let state = world.log.state();
    assert_eq!(state.way, Way::Archive);
    assert!(
        state.durable.unwrap().lsn >= end && state.reason.contains("replication"),
        "{state:?}"
    );
    for number in 0..2 {
        let kept = kept_log(&world.repository(number).await, 1, from, end, S).await;
        assert_same(&kept[..S as usize], &own_or(&postgres, from, &kept), from);
    }
    world.stop().await;
}

/// The server's own first segment, where it is there still.
fn own_or(postgres: &Postgres, from: u64, kept: &[u8]) -> Vec<u8> {
    let path = postgres.data_dir().join("pg_wal").join(Segment::at(1, from, S).name());
    fs::read(path).unwrap_or_else(|_| kept[..S as usize].to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_what_their_names_say_or_stay() {
    let archive = open_to_all();
    let postgres = postgres().await;
    let directory = archive.path().to_owned();
    let mut world = World::new(&postgres, 1, |settings| {
        settings.wal_archive_directory = Some(directory);
    })
    .await;
    world.start();
    let end = world.until_safe(&postgres).await;
    let open = Segment::at(1, end, S);
    let own = fs::read(postgres.data_dir().join("pg_wal").join(open.name())).unwrap();

    // What is right is taken, in whatever order it lies there.
    let old = Segment::at(7, end, S);
    fs::write(path(&archive, "00000007.history"), "1\t0/1000000\tx\n").unwrap();
    fs::write(path(&archive, &format!("{}.partial", old.name())), &own).unwrap();
    fs::write(
        path(&archive, &format!("{}.00000028.backup", open.name())),
        "START WAL LOCATION",
    )
    .unwrap();
    fs::write(path(&archive, "unknown.file"), "x").unwrap();
    until_left(&archive, &["unknown.file"]).await;
    let repository = world.repository(0).await;
    assert_eq!(repository.history(7).await.unwrap().unwrap(), b"1\t0/1000000\tx\n");
    let partial = whereabouts::known(&repository, old).await.unwrap();
    assert!(own.starts_with(&partial) && own[partial.len()..].iter().all(|byte| *byte == 0));
    // A record may end with zeros.
    assert!(partial.len() as u64 + 64 >= end - open.start());

    // What is wrong stays, and is told of once it can no longer become right.
    let other = open.next().next();
    let mut foreign = own.clone();
    foreign[24] ^= 1;
    foreign[8..16].copy_from_slice(&other.start().to_le_bytes());
    for (name, content) in [
        (other.name(), foreign.as_slice()),
        (other.next().name(), own.as_slice()),
        (open.name(), &own[..1000]),
        ("00000007.history".to_owned(), b"1\t0/2000000\tx\n".as_slice()),
    ] {
        let file = path(&archive, &name);
        fs::write(&file, content).unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(file.exists(), "{name} might have become whole");
        let long_ago = Clock::system().now() - Duration::from_secs(3600);
        fs::File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        world.until_reason("was not taken").await;
        assert!(file.exists(), "{name} was removed");
        fs::remove_file(&file).unwrap();
        eventually("the archive to be well", SOON, async || {
            let reason = world.log.state().reason;
            if reason.is_empty() { Ok(()) } else { Err(reason) }
        })
        .await;
    }
    assert!(!repository.has_segment(other).await.unwrap());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_the_log_is_waited_for_or_fetched_and_never_made_up() {
    let postgres = postgres().await;
    let mut world = World::new(&postgres, 1, |_| {}).await;
    world.start();
    let begun = world.until_safe(&postgres).await;
    write(&postgres, 20).await;
    let end = flushed(&postgres).await;
    let repository = world.keeper.repositories.get("r0").await.unwrap();
    let ensured = ensure(&world.keeper, &repository, position(1, begun), position(1, end));
    tokio::time::timeout(Duration::from_secs(10), ensured)
        .await
        .unwrap()
        .unwrap();
    kept_log(&repository, 1, begun, end, S).await;
    world.stop().await;

    // Nobody receives: it is fetched.
    let dirs = std::mem::take(&mut world.dirs);
    let world = World::in_dirs(dirs, &postgres.url("postgres"), |settings| settings.wal = false).await;
    write(&postgres, 20).await;
    let later = flushed(&postgres).await;
    let repository = world.keeper.repositories.get("r0").await.unwrap();
    ensure(&world.keeper, &repository, position(1, begun), position(1, later))
        .await
        .unwrap();
    let from = later - later % u64::from(S);
    let kept = kept_log(&repository, 1, from, later, S).await;
    assert_same(&kept, &own_log(&postgres, 1, from, later, S), from);
    kept_log(&repository, 1, begun, later, S).await;

    // It is gone: that is said.
    postgres
        .psql("postgres", "select pg_drop_replication_slot('weir_backup')")
        .await;
    for _ in 0..4 {
        write(&postgres, 60).await;
        postgres.psql("postgres", "checkpoint").await;
    }
    let now = flushed(&postgres).await;
    let refused = ensure(&world.keeper, &repository, position(1, later), position(1, now)).await;
    assert_eq!(refused.unwrap_err().slug(), "backup-log-missing");
}
