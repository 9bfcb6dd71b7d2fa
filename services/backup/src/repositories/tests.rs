//! What is remembered of repositories, and what becomes of one in trouble.

use std::path::Path;

use tempfile::TempDir;
use weir_config::Sources;
use weir_model::Secret;
use weir_store::{Migrations, StoreOptions};
use weir_testkit::Postgres;

use super::*;

/// The service's own tables in a fresh database.
pub(crate) async fn store() -> Store {
    let options = StoreOptions {
        url: Secret::new(Postgres::shared().await.database().await.url()),
        schema: "weir_backup",
        connections_max: 4,
        acquire_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
    };
    let migrations = vec![Migrations::of_service(sqlx::migrate!())];
    Store::connect(options, migrations).await.unwrap()
}

/// Settings with these repositories, and some more.
pub(crate) fn settings(dir: &Path, names: &[&str], more: &[(&str, &str)]) -> BackupSettings {
    for (file, byte) in [("key", 7), ("old", 8)] {
        if !dir.join(file).exists() {
            std::fs::write(dir.join(file), [byte; 32]).unwrap();
        }
    }
    let at = dir.display();
    let tables: Vec<String> = names
        .iter()
        .map(|name| {
            format!(
                "{{ name = \"{name}\", url = \"file://{at}/{name}\", key_file = \"{at}/key\", old_key_files = [\"{at}/old\"] }}"
            )
        })
        .collect();
    let repositories = format!("[{}]", tables.join(", "));
    let all = more.iter().copied().chain([("REPOSITORIES", repositories.as_str())]);
    let all = all.map(|(name, value)| (format!("WEIR_BACKUP__{name}"), value.to_owned()));
    Sources::load(None, all.collect::<Vec<_>>()).unwrap().section().unwrap()
}

fn fresh(dir: &TempDir, store: &Store) -> Repositories {
    Repositories::remembered(
        &settings(dir.path(), &["one", "two"], &[]),
        Clock::system(),
        store.clone(),
    )
}

#[tokio::test]
async fn a_roll_back_is_known_after_a_restart() {
    let (dir, store) = (tempfile::tempdir().unwrap(), store().await);
    let before = fresh(&dir, &store);
    let repository = before.get("one").await.unwrap();
    for _ in 0..3 {
        repository.change(|_| Ok(())).await.unwrap();
    }
    before.look("one").await;
    std::fs::remove_file(dir.path().join("one/generations/000000000004")).unwrap();
    let error = fresh(&dir, &store).get("one").await.unwrap_err();
    assert_eq!(error.slug(), "backup-rolled-back", "{error}");
    // The process that runs sees it as well, and hands it out no more.
    before.look("one").await;
    let (name, standing) = before.standings()[0].clone();
    assert_eq!((name, standing.slug), ("one", "backup-rolled-back"), "{standing:?}");
    assert!(!standing.is_up());
    assert_eq!(before.get("one").await.unwrap_err().slug(), "backup-rolled-back");
    assert_eq!(before.first().await.unwrap().name(), "two");
}

#[tokio::test]
async fn another_repository_in_its_place_is_refused() {
    let (dir, store) = (tempfile::tempdir().unwrap(), store().await);
    fresh(&dir, &store).get("one").await.unwrap();
    let two = fresh(&dir, &store).get("two").await.unwrap();
    for _ in 0..3 {
        two.change(|_| Ok(())).await.unwrap();
    }
    std::fs::remove_dir_all(dir.path().join("one")).unwrap();
    let gone = fresh(&dir, &store).get("one").await.unwrap_err();
    assert_eq!(
        gone.slug(),
        "backup-rolled-back",
        "an empty one is not taken for it: {gone}"
    );
    std::fs::rename(dir.path().join("two"), dir.path().join("one")).unwrap();
    let other = fresh(&dir, &store).get("one").await.unwrap_err();
    assert_eq!(other.slug(), "backup-rolled-back", "{other}");
    assert!(other.to_string().contains("another name"), "{other}");
}

#[tokio::test]
async fn one_that_was_away_is_used_again_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let repositories = Repositories::of(&settings(dir.path(), &["one", "two"], &[]), Clock::system());
    std::fs::write(dir.path().join("one"), "not a directory").unwrap();
    assert!(repositories.get("one").await.is_err());
    assert!(repositories.standings()[0].1.trouble.is_some());
    assert_eq!(repositories.first().await.unwrap().name(), "two");
    std::fs::remove_file(dir.path().join("one")).unwrap();
    repositories.look("one").await;
    assert!(repositories.standings()[0].1.is_up(), "{:?}", repositories.standings());
    assert_eq!(repositories.first().await.unwrap().name(), "one");
}

#[tokio::test]
async fn keys_that_changed_in_their_files_are_read_anew() {
    let dir = tempfile::tempdir().unwrap();
    let repositories = Repositories::of(&settings(dir.path(), &["one"], &[]), Clock::system());
    let repository = repositories.get("one").await.unwrap();
    let was = repository.wrapping().id();
    std::fs::rename(dir.path().join("key"), dir.path().join("old")).unwrap();
    std::fs::write(dir.path().join("key"), [9; 32]).unwrap();
    repositories.look("one").await;
    assert_ne!(repository.wrapping().id(), was);
    assert!(repositories.standings()[0].1.is_up());
    std::fs::write(dir.path().join("old"), [1; 32]).unwrap();
    repositories.look("one").await;
    assert_eq!(repositories.standings()[0].1.slug, "backup-wrong-key");
}

#[test]
fn an_address_that_cannot_be_stops_the_start() {
    let wrong = [
        ("DATABASE_URL", "postgres://u@h/d"),
        ("WEIR_BACKUP__ENCRYPTION", "false"),
        ("WEIR_BACKUP__REPOSITORIES", "[{ name = \"x\", url = \"ftp://a\" }]"),
    ];
    let wrong = wrong.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let error = crate::settings::check(&Sources::load(None, wrong).unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("backup.repositories") && error.contains("ftp:// is not known"),
        "{error}"
    );
}
