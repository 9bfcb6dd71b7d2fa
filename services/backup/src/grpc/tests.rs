//! The desk over real repositories in directories and a real table of jobs.

use serde_json::json;
use tokio_stream::StreamExt as _;
use tonic::{Code, Request};
use weir_jobs::Works;
use weir_proto::common::v1::PageRequest;

use super::*;
use crate::act::tests::{SOON, Stage, moves};
use crate::repo::state::{BackupEntry, BackupKind, BackupState, ProjectKey, ProofEntry, State, Trash};
use crate::repo::tests::{content, stored};

fn desk(stage: &Stage) -> Desk {
    let log = Log::new("main", 0, SOON, Arc::clone(&stage.keeper.metrics));
    Desk::new(stage.keeper.clone(), stage.jobs.clone(), log, CancellationToken::new())
}

fn entry(number: u32, project: &str, kind: BackupKind, state: BackupState) -> BackupEntry {
    let mut entry = BackupEntry {
        id: format!("00000000-0000-7000-8000-{number:012}"),
        project: project.to_owned(),
        ended_unix_ms: 1_000_000 + i64::from(number),
        stored_bytes: 10,
        ..BackupEntry::default()
    };
    entry.set_kind(kind);
    entry.set_state(state);
    entry
}

/// Changes what a repository says of itself.
async fn state(stage: &Stage, repository: &str, change: impl Fn(&mut State)) {
    let repository = stage.keeper.repositories.get(repository).await.unwrap();
    let changed = repository.change(|state| {
        change(state);
        Ok(())
    });
    changed.await.unwrap();
}

/// Two repositories: the second has less, and knows of a proof that failed.
async fn filled() -> Stage {
    use BackupKind::{Full, Incremental, Project};
    use BackupState::{Expired, Failed, Proven, Unproven};
    let stage = Stage::new(&["here", "there"], &[]).await;
    state(&stage, "here", |state| {
        state.backups = vec![
            entry(1, "", Full, Proven),
            entry(2, "", Incremental, Unproven),
            entry(3, "shop", Project, Unproven),
            entry(4, "bank", Project, Unproven),
            entry(5, "", Full, Expired),
        ];
    })
    .await;
    state(&stage, "there", |state| {
        state.backups = vec![entry(1, "", Full, Failed), entry(2, "", Incremental, Unproven)];
        state.proofs = vec![ProofEntry {
            id: "p".to_owned(),
            backup_id: entry(1, "", Full, Failed).id,
            state: api::ProofState::Failed.into(),
            reason: "a page is wrong".to_owned(),
            ..ProofEntry::default()
        }];
    })
    .await;
    stage
}

async fn numbers(desk: &Desk, request: api::ListBackupsRequest) -> (Vec<u32>, String) {
    let reply = desk.list_backups(Request::new(request)).await.unwrap().into_inner();
    let number = |backup: &api::Backup| backup.id[24..].parse().unwrap();
    (
        reply.backups.iter().map(number).collect(),
        reply.page.unwrap().next_token,
    )
}

#[tokio::test]
async fn the_catalogue_is_that_of_all_repositories_and_each_sees_its_own() {
    let stage = filled().await;
    let desk = desk(&stage);
    let all = api::ListBackupsRequest::default();
    assert_eq!(numbers(&desk, all.clone()).await.0, [4, 3, 2, 1]);
    let of = |project: &str| api::ListBackupsRequest {
        project: project.to_owned(),
        ..all.clone()
    };
    assert_eq!(numbers(&desk, of("shop")).await.0, [3]);
    assert_eq!(numbers(&desk, of("stranger")).await.0, [] as [u32; 0]);
    for (request, found) in [
        (
            api::ListBackupsRequest {
                kinds: vec![api::BackupKind::Full.into()],
                states: vec![api::BackupState::Expired.into(), api::BackupState::Failed.into()],
                ..all.clone()
            },
            vec![5, 1],
        ),
        (
            api::ListBackupsRequest {
                since_unix_ms: 1_000_002,
                kinds: vec![api::BackupKind::Incremental.into(), api::BackupKind::Full.into()],
                ..all.clone()
            },
            vec![2],
        ),
        (
            api::ListBackupsRequest {
                cluster: "another".to_owned(),
                ..all.clone()
            },
            vec![],
        ),
    ] {
        assert_eq!(numbers(&desk, request).await.0, found);
    }
    let mut page = api::ListBackupsRequest {
        page: Some(PageRequest {
            size: 3,
            token: String::new(),
        }),
        ..all
    };
    let (first, token) = numbers(&desk, page.clone()).await;
    page.page = Some(PageRequest { size: 3, token });
    assert_eq!(
        (first, numbers(&desk, page).await),
        (vec![4, 3, 2], (vec![1], String::new()))
    );
}

