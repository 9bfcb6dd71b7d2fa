//! A repository in a directory: what goes in comes out, and what was changed is noticed.

use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::mpsc;
use uuid::Uuid;
use weir_model::Clock;

use super::chunk::{CHUNK_BYTES, Chunk, ChunkList};
use super::codec::Compression;
use super::directory::Directory;
use super::intake::Intake;
use super::keys::Wrapping;
use super::manifest::{FileEntry, Manifest};
use super::reader::ChunkReader;
use super::state::{BackupEntry, BackupKind, BackupState};
use super::{Error, Repository, Shelf};

/// The key of these tests.
const KEY: [u8; 32] = [5; 32];

/// A shelf in a directory.
pub(crate) fn shelf_in(dir: &TempDir) -> Shelf {
    Shelf::in_directory(Directory::of(dir.path()).unwrap(), "test")
}

/// A repository in a directory.
pub(crate) async fn repository_in(dir: &TempDir) -> Repository {
    let opened = Repository::open(shelf_in(dir), Wrapping::of(vec![KEY]), "main", Clock::system(), None).await;
    opened.unwrap()
}

/// Stores files as a backup; the basis has them under the same names.
pub(crate) async fn stored(
    repository: &Repository,
    basis: Option<&str>,
    files: &[(&str, Vec<u8>)],
) -> Result<BackupEntry, Error> {
    stored_as(repository, Uuid::now_v7(), basis, files).await
}

/// The same under an id, as an attempt or another attempt.
pub(crate) async fn stored_as(
    repository: &Repository,
    id: Uuid,
    basis: Option<&str>,
    files: &[(&str, Vec<u8>)],
) -> Result<BackupEntry, Error> {
    let intake = Intake::begin(repository, id, basis, "a test").await?;
    let files: Vec<(String, Vec<u8>)> = files
        .iter()
        .map(|(name, content)| ((*name).to_owned(), content.clone()))
        .collect();
    let (send, sealed) = mpsc::channel(2);
    let mut worker = intake.worker(Compression::Zstd(3), send);
    let storing = Arc::clone(&intake).store(sealed, 2);
    let basis = intake.basis().cloned();
    let entries = tokio::task::spawn_blocking(move || {
        let was = |name: &str, at: usize| -> Option<Chunk> {
            let file = basis.as_ref()?.files.iter().find(|file| file.path == name)?;
            file.chunks().nth(at)?.ok()
        };
        let mut entries = Vec::new();
        for (name, content) in &files {
            let mut list = ChunkList::default();
            for (at, piece) in content.chunks(CHUNK_BYTES).enumerate() {
                list.push(&worker.store(piece, was(name, at))?);
            }
            entries.push(FileEntry {
                path: name.clone(),
                bytes: content.len() as u64,
                chunks: list.finish(),
                ..FileEntry::default()
            });
        }
        worker.finish()?;
        Ok::<_, Error>(entries)
    });
    let (files, stored) = tokio::join!(entries, storing);
    let files = files.unwrap()?;
    stored?;
    let manifest = Manifest {
        files,
        ..Manifest::default()
    };
    let mut entry = BackupEntry::default();
    entry.set_kind(BackupKind::Full);
    entry.set_state(BackupState::Unproven);
    intake.commit(manifest, entry).await
}

/// Reads a backup's files.
pub(crate) async fn restored(repository: &Repository, entry: &BackupEntry) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let manifest = repository.manifest(entry).await?;
    let mut reader = ChunkReader::new(repository.clone(), manifest.packs.clone().into());
    let mut files = Vec::new();
    for file in &manifest.files {
        let (mut content, mut chunk_content) = (Vec::new(), Vec::new());
        for chunk in file.chunks() {
            reader.read(&chunk?, &mut chunk_content).await?;
            content.extend_from_slice(&chunk_content);
        }
        files.push((file.path.clone(), content));
    }
    Ok(files)
}

/// Content that compresses about as well as tables do.
pub(crate) fn content(seed: u64, bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let words: Vec<u64> = (0..4_000).map(|_| random.u64(..)).collect();
    let made = (0..bytes / 8 + 1).flat_map(|_| words[random.usize(..words.len())].to_le_bytes());
    made.take(bytes).collect()
}

