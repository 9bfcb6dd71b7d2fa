//! Whatever is changed in a repository is noticed, and told with the backups that it affects.

use std::path::PathBuf;

use tempfile::TempDir;

use super::super::verify::{VerifyReport, verify};
use super::*;
use crate::repo::chunk::CHUNK_BYTES;
use crate::repo::state::Position;
use crate::repo::tests::{content, shelf_in, stored};
use crate::repo::wal::Segment;
use crate::repo::{Put, Seen};

const WAL: u32 = 1 << 20;

/// A repository in a directory, with everything in it that can be.
struct Scene {
    dir: TempDir,
    backups: Vec<BackupEntry>,
    seen: Seen,
}

impl Scene {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let scene = Self {
            backups: Vec::new(),
            seen: Seen {
                generation: 0,
                hash: Vec::new(),
            },
            dir,
        };
        let repository = scene.open(None).await.unwrap();
        let mut files = vec![
            ("base/1/1", content(1, 2 * CHUNK_BYTES)),
            ("base/1/2", content(2, 9_000)),
        ];
        let first = stored(&repository, None, &files).await.unwrap();
        files[0].1[5] ^= 0xFF;
        files[1].1 = content(3, 9_000);
        let second = stored(&repository, Some(&first.id), &files).await.unwrap();
        let alone = stored(&repository, None, &[("other", content(4, 9_000))])
            .await
            .unwrap();
        let placed = repository.change(|state| {
            for (at, backup) in state.backups.iter_mut().enumerate() {
                let lsn = u64::from(WAL) * at as u64 + 100;
                backup.start = Some(Position { timeline: 1, lsn });
                backup.stop = Some(Position {
                    timeline: 1,
                    lsn: lsn + 50,
                });
                backup.wal_segment_bytes = WAL;
            }
            Ok(())
        });
        placed.await.unwrap();
        for number in 0..3 {
            let segment = Segment::at(1, number * u64::from(WAL), WAL);
            repository
                .put_segment(segment, &vec![number as u8 + 1; WAL as usize], 1)
                .await
                .unwrap();
        }
        let open = Segment::at(1, 3 * u64::from(WAL), WAL);
        for at in 0..3 {
            repository.put_piece(open, at * 100, &[9; 100], 1).await.unwrap();
        }
        repository.put_history(2, b"1\t0/100\tno reason").await.unwrap();
        let forked = Segment::at(2, 2 * u64::from(WAL), WAL);
        repository.put_segment(forked, &vec![7; WAL as usize], 1).await.unwrap();
        Self {
            backups: vec![first, second, alone],
            seen: repository.seen().await.unwrap(),
            ..scene
        }
    }

    async fn open(&self, seen: Option<&Seen>) -> Result<Repository, repo::Error> {
        let keys = Wrapping::of(vec![[5; 32]]);
        Repository::open(shelf_in(&self.dir), keys, "main", Clock::system(), seen).await
    }

    /// Everything that lies there, as paths within the repository.
    fn objects(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut directories = vec![self.dir.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    let within = path.strip_prefix(self.dir.path()).unwrap();
                    found.push(within.to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    }

    /// The newest generation.
    fn last(&self) -> String {
        repo::generation_path(self.seen.generation)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn read(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.at(path)).unwrap()
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        std::fs::write(self.at(path), bytes).unwrap();
    }

    /// What is noticed: by whoever opens it, or by reading everything.
    async fn notices(&self) -> Result<VerifyReport, String> {
        match self.open(Some(&self.seen)).await {
            Ok(repository) => Ok(verify(&repository, &pace()).await.map_err(|error| error.to_string())?),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether this is noticed, and where it is told with backups, whether those are the right ones.
    async fn noticed(&self, path: &str, what: &str) {
        let report = match self.notices().await {
            Err(_) => return,
            Ok(report) => report,
        };
        assert!(!report.damage.is_empty(), "{what} of {path} was not noticed");
        // A generation that is gone shows at the one after it.
        if path.starts_with("generations")
            && report
                .damage
                .iter()
                .any(|damage| damage.path.starts_with("generations"))
        {
            return;
        }
        let damage = report.damage.iter().find(|damage| path.starts_with(&damage.path));
        let Some(damage) = damage else {
            panic!("{what} of {path} was told as {:?}", report.damage)
        };
        if let Some(expected) = self.affected(path) {
            assert_eq!(damage.backups, expected, "{what} of {path}: {damage:?}");
        }
    }

    /// The backups that an object's damage affects; none where it is not one that backups need.
    fn affected(&self, path: &str) -> Option<Vec<String>> {
        let ids = |which: &[usize]| which.iter().map(|at| self.backups[*at].id.clone()).collect();
        let owner = self.backups.iter().position(|backup| path.contains(&backup.id));
        match path.split('/').next().unwrap() {
            // The second takes over what the first stored.
            "packs" if owner == Some(0) => Some(ids(&[0, 1])),
            "packs" | "manifests" => Some(ids(&[owner.unwrap()])),
            "wal" if path.contains("00000002") => Some(ids(&[0, 1, 2])),
            "wal" => {
                let name = path.split('/').nth(3).unwrap();
                let number = Segment::of_name(name, WAL).unwrap().number as usize;
                Some(ids(&(0..=number.min(2)).collect::<Vec<_>>()))
            }
            "format" | "made" | "keys" => Some(ids(&[0, 1, 2])),
            _ => None,
        }
    }
}

/// Places in an object of every sort of byte that it has: header, salt, content, authentication, list, end.
fn places(length: usize) -> Vec<usize> {
    let mut places = vec![0, 4, 5, 6, 13, 14, 29, 30, 31, length / 3, length / 2, length / 3 * 2];
    places.extend([1, 4, 5, 8, 9, 16, 20, 24, 25, 40, 60, 80].map(|from_end: usize| length.saturating_sub(from_end)));
    places.retain(|place| *place < length);
    places.sort_unstable();
    places.dedup();
    places
}

#[tokio::test]
async fn an_untouched_repository_has_no_damage() {
    let scene = Scene::new().await;
    let report = scene.notices().await.unwrap();
    assert_eq!(report.damage, vec![]);
    assert!(
        report.chunks > 4 && report.objects as usize >= scene.objects().len() - 3,
        "{report:?}"
    );
    let classes = [
        "HEAD",
        "format",
        "made",
        "keys/",
        "generations/",
        "manifests/",
        "packs/",
        "whole/",
        "pieces/",
        "histories/",
    ];
    for class in classes {
        assert!(scene.objects().iter().any(|path| path.contains(class)), "{class}");
    }
}

#[tokio::test]
async fn a_flipped_bit_of_anything_is_noticed() {
    let scene = Scene::new().await;
    let mut flipped = 0;
    // Generations are all alike: the first, and the last.
    let is_alike = |path: &String| path.starts_with("generations") && !path.ends_with('1') && *path != scene.last();
    for path in scene.objects().into_iter().filter(|path| !is_alike(path)) {
        let bytes = scene.read(&path);
        for place in places(bytes.len()) {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << (place % 8);
            scene.write(&path, &changed);
            scene
                .noticed(&path, &format!("bit {} of byte {place}", place % 8))
                .await;
            flipped += 1;
        }
        scene.write(&path, &bytes);
    }
    assert!(flipped > 300, "{flipped}");
    assert_eq!(scene.notices().await.unwrap().damage, vec![]);
}

#[tokio::test]
async fn every_part_of_a_pack_is_noticed() {
    let scene = Scene::new().await;
    let last = format!("packs/{}", scene.backups[2].id);
    let path = scene
        .objects()
        .into_iter()
        .find(|path| path.starts_with(&last))
        .unwrap();
    let repository = scene.open(None).await.unwrap();
    let bytes = scene.read(&path);
    for place in (0..bytes.len().min(400)).step_by(3) {
        for place in [place, bytes.len() - 1 - place] {
            let mut changed = bytes.clone();
            changed[place] ^= 0x10;
            scene.write(&path, &changed);
            let report = verify(&repository, &pace()).await.unwrap();
            assert!(report.of(&path).is_some(), "byte {place} of {}", bytes.len());
        }
    }
}

#[tokio::test]
async fn what_is_cut_off_or_gone_is_noticed() {
    let scene = Scene::new().await;
    for path in scene.objects() {
        let bytes = scene.read(&path);
        for length in [0, 1, 40.min(bytes.len() - 1), bytes.len() / 2, bytes.len() - 1] {
            scene.write(&path, &bytes[..length]);
            scene
                .noticed(&path, &format!("the loss of all after {length} bytes"))
                .await;
        }
        // The first generation may be gone, as old ones are removed; so may what is last, which nobody knows of.
        let lasts = ["/000000000001", "000000C8-0000012C", "000000020000000000000002"];
        let may_go = lasts.iter().any(|last| path.ends_with(last));
        if !may_go {
            std::fs::remove_file(scene.at(&path)).unwrap();
            scene.noticed(&path, "the loss").await;
        }
        scene.write(&path, &bytes);
    }
    assert_eq!(scene.notices().await.unwrap().damage, vec![]);
}

#[tokio::test]
async fn what_was_put_in_anothers_place_is_noticed() {
    let scene = Scene::new().await;
    let objects = scene.objects();
    for class in ["packs/", "manifests/", "generations/", "whole/", "pieces/"] {
        let members: Vec<&String> = objects.iter().filter(|path| path.contains(class)).collect();
        for (one, other) in members.iter().zip(members.iter().skip(1)) {
            let (first, second) = (scene.read(one), scene.read(other));
            scene.write(one, &second);
            scene.write(other, &first);
            scene.noticed(one, "the exchange").await;
            scene.noticed(other, "the exchange").await;
            scene.write(one, &first);
            scene.write(other, &second);
        }
    }
}

#[tokio::test]
async fn an_older_state_is_noticed() {
    let scene = Scene::new().await;
    let repository = scene.open(None).await.unwrap();
    let (before, head) = (repository.state().await.unwrap().generation, scene.read("HEAD"));
    let later = stored(&repository, None, &[("later", content(7, 100))]).await.unwrap();
    let seen = repository.seen().await.unwrap();
    // An older head alone leads to the newest state all the same.
    scene.write("HEAD", &head);
    let opened = scene.open(Some(&seen)).await.unwrap();
    assert_eq!(opened.state().await.unwrap().generation, seen.generation);
    // Without the later generations it is a roll-back, to whoever opens it and to whoever has it open.
    let mut after: Vec<(String, Vec<u8>)> = Vec::new();
    for number in before + 1..=seen.generation {
        let path = repo::generation_path(number);
        after.push((path.clone(), scene.read(&path)));
        std::fs::remove_file(scene.at(&path)).unwrap();
    }
    let refused = scene.open(Some(&seen)).await;
    assert!(matches!(refused, Err(repo::Error::RolledBack { .. })), "{refused:?}");
    let held = repository.confirm(None).await;
    assert!(matches!(held, Err(repo::Error::RolledBack { .. })), "{held:?}");
    // And so it is where somebody went on from there, and is further than what was seen.
    let fork = scene.open(None).await.unwrap();
    for _ in 0..5 {
        fork.change(|_| Ok(())).await.unwrap();
    }
    let forked = scene.open(None).await.unwrap();
    let refused = forked.confirm(Some(&seen)).await;
    assert!(matches!(refused, Err(repo::Error::RolledBack { .. })), "{refused:?}");
    assert!(forked.state().await.unwrap().backup(&later.id).is_err());
    // An older generation in a newer one's place does not open.
    scene.write(&repo::generation_path(before), &after[0].1);
    assert!(
        scene
            .open(None)
            .await
            .is_ok_and(|opened| opened.id() == repository.id())
    );
    let report = verify(&forked, &pace()).await.unwrap();
    assert!(report.of(&repo::generation_path(before)).is_some(), "{report:?}");
}

#[tokio::test]
async fn log_that_a_backup_needs_and_is_not_there_is_noticed() {
    let scene = Scene::new().await;
    let repository = scene.open(None).await.unwrap();
    let segment = Segment::at(1, u64::from(WAL), WAL);
    repository.drop_segment(segment).await.unwrap();
    let report = verify(&repository, &pace()).await.unwrap();
    let damage = report.of(&segment.whole()).unwrap();
    assert_eq!(
        damage.backups,
        [scene.backups[0].id.clone(), scene.backups[1].id.clone()]
    );
    // One after all that backups need, with log on both sides of it, breaks every later moment.
    let at = |number: u64| Segment::at(1, number * u64::from(WAL), WAL);
    repository.put_segment(at(5), &vec![5; WAL as usize], 1).await.unwrap();
    let report = verify(&repository, &pace()).await.unwrap();
    assert_eq!(report.of(&at(4).whole()).unwrap().backups.len(), 3, "{report:?}");
    // A segment of another cluster in its place, sealed by nobody who has the key.
    let foreign = repository
        .shelf()
        .put_new(&segment.whole(), "WEIR".into())
        .await
        .unwrap();
    assert_eq!(foreign, Put::Made);
    let report = verify(&repository, &pace()).await.unwrap();
    assert!(report.of(&segment.whole()).is_some());
}