#[tokio::test]
async fn a_backup_is_shown_with_who_holds_it_and_hidden_from_other_projects() {
    let stage = filled().await;
    let desk = desk(&stage);
    let get = async |number, project: &str| {
        let request = api::GetBackupRequest {
            id: entry(number, "", BackupKind::Full, BackupState::Proven).id,
            project: project.to_owned(),
        };
        desk.get_backup(Request::new(request)).await.map(Response::into_inner)
    };
    // It lies in no manifest, which is said; what failed its proof in one repository has failed.
    let missing = get(1, "").await.unwrap_err();
    assert_eq!(missing.metadata().get("weir-error").unwrap(), "backup-object-missing");
    let export = get(3, "shop").await.unwrap().backup.unwrap();
    assert_eq!(export.repositories, ["here"]);
    assert_eq!(export.expires_unix_ms, 1_000_003 + 30 * 24 * 3_600_000);
    assert_eq!(export.encryption.unwrap().scheme(), api::EncryptionScheme::Project);
    for (number, project) in [(3, "bank"), (1, "shop"), (9, "")] {
        assert_eq!(
            get(number, project).await.unwrap_err().code(),
            Code::NotFound,
            "{number} {project}"
        );
    }
    let failed = api::ListBackupsRequest {
        states: vec![api::BackupState::Failed.into()],
        ..api::ListBackupsRequest::default()
    };
    let failed = desk
        .list_backups(Request::new(failed))
        .await
        .unwrap()
        .into_inner()
        .backups
        .remove(0);
    assert_eq!(failed.repositories, ["here", "there"]);
    let proof = failed.proof.unwrap();
    assert_eq!(
        (proof.reason.as_str(), proof.repository.as_str()),
        ("a page is wrong", "there")
    );
}

#[tokio::test]
async fn a_real_backup_names_its_key() {
    let stage = Stage::new(&["here"], &[]).await;
    let repository = stage.keeper.repositories.get("here").await.unwrap();
    let made = stored(&repository, None, &[("base/5/16384", content(1, 9_000))])
        .await
        .unwrap();
    let request = api::GetBackupRequest {
        id: made.id,
        project: String::new(),
    };
    let found = desk(&stage)
        .get_backup(Request::new(request))
        .await
        .unwrap()
        .into_inner();
    let encryption = found.backup.unwrap().encryption.unwrap();
    assert_eq!(encryption.scheme(), api::EncryptionScheme::Repository);
    assert_eq!(encryption.key_id.len(), 16);
    assert_eq!(found.tables, []);
}

