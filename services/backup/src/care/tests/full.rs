//! A disk that is full: said so, nothing that is listed is lost, what is there can be read, and with room all goes on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::verify::verify;
use super::*;
use crate::repo::Shelf;
use crate::repo::directory::Directory;
use crate::repo::tests::{content, stored_as};
use crate::repo::wal::Segment;

const WAL: u32 = 1 << 20;

/// A file system in memory, of a few megabytes.
struct Small {
    at: PathBuf,
    _dir: tempfile::TempDir,
}

impl Small {
    /// None where nothing may be mounted: then the test is left out, and says so.
    #[expect(clippy::print_stderr, reason = "a test that is left out says so")]
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("small");
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(&at).output();
        match mounted {
            Ok(mounted) if mounted.status.success() => Some(Self { at, _dir: dir }),
            _ => {
                eprintln!("left out: no file system can be mounted here");
                None
            }
        }
    }

    fn repository(&self) -> PathBuf {
        self.at.join("repository")
    }

    /// Leaves no room at all.
    fn fill(&self) {
        let ballast = fs::File::create(self.at.join("ballast")).unwrap();
        let page = [1; 4096];
        while std::io::Write::write_all(&mut &ballast, &page).is_ok() {}
    }

    fn clear(&self) {
        fs::remove_file(self.at.join("ballast")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.at).status());
    }
}

async fn opened(at: &Path) -> Repository {
    let shelf = Shelf::in_directory(Directory::of(at).unwrap(), "test");
    let opened = Repository::open(shelf, Wrapping::of(vec![[5; 32]]), "main", Clock::system(), None).await;
    opened.unwrap()
}

fn is_full<T: std::fmt::Debug>(done: Result<T, impl std::fmt::Display>) -> bool {
    done.unwrap_err().to_string().contains("No space left on device")
}

/// Files that no compression makes smaller.
fn random(bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(9);
    (0..bytes).map(|_| random.u8(..)).collect()
}

#[tokio::test]
async fn a_disk_that_is_full_says_so_and_is_read_all_the_same() {
    let Some(small) = Small::mount() else { return };
    fs::create_dir(small.repository()).unwrap();
    let repository = opened(&small.repository()).await;
    let (kept, files) = (Uuid::from_u128(1), [("base/1/1", content(1, 300_000))]);
    stored_as(&repository, kept, None, &files).await.unwrap();
    let mut ledger = Ledger::default();
    ledger.note(kept, &files);
    // More than fits.
    let (id, large) = (Uuid::from_u128(2), [("base/1/2", random(8 << 20))]);
    assert!(is_full(stored_as(&repository, id, None, &large).await));
    small.fill();
    let segment = Segment::at(1, u64::from(WAL), WAL);
    assert!(is_full(repository.put_piece(segment, 0, &random(20_000), 1).await));
    assert!(is_full(repository.change(|_| Ok(())).await));
    // There is nothing to collect, which needs no room.
    assert_eq!(round(&repository, &at_once()).await.unwrap().removed_objects, 0);
    // Whoever comes now can read and prove what is there.
    let again = opened(&small.repository()).await;
    assert_eq!(ledger.check(&again, "full").await.len(), 1);
    assert!(verify(&again, &pace()).await.unwrap().damage.is_empty());

    small.clear();
    for repository in [&repository, &again] {
        assert_eq!(ledger.check(repository, "with room").await.len(), 1);
    }
    let fits = [("base/1/2", random(400_000))];
    stored_as(&repository, id, Some(&kept.to_string()), &fits)
        .await
        .unwrap();
    ledger.note(id, &fits);
    repository.put_piece(segment, 0, &random(20_000), 1).await.unwrap();
    for _ in 0..3 {
        round(&repository, &at_once()).await.unwrap();
    }
    assert_eq!(ledger.check(&again, "afterwards").await.len(), 2);
    assert!(verify(&again, &pace()).await.unwrap().damage.is_empty());
    let left = Command::new("find")
        .arg(small.repository())
        .args(["-name", "*#*"])
        .output();
    assert_eq!(String::from_utf8_lossy(&left.unwrap().stdout), "");
}
