//! Backups by REST: ordered, awaited, proven, and planned to be restored.

use serde_json::json;
use weir_testkit::{Postgres, PostgresOptions, World, eventually};

use super::hostile::hostile;
use super::{SOON, WITHIN, ended, refused};
use crate::console::Api;

const KEY: &str = "2222222222222222222222222222222222222222222222222222222222222222";

struct Cluster {
    postgres: Postgres,
    world: World,
    _dir: tempfile::TempDir,
}

impl Cluster {
    async fn begin() -> Self {
        let postgres = PostgresOptions::new().checksums().start().await;
        let dir = tempfile::tempdir().unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).unwrap();
        std::fs::write(dir.path().join("key"), KEY).unwrap();
        let at = dir.path().display();
        let near = format!("[{{ name = \"near\", url = \"file://{at}/near\", key_file = \"{at}/key\" }}]");
        let world = World::new()
            .with("DATABASE_URL", &postgres.url("postgres"))
            .with("WEIR_STORE__URL", &Postgres::shared().await.database().await.url())
            .with("WEIR_BACKUP__REPOSITORIES", &near)
            .with("WEIR_BACKUP__PROVE_EACH", "false")
            .with("WEIR_CONSOLE__REQUESTS_PER_SECOND", "100000")
            .with("WEIR_BACKUP__SCRATCH_DIRECTORY", &format!("{at}/scratch"))
            .with("WEIR_BACKUP__POSTGRES_BIN", &postgres.bin_dir().display().to_string())
            .up()
            .await;
        Self {
            postgres,
            world,
            _dir: dir,
        }
    }
}

#[tokio::test]
async fn a_backup_is_awaited_listed_proven_and_planned_to_be_restored() {
    let cluster = Cluster::begin().await;
    let api = Api::of(&cluster.world);
    cluster
        .postgres
        .psql(
            "postgres",
            "create table ledger (n int primary key); insert into ledger values (1)",
        )
        .await;
    let order = json!({ "kind": "full", "checkpoint_now": true, "label": "before the fair", "wait": true });
    let (status, job) = api.ask("POST", "/database/backup/create", Some(order)).await;
    assert_eq!((status, &job["state"]), (200, &json!("succeeded")), "{job}");
    assert_eq!(job["effect"]["kind"], "full");
    let id = job["id"].as_str().unwrap();
    let listed = api.get("/database/backups?kind=full&limit=1").await;
    assert_eq!(
        (&listed["backups"][0]["id"], &listed["backups"][0]["state"]),
        (&json!(id), &json!("unproven")),
        "{listed}"
    );
    assert_eq!(listed["backups"][0]["note"], "before the fair");

    let test = format!("/database/backup/{id}/test-recovery");
    let (status, begun) = api.ask("POST", &test, None).await;
    assert_eq!((status, &begun["status"]), (202, &json!("running")), "{begun}");
    let place = format!("/database/jobs/{}", begun["job"]["id"].as_str().unwrap());
    let done = ended(&api, &place).await;
    assert_eq!(
        (&done["state"], &done["operation"]),
        (&json!("succeeded"), &json!("prove"))
    );
    let (status, proof) = api
        .ask("POST", &test, Some(json!({ "depth": "full", "wait": true })))
        .await;
    assert_eq!((status, &proof["status"]), (200, &json!("proven")), "{proof}");
    assert!(proof["checks"].as_array().unwrap().len() > 2, "{proof}");
    let shown = api.get(&format!("/database/backups/{id}")).await;
    assert_eq!(shown["backup"]["state"], "proven");
    let proof = proof["proof"]["id"].as_str().unwrap();
    assert_eq!(api.get("/database/backup/proofs").await["proofs"][0]["id"], proof);
    api.get(&format!("/database/backup/proofs/{proof}")).await;
    // What follows a backup, the service asks itself: it is in the list of work too.
    let work = api.get("/database/jobs?operation=expire").await;
    assert_eq!(work["jobs"][0]["requested_by"], "", "{work}");
    let expiry = work["jobs"][0]["id"].as_str().unwrap();
    assert_eq!(api.get(&format!("/database/jobs/{expiry}")).await["service"], "backup");

    let (status, kept) = api
        .ask("PUT", &format!("/database/backups/{id}"), Some(json!({ "keep": true })))
        .await;
    assert_eq!((status, &kept["keep"]), (200, &json!(true)), "{kept}");
    assert_eq!(
        api.get("/database/backup/expiry/plan").await["verdicts"][0]["expires"],
        false
    );
    restorable(&cluster, &api, id).await;
    apart_from_backups(&api, id).await;
    hostile(
        &api,
        &[
            "a\0b",
            "-1",
            "00000000-0000-0000-0000-000000000000~9223372036854775807",
            "0.0~0",
        ],
    )
    .await;
}

