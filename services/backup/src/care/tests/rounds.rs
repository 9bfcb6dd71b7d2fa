//! Rounds of collection, copies, rotation: each does what it says, and twice is once.

use std::time::Duration;

use object_store::ObjectStore as _;
use object_store::path::Path;
use tokio::time::Instant;

use super::super::copy::between;
use super::super::rotate::renew;
use super::super::verify::verify;
use super::*;
use crate::repo::chunk::CHUNK_BYTES;
use crate::repo::faulty::{Fault, beside, in_memory};
use crate::repo::intake::Intake;
use crate::repo::state::{Lease, Position};
use crate::repo::tests::{content, stored};
use crate::repo::wal::Segment;

pub(super) const WAL: u32 = 1 << 20;
pub(super) const DEAD: Duration = Duration::from_secs(600);

/// Three versions of two files, each backup upon the one before it.
pub(super) async fn three(repository: &Repository) -> (Ledger, Vec<BackupEntry>) {
    let mut files = vec![
        ("base/1/1", content(1, 3 * CHUNK_BYTES)),
        ("base/1/2", content(2, 9_000)),
    ];
    let (mut ledger, mut backups) = (Ledger::default(), Vec::<BackupEntry>::new());
    for version in 0..3 {
        let basis = backups.last().map(|basis| basis.id.clone());
        let entry = stored(repository, basis.as_deref(), &files).await.unwrap();
        ledger.note(entry.id.parse().unwrap(), &files);
        backups.push(entry);
        files[0].1[version * 70_000 + 5] ^= 0xFF;
    }
    (ledger, backups)
}

pub(super) async fn objects(repository: &Repository, place: &str) -> usize {
    repository.shelf().list(place).await.unwrap().len()
}

#[tokio::test]
async fn what_only_a_given_up_backup_needed_is_removed_two_rounds_later() {
    let repository = process(&in_memory(1)).await.unwrap();
    let (ledger, backups) = three(&repository).await;
    assert_eq!(
        (
            objects(&repository, "packs").await,
            objects(&repository, "manifests").await
        ),
        (3, 3)
    );
    give_up(&repository, &backups[1].id).await.unwrap();
    let first = round(&repository, &at_once()).await.unwrap();
    assert_eq!(
        (first.marked, first.removed_objects),
        (2, 0),
        "its manifest and its own pack"
    );
    assert!(first.waiting_bytes > 0);
    let second = round(&repository, &at_once()).await.unwrap();
    assert_eq!((second.marked, second.removed_objects), (0, 2));
    assert_eq!(
        (
            objects(&repository, "packs").await,
            objects(&repository, "manifests").await
        ),
        (2, 2)
    );
    assert_eq!(ledger.check(&repository, "after").await.len(), 2);
    // Nothing is left to do, and nothing is written.
    round(&repository, &at_once()).await.unwrap();
    let before = repository.latest().await.unwrap().state.generation;
    assert_eq!(round(&repository, &at_once()).await.unwrap(), Collected::default());
    assert_eq!(repository.latest().await.unwrap().state.generation, before);
    let state = repository.state().await.unwrap();
    assert_eq!((state.trash.len(), state.doomed.len(), state.backups.len()), (0, 0, 2));
}

#[tokio::test]
async fn grace_is_kept_by_the_clock_of_the_store() {
    let repository = process(&in_memory(1)).await.unwrap();
    let (_, backups) = three(&repository).await;
    give_up(&repository, &backups[1].id).await.unwrap();
    let patient = How {
        grace: Duration::from_secs(3600),
        now_unix_ms: i64::MAX,
        ..at_once()
    };
    for _ in 0..3 {
        let told = round(&repository, &patient).await.unwrap();
        assert_eq!(told.removed_objects, 0, "whatever our own clock says");
        assert!(told.waiting_bytes > 0);
    }
}

