//! Proofs of real backups on real servers: sound ones are proven, and every planted damage is found in one proof.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_proto::backup::v1::{GetProofRequest, ListProofsRequest, ProofState};

use super::lab::{self, Lab, open_directory, packaged};
use super::place::{self, Place, server_of};
use super::scratch::{HOME, Scratch, Start};
use super::{Check, Evidence, Programs};
use crate::engine::base::pages::{self, PAGE_BYTES};
use crate::engine::pace::Pace;
use crate::engine::progress::Progress;
use crate::error::Error;
use crate::grpc::proofs;
use crate::orders::{Depth, LogPosition, ProofOrder, RestoreTarget};
use crate::repo::state::{BackupState, ProofEntry};
use crate::repo::wal::Segment;
use crate::settings::FileSmoke;

/// A table with an index, of a few pages each.
const TABLES: &str = "
    create table kept (id int primary key, word text not null);
    insert into kept select at, md5(at::text) from generate_series(1, 3000) at;
    create table small (id int primary key, word text);
    insert into small select at, 'w' from generate_series(1, 50) at;
    create unlogged table fleeting (id int);
    insert into fleeting values (1);
    checkpoint;";

async fn lab() -> Lab {
    let mut lab = Lab::of(packaged()).await.unwrap();
    lab.sql(TABLES).await;
    lab
}

fn deep(backup: &str) -> ProofOrder {
    ProofOrder {
        backup_id: backup.to_owned(),
        depth: Depth::Full,
        ..ProofOrder::default()
    }
}

async fn evidence(lab: &Lab, proof: &ProofEntry) -> Evidence {
    lab.repository.evidence(&proof.id).await.unwrap()
}

async fn state_of(lab: &Lab, backup: &str) -> BackupState {
    lab.repository.state().await.unwrap().backup(backup).unwrap().state()
}

fn check<'a>(evidence: &'a Evidence, name: &str) -> &'a Check {
    evidence.checks.iter().find(|check| check.name == name).unwrap()
}

/// Processes that were started as servers on a directory below this one, or serve one.
fn servers_below(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let cwd = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        if line.contains("postgres") && cwd.starts_with(directory) {
            found.push(line);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_backup_is_proven_and_the_next_proof_goes_on_from_there() {
    let mut lab = lab().await;
    lab.keeper.settings.smoke.0.push(FileSmoke {
        name: "enough words".to_owned(),
        database: HOME.to_owned(),
        sql: "select count(*) >= 3000 from kept".to_owned(),
    });
    let first = lab.back_up(None).await;
    lab.fill_a_segment().await;
    lab.fill_a_segment().await;
    let proof = lab.prove(&ProofOrder::default()).await;
    assert_eq!((proof.state, proof.reason.as_str()), (ProofState::Proven as i32, ""));
    assert_eq!(proof.backup_id, first.id);
    assert_eq!(state_of(&lab, &first.id).await, BackupState::Proven);
    let found = evidence(&lab, &proof).await;
    let names: Vec<&str> = found.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "restore",
            "recovery",
            "page_checksums",
            "structure",
            "row_counts",
            "enough words"
        ]
    );
    for check in &found.checks {
        assert!(check.passed && check.examined > 0, "{check:?}");
    }
    let rows: Vec<(&str, u64)> = found
        .ledger
        .iter()
        .map(|count| (count.table.as_str(), count.rows))
        .collect();
    assert_eq!(rows, [("public.kept", 3000), ("public.small", 50)]);
    let (stop, reached) = (first.stop.unwrap().lsn, proof.recovered_to.unwrap().lsn);
    assert!(
        reached >= stop && found.target.starts_with("recovery_target_lsn"),
        "{found:?}"
    );
    assert!(
        proof.recovery_ms > 0
            && servers_below(lab.dir.path())
                .iter()
                .all(|line| !line.contains("scratch/proof"))
    );

    lab.sql("insert into small select at, 'x' from generate_series(51, 99) at; checkpoint")
        .await;
    let second = lab.back_up(Some(&first.id)).await;
    let proof = lab.prove(&ProofOrder::default()).await;
    assert_eq!(
        (proof.state, proof.backup_id.as_str()),
        (ProofState::Proven as i32, second.id.as_str()),
        "{proof:?}"
    );
    let found = evidence(&lab, &proof).await;
    let restore = check(&found, "restore");
    let kept: u64 = restore.notes[0].split(' ').next().unwrap().parse().unwrap();
    assert!(kept * 10 > restore.examined * 8, "{restore:?}");
    let structure = check(&found, "structure");
    assert!(
        structure.examined < 250 && structure.notes[0].contains("as they were"),
        "{structure:?}"
    );
    assert!(
        found
            .ledger
            .iter()
            .any(|count| (count.table.as_str(), count.rows) == ("public.small", 99)),
        "{found:?}"
    );

    let listed = proofs::list(&lab.keeper, &ListProofsRequest::default()).await.unwrap();
    let ids: Vec<&str> = listed.proofs.iter().map(|shown| shown.backup_id.as_str()).collect();
    assert_eq!(ids, [second.id.as_str(), first.id.as_str()]);
    let shown = proofs::show(
        &lab.keeper,
        &GetProofRequest {
            id: proof.id.clone(),
            ..GetProofRequest::default()
        },
    )
    .await
    .unwrap();
    assert_eq!(shown.checks.len(), 6);
    let state = lab.repository.state().await.unwrap();
    let tables = proofs::tables(&lab.repository, &state, &second.id).await.unwrap();
    assert_eq!(tables[1].rows, Some(99));
    let none = proofs::show(
        &lab.keeper,
        &GetProofRequest {
            id: "x".to_owned(),
            ..GetProofRequest::default()
        },
    )
    .await;
    assert!(matches!(none, Err(Error::NoProof(_))));
}