async fn restorable(cluster: &Cluster, api: &Api, id: &str) {
    let status = eventually("the log to come in", SOON, async || {
        let status = api.get("/database/backup/status").await;
        let is_whole = status["windows"].as_array().is_some_and(|windows| windows.len() == 1);
        (is_whole && status["exposure_ms"].is_u64())
            .then_some(status.clone())
            .ok_or(status)
    })
    .await;
    assert_eq!((&status["enabled"], &status["missing"]), (&json!(true), &json!([])));
    assert_eq!(status["last_backups"][0]["id"], id);
    assert!(!status["last_proofs"].as_array().unwrap().is_empty());
    let xid = cluster
        .postgres
        .psql(
            "postgres",
            "begin; select pg_current_xact_id(); delete from ledger; commit",
        )
        .await;
    eventually("the harm to be in the list of commits", WITHIN, async || {
        let listed = api
            .get("/database/backup/commits?table=public.ledger&database=postgres")
            .await;
        let found = listed["commits"]
            .as_array()
            .unwrap()
            .iter()
            .any(|commit| commit["xid"].as_u64() == xid.parse().ok());
        found.then_some(()).ok_or(listed)
    })
    .await;
    let wanted = json!({
        "directory": "/srv/my restore", "target": { "xid": xid.parse::<u32>().unwrap(), "before": true }, "then": "pause",
    });
    let (status, plan) = api.ask("POST", "/database/backup/restore/plan", Some(wanted)).await;
    assert_eq!((status, &plan["plan"]["backup"]["id"]), (200, &json!(id)), "{plan}");
    assert_eq!(
        plan["command"],
        format!("weir backup restore '/srv/my restore' --xid={xid} --before --then=pause --wait")
    );
    // The command is one that the command line understands, and comes to the same.
    let arguments = [
        "backup",
        "restore",
        "/srv/my restore",
        &format!("--xid={xid}"),
        "--before",
        "--then=pause",
    ];
    let dry = cluster
        .world
        .weir(&[&arguments, ["--dry-run"].as_slice()].concat())
        .await;
    assert!(dry.text.contains(id), "{dry:?}");
}

async fn apart_from_backups(api: &Api, id: &str) {
    let (_, theirs) = api.token(Some("default"), "operator").await;
    let default = api.with(&theirs);
    assert_eq!(default.get("/database/backups").await["backups"], json!([]));
    assert_eq!(default.get("/database/jobs").await["jobs"], json!([]));
    for (method, path) in [
        ("GET", format!("/database/backups/{id}")),
        ("GET", format!("/database/jobs/{id}")),
        ("POST", format!("/database/jobs/{id}/cancel")),
    ] {
        assert_eq!(refused(&default, method, &path, None).await.0, 404, "{method} {path}");
    }
    let remark = Some(json!({ "keep": false }));
    assert_eq!(
        refused(&default, "PUT", &format!("/database/backups/{id}"), remark)
            .await
            .0,
        404
    );
    let order = Some(json!({ "kind": "full" }));
    assert_eq!(refused(&default, "POST", "/database/backup/create", order).await.0, 403);
}