#[tokio::test]
async fn an_attempt_under_way_keeps_its_packs_until_it_was_silent_for_long() {
    let repository = process(&in_memory(1)).await.unwrap();
    let id = Uuid::now_v7();
    let intake = Intake::begin(&repository, id, None, "a test").await.unwrap();
    repository
        .shelf()
        .put_own(&format!("packs/{id}/x"), "cut off".into())
        .await
        .unwrap();
    let watched = Mutex::new(Watched::default());
    let mut told = Collected::default();
    for _ in 0..3 {
        collect(&repository, &watched, &at_once(), &pace(), &mut told)
            .await
            .unwrap();
    }
    assert_eq!(
        (objects(&repository, "packs").await, &told.leases_ended),
        (1, &Vec::new())
    );
    // As if it had been seen so ten minutes ago.
    let state = repository.state().await.unwrap();
    let ago = Instant::now().checked_sub(DEAD).unwrap();
    watched.lock().unwrap().observe(repository.id(), &[], ago);
    watched.lock().unwrap().observe(repository.id(), &state.leases, ago);
    collect(&repository, &watched, &at_once(), &pace(), &mut told)
        .await
        .unwrap();
    assert_eq!(told.leases_ended, [id.to_string()]);
    round(&repository, &at_once()).await.unwrap();
    assert_eq!(objects(&repository, "packs").await, 0);
    let committed = intake.commit(Default::default(), BackupEntry::default()).await;
    assert!(matches!(committed, Err(repo::Error::Fenced(_))), "{committed:?}");
}

#[tokio::test]
async fn what_a_writer_takes_over_stays_even_where_it_was_given_up_meanwhile() {
    let repository = process(&in_memory(1)).await.unwrap();
    let (mut ledger, backups) = three(&repository).await;
    let id = Uuid::now_v7();
    let basis = backups[2].id.clone();
    let intake = Intake::begin(&repository, id, Some(&basis), "a test").await.unwrap();
    give_up(&repository, &basis).await.unwrap();
    for backup in &backups[..2] {
        give_up(&repository, &backup.id).await.unwrap();
    }
    for _ in 0..3 {
        round(&repository, &at_once()).await.unwrap();
    }
    // Everything as it was in the basis, taken over.
    let manifest = repository
        .manifest(&repository.state().await.unwrap().backups[0])
        .await
        .unwrap();
    let (send, sealed) = tokio::sync::mpsc::channel(1);
    let worker = intake.worker(crate::repo::codec::Compression::None, send);
    let taken = manifest.files.iter().map(|file| {
        let mut list = crate::repo::chunk::ChunkList::default();
        file.chunks()
            .for_each(|chunk| list.push(&worker.take_over(chunk.unwrap())));
        crate::repo::manifest::FileEntry {
            chunks: list.finish(),
            ..file.clone()
        }
    });
    let files = taken.collect();
    worker.finish().unwrap();
    std::sync::Arc::clone(&intake).store(sealed, 1).await.unwrap();
    let taken_over = crate::repo::manifest::Manifest { files, ..manifest };
    let mut entry = backups[2].clone();
    entry.expired_unix_ms = 0;
    intake.commit(taken_over, entry).await.unwrap();
    let held = ledger.0[&basis].clone();
    ledger.0.insert(id.to_string(), held);
    for _ in 0..3 {
        round(&repository, &at_once()).await.unwrap();
        assert_eq!(ledger.check(&repository, "taken over").await.len(), 1);
    }
    let again = Intake::begin(&repository, Uuid::now_v7(), Some(&basis), "a test").await;
    assert!(matches!(again, Err(repo::Error::NoBackup(_))), "{again:?}");
}

#[tokio::test]
async fn a_name_that_is_doomed_is_not_used_again() {
    let repository = process(&in_memory(1)).await.unwrap();
    let id = Uuid::now_v7();
    repository
        .change(|state| {
            state.doomed.push(crate::repo::state::Trash {
                path: format!("manifests/{id}-1"),
                ..Default::default()
            });
            Ok(())
        })
        .await
        .unwrap();
    let begun = Intake::begin(&repository, id, None, "a test").await;
    assert!(matches!(begun, Err(repo::Error::Busy(_))), "{begun:?}");
}

#[tokio::test]
async fn a_backup_whose_manifest_is_damaged_stops_collection() {
    let store = in_memory(1);
    let repository = process(&store).await.unwrap();
    let (_, backups) = three(&repository).await;
    give_up(&repository, &backups[0].id).await.unwrap();
    let path = Path::from(backups[2].manifest_path());
    store.put_opts(&path, "x".into(), Default::default()).await.unwrap();
    let told = round(&repository, &at_once()).await;
    assert!(
        matches!(told, Err(Error::Repository(repo::Error::Corrupt { .. }))),
        "{told:?}"
    );
    assert_eq!(objects(&repository, "packs").await, 3);
}

