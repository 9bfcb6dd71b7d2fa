//! Copies in another repository, and what is taken back from them.

use super::super::copy::between;
use super::super::mend::from_others;
use super::super::verify::verify;
use super::rounds::{DEAD, WAL, objects, three};
use super::*;
use crate::repo::chunk::CHUNK_BYTES;
use crate::repo::faulty::in_memory;
use crate::repo::state::Position;
use crate::repo::tests::stored;
use crate::repo::wal::Segment;

#[tokio::test]
async fn a_copy_has_all_of_it_and_takes_over_what_is_there() {
    let (source, target) = (in_memory(1), in_memory(2));
    let (source, target) = (process(&source).await.unwrap(), process(&target).await.unwrap());
    let (ledger, backups) = three(&source).await;
    let mut stored = Vec::new();
    for backup in &backups {
        let copied = between(&source, &target, &backup.id, DEAD, &pace()).await.unwrap();
        stored.push(copied.stored_bytes);
        let again = between(&source, &target, &backup.id, DEAD, &pace()).await.unwrap();
        assert!(again.was_there && again.stored_objects == 0);
    }
    assert!(stored[1] * 10 < stored[0] && stored[2] * 10 < stored[0], "{stored:?}");
    let listed = ledger.check(&target, "copied").await;
    let ids = |backups: &[BackupEntry]| backups.iter().map(|backup| backup.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&listed), ids(&backups));
    assert_eq!(listed[2].based_on, listed[1].id);
    assert!(verify(&target, &pace()).await.unwrap().damage.is_empty());
    assert!(target.state().await.unwrap().leases.is_empty());
    let foreign = process(&in_memory(3)).await.unwrap();
    for (repository, number) in [(&source, 5), (&foreign, 6)] {
        let belongs = repository.change(|state| {
            state.system_identifier = number;
            Ok(())
        });
        belongs.await.unwrap();
    }
    let refused = between(&source, &foreign, &backups[0].id, DEAD, &pace()).await;
    assert!(
        matches!(refused, Err(Error::Repository(repo::Error::Foreign { .. }))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn the_last_of_a_line_is_copied_alone_with_what_its_deltas_are_against() {
    let (source, target) = (in_memory(1), in_memory(2));
    let (source, target) = (process(&source).await.unwrap(), process(&target).await.unwrap());
    let (ledger, backups) = three(&source).await;
    between(&source, &target, &backups[2].id, DEAD, &pace()).await.unwrap();
    assert_eq!(ledger.check(&target, "copied").await.len(), 1);
    // And then what came before it, which lists nothing twice.
    between(&source, &target, &backups[0].id, DEAD, &pace()).await.unwrap();
    ledger.check(&target, "copied").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_cut_off_is_gone_on_with() {
    let (source, target) = (in_memory(1), in_memory(2));
    let (source, target) = (process(&source).await.unwrap(), process(&target).await.unwrap());
    let mut noise = vec![0; 320 * CHUNK_BYTES];
    fastrand::Rng::with_seed(1).fill(&mut noise);
    let files = [("a", noise)];
    let entry = stored(&source, None, &files).await.unwrap();
    let mut ledger = Ledger::default();
    ledger.note(entry.id.parse().unwrap(), &files);
    // Stopped when the first pack is full.
    let stopped = pace();
    let enough = async {
        while stopped.progress().reached().moved_bytes < 25 << 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stopped.stop().cancel();
    };
    let (cut_off, ()) = tokio::join!(between(&source, &target, &entry.id, DEAD, &stopped), enough);
    assert!(matches!(cut_off, Err(Error::Stopped)), "{cut_off:?}");
    assert_eq!(
        (target.state().await.unwrap().backups, objects(&target, "packs").await),
        (vec![], 1)
    );
    let copied = between(&source, &target, &entry.id, DEAD, &pace()).await.unwrap();
    assert!(copied.stored_bytes < 20 << 20, "{copied:?} of {}", entry.stored_bytes);
    ledger.check(&target, "gone on with").await;
}

#[tokio::test]
async fn what_is_damaged_is_taken_from_the_other_repository() {
    let stores = (in_memory(1), in_memory(2));
    let (one, other) = (process(&stores.0).await.unwrap(), process(&stores.1).await.unwrap());
    let (ledger, backups) = three(&one).await;
    for backup in &backups {
        between(&one, &other, &backup.id, DEAD, &pace()).await.unwrap();
    }
    for repository in [&one, &other] {
        let told = repository.change(|state| {
            for backup in &mut state.backups {
                backup.wal_segment_bytes = WAL;
                backup.start = Some(Position { timeline: 1, lsn: 9 });
                backup.stop = Some(Position { timeline: 1, lsn: 99 });
            }
            Ok(())
        });
        told.await.unwrap();
        repository
            .put_segment(Segment::at(1, 0, WAL), &vec![3; WAL as usize], 1)
            .await
            .unwrap();
        repository.put_history(2, b"1\t0/100\tno reason").await.unwrap();
        repository
            .put_segment(Segment::at(2, 0, WAL), &vec![4; WAL as usize], 1)
            .await
            .unwrap();
    }
    let mut paths: Vec<String> = Vec::new();
    for place in ["packs", "manifests", "wal"] {
        let listed = one.shelf().list(place).await.unwrap();
        // That the last of a timeline is gone, nobody can know.
        let known = listed
            .into_iter()
            .filter(|object| !object.path.contains("00000002/whole"));
        paths.extend(known.map(|object| object.path));
    }
    for (at, path) in paths.iter().enumerate() {
        let bytes = one.shelf().get(path).await.unwrap();
        match at % 3 {
            0 => one.shelf().delete(path).await.unwrap(),
            1 => one
                .shelf()
                .put_over(path, bytes.slice(..bytes.len() / 2))
                .await
                .unwrap(),
            _ => {
                let mut flipped = bytes.to_vec();
                flipped[bytes.len() / 2] ^= 1;
                one.shelf().put_over(path, flipped.into()).await.unwrap();
            }
        }
        let none = from_others(&one, &[], DEAD, &pace()).await.unwrap();
        assert!(none.mended.is_empty() && !none.left.is_empty(), "{path}: {none:?}");
        let mended = from_others(&one, std::slice::from_ref(&other), DEAD, &pace())
            .await
            .unwrap();
        assert_eq!(mended.left, vec![], "{path}");
        assert_eq!(mended.mended.len(), 1, "{path}");
        ledger.check(&one, path).await;
    }
    assert_eq!(
        from_others(&one, &[other], DEAD, &pace()).await.unwrap(),
        Default::default()
    );
}
