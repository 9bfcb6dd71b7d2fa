//! A restore that is killed, or runs out of room, is gone on with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_model::Clock;
use weir_testkit::eventually;

use super::super::testing::{pictured, unhurried};
use super::super::{FileOptions, files};
use super::directories::{World, assert_restored, assert_same, first_difference};
use crate::repo::directory::Directory;
use crate::repo::keys::Wrapping;
use crate::repo::{Repository, Shelf};

/// What the process below is to do.
#[derive(Serialize, Deserialize)]
struct Order {
    repository: PathBuf,
    to: PathBuf,
    space: PathBuf,
}

const ORDER: &str = "order.json";
const PROCESS: &str = "engine::restore::tests::accidents::a_process_that_restores";

#[tokio::test]
#[ignore = "another test starts it as a process of its own, and kills it"]
async fn a_process_that_restores() {
    let order: Order = serde_json::from_slice(&fs::read(ORDER).unwrap()).unwrap();
    let shelf = Shelf::in_directory(Directory::of(&order.repository).unwrap(), "test");
    let opened = Repository::find(shelf, Wrapping::of(vec![[5; 32]]), Clock::system(), None).await;
    let repository = opened.unwrap().unwrap();
    let entry = repository.state().await.unwrap().backups.pop().unwrap();
    let options = FileOptions {
        delta: true,
        tablespaces: [(16400, order.space)].into(),
        ..FileOptions::default()
    };
    files(&repository, &entry, &order.to, &options, &unhurried())
        .await
        .unwrap();
}