/// Changes one page of a file, and makes its checksum fit again.
fn with_page(content: &mut [u8], block: u32, change: impl FnOnce(&mut [u8; PAGE_BYTES])) {
    let (page_list, _) = content.as_chunks_mut::<PAGE_BYTES>();
    let page = &mut page_list[block as usize];
    change(page);
    let sum = pages::checksum(page, block);
    page[8..10].copy_from_slice(&sum.to_ne_bytes());
}

/// A proof that finds this in that check, and says so of the backup.
async fn finds(lab: &Lab, order: &ProofOrder, name: &str, words: &str) {
    let proof = lab.prove(order).await;
    assert_eq!(proof.state, ProofState::Failed as i32, "{proof:?}");
    let found = evidence(lab, &proof).await;
    let check = check(&found, name);
    assert!(
        !check.passed && check.findings.iter().any(|line| line.contains(words)),
        "{found:?}"
    );
    assert!(!proof.reason.is_empty());
    assert_eq!(state_of(lab, &order.backup_id).await, BackupState::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_in_pages_and_indexes_is_found() {
    let mut lab = lab().await;
    let heap = lab.value("select pg_relation_filepath('kept')").await;
    let index = lab.value("select pg_relation_filepath('small_pkey')").await;

    let broken = lab.back_up_changed(None, |path, content| {
        if path == heap {
            content[PAGE_BYTES + 5000] ^= 1;
        }
    });
    let broken = broken.await;
    finds(&lab, &deep(&broken.id), "page_checksums", "page 1 has a wrong checksum").await;

    let nonsense = lab.back_up_changed(None, |path, content| {
        if path == heap {
            // The first tuple claims to begin its data behind its end.
            with_page(content, 2, |page| {
                let pointer = u32::from_ne_bytes(page[24..28].try_into().unwrap());
                page[(pointer & 0x7FFF) as usize + 22] = 0xF8;
            });
        }
    });
    let nonsense = nonsense.await;
    finds(&lab, &deep(&nonsense.id), "structure", "public.kept, page 2").await;

    // The catalogue has lost a page: nobody can even log in, or what there is is not found.
    let catalogue = lab.value("select pg_relation_filepath('pg_class')").await;
    let headless = lab.back_up_changed(None, |path, content| {
        if path == catalogue {
            with_page(content, 0, |page| {
                page[12..14].copy_from_slice(&24_u16.to_ne_bytes());
                page[14..16].copy_from_slice(&8192_u16.to_ne_bytes());
            });
        }
    });
    let headless = headless.await;
    let proof = lab.prove(&deep(&headless.id)).await;
    assert_eq!(proof.state, ProofState::Failed as i32, "{proof:?}");

    let lost = lab.back_up_changed(None, |path, content| {
        if path == index {
            // The last entry of the only leaf is gone.
            with_page(content, 1, |page| {
                let lower = u16::from_ne_bytes(page[12..14].try_into().unwrap()) - 4;
                page[12..14].copy_from_slice(&lower.to_ne_bytes());
            });
        }
    });
    let lost = lost.await;
    finds(&lab, &deep(&lost.id), "structure", "lacks matching index tuple").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_in_the_repository_and_answers_that_are_false_are_found() {
    let mut lab = lab().await;
    let sound = lab.back_up(None).await;
    lab.keeper.settings.smoke.0.push(FileSmoke {
        name: "nobody is lost".to_owned(),
        database: HOME.to_owned(),
        sql: "select count(*) = 51 from small".to_owned(),
    });
    finds(&lab, &deep(&sound.id), "nobody is lost", "its answer is false").await;
    lab.keeper.settings.smoke.0.clear();
    let again = lab.prove(&deep(&sound.id)).await;
    assert_eq!(again.state, ProofState::Proven as i32, "{again:?}");
    assert_eq!(
        state_of(&lab, &sound.id).await,
        BackupState::Proven,
        "what is well again is well"
    );

    // Log after the backup is gone, although later log is there.
    lab.fill_a_segment().await;
    let hole = Segment::at(1, sound.stop.unwrap().lsn, 1 << 20).next();
    lab.fill_a_segment().await;
    lab.fill_a_segment().await;
    lab.repository.drop_segment(hole).await.unwrap();
    finds(&lab, &deep(&sound.id), "recovery", "and later ones are").await;

    // Log that the backup needs to be consistent is gone, with all that came after it.
    let needed = lab.back_up(Some(&sound.id)).await;
    let at = Segment::at(1, needed.start.unwrap().lsn, 1 << 20);
    lab.repository.drop_segment(at).await.unwrap();
    let proof = lab.prove(&deep(&needed.id)).await;
    assert_eq!(proof.state, ProofState::Failed as i32, "{proof:?}");
    assert_eq!(evidence(&lab, &proof).await.checks.last().unwrap().name, "recovery");

    // A chunk is not what was written. What the last proof left would do for most of it.
    let chunk = lab.back_up(None).await;
    let packs = lab.dir.path().join("repository/packs").join(&chunk.id);
    let pack = std::fs::read_dir(packs).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::remove_file(&pack).unwrap();
    std::fs::write(&pack, bytes).unwrap();
    std::fs::remove_dir_all(lab.place().join("data")).unwrap();
    finds(&lab, &deep(&chunk.id), "restore", "damaged").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_says_nothing_about_a_backup() {
    let mut lab = lab().await;
    let sound = lab.back_up(None).await;
    let inconclusive = async |lab: &Lab, order: &ProofOrder, words: &str| {
        let proof = lab.prove(order).await;
        assert_eq!(proof.state, ProofState::Inconclusive as i32, "{proof:?}");
        assert!(proof.reason.contains(words), "{proof:?}");
        assert_eq!(state_of(lab, &sound.id).await, BackupState::Unproven);
    };
    let beyond = ProofOrder {
        target: Some(RestoreTarget {
            position: Some(LogPosition {
                timeline: 1,
                lsn: 1 << 60,
            }),
            ..RestoreTarget::default()
        }),
        ..ProofOrder::default()
    };
    inconclusive(&lab, &beyond, "before configured recovery target").await;
    let bin = lab.keeper.settings.postgres_bin.replace("/nowhere".into());
    inconclusive(&lab, &ProofOrder::default(), "there is no program /nowhere/postgres").await;
    lab.keeper.settings.postgres_bin = bin;
    let directory = lab.keeper.settings.scratch_directory.take();
    inconclusive(&lab, &ProofOrder::default(), "backup.scratch_directory").await;
    lab.keeper.settings.scratch_directory = directory;
    std::fs::remove_dir_all(lab.place()).unwrap();
    std::fs::create_dir(lab.place()).unwrap();
    std::fs::write(lab.place().join("precious"), "a user's").unwrap();
    inconclusive(&lab, &ProofOrder::default(), "nothing is touched there").await;
    assert!(lab.place().join("precious").exists());
    let kept = lab.repository.state().await.unwrap().proofs.len();
    assert_eq!(kept, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scratch_server_reaches_nobody() {
    let mut lab = lab().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let touched = lab.dir.path().join("touched");
    std::fs::create_dir(&touched).unwrap();
    std::fs::set_permissions(&touched, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let settings = [
        ("archive_mode", "on".to_owned()),
        ("archive_command", format!("touch {}/archived", touched.display())),
        (
            "archive_cleanup_command",
            format!("touch {}/cleaned", touched.display()),
        ),
        ("recovery_end_command", format!("touch {}/ended", touched.display())),
        ("primary_conninfo", format!("host=127.0.0.1 port={port}")),
        ("listen_addresses", "127.0.0.1".to_owned()),
        ("shared_preload_libraries", "no_such_library".to_owned()),
        ("ssl", "on".to_owned()),
    ];
    for (name, value) in settings {
        lab.sql(&format!("alter system set {name} = '{value}'")).await;
    }
    lab.sql(&format!(
        "create subscription reaching connection 'host=127.0.0.1 port={port} dbname=x' publication p \
         with (connect = false, slot_name = 'reaching')"
    ))
    .await;
    lab.sql("alter subscription reaching enable").await;
    let backup = lab.back_up(None).await;
    lab.fill_a_segment().await;
    // A standby would be made of a directory with this file in it.
    let data = lab.place().join("data");
    let proof = lab.prove(&deep(&backup.id)).await;
    assert_eq!(proof.state, ProofState::Proven as i32, "{proof:?}");
    let came = tokio::time::timeout(Duration::from_millis(300), listener.accept()).await;
    assert!(came.is_err(), "somebody came: {came:?}");
    let left: Vec<_> = std::fs::read_dir(&touched).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    // What it wrote itself, on a timeline of its own, is not even marked for anybody.
    let marked = walked(&data.join("pg_wal/archive_status"));
    let own = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("00000002");
    assert!(!marked.iter().any(own), "{marked:?}");
    assert_eq!(std::fs::read_to_string(data.join("postgresql.auto.conf")).unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stopped_leaves_nothing_running() {
    let mut lab = lab().await;
    lab.keeper.settings.smoke.0.push(FileSmoke {
        name: "for ever".to_owned(),
        database: HOME.to_owned(),
        sql: "select pg_sleep(1000)".to_owned(),
    });
    let backup = lab.back_up(None).await;
    let (order, stop) = (ProofOrder::default(), CancellationToken::new());
    let stopping = async {
        weir_testkit::eventually("the question to be asked", Duration::from_secs(30), async || {
            let running = servers_below(&lab.place());
            let asks = running.iter().any(|line| line.contains("SELECT"));
            if asks { Ok(()) } else { Err(format!("{running:?}")) }
        })
        .await;
        stop.cancel();
    };
    let (proof, ()) = tokio::join!(lab.prove_until(&order, stop.clone()), stopping);
    assert_eq!(proof.state, ProofState::Inconclusive as i32, "{proof:?}");
    assert_eq!(state_of(&lab, &backup.id).await, BackupState::Unproven);
    assert_eq!(servers_below(&lab.place()), Vec::<String>::new());
    let pace = Pace::new(0, stop, Progress::default());
    let none = super::prove(&lab.keeper, Uuid::now_v7(), &deep("nothing"), &pace).await;
    assert!(
        matches!(none, Err(Error::Repository(crate::repo::Error::NoBackup(_)))),
        "{none:?}"
    );
}

/// How the process that is to be killed is told where to work.
const KILLED_IN: &str = "WEIR_TEST_KILLED_IN";

#[tokio::test]
#[ignore = "started by the test below, to be killed"]
#[expect(clippy::disallowed_methods, reason = "one test process tells another where to work")]
async fn process_that_is_killed() {
    let directory = std::env::var(KILLED_IN).unwrap();
    let settings = lab::settings(Path::new(&directory), packaged());
    let programs = Programs::find(&settings, packaged() * 10_000).await.unwrap();
    let stop = CancellationToken::new();
    let place = Place::take(Path::new(&directory), "proof", &programs, &stop)
        .await
        .unwrap();
    let data = place.data().display().to_string();
    programs
        .output("initdb", &["-D", &data, "-U", "postgres", "--no-sync"])
        .await
        .unwrap();
    let how = Start {
        users: vec!["postgres".to_owned()],
        ..Start::default()
    };
    let mut scratch = Scratch::start(&programs, &place.data(), &place.run(), &how)
        .await
        .unwrap();
    scratch.wait_open(&stop).await.unwrap();
    std::fs::write(Path::new(&directory).join("ready"), "").unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_left_is_ended_and_nobody_elses() {
    let dir = open_directory();
    let neighbour = weir_testkit::Postgres::start().await;
    // Not ours, whatever is in it.
    let stranger = dir.path().join("stranger");
    std::fs::create_dir_all(stranger.join("run")).unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "prove::tests::process_that_is_killed"])
        .env(KILLED_IN, dir.path())
        .spawn()
        .unwrap();
    weir_testkit::eventually("the server of the other process", Duration::from_secs(60), async || {
        let ready = dir.path().join("ready").exists();
        if ready { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    let data = dir.path().join("proof/data");
    let mine = server_of(&data).unwrap();
    place::tidy(dir.path()).await.unwrap();
    assert_eq!(server_of(&data), Some(mine), "somebody works there");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(server_of(&data), Some(mine), "it outlives its process");
    place::tidy(dir.path()).await.unwrap();
    assert_eq!(server_of(&data), None);
    assert_eq!(servers_below(dir.path()), Vec::<String>::new());
    assert!(!dir.path().join("proof/run").exists() && stranger.join("run").exists());
    // A note that names somebody else's server is not believed.
    let note = std::fs::read_to_string(neighbour.data_dir().join("postmaster.pid")).unwrap();
    std::fs::write(data.join("postmaster.pid"), note).unwrap();
    place::tidy(dir.path()).await.unwrap();
    assert_eq!(neighbour.psql("postgres", "select 40 + 2").await, "42");
}

#[tokio::test(flavor = "multi_thread")]
async fn tablespaces_are_restored_here_and_none_is_made_in_a_users_place() {
    let mut lab = lab().await;
    let space = lab.make_tablespace("space").await;
    lab.sql("create table away (id int) tablespace space; insert into away select generate_series(1, 700)")
        .await;
    let backup = lab.back_up(None).await;
    lab.fill_a_segment().await;
    let later = lab.make_tablespace("later").await;
    lab.sql("create table further (id int) tablespace later; insert into further values (1)")
        .await;
    lab.fill_a_segment().await;
    let seen = |place: &Path| -> Vec<_> {
        walked(place)
            .into_iter()
            .map(|path| (path.metadata().unwrap().ino(), path))
            .collect()
    };
    let before = (seen(&space), seen(&later));
    let proof = lab.prove(&deep(&backup.id)).await;
    assert_eq!(proof.state, ProofState::Proven as i32, "{proof:?}");
    let found = evidence(&lab, &proof).await;
    assert!(
        found
            .ledger
            .iter()
            .any(|count| (count.table.as_str(), count.rows) == ("public.away", 700)),
        "{found:?}"
    );
    assert!(
        found.ledger.iter().all(|count| count.table != "public.further"),
        "{found:?}"
    );
    let end = ProofOrder {
        target: Some(RestoreTarget::default()),
        ..deep(&backup.id)
    };
    let proof = lab.prove(&end).await;
    assert_eq!(proof.state, ProofState::Inconclusive as i32, "{proof:?}");
    assert!(proof.reason.contains(later.to_str().unwrap()), "{proof:?}");
    assert_eq!((seen(&space), seen(&later)), before);
    let next = lab.back_up(Some(&backup.id)).await;
    let proof = lab.prove(&deep(&next.id)).await;
    assert_eq!(proof.state, ProofState::Proven as i32, "{proof:?}");
    let found = evidence(&lab, &proof).await;
    assert!(
        found.ledger.iter().any(|count| count.table == "public.further"),
        "{found:?}"
    );
    assert_eq!((seen(&space), seen(&later)), before);
}

/// All files and directories below one.
fn walked(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            all.extend(walked(&path));
        }
        all.push(path);
    }
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scratch_directory_left_in_any_state_is_made_right() {
    let mut lab = lab().await;
    let first = lab.back_up(None).await;
    assert_eq!(lab.prove(&deep(&first.id)).await.state, ProofState::Proven as i32);
    let data = lab.place().join("data");
    let heap = data.join(lab.value("select pg_relation_filepath('kept')").await);
    std::fs::remove_file(data.join("global/pg_control")).unwrap();
    std::fs::write(heap.with_extension("7"), "what a cut-off restore never wrote").unwrap();
    std::fs::write(&heap, vec![1; 5000]).unwrap();
    std::fs::create_dir(data.join("strange")).unwrap();
    std::fs::write(data.join("strange/file"), "").unwrap();
    std::fs::remove_dir_all(data.join("pg_xact")).unwrap();
    std::fs::write(data.join("pg_xact"), "").unwrap();
    std::fs::write(data.join("standby.signal"), "").unwrap();
    std::fs::write(data.join("tablespace_map"), "16390 /tmp/elsewhere").unwrap();
    lab.keeper.settings.proof_rolling = false;
    let proof = lab.prove(&deep(&first.id)).await;
    assert_eq!(proof.state, ProofState::Proven as i32, "{proof:?}");
    assert!(!data.exists(), "it is not kept where nothing rolls");
}