#[tokio::test]
async fn old_generations_go_and_whoever_slept_meanwhile_notices() {
    let store = in_memory(1);
    let repository = process(&store).await.unwrap();
    let sleeper = process(&store).await.unwrap();
    assert_eq!(sleeper.latest().await.unwrap().state.generation, 1);
    for _ in 0..150 {
        repository.change(|_| Ok(())).await.unwrap();
    }
    assert_eq!(round(&repository, &at_once()).await.unwrap().old_states, 51);
    assert_eq!(objects(&repository, "generations").await, 100);
    assert_eq!(sleeper.latest().await.unwrap().state.generation, 151);
    sleeper.change(|_| Ok(())).await.unwrap();
    assert_eq!(
        process(&store).await.unwrap().latest().await.unwrap().state.generation,
        152
    );
}

/// Somebody is frozen between looking and writing, while 150 generations go by and the old ones are removed.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_by_whoever_slept_between_looking_and_writing_is_not_lost() {
    let store = in_memory(1);
    let repository = process(&store).await.unwrap();
    let sleeping = beside(&store, 2);
    let sleeper = process(&sleeping).await.unwrap();
    sleeper.latest().await.unwrap();
    let asleep = std::sync::atomic::AtomicBool::new(false);
    // The change looks, and only then everything else happens.
    let runtime = tokio::runtime::Handle::current();
    let changed = sleeper
        .change(|state| {
            if !asleep.swap(true, std::sync::atomic::Ordering::SeqCst) {
                let (repository, runtime) = (repository.clone(), runtime.clone());
                let others = std::thread::spawn(move || {
                    runtime.block_on(async {
                        for _ in 0..150 {
                            repository.change(|_| Ok(())).await.unwrap();
                        }
                        round(&repository, &at_once()).await.unwrap();
                    });
                });
                others.join().unwrap();
            }
            state.system_identifier = 77;
            Ok(state.generation)
        })
        .await
        .unwrap();
    assert_eq!(changed, 151, "it was done again on what others had made");
    let fresh = process(&store).await.unwrap();
    assert_eq!(fresh.state().await.unwrap().system_identifier, 77);
    assert_eq!(
        fresh.shelf().find(&repo::generation_path(2)).await.unwrap(),
        None,
        "no trace of the first try"
    );
}

#[tokio::test]
async fn log_goes_where_nothing_needs_it() {
    let repository = process(&in_memory(1)).await.unwrap();
    let (_, backups) = three(&repository).await;
    repository
        .change(|state| {
            for (at, backup) in state.backups.iter_mut().enumerate() {
                let lsn = u64::from(WAL) * (10 * at as u64 + 2) + 7;
                backup.start = Some(Position { timeline: 1, lsn });
                backup.stop = Some(Position {
                    timeline: 1,
                    lsn: lsn + u64::from(WAL),
                });
                backup.wal_segment_bytes = WAL;
                backup.ended_unix_ms = at as i64 * 24 * 60 * 60 * 1000;
            }
            Ok(())
        })
        .await
        .unwrap();
    let segment = |number: u64| Segment::at(1, number * u64::from(WAL), WAL);
    for number in 0..30 {
        repository
            .put_segment(segment(number), &vec![1; WAL as usize], 1)
            .await
            .unwrap();
    }
    repository.put_piece(segment(1), 0, &[1; 10], 1).await.unwrap();
    repository.put_history(2, b"1\t0/100\tno reason").await.unwrap();
    let mut how = at_once();
    how.now_unix_ms = 2 * 24 * 60 * 60 * 1000;
    how.rules.wal_days = 1;
    let told = round(&repository, &how).await.unwrap();
    let left: Vec<u64> = repository
        .segments(1, WAL)
        .await
        .unwrap()
        .iter()
        .map(|at| at.segment.number)
        .collect();
    let expected: Vec<u64> = [2, 3].into_iter().chain(12..30).collect();
    assert_eq!(
        left, expected,
        "what backups need, and everything from the one a day ago"
    );
    assert_eq!(told.wal_segments, 10);
    assert_eq!(repository.histories().await.unwrap(), [2]);
    assert_eq!(objects(&repository, "wal/00000001/pieces").await, 0);
    let floors = repository.state().await.unwrap().wal_floors;
    assert_eq!(floors[0].lsn, u64::from(WAL) * 12 + 7);
    assert_eq!(round(&repository, &how).await.unwrap().wal_segments, 0);
    assert!(backups.len() == 3 && verify(&repository, &pace()).await.unwrap().damage.is_empty());
}

