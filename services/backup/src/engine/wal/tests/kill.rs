//! No byte is missing, whenever the receiver ends and however the server does.

use std::time::Duration;

use super::*;
use crate::engine::wal::whereabouts;

const S: u32 = 16 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_received_is_the_servers_log_and_it_hears_so() {
    let postgres = postgres().await;
    let mut world = World::new(&postgres, 1, |_| {}).await;
    world.start();
    write(&postgres, 40).await;
    let end = world.until_safe(&postgres).await;
    let repository = world.repository(0).await;
    let from = first_kept(&repository, 1, S).await;
    assert!(end - from > u64::from(2 * S), "segments were completed");
    let kept = kept_log(&repository, 1, from, end, S).await;
    assert_same(&kept, &own_log(&postgres, 1, from, end, S), from);

    // What is fetched for a recovery reads as the server's own.
    let fetched = tempfile::tempdir().unwrap();
    let mut segment = Segment::at(1, from, S);
    while segment.start() < end {
        let name = segment.name();
        let (repositories, names) = (&world.keeper.repositories, ["r0".to_owned()]);
        let found = crate::engine::wal::helper::fetch(repositories, &names, &name, &path(&fetched, &name)).await;
        assert_eq!(found, Ok(true), "{name}");
        assert_eq!(std::fs::metadata(path(&fetched, &name)).unwrap().len(), u64::from(S));
        segment = segment.next();
    }
    let own = waldump(&postgres, &postgres.data_dir().join("pg_wal"), from, end);
    assert!(own.lines().count() > 10_000);
    assert_eq!(waldump(&postgres, fetched.path(), from, end), own);

    let told = format!(
        "select count(*) from pg_stat_replication where application_name = 'weir_backup' and flush_lsn >= '{0}' \
         and replay_lsn >= '{0}'",
        Lsn(end)
    );
    eventually("the server to hear how far it is safe", SOON, async || {
        let found = postgres.psql("postgres", &told).await;
        if found == "1" { Ok(()) } else { Err(found) }
    })
    .await;
    let state = world.log.state();
    assert_eq!(
        (state.way, state.slot.as_str()),
        (super::super::Way::Streaming, "weir_backup")
    );
    assert_eq!(state.reason, "");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_stop_what_came_is_stored() {
    let postgres = postgres().await;
    // So rarely that nothing would be stored by itself.
    let mut world = World::new(&postgres, 1, |settings| {
        settings.wal_flush_every = Duration::from_secs(3600);
    })
    .await;
    world.start();
    write(&postgres, 1).await;
    let end = flushed(&postgres).await;
    eventually("the log to come", SOON, async || {
        let received = world.log.state().received.map_or(0, |at| at.lsn);
        if received >= end {
            Ok(())
        } else {
            Err(format!("{received}"))
        }
    })
    .await;
    world.stop().await;
    let repository = world.repository(0).await;
    let kept = whereabouts::end(&repository, 1, S).await.unwrap().unwrap();
    assert!(kept.lsn >= end, "{} of {}", Lsn(kept.lsn), Lsn(end));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_goes_on_without_a_gap() {
    let postgres = postgres().await;
    let mut world = World::new(&postgres, 1, |settings| {
        settings.wal_flush_every = Duration::from_millis(10);
    })
    .await;
    let mut random = fastrand::Rng::with_seed(11);
    let writing = async {
        for _ in 0..12 {
            write(&postgres, 8).await;
        }
    };
    let killing = async {
        for _ in 0..25 {
            world.start();
            tokio::time::sleep(Duration::from_millis(random.u64(1..400))).await;
            world.kill().await;
        }
    };
    tokio::join!(writing, killing);
    world.start();
    let end = world.until_safe(&postgres).await;
    let repository = world.repository(0).await;
    let from = first_kept(&repository, 1, S).await;
    assert!(end - from > u64::from(4 * S));
    let kept = kept_log(&repository, 1, from, end, S).await;
    // Older segments are gone at the server, so the records have to fit together by themselves.
    let all = tempfile::tempdir().unwrap();
    for (number, content) in kept.chunks(S as usize).enumerate() {
        let mut content = content.to_vec();
        content.resize(S as usize, 0);
        let name = Segment::at(1, from + number as u64 * u64::from(S), S).name();
        std::fs::write(path(&all, &name), content).unwrap();
    }
    let read = waldump(&postgres, all.path(), from, end);
    let last = read.lines().last().unwrap();
    assert!(read.lines().count() > 50_000, "{last}");
    let pieces = repository.open_segments(1, S).await.unwrap();
    assert!(pieces.len() <= 2, "{pieces:?} are left");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_crashes_is_followed_when_it_is_back() {
    let mut postgres = postgres().await;
    let mut world = World::new(&postgres, 1, |_| {}).await;
    world.start();
    for _ in 0..3 {
        write(&postgres, 10).await;
        postgres.stop().await;
        eventually("the loss to be told", SOON, async || {
            let state = world.log.state();
            if state.reason.is_empty() {
                Err(format!("{state:?}"))
            } else {
                Ok(())
            }
        })
        .await;
        postgres.start_again().await;
    }
    write(&postgres, 1).await;
    let end = world.until_safe(&postgres).await;
    let repository = world.repository(0).await;
    let from = end - u64::from(S);
    let kept = kept_log(&repository, 1, from, end, S).await;
    assert_same(&kept, &own_log(&postgres, 1, from, end, S), from);
    kept_log(&repository, 1, first_kept(&repository, 1, S).await, end, S).await;
    assert_eq!(world.log.state().reason, "");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_can_wait_until_it_is_safe_here() {
    let postgres = postgres().await;
    let mut world = World::new(&postgres, 1, |_| {}).await;
    world.start();
    world.until_safe(&postgres).await;
    postgres
        .psql(
            "postgres",
            "alter system set synchronous_standby_names = 'weir_backup'; select pg_reload_conf()",
        )
        .await;
    postgres.psql("postgres", "create table t (id int)").await;
    for id in 0..20 {
        let sql = format!("insert into t values ({id}); select pg_current_wal_insert_lsn()");
        let lsn = postgres.psql("postgres", &sql).await.parse::<Lsn>().unwrap().0;
        let kept = whereabouts::end(&world.repository(0).await, 1, S)
            .await
            .unwrap()
            .unwrap();
        // The position was asked after the commit: nothing but that is before it.
        assert!(
            kept.lsn + 8192 > lsn && kept.lsn >= lsn - 512,
            "{} of {}",
            Lsn(kept.lsn),
            Lsn(lsn)
        );
    }
    world.moods[0].set(store::Mood::Stalls);
    let waits = tokio::time::timeout(
        Duration::from_secs(2),
        postgres.psql("postgres", "insert into t values (-1)"),
    );
    assert!(waits.await.is_err(), "a commit did not wait");
    world.moods[0].set(store::Mood::Well);
    postgres.psql("postgres", "insert into t values (-2)").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_may_have_any_size() {
    for megabytes in [1, 64] {
        let options = PostgresOptions::new().wal_segment_megabytes(megabytes);
        let postgres = server(options.setting("min_wal_size", "128MB")).await;
        let mut world = World::new(&postgres, 1, |_| {}).await;
        world.start();
        write(&postgres, 10).await;
        let end = world.until_safe(&postgres).await;
        let (repository, bytes) = (world.repository(0).await, megabytes << 20);
        let from = first_kept(&repository, 1, bytes).await.max(end - 4 * 1024 * 1024);
        let kept = kept_log(&repository, 1, from, end, bytes).await;
        assert_same(&kept, &own_log(&postgres, 1, from, end, bytes), from);
        let whole = repository.segments(1, bytes).await.unwrap().len();
        assert_eq!(whole > 5, megabytes == 1, "{whole} segments of {megabytes} MB");
        world.stop().await;
    }
}