#[tokio::test]
async fn what_is_stored_is_read_and_what_changed_costs_little() {
    let dir = tempfile::tempdir().unwrap();
    let repository = repository_in(&dir).await;
    let mut files = vec![
        ("base/1/1", content(1, 3 * CHUNK_BYTES + 8192)),
        ("base/1/2", vec![0; 5 * CHUNK_BYTES]),
        ("empty", Vec::new()),
    ];
    let first = stored(&repository, None, &files).await.unwrap();
    for page in files[0].1.chunks_mut(8192) {
        page[100] ^= 0xFF;
    }
    let second = stored(&repository, Some(&first.id), &files).await.unwrap();
    assert!(
        second.stored_bytes * 20 < first.stored_bytes,
        "{} of {}",
        second.stored_bytes,
        first.stored_bytes
    );
    files[0].1[9] ^= 1;
    let third = stored(&repository, Some(&second.id), &files).await.unwrap();
    let again = repository_in(&dir).await;
    let expected: Vec<_> = files
        .iter()
        .map(|(name, content)| ((*name).to_owned(), content.clone()))
        .collect();
    assert_eq!(restored(&again, &third).await.unwrap(), expected);
    assert_eq!(again.state().await.unwrap().backups.len(), 3);
}

#[tokio::test]
async fn another_key_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    repository_in(&dir).await;
    let other = Repository::open(
        shelf_in(&dir),
        Wrapping::of(vec![[6; 32]]),
        "main",
        Clock::system(),
        None,
    )
    .await;
    assert!(matches!(other, Err(Error::WrongKey { .. })), "{other:?}");
}

#[tokio::test]
async fn a_repository_that_was_rolled_back_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    let repository = repository_in(&dir).await;
    stored(&repository, None, &[("a", content(1, 10))]).await.unwrap();
    let seen = repository.seen().await.unwrap();
    let last = super::generation_path(seen.generation);
    let open = || {
        Repository::open(
            shelf_in(&dir),
            Wrapping::of(vec![KEY]),
            "main",
            Clock::system(),
            Some(&seen),
        )
    };
    open().await.unwrap();
    std::fs::remove_file(dir.path().join(last)).unwrap();
    let opened = open().await;
    assert!(matches!(opened, Err(Error::RolledBack { .. })), "{opened:?}");
}

#[tokio::test]
async fn of_many_changes_at_once_none_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let writers: Vec<Repository> = futures_util::future::join_all((0..4).map(|_| repository_in(&dir))).await;
    let changes = writers.iter().flat_map(|repository| {
        (0..5).map(|_| {
            repository.change(|state| {
                state.system_identifier += 1;
                Ok(())
            })
        })
    });
    for changed in futures_util::future::join_all(changes).await {
        changed.unwrap();
    }
    let state = repository_in(&dir).await.state().await.unwrap();
    assert_eq!((state.system_identifier, state.generation), (20, 21));
}

#[tokio::test]
async fn an_attempt_that_was_cut_off_is_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let repository = repository_in(&dir).await;
    let id = Uuid::now_v7();
    let content = content(3, CHUNK_BYTES);
    for (attempt, objects) in [(1, 1), (2, 0)] {
        let intake = Intake::begin(&repository, id, None, "a test").await.unwrap();
        let (send, sealed) = mpsc::channel(2);
        let mut worker = intake.worker(Compression::Zstd(3), send);
        let storing = Arc::clone(&intake).store(sealed, 2);
        let content = content.clone();
        let working = tokio::task::spawn_blocking(move || {
            worker.store(&content, None).unwrap();
            worker.finish().unwrap();
        });
        let (worked, stored) = tokio::join!(working, storing);
        worked.unwrap();
        stored.unwrap();
        assert_eq!(intake.stored().1, objects, "attempt {attempt}");
    }
    assert_eq!(
        repository.state().await.unwrap().backups,
        vec![],
        "nothing is listed before it is whole"
    );
}

#[tokio::test]
async fn of_two_attempts_under_one_id_the_later_counts() {
    let dir = tempfile::tempdir().unwrap();
    let repository = repository_in(&dir).await;
    let id = Uuid::now_v7();
    let earlier = Intake::begin(&repository, id, None, "a test").await.unwrap();
    let later = Intake::begin(&repository, id, None, "a test").await.unwrap();
    let ended = earlier.commit(Manifest::default(), BackupEntry::default()).await;
    assert!(matches!(ended, Err(Error::Fenced(_))), "{ended:?}");
    assert!(earlier.renew().await.is_err());
    earlier.abandon().await.unwrap();
    later.renew().await.unwrap();
    later.commit(Manifest::default(), BackupEntry::default()).await.unwrap();
}

#[tokio::test]
async fn a_writer_that_was_taken_for_dead_lists_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let repository = repository_in(&dir).await;
    let intake = Intake::begin(&repository, Uuid::now_v7(), None, "a test")
        .await
        .unwrap();
    let ended = repository.change(|state| {
        state.leases.clear();
        Ok(())
    });
    ended.await.unwrap();
    let committed = intake.commit(Manifest::default(), BackupEntry::default()).await;
    assert!(matches!(committed, Err(Error::Fenced(_))), "{committed:?}");
    assert_eq!(repository.state().await.unwrap().backups, vec![]);
}