#[tokio::test]
async fn a_lock_holds_things_back_and_says_so() {
    let repository = process(&in_memory(1)).await.unwrap();
    let (_, backups) = three(&repository).await;
    give_up(&repository, &backups[1].id).await.unwrap();
    let mut how = at_once();
    how.rules.lock_days = 30;
    for _ in 0..3 {
        let told = round(&repository, &how).await.unwrap();
        assert_eq!((told.removed_objects, told.old_states), (0, 0));
    }
    assert!(round(&repository, &how).await.unwrap().locked_bytes > 0);
    assert_eq!(objects(&repository, "packs").await, 3);
}

#[tokio::test]
async fn what_a_store_does_not_let_go_is_told_and_tried_again_and_costs_nothing_else() {
    let store = in_memory(1);
    let repository = process(&store).await.unwrap();
    let (ledger, backups) = three(&repository).await;
    for _ in 0..120 {
        repository.change(|_| Ok(())).await.unwrap();
    }
    renew(&repository).await.unwrap();
    give_up(&repository, &backups[1].id).await.unwrap();
    round(&repository, &at_once()).await.unwrap();
    renew(&repository).await.unwrap();
    for _ in 0..20 {
        repository.change(|_| Ok(())).await.unwrap();
    }
    store.hold(true);
    for _ in 0..2 {
        let told = round(&repository, &at_once()).await.unwrap();
        // The manifest and the pack, the oldest generation, and the set of keys before this one.
        assert_eq!(
            (told.held_objects, told.removed_objects, told.old_states),
            (4, 0, 0),
            "{told:?}"
        );
        assert!(
            told.held_bytes > 500 && told.held_reason.contains("it is locked"),
            "{told:?}"
        );
    }
    assert_eq!(ledger.check(&repository, "held").await.len(), 2);
    assert_eq!(
        repository.state().await.unwrap().doomed.len(),
        2,
        "they are not forgotten"
    );
    store.hold(false);
    let told = round(&repository, &at_once()).await.unwrap();
    assert_eq!((told.held_objects, told.removed_objects), (0, 2), "{told:?}");
    assert!(told.old_states > 20, "{told:?}");
    assert_eq!(repository.state().await.unwrap().doomed.len(), 0);
    assert!(verify(&repository, &pace()).await.unwrap().damage.is_empty());
}

#[tokio::test]
async fn keys_are_made_anew_while_a_backup_runs() {
    let store = in_memory(1);
    let (writer, rotator) = (process(&store).await.unwrap(), process(&store).await.unwrap());
    let (mut ledger, backups) = three(&writer).await;
    let old = writer.keys().current().unwrap().id();
    let intake = Intake::begin(&writer, Uuid::now_v7(), Some(&backups[2].id), "a test")
        .await
        .unwrap();
    let rotated = renew(&rotator).await.unwrap();
    assert_eq!(rotated.set, 2);
    intake.renew().await.unwrap();
    intake.abandon().await.unwrap();
    assert_eq!(
        writer.keys().current().unwrap().id(),
        old,
        "who has not looked writes as before"
    );
    for repository in [&writer, &rotator] {
        let files = [("base/1/1", content(9, 50_000))];
        let entry = stored(repository, Some(&backups[2].id), &files).await.unwrap();
        ledger.note(entry.id.parse().unwrap(), &files);
    }
    assert_ne!(rotator.keys().current().unwrap().id(), old);
    round(&rotator, &at_once()).await.unwrap();
    assert_eq!(
        objects(&rotator, "keys").await,
        1,
        "the set before it has nothing that this one has not"
    );
    for repository in [&writer, &rotator, &process(&store).await.unwrap()] {
        assert_eq!(ledger.check(repository, "after").await.len(), 5);
        assert!(verify(repository, &pace()).await.unwrap().damage.is_empty());
    }
}

