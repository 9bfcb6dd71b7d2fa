//! Orders as a keeper carries them out, on two repositories in directories.

use weir_testkit::Postgres;

use super::super::{copy, expire, mend, plan_expiry, rotate, verify};
use super::*;
use crate::bed::{Bed, bed};
use crate::orders::{ExpireOrder, RotateKeysOrder};
use crate::repo::tests::{content, stored};

/// A keeper with the repositories `one` and `two`, whose key files can be changed.
async fn two(more: &[(&str, &str)]) -> (Bed, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display();
    for (file, byte) in [("key", 7), ("old", 8)] {
        std::fs::write(dir.path().join(file), [byte; 32]).unwrap();
    }
    let table = |name: &str| {
        format!(
            "{{ name = \"{name}\", url = \"file://{at}/{name}\", key_file = \"{at}/key\", old_key_files = [\"{at}/old\"] }}"
        )
    };
    let repositories = format!("[{}, {}]", table("one"), table("two"));
    let settings = [
        &[("repositories", repositories.as_str()), ("garbage_grace", "0s")],
        more,
    ]
    .concat();
    (bed(Postgres::shared().await, &settings).await, dir)
}

/// Backups, each a day after the one before it; the last was just now.
async fn days(bed: &Bed, name: &str, count: i64) -> (Repository, Ledger) {
    let repository = bed.keeper.repositories.get(name).await.unwrap();
    let (mut ledger, mut basis) = (Ledger::default(), None);
    for day in 0..count {
        let files = [("base/1/1", content(day as u64, 50_000))];
        let entry = stored(&repository, basis.as_deref(), &files).await.unwrap();
        ledger.note(entry.id.parse().unwrap(), &files);
        basis = Some(entry.id);
    }
    let now = bed.keeper.clock.unix_ms();
    let stamped = repository.change(|state| {
        for (day, backup) in state.backups.iter_mut().enumerate() {
            // A minute ahead, so that days are whole days however long the test takes.
            backup.ended_unix_ms = now + 60_000 - (count - 1 - day as i64) * 24 * 60 * 60 * 1000;
        }
        Ok(())
    });
    stamped.await.unwrap();
    (repository, ledger)
}

#[tokio::test]
async fn what_is_planned_is_what_is_done_and_twice_is_once() {
    let (bed, _dir) = two(&[("retention_days", "3"), ("retention_count", "1")]).await;
    let (repository, ledger) = days(&bed, "one", 6).await;
    let order = ExpireOrder::default();
    let plan = plan_expiry(&bed.keeper, &order).await.unwrap();
    let told = plan.told("main");
    let again = plan_expiry(&bed.keeper, &order).await.unwrap();
    assert_eq!(told, again.told("main"), "a plan changes nothing");
    let planned: Vec<String> = told
        .verdicts
        .iter()
        .filter(|at| at.expires)
        .map(|at| at.backup_id.clone())
        .collect();
    assert_eq!(
        (planned.len(), told.verdicts[3].kept_by.clone()),
        (2, vec!["days".to_owned()])
    );
    assert!(told.freed_bytes_estimate > 0 && told.wal.is_empty());
    let done = expire(&bed.keeper, &order, &pace()).await.unwrap();
    assert_eq!(done.repositories["one"].expired, planned);
    assert_eq!(done.repositories["two"].expired, Vec::<String>::new());
    assert_eq!(
        done.repositories["one"].collected.waiting_bytes,
        told.freed_bytes_estimate
    );
    let again = expire(&bed.keeper, &order, &pace()).await.unwrap();
    assert_eq!(again.repositories["one"].expired, Vec::<String>::new());
    assert_eq!(
        again.repositories["one"].collected.removed_bytes,
        told.freed_bytes_estimate
    );
    expire(&bed.keeper, &order, &pace()).await.unwrap();
    assert_eq!(ledger.check(&repository, "expired").await.len(), 4);
    assert!(verify(&repository, &pace()).await.unwrap().damage.is_empty());
    let wrong = ExpireOrder {
        repository: "three".to_owned(),
        ..ExpireOrder::default()
    };
    assert!(matches!(
        expire(&bed.keeper, &wrong, &pace()).await,
        Err(Error::Field { .. })
    ));
}

#[tokio::test]
async fn one_repository_in_trouble_keeps_no_other_from_its_round() {
    let (bed, dir) = two(&[("retention_days", "3"), ("retention_count", "1")]).await;
    std::fs::write(dir.path().join("one"), "not a directory").unwrap();
    let (repository, _) = days(&bed, "two", 6).await;
    let done = expire(&bed.keeper, &ExpireOrder::default(), &pace()).await.unwrap();
    assert!(!done.repositories["one"].trouble.is_empty());
    assert_eq!(done.repositories["two"].expired.len(), 2);
    assert_eq!(repository.state().await.unwrap().of_cluster().count(), 4);
    let only = ExpireOrder {
        repository: "one".to_owned(),
        ..ExpireOrder::default()
    };
    expire(&bed.keeper, &only, &pace()).await.unwrap_err();
}

#[tokio::test]
async fn copies_and_mends_go_by_name() {
    let (bed, _dir) = two(&[]).await;
    let (one, ledger) = days(&bed, "one", 3).await;
    for backup in one.state().await.unwrap().backups {
        copy(&bed.keeper, "one", "two", &backup.id, &pace()).await.unwrap();
    }
    let other = bed.keeper.repositories.get("two").await.unwrap();
    assert_eq!(ledger.check(&other, "copied").await.len(), 3);
    for pack in one.shelf().list("packs").await.unwrap() {
        one.shelf().delete(&pack.path).await.unwrap();
    }
    let mended = mend(&bed.keeper, "one", &pace()).await.unwrap();
    assert_eq!((mended.mended.len(), mended.left), (3, vec![]));
    ledger.check(&one, "mended").await;
    let missing = copy(&bed.keeper, "one", "two", &Uuid::now_v7().to_string(), &pace()).await;
    assert!(
        matches!(missing, Err(Error::Repository(repo::Error::NoBackup(_)))),
        "{missing:?}"
    );
}

#[tokio::test]
async fn keys_are_made_anew_with_what_the_key_files_hold_now() {
    let (bed, dir) = two(&[]).await;
    let (one, ledger) = days(&bed, "one", 2).await;
    let before = one.keys().wrapped_by;
    std::fs::rename(dir.path().join("key"), dir.path().join("old")).unwrap();
    std::fs::write(dir.path().join("key"), "0b".repeat(32)).unwrap();
    let order = RotateKeysOrder {
        repository: "one".to_owned(),
        ..RotateKeysOrder::default()
    };
    let rotated = rotate(&bed.keeper, &order).await.unwrap();
    let again = rotate(&bed.keeper, &order).await.unwrap();
    let (first, second) = (&rotated.repositories["one"], &again.repositories["one"]);
    assert_eq!((first.set, second.set), (2, 3));
    assert!(first.key != second.key && first.wrapped_by == second.wrapped_by);
    assert_ne!(one.keys().wrapped_by, before);
    ledger.check(&one, "rotated").await;
    std::fs::write(dir.path().join("key"), "short").unwrap();
    let refused = rotate(&bed.keeper, &order).await;
    assert!(
        matches!(refused, Err(Error::Repository(repo::Error::NoKey { .. }))),
        "{refused:?}"
    );
    let project = RotateKeysOrder {
        project: "shop".to_owned(),
        ..RotateKeysOrder::default()
    };
    assert!(rotate(&bed.keeper, &project).await.is_err());
}
