//! A process that is killed at every request that it makes of a store, before and after it was done: what is listed then
//! reads back, and the next attempt comes to an end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use std::sync::Arc;

use object_store::local::LocalFileSystem;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use uuid::Uuid;
use weir_model::Clock;

use super::Repository;
use super::chunk::CHUNK_BYTES;
use super::faulty::{Fault, Faulty};
use super::keys::Wrapping;
use super::tests::{content, restored, stored_as};

/// What the process below is to do.
#[derive(Serialize, Deserialize)]
struct Order {
    repository: PathBuf,
    /// The request at which it is killed; none: it is not.
    request: Option<u64>,
    /// Whether that is done before.
    done: bool,
}

const ORDER: &str = "order.json";
const PROCESS: &str = "repo::kills::a_process_that_backs_up";
/// More requests than it makes.
const REQUESTS_MAX: u64 = 500;

fn ids() -> [Uuid; 2] {
    [Uuid::from_u128(1), Uuid::from_u128(2)]
}

/// The files of each backup.
fn files(number: usize) -> Vec<(&'static str, Vec<u8>)> {
    let mut table = content(7, 3 * CHUNK_BYTES);
    if let Some(byte) = table.get_mut(5_000 * number) {
        *byte ^= 0xFF;
    }
    vec![("base/1/1", table), ("base/1/2", content(8 + number as u64, 9_000))]
}

async fn opened(directory: &Path, faulty: Option<&Faulty>) -> Repository {
    let store = || LocalFileSystem::new_with_prefix(directory).unwrap();
    let plain = Faulty::new(Arc::new(store()), 0);
    let shelf = faulty.unwrap_or(&plain).shelf("test");
    let wrapping = Wrapping::of(vec![[5; 32]]);
    Repository::open(shelf, wrapping, "main", Clock::system(), None)
        .await
        .unwrap()
}

#[tokio::test]
#[ignore = "another test starts it as a process of its own, which is killed"]
async fn a_process_that_backs_up() {
    let order: Order = serde_json::from_slice(&fs::read(ORDER).unwrap()).unwrap();
    let store = LocalFileSystem::new_with_prefix(&order.repository).unwrap();
    let faulty = Faulty::new(Arc::new(store), 0);
    if let Some(request) = order.request {
        faulty.at(
            request,
            if order.done {
                Fault::DoneAndKilled
            } else {
                Fault::Killed
            },
        );
    }
    let repository = opened(&order.repository, Some(&faulty)).await;
    for (number, id) in ids().into_iter().enumerate() {
        let state = repository.state().await.unwrap();
        if state.backup(&id.to_string()).is_ok() {
            continue;
        }
        let basis = state.backups.last().map(|backup| backup.id.clone());
        stored_as(&repository, id, basis.as_deref(), &files(number))
            .await
            .unwrap();
    }
}

fn run(dir: &TempDir, request: Option<u64>, done: bool) -> ExitStatus {
    let order = Order {
        repository: dir.path().join("repository"),
        request,
        done,
    };
    fs::create_dir_all(&order.repository).unwrap();
    fs::write(dir.path().join(ORDER), serde_json::to_vec(&order).unwrap()).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", PROCESS]).current_dir(dir.path());
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap()
}

/// Every listed backup reads back; returns how many there are.
async fn listed(dir: &TempDir) -> usize {
    let repository = opened(&dir.path().join("repository"), None).await;
    let state = repository.state().await.unwrap();
    for entry in &state.backups {
        let number = ids().iter().position(|id| id.to_string() == entry.id).unwrap();
        let expected: Vec<_> = files(number)
            .into_iter()
            .map(|(name, content)| (name.to_owned(), content))
            .collect();
        assert_eq!(restored(&repository, entry).await.unwrap(), expected);
    }
    state.backups.len()
}

#[tokio::test]
async fn a_process_that_is_killed_at_any_request_loses_nothing_that_is_listed() {
    let mut killed = 0;
    for done in [false, true] {
        for request in 0..REQUESTS_MAX {
            let dir = tempfile::tempdir().unwrap();
            let status = run(&dir, Some(request), done);
            if status.success() {
                break;
            }
            killed += 1;
            listed(&dir).await;
            assert!(run(&dir, None, false).success(), "after the kill at request {request}");
            assert_eq!(listed(&dir).await, 2, "after the kill at request {request}");
        }
    }
    assert!(killed > 40, "only {killed} kills");
}