#[tokio::test]
async fn another_key_wraps_and_the_old_one_opens_nothing_new() {
    let store = in_memory(1);
    let open =
        |keys: Vec<[u8; 32]>| Repository::open(store.shelf("test"), Wrapping::of(keys), "main", Clock::system(), None);
    let repository = open(vec![[5; 32]]).await.unwrap();
    let (ledger, _) = three(&repository).await;
    repository.rewrap(Wrapping::of(vec![[6; 32], [5; 32]])).await.unwrap();
    renew(&repository).await.unwrap();
    for keys in [vec![[6; 32]], vec![[7; 32], [6; 32]]] {
        assert_eq!(ledger.check(&open(keys).await.unwrap(), "rewrapped").await.len(), 3);
    }
    let old = open(vec![[5; 32]]).await;
    assert!(matches!(old, Err(repo::Error::WrongKey { .. })), "{old:?}");
    let wrong = repository.rewrap(Wrapping::of(vec![[9; 32]])).await;
    assert!(matches!(wrong, Err(repo::Error::WrongKey { .. })), "{wrong:?}");
    renew(&repository).await.unwrap();
}

#[tokio::test]
async fn two_that_make_keys_anew_at_once_both_count() {
    let store = in_memory(1);
    let (one, other) = (process(&store).await.unwrap(), process(&store).await.unwrap());
    let (first, second) = tokio::join!(renew(&one), renew(&other));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_ne!(first.key, second.key);
    let fresh = process(&store).await.unwrap();
    assert_eq!(fresh.state().await.unwrap().keys, fresh.keys().number);
    let known: Vec<String> = fresh
        .keys()
        .known()
        .map(|(id, _)| crate::repo::seal::hexadecimal(&id))
        .collect();
    assert!(known.contains(&first.key) && known.contains(&second.key));
}

#[tokio::test]
async fn a_store_that_overwrites_is_refused() {
    let store = in_memory(1);
    store.overwrite();
    let opened = process(&store).await;
    assert!(matches!(opened, Err(repo::Error::Unfit(_))), "{opened:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stalls_is_given_up() {
    let store = in_memory(1);
    let repository = process(&store).await.unwrap();
    store.at(1, Fault::Stalls);
    let round = round(&repository, &at_once()).await;
    assert!(
        matches!(round, Err(Error::Repository(repo::Error::Store { .. }))),
        "{round:?}"
    );
}

#[tokio::test]
async fn what_was_stopped_says_so() {
    let repository = process(&in_memory(1)).await.unwrap();
    let (_, backups) = three(&repository).await;
    let stopped = pace();
    stopped.stop().cancel();
    let target = process(&in_memory(2)).await.unwrap();
    let copied = between(&repository, &target, &backups[0].id, DEAD, &stopped).await;
    assert!(matches!(copied, Err(Error::Stopped)), "{copied:?}");
    let verified = verify(&repository, &stopped).await;
    assert!(matches!(verified, Err(Error::Stopped)), "{verified:?}");
    assert!(
        target.state().await.unwrap().leases.is_empty(),
        "the lease was given back"
    );
}

#[tokio::test]
async fn a_lease_is_renewed_while_something_is_done() {
    let repository = process(&in_memory(1)).await.unwrap();
    let intake = Intake::begin(&repository, Uuid::now_v7(), None, "a test")
        .await
        .unwrap();
    let beats = async || {
        repository
            .state()
            .await
            .unwrap()
            .leases
            .first()
            .map_or(0, |lease: &Lease| lease.beats)
    };
    let waiting = async {
        while beats().await < 3 {
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    let every = Duration::from_millis(5);
    super::super::copy::while_renewed(&intake, every, waiting)
        .await
        .unwrap();
    let ended = repository.change(|state| {
        state.leases.clear();
        Ok(())
    });
    ended.await.unwrap();
    let never = std::future::pending::<Result<(), Error>>();
    let fenced = super::super::copy::while_renewed(&intake, every, never).await;
    assert!(
        matches!(fenced, Err(Error::Repository(repo::Error::Fenced(_)))),
        "{fenced:?}"
    );
}
