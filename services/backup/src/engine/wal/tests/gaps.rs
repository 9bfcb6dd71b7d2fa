//! A store that stalls, a slot that goes, log that is missing: told loudly, never at the cost of the server's disk.

use std::time::Duration;

use super::store::Mood;
use super::*;
use crate::engine::wal::whereabouts;
use crate::repo::state::{BackupEntry, BackupKind, BackupState};

const S: u32 = 16 << 20;

async fn retained(postgres: &Postgres) -> Option<u64> {
    let sql = "select (pg_current_wal_lsn() - restart_lsn)::bigint from pg_replication_slots";
    postgres.psql("postgres", sql).await.parse().ok()
}

async fn until_slot(postgres: &Postgres, there: bool) {
    eventually("the slot to be there or not", SOON, async || {
        let found = postgres
            .psql("postgres", "select count(*) from pg_replication_slots")
            .await;
        if (found == "1") == there { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_stalls_never_holds_back_more_than_the_guard() {
    let postgres = postgres().await;
    // More than a server writes between two looks, however fast this machine is today.
    let guard = 256 << 20;
    let mut world = World::new(&postgres, 1, |settings| settings.wal_slot_guard_bytes = guard).await;
    world.start();
    let first = world.until_safe(&postgres).await;
    for mood in [Mood::Stalls] {
        world.moods[0].set(mood);
        write(&postgres, 40).await;
        world.until_reason("repository r0").await;
        assert!(
            retained(&postgres).await.unwrap() > 30 << 20,
            "the slot holds what is not safe"
        );
        assert!(world.log.state().exposure_ms > 0);
        for _ in 0..24 {
            write(&postgres, 15).await;
            let held = retained(&postgres).await.unwrap_or(0);
            assert!(held <= guard, "{held} bytes are held back");
        }
        world.until_reason("given up").await;
        until_slot(&postgres, false).await;
        postgres.psql("postgres", "checkpoint").await;
        let left = postgres.psql("postgres", "select sum(size) from pg_ls_waldir()").await;
        assert!(
            left.parse::<u64>().unwrap() <= 480 << 20,
            "{left} bytes of log lie at the server"
        );
        world.moods[0].set(Mood::Well);
        until_slot(&postgres, true).await;
        world.until_safe(&postgres).await;
    }
    // What was lost with the slot is told of, until a backup makes it pointless.
    world.until_reason("log is missing from").await;
    let end = world.until_safe(&postgres).await;
    let repository = world.repository(0).await;
    let from = end - end % u64::from(S);
    let kept = kept_log(&repository, 1, from, end, S).await;
    assert_same(&kept, &own_log(&postgres, 1, from, end, S), from);
    assert!(whereabouts::end(&repository, 1, S).await.unwrap().unwrap().lsn > first);
    let backed = repository.change(|state| {
        let mut entry = BackupEntry {
            id: "a".to_owned(),
            start: Some(position(1, end)),
            ..BackupEntry::default()
        };
        entry.set_kind(BackupKind::Full);
        entry.set_state(BackupState::Unproven);
        state.backups.push(entry);
        Ok(())
    });
    backed.await.unwrap();
    eventually("the gap to be no trouble any more", SOON, async || {
        let reason = world.log.state().reason;
        if reason.is_empty() { Ok(()) } else { Err(reason) }
    })
    .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_that_passes_costs_nothing() {
    let postgres = postgres().await;
    let mut world = World::new(&postgres, 1, |_| {}).await;
    world.start();
    world.until_safe(&postgres).await;
    let mut random = fastrand::Rng::with_seed(5);
    for mood in [
        Mood::Stalls,
        Mood::Fails,
        Mood::LosesAnswers,
        Mood::Fails,
        Mood::LosesAnswers,
    ] {
        world.moods[0].set(mood);
        write(&postgres, 1 + random.u32(..60)).await;
        tokio::time::sleep(Duration::from_millis(random.u64(..500))).await;
        world.moods[0].set(Mood::Well);
    }
    let end = world.until_safe(&postgres).await;
    let repository = world.repository(0).await;
    let from = first_kept(&repository, 1, S).await;
    kept_log(&repository, 1, from, end, S).await;
    let recent = end - end % u64::from(S);
    let kept = kept_log(&repository, 1, recent, end, S).await;
    assert_same(&kept, &own_log(&postgres, 1, recent, end, S), recent);
    let reason = world.log.state().reason;
    assert!(!reason.contains("missing"), "{reason}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_somebody_dropped_is_made_again_and_what_is_gone_is_told() {
    let postgres = postgres().await;
    let mut world = World::new(&postgres, 1, |_| {}).await;
    world.start();
    let last = world.until_safe(&postgres).await;
    world.stop().await;
    // Only the slot goes: the log is there still, and nothing is missing.
    let drop_slot = "select pg_drop_replication_slot('weir_backup')";
    postgres.psql("postgres", drop_slot).await;
    write(&postgres, 5).await;
    world.start();
    let near = world.until_safe(&postgres).await;
    assert_eq!(world.log.state().reason, "");
    kept_log(&world.repository(0).await, 1, last, near, S).await;
    world.stop().await;
    // The log goes with it.
    postgres.psql("postgres", drop_slot).await;
    for _ in 0..3 {
        write(&postgres, 60).await;
        postgres.psql("postgres", "checkpoint").await;
    }
    world.start();
    world.until_reason(&format!("log is missing from {}", Lsn(near))).await;
    let end = world.until_safe(&postgres).await;
    assert_eq!(world.log.state().way, super::super::Way::Streaming);
    let from = end - end % u64::from(S);
    let kept = kept_log(&world.repository(0).await, 1, from, end, S).await;
    assert_same(&kept, &own_log(&postgres, 1, from, end, S), from);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_the_server_gave_up_is_made_again() {
    let options = PostgresOptions::new().setting("max_slot_wal_keep_size", "48MB");
    let postgres = server(options).await;
    let mut world = World::new(&postgres, 1, |settings| settings.wal_slot_guard_bytes = 0).await;
    world.start();
    world.until_safe(&postgres).await;
    world.moods[0].set(Mood::Stalls);
    for _ in 0..6 {
        write(&postgres, 60).await;
        postgres.psql("postgres", "checkpoint").await;
    }
    world.until_reason("invalidated").await;
    world.moods[0].set(Mood::Well);
    world.until_reason("log is missing from").await;
    world.until_safe(&postgres).await;
    until_slot(&postgres, true).await;
    world.stop().await;
}