#[tokio::test]
async fn a_note_is_written_in_every_repository_that_holds_the_backup() {
    let stage = filled().await;
    let desk = desk(&stage);
    let annotate = async |number, project: &str, note: Option<&str>, keep| {
        let request = api::AnnotateBackupRequest {
            id: entry(number, "", BackupKind::Full, BackupState::Proven).id,
            note: note.map(str::to_owned),
            keep,
            project: project.to_owned(),
        };
        desk.annotate_backup(Request::new(request))
            .await
            .map(Response::into_inner)
    };
    let kept = annotate(2, "", Some("before the move"), Some(true))
        .await
        .unwrap()
        .backup
        .unwrap();
    assert_eq!(
        (kept.note.as_str(), kept.keep, kept.expires_unix_ms),
        ("before the move", true, 0)
    );
    for name in ["here", "there"] {
        let state = stage
            .keeper
            .repositories
            .get(name)
            .await
            .unwrap()
            .state()
            .await
            .unwrap();
        let entry = state.backup(&kept.id).unwrap();
        assert_eq!((entry.note.as_str(), entry.keep), ("before the move", true), "{name}");
    }
    let left = annotate(2, "", None, Some(false)).await.unwrap().backup.unwrap();
    assert_eq!((left.note.as_str(), left.keep), ("before the move", false));
    assert_eq!(
        annotate(2, "shop", Some("mine"), None).await.unwrap_err().code(),
        Code::NotFound
    );
    let long = "x".repeat(4_097);
    assert_eq!(
        annotate(2, "", Some(&long), None).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn repositories_tell_what_they_hold_and_what_is_wrong() {
    let stage = Stage::new(&["here", "broken"], &[]).await;
    std::fs::write(stage.places.path().join("broken"), "in the way").unwrap();
    state(&stage, "here", |state| {
        state.backups = vec![
            entry(1, "", BackupKind::Full, BackupState::Proven),
            entry(2, "", BackupKind::Full, BackupState::Expired),
        ];
        state.trash = vec![Trash {
            bytes: 77,
            ..Trash::default()
        }];
    })
    .await;
    let desk = desk(&stage);
    let found = desk
        .list_repositories(Request::new(api::ListRepositoriesRequest {}))
        .await;
    let found = found.unwrap().into_inner().repositories;
    let here = &found[0];
    assert_eq!(
        (here.reachable, here.backups, here.stored_bytes, here.garbage_bytes),
        (true, 1, 10, 77)
    );
    assert_eq!((here.generation, here.trouble.as_str()), (2, ""));
    assert!(
        !found[1].reachable && found[1].trouble.contains("File exists"),
        "{:?}",
        found[1]
    );
    // The catalogue is made of the other one.
    assert_eq!(numbers(&desk, api::ListBackupsRequest::default()).await.0, [1]);
}

#[tokio::test]
async fn keys_are_told_of_and_never_shown_and_a_project_sees_its_own() {
    let stage = Stage::new(&["here"], &[]).await;
    state(&stage, "here", |state| {
        let key = |project: &str, shredded_unix_ms| ProjectKey {
            project: project.to_owned(),
            id: format!("key of {project}"),
            shredded_unix_ms,
            ..ProjectKey::default()
        };
        state.project_keys = vec![key("shop", 0), key("bank", 5)];
    })
    .await;
    let desk = desk(&stage);
    let keys = async |project: &str| {
        let request = api::ListKeysRequest {
            project: project.to_owned(),
            ..api::ListKeysRequest::default()
        };
        desk.list_keys(Request::new(request)).await.unwrap().into_inner().keys
    };
    let all = keys("").await;
    assert_eq!(all.len(), 4, "{all:?}");
    assert!(
        !all.last().unwrap().at_hand,
        "the one that was destroyed comes last: {all:?}"
    );
    let own = keys("shop").await;
    assert_eq!(
        own.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(),
        ["key of shop"]
    );
    let strange = api::ListKeysRequest {
        repository: "there".to_owned(),
        ..api::ListKeysRequest::default()
    };
    assert_eq!(
        desk.list_keys(Request::new(strange)).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn a_plan_says_what_a_backup_would_read_and_what_is_in_its_way() {
    let stage = filled().await;
    let desk = desk(&stage);
    let plan = async |desk: &Desk, kind: api::BackupKind| {
        let order = Some(api::BackupOrder {
            kind: kind.into(),
            ..api::BackupOrder::default()
        });
        let planned = desk.plan_backup(Request::new(api::PlanBackupRequest { order })).await;
        planned.map(Response::into_inner)
    };
    let planned = plan(&desk, api::BackupKind::Unspecified).await.unwrap();
    assert_eq!(planned.kind(), api::BackupKind::Incremental);
    assert!(
        planned.based_on_id.ends_with("02") && planned.obstacles.is_empty(),
        "{planned:?}"
    );
    assert!(planned.read_bytes > 1_000_000, "{planned:?}");
    assert_eq!(
        plan(&desk, api::BackupKind::Project).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let bare = Stage::new(&[], &[("BACKUP_ENABLED", "false")]).await;
    let planned = plan(&self::desk(&bare), api::BackupKind::Unspecified).await.unwrap();
    let slugs: Vec<_> = planned
        .obstacles
        .iter()
        .map(|obstacle| obstacle.slug.as_str())
        .collect();
    assert_eq!(slugs, ["backup-no-repository", "backup-off"]);
}

#[tokio::test]
async fn jobs_are_shown_watched_and_cancelled_by_those_whose_they_are() {
    let mut stage = Stage::new(&["here"], &[]).await;
    let desk = desk(&stage);
    let id = stage
        .request("default", "backup", json!({"bytes_per_second_max": 2_000}), false)
        .await;
    let other = stage.request("shop", "export", json!({"project": "shop"}), false).await;
    let get = async |id: uuid::Uuid, project: &str| {
        let request = api::GetJobRequest {
            id: id.to_string(),
            project: project.to_owned(),
        };
        let got = desk.get_job(Request::new(request)).await;
        got.map(|reply| reply.into_inner().job.unwrap())
    };
    assert_eq!(get(id, "").await.unwrap().operation, "backup");
    assert_eq!(get(other, "shop").await.unwrap().project, "shop");
    assert_eq!(get(id, "shop").await.unwrap_err().code(), Code::NotFound);
    assert_eq!(get(uuid::Uuid::now_v7(), "").await.unwrap_err().code(), Code::NotFound);
    let list = async |project: &str, operations: &[&str]| {
        let request = api::ListJobsRequest {
            project: project.to_owned(),
            operations: operations.iter().map(|&name| name.to_owned()).collect(),
            ..api::ListJobsRequest::default()
        };
        desk.list_jobs(Request::new(request))
            .await
            .unwrap()
            .into_inner()
            .jobs
            .len()
    };
    assert_eq!(
        (
            list("", &[]).await,
            list("", &["prove"]).await,
            list("shop", &["export"]).await
        ),
        (1, 0, 1)
    );

    let request = api::WatchJobRequest {
        id: id.to_string(),
        project: String::new(),
    };
    let mut watched = desk.watch_job(Request::new(request)).await.unwrap().into_inner();
    let first = watched.next().await.unwrap().unwrap().job.unwrap();
    assert_eq!(first.state(), weir_proto::common::v1::JobState::Requested);
    stage.run(Works::builder().with(stage.operation(moves(1_000_000, 0))).build());
    let (mut told, mut is_cancelled) = (vec![first], false);
    let until_the_end = async {
        while let Some(next) = watched.next().await {
            let job = next.unwrap().job.unwrap();
            let moves = job.transfer.as_ref().is_some_and(|transfer| transfer.done_bytes > 0);
            if moves && !std::mem::replace(&mut is_cancelled, moves) {
                let request = api::CancelJobRequest {
                    id: id.to_string(),
                    project: "shop".to_owned(),
                };
                assert_eq!(
                    desk.cancel_job(Request::new(request)).await.unwrap_err().code(),
                    Code::NotFound
                );
                let request = api::CancelJobRequest {
                    id: id.to_string(),
                    project: String::new(),
                };
                desk.cancel_job(Request::new(request)).await.unwrap();
            }
            told.push(job);
        }
    };
    tokio::time::timeout(SOON, until_the_end).await.unwrap();
    let last = told.last().unwrap();
    assert_eq!(last.state(), weir_proto::common::v1::JobState::Cancelled);
    assert_eq!(last.subject_id, id.to_string());
    assert!(
        told.windows(2).all(|pair| pair[0] != pair[1]),
        "only changes are told: {told:?}"
    );
}

#[tokio::test]
async fn watchers_are_bounded_and_a_stopping_service_lets_them_go() {
    let stage = Stage::new(&["here"], &[]).await;
    let desk = desk(&stage);
    let id = stage.request("default", "backup", json!({}), false).await;
    let watch = async || {
        let request = api::WatchJobRequest {
            id: id.to_string(),
            project: String::new(),
        };
        desk.watch_job(Request::new(request)).await.map(Response::into_inner)
    };
    let mut all = Vec::new();
    for _ in 0..WATCHERS_MAX {
        all.push(watch().await.unwrap());
    }
    assert_eq!(watch().await.err().unwrap().code(), Code::ResourceExhausted);
    drop(all.pop());
    let mut last = watch().await.unwrap();
    last.next().await.unwrap().unwrap();
    desk.stop.cancel();
    let ended = tokio::time::timeout(SOON, last.next()).await.unwrap();
    assert!(ended.is_none(), "{ended:?}");
}
