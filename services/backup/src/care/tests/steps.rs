//! Everything that changes a repository in a directory, cut off at each step that it asks of the file system: by kill,
//! by a loss of power, by a disk that fails or is full. What is listed reads back, the next attempt comes to an end, and
//! after it nothing is left that nothing needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::super::rotate::renew;
use super::super::verify::verify;
use super::*;
use crate::repo::Shelf;
use crate::repo::directory::Directory;
use crate::repo::shaky::{Shaky, Trouble};
use crate::repo::tests::{content, stored_as};
use crate::repo::wal::{Held, Segment};

/// The ordinary tests cut off at one step in so many.
const EVERY: u64 = 4;
/// Whatever is done takes more.
const STEPS_MIN: u64 = 15;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;
/// A segment of the log that is whole, and the one after it.
const WAL: u32 = 1 << 20;
const PROCESS: &str = "care::tests::steps::a_process_that_works";
const ORDER: &str = "order.json";

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Work {
    BackUp,
    Collect,
    Rotate,
    Log,
}

const ALL: [Work; 4] = [Work::BackUp, Work::Collect, Work::Rotate, Work::Log];

/// Backups of the scene, and the one that is made.
fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn files(number: usize) -> Vec<(&'static str, Vec<u8>)> {
    let mut table = content(7, 150_000);
    table[5_000 * number] ^= 0xFF;
    vec![("base/1/1", table), ("base/1/2", content(8 + number as u64, 9_000))]
}

fn segment(number: u64) -> Segment {
    Segment::at(1, (number + 4) * u64::from(WAL), WAL)
}

fn log() -> Vec<u8> {
    content(3, WAL as usize)
}

/// A repository with two backups, one of which is given up, and log.
struct Scene {
    dir: TempDir,
    ledger: Ledger,
}

impl Scene {
    async fn new() -> Self {
        // In memory where there is such a place: what lasts is reckoned here, and no disk has to be waited for.
        let dir = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        fs::create_dir(dir.path().join("scene")).unwrap();
        let repository = opened(&dir.path().join("scene"), &Shaky::default()).await.unwrap();
        let mut ledger = Ledger::default();
        for number in 0..2 {
            stored_as(&repository, id(number), None, &files(number as usize))
                .await
                .unwrap();
            ledger.note(id(number), &files(number as usize));
        }
        ledger.note(id(2), &files(2));
        give_up(&repository, &id(0).to_string()).await.unwrap();
        round(&repository, &now()).await.unwrap();
        for at in 0..3 {
            repository
                .put_piece(segment(0), at * 1000, &log()[at as usize * 1000..][..1000], 1)
                .await
                .unwrap();
        }
        Self { dir, ledger }
    }

    /// A copy to work on, in the place of the last.
    fn fresh(&self) -> PathBuf {
        let (from, to) = (self.dir.path().join("scene"), self.dir.path().join("repository"));
        drop(fs::remove_dir_all(&to));
        let copied = Command::new("cp").arg("-a").arg(from).arg(&to).status().unwrap();
        assert!(copied.success());
        to
    }

    /// What is listed reads back, and the work comes to an end; afterwards nothing is left.
    async fn settles(&self, at: &Path, work: Work, said: &str) {
        let repository = opened(at, &Shaky::default())
            .await
            .unwrap_or_else(|error| panic!("{said}: {error}"));
        let listed = self.ledger.check(&repository, said).await;
        assert!(listed.iter().any(|backup| backup.id == id(1).to_string()), "{said}");
        done(&repository, work)
            .await
            .unwrap_or_else(|error| panic!("{said}, again: {error}"));
        for _ in 0..4 {
            round(&repository, &now())
                .await
                .unwrap_or_else(|error| panic!("{said}, a round: {error}"));
        }
        let listed = self.ledger.check(&repository, said).await;
        assert_eq!(listed.len(), if work == Work::BackUp { 2 } else { 1 }, "{said}");
        let report = verify(&repository, &pace()).await.unwrap();
        let told: Vec<_> = report.damage.iter().filter(|damage| damage.path != "HEAD").collect();
        assert!(told.is_empty(), "{said}: {told:?}");
        is_log_whole(&repository, work, said).await;
        self.nothing_is_left(&repository, at, said).await;
    }

