//! A backup on its whole way: ordered, taken over the protocol, proven, and restored to just before the harm.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use weir_testkit::{Postgres, PostgresOptions, World, eventually};

/// A backup, its proof or a restore on a busy machine.
const WITHIN: Duration = Duration::from_secs(90);
/// Digits of a key.
const KEY: &str = "2222222222222222222222222222222222222222222222222222222222222222";

struct Journey {
    postgres: Postgres,
    world: World,
    dir: TempDir,
}

impl Journey {
    async fn begin() -> Self {
        let postgres = PostgresOptions::new().checksums().start().await;
        let dir = tempfile::tempdir().unwrap();
        // The restored server's user has to get to its directory.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).unwrap();
        std::fs::write(dir.path().join("key"), KEY).unwrap();
        let at = dir.path().display();
        let repositories = format!(
            "[{{ name = \"near\", url = \"file://{at}/near\", key_file = \"{at}/key\" }}, \
             {{ name = \"far\", url = \"file://{at}/far\", key_file = \"{at}/key\" }}]"
        );
        let world = World::new()
            .with("DATABASE_URL", &postgres.url("postgres"))
            .with("WEIR_STORE__URL", &Postgres::shared().await.database().await.url())
            .with("WEIR_BACKUP__REPOSITORIES", &repositories)
            .with("WEIR_BACKUP__SCRATCH_DIRECTORY", &format!("{at}/scratch"))
            .with("WEIR_BACKUP__POSTGRES_BIN", &postgres.bin_dir().display().to_string())
            .up()
            .await;
        Self { postgres, world, dir }
    }

    async fn weir(&self, arguments: &[&str]) -> String {
        let said = self.world.weir(&[&["backup"], arguments].concat()).await;
        assert!(said.succeeded, "{arguments:?}: {said:?}\n{}", self.world.outputs());
        said.text
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let text = self.weir(&[&["--json"], arguments].concat()).await;
        serde_json::from_str(&text).unwrap()
    }

    async fn insert(&self, from: u32, to: u32) {
        for number in from..=to {
            let sql = format!("insert into ledger values ({number})");
            self.postgres.psql("postgres", &sql).await;
        }
    }
}

#[tokio::test]
async fn a_backup_is_taken_proven_and_restored_to_just_before_the_harm() {
    let journey = Journey::begin().await;
    journey
        .postgres
        .psql("postgres", "create table ledger (n int primary key)")
        .await;
    journey.insert(1, 10).await;
    journey
        .weir(&["create", "--kind", "full", "--checkpoint-now", "--wait"])
        .await;
    let proven = eventually("the backup is proven and in both repositories", WITHIN, async || {
        let listed = journey.json(&["list"]).await;
        let backup = listed["backups"][0].clone();
        let both = backup["repositories"].as_array().is_some_and(|all| all.len() == 2);
        if backup["state"] == "proven" && both {
            Ok(backup)
        } else {
            Err(listed.to_string())
        }
    })
    .await;
    journey.insert(11, 20).await;
    let harm = "begin; select pg_current_xact_id(); delete from ledger where n > 5; commit";
    let xid = journey.postgres.psql("postgres", harm).await;
    journey.insert(21, 25).await;

    // The log of it is in the repository, and says who did what to which table.
    let found = eventually("the harm is in the list of commits", WITHIN, async || {
        let listed = journey.json(&["commits", "--table", "public.ledger"]).await;
        let commits = listed["commits"].as_array().cloned().unwrap_or_default();
        let harm = commits
            .into_iter()
            .find(|commit| commit["xid"].to_string().contains(&xid));
        harm.ok_or_else(|| listed.to_string())
    })
    .await;
    assert!(found.to_string().contains("15"), "fifteen rows were deleted: {found}");
    assert!(
        journey
            .json(&["windows"])
            .await
            .to_string()
            .contains(proven["id"].as_str().unwrap())
    );

    let directory = journey.dir.path().join("restored");
    let target = directory.display().to_string();
    let moment = ["restore", &target, "--xid", &xid, "--before"];
    let plan = journey.weir(&[&moment, ["--dry-run"].as_slice()].concat()).await;
    assert!(plan.contains(proven["id"].as_str().unwrap()), "{plan}");
    assert!(!directory.exists(), "a plan writes nothing");
    // The cluster is lost. What comes back answers at the same place.
    journey.postgres.kill().await;
    let _left = LeftAtWork(directory.clone());
    journey
        .weir(&[&moment, ["--then", "promote", "--wait"].as_slice()].concat())
        .await;
    let rows = journey
        .postgres
        .psql("postgres", "select count(*), max(n) from ledger")
        .await;
    assert_eq!(rows, "20|20", "all that was before the harm, and nothing after it");

    // Somebody works there now: refused, and nothing is lost.
    let again = journey
        .world
        .weir(&[&["backup"], moment.as_slice(), &["--wait"]].concat())
        .await;
    assert!(
        !again.succeeded && again.text.contains("backup-restore-running"),
        "{again:?}"
    );
    journey.weir(&["verify", "--wait"]).await;
    journey.weir(&["drill", "--depth", "full"]).await;
}

/// A server that was left at work in a directory. It ends with this.
struct LeftAtWork(PathBuf);

impl Drop for LeftAtWork {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(self.0.join("postmaster.pid")).unwrap_or_default();
        if let Some(pid) = pid.lines().next() {
            let _ = std::process::Command::new("kill").args(["-QUIT", pid]).status();
        }
    }
}
