//! Which server is followed: another after a failover, none of another cluster, none that was set back.

use super::*;
use crate::engine::wal::whereabouts;

const S: u32 = 16 << 20;

fn door(postgres: &Postgres) -> String {
    format!("127.0.0.1:{}", postgres.port())
}

async fn caught_up(standby: &Postgres, lsn: u64) {
    let sql = format!("select pg_last_wal_replay_lsn() >= '{}'", Lsn(lsn));
    eventually("the standby to follow", SOON, async || {
        let there = standby.psql("postgres", &sql).await;
        if there == "t" { Ok(()) } else { Err(there) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_is_followed_twice_without_a_gap() {
    let first = postgres().await;
    let second = first.standby("second").await;
    let mut world = World::new(&first, 2, |settings| {
        settings.standbys.0 = vec![door(&second)];
    })
    .await;
    world.start();
    write(&first, 20).await;
    caught_up(&second, world.until_safe(&first).await).await;
    // The old one writes on alone for a moment: that branch dies with it.
    first.kill().await;
    second.promote().await;
    write(&second, 20).await;
    let end = world.until_safe(&second).await;
    let state = world.log.state();
    assert_eq!((state.durable.unwrap().timeline, state.reason.as_str()), (2, ""));
    for number in 0..2 {
        let repository = world.repository(number).await;
        let file = repository.history(2).await.unwrap().expect("the history is there");
        let history = History::read(2, Some(&file)).unwrap();
        let switch = history.of(1).unwrap().end.unwrap();
        eventually("all of the first timeline", SOON, async || {
            let old = whereabouts::end(&repository, 1, S).await.unwrap().map(|end| end.lsn);
            if old == Some(switch) {
                Ok(())
            } else {
                Err(format!("{old:?} of {switch}"))
            }
        })
        .await;
        let from = switch - switch % u64::from(S);
        eventually("all of the second timeline", SOON, async || {
            let new = whereabouts::end(&repository, 2, S)
                .await
                .unwrap()
                .map_or(0, |end| end.lsn);
            if new >= end {
                Ok(())
            } else {
                Err(format!("{new} of {end}"))
            }
        })
        .await;
        let kept = kept_log(&repository, 2, from, end, S).await;
        assert_same(&kept, &own_log(&second, 2, from, end, S), from);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_promoted_beside_the_old_one_is_followed_and_the_old_one_never_again() {
    let first = postgres().await;
    let second = first.standby("second").await;
    let mut world = World::new(&first, 1, |settings| {
        settings.standbys.0 = vec![door(&second)];
    })
    .await;
    world.start();
    caught_up(&second, world.until_safe(&first).await).await;
    second.promote().await;
    write(&second, 1).await;
    eventually("the new one to be followed", SOON, async || {
        let state = world.log.state();
        if state.durable.unwrap().timeline == 2 {
            Ok(())
        } else {
            Err(format!("{state:?}"))
        }
    })
    .await;
    world.until_safe(&second).await;
    world.stop().await;
    second.kill().await;
    world.start();
    world.until_reason("overtaken").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_was_away_during_failovers_closes_the_gap() {
    let first = postgres().await;
    let second = first.standby("second").await;
    let third = second.standby("third").await;
    for standby in [&second, &third] {
        let keep = "alter system set wal_keep_size = '1GB';\nselect pg_reload_conf()";
        standby.psql("postgres", keep).await;
    }
    let mut world = World::new(&first, 1, |_| {}).await;
    world.start();
    let begun = world.until_safe(&first).await;
    world.stop().await;
    write(&first, 20).await;
    let last = flushed(&first).await;
    caught_up(&second, last).await;
    caught_up(&third, last).await;
    first.kill().await;
    second.promote().await;
    write(&second, 20).await;
    caught_up(&third, flushed(&second).await).await;
    second.kill().await;
    third.promote().await;
    write(&third, 5).await;
    let dirs = std::mem::take(&mut world.dirs);
    let mut world = World::in_dirs(dirs, &third.url("postgres"), |_| {}).await;
    world.start();
    let end = world.until_safe(&third).await;
    assert_eq!(world.log.state().reason, "");
    let repository = world.repository(0).await;
    assert_eq!(repository.histories().await.unwrap(), [2, 3]);
    let file = repository.history(3).await.unwrap().unwrap();
    let history = History::read(3, Some(&file)).unwrap();
    let mut from = begun;
    for timeline in 1..=3 {
        let until = history.of(timeline).unwrap().end.unwrap_or(end);
        assert!(until > from);
        kept_log(&repository, timeline, from, until, S).await;
        from = until - until % u64::from(S);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_cluster_is_refused_and_nothing_of_it_is_stored() {
    let (ours, other) = tokio::join!(postgres(), postgres());
    // Same template, so the same identifier: one has to be another cluster.
    let other = {
        drop(other);
        server(PostgresOptions::new().wal_segment_megabytes(16)).await
    };
    let mut world = World::new(&ours, 1, |_| {}).await;
    world.start();
    world.until_safe(&ours).await;
    world.stop().await;
    let before = stored(&world);
    let dirs = std::mem::take(&mut world.dirs);
    let mut world = World::in_dirs(dirs, &other.url("postgres"), |_| {}).await;
    world.start();
    world.until_reason("holds the cluster").await;
    world.stop().await;
    assert_eq!(stored(&world), before);
    assert_eq!(
        other
            .psql("postgres", "select count(*) from pg_replication_slots")
            .await,
        "0"
    );
}

fn stored(world: &World) -> usize {
    let mut count = 0;
    let mut open = vec![world.dirs[0].path().join("wal")];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            count += 1;
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
        }
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_set_back_is_noticed_before_and_after_it_has_overtaken_itself() {
    let mut postgres = postgres().await;
    let mut world = World::new(&postgres, 1, |_| {}).await;
    world.start();
    world.until_safe(&postgres).await;
    world.stop().await;
    postgres.stop().await;
    // A snapshot of the machine, as far as the server is concerned.
    let snapshot = tempfile::tempdir().unwrap();
    copy_dir(&postgres.data_dir(), snapshot.path());
    postgres.start_again().await;
    write(&postgres, 2).await;
    world.start();
    world.until_safe(&postgres).await;
    world.stop().await;
    postgres.stop().await;
    copy_dir(snapshot.path(), &postgres.data_dir());
    postgres.start_again().await;
    world.start();
    world.until_reason("set back").await;
    write(&postgres, 4).await;
    world.until_reason("other log").await;
    world.stop().await;
}

/// A copy with owners, in the place of what is there.
fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    let script = r#"rm -rf "$2"/* && cp -a "$1"/. "$2"/"#;
    let copied = Command::new("sh").args(["-c", script, "sh"]).arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}