    async fn nothing_is_left(&self, repository: &Repository, at: &Path, said: &str) {
        let state = repository.state().await.unwrap();
        assert_eq!(
            (state.trash.len(), state.doomed.len(), state.leases.len()),
            (0, 0, 0),
            "{said}"
        );
        let mut needed = std::collections::BTreeSet::new();
        for backup in state.of_cluster() {
            needed.insert(backup.manifest_path());
            let packs = repository.manifest(backup).await.unwrap().packs;
            needed.extend(packs.into_iter().map(|pack| pack.path));
        }
        let (files, empty) = tree(at);
        assert_eq!(empty, Vec::<String>::new(), "{said}");
        for file in files {
            let is_kept = file.starts_with("packs/") || file.starts_with("manifests/");
            assert!(
                !file.contains('#') && (!is_kept || needed.contains(&file)),
                "{said}: {file} is left"
            );
        }
        assert_eq!(repository.shelf().list("keys").await.unwrap().len(), 1, "{said}");
    }
}

/// Every file below, and every directory in which nothing is, but for those at the top.
fn tree(at: &Path) -> (Vec<String>, Vec<String>) {
    let (mut files, mut empty, mut open) = (Vec::new(), Vec::new(), vec![at.to_owned()]);
    while let Some(dir) = open.pop() {
        let entries: Vec<_> = fs::read_dir(&dir).unwrap().flatten().collect();
        let within = |path: &Path| path.strip_prefix(at).unwrap().to_str().unwrap().to_owned();
        if entries.is_empty() && dir.parent() != Some(at) {
            empty.push(within(&dir));
        }
        for entry in entries {
            match entry.file_type().unwrap().is_dir() {
                true => open.push(entry.path()),
                false => files.push(within(&entry.path())),
            }
        }
    }
    (files, empty)
}

/// Without any grace, and with a clock that is on time.
fn now() -> How {
    How {
        now_unix_ms: Clock::system().unix_ms() + 1000,
        ..at_once()
    }
}

async fn opened(at: &Path, disk: &Shaky) -> Result<Repository, repo::Error> {
    let directory = Directory::on(at, Box::new(disk.clone())).unwrap();
    let shelf = Shelf::in_directory(directory, "test");
    Repository::open(shelf, Wrapping::of(vec![[5; 32]]), "main", Clock::system(), None).await
}

/// Does it; what was done before is gone on with.
async fn done(repository: &Repository, work: Work) -> Result<(), Error> {
    match work {
        Work::BackUp => {
            let state = repository.state().await?;
            if state.backup(&id(2).to_string()).is_err() {
                stored_as(repository, id(2), Some(&id(1).to_string()), &files(2)).await?;
            }
        }
        Work::Collect => drop(round(repository, &now()).await?),
        Work::Rotate => drop(renew(repository).await?),
        Work::Log => log_comes(repository).await?,
    }
    Ok(())
}

/// The rest of a segment: in a piece more, put together, and as a whole; then the beginning of the next.
async fn log_comes(repository: &Repository) -> Result<(), repo::Error> {
    let (log, first) = (log(), segment(0));
    repository.settle_segment(first).await?;
    if !repository.has_segment(first).await? {
        repository.put_piece(first, 3000, &log[3000..4000], 1).await?;
        repository.put_piece(first, 0, &log[..4000], 1).await?;
        repository.drop_piece(first, (1000, 2000)).await?;
        repository.put_segment(first, &log, 1).await?;
    }
    repository.drop_pieces(first).await?;
    repository.put_piece(segment(1), 0, &log[..500], 1).await
}