fn process(world: &World, to: &str) -> Command {
    let order = Order {
        repository: world.repository_dir.path().to_owned(),
        to: world.path(to),
        space: world.path(&format!("{to}-space")),
    };
    fs::write(world.path(ORDER), serde_json::to_vec(&order).unwrap()).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--ignored", "--exact", PROCESS])
        .current_dir(world.dir.path());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Waits until a restore says that it has begun, or has ended.
async fn until_begun(child: &mut std::process::Child, to: &Path) {
    eventually("a restore to begin", Duration::from_secs(20), async || {
        let is_over = child.try_wait().unwrap().is_some();
        (is_over || to.join(".weir-restore").exists()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_restore_that_is_killed_at_any_moment_is_gone_on_with() {
    let world = World::new().await;
    let entry = world.stored(None).await;
    let begun = tokio::time::Instant::now();
    assert!(process(&world, "whole").status().unwrap().success());
    let takes = begun.elapsed();
    let fresh = pictured(&world.path("whole"));
    let mut cut_off = 0;
    for seed in 0..24 {
        let mut random = fastrand::Rng::with_seed(seed);
        let to = format!("to{}", seed / 2);
        let mut child = process(&world, &to).spawn().unwrap();
        // Every third is killed at any moment of its life, the others once they have begun to write.
        let after = if seed % 3 == 0 {
            takes.mul_f64(random.f64() * 1.1)
        } else {
            until_begun(&mut child, &world.path(&to)).await;
            takes.mul_f64(random.f64() * 0.06)
        };
        tokio::time::sleep(after.min(Duration::from_secs(20))).await;
        // What comes too late finds nobody, or nobody yet.
        drop(child.kill());
        child.wait().unwrap();
        if world.path(&to).join("global/pg_control").exists() {
            let mut there = pictured(&world.path(&to));
            there.retain(|(name, ..)| name != ".weir-restore");
            assert_eq!(
                first_difference(&there, &fresh),
                None,
                "seed {seed}: whole where it says so"
            );
        } else {
            cut_off += u32::from(world.path(&to).join("PG_VERSION").exists());
        }
        // Every other one is killed a second time first, on its way from there.
        if seed % 2 == 1 {
            world.restore(&entry, &to, true).await.unwrap();
            assert_same(&pictured(&world.path(&to)), &fresh);
        }
    }
    assert!(cut_off >= 1, "{cut_off} were cut off in the middle");
}

#[tokio::test]
async fn a_directory_that_is_written_over_is_no_cluster_until_it_is_whole_again() {
    let world = World::new().await;
    let entry = world.stored(None).await;
    let begun = tokio::time::Instant::now();
    assert!(process(&world, "to").status().unwrap().success());
    let takes = begun.elapsed();
    let fresh = pictured(&world.path("to"));
    let mut cut_off = 0;
    for seed in 0..16 {
        let mut random = fastrand::Rng::with_seed(seed);
        for name in ["base/1/1000", "base/1/1001", "base/1/1003"] {
            fs::write(world.path("to").join(name), vec![seed as u8; 2 << 20]).unwrap();
        }
        let damaged = pictured(&world.path("to"));
        let mut child = process(&world, "to").spawn().unwrap();
        let after = if seed % 4 == 0 {
            takes.mul_f64(random.f64() * 1.1)
        } else {
            until_begun(&mut child, &world.path("to")).await;
            takes.mul_f64(random.f64() * 0.06)
        };
        tokio::time::sleep(after).await;
        drop(child.kill());
        child.wait().unwrap();
        if world.path("to/global/pg_control").exists() {
            let mut there = pictured(&world.path("to"));
            there.retain(|(name, ..)| !name.starts_with(".weir-restore"));
            let is_one = [&fresh, &damaged]
                .iter()
                .any(|all| first_difference(&there, all).is_none());
            assert!(is_one, "seed {seed}: neither what it was nor what it has to be");
        } else {
            cut_off += 1;
        }
        world.restore(&entry, "to", true).await.unwrap();
        assert_same(&pictured(&world.path("to")), &fresh);
    }
    assert!(cut_off >= 1, "{cut_off} were cut off in the middle");
}

/// A file system of a few megabytes, or none where this process may not have one.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", size, "tmpfs"])
            .arg(at)
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then(|| Self(at.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_disk_that_is_full_is_told_of_and_what_is_there_is_gone_on_with() {
    let world = World::new().await;
    let entry = world.stored(None).await;
    let Some(small) = Small::mount(&world.path("small"), "size=3m") else {
        tracing::warn!("left out: this process may not mount a small file system");
        return;
    };
    let mut options = world.options("elsewhere", false);
    let to = small.0.join("data");
    let full = files(&world.repository, &entry, &to, &options, &unhurried()).await;
    let told = full.unwrap_err().to_string();
    assert!(told.contains("No space left on device"), "{told}");
    assert!(!to.join("global/pg_control").exists());
    let larger = Command::new("mount")
        .args(["-o", "remount,size=64m"])
        .arg(&small.0)
        .status();
    assert!(larger.unwrap().success());
    options.delta = true;
    let written = files(&world.repository, &entry, &to, &options, &unhurried())
        .await
        .unwrap();
    assert!(written.kept_bytes > 1 << 20, "{written:?}");
    assert_restored(&world, &to);
}

#[tokio::test]
async fn one_that_is_stopped_leaves_nothing_that_starts_and_keeps_others_out_until_then() {
    let world = World::new().await;
    let entry = world.stored(None).await;
    let stopped = unhurried();
    stopped.stop().cancel();
    let to = world.path("to");
    let result = files(&world.repository, &entry, &to, &world.options("to", false), &stopped).await;
    assert!(matches!(result, Err(crate::error::Error::Stopped)), "{result:?}");
    assert!(!to.join("global/pg_control").exists());
    let held = fs::File::open(&to).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let refused = world.restore(&entry, "to", true).await;
    assert!(
        refused.unwrap_err().to_string().contains("another restore"),
        "the directory is one restore's alone"
    );
    drop(held);
    // The same order once more, as a job that begins anew has it.
    world.restore(&entry, "to", false).await.unwrap();
    assert_restored(&world, &to);
}
