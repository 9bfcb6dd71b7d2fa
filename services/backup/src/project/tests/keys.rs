//! Who can read an export, who cannot, and what is left when nobody is to.

use uuid::Uuid;

use super::world::{World, exported, import_of, imported, pace, repository, slug};
use crate::error::Error;
use crate::keeper::Keeper;
use crate::orders::ImportOrder;
use crate::project::{self, Who};
use crate::repo::state::{BackupEntry, BackupState};

const TWO: &str = "create schema a; create table a.t (x text); insert into a.t values ('of a');
    create schema b; create table b.t (x text); insert into b.t values ('of b');";

fn into_schema(entry: &BackupEntry, schema: &str, identity: &str) -> ImportOrder {
    ImportOrder {
        schema: schema.to_owned(),
        identity: identity.to_owned(),
        ..import_of(entry)
    }
}

async fn is_untouched(world: &World) {
    let schemas = "select string_agg(nspname, ' ' order by nspname) from pg_namespace where nspname !~ '^pg_|^information|^public'";
    assert_eq!(world.database.psql(schemas).await, "a b");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_projects_own_identity_reads_its_exports() {
    let mut world = World::new(1).await;
    world.database.psql(TWO).await;
    let (of_a, of_b) = (world.identity("a.age"), world.identity("b.age"));
    let without = of_a.lines().next().unwrap().to_owned();
    world.project("a", &format!("schemas = [\"a\"]\n{of_a}"));
    world.project("b", &format!("schemas = [\"b\"]\n{of_b}"));
    let keeper = world.keeper().await;
    let (a, b) = (
        exported(&keeper, "a").await.unwrap(),
        exported(&keeper, "b").await.unwrap(),
    );
    assert_ne!(a.key_id, b.key_id);
    // The other project's identity, either way round.
    for (entry, identity) in [(&a, "b"), (&b, "a")] {
        let failed = imported(&keeper, &into_schema(entry, "back", identity))
            .await
            .unwrap_err();
        assert!(
            failed.to_string().contains("and the identity at hand is that of age1"),
            "{failed}"
        );
        assert_eq!(slug::<()>(Err(failed)), "backup-project-key");
    }
    is_untouched(&world).await;
    // An operator who has the repository's key and neither identity.
    world.without_projects();
    world.project("a", &format!("schemas = [\"a\"]\n{without}"));
    let operator = world.keeper().await;
    assert_eq!(
        slug(imported(&operator, &into_schema(&a, "back", "")).await),
        "backup-project-key"
    );
    assert_eq!(project::tables(&operator, &Who::Operator, &a.id).await.unwrap(), vec![]);
    is_untouched(&world).await;
    nothing_is_readable(&keeper, &a).await;
    // Recipients that changed since: the identity of the settings is that of nobody who could read it.
    world.without_projects();
    let newer = world.identity("newer.age");
    world.project("a", &format!("schemas = [\"a\"]\n{newer}"));
    world.project("old", &format!("schemas = [\"old\"]\n{of_a}"));
    let changed = world.keeper().await;
    assert_eq!(
        slug(imported(&changed, &into_schema(&a, "back", "")).await),
        "backup-project-key"
    );
    is_untouched(&world).await;
    imported(&changed, &into_schema(&a, "back", "old")).await.unwrap();
    assert_eq!(world.database.psql("select x from back.t").await, "of a");
    imported(&keeper, &into_schema(&b, "back_b", "")).await.unwrap();
    assert_eq!(world.database.psql("select x from back_b.t").await, "of b");
}

/// No object of an export, and nothing that the repository's key opens, holds a word of it.
async fn nothing_is_readable(keeper: &Keeper, entry: &BackupEntry) {
    let repository = repository(keeper, 0).await;
    let index = project::verify(&repository, entry, &pace()).await.unwrap();
    for path in project::paths(entry, &index) {
        let content = repository.shelf().get(&path).await.unwrap();
        assert!(!content.windows(4).any(|window| window == b"of a"), "{path}");
        let is_sealed = content.starts_with(b"age-encryption.org/v1\n") || content.starts_with(b"WEIR");
        assert!(is_sealed, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_where_there_are_no_recipients_and_destroyed_with_everything() {
    let mut world = World::new(2).await;
    world.database.psql(TWO).await;
    for project in ["a", "b"] {
        world.project(project, &format!("schemas = [\"{project}\"]"));
    }
    let keeper = world.keeper().await;
    let (first, second) = (
        exported(&keeper, "a").await.unwrap(),
        exported(&keeper, "a").await.unwrap(),
    );
    let of_b = exported(&keeper, "b").await.unwrap();
    assert_eq!(first.key_id, second.key_id);
    assert_eq!(
        slug(imported(&keeper, &into_schema(&first, "back", "b")).await),
        "backup-project-key"
    );
    imported(&keeper, &into_schema(&first, "back", "")).await.unwrap();
    for number in [0, 1] {
        assert_eq!(objects(&keeper, number, "project-keys/a").await, 1);
        assert!(objects(&keeper, number, &format!("exports/{}", first.id)).await >= 3);
    }
    assert_eq!(slug(project::shred(&keeper, "a", "b").await), "backup-field");
    assert_eq!(objects(&keeper, 0, "project-keys/a").await, 1, "it was not confirmed");
    let gone = project::shred(&keeper, "a", "a").await.unwrap();
    assert_eq!(
        (gone.exports, gone.keys.len(), gone.remaining_backup_ids.len()),
        (2, 1, 0)
    );
    assert!(
        gone.remarks
            .iter()
            .any(|remark| remark.contains("live database is not touched")),
        "{gone:?}"
    );
    for number in [0, 1] {
        for folder in [
            "project-keys/a".to_owned(),
            format!("exports/{}", first.id),
            format!("exports/{}", second.id),
        ] {
            assert_eq!(objects(&keeper, number, &folder).await, 0, "{folder}");
        }
    }
    assert_eq!(
        slug(imported(&keeper, &into_schema(&first, "again", "")).await),
        "backup-shredded"
    );
    let entry = project::backup(&keeper, &Who::Operator, &first.id).await.unwrap().entry;
    assert_eq!(entry.state(), BackupState::Shredded);
    imported(&keeper, &into_schema(&of_b, "of_b", "")).await.unwrap();
    let again = project::shred(&keeper, "a", "a").await.unwrap();
    assert_eq!((again.exports, again.keys.len()), (0, 0));
    let newer = exported(&keeper, "a").await.unwrap();
    assert_ne!(newer.key_id, first.key_id, "a key came back");
}

async fn objects(keeper: &Keeper, number: usize, folder: &str) -> usize {
    repository(keeper, number)
        .await
        .shelf()
        .list(folder)
        .await
        .unwrap()
        .len()
}

#[tokio::test(flavor = "multi_thread")]
async fn shredding_says_which_backups_of_the_cluster_still_hold_the_rows() {
    let mut world = World::new(1).await;
    world.database.psql(TWO).await;
    let of_a = world.identity("a.age");
    world.project("a", &format!("schemas = [\"a\"]\n{of_a}"));
    let keeper = world.keeper().await;
    let entry = exported(&keeper, "a").await.unwrap();
    let repository = repository(&keeper, 0).await;
    let whole = crate::repo::tests::stored(&repository, None, &[("base/1", vec![1; 9000])])
        .await
        .unwrap();
    let ended = 1_000_000;
    let dated = |keep: bool| {
        let id = whole.id.clone();
        repository.change(move |state| {
            let backup = state.backup_mut(&id)?;
            (backup.ended_unix_ms, backup.keep) = (ended, keep);
            Ok(())
        })
    };
    dated(false).await.unwrap();
    let gone = project::shred(&keeper, "a", "a").await.unwrap();
    assert_eq!(gone.remaining_backup_ids, std::slice::from_ref(&whole.id));
    assert_eq!(gone.remaining_until_unix_ms, ended + 30 * 24 * 3600 * 1000);
    assert!(
        gone.remarks
            .iter()
            .any(|remark| remark.contains("keep their identities elsewhere")),
        "{gone:?}"
    );
    assert_eq!(objects(&keeper, 0, &format!("exports/{}", entry.id)).await, 0);
    dated(true).await.unwrap();
    let kept = project::shred(&keeper, "a", "a").await.unwrap();
    assert_eq!(kept.remaining_until_unix_ms, 0, "it is kept without end");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_under_way_is_not_listed_once_its_project_was_shredded() {
    let mut world = World::new(1).await;
    world.database.psql(TWO).await;
    world.project("a", "schemas = [\"a\"]");
    let keeper = world.keeper().await;
    exported(&keeper, "a").await.unwrap();
    // Somebody holds the table, so that the export waits for it with its lease taken.
    let mut holder = keeper.cluster.target.clone();
    holder = holder.in_database(world.database.name());
    let mut lock = weir_upstream::Connection::connect(&holder, weir_upstream::ConnectOptions::default())
        .await
        .unwrap();
    lock.simple_query("begin; lock table a.t in access exclusive mode")
        .await
        .unwrap();
    let exporting = exported(&keeper, "a");
    let shredding = async {
        let repository = repository(&keeper, 0).await;
        while repository.state().await.unwrap().leases.is_empty() {
            tokio::task::yield_now().await;
        }
        let gone = project::shred(&keeper, "a", "a").await.unwrap();
        lock.simple_query("commit").await.unwrap();
        gone
    };
    let (failed, gone) = tokio::join!(exporting, shredding);
    assert_eq!(gone.exports, 1);
    assert_eq!(slug(failed), "backup-fenced");
    let listed = project::backups(&keeper, &Who::Operator).await.unwrap();
    assert!(
        listed
            .iter()
            .all(|listed| listed.entry.state() == BackupState::Shredded),
        "{listed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_encrypts_and_the_old_one_still_reads() {
    let mut world = World::new(2).await;
    world.database.psql(TWO).await;
    world.project("a", "schemas = [\"a\"]");
    let keeper = world.keeper().await;
    let old = exported(&keeper, "a").await.unwrap();
    let rotated = project::rotate(&keeper, "a").await.unwrap();
    assert_eq!(rotated.retired, std::slice::from_ref(&old.key_id));
    let new = exported(&keeper, "a").await.unwrap();
    assert_eq!(new.key_id, rotated.key_id);
    assert_ne!(new.key_id, old.key_id);
    let of_a = world.identity("a.age");
    world.without_projects();
    world.project("a", &format!("schemas = [\"a\"]\n{of_a}"));
    let keeper = world.keeper().await;
    assert_eq!(
        project::rotate(&keeper, "a").await.unwrap().retired,
        std::slice::from_ref(&new.key_id)
    );
    let own = exported(&keeper, "a").await.unwrap();
    for (at, entry) in [&old, &new, &own].into_iter().enumerate() {
        imported(&keeper, &into_schema(entry, &format!("back{at}"), ""))
            .await
            .unwrap();
    }
    let keys = project::keys(&keeper, &Who::Project("a".to_owned())).await.unwrap();
    let known: Vec<_> = keys
        .iter()
        .map(|key| (key.id.as_str(), key.retired_unix_ms != 0, key.at_hand, key.backups))
        .collect();
    assert_eq!(known[0], (own.key_id.as_str(), false, true, 1));
    assert!(
        known.contains(&(old.key_id.as_str(), true, true, 1)) && known.contains(&(new.key_id.as_str(), true, true, 1)),
        "{known:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_project_sees_or_changes_what_is_anothers() {
    let mut world = World::new(2).await;
    world.database.psql(TWO).await;
    for project in ["a", "b"] {
        world.project(project, &format!("schemas = [\"{project}\"]"));
    }
    let keeper = world.keeper().await;
    let (a, b) = (
        exported(&keeper, "a").await.unwrap(),
        exported(&keeper, "b").await.unwrap(),
    );
    let whole = crate::repo::tests::stored(&repository(&keeper, 0).await, None, &[("base/1", vec![1; 9000])])
        .await
        .unwrap();
    let of = |name: &str| Who::Project(name.to_owned());
    let ids = async |who: Who| -> Vec<String> {
        let all = project::backups(&keeper, &who).await.unwrap();
        all.into_iter().map(|listed| listed.entry.id).collect()
    };
    assert_eq!(ids(of("a")).await, std::slice::from_ref(&a.id));
    assert_eq!(ids(of("b")).await, std::slice::from_ref(&b.id));
    assert_eq!(ids(of("")).await, Vec::<String>::new());
    assert_eq!(ids(Who::Operator).await.len(), 3);
    let missing = project::backup(&keeper, &of("a"), &Uuid::nil().to_string())
        .await
        .unwrap_err();
    for id in [&b.id, &whole.id] {
        let hidden = project::backup(&keeper, &of("a"), id).await.unwrap_err();
        assert_eq!(
            hidden.to_string(),
            missing.to_string().replace(&Uuid::nil().to_string(), id)
        );
        assert_eq!(slug(project::tables(&keeper, &of("a"), id).await), "backup-not-found");
        assert_eq!(
            slug(project::annotate(&keeper, &of("a"), id, Some("mine"), Some(true)).await),
            "backup-not-found"
        );
    }
    let keys = project::keys(&keeper, &of("a")).await.unwrap();
    assert!(
        keys.len() == 1 && keys[0].project == "a" && keys[0].backups == 1,
        "{keys:?}"
    );
    assert_eq!(project::keys(&keeper, &Who::Operator).await.unwrap().len(), 2);
    let noted = project::annotate(&keeper, &of("a"), &a.id, Some("mine"), Some(true))
        .await
        .unwrap();
    assert_eq!(
        (noted.entry.note.as_str(), noted.entry.keep, noted.repositories.len()),
        ("mine", true, 2)
    );
    for number in [0, 1] {
        let state = repository(&keeper, number).await.state().await.unwrap();
        assert!(state.backup(&a.id).unwrap().keep && !state.backup(&b.id).unwrap().keep);
    }
    let tables = project::tables(&keeper, &of("a"), &a.id).await.unwrap();
    assert_eq!(tables, [("a.t".to_owned(), 1, 5)]);
    assert!(!matches!(
        project::backup(&keeper, &of("a"), &b.id).await,
        Err(Error::Refused { .. })
    ));
}