/// What was acknowledged of the log is there, whatever became of the rest.
async fn is_log_whole(repository: &Repository, work: Work, said: &str) {
    let held = repository.segment(segment(0)).await.unwrap();
    match (held, work) {
        (Held::Whole(content), Work::Log) => assert!(content == log(), "{said}"),
        (Held::Beginning(content), Work::Log) => panic!("{said}: {} bytes of the log", content.len()),
        (Held::Beginning(content), _) => assert!(content == log()[..3000], "{said}"),
        (Held::Whole(_), _) => panic!("{said}: nobody made it whole"),
    }
}

#[tokio::test]
#[ignore = "another test starts it as a process of its own, which is killed"]
async fn a_process_that_works() {
    let (work, step): (Work, u64) = serde_json::from_slice(&fs::read(ORDER).unwrap()).unwrap();
    let disk = Shaky::default();
    let repository = opened(Path::new("repository"), &disk).await.unwrap();
    disk.at(step, Trouble::Killed);
    done(&repository, work).await.unwrap();
}

async fn killed_at_steps(every: u64) {
    let scene = Scene::new().await;
    for work in ALL {
        let mut killed = 0;
        for step in (0..).step_by(every as usize) {
            let at = scene.fresh();
            fs::write(scene.dir.path().join(ORDER), serde_json::to_vec(&(work, step)).unwrap()).unwrap();
            let mut process = Command::new(std::env::current_exe().unwrap());
            process
                .args(["--ignored", "--exact", PROCESS])
                .current_dir(scene.dir.path());
            let ended = process.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
            scene
                .settles(&at, work, &format!("{work:?}, killed at step {step}"))
                .await;
            if ended.success() {
                break;
            }
            killed += every;
        }
        assert!(killed > STEPS_MIN, "{work:?} takes {killed} steps");
    }
}

#[tokio::test]
async fn a_process_that_is_killed_at_a_step_loses_nothing_and_leaves_nothing() {
    killed_at_steps(EVERY).await;
}

/// Does it with this trouble at a step; false where it takes fewer steps.
async fn fails_at(scene: &Scene, work: Work, step: u64, trouble: Trouble) -> bool {
    let (at, disk) = (scene.fresh(), Shaky::default());
    let said = format!("{work:?}, {trouble:?} at step {step}");
    let repository = opened(&at, &disk).await.unwrap();
    let before = disk.taken();
    disk.at(step, trouble);
    let outcome = done(&repository, work).await;
    let taken = disk.taken() - before;
    if let Err(error) = &outcome {
        assert!(error.to_string().contains("os error"), "{said}: {error}");
    }
    disk.heal();
    // The same process goes on, as the service does.
    done(&repository, work)
        .await
        .unwrap_or_else(|error| panic!("{said}, tried again: {error}"));
    scene.settles(&at, work, &said).await;
    taken > step
}

async fn fails_at_steps(every: u64, trouble: Trouble) {
    let scene = Scene::new().await;
    for work in ALL {
        let mut step = 0;
        while fails_at(&scene, work, step, trouble).await {
            step += every;
        }
        assert!(step > STEPS_MIN, "{work:?} takes {step} steps");
    }
}

#[tokio::test]
async fn a_disk_that_fails_at_a_step_costs_an_attempt_only() {
    fails_at_steps(EVERY, Trouble::Fails(EIO)).await;
}

#[tokio::test]
async fn a_step_that_was_done_and_said_to_have_failed_costs_an_attempt_only() {
    fails_at_steps(EVERY, Trouble::Lost(EIO)).await;
}

#[tokio::test]
async fn a_write_that_is_cut_short_because_the_disk_is_full_costs_an_attempt_only() {
    fails_at_steps(EVERY, Trouble::Short(ENOSPC)).await;
}

/// What comes before the power is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing.
    Nothing,
    /// A step failed, and the same process went on.
    Failure,
    /// The process was gone at a step, and another went on.
    Kill,
    /// A step failed, and another process went on, which does not know that.
    FailureElsewhere,
}

impl Before {
    const fn trouble(self) -> Trouble {
        match self {
            Self::Failure | Self::FailureElsewhere => Trouble::Fails(EIO),
            Self::Nothing | Self::Kill => Trouble::Off,
        }
    }

    const fn is_of_another(self) -> bool {
        matches!(self, Self::Kill | Self::FailureElsewhere)
    }
}

/// Afterwards what was acknowledged is there.
async fn loses_power_at(scene: &Scene, work: Work, step: u64, first: Before) -> bool {
    let at = scene.fresh();
    let disk = Shaky::default().remembering(&at);
    let said = format!("{work:?}, {first:?} at step {step}, and then no power");
    let repository = opened(&at, &disk).await.unwrap();
    let before = disk.taken();
    disk.at(step, first.trouble());
    let mut acknowledged = done(&repository, work).await.is_ok();
    let taken = disk.taken() - before;
    disk.heal();
    if first != Before::Nothing {
        let other = if first.is_of_another() {
            opened(&at, &disk).await.unwrap()
        } else {
            repository
        };
        acknowledged |= done(&other, work).await.is_ok();
        assert!(acknowledged, "{said}");
    }
    disk.lose_power(step);
    if acknowledged {
        is_done(&at, work, &said).await;
    }
    scene.settles(&at, work, &said).await;
    taken > step
}

/// What somebody was told to be done is done.
async fn is_done(at: &Path, work: Work, said: &str) {
    let repository = opened(at, &Shaky::default())
        .await
        .unwrap_or_else(|error| panic!("{said}: {error}"));
    let state = repository.state().await.unwrap();
    match work {
        Work::BackUp => assert!(
            state.backup(&id(2).to_string()).is_ok(),
            "{said}: it is not listed any more"
        ),
        Work::Rotate => assert!(state.keys > 1, "{said}: its keys are the old ones"),
        Work::Log => {
            is_log_whole(&repository, work, said).await;
            let next = repository.segment(segment(1)).await.unwrap();
            assert_eq!(next, Held::Beginning(log()[..500].to_vec().into()), "{said}");
        }
        Work::Collect => {}
    }
}

async fn loses_power_after(works: &[Work], every: u64, first: Before) {
    let scene = Scene::new().await;
    for &work in works {
        let mut step = 0;
        while loses_power_at(&scene, work, step, first).await {
            step += every;
        }
        assert!(step > STEPS_MIN, "{work:?} takes {step} steps");
    }
}

#[tokio::test]
async fn a_loss_of_power_at_a_step_takes_nothing_that_was_acknowledged() {
    loses_power_after(&ALL, EVERY, Before::Nothing).await;
}

#[tokio::test]
async fn what_could_not_be_written_through_is_never_taken_for_written() {
    // Of a backup it shows at few steps.
    loses_power_after(&[Work::BackUp], 1, Before::Failure).await;
    loses_power_after(&[Work::Collect, Work::Rotate, Work::Log], EVERY, Before::Failure).await;
}

#[tokio::test]
async fn what_another_left_is_written_through_before_it_is_built_on() {
    loses_power_after(&ALL, EVERY, Before::Kill).await;
}

#[tokio::test]
async fn what_another_could_not_write_through_is_not_taken_for_written_either() {
    loses_power_after(&[Work::BackUp], 1, Before::FailureElsewhere).await;
}

#[tokio::test]
#[ignore = "takes minutes: just soak-faults"]
async fn everything_at_each_step() {
    killed_at_steps(1).await;
    for trouble in [Trouble::Fails(EIO), Trouble::Lost(EIO), Trouble::Short(ENOSPC)] {
        fails_at_steps(1, trouble).await;
    }
    for first in [Before::Nothing, Before::Failure, Before::Kill, Before::FailureElsewhere] {
        loses_power_after(&ALL, 1, first).await;
    }
}
